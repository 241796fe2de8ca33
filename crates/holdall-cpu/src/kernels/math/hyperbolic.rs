//! Hyperbolic functions and their inverses.

use super::{double, exp, polynomial};

/// Hyperbolic sine.
#[inline(always)]
pub fn sinh(x: f32) -> f32 {
    let wide = f64::from(x);
    let z = wide * wide;
    // Taylor below 1, where the difference of exponentials would cancel.
    let small =
        wide * polynomial!(z; 1.0, 1.0 / 6.0, 1.0 / 120.0, 1.0 / 5040.0, 1.0 / 362_880.0, 1.0 / 39_916_800.0);
    let e = double::exp(wide.abs());
    let large = (0.5 * (e - 1.0 / e)).copysign(wide);
    (if z < 1.0 { small } else { large }) as f32
}

/// Hyperbolic cosine.
#[inline(always)]
pub fn cosh(x: f32) -> f32 {
    let e = double::exp(f64::from(x.abs()));
    (0.5 * (e + 1.0 / e)) as f32
}

/// Hyperbolic tangent.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let z = x * x;
    let p = polynomial!(z; -0.333_333_34, 0.133_333, -0.053_958_46, 0.021_762_503, -0.008_323_187,
        0.002_269_501_8);
    let small = x + x * z * p;
    let large = 1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0);
    (if z < 0.4 { small.abs() } else { large }).copysign(x)
}

/// Inverse hyperbolic sine.
#[inline(always)]
pub fn asinh(x: f32) -> f32 {
    let a = f64::from(x.abs());
    let y = double::log1p(a + a * a / (1.0 + (a * a + 1.0).sqrt())) as f32;
    let y = if x.abs() < f32::INFINITY { y } else { x };
    y.copysign(x)
}

/// Inverse hyperbolic cosine; NaN below 1.
#[inline(always)]
pub fn acosh(x: f32) -> f32 {
    let t = f64::from(x) - 1.0;
    // Far below −1 the root of the square would hide the sign.
    let t = if t < 0.0 { f64::NAN } else { t };
    double::log1p(t + (2.0 * t + t * t).sqrt()) as f32
}

/// Inverse hyperbolic tangent; infinite at ±1, NaN outside.
#[inline(always)]
pub fn atanh(x: f32) -> f32 {
    let a = f64::from(x.abs());
    (0.5 * double::log1p(2.0 * a / (1.0 - a))).copysign(f64::from(x)) as f32
}
