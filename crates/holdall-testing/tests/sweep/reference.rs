//! What every elementwise op means for one element: plain scalar code that shares nothing with the table.

use std::f64::consts::{LN_2, LN_10};

use holdall::Dtype;
use num_complex::Complex64;

use super::number::Number::{self, Complex, Int, Real};
use super::number::{round, width, wrap};

/// The outputs of op `name`, computed in type `dtype`.
pub fn outputs(name: &str, dtype: Dtype, x: &[Number]) -> Vec<Number> {
    if name == "divmod" {
        return ["floor_divide", "remainder"].iter().flat_map(|n| outputs(n, dtype, x)).collect();
    }
    if name == "select" {
        return vec![if x[0].is_true() { x[1] } else { x[2] }];
    }
    let truth = |b: bool| Int(b.into());
    let truths: Vec<bool> = x.iter().map(|x| x.is_true()).collect();
    vec![match (name, x) {
        ("logical_and", _) => truth(truths[0] && truths[1]),
        ("logical_or", _) => truth(truths[0] || truths[1]),
        ("logical_not", _) => truth(!truths[0]),
        ("equal", [a, b]) => truth(a == b),
        ("not_equal", [a, b]) => truth(a != b),
        ("less" | "less_equal" | "greater" | "greater_equal", [a, b]) => truth(compare(name, *a, *b)),
        (_, [Complex(_), ..]) => complex(name, x),
        (_, [Real(_), ..]) => Real(real(name, dtype, x)),
        _ => Int(integer(name, dtype, x)),
    }]
}

fn compare(name: &str, a: Number, b: Number) -> bool {
    let order = match (a, b) {
        (Int(a), Int(b)) => Some(a.cmp(&b)),
        _ => a.real().partial_cmp(&b.real()),
    };
    order.is_some_and(|o| match name {
        "less" => o.is_lt(),
        "less_equal" => o.is_le(),
        "greater" => o.is_gt(),
        _ => o.is_ge(),
    })
}

fn integer(name: &str, dtype: Dtype, x: &[Number]) -> i128 {
    let a = x[0].int();
    let b = x.get(1).map_or(0, |b| b.int());
    let is_bool = dtype == Dtype::Bool;
    let inside = (0..i128::from(width(dtype))).contains(&b);
    let value = match name {
        "add" if is_bool => a | b,
        "subtract" if is_bool => a ^ b,
        "add" => a + b,
        "subtract" => a - b,
        "multiply" => a.wrapping_mul(b),
        "negative" => -a,
        "square" => a.wrapping_mul(a),
        "power" => {
            if b < 0 {
                0
            } else {
                let (mut base, mut n, mut out) = (a, b, 1i128);
                while n > 0 {
                    if n % 2 == 1 {
                        out = wrap(out.wrapping_mul(base), dtype);
                    }
                    base = wrap(base.wrapping_mul(base), dtype);
                    n /= 2;
                }
                out
            }
        }
        "floor_divide" if b == 0 => 0,
        "floor_divide" => a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0),
        "remainder" if b == 0 => a,
        "remainder" => a - b * (a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0)),
        "maximum" => a.max(b),
        "minimum" => a.min(b),
        "abs" => a.abs(),
        "sign" => a.signum(),
        "bitwise_and" => a & b,
        "bitwise_or" => a | b,
        "bitwise_xor" => a ^ b,
        "bitwise_invert" => !a,
        "left_shift" if inside => a << b,
        "left_shift" => 0,
        "right_shift" if inside => a >> b,
        "right_shift" => -i128::from(a < 0),
        _ => panic!("no reference for {name} of integers"),
    };
    wrap(value, dtype)
}

fn real(name: &str, dtype: Dtype, x: &[Number]) -> f64 {
    let a = x[0].real();
    let b = x.get(1).map_or(0.0, |b| b.real());
    // Half types compute in float32.
    let quotient = if dtype == Dtype::Float64 { a / b } else { round(a / b, Dtype::Float32) };
    match name {
        "add" => a + b,
        "subtract" => a - b,
        "multiply" => a * b,
        "negative" => -a,
        "square" => a * a,
        "power" => a.powf(b),
        "divide" => a / b,
        "reciprocal" => 1.0 / a,
        "exp" => a.exp(),
        "log" => a.ln(),
        "log2" => a.log2(),
        "log10" => a.log10(),
        "log1p" => a.ln_1p(),
        "sqrt" => a.sqrt(),
        "rsqrt" => 1.0 / a.sqrt(),
        "sin" => a.sin(),
        "cos" => a.cos(),
        "tan" => a.tan(),
        "arcsin" => a.asin(),
        "arccos" => a.acos(),
        "arctan" => a.atan(),
        "sinh" => libm::sinh(a),
        "cosh" => libm::cosh(a),
        "tanh" => libm::tanh(a),
        "arcsinh" => libm::asinh(a),
        "arccosh" if a < 1.0 => f64::NAN,
        "arccosh" => libm::acosh(a),
        "arctanh" => libm::atanh(a),
        "expm1" => a.exp_m1(),
        "erf" => libm::erf(a),
        "erfinv" => erfinv(a),
        "sigmoid" => 1.0 / (1.0 + (-a).exp()),
        "floor" => a.floor(),
        "ceil" => a.ceil(),
        "round" => a.round_ties_even(),
        "trunc" => a.trunc(),
        "arctan2" => a.atan2(b),
        "logaddexp" => logaddexp(a, b),
        "maximum" | "minimum" if a.is_nan() || b.is_nan() => f64::NAN,
        "maximum" => a.max(b),
        "minimum" => a.min(b),
        "floor_divide" => quotient.floor(),
        "remainder" => {
            let r = a % b;
            if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
        }
        "abs" => a.abs(),
        "sign" if a.is_nan() || a == 0.0 => a,
        "sign" => a.signum(),
        _ => panic!("no reference for {name}"),
    }
}

fn logaddexp(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high.is_infinite() || low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// By bisection, until neighbours are left.
fn erfinv(x: f64) -> f64 {
    if x.is_nan() || x.abs() > 1.0 {
        return f64::NAN;
    }
    if x.abs() == 1.0 {
        return f64::INFINITY.copysign(x);
    }
    let (mut low, mut high) = (0.0, 6.0);
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            // `1 - erfc` where erf is flat.
            return middle.copysign(x);
        }
        let below =
            if x.abs() < 0.5 { libm::erf(middle) < x.abs() } else { libm::erfc(middle) > 1.0 - x.abs() };
        if below {
            low = middle;
        } else {
            high = middle;
        }
    }
}

fn complex(name: &str, x: &[Number]) -> Number {
    let a = x[0].complex();
    let b = x.get(1).map_or(Complex64::ZERO, |b| b.complex());
    Complex(match name {
        "real" => return Real(a.re),
        "imag" => return Real(a.im),
        "modulus" => return Real(a.re.hypot(a.im)),
        "conjugate" => a.conj(),
        "add" => a + b,
        "subtract" => a - b,
        "multiply" => a * b,
        "negative" => -a,
        "square" => a * a,
        "power" => (b * a.ln()).exp(),
        "divide" => a / b,
        "reciprocal" => 1.0 / a,
        "exp" => a.exp(),
        "log" => a.ln(),
        "log2" => a.ln() / LN_2,
        "log10" => a.ln() / LN_10,
        "log1p" => (a + 1.0).ln(),
        "sqrt" => a.sqrt(),
        "rsqrt" => 1.0 / a.sqrt(),
        "sin" => a.sin(),
        "cos" => a.cos(),
        "tan" => a.sin() / a.cos(),
        "arcsin" => a.asin(),
        "arccos" => a.acos(),
        "arctan" => a.atan(),
        "sinh" => a.sinh(),
        "cosh" => a.cosh(),
        "tanh" => a.sinh() / a.cosh(),
        "arcsinh" => a.asinh(),
        "arccosh" => a.acosh(),
        "arctanh" => a.atanh(),
        _ => panic!("no reference for {name} of complex numbers"),
    })
}
