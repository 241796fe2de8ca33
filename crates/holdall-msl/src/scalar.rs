//! Scalar types, address spaces and element types.

use std::fmt;

/// The scalar types that operations work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scalar {
    /// `bool`: 0 or 1, a byte in memory.
    Bool,
    /// `char`, signed.
    I8,
    /// `uchar`.
    U8,
    /// `short`.
    I16,
    /// `ushort`.
    U16,
    /// `int`.
    I32,
    /// `uint`.
    U32,
    /// `long`.
    I64,
    /// `ulong`, `size_t`.
    U64,
    /// `half`.
    F16,
    /// `bfloat`.
    BF16,
    /// `float`.
    F32,
    /// The memory object that a pointer points into. It is never in memory itself; in memory, a pointer is one cell.
    Object,
}

impl Scalar {
    /// Bytes in memory.
    #[must_use]
    pub fn size(self) -> u32 {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 | Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::I64 | Self::U64 | Self::Object => 8,
        }
    }

    /// Bits of a value.
    #[must_use]
    pub fn bits(self) -> u32 {
        if self == Self::Bool { 1 } else { self.size() * 8 }
    }

    /// `half`, `bfloat` or `float`.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32)
    }

    /// An integer type; `bool` is one.
    #[must_use]
    pub fn is_integer(self) -> bool {
        !self.is_float() && self != Self::Object
    }

    /// A signed integer type.
    #[must_use]
    pub fn is_signed(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64)
    }

    /// The unsigned integer type of the same size, of an integer or float type.
    #[must_use]
    pub fn unsigned(self) -> Self {
        match self.size() {
            1 => Self::U8,
            2 => Self::U16,
            4 => Self::U32,
            _ => Self::U64,
        }
    }

    /// The signed integer type of the same size.
    #[must_use]
    pub fn signed(self) -> Self {
        match self.size() {
            1 => Self::I8,
            2 => Self::I16,
            4 => Self::I32,
            _ => Self::I64,
        }
    }

    /// The name in MSL.
    #[must_use]
    pub fn msl(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "char",
            Self::U8 => "uchar",
            Self::I16 => "short",
            Self::U16 => "ushort",
            Self::I32 => "int",
            Self::U32 => "uint",
            Self::I64 => "long",
            Self::U64 => "ulong",
            Self::F16 => "half",
            Self::BF16 => "bfloat",
            Self::F32 => "float",
            Self::Object => "object",
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::I16 => "i16",
            Self::U16 => "u16",
            Self::I32 => "i32",
            Self::U32 => "u32",
            Self::I64 => "i64",
            Self::U64 => "u64",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::F32 => "f32",
            Self::Object => "object",
        })
    }
}

/// An address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// Buffers that kernels read and write.
    Device,
    /// Small buffers and tables that kernels read.
    Constant,
    /// Memory that the threads of a group share.
    Threadgroup,
    /// Memory of one thread.
    Thread,
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "device",
            Self::Constant => "constant",
            Self::Threadgroup => "threadgroup",
            Self::Thread => "thread",
        })
    }
}

/// Element types of the arrays that a kernel takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ElementType {
    Bool,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F16,
    BF16,
    F32,
    /// Two floats, the real part first.
    Complex64,
}

impl ElementType {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Bool,
        Self::I8,
        Self::U8,
        Self::I16,
        Self::U16,
        Self::I32,
        Self::U32,
        Self::I64,
        Self::U64,
        Self::F16,
        Self::BF16,
        Self::F32,
        Self::Complex64,
    ];

    /// The type that arrays call so, by MLX's names: `float32`, `bfloat16`, `uint8`, ….
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.name() == name)
    }

    /// What arrays call the type, by MLX's names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::I16 => "int16",
            Self::U16 => "uint16",
            Self::I32 => "int32",
            Self::U32 => "uint32",
            Self::I64 => "int64",
            Self::U64 => "uint64",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
            Self::F32 => "float32",
            Self::Complex64 => "complex64",
        }
    }

    /// The scalar type, except of complex numbers.
    #[must_use]
    pub fn scalar(self) -> Option<Scalar> {
        Some(match self {
            Self::Bool => Scalar::Bool,
            Self::I8 => Scalar::I8,
            Self::U8 => Scalar::U8,
            Self::I16 => Scalar::I16,
            Self::U16 => Scalar::U16,
            Self::I32 => Scalar::I32,
            Self::U32 => Scalar::U32,
            Self::I64 => Scalar::I64,
            Self::U64 => Scalar::U64,
            Self::F16 => Scalar::F16,
            Self::BF16 => Scalar::BF16,
            Self::F32 => Scalar::F32,
            Self::Complex64 => return None,
        })
    }

    /// Bytes of an element.
    #[must_use]
    pub fn size(self) -> u32 {
        self.scalar().map_or(8, Scalar::size)
    }

    /// The name in generated signatures.
    #[must_use]
    pub fn msl(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "int8_t",
            Self::U8 => "uint8_t",
            Self::I16 => "int16_t",
            Self::U16 => "uint16_t",
            Self::I32 => "int32_t",
            Self::U32 => "uint32_t",
            Self::I64 => "int64_t",
            Self::U64 => "uint64_t",
            Self::F16 => "float16_t",
            Self::BF16 => "bfloat16_t",
            Self::F32 => "float",
            Self::Complex64 => "complex64_t",
        }
    }
}
