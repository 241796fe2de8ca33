//! Functions of floats, in f32. What is not here goes through `fold::evaluate`.

use holdall_msl::Scalar;
use holdall_msl::ir::{Math, Test};

use super::{RowFn, row};
use crate::isa::Isa;
use crate::kernels::math;

macro_rules! functions {
    ($isa:expr, $op:expr; $($one:ident => $f:expr),*; $($two:ident => $g:expr),*) => {
        Some(match $op {
            $(Math::$one => row!($isa, |x: f32| -> f32 { $f(x) }),)*
            $(Math::$two => row!($isa, |x: f32, y: f32| -> f32 { $g(x, y) }),)*
            // Without the instruction, a fused product is a call: as slow as `fold::evaluate`, and as exact.
            Math::Fma => row!($isa, |x: f32, y: f32, z: f32| -> f32 { x.mul_add(y, z) }),
            _ => return None,
        })
    };
}

/// The loop of a function of `float`. Functions of shorter floats are these between conversions.
pub fn math(isa: Isa, op: Math, ty: Scalar) -> Option<RowFn> {
    if ty != Scalar::F32 {
        return None;
    }
    functions!(isa, op;
        Abs => f32::abs, Floor => f32::floor, Ceil => f32::ceil, Trunc => f32::trunc, Round => f32::round,
        Rint => f32::round_ties_even, Sqrt => f32::sqrt, Rsqrt => math::rsqrt, Exp => math::exp,
        Exp2 => math::exp2, Expm1 => math::expm1, Log => math::log, Log2 => math::log2, Log10 => math::log10,
        Log1p => math::log1p, Sin => math::sin, Cos => math::cos, Tan => math::tan, Asin => math::asin,
        Acos => math::acos, Atan => math::atan, Sinh => math::sinh, Cosh => math::cosh, Tanh => math::tanh,
        Asinh => math::asinh, Acosh => math::acosh, Atanh => math::atanh;
        Atan2 => math::atan2, Pow => math::pow, Copysign => f32::copysign)
}

pub fn test(isa: Isa, op: Test, ty: Scalar) -> Option<RowFn> {
    Some(match (op, ty) {
        (Test::IsNan, Scalar::F32) => row!(isa, |x: f32| -> u8 { u8::from(x.is_nan()) }),
        (Test::IsInf, Scalar::F32) => row!(isa, |x: f32| -> u8 { u8::from(x.is_infinite()) }),
        (Test::IsFinite, Scalar::F32) => row!(isa, |x: f32| -> u8 { u8::from(x.is_finite()) }),
        _ => return None,
    })
}
