//! How far results may be from exact ones: one table for all backends, with a reason for each exception.

use holdall::Dtype;

/// An exception to the general tolerances of elementwise ops, which are units in the last place of the result.
struct Rule {
    op: &'static str,
    /// The exception is for this type.
    dtype: Dtype,
    ulps: f64,
    /// Results smaller than this may be as far off as this.
    least: f64,
    #[expect(dead_code, reason = "for the reader of the table")]
    reason: &'static str,
}

/// One rounding, and a little for the reference itself.
const EXACT: f64 = 0.501;
/// The vector functions of float32 are made for 2 units.
const FLOAT32: f64 = 2.5;
/// The C library's functions of float64, and as much for the reference, which uses others.
const FLOAT64: f64 = 2.5;
/// Computed in float32, rounded once.
const HALF: f64 = 0.51;

/// Ops that IEEE rounds correctly, or that choose or move their operands.
const ROUNDED: &[&str] = &[
    "add",
    "subtract",
    "multiply",
    "negative",
    "square",
    "divide",
    "reciprocal",
    "sqrt",
    "floor",
    "ceil",
    "round",
    "trunc",
    "maximum",
    "minimum",
    "abs",
    "sign",
    "select",
    "real",
    "imag",
    "conjugate",
    "floor_divide",
    "remainder",
    "divmod",
];

const RULES: &[Rule] = &[
    Rule {
        op: "logaddexp",
        dtype: Dtype::Float32,
        ulps: FLOAT32,
        least: std::f64::consts::LN_2,
        reason: "the larger operand and the logarithm may cancel; both are rounded before",
    },
    Rule {
        op: "logaddexp",
        dtype: Dtype::Float64,
        ulps: FLOAT64,
        least: std::f64::consts::LN_2,
        reason: "the larger operand and the logarithm may cancel; both are rounded before",
    },
    Rule {
        op: "arccosh",
        dtype: Dtype::Float64,
        ulps: 4.0,
        least: 0.0,
        reason: "near 1 both this and the reference subtract 1 first",
    },
    Rule {
        op: "erfinv",
        dtype: Dtype::Float64,
        ulps: 4.0,
        least: 0.0,
        reason: "the reference is no better than erf itself",
    },
];

fn exception(op: &str, dtype: Dtype) -> Option<&'static Rule> {
    RULES.iter().find(|r| r.op == op && r.dtype == dtype)
}

/// Units in the last place that `op` may be off in type `dtype`.
pub fn ulps(op: &str, dtype: Dtype) -> f64 {
    if let Some(rule) = exception(op, dtype) {
        return rule.ulps;
    }
    match dtype {
        _ if !dtype.is_inexact() => 0.0,
        _ if ROUNDED.contains(&op) => EXACT,
        Dtype::Float16 | Dtype::Bfloat16 => HALF,
        Dtype::Float64 => FLOAT64,
        _ => FLOAT32,
    }
}

/// The size of a unit in the last place of `value` in a floating type.
pub fn ulp(value: f64, dtype: Dtype) -> f64 {
    let (fraction, least) = match dtype {
        Dtype::Float16 => (10, -24),
        Dtype::Bfloat16 => (7, -133),
        Dtype::Float64 => (52, -1074),
        _ => (23, -149),
    };
    let exponent = if value == 0.0 { -2000 } else { ((value.abs().to_bits() >> 52) as i32).max(1) - 1023 };
    2f64.powi((exponent - fraction).max(least))
}

/// Whether `got` is near enough to the exact value `want` for `op` in the floating type `dtype`.
pub fn accepts(op: &str, dtype: Dtype, got: f64, want: f64) -> bool {
    if want.is_nan() {
        return got.is_nan();
    }
    if got == want {
        return true;
    }
    if !got.is_finite() || want.is_infinite() {
        // Overflow: beyond half a unit above the largest number.
        return got.is_infinite() && want.signum() == got.signum() && want.abs() >= largest(dtype);
    }
    let least = exception(op, dtype).map_or(0.0, |rule| rule.least);
    (got - want).abs() <= ulps(op, dtype) * ulp(want.abs().max(least), dtype)
}

/// The largest finite number.
fn largest(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::Float16 => 65504.0,
        Dtype::Bfloat16 => 3.389_531_389_251_535_5e38,
        Dtype::Float64 => f64::MAX,
        _ => f64::from(f32::MAX),
    }
}

/// How far a complex op may be off in modulus where the exact value has modulus `want`: some roundings of float32 in each
/// formula.
pub fn complex(op: &str, want: f64) -> f64 {
    // Near the poles of these the rounding of the operand itself counts, times a slope like the square of the value.
    let slope = if ["tan", "tanh"].contains(&op) { want * want } else { 0.0 };
    4e-6 * (1.0 + want + slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_of_the_type() {
        assert_eq!(ulp(1.0, Dtype::Float32), f64::from(f32::EPSILON));
        assert_eq!(ulp(1.999, Dtype::Float64), f64::EPSILON);
        assert_eq!(ulp(1024.0, Dtype::Float16), 1.0);
        assert_eq!(ulp(0.0, Dtype::Float16), 2f64.powi(-24));
        assert!(accepts("add", Dtype::Float16, 1.0, 1.0 + 2f64.powi(-11)));
        assert!(!accepts("add", Dtype::Float16, 1.0, 1.0 + 2f64.powi(-10)));
        assert!(accepts("exp", Dtype::Float16, f64::INFINITY, 65520.0));
        assert!(!accepts("exp", Dtype::Float16, f64::INFINITY, 65000.0));
        assert!(!accepts("exp", Dtype::Float32, f64::NAN, 1.0));
    }
}
