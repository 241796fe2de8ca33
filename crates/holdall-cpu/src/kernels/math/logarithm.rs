//! Logarithms and powers.

use super::{double, polynomial};

/// ln x.
#[inline(always)]
pub fn log(x: f32) -> f32 {
    const ROOT_HALF: i32 = 0x3f35_04f3;
    const LN2_HIGH: f32 = 0.693_115_23;
    const LN2_LOW: f32 = 3.194_618_3e-5;
    // 2²³ makes a denormal normal.
    let tiny = x < f32::MIN_POSITIVE;
    let y = if tiny { x * 8_388_608.0 } else { x };
    let e0: f32 = if tiny { -23.0 } else { 0.0 };
    let shifted = (y.to_bits() as i32).wrapping_sub(ROOT_HALF);
    let e = (shifted >> 23) as f32 + e0;
    let f = f32::from_bits(((shifted & 0x007f_ffff) + ROOT_HALF) as u32) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let p = z * polynomial!(z; 0.666_666_7, 0.400_001_23, 0.285_508_04, 0.233_309_64);
    let half = 0.5 * f * f;
    let y = e * LN2_HIGH - ((half - (s * (half + p) + e * LN2_LOW)) - f);
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    let y = if x < 0.0 { f32::NAN } else { y };
    if x < f32::INFINITY { y } else { x }
}

/// log₂ x, exact for powers of two.
#[inline(always)]
pub fn log2(x: f32) -> f32 {
    double::log2(f64::from(x)) as f32
}

/// log₁₀ x, exact for powers of ten.
#[inline(always)]
pub fn log10(x: f32) -> f32 {
    (double::log(f64::from(x)) * std::f64::consts::LOG10_E) as f32
}

/// ln(1 + x), accurate near 0.
#[inline(always)]
pub fn log1p(x: f32) -> f32 {
    double::log1p(f64::from(x)) as f32
}

/// `x` to the power `y`, with C99's special cases.
#[inline(always)]
pub fn pow(x: f32, y: f32) -> f32 {
    let magnitude = f64::from(x.abs());
    let wide = f64::from(y);
    // At ±1 the logarithm's zero times an infinite y would be NaN.
    let unit = magnitude == 1.0 && !(x < 0.0 && y.is_nan());
    let exponent = if unit || y == 0.0 { 0.0 } else { wide * double::log(magnitude) };
    let power = double::exp(exponent);
    // From 2²⁴ on, every f32 is an even integer.
    let small = y.abs() < 16_777_216.0;
    let half = wide * 0.5;
    let integer = !small || (wide + double::ROUND) - double::ROUND == wide;
    let odd = small && integer && (half + double::ROUND) - double::ROUND != half;
    let signed = if odd && x.is_sign_negative() { -power } else { power };
    let undefined = !integer && x < 0.0 && x > f32::NEG_INFINITY;
    (if undefined { f64::NAN } else { signed }) as f32
}
