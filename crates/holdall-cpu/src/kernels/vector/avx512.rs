//! Sixteen lanes of AVX-512.

use std::arch::x86_64::*;

use half::{bf16, f16};

use super::{Vector, Work};

/// Proof that the machine has AVX-512 F, BW, DQ and VL and all of AVX2.
#[derive(Clone, Copy)]
pub(super) struct Avx512(());

/// Compiles `work` for this level.
///
/// # Safety
/// The machine has it, and what `work` asks holds.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
pub(super) unsafe fn run<W: Work>(work: W) -> W::Output {
    // SAFETY: the caller's.
    unsafe { work.run(Avx512(())) }
}

/// Methods that are one expression of instructions.
macro_rules! methods {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty = $value:expr;)*) => {
        $(#[inline(always)]
        fn $name(self, $($arg: $type),*) -> $out {
            // SAFETY: the token proves that the machine has the instructions.
            unsafe { $value }
        })*
    };
}

macro_rules! memory {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty = $value:expr;)*) => {
        $(#[inline(always)]
        unsafe fn $name(self, $($arg: $type),*) -> $out {
            // SAFETY: the token proves that the machine has the instructions; the caller vouches for the address.
            unsafe { $value }
        })*
    };
}

#[inline(always)]
fn mask(len: usize) -> __mmask16 {
    ((1u32 << len) - 1) as __mmask16
}

impl Vector for Avx512 {
    type F = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    fn prefetch<T>(self, p: *const T) {
        // SAFETY: a prefetch never faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }

    methods! {
        splat(x: f32) -> __m512 = _mm512_set1_ps(x);
        add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        sub(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
        mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        mul_add(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        max(a: __m512, b: __m512) -> __m512 = _mm512_max_ps(a, b);
        min(a: __m512, b: __m512) -> __m512 = _mm512_min_ps(a, b);
        select_le(a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 =
            _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b), y, x);
        scale(p: __m512, shifted: __m512) -> __m512 =
            _mm512_scalef_ps(p, _mm512_sub_ps(shifted, _mm512_set1_ps(12_582_912.0)));
        sum(a: __m512) -> f32 = _mm512_reduce_add_ps(a);
        sum4(a: [__m512; 4]) -> [f32; 4] = {
            // Each 128-bit quarter becomes the four vectors' partial sums, then the quarters are added.
            let low = _mm512_add_ps(_mm512_unpacklo_ps(a[0], a[1]), _mm512_unpackhi_ps(a[0], a[1]));
            let high = _mm512_add_ps(_mm512_unpacklo_ps(a[2], a[3]), _mm512_unpackhi_ps(a[2], a[3]));
            let quarters = _mm512_add_ps(
                _mm512_shuffle_ps::<0b0100_0100>(low, high),
                _mm512_shuffle_ps::<0b1110_1110>(low, high),
            );
            let halves = _mm256_add_ps(
                _mm512_castps512_ps256(quarters),
                _mm512_extractf32x8_ps::<1>(quarters),
            );
            let sums = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
            std::mem::transmute::<__m128, [f32; 4]>(sums)
        };
        transpose(rows: [__m512; 16]) -> [__m512; 16] = {
            let mut columns = rows;
            // Within groups of four rows: vector 4g + c holds column 4q + c of group g in quarter q.
            let mut fours = rows;
            for g in 0..4 {
                let [a, b, c, d] = [rows[4 * g], rows[4 * g + 1], rows[4 * g + 2], rows[4 * g + 3]];
                let (low, high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
                let (low2, high2) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
                fours[4 * g] = _mm512_shuffle_ps::<0x44>(low, low2);
                fours[4 * g + 1] = _mm512_shuffle_ps::<0xee>(low, low2);
                fours[4 * g + 2] = _mm512_shuffle_ps::<0x44>(high, high2);
                fours[4 * g + 3] = _mm512_shuffle_ps::<0xee>(high, high2);
            }
            for c in 0..4 {
                let [p, q, r, s] = [fours[c], fours[4 + c], fours[8 + c], fours[12 + c]];
                let (low, high) = (_mm512_shuffle_f32x4::<0x44>(p, q), _mm512_shuffle_f32x4::<0xee>(p, q));
                let (low2, high2) = (_mm512_shuffle_f32x4::<0x44>(r, s), _mm512_shuffle_f32x4::<0xee>(r, s));
                columns[c] = _mm512_shuffle_f32x4::<0x88>(low, low2);
                columns[4 + c] = _mm512_shuffle_f32x4::<0xdd>(low, low2);
                columns[8 + c] = _mm512_shuffle_f32x4::<0x88>(high, high2);
                columns[12 + c] = _mm512_shuffle_f32x4::<0xdd>(high, high2);
            }
            columns
        };
        largest(a: __m512) -> f32 = _mm512_reduce_max_ps(a);
    }

    memory! {
        load(p: *const f32) -> __m512 = _mm512_loadu_ps(p);
        store(p: *mut f32, a: __m512) -> () = _mm512_storeu_ps(p, a);
        load_f16(p: *const f16) -> __m512 = _mm512_cvtph_ps(_mm256_loadu_si256(p.cast()));
        store_f16(p: *mut f16, a: __m512) -> () =
            _mm256_storeu_si256(p.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(a));
        load_bf16(p: *const bf16) -> __m512 = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(
            _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()))));
        store_bf16(p: *mut bf16, a: __m512) -> () = {
            // Round to nearest even by adding half a unit, less one where the last kept bit is 0.
            let bits = _mm512_castps_si512(a);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let rounded = _mm512_add_epi32(_mm512_add_epi32(bits, odd), _mm512_set1_epi32(0x7fff));
            let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a);
            let quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x0040_0000));
            let kept = _mm512_mask_blend_epi32(nan, rounded, quiet);
            _mm256_storeu_si256(p.cast(), _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(kept)));
        };
        load_part(p: *const f32, len: usize, fill: f32) -> __m512 =
            _mm512_mask_loadu_ps(_mm512_set1_ps(fill), mask(len), p);
        store_part(p: *mut f32, a: __m512, len: usize) -> () = _mm512_mask_storeu_ps(p, mask(len), a);
    }
}
