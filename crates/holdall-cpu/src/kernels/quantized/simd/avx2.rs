//! AVX2, FMA and F16C: eight lanes.

use std::arch::x86_64::*;

use super::{Simd, Task};
use crate::isa::Isa;

#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// Runs a task compiled for this level.
///
/// # Safety
/// The machine has it; the task's own conditions hold.
#[inline(never)]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn call<T: Task>(task: T) {
    // SAFETY: passed on to the caller.
    unsafe { task.run::<Avx2>() }
}

#[repr(align(32))]
struct Bytes([u8; 32]);
#[repr(align(32))]
struct Lanes([u32; 8]);

/// The words that each half of the vector needs: 12 bytes a half, then 10.
const WORDS_24: Lanes = Lanes([0, 1, 2, 0, 3, 4, 5, 0]);
const WORDS_20: Lanes = Lanes([0, 1, 2, 0, 2, 3, 4, 0]);
/// Codes 4 to 7 of five bits begin in the middle of a byte.
const SHIFTS_20: Lanes = Lanes([0, 4, 0, 4, 0, 4, 0, 4]);

/// Three bytes to each lane, `half_bytes` half bytes apart; the second half begins `second` bytes into its first word.
const fn bytes(half_bytes: usize, second: usize) -> Bytes {
    let mut t = [0x80; 32];
    let mut lane = 0;
    while lane < 8 {
        let from = (lane / 4 * second + lane % 4 * half_bytes / 2) as u8;
        t[4 * lane] = from;
        t[4 * lane + 1] = from + 1;
        t[4 * lane + 2] = from + 2;
        lane += 1;
    }
    Bytes(t)
}
static BYTES_24: Bytes = bytes(6, 0);
static BYTES_20: Bytes = bytes(5, 2);

#[inline(always)]
unsafe fn lanes(t: &'static Lanes) -> __m256i {
    // SAFETY: 32 bytes, aligned; the level is the caller's.
    unsafe { _mm256_load_si256(t.0.as_ptr().cast()) }
}

/// All bits set in the first `n` lanes.
#[inline(always)]
unsafe fn first(n: usize) -> __m256i {
    // SAFETY: the level is the caller's.
    unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
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

impl Simd for Avx2 {
    const ISA: Isa = Isa::Avx2;
    const LANES: usize = 8;
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 2;
    const DECODE_ROWS: &'static [usize] = &[1, 2, 4];
    type F = __m256;
    type U = __m256i;

    ops! {
        fn splat(v: f32) -> __m256 { _mm256_set1_ps(v) }
        fn load(p: *const f32) -> __m256 { _mm256_loadu_ps(p) }
        fn load_first(p: *const f32, n: usize) -> __m256 { _mm256_maskload_ps(p, first(n)) }
        fn store(p: *mut f32, v: __m256) { _mm256_storeu_ps(p, v) }
        fn store_first(p: *mut f32, v: __m256, n: usize) { _mm256_maskstore_ps(p, first(n), v) }
        fn fma(a: __m256, b: __m256, c: __m256) -> __m256 { _mm256_fmadd_ps(a, b, c) }
        fn mul(a: __m256, b: __m256) -> __m256 { _mm256_mul_ps(a, b) }
        fn add(a: __m256, b: __m256) -> __m256 { _mm256_add_ps(a, b) }
        fn div(a: __m256, b: __m256) -> __m256 { _mm256_div_ps(a, b) }
        fn min(a: __m256, b: __m256) -> __m256 { _mm256_min_ps(a, b) }
        fn max(a: __m256, b: __m256) -> __m256 { _mm256_max_ps(a, b) }
        fn sum(v: __m256) -> f32 {
            let v = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
            let v = _mm_add_ps(v, _mm_movehl_ps(v, v));
            _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)))
        }
        fn unzip(a: __m256, b: __m256) -> (__m256, __m256) {
            // Pairs come out as a0 b0 a1 b1 and are then put in order.
            let even = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
            let odd = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_11_01>(a, b));
            (
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(even)),
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(odd)),
            )
        }
        fn zip(a: __m256, b: __m256) -> (__m256, __m256) {
            let low = _mm256_unpacklo_ps(a, b);
            let high = _mm256_unpackhi_ps(a, b);
            (_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
        }
        fn pick(t: __m256, index: __m256i) -> __m256 { _mm256_permutevar8x32_ps(t, index) }
        fn as_floats(v: __m256i) -> __m256 { _mm256_castsi256_ps(v) }
        fn as_bits(v: __m256) -> __m256i { _mm256_castps_si256(v) }
        fn words(p: *const u32, n: usize) -> __m256i { _mm256_maskload_epi32(p.cast(), first(n)) }
        fn widen_f16(p: *const u16) -> __m256 { _mm256_cvtph_ps(_mm_loadu_si128(p.cast())) }
        fn widen_bf16(p: *const u16) -> __m256 {
            let v = _mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(v))
        }
        fn narrow_f16(p: *mut u16, v: __m256) {
            _mm_storeu_si128(p.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v));
        }
        fn narrow_bf16(p: *mut u16, v: __m256) {
            let bits = _mm256_castps_si256(v);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
            let nan = _mm256_or_si256(bits, _mm256_set1_epi32(0x40_0000));
            let unordered = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
            let rounded = _mm256_srli_epi32::<16>(_mm256_blendv_epi8(up, nan, unordered));
            let packed = _mm256_packus_epi32(rounded, rounded);
            let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
            _mm_storeu_si128(p.cast(), _mm256_castsi256_si128(packed));
        }
        fn prefetch(p: *const u8) { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }

    #[inline(always)]
    unsafe fn spread<const BITS: usize>(v: __m256i) -> __m256i {
        // SAFETY: the caller keeps the trait's conditions; the tables are 32 bytes, aligned.
        unsafe {
            match BITS {
                3 | 6 => {
                    let order = _mm256_load_si256((&raw const BYTES_24.0).cast());
                    _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(v, lanes(&WORDS_24)), order)
                }
                5 => {
                    let order = _mm256_load_si256((&raw const BYTES_20.0).cast());
                    let v = _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(v, lanes(&WORDS_20)), order);
                    _mm256_srlv_epi32(v, lanes(&SHIFTS_20))
                }
                _ => v,
            }
        }
    }

    #[inline(always)]
    unsafe fn code<const BITS: usize>(v: __m256i, j: usize) -> __m256 {
        // SAFETY: the caller keeps the trait's conditions.
        unsafe {
            let v = _mm256_srlv_epi32(v, _mm256_set1_epi32((j * BITS) as i32));
            _mm256_cvtepi32_ps(_mm256_and_si256(v, _mm256_set1_epi32((1 << BITS) - 1)))
        }
    }
}
