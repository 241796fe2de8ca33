//! Every elementwise op, one row each. A row is all that such an op takes: its shape and dtype rule, derivatives,
//! CPU kernel, MSL text, docs and tests follow from it.
//!
//! ```text
//! class name(inputs) -> (outputs) = [a value an output], d t [[a derivative an input], … an output], on domain;
//! ```
//!
//! A derivative is written as what becomes of a tangent `t` of that input. The Jacobian of an elementwise op is
//! diagonal, hence its own transpose: the same expression serves forwards and backwards. `zero(t)` says that the
//! derivative vanishes; `d none` that there is no derivative and asking for one is an error. The domain is where
//! the op is smooth: tests draw from it.

/// Calls `$callback! { rows }` with the whole table. A backend's callback takes class, name and arity and ignores
/// the rest; the values themselves are the generic functions in [`rows`](crate::pointwise::rows).
#[macro_export]
macro_rules! elementwise_table {
    ($callback:ident) => {
        $callback! {
            /// `a + b`; or for bool.
            arith add(a, b) -> (y) = [a + b], d t [[t, t]], on -3.0..3.0;
            /// `a - b`.
            arith subtract(a, b) -> (y) = [a - b], d t [[t, -t]], on -3.0..3.0;
            /// `a * b`; and for bool.
            arith multiply(a, b) -> (y) = [a * b], d t [[t * b, t * a]], on -3.0..3.0;
            /// `-x`.
            arith negative(x) -> (y) = [-x], d t [[-t]], on -3.0..3.0;
            /// `x²`.
            arith square(x) -> (y) = [x.clone() * x], d t [[t * (x.clone() + x)]], on -3.0..3.0;
            /// `a` to the power of `b`.
            arith power(a, b) -> (y) = [a.pow(b)], d t [[
                t * b.clone() * a.clone().pow(b.clone() - b.lit(1.0)),
                t * y * Algebra::select(a.clone().equal(a.lit(0.0)), a.lit(0.0), a.log())
            ]], on 0.2..3.0;
            /// `a / b`.
            float divide(a, b) -> (y) = [a / b], d t [[t / b, -(t * y) / b]], on 0.5..3.0;
            /// `1 / x`.
            float reciprocal(x) -> (y) = [x.lit(1.0) / x], d t [[-(t * y.clone() * y)]], on 0.5..3.0;
            /// `e^x`.
            float exp(x) -> (y) = [x.exp()], d t [[t * y]], on -3.0..3.0;
            /// `ln x`.
            float log(x) -> (y) = [x.log()], d t [[t / x]], on 0.1..5.0;
            /// `log₂ x`.
            float log2(x) -> (y) = [x.log2()], d t [[t * x.lit(std::f64::consts::LOG2_E) / x]], on 0.1..5.0;
            /// `log₁₀ x`.
            float log10(x) -> (y) = [x.log10()], d t [[t * x.lit(std::f64::consts::LOG10_E) / x]], on 0.1..5.0;
            /// `ln(1 + x)`, accurate near 0.
            float log1p(x) -> (y) = [x.log1p()], d t [[t / (x.lit(1.0) + x)]], on -0.8..5.0;
            /// `√x`.
            float sqrt(x) -> (y) = [x.sqrt()], d t [[t * y.lit(0.5) / y]], on 0.1..5.0;
            /// `1 / √x`.
            float rsqrt(x) -> (y) = [x.rsqrt()], d t [[t * y.lit(-0.5) * y / x]], on 0.2..5.0;
            /// Sine.
            float sin(x) -> (y) = [x.sin()], d t [[t * x.cos()]], on -3.0..3.0;
            /// Cosine.
            float cos(x) -> (y) = [x.cos()], d t [[-(t * x.sin())]], on -3.0..3.0;
            /// Tangent.
            float tan(x) -> (y) = [x.tan()], d t [[t * (y.lit(1.0) + y.clone() * y)]], on -1.2..1.2;
            /// Inverse sine.
            float arcsin(x) -> (y) = [x.arcsin()], d t [[t * (x.lit(1.0) - x.clone() * x).rsqrt()]], on -0.9..0.9;
            /// Inverse cosine.
            float arccos(x) -> (y) = [x.arccos()], d t [[-(t * (x.lit(1.0) - x.clone() * x).rsqrt())]], on -0.9..0.9;
            /// Inverse tangent.
            float arctan(x) -> (y) = [x.arctan()], d t [[t / (x.lit(1.0) + x.clone() * x)]], on -3.0..3.0;
            /// Hyperbolic sine.
            float sinh(x) -> (y) = [x.sinh()], d t [[t * x.cosh()]], on -3.0..3.0;
            /// Hyperbolic cosine.
            float cosh(x) -> (y) = [x.cosh()], d t [[t * x.sinh()]], on -3.0..3.0;
            /// Hyperbolic tangent.
            float tanh(x) -> (y) = [x.tanh()], d t [[t * (y.lit(1.0) - y.clone() * y)]], on -2.0..2.0;
            /// Inverse hyperbolic sine.
            float arcsinh(x) -> (y) = [x.arcsinh()], d t [[t * (x.clone() * x.clone() + x.lit(1.0)).rsqrt()]], on -3.0..3.0;
            /// Inverse hyperbolic cosine.
            float arccosh(x) -> (y) = [x.arccosh()], d t [[t * (x.clone() * x.clone() - x.lit(1.0)).rsqrt()]], on 1.2..4.0;
            /// Inverse hyperbolic tangent.
            float arctanh(x) -> (y) = [x.arctanh()], d t [[t / (x.lit(1.0) - x.clone() * x)]], on -0.8..0.8;
            /// `e^x - 1`, accurate near 0.
            real expm1(x) -> (y) = [x.expm1()], d t [[t * (y.lit(1.0) + y)]], on -3.0..3.0;
            /// The error function.
            real erf(x) -> (y) = [x.erf()], d t [[
                t * x.lit(std::f64::consts::FRAC_2_SQRT_PI) * (-(x.clone() * x)).exp()
            ]], on -2.0..2.0;
            /// The inverse of the error function.
            real erfinv(x) -> (y) = [x.erfinv()], d t [[
                t * x.lit(1.0 / std::f64::consts::FRAC_2_SQRT_PI) * (y.clone() * y).exp()
            ]], on -0.9..0.9;
            /// `1 / (1 + e^-x)`.
            real sigmoid(x) -> (y) = [x.sigmoid()], d t [[t * y.clone() * (y.lit(1.0) - y)]], on -4.0..4.0;
            /// The largest integer not above.
            real floor(x) -> (y) = [x.floor()], d t [[zero(t)]], on 0.1..0.9;
            /// The smallest integer not below.
            real ceil(x) -> (y) = [x.ceil()], d t [[zero(t)]], on 0.1..0.9;
            /// The nearest integer, ties to even.
            real round(x) -> (y) = [x.round()], d t [[zero(t)]], on -0.4..0.4;
            /// The integer part.
            real trunc(x) -> (y) = [x.trunc()], d t [[zero(t)]], on 0.1..0.9;
            /// The angle of the point (`b`, `a`).
            real arctan2(a, b) -> (y) = [a.arctan2(b)], d t [[
                t * b.clone() / (a.clone() * a + b.clone() * b),
                -(t * a.clone()) / (a.clone() * a + b.clone() * b)
            ]], on 0.5..3.0;
            /// `ln(e^a + e^b)` without overflow.
            real logaddexp(a, b) -> (y) = [a.logaddexp(b)], d t [[t * (a - b).sigmoid(), t * (b - a).sigmoid()]], on -3.0..3.0;
            /// The larger, or NaN if one is; where equal, the derivative is `b`'s.
            ordered maximum(a, b) -> (y) = [a.maximum(b)], d t [[
                Algebra::select(b.clone().less(a), t.clone(), t.lit(0.0)),
                Algebra::select(b.clone().less(a), t.lit(0.0), t)
            ]], on -3.0..3.0;
            /// The smaller, or NaN if one is; where equal, the derivative is `b`'s.
            ordered minimum(a, b) -> (y) = [a.minimum(b)], d t [[
                Algebra::select(a.clone().less(b), t.clone(), t.lit(0.0)),
                Algebra::select(a.clone().less(b), t.lit(0.0), t)
            ]], on -3.0..3.0;
            /// `⌊a / b⌋`; 0 for an integer divided by 0.
            ordered floor_divide(a, b) -> (y) = [a.floor_divide(b)], d t [[zero(t), zero(t)]], on 1.1..1.9;
            /// `a - b * ⌊a / b⌋`, with the divisor's sign.
            ordered remainder(a, b) -> (y) = [a.remainder(b)], d t [[t, -(t * a.floor_divide(b))]], on 1.1..1.9;
            /// Quotient and remainder of floor division.
            ordered divmod(a, b) -> (q, r) = [a.clone().floor_divide(b.clone()), a.remainder(b)],
                d t [[zero(t), zero(t)], [t, -(t * q)]], on 1.1..1.9;
            /// `|x|`.
            ordered abs(x) -> (y) = [x.abs()], d t [[t * x.sign()]], on 0.1..3.0;
            /// -1, 0 or 1; NaN for NaN.
            ordered sign(x) -> (y) = [x.sign()], d t [[zero(t)]], on 0.1..3.0;
            /// `a == b`.
            equality equal(a, b) -> (y) = [a.equal(b)], d none, on -3.0..3.0;
            /// `a != b`.
            equality not_equal(a, b) -> (y) = [a.equal(b).not()], d none, on -3.0..3.0;
            /// `a < b`.
            comparison less(a, b) -> (y) = [a.less(b)], d none, on -3.0..3.0;
            /// `a <= b`.
            comparison less_equal(a, b) -> (y) = [a.clone().less(b.clone()).or(a.equal(b))], d none, on -3.0..3.0;
            /// `a > b`.
            comparison greater(a, b) -> (y) = [b.less(a)], d none, on -3.0..3.0;
            /// `a >= b`.
            comparison greater_equal(a, b) -> (y) = [b.clone().less(a.clone()).or(a.equal(b))], d none, on -3.0..3.0;
            /// Both are true (not 0).
            logical logical_and(a, b) -> (y) = [a.and(b)], d none, on 0.0..1.0;
            /// Either is true (not 0).
            logical logical_or(a, b) -> (y) = [a.or(b)], d none, on 0.0..1.0;
            /// True where `x` is 0.
            logical logical_not(x) -> (y) = [x.not()], d none, on 0.0..1.0;
            /// Bitwise and.
            bits bitwise_and(a, b) -> (y) = [a.bit_and(b)], d none, on 0.0..9.0;
            /// Bitwise or.
            bits bitwise_or(a, b) -> (y) = [a.bit_or(b)], d none, on 0.0..9.0;
            /// Bitwise exclusive or.
            bits bitwise_xor(a, b) -> (y) = [a.bit_xor(b)], d none, on 0.0..9.0;
            /// Bitwise complement.
            bits bitwise_invert(x) -> (y) = [x.bit_not()], d none, on 0.0..9.0;
            /// `a << b`.
            bits left_shift(a, b) -> (y) = [a.shift_left(b)], d none, on 0.0..5.0;
            /// `a >> b`, filling with the sign.
            bits right_shift(a, b) -> (y) = [a.shift_right(b)], d none, on 0.0..5.0;
            /// Real part.
            part real(x) -> (y) = [x.real()], d none, on -3.0..3.0;
            /// Imaginary part.
            part imag(x) -> (y) = [x.imag()], d none, on -3.0..3.0;
            /// Modulus of a complex number.
            part modulus(x) -> (y) = [x.modulus()], d none, on -3.0..3.0;
            /// The complex conjugate.
            complex conjugate(x) -> (y) = [x.conjugate()], d none, on -3.0..3.0;
            /// `if condition { a } else { b }`, elementwise.
            select select(condition, a, b) -> (y) = [S::select(condition, a, b)], d t [[
                zero(t), Algebra::select(condition, t.clone(), t.lit(0.0)), Algebra::select(condition, t.lit(0.0), t)
            ]], on -3.0..3.0;
        }
    };
}
