//! Element types and how they combine.

use std::fmt;

use half::{bf16, f16};
use num_complex::Complex32;

/// The type of an array's elements: MLX's set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Dtype {
    /// One byte, 0 or 1.
    Bool,
    /// 8-bit unsigned integer.
    Uint8,
    /// 16-bit unsigned integer.
    Uint16,
    /// 32-bit unsigned integer.
    Uint32,
    /// 64-bit unsigned integer.
    Uint64,
    /// 8-bit signed integer.
    Int8,
    /// 16-bit signed integer.
    Int16,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// IEEE half precision.
    Float16,
    /// The upper half of a float32.
    Bfloat16,
    /// IEEE single precision.
    Float32,
    /// IEEE double precision.
    Float64,
    /// Two float32: real and imaginary part.
    Complex64,
}

/// A family of element types, as `mlx.core.issubdtype` knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// Every type.
    Generic,
    /// Every type but bool.
    Number,
    /// Signed and unsigned integers.
    Integer,
    /// `int8` to `int64`.
    SignedInteger,
    /// `uint8` to `uint64`.
    UnsignedInteger,
    /// Floating and complex types.
    Inexact,
    /// `float16`, `bfloat16`, `float32`, `float64`.
    Floating,
    /// `complex64`.
    ComplexFloating,
}

impl Dtype {
    /// All element types, in order of promotion within a family.
    pub const ALL: [Self; 14] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Float16,
        Self::Bfloat16,
        Self::Float32,
        Self::Float64,
        Self::Complex64,
    ];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => 1,
            Self::Uint16 | Self::Int16 | Self::Float16 | Self::Bfloat16 => 2,
            Self::Uint32 | Self::Int32 | Self::Float32 => 4,
            Self::Uint64 | Self::Int64 | Self::Float64 | Self::Complex64 => 8,
        }
    }

    /// MLX's name: `float32`, `bool`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float16 => "float16",
            Self::Bfloat16 => "bfloat16",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Complex64 => "complex64",
        }
    }

    /// The type of that name, as [`Dtype::name`] gives it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.name() == name)
    }

    /// Whether this type belongs to `category`.
    pub const fn is(self, category: Category) -> bool {
        match category {
            Category::Generic => true,
            Category::Number => !matches!(self, Self::Bool),
            Category::Integer => self.is_integer(),
            Category::SignedInteger => self.is_signed_integer(),
            Category::UnsignedInteger => self.is_integer() && !self.is_signed_integer(),
            Category::Inexact => self.is_inexact(),
            Category::Floating => self.is_floating(),
            Category::ComplexFloating => matches!(self, Self::Complex64),
        }
    }

    /// `uint8` to `int64`; bool is none.
    pub const fn is_integer(self) -> bool {
        self as u8 >= Self::Uint8 as u8 && self as u8 <= Self::Int64 as u8
    }

    /// `int8` to `int64`.
    pub const fn is_signed_integer(self) -> bool {
        self as u8 >= Self::Int8 as u8 && self as u8 <= Self::Int64 as u8
    }

    /// `float16`, `bfloat16`, `float32`, `float64`.
    pub const fn is_floating(self) -> bool {
        self as u8 >= Self::Float16 as u8 && self as u8 <= Self::Float64 as u8
    }

    /// Floating or complex.
    pub const fn is_inexact(self) -> bool {
        self as u8 >= Self::Float16 as u8
    }

    /// `float16` or `bfloat16`: kernels compute these in float32 and round once per op.
    pub const fn is_half(self) -> bool {
        matches!(self, Self::Float16 | Self::Bfloat16)
    }

    /// The type in which two arrays of types `self` and `other` meet.
    ///
    /// # Source
    /// MLX's table. Two of its entries surprise: `uint64` with a signed integer gives `float32`, and the two half
    /// types give `float32`.
    pub const fn promote(self, other: Self) -> Self {
        let (low, high) = if self as u8 <= other as u8 { (self, other) } else { (other, self) };
        if low as u8 == high as u8 {
            return low;
        }
        match (low, high) {
            (Self::Float16, Self::Bfloat16) => Self::Float32,
            (Self::Uint64, Self::Int8 | Self::Int16 | Self::Int32 | Self::Int64) => Self::Float32,
            (Self::Uint8, Self::Int8) => Self::Int16,
            (Self::Uint16, Self::Int8 | Self::Int16) => Self::Int32,
            (Self::Uint32, Self::Int8 | Self::Int16 | Self::Int32) => Self::Int64,
            _ => high,
        }
    }

    /// The type of a float function of this type: integers and bool become `float32`.
    pub const fn to_inexact(self) -> Self {
        if self.is_inexact() { self } else { Self::Float32 }
    }

    /// The type of `sum` and `prod` over this type: small integers widen to 32 bits.
    pub const fn accumulated(self) -> Self {
        match self {
            Self::Bool | Self::Int8 | Self::Int16 => Self::Int32,
            Self::Uint8 | Self::Uint16 => Self::Uint32,
            other => other,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A Rust type that an array can hold.
///
/// `bool` is not among them since not every byte is one: read such arrays as `u8`.
pub trait Element: bytemuck::Pod + Send + Sync + PartialEq + fmt::Debug {
    /// The element type of arrays of `Self`.
    const DTYPE: Dtype;
}

macro_rules! elements {
    ($($t:ty => $d:ident),*) => { $(impl Element for $t { const DTYPE: Dtype = Dtype::$d; })* };
}
elements!(u8 => Uint8, u16 => Uint16, u32 => Uint32, u64 => Uint64, i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64,
    f16 => Float16, bf16 => Bfloat16, f32 => Float32, f64 => Float64, Complex32 => Complex64);

#[cfg(test)]
mod tests {
    use super::Dtype::{self, *};

    #[test]
    fn promotion_is_symmetric_and_idempotent() {
        for a in Dtype::ALL {
            assert_eq!(a.promote(a), a);
            assert_eq!(Bool.promote(a), a);
            for b in Dtype::ALL {
                assert_eq!(a.promote(b), b.promote(a), "{a} {b}");
            }
        }
    }

    #[test]
    fn promotion_follows_the_table_where_it_surprises() {
        for (a, b, want) in [
            (Uint8, Int8, Int16),
            (Uint16, Int8, Int32),
            (Uint32, Int32, Int64),
            (Uint32, Int64, Int64),
            (Uint64, Int64, Float32),
            (Uint64, Uint32, Uint64),
            (Uint64, Float16, Float16),
            (Float16, Bfloat16, Float32),
            (Int64, Bfloat16, Bfloat16),
            (Float64, Complex64, Complex64),
        ] {
            assert_eq!(a.promote(b), want, "{a} with {b}");
        }
    }

    #[test]
    fn names_round_trip() {
        for d in Dtype::ALL {
            assert_eq!(Dtype::from_name(d.name()), Some(d));
        }
    }
}
