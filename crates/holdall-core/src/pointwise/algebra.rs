//! The algebras in which elementwise ops are written.
//!
//! A row of the table is generic over one of these traits. At a backend's lane types it is a CPU kernel, at
//! [`Text`](super::Text) it is MSL source, and at [`Array`](crate::Array) it is a graph, which is how derivatives
//! are built. Everything that a backend must provide for elementwise work is a method here.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// Truth values of an algebra.
pub trait Logic: Clone {
    /// Both.
    fn and(self, other: Self) -> Self;
    /// Either.
    fn or(self, other: Self) -> Self;
    /// The opposite.
    fn not(self) -> Self;
}

/// What every element type can do. Integers wrap; for bool, `+` is or, `*` is and, `-` is exclusive or.
pub trait Algebra:
    Clone + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self>
{
    /// Results of comparisons.
    type Bool: Logic;
    /// A literal of the type (and dialect, shape and device) of `self`.
    fn lit(&self, value: f64) -> Self;
    /// `self == other`.
    fn equal(self, other: Self) -> Self::Bool;
    /// `if condition { yes } else { no }`, both sides computed.
    fn select(condition: Self::Bool, yes: Self, no: Self) -> Self;
    /// `self` to the power of `other`; integers by repeated squaring, a negative integer exponent gives 0.
    fn pow(self, other: Self) -> Self;
}

/// Types with an order: all but complex.
pub trait Ordered: Algebra {
    /// `self < other`.
    fn less(self, other: Self) -> Self::Bool;
    /// `⌊self / other⌋`; 0 for an integer divided by 0.
    fn floor_divide(self, other: Self) -> Self;
    /// `self - other * ⌊self / other⌋`, with the divisor's sign; an integer modulo 0 is itself.
    fn remainder(self, other: Self) -> Self;
    /// The larger, or NaN if one is.
    fn maximum(self, other: Self) -> Self;
    /// The smaller, or NaN if one is.
    fn minimum(self, other: Self) -> Self;
    /// `|self|`; the most negative integer is itself.
    fn abs(self) -> Self;
    /// -1, 0 or 1; NaN for NaN.
    fn sign(self) -> Self;
}

/// Integers and bool as bit strings.
pub trait Bits: Ordered {
    /// Bitwise and.
    fn bit_and(self, other: Self) -> Self;
    /// Bitwise or.
    fn bit_or(self, other: Self) -> Self;
    /// Bitwise exclusive or.
    fn bit_xor(self, other: Self) -> Self;
    /// Bitwise complement.
    fn bit_not(self) -> Self;
    /// `self << other`, 0 when all bits leave.
    fn shift_left(self, other: Self) -> Self;
    /// `self >> other`, filling with the sign.
    fn shift_right(self, other: Self) -> Self;
}

macro_rules! unary_methods {
    ($($(#[$doc:meta])* $name:ident;)*) => { $($(#[$doc])* fn $name(self) -> Self;)* };
}

/// Floating and complex types.
pub trait Float: Algebra + Div<Output = Self> {
    unary_methods! {
        /// `e^x`.
        exp;
        /// `ln x`.
        log;
        /// `log₂ x`.
        log2;
        /// `log₁₀ x`.
        log10;
        /// `ln(1 + x)`, accurate near 0.
        log1p;
        /// `√x`.
        sqrt;
        /// `1 / √x`.
        rsqrt;
        /// Sine.
        sin;
        /// Cosine.
        cos;
        /// Tangent.
        tan;
        /// Inverse sine.
        arcsin;
        /// Inverse cosine.
        arccos;
        /// Inverse tangent.
        arctan;
        /// Hyperbolic sine.
        sinh;
        /// Hyperbolic cosine.
        cosh;
        /// Hyperbolic tangent.
        tanh;
        /// Inverse hyperbolic sine.
        arcsinh;
        /// Inverse hyperbolic cosine.
        arccosh;
        /// Inverse hyperbolic tangent.
        arctanh;
    }
}

/// Floating types without complex.
pub trait Real: Float + Ordered {
    unary_methods! {
        /// `e^x - 1`, accurate near 0.
        expm1;
        /// The error function.
        erf;
        /// The inverse of the error function.
        erfinv;
        /// `1 / (1 + e^-x)`.
        sigmoid;
        /// The largest integer not above.
        floor;
        /// The smallest integer not below.
        ceil;
        /// The nearest integer, ties to even.
        round;
        /// The integer part.
        trunc;
    }
    /// The angle of the point (`other`, `self`).
    fn arctan2(self, other: Self) -> Self;
    /// `ln(e^self + e^other)` without overflow.
    fn logaddexp(self, other: Self) -> Self;
}

/// Complex numbers seen from their parts.
pub trait Complex: Float {
    /// The type of the parts.
    type Part;
    /// Real part.
    fn real(self) -> Self::Part;
    /// Imaginary part.
    fn imag(self) -> Self::Part;
    /// Modulus.
    fn modulus(self) -> Self::Part;
    /// The same with the imaginary part's sign turned.
    fn conjugate(self) -> Self;
}
