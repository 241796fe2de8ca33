//! Elementwise ops as Metal source: the portable GPU kernels are made of these expressions.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::algebra::{Algebra, Bits, Complex, Float, Logic, Ordered, Real};

/// A Metal expression. 16-bit floats have to be widened first. Functions that Metal lacks, or has for some of the types
/// only, have the prefix `holdall_` and come with the kernels' header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// A variable or another primary expression.
    pub fn new(primary: impl Into<String>) -> Self {
        Self(primary.into())
    }

    /// The source of the expression.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn infix(self, op: &str, other: &Self) -> Self {
        Self(format!("({} {op} {})", self.0, other.0))
    }

    fn call(name: &str, arguments: &[&Self]) -> Self {
        let list: Vec<&str> = arguments.iter().map(|a| a.as_str()).collect();
        Self(format!("{name}({})", list.join(", ")))
    }
}

macro_rules! infix {
    ($($trait:ident $method:ident $op:literal),*) => { $(impl $trait for Text {
        type Output = Self;
        fn $method(self, other: Self) -> Self { self.infix($op, &other) }
    })* };
}
infix!(Add add "+", Sub sub "-", Mul mul "*", Div div "/");

impl Neg for Text {
    type Output = Self;
    fn neg(self) -> Self {
        Self(format!("(-{})", self.0))
    }
}

macro_rules! calls {
    ($($method:ident $(($other:ident))? = $name:literal;)*) => {
        $(fn $method(self $(, $other: Self)?) -> Self { Self::call($name, &[&self $(, &$other)?]) })*
    };
}

impl Logic for Text {
    fn and(self, other: Self) -> Self {
        self.infix("&&", &other)
    }
    fn or(self, other: Self) -> Self {
        self.infix("||", &other)
    }
    fn not(self) -> Self {
        Self(format!("(!{})", self.0))
    }
}

impl Algebra for Text {
    type Bool = Self;
    fn lit(&self, value: f64) -> Self {
        Self(format!("decltype({})({value:?})", self.0))
    }
    fn equal(self, other: Self) -> Self {
        self.infix("==", &other)
    }
    fn select(condition: Self, yes: Self, no: Self) -> Self {
        Self(format!("({} ? {} : {})", condition.0, yes.0, no.0))
    }
    calls! { pow(other) = "holdall_pow"; }
}

impl Ordered for Text {
    fn less(self, other: Self) -> Self {
        self.infix("<", &other)
    }
    calls! {
        floor_divide(other) = "holdall_floor_divide"; remainder(other) = "holdall_remainder";
        maximum(other) = "holdall_maximum"; minimum(other) = "holdall_minimum";
        abs = "holdall_abs"; sign = "holdall_sign";
    }
}

impl Bits for Text {
    fn bit_and(self, other: Self) -> Self {
        self.infix("&", &other)
    }
    fn bit_or(self, other: Self) -> Self {
        self.infix("|", &other)
    }
    fn bit_xor(self, other: Self) -> Self {
        self.infix("^", &other)
    }
    calls! {
        bit_not = "holdall_bit_not"; shift_left(other) = "holdall_shift_left"; shift_right(other) = "holdall_shift_right";
    }
}

impl Float for Text {
    calls! {
        exp = "holdall_exp"; log = "holdall_log"; log2 = "holdall_log2"; log10 = "holdall_log10";
        log1p = "holdall_log1p"; sqrt = "holdall_sqrt"; rsqrt = "holdall_rsqrt"; sin = "holdall_sin";
        cos = "holdall_cos"; tan = "holdall_tan"; arcsin = "holdall_arcsin"; arccos = "holdall_arccos";
        arctan = "holdall_arctan"; sinh = "holdall_sinh"; cosh = "holdall_cosh"; tanh = "holdall_tanh";
        arcsinh = "holdall_arcsinh"; arccosh = "holdall_arccosh"; arctanh = "holdall_arctanh";
    }
}

impl Real for Text {
    calls! {
        expm1 = "holdall_expm1"; erf = "holdall_erf"; erfinv = "holdall_erfinv"; sigmoid = "holdall_sigmoid";
        floor = "metal::floor"; ceil = "metal::ceil"; round = "metal::rint"; trunc = "metal::trunc";
        arctan2(other) = "holdall_arctan2"; logaddexp(other) = "holdall_logaddexp";
    }
}

impl Complex for Text {
    type Part = Self;
    fn real(self) -> Self {
        Self(format!("{}.real", self.0))
    }
    fn imag(self) -> Self {
        Self(format!("{}.imag", self.0))
    }
    calls! { modulus = "holdall_modulus"; conjugate = "holdall_conjugate"; }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pointwise::TABLE;

    #[test]
    fn every_row_has_text() {
        for row in TABLE {
            let operands: Vec<Text> =
                ["a", "b", "c"][..usize::from(row.arity)].iter().map(|x| Text::new(*x)).collect();
            let out = (row.text)(&operands);
            assert_eq!(out.len(), usize::from(row.outputs), "{}", row.name);
            for o in &operands {
                assert!(
                    out.iter().any(|t| t.as_str().contains(o.as_str())),
                    "{} ignores {o:?}: {out:?}",
                    row.name
                );
            }
        }
    }
}
