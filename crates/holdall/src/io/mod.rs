//! Arrays from files: headers are read at once, data when an array is evaluated.

mod gguf;
mod tensor;

use holdall_core::{Array, Error, ErrorKind};

pub use gguf::{Gguf, GgufArray};
pub use holdall_formats::{gguf as gguf_format, safetensors as safetensors_format};
pub use tensor::{element_type, load_safetensors, load_view};

/// Weights as a file holds them.
#[derive(Clone, Debug)]
pub enum Weights {
    /// An array of floats.
    Plain(Array),
    /// Affine quantized codes with scales and biases.
    Quantized {
        /// Packed codes.
        codes: Array,
        /// A scale for each group.
        scales: Array,
        /// A bias for each group.
        biases: Array,
        /// How the codes are packed.
        packing: holdall_core::ops::Packing,
    },
}

impl Weights {
    /// The arrays that make up the weights.
    pub fn arrays(&self) -> impl Iterator<Item = &Array> {
        match self {
            Self::Plain(x) => vec![x],
            Self::Quantized { codes, scales, biases, .. } => vec![codes, scales, biases],
        }
        .into_iter()
    }
}

fn io_error(op: &'static str, e: holdall_formats::Error) -> Error {
    Error::new(ErrorKind::Io, op, e.to_string()).because(e)
}
