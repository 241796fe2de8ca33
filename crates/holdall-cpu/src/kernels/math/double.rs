//! Building blocks in f64 for functions where f32 steps would lose digits: relative errors below 1e-12.

use super::polynomial;

/// Adding and subtracting 1.5 · 2⁵² rounds to the nearest integer, which the low bits of the sum hold.
pub(super) const ROUND: f64 = 6_755_399_441_055_744.0;
/// The high part has 21 bits, so that its product with an exponent is exact.
const LN2_HIGH: f64 = 0.693_146_705_627_441_4;
const LN2_LOW: f64 = 4.749_325_039_031_672_6e-7;

/// eˣ for |x| ≤ 700; outside, e^±700. NaN stays NaN.
#[inline(always)]
pub(super) fn exp(x: f64) -> f64 {
    let x = if x > 700.0 { 700.0 } else { x };
    let x = if x < -700.0 { -700.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let p = polynomial!(r; 1.0, 1.0, 1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0,
        1.0 / 40320.0, 1.0 / 362_880.0, 1.0 / 3_628_800.0);
    p * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52))
}

/// ln(1 + f) + e ln 2 for 1 + f in [√½, √2).
#[inline(always)]
fn log_parts(e: f64, f: f64) -> f64 {
    let s = f / (2.0 + f);
    let z = s * s;
    let p = polynomial!(z; 0.333_333_333_333_310_44, 0.200_000_000_056_151_68, 0.142_857_120_658_401_53,
        0.111_114_314_879_446_06, 0.090_700_815_094_072_73, 0.083_111_481_614_033_16);
    e * LN2_HIGH + (e * LN2_LOW + 2.0 * (s + s * z * p))
}

/// The exponent e and m in [√½, √2) with x = m 2ᵉ, for positive normal x.
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
    // Biased by 1023 so that the difference is never negative and the shift is logical.
    let shifted = x.to_bits().wrapping_sub(ROOT_HALF).wrapping_add(1023 << 52);
    let biased = shifted >> 52;
    let e = f64::from_bits(biased.wrapping_add(ROUND.to_bits())) - ROUND - 1023.0;
    let m = f64::from_bits(x.to_bits().wrapping_sub(biased << 52).wrapping_add(1023 << 52));
    (e, m)
}

/// Puts −∞ for 0, NaN below, and ∞ and NaN as they came, where `y` is the logarithm of `x`.
#[inline(always)]
fn log_edges(x: f64, y: f64) -> f64 {
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    let y = if x < 0.0 { f64::NAN } else { y };
    if x < f64::INFINITY { y } else { x }
}

/// ln x for x that is 0 or normal.
#[inline(always)]
pub(super) fn log(x: f64) -> f64 {
    let (e, m) = split(x);
    log_edges(x, log_parts(e, m - 1.0))
}

/// log₂ x, exact for powers of two.
#[inline(always)]
pub(super) fn log2(x: f64) -> f64 {
    let (e, m) = split(x);
    log_edges(x, e + log_parts(0.0, m - 1.0) * std::f64::consts::LOG2_E)
}

/// ln(1 + x), accurate near 0.
#[inline(always)]
pub(super) fn log1p(x: f64) -> f64 {
    let u = 1.0 + x;
    let (e, m) = split(u);
    // Where no power of two was taken out, x itself is what 1 + x has lost digits of.
    let f = if e == 0.0 { x } else { m - 1.0 };
    log_edges(u, log_parts(e, f)).copysign(x)
}

/// The nearest integer, for |x| below 2⁵¹.
#[inline(always)]
pub(in crate::kernels) fn whole(x: f64) -> f64 {
    (x + ROUND) - ROUND
}
