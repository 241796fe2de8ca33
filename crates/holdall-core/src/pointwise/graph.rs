//! Arrays as an algebra: derivatives written in the table become graphs.
//!
//! These methods meet arrays of one type and of shapes that broadcast, since that is what the rows give them; where
//! an array is used so by hand and does not fit, they panic with the op's error, as the operators do.

use super::algebra::{Algebra, Complex, Float, Logic, Ordered, Real};
use super::{Row, row};
use crate::Array;
use crate::scalar::Scalar;

fn apply(row: &'static Row, x: &[&Array]) -> Array {
    Array::row(row, x).unwrap_or_else(|e| panic!("{e}"))
}

macro_rules! methods {
    ($($method:ident $(($other:ident))? = $row:ident;)*) => {
        $(fn $method(self $(, $other: Self)?) -> Self { apply(row::$row(), &[&self $(, &$other)?]) })*
    };
}

impl Logic for Array {
    methods! { and(other) = logical_and; or(other) = logical_or; not = logical_not; }
}

impl Algebra for Array {
    type Bool = Self;
    fn lit(&self, value: f64) -> Self {
        Self::constant(Scalar::from_f64(value, self.dtype()))
    }
    fn select(condition: Self, yes: Self, no: Self) -> Self {
        apply(row::select(), &[&condition, &yes, &no])
    }
    methods! { equal(other) = equal; pow(other) = power; }
}

impl Ordered for Array {
    methods! {
        less(other) = less; floor_divide(other) = floor_divide; remainder(other) = remainder;
        maximum(other) = maximum; minimum(other) = minimum; abs = abs; sign = sign;
    }
}

impl Float for Array {
    methods! {
        exp = exp; log = log; log2 = log2; log10 = log10; log1p = log1p; sqrt = sqrt; rsqrt = rsqrt; sin = sin; cos = cos;
        tan = tan; arcsin = arcsin; arccos = arccos; arctan = arctan; sinh = sinh; cosh = cosh; tanh = tanh;
        arcsinh = arcsinh; arccosh = arccosh; arctanh = arctanh;
    }
}

impl Real for Array {
    methods! {
        expm1 = expm1; erf = erf; erfinv = erfinv; sigmoid = sigmoid; floor = floor; ceil = ceil; round = round;
        trunc = trunc; arctan2(other) = arctan2; logaddexp(other) = logaddexp;
    }
}

impl Complex for Array {
    type Part = Self;
    methods! { real = real; imag = imag; modulus = modulus; conjugate = conjugate; }
}
