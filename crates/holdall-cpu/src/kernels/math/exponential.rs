//! Exponentials, in f32 throughout.

use super::{at_least, at_most, polynomial};

/// Adding and subtracting 1.5 · 2²³ rounds to the nearest integer, which the low bits of the sum hold.
const ROUND: f32 = 12_582_912.0;
/// The high part has 12 bits, so that its product with an exponent is exact.
const LN2_HIGH: f32 = 0.693_115_23;
const LN2_LOW: f32 = 3.194_618_3e-5;

/// 2ⁿ for n in −126..=127.
#[inline(always)]
fn power(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `x` scaled by 2ⁿ for n in −252..=254, rounded once.
#[inline(always)]
fn scale(x: f32, n: i32) -> f32 {
    let half = n >> 1;
    x * power(half) * power(n.wrapping_sub(half))
}

/// (n, eʳ − 1) with x = n ln 2 + r, |r| ≤ ln 2 / 2.
#[inline(always)]
fn reduced(x: f32) -> (i32, f32) {
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let q = polynomial!(r; 0.5, 0.166_665_76, 0.041_666_552, 0.008_363_247, 0.001_392_626_8);
    ((shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32), r + r * r * q)
}

/// eˣ.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let (n, m) = reduced(at_least(at_most(x, 89.0), -104.0));
    scale(1.0 + m, n)
}

/// 2ˣ.
#[inline(always)]
pub fn exp2(x: f32) -> f32 {
    let x = at_least(at_most(x, 129.0), -151.0);
    let shifted = x + ROUND;
    let r = x - (shifted - ROUND);
    let p = polynomial!(r; std::f32::consts::LN_2, 0.240_226_5, 0.055_503_57, 0.009_618_083, 0.001_339_086_3, 0.000_154_531_64);
    scale(1.0 + r * p, (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32))
}

/// eˣ − 1, accurate near 0.
#[inline(always)]
pub fn expm1(x: f32) -> f32 {
    let (n, m) = reduced(at_least(at_most(x, 89.0), -20.0));
    // One power less and doubled at the end, for 2¹²⁸ is no f32.
    let half = power(n.wrapping_sub(1));
    ((half * m + (half - 0.5)) * 2.0).copysign(x)
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    let e = exp(-x.abs());
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}
