//! Errors against f64, over a grid of all bit patterns and dense samples of the usual range; edge cases by name.

use super::*;

/// Distance of `got` from `want` in units in the last place of an f32 of `want`'s size.
fn ulps(got: f32, want: f64) -> f64 {
    if want.is_nan() || got.is_nan() {
        return if want.is_nan() && got.is_nan() { 0.0 } else { f64::INFINITY };
    }
    let rounded = want as f32;
    if rounded.is_infinite() || got.is_infinite() {
        // One step from the largest finite value counts as one unit.
        let step = |x: f32| f64::from(x.clamp(-f32::MAX, f32::MAX));
        let unit = 2f64.powi(104);
        return if got == rounded { 0.0 } else { ((step(got) - step(rounded)).abs() / unit).max(1.0) };
    }
    let exponent = (want.abs().to_bits() >> 52) as i32 - 1023;
    (f64::from(got) - want).abs() / 2f64.powi((exponent - 23).max(-149))
}

/// Bit patterns of every sign, exponent and a spread of fractions, then the range where most values live.
fn samples() -> impl Iterator<Item = f32> {
    let patterns = (0..u32::MAX).step_by(16_381).map(f32::from_bits);
    patterns.chain((-200_000..200_000).map(|i| i as f32 * 1.0003e-4)).chain(EDGES)
}

const EDGES: [f32; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    1e-45,
    -1e-45,
    16_777_216.0,
    88.722_84,
];

fn check(name: &str, limit: f64, of: fn(f32) -> f32, reference: fn(f64) -> f64) {
    let mut worst = (0.0, 0.0f32);
    for x in samples() {
        let (got, want) = (of(x), reference(f64::from(x)));
        let error = ulps(got, want);
        assert!(error <= limit, "{name}({x:e}) = {got:e}, wanted {want:e}: {error} units");
        if want == 0.0 {
            assert_eq!(got.is_sign_negative(), want.is_sign_negative(), "sign of {name}({x})");
        }
        if error > worst.0 {
            worst = (error, x);
        }
    }
    println!("{name}: {:.3} units at {:e}", worst.0, worst.1);
}

/// Taylor's series up to 3, the continued fraction of the complement beyond.
fn erf_reference(x: f64) -> f64 {
    let a = x.abs();
    if x.is_nan() || x == 0.0 {
        return x;
    }
    if a > 6.0 {
        return 1f64.copysign(x);
    }
    let scale = std::f64::consts::FRAC_2_SQRT_PI;
    if a < 3.0 {
        let (mut term, mut sum) = (a, a);
        for n in 1..80 {
            term *= -a * a / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return (scale * sum).copysign(x);
    }
    let tail = (1..60).rev().fold(0.0, |tail, n| f64::from(n) / 2.0 / (a + tail));
    (1.0 - (-a * a).exp() * scale / 2.0 / (a + tail)).copysign(x)
}

#[test]
fn exponentials() {
    check("exp", 1.5, exp, f64::exp);
    check("exp2", 1.5, exp2, f64::exp2);
    check("expm1", 2.5, expm1, f64::exp_m1);
    check("sigmoid", 2.5, sigmoid, |x| {
        if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
    });
}

#[test]
fn logarithms() {
    check("log", 1.5, log, f64::ln);
    check("log2", 1.0, log2, f64::log2);
    check("log10", 1.0, log10, f64::log10);
    check("log1p", 1.0, log1p, f64::ln_1p);
    for n in -10..=10 {
        assert_eq!(log2(2f32.powi(n)), n as f32);
    }
    for n in 0..=10 {
        assert_eq!(log10(10f32.powi(n)), n as f32);
    }
}

#[test]
fn trigonometry() {
    check("sin", 1.0, sin, f64::sin);
    check("cos", 1.0, cos, f64::cos);
    check("tan", 1.0, tan, f64::tan);
    check("asin", 1.0, asin, f64::asin);
    check("acos", 1.0, acos, f64::acos);
    check("atan", 1.0, atan, f64::atan);
}

#[test]
fn hyperbolics() {
    check("sinh", 1.0, sinh, f64::sinh);
    check("cosh", 1.0, cosh, f64::cosh);
    check("tanh", 1.5, tanh, f64::tanh);
    // The standard library's own formulas lose digits near 0; these do not.
    check("asinh", 1.0, asinh, |x| {
        let a = x.abs();
        let y = if a < 1e150 { (a + a * a / (1.0 + (a * a + 1.0).sqrt())).ln_1p() } else { a };
        y.copysign(x)
    });
    check("acosh", 1.0, acosh, |x| {
        if x < 1.0 { f64::NAN } else { (x - 1.0 + ((x - 1.0) * (x + 1.0)).sqrt()).ln_1p() }
    });
    check("atanh", 1.0, atanh, |x| (0.5 * (2.0 * x.abs() / (1.0 - x.abs())).ln_1p()).copysign(x));
}

#[test]
fn roots_and_error_function() {
    check("sqrt", 0.51, sqrt, f64::sqrt);
    check("rsqrt", 1.5, rsqrt, |x| if x == 0.0 { f64::INFINITY.copysign(x) } else { 1.0 / x.sqrt() });
    check("erf", 1.0, erf, erf_reference);
    for x in (-4000..=4000).map(|i| i as f32 / 4000.0).chain([0.999_999_94, -0.999_999_94, 1e-30]) {
        let y = f64::from(erfinv(x));
        // A unit of y moves erf y by slope · unit; half a unit of rounding and half for the polynomial.
        let slope = std::f64::consts::FRAC_2_SQRT_PI * (-y * y).exp();
        let unit = y.abs().max(1e-38) * 2f64.powi(-23);
        if y.is_finite() {
            let error = (erf_reference(y) - f64::from(x)).abs();
            assert!(error <= slope * unit + 1e-15, "erfinv({x}) = {y}: off by {error}");
        }
    }
    assert_eq!((erfinv(1.0), erfinv(-1.0)), (f32::INFINITY, f32::NEG_INFINITY));
    assert!(erfinv(1.5).is_nan() && erfinv(f32::NAN).is_nan() && erfinv(-0.0).is_sign_negative());
}

#[test]
fn two_arguments() {
    let mut values: Vec<f32> = EDGES.to_vec();
    values.extend([
        2.0,
        3.0,
        -3.0,
        2.5,
        0.1,
        -0.1,
        1e-20,
        1e20,
        1.000_000_1,
        0.999_999_94,
        127.0,
        -126.5,
        33.0,
    ]);
    for i in 0..400u32 {
        values.push(f32::from_bits(i.wrapping_mul(0x9e37_79b9)));
        values.push((i as f32 - 200.0) * 0.173);
    }
    for &x in &values {
        for &y in &values {
            let (wide_x, wide_y) = (f64::from(x), f64::from(y));
            let (got, want) = (pow(x, y), wide_x.powf(wide_y));
            assert!(ulps(got, want) <= 1.0, "pow({x:e}, {y:e}) = {got:e}, wanted {want:e}");
            assert!(
                want != 0.0 || got.is_sign_negative() == want.is_sign_negative(),
                "sign of pow({x:e}, {y:e})"
            );
            let (got, want) = (atan2(y, x), wide_y.atan2(wide_x));
            assert!(ulps(got, want) <= 1.0, "atan2({y:e}, {x:e}) = {got:e}, wanted {want:e}");
            assert!(
                want != 0.0 || got.is_sign_negative() == want.is_sign_negative(),
                "sign of atan2({y:e}, {x:e})"
            );
        }
    }
}
