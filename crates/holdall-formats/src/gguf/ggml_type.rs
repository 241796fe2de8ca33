//! The tensor encodings of GGUF: their codes, and how many bytes a block of how many elements takes.

use std::fmt;

use crate::element::ElementType;
use crate::error::{Error, Result};

macro_rules! ggml_types {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, $elems:literal, $bytes:literal;)*) => {
        /// How a GGUF tensor's elements are encoded.
        ///
        /// The names are those of the `gguf` format: `Q4_1` is 4 bits with a scale and a minimum for each block of 32.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum GgmlType {
            $($(#[$doc])* $variant,)*
        }

        impl GgmlType {
            /// Every encoding that can be read here.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The number that stands for it in a file.
            #[must_use]
            pub const fn code(self) -> u32 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The format's name for it, such as `Q4_K`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Elements per block; rows are whole blocks.
            #[must_use]
            pub const fn block_elems(self) -> usize {
                match self { $(Self::$variant => $elems,)* }
            }

            /// Bytes per block.
            #[must_use]
            pub const fn block_bytes(self) -> usize {
                match self { $(Self::$variant => $bytes,)* }
            }

            pub(super) fn from_code(code: u32) -> Result<Self> {
                match code {
                    $($code => Ok(Self::$variant),)*
                    _ => Err(Error::unsupported(match unread_name(code) {
                        Some(name) => format!("encoding {name} ({code}) is not supported"),
                        None => format!("encoding {code} is not known"),
                    })),
                }
            }
        }
    };
}

ggml_types! {
    /// Plain binary32.
    F32 = 0, "F32", 1, 4;
    /// Plain binary16.
    F16 = 1, "F16", 1, 2;
    /// Plain bfloat16.
    BF16 = 30, "BF16", 1, 2;
    /// Plain binary64.
    F64 = 28, "F64", 1, 8;
    /// Plain signed 8-bit.
    I8 = 24, "I8", 1, 1;
    /// Plain signed 16-bit.
    I16 = 25, "I16", 1, 2;
    /// Plain signed 32-bit.
    I32 = 26, "I32", 1, 4;
    /// Plain signed 64-bit.
    I64 = 27, "I64", 1, 8;
    /// 4 bits, a scale per 32: `(q - 8) d`.
    Q4_0 = 2, "Q4_0", 32, 18;
    /// 4 bits, scale and minimum per 32: `q d + m`.
    Q4_1 = 3, "Q4_1", 32, 20;
    /// 5 bits, a scale per 32: `(q - 16) d`.
    Q5_0 = 6, "Q5_0", 32, 22;
    /// 5 bits, scale and minimum per 32: `q d + m`.
    Q5_1 = 7, "Q5_1", 32, 24;
    /// Signed 8 bits, a scale per 32: `q d`.
    Q8_0 = 8, "Q8_0", 32, 34;
    /// 2 bits, 4-bit scales and minima per 16 under a common pair per 256.
    Q2K = 10, "Q2_K", 256, 84;
    /// 3 bits, 6-bit scales per 16 under a common one per 256.
    Q3K = 11, "Q3_K", 256, 110;
    /// 4 bits, 6-bit scales and minima per 32 under a common pair per 256.
    Q4K = 12, "Q4_K", 256, 144;
    /// 5 bits, 6-bit scales and minima per 32 under a common pair per 256.
    Q5K = 13, "Q5_K", 256, 176;
    /// 6 bits, 8-bit scales per 16 under a common one per 256.
    Q6K = 14, "Q6_K", 256, 210;
    /// Signed 8 bits, a binary32 scale per 256.
    Q8K = 15, "Q8_K", 256, 292;
    /// 4-bit indices into a table of 16 levels, a scale per 32.
    Iq4Nl = 20, "IQ4_NL", 32, 18;
    /// The same table, 6-bit scales per 32 under a common one per 256.
    Iq4Xs = 23, "IQ4_XS", 256, 136;
}

/// Names of encodings that exist but are not read, for messages.
fn unread_name(code: u32) -> Option<&'static str> {
    Some(match code {
        4 => "Q4_2",
        5 => "Q4_3",
        9 => "Q8_1",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        21 => "IQ3_S",
        22 => "IQ2_S",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => return None,
    })
}

impl GgmlType {
    /// The element type, if elements are stored as plain numbers.
    #[must_use]
    pub const fn element(self) -> Option<ElementType> {
        Some(match self {
            Self::F32 => ElementType::F32,
            Self::F16 => ElementType::F16,
            Self::BF16 => ElementType::BF16,
            Self::F64 => ElementType::F64,
            Self::I8 => ElementType::I8,
            Self::I16 => ElementType::I16,
            Self::I32 => ElementType::I32,
            Self::I64 => ElementType::I64,
            _ => return None,
        })
    }

    /// Bits per code of the affine form that [`GgufTensor::read_affine`](super::GgufTensor::read_affine) makes of it:
    /// 4 for `Q4_0` and `Q4_1`, 8 for `Q8_0`, none for the others.
    #[must_use]
    pub const fn affine_bits(self) -> Option<usize> {
        match self {
            Self::Q4_0 | Self::Q4_1 => Some(4),
            Self::Q8_0 => Some(8),
            _ => None,
        }
    }
}

impl fmt::Display for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
