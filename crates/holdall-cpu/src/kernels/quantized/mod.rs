//! Matrix products with affine quantized weights.
//!
//! A weight matrix is stored as codes of `bits` bits (2, 3, 4, 5, 6 or 8), in groups of `group_size` (32, 64 or 128)
//! along its last axis, with a scale and a bias for each group: weight = scale · code + bias. A row of codes is one
//! little-endian bit stream, lowest bits first, seen as 32-bit words.
//!
//! Products accumulate in f32, whatever the activations' type; activations are never quantized.

mod convert;
mod decode;
mod dequantize;
mod matmul;
mod panel;
mod prefill;
mod quantize;
mod simd;
pub mod testing;
#[cfg(test)]
mod tests;

pub use dequantize::Dequantize;
pub use matmul::{BatchAxis, MatmulShape, QuantizedMatmul};
pub use quantize::Quantize;

use crate::isa::Isa;

/// A floating point type in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Float {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
}

impl Float {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// Codes that no kernel reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported {
    bits: usize,
    group_size: usize,
    len: usize,
}

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bits, group_size, len } = self;
        if !matches!(bits, 2 | 3 | 4 | 5 | 6 | 8) {
            write!(f, "quantized codes have 2, 3, 4, 5, 6 or 8 bits, not {bits}")
        } else if !matches!(group_size, 32 | 64 | 128) {
            write!(f, "quantized groups have 32, 64 or 128 weights, not {group_size}")
        } else {
            write!(f, "the last axis, of length {len}, is not made of whole groups of {group_size} weights")
        }
    }
}

impl std::error::Error for Unsupported {}

/// Whether rows of `len` weights can be quantized so.
///
/// # Errors
/// [`Unsupported`] says what cannot be.
pub fn check(bits: usize, group_size: usize, len: usize) -> Result<(), Unsupported> {
    let known = matches!(bits, 2 | 3 | 4 | 5 | 6 | 8) && matches!(group_size, 32 | 64 | 128);
    if known && len.is_multiple_of(group_size) { Ok(()) } else { Err(Unsupported { bits, group_size, len }) }
}

/// The best level of this machine that is not above `isa`.
fn level(isa: Isa) -> Isa {
    Isa::available().into_iter().filter(|level| *level <= isa).max().unwrap_or(Isa::Portable)
}

/// Items for rows that are treated one by one: some 10 µs each, four to a thread at most.
fn row_items(rows: usize, len: usize, threads: usize) -> usize {
    (rows * len / (16 << 10)).clamp(1, 4 * threads.max(1)).min(rows.max(1))
}

/// Calls `$body` with the constant `$BITS` for a width that [`check`] passed.
macro_rules! with_bits {
    ($bits:expr, $BITS:ident => $body:expr) => {
        with_bits!(@ $bits, $BITS, $body, 2 3 4 5 6 8)
    };
    (@ $bits:expr, $BITS:ident, $body:expr, $($width:literal)*) => {
        match $bits {
            $($width => {
                const $BITS: usize = $width;
                $body
            })*
            _ => {}
        }
    };
}
use with_bits;
