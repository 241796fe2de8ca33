//! Single values: constants in graphs, and the numbers of the host language that meet an array.

use half::{bf16, f16};
use num_complex::Complex32;

use crate::Array;
use crate::dtype::{Dtype, Element};

/// One element of some type. Compares and hashes by its bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scalar {
    bits: u64,
    dtype: Dtype,
}

impl Scalar {
    /// `value` as it is.
    pub fn new<T: Element>(value: T) -> Self {
        let mut bits = [0u8; 8];
        bits[..size_of::<T>()].copy_from_slice(bytemuck::bytes_of(&value));
        Self { bits: u64::from_le_bytes(bits), dtype: T::DTYPE }
    }

    /// A truth value.
    pub fn bool(value: bool) -> Self {
        Self { bits: u64::from(value), dtype: Dtype::Bool }
    }

    /// `value` in type `dtype`: floats truncate towards zero to integers, integers wrap.
    pub fn from_f64(value: f64, dtype: Dtype) -> Self {
        match dtype {
            Dtype::Bool => Self::bool(value != 0.0),
            Dtype::Float16 => Self::new(f16::from_f64(value)),
            Dtype::Bfloat16 => Self::new(bf16::from_f64(value)),
            Dtype::Float32 => Self::new(value as f32),
            Dtype::Float64 => Self::new(value),
            Dtype::Complex64 => Self::new(Complex32::new(value as f32, 0.0)),
            _ => Self::from_i128(value as i128, dtype),
        }
    }

    /// `value` in type `dtype`, wrapping where it does not fit an integer type.
    pub fn from_i64(value: i64, dtype: Dtype) -> Self {
        if dtype.is_inexact() {
            Self::from_f64(value as f64, dtype)
        } else {
            Self::from_i128(i128::from(value), dtype)
        }
    }

    fn from_i128(value: i128, dtype: Dtype) -> Self {
        match dtype {
            Dtype::Uint8 => Self::new(value as u8),
            Dtype::Uint16 => Self::new(value as u16),
            Dtype::Uint32 => Self::new(value as u32),
            Dtype::Uint64 => Self::new(value as u64),
            Dtype::Int8 => Self::new(value as i8),
            Dtype::Int16 => Self::new(value as i16),
            Dtype::Int32 => Self::new(value as i32),
            Dtype::Int64 => Self::new(value as i64),
            _ => Self::bool(value != 0),
        }
    }

    /// The type.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The element's bytes; those beyond its size are 0.
    pub fn bytes(&self) -> [u8; 8] {
        self.bits.to_le_bytes()
    }

    /// The value as f64: exact but for large 64-bit integers; the real part of a complex number.
    pub fn to_f64(&self) -> f64 {
        let bytes = self.bytes();
        fn read<T: Element>(bytes: &[u8; 8]) -> T {
            bytemuck::pod_read_unaligned(&bytes[..size_of::<T>()])
        }
        match self.dtype {
            Dtype::Bool | Dtype::Uint8 => f64::from(bytes[0]),
            Dtype::Uint16 => f64::from(read::<u16>(&bytes)),
            Dtype::Uint32 => f64::from(read::<u32>(&bytes)),
            Dtype::Uint64 => self.bits as f64,
            Dtype::Int8 => f64::from(read::<i8>(&bytes)),
            Dtype::Int16 => f64::from(read::<i16>(&bytes)),
            Dtype::Int32 => f64::from(read::<i32>(&bytes)),
            Dtype::Int64 => self.bits as i64 as f64,
            Dtype::Float16 => read::<f16>(&bytes).to_f64(),
            Dtype::Bfloat16 => read::<bf16>(&bytes).to_f64(),
            Dtype::Float32 => f64::from(read::<f32>(&bytes)),
            Dtype::Float64 => read(&bytes),
            Dtype::Complex64 => f64::from(read::<Complex32>(&bytes).re),
        }
    }

    /// The value as an integer, if the type is bool or an integer type that fits.
    pub fn to_i64(&self) -> Option<i64> {
        match self.dtype {
            Dtype::Uint64 => i64::try_from(self.bits).ok(),
            Dtype::Int64 => Some(self.bits as i64),
            d if d.is_inexact() => None,
            _ => Some(self.to_f64() as i64),
        }
    }
}

impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.to_i64() {
            Some(i) => write!(f, "{i}:{}", self.dtype),
            None => write!(f, "{}:{}", self.to_f64(), self.dtype),
        }
    }
}

/// What may stand on either side of a binary op: an array, or a number of the host language, which adapts its type
/// to the array's (`x + 1.0` stays float16 where `x` is).
#[derive(Clone, Debug)]
pub enum Operand {
    /// An array with its own type.
    Array(Array),
    /// A truth value: takes any type.
    Bool(bool),
    /// An integer: takes any type but bool, with which it gives int32.
    Int(i64),
    /// A float: takes floating and complex types, and gives float32 with others.
    Float(f64),
    /// A complex number: gives complex64.
    Complex(Complex32),
}

impl Operand {
    /// The type that a number takes beside an array of type `other`; an array's own type.
    pub(crate) fn dtype_beside(&self, other: Dtype) -> Dtype {
        match self {
            Self::Array(x) => x.dtype(),
            Self::Bool(_) => other,
            Self::Int(_) if other == Dtype::Bool => Dtype::Int32,
            Self::Int(_) => other,
            Self::Float(_) if other.is_inexact() => other,
            Self::Float(_) => Dtype::Float32,
            Self::Complex(_) => Dtype::Complex64,
        }
    }

    /// The type of a number that meets no array.
    pub(crate) fn default_dtype(&self) -> Dtype {
        match self {
            Self::Array(x) => x.dtype(),
            Self::Bool(_) => Dtype::Bool,
            Self::Int(i) if i32::try_from(*i).is_ok() => Dtype::Int32,
            Self::Int(_) => Dtype::Int64,
            Self::Float(_) => Dtype::Float32,
            Self::Complex(_) => Dtype::Complex64,
        }
    }

    /// The number in type `dtype`; nothing for an array.
    pub(crate) fn scalar(&self, dtype: Dtype) -> Option<Scalar> {
        Some(match self {
            Self::Array(_) => return None,
            Self::Bool(b) => Scalar::from_i64(i64::from(*b), dtype),
            Self::Int(i) => Scalar::from_i64(*i, dtype),
            Self::Float(f) => Scalar::from_f64(*f, dtype),
            Self::Complex(c) => Scalar::new(*c),
        })
    }
}

impl From<&Array> for Operand {
    fn from(x: &Array) -> Self {
        Self::Array(x.clone())
    }
}

impl From<&Self> for Operand {
    fn from(x: &Self) -> Self {
        x.clone()
    }
}

macro_rules! operands {
    ($($t:ty => $variant:ident),*) => { $(impl From<$t> for Operand {
        fn from(value: $t) -> Self { Self::$variant(value.into()) }
    })* };
}
operands!(Array => Array, bool => Bool, i8 => Int, i16 => Int, i32 => Int, i64 => Int, u8 => Int, u16 => Int, u32 => Int,
    f32 => Float, f64 => Float, Complex32 => Complex);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_wrap_and_truncate() {
        assert_eq!(Scalar::from_i64(300, Dtype::Uint8).to_i64(), Some(44));
        assert_eq!(Scalar::from_f64(1.7, Dtype::Int32).to_i64(), Some(1));
        assert_eq!(Scalar::from_f64(-1.0, Dtype::Uint32).to_i64(), Some(i64::from(u32::MAX)));
        assert_eq!(Scalar::from_f64(65520.0, Dtype::Float16).to_f64(), f64::INFINITY);
    }

    #[test]
    fn numbers_adapt_to_arrays() {
        assert_eq!(Operand::from(1).dtype_beside(Dtype::Float16), Dtype::Float16);
        assert_eq!(Operand::from(1).dtype_beside(Dtype::Bool), Dtype::Int32);
        assert_eq!(Operand::from(1.5).dtype_beside(Dtype::Int64), Dtype::Float32);
        assert_eq!(Operand::from(true).dtype_beside(Dtype::Int8), Dtype::Int8);
    }
}
