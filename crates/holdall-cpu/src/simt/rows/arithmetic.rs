//! Operators.

use holdall_msl::Scalar;
use holdall_msl::ir::{Binary, Compare, Unary};

use super::{Bf, Half, RowFn, row};
use crate::isa::Isa;

pub fn unary(isa: Isa, op: Unary, ty: Scalar) -> Option<RowFn> {
    Some(match (op, ty) {
        (Unary::Negate, Scalar::F32) => row!(isa, |x: u32| -> u32 { x ^ 1 << 31 }),
        (Unary::Negate, Scalar::F16 | Scalar::BF16) => row!(isa, |x: u16| -> u16 { x ^ 1 << 15 }),
        (Unary::Negate, Scalar::I32 | Scalar::U32) => row!(isa, |x: u32| -> u32 { x.wrapping_neg() }),
        (Unary::Negate, Scalar::I64 | Scalar::U64) => row!(isa, |x: u64| -> u64 { x.wrapping_neg() }),
        (Unary::Not, Scalar::Bool) => row!(isa, |x: u8| -> u8 { x ^ 1 }),
        (Unary::Not, Scalar::I32 | Scalar::U32) => row!(isa, |x: u32| -> u32 { !x }),
        (Unary::Not, Scalar::I64 | Scalar::U64) => row!(isa, |x: u64| -> u64 { !x }),
        _ => return None,
    })
}

macro_rules! wrapping {
    ($isa:expr, $op:expr, $u:ty, $bits:literal) => {
        Some(match $op {
            Binary::Add => row!($isa, |x: $u, y: $u| -> $u { x.wrapping_add(y) }),
            Binary::Subtract => row!($isa, |x: $u, y: $u| -> $u { x.wrapping_sub(y) }),
            Binary::Multiply => row!($isa, |x: $u, y: $u| -> $u { x.wrapping_mul(y) }),
            Binary::And => row!($isa, |x: $u, y: $u| -> $u { x & y }),
            Binary::Or => row!($isa, |x: $u, y: $u| -> $u { x | y }),
            Binary::Xor => row!($isa, |x: $u, y: $u| -> $u { x ^ y }),
            Binary::ShiftLeft => row!($isa, |x: $u, y: $u| -> $u { x << (y & ($bits - 1)) }),
            _ => return None,
        })
    };
}

macro_rules! ordered {
    ($isa:expr, $op:expr, $t:ty, $bits:literal) => {
        Some(match $op {
            Binary::Divide => row!($isa, |x: $t, y: $t| -> $t { if y == 0 { 0 } else { x.wrapping_div(y) } }),
            Binary::Remainder => {
                row!($isa, |x: $t, y: $t| -> $t { if y == 0 { 0 } else { x.wrapping_rem(y) } })
            }
            Binary::ShiftRight => row!($isa, |x: $t, y: $t| -> $t { x >> (y & ($bits - 1)) }),
            Binary::Min => row!($isa, |x: $t, y: $t| -> $t { x.min(y) }),
            Binary::Max => row!($isa, |x: $t, y: $t| -> $t { x.max(y) }),
            _ => return None,
        })
    };
}

macro_rules! floats {
    ($isa:expr, $op:expr, $t:ty, $wide:expr, $narrow:expr) => {
        Some(match $op {
            Binary::Add => row!($isa, |x: $t, y: $t| -> $t { $narrow($wide(x) + $wide(y)) }),
            Binary::Subtract => row!($isa, |x: $t, y: $t| -> $t { $narrow($wide(x) - $wide(y)) }),
            Binary::Multiply => row!($isa, |x: $t, y: $t| -> $t { $narrow($wide(x) * $wide(y)) }),
            Binary::Divide => row!($isa, |x: $t, y: $t| -> $t { $narrow($wide(x) / $wide(y)) }),
            Binary::Min => row!($isa, |x: $t, y: $t| -> $t { $narrow($wide(x).min($wide(y))) }),
            Binary::Max => row!($isa, |x: $t, y: $t| -> $t { $narrow($wide(x).max($wide(y))) }),
            _ => return None,
        })
    };
}

/// Division by a power of two is what index arithmetic mostly does; there is no vector division of integers.
fn power_of_two(isa: Isa, op: Binary, ty: Scalar, divisor: u64) -> Option<RowFn> {
    if !divisor.is_power_of_two() {
        return None;
    }
    Some(match (op, ty) {
        (Binary::Divide, Scalar::U32) => row!(isa, |x: u32, y: u32| -> u32 { x >> (31 - y.leading_zeros()) }),
        (Binary::Remainder, Scalar::U32) => row!(isa, |x: u32, y: u32| -> u32 { x & y.wrapping_sub(1) }),
        (Binary::Divide, Scalar::I32) if divisor < 1 << 31 => row!(isa, |x: i32, y: i32| -> i32 {
            // Rounds towards 0: negative numbers need the divisor less one added first.
            x.wrapping_add((x >> 31) & (y - 1)) >> (31 - y.leading_zeros())
        }),
        (Binary::Remainder, Scalar::I32) if divisor < 1 << 31 => row!(isa, |x: i32, y: i32| -> i32 {
            x.wrapping_sub(x.wrapping_add((x >> 31) & (y - 1)) & !(y - 1))
        }),
        _ => return None,
    })
}

pub fn binary(isa: Isa, op: Binary, ty: Scalar, divisor: Option<u64>) -> Option<RowFn> {
    if let Some(fast) = divisor.and_then(|divisor| power_of_two(isa, op, ty, divisor)) {
        return Some(fast);
    }
    match ty {
        Scalar::F32 => floats!(isa, op, f32, |x: f32| x, |x: f32| x),
        Scalar::F16 => floats!(isa, op, Half, Half::wide, Half::narrow),
        Scalar::BF16 => floats!(isa, op, Bf, Bf::wide, Bf::narrow),
        Scalar::Bool => Some(match op {
            Binary::And | Binary::Multiply | Binary::Min => row!(isa, |x: u8, y: u8| -> u8 { x & y }),
            Binary::Or | Binary::Max => row!(isa, |x: u8, y: u8| -> u8 { x | y }),
            Binary::Xor | Binary::Add | Binary::Subtract => row!(isa, |x: u8, y: u8| -> u8 { x ^ y }),
            _ => return None,
        }),
        Scalar::I8 => wrapping(isa, op, ty).or_else(|| ordered!(isa, op, i8, 8)),
        Scalar::U8 => wrapping(isa, op, ty).or_else(|| ordered!(isa, op, u8, 8)),
        Scalar::I16 => wrapping(isa, op, ty).or_else(|| ordered!(isa, op, i16, 16)),
        Scalar::U16 => wrapping(isa, op, ty).or_else(|| ordered!(isa, op, u16, 16)),
        Scalar::I32 => wrapping(isa, op, ty).or_else(|| ordered(isa, op, ty)),
        Scalar::U32 => wrapping(isa, op, ty).or_else(|| ordered(isa, op, ty)),
        Scalar::I64 => wrapping(isa, op, ty).or_else(|| ordered(isa, op, ty)),
        Scalar::U64 => wrapping(isa, op, ty).or_else(|| ordered(isa, op, ty)),
        Scalar::Object => None,
    }
}

fn wrapping(isa: Isa, op: Binary, ty: Scalar) -> Option<RowFn> {
    match ty.size() {
        1 => wrapping!(isa, op, u8, 8),
        2 => wrapping!(isa, op, u16, 16),
        4 => wrapping!(isa, op, u32, 32),
        _ => wrapping!(isa, op, u64, 64),
    }
}

fn ordered(isa: Isa, op: Binary, ty: Scalar) -> Option<RowFn> {
    match ty {
        Scalar::I32 => ordered!(isa, op, i32, 32),
        Scalar::U32 => ordered!(isa, op, u32, 32),
        Scalar::I64 => ordered!(isa, op, i64, 64),
        _ => ordered!(isa, op, u64, 64),
    }
}

macro_rules! comparisons {
    ($isa:expr, $op:expr, $t:ty, $wide:expr) => {
        match $op {
            Compare::Eq => row!($isa, |x: $t, y: $t| -> u8 { u8::from($wide(x) == $wide(y)) }),
            Compare::Ne => row!($isa, |x: $t, y: $t| -> u8 { u8::from($wide(x) != $wide(y)) }),
            Compare::Lt => row!($isa, |x: $t, y: $t| -> u8 { u8::from($wide(x) < $wide(y)) }),
            Compare::Le => row!($isa, |x: $t, y: $t| -> u8 { u8::from($wide(x) <= $wide(y)) }),
            Compare::Gt => row!($isa, |x: $t, y: $t| -> u8 { u8::from($wide(x) > $wide(y)) }),
            Compare::Ge => row!($isa, |x: $t, y: $t| -> u8 { u8::from($wide(x) >= $wide(y)) }),
        }
    };
}

pub fn compare(isa: Isa, op: Compare, ty: Scalar) -> Option<RowFn> {
    Some(match ty {
        Scalar::F32 => comparisons!(isa, op, f32, |x: f32| x),
        Scalar::F16 => comparisons!(isa, op, Half, Half::wide),
        Scalar::BF16 => comparisons!(isa, op, Bf, Bf::wide),
        Scalar::Bool | Scalar::U8 => comparisons!(isa, op, u8, |x: u8| x),
        Scalar::I8 => comparisons!(isa, op, i8, |x: i8| x),
        Scalar::I16 => comparisons!(isa, op, i16, |x: i16| x),
        Scalar::U16 => comparisons!(isa, op, u16, |x: u16| x),
        Scalar::I32 => comparisons!(isa, op, i32, |x: i32| x),
        Scalar::U32 | Scalar::Object => comparisons!(isa, op, u32, |x: u32| x),
        Scalar::I64 => comparisons!(isa, op, i64, |x: i64| x),
        Scalar::U64 => comparisons!(isa, op, u64, |x: u64| x),
    })
}
