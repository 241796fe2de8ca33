//! The elementwise table as methods and operators.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::pointwise::row;
use crate::scalar::Operand;

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl Array { $(
            $(#[$doc])*
            ///
            /// # Errors
            /// When the op does not take the array's type.
            #[track_caller]
            pub fn $name(&self) -> Result<Self> { Self::row(row::$name(), &[self]) }
        )* }
    };
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl Array { $(
            $(#[$doc])*
            ///
            /// The arrays are promoted to one type and broadcast to one shape; a number takes the array's type.
            ///
            /// # Errors
            /// When the shapes do not broadcast or the op does not take the type.
            #[track_caller]
            pub fn $name(&self, other: impl Into<Operand>) -> Result<Self> {
                Self::binary(row::$name(), self.into(), other.into())
            }
        )* }
    };
}

unary! {
    /// `e^x`; integers become float32.
    exp;
    /// `ln x`; integers become float32.
    log;
    /// `log₂ x`; integers become float32.
    log2;
    /// `log₁₀ x`; integers become float32.
    log10;
    /// `ln(1 + x)`, accurate near 0.
    log1p;
    /// `e^x - 1`, accurate near 0.
    expm1;
    /// `√x`; integers become float32.
    sqrt;
    /// `1 / √x`; integers become float32.
    rsqrt;
    /// `1 / x`; integers become float32.
    reciprocal;
    /// `x²` in the array's own type.
    square;
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
    /// The error function.
    erf;
    /// The inverse of the error function.
    erfinv;
    /// `1 / (1 + e^-x)`.
    sigmoid;
    /// -1, 0 or 1.
    sign;
    /// True where `x` is 0.
    logical_not;
    /// Bitwise complement of integers and bool.
    bitwise_invert;
    /// Real part of complex numbers.
    real;
    /// Imaginary part of complex numbers.
    imag;
    /// Complex conjugate.
    conjugate;
}

binary! {
    /// `self + other`.
    add;
    /// `self - other`.
    subtract;
    /// `self * other`.
    multiply;
    /// `self / other`; integers become float32.
    divide;
    /// `self` to the power of `other`, in the promoted type.
    power;
    /// `⌊self / other⌋` in the promoted type.
    floor_divide;
    /// `self - other * ⌊self / other⌋`, with the divisor's sign.
    remainder;
    /// The larger of two; NaN if one is.
    maximum;
    /// The smaller of two; NaN if one is.
    minimum;
    /// `ln(e^self + e^other)`.
    logaddexp;
    /// The angle of the point (`other`, `self`).
    arctan2;
    /// `self == other`, as bool.
    equal;
    /// `self != other`, as bool.
    not_equal;
    /// `self < other`, as bool.
    less;
    /// `self <= other`, as bool.
    less_equal;
    /// `self > other`, as bool.
    greater;
    /// `self >= other`, as bool.
    greater_equal;
    /// Both are true (not 0).
    logical_and;
    /// Either is true (not 0).
    logical_or;
    /// Bitwise and.
    bitwise_and;
    /// Bitwise or.
    bitwise_or;
    /// Bitwise exclusive or.
    bitwise_xor;
}

macro_rules! shift {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl Array { $(
            $(#[$doc])*
            ///
            /// The arrays are promoted to one type and broadcast to one shape; a number takes the array's type; two
            /// bools give uint8.
            ///
            /// # Errors
            /// When the shapes do not broadcast or the type is not one of integers.
            #[track_caller]
            pub fn $name(&self, other: impl Into<Operand>) -> Result<Self> {
                let other = other.into();
                let are_bool = self.dtype() == Dtype::Bool && other.default_dtype() == Dtype::Bool;
                let x = if are_bool { self.astype(Dtype::Uint8) } else { self.clone() };
                Self::binary(row::$name(), (&x).into(), other)
            }
        )* }
    };
}
shift! {
    /// `self << other`.
    left_shift;
    /// `self >> other`.
    right_shift;
}

impl Array {
    /// The same elements in another type: floats truncate towards zero to integers, integers wrap, anything but 0
    /// is true.
    #[track_caller]
    #[must_use]
    pub fn astype(&self, dtype: Dtype) -> Self {
        self.to_dtype(dtype, Origin::caller())
    }

    /// A copy without gaps, row-major, that shares memory with nothing else.
    #[track_caller]
    #[must_use]
    pub fn contiguous(&self) -> Self {
        self.copied(Origin::caller())
    }

    /// `-x`.
    ///
    /// # Errors
    /// For bool.
    #[track_caller]
    pub fn negative(&self) -> Result<Self> {
        if self.dtype() == Dtype::Bool {
            return Err(
                Error::dtype("negative", "wanted numbers, got bool; use logical_not").at(Origin::caller())
            );
        }
        Self::row(row::negative(), &[self])
    }

    /// `|x|`; complex64 gives float32.
    ///
    /// # Errors
    /// Never at present.
    #[track_caller]
    pub fn abs(&self) -> Result<Self> {
        let row = if self.dtype() == Dtype::Complex64 { row::modulus() } else { row::abs() };
        Self::row(row, &[self])
    }

    /// The largest integer not above, in the array's type.
    ///
    /// # Errors
    /// For complex numbers.
    #[track_caller]
    pub fn floor(&self) -> Result<Self> {
        if self.dtype().is_inexact() { Self::row(row::floor(), &[self]) } else { Ok(self.clone()) }
    }

    /// The smallest integer not below, in the array's type.
    ///
    /// # Errors
    /// For complex numbers.
    #[track_caller]
    pub fn ceil(&self) -> Result<Self> {
        if self.dtype().is_inexact() { Self::row(row::ceil(), &[self]) } else { Ok(self.clone()) }
    }

    /// The integer part, in the array's type.
    ///
    /// # Errors
    /// For complex numbers.
    #[track_caller]
    pub fn trunc(&self) -> Result<Self> {
        if self.dtype().is_inexact() { Self::row(row::trunc(), &[self]) } else { Ok(self.clone()) }
    }

    /// Rounded to `decimals` places, ties to even, in the array's type.
    ///
    /// # Errors
    /// For complex numbers.
    #[track_caller]
    pub fn round(&self, decimals: i32) -> Result<Self> {
        if decimals == 0 {
            return if self.dtype().is_inexact() {
                Self::row(row::round(), &[self])
            } else {
                Ok(self.clone())
            };
        }
        let scale = 10f64.powi(decimals.abs());
        let float = self.astype(self.dtype().to_inexact());
        let (up, down) =
            if decimals > 0 { (float.multiply(scale)?, scale) } else { (float.divide(scale)?, 1.0 / scale) };
        Ok(Self::row(row::round(), &[&up])?.divide(down)?.astype(self.dtype()))
    }

    /// Quotient and remainder of floor division.
    ///
    /// # Errors
    /// When the shapes do not broadcast, or for complex numbers.
    #[track_caller]
    pub fn divmod(&self, other: &Self) -> Result<(Self, Self)> {
        let mut both = Self::outputs_of(&Self::row_node(row::divmod(), &[self, other])?);
        let remainder = both.remove(1);
        Ok((both.remove(0), remainder))
    }

    /// Elements of `a` where `condition` holds, of `b` elsewhere.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    #[track_caller]
    pub fn select(condition: &Self, a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Self> {
        let (a, b) = (a.into(), b.into());
        let dtype = match (&a, &b) {
            (Operand::Array(x), other) | (other, Operand::Array(x)) => {
                other.dtype_beside(x.dtype()).promote(x.dtype())
            }
            _ => a.default_dtype().promote(b.default_dtype()),
        };
        let of = |operand: &Operand| match operand {
            Operand::Array(x) => x.clone(),
            number => Self::constant(
                number.scalar(dtype).unwrap_or_else(|| unreachable!("arrays are matched above")),
            ),
        };
        Self::row(row::select(), &[condition, &of(&a), &of(&b)])
    }

    /// Whether an element is NaN.
    ///
    /// # Errors
    /// Never at present.
    #[track_caller]
    pub fn isnan(&self) -> Result<Self> {
        self.not_equal(self)
    }

    /// Whether an element is infinite.
    ///
    /// # Errors
    /// For complex numbers.
    #[track_caller]
    pub fn isinf(&self) -> Result<Self> {
        self.abs()?.astype(self.dtype().to_inexact()).equal(f64::INFINITY)
    }

    /// Each element between `low` and `high`, either of which may be left out; NaN stays.
    ///
    /// # Errors
    /// When the shapes do not broadcast, or for complex numbers.
    #[track_caller]
    pub fn clip(&self, low: Option<Operand>, high: Option<Operand>) -> Result<Self> {
        let mut x = self.clone();
        if let Some(low) = low {
            x = x.maximum(low)?;
        }
        if let Some(high) = high {
            x = x.minimum(high)?;
        }
        Ok(x)
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $row:ident;)*) => { $(
        impl<T: Into<Operand>> $trait<T> for &Array {
            type Output = Array;
            /// # Panics
            /// When the op refuses its operands; the method of the same meaning returns that error.
            #[track_caller]
            fn $method(self, other: T) -> Array {
                Array::binary(row::$row(), self.into(), other.into()).unwrap_or_else(|e| panic!("{e}"))
            }
        }
        impl<T: Into<Operand>> $trait<T> for Array {
            type Output = Array;
            /// # Panics
            /// When the op refuses its operands; the method of the same meaning returns that error.
            #[track_caller]
            fn $method(self, other: T) -> Array {
                Array::binary(row::$row(), self.into(), other.into()).unwrap_or_else(|e| panic!("{e}"))
            }
        }
    )* };
}
operators! { Add add add; Sub sub subtract; Mul mul multiply; Div div divide; Rem rem remainder; }

macro_rules! numbers_first {
    ($($t:ty),*) => { $(
        numbers_first! { @each $t; Add add add; Sub sub subtract; Mul mul multiply; Div div divide; }
    )* };
    (@each $t:ty; $($trait:ident $method:ident $row:ident;)*) => { $(
        impl $trait<&Array> for $t {
            type Output = Array;
            /// # Panics
            /// When the op refuses its operands.
            #[track_caller]
            fn $method(self, other: &Array) -> Array {
                Array::binary(row::$row(), self.into(), other.into()).unwrap_or_else(|e| panic!("{e}"))
            }
        }
    )* };
}
numbers_first!(f32, f64, i32, i64);

impl Neg for Array {
    type Output = Self;
    /// # Panics
    /// For bool.
    #[track_caller]
    fn neg(self) -> Self {
        self.negative().unwrap_or_else(|e| panic!("{e}"))
    }
}

impl Neg for &Array {
    type Output = Array;
    /// # Panics
    /// For bool.
    #[track_caller]
    fn neg(self) -> Array {
        self.negative().unwrap_or_else(|e| panic!("{e}"))
    }
}
