//! AVX-512 F, BW, DQ, VL: sixteen lanes; codes of up to five bits by look-up in registers.

use std::arch::x86_64::*;

use super::{Simd, Task};
use crate::isa::Isa;

#[derive(Clone, Copy)]
pub(crate) struct Avx512;

/// Runs a task compiled for this level.
///
/// # Safety
/// The machine has it; the task's own conditions hold.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
pub(super) unsafe fn call<T: Task>(task: T) {
    // SAFETY: passed on to the caller.
    unsafe { task.run::<Avx512>() }
}

#[repr(align(64))]
struct Bytes([u8; 64]);
#[repr(align(64))]
struct Lanes([u32; 16]);
#[repr(align(64))]
struct Floats([f32; 16]);

/// Look-up tables hold an index's low bits only, which spares masking the codes.
const fn table(modulo: usize, from: usize) -> Floats {
    let mut t = [0.0; 16];
    let mut i = 0;
    while i < 16 {
        t[i] = ((i + from) % modulo) as f32;
        i += 1;
    }
    Floats(t)
}

const EVEN: Lanes = Lanes([0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30]);
const ODD: Lanes = Lanes([1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31]);
const LOW: Lanes = Lanes([0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23]);
const HIGH: Lanes = Lanes([8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31]);

/// The words that each quarter of the vector needs: 12 bytes a quarter, then 10.
const WORDS_24: Lanes = Lanes([0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0]);
const WORDS_20: Lanes = Lanes([0, 1, 2, 0, 2, 3, 4, 0, 5, 6, 7, 0, 7, 8, 9, 0]);
/// Codes 4 to 7 of five bits begin in the middle of a byte.
const SHIFTS_20: Lanes = Lanes([0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4, 0, 4]);

/// Three bytes to each lane.
const BYTES_24: Bytes = {
    let mut t = [0x80; 64];
    let mut lane = 0;
    while lane < 16 {
        let from = (lane % 4 * 3) as u8;
        t[4 * lane] = from;
        t[4 * lane + 1] = from + 1;
        t[4 * lane + 2] = from + 2;
        lane += 1;
    }
    Bytes(t)
};
/// Two and a half bytes to each lane, as three; odd quarters begin two bytes into their first word.
const BYTES_20: Bytes = {
    let mut t = [0x80; 64];
    let mut lane = 0;
    while lane < 16 {
        let from = (lane / 4 % 2 * 2 + lane % 4 * 5 / 2) as u8;
        t[4 * lane] = from;
        t[4 * lane + 1] = from + 1;
        t[4 * lane + 2] = from + 2;
        lane += 1;
    }
    Bytes(t)
};

#[inline(always)]
unsafe fn lanes(t: &'static Lanes) -> __m512i {
    // SAFETY: 64 bytes, aligned; the level is the caller's.
    unsafe { _mm512_load_si512(t.0.as_ptr().cast()) }
}

#[inline(always)]
unsafe fn bytes(t: &'static Bytes) -> __m512i {
    // SAFETY: as above.
    unsafe { _mm512_load_si512(t.0.as_ptr().cast()) }
}

#[inline(always)]
unsafe fn floats(t: &'static Floats) -> __m512 {
    // SAFETY: as above.
    unsafe { _mm512_load_ps(t.0.as_ptr()) }
}

fn first(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

macro_rules! ops {
    ($(fn $name:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? { $($body:tt)* })*) => {
        $(#[inline(always)]
        unsafe fn $name($($arg: $type),*) $(-> $result)? {
            // SAFETY: the caller keeps the trait's conditions.
            unsafe { $($body)* }
        })*
    };
}

impl Simd for Avx512 {
    const ISA: Isa = Isa::Avx512;
    const LANES: usize = 16;
    const TILE_ROWS: usize = 8;
    const TILE_VECTORS: usize = 3;
    const DECODE_ROWS: &'static [usize] = &[1, 2, 4, 8];
    type F = __m512;
    type U = __m512i;

    ops! {
        fn splat(v: f32) -> __m512 { _mm512_set1_ps(v) }
        fn load(p: *const f32) -> __m512 { _mm512_loadu_ps(p) }
        fn load_first(p: *const f32, n: usize) -> __m512 { _mm512_maskz_loadu_ps(first(n), p) }
        fn store(p: *mut f32, v: __m512) { _mm512_storeu_ps(p, v) }
        fn store_first(p: *mut f32, v: __m512, n: usize) { _mm512_mask_storeu_ps(p, first(n), v) }
        fn fma(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fmadd_ps(a, b, c) }
        fn mul(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
        fn add(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
        fn div(a: __m512, b: __m512) -> __m512 { _mm512_div_ps(a, b) }
        fn min(a: __m512, b: __m512) -> __m512 { _mm512_min_ps(a, b) }
        fn max(a: __m512, b: __m512) -> __m512 { _mm512_max_ps(a, b) }
        fn sum(v: __m512) -> f32 { _mm512_reduce_add_ps(v) }
        fn sum4(v: [__m512; 4]) -> [f32; 4] {
            let ab = _mm512_add_ps(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
            let cd = _mm512_add_ps(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
            let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
            let low = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
            let sums = _mm512_add_ps(low, _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)));
            let sums = _mm256_add_ps(_mm512_castps512_ps256(sums), _mm512_extractf32x8_ps::<1>(sums));
            let sums = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
            std::mem::transmute::<__m128, [f32; 4]>(sums)
        }
        fn unzip(a: __m512, b: __m512) -> (__m512, __m512) {
            (_mm512_permutex2var_ps(a, lanes(&EVEN), b), _mm512_permutex2var_ps(a, lanes(&ODD), b))
        }
        fn zip(a: __m512, b: __m512) -> (__m512, __m512) {
            (_mm512_permutex2var_ps(a, lanes(&LOW), b), _mm512_permutex2var_ps(a, lanes(&HIGH), b))
        }
        fn pick(t: __m512, index: __m512i) -> __m512 { _mm512_permutexvar_ps(index, t) }
        fn as_floats(v: __m512i) -> __m512 { _mm512_castsi512_ps(v) }
        fn as_bits(v: __m512) -> __m512i { _mm512_castps_si512(v) }
        fn words(p: *const u32, n: usize) -> __m512i { _mm512_maskz_loadu_epi32(first(n), p.cast()) }
        fn widen_f16(p: *const u16) -> __m512 { _mm512_cvtph_ps(_mm256_loadu_si256(p.cast())) }
        fn widen_bf16(p: *const u16) -> __m512 {
            let v = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(v))
        }
        fn narrow_f16(p: *mut u16, v: __m512) {
            _mm256_storeu_si256(p.cast(), _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v));
        }
        fn narrow_bf16(p: *mut u16, v: __m512) {
            let bits = _mm512_castps_si512(v);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
            let nan = _mm512_or_si512(bits, _mm512_set1_epi32(0x40_0000));
            let unordered = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
            let rounded = _mm512_mask_mov_epi32(up, unordered, nan);
            _mm256_storeu_si256(p.cast(), _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded)));
        }
        fn prefetch(p: *const u8) { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }

    #[inline(always)]
    unsafe fn spread<const BITS: usize>(v: __m512i) -> __m512i {
        // SAFETY: the caller keeps the trait's conditions.
        unsafe {
            match BITS {
                3 | 6 => _mm512_shuffle_epi8(_mm512_permutexvar_epi32(lanes(&WORDS_24), v), bytes(&BYTES_24)),
                5 => {
                    let v =
                        _mm512_shuffle_epi8(_mm512_permutexvar_epi32(lanes(&WORDS_20), v), bytes(&BYTES_20));
                    _mm512_srlv_epi32(v, lanes(&SHIFTS_20))
                }
                _ => v,
            }
        }
    }

    #[inline(always)]
    unsafe fn code<const BITS: usize>(v: __m512i, j: usize) -> __m512 {
        static MODULO_4: Floats = table(4, 0);
        static MODULO_8: Floats = table(8, 0);
        static MODULO_16: Floats = table(16, 0);
        static SECOND_16: Floats = table(32, 16);
        // SAFETY: the caller keeps the trait's conditions.
        unsafe {
            let v = _mm512_srlv_epi32(v, _mm512_set1_epi32((j * BITS) as i32));
            match BITS {
                2 => _mm512_permutexvar_ps(v, floats(&MODULO_4)),
                3 => _mm512_permutexvar_ps(v, floats(&MODULO_8)),
                4 => _mm512_permutexvar_ps(v, floats(&MODULO_16)),
                5 => _mm512_permutex2var_ps(floats(&MODULO_16), v, floats(&SECOND_16)),
                _ => _mm512_cvtepi32_ps(_mm512_and_si512(v, _mm512_set1_epi32((1 << BITS) - 1))),
            }
        }
    }
}
