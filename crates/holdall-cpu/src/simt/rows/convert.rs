//! Moves, choices and conversions.

#![expect(clippy::cast_lossless, reason = "one macro casts between all pairs of types")]

use holdall_msl::Scalar;

use super::{Bf, Half, RowFn, row};
use crate::isa::Isa;

pub fn copy(isa: Isa, size: usize) -> RowFn {
    match size {
        1 => row!(isa, |x: u8| -> u8 { x }),
        2 => row!(isa, |x: u16| -> u16 { x }),
        4 => row!(isa, |x: u32| -> u32 { x }),
        _ => row!(isa, |x: u64| -> u64 { x }),
    }
}

pub fn select(isa: Isa, size: usize) -> RowFn {
    match size {
        1 => row!(isa, |c: u8, x: u8, y: u8| -> u8 { if c != 0 { x } else { y } }),
        2 => row!(isa, |c: u8, x: u16, y: u16| -> u16 { if c != 0 { x } else { y } }),
        4 => row!(isa, |c: u8, x: u32, y: u32| -> u32 { if c != 0 { x } else { y } }),
        _ => row!(isa, |c: u8, x: u64, y: u64| -> u64 { if c != 0 { x } else { y } }),
    }
}

macro_rules! from_integer {
    ($isa:expr, $to:expr, $t:ty) => {
        Some(match $to {
            Scalar::Bool => row!($isa, |x: $t| -> u8 { u8::from(x != 0) }),
            Scalar::I8 | Scalar::U8 => row!($isa, |x: $t| -> u8 { x as u8 }),
            Scalar::I16 | Scalar::U16 => row!($isa, |x: $t| -> u16 { x as u16 }),
            Scalar::I32 | Scalar::U32 => row!($isa, |x: $t| -> u32 { x as u32 }),
            Scalar::I64 | Scalar::U64 => row!($isa, |x: $t| -> u64 { x as u64 }),
            Scalar::F32 => row!($isa, |x: $t| -> f32 { x as f32 }),
            // What float rounds is too large for half.
            Scalar::F16 => row!($isa, |x: $t| -> Half { Half::narrow(x as f32) }),
            _ => return None,
        })
    };
}

macro_rules! from_float {
    ($isa:expr, $to:expr, $t:ty, $wide:expr) => {
        Some(match $to {
            Scalar::Bool => row!($isa, |x: $t| -> u8 { u8::from($wide(x) != 0.0) }),
            Scalar::I8 => row!($isa, |x: $t| -> i8 { $wide(x) as i8 }),
            Scalar::U8 => row!($isa, |x: $t| -> u8 { $wide(x) as u8 }),
            Scalar::I16 => row!($isa, |x: $t| -> i16 { $wide(x) as i16 }),
            Scalar::U16 => row!($isa, |x: $t| -> u16 { $wide(x) as u16 }),
            Scalar::I32 => row!($isa, |x: $t| -> i32 { $wide(x) as i32 }),
            Scalar::U32 => row!($isa, |x: $t| -> u32 { $wide(x) as u32 }),
            Scalar::I64 => row!($isa, |x: $t| -> i64 { $wide(x) as i64 }),
            Scalar::U64 => row!($isa, |x: $t| -> u64 { $wide(x) as u64 }),
            Scalar::F32 => row!($isa, |x: $t| -> f32 { $wide(x) }),
            Scalar::F16 => row!($isa, |x: $t| -> Half { Half::narrow($wide(x)) }),
            Scalar::BF16 => row!($isa, |x: $t| -> Bf { Bf::narrow($wide(x)) }),
            Scalar::Object => return None,
        })
    };
}

pub fn convert(isa: Isa, from: Scalar, to: Scalar) -> Option<RowFn> {
    if from == to {
        return Some(copy(isa, super::size_of_lane(to)));
    }
    match from {
        Scalar::Bool | Scalar::U8 => from_integer!(isa, to, u8),
        Scalar::I8 => from_integer!(isa, to, i8),
        Scalar::I16 => from_integer!(isa, to, i16),
        Scalar::U16 => from_integer!(isa, to, u16),
        Scalar::I32 => from_integer!(isa, to, i32),
        Scalar::U32 => from_integer!(isa, to, u32),
        Scalar::I64 => from_integer!(isa, to, i64),
        Scalar::U64 => from_integer!(isa, to, u64),
        Scalar::F32 => from_float!(isa, to, f32, |x: f32| x),
        Scalar::F16 => from_float!(isa, to, Half, Half::wide),
        Scalar::BF16 => from_float!(isa, to, Bf, Bf::wide),
        Scalar::Object => None,
    }
}
