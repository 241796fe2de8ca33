//! GGUF, versions 2 and 3, little-endian: metadata and quantized tensors of llama.cpp's models.
//!
//! [`Gguf::open`] reads the header (metadata and the list of tensors) at once; tensor data is read later, row range by
//! row range, from the file that stays open:
//!
//! * plain encodings (`F32`, `F16`, `BF16`, `F64`, `I8` … `I64`) as a [`TensorView`](crate::TensorView), see
//!   [`GgufTensor::plain`];
//! * `Q4_0`, `Q4_1` and `Q8_0` without loss in affine groups of 32, see [`GgufTensor::read_affine`];
//! * every encoding of [`GgmlType`] as floats, see [`GgufTensor::dequantize_f32`].
//!
//! ```
//! use holdall_formats::gguf::{GgmlType, Gguf, GgufWriter, Value};
//! use holdall_formats::Source;
//!
//! // One row of 32 elements: scale 0.5, minimum -1, codes 0 to 15 in the low halves, 15 in all high halves.
//! let mut block = vec![0x00, 0x38, 0x00, 0xbc];
//! block.extend((0..16).map(|code| code | 0xf0));
//!
//! let mut writer = GgufWriter::new();
//! writer.metadata_mut().insert("general.architecture", Value::String("llama".into()));
//! writer.add("token_embd.weight", &[1, 32], GgmlType::Q4_1, &block)?;
//! let file = Gguf::from_source(Source::from_bytes("tiny.gguf", writer.to_bytes()?))?;
//!
//! assert_eq!(file.metadata().str("general.architecture")?, "llama");
//! let tensor = file.tensor("token_embd.weight")?;
//! assert_eq!(tensor.shape(), [1, 32]);
//!
//! let (mut weights, mut scales, mut biases) = ([0; 4], [0; 1], [0; 1]);
//! tensor.read_affine(0..1, &mut weights, &mut scales, &mut biases)?;
//! assert_eq!(weights, [0x7654_3210, 0xfedc_ba98, 0xffff_ffff, 0xffff_ffff]);
//! assert_eq!((scales, biases), ([0x3800], [0xbc00]));
//!
//! let mut values = [0.0; 32];
//! tensor.dequantize_f32(0..1, &mut values)?;
//! assert_eq!(values[..4], [-1.0, -0.5, 0.0, 0.5]);
//! # Ok::<(), holdall_formats::Error>(())
//! ```
//!
//! # Limits
//! A header longer than 256 MiB, arrays nested deeper than 8 and tensors of more than 4 axes are refused. A header never
//! makes more memory be allocated than a small multiple of the bytes that it really has.

mod affine;
mod cursor;
mod dequantize;
mod ggml_type;
mod header;
mod k_quants;
mod metadata;
mod tensor;
mod value;
mod write;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Quoted, Result};
use crate::source::Source;

pub use ggml_type::GgmlType;
pub use metadata::Metadata;
pub use tensor::{AffineLayout, GgufTensor};
pub use value::{Array, Strings, Value};
pub use write::GgufWriter;

/// An open GGUF file whose header has been read and checked; see the [module](self) for an example.
#[derive(Clone, Debug)]
pub struct Gguf {
    source: Source,
    version: u32,
    alignment: u32,
    metadata: Metadata,
    tensors: Vec<GgufTensor>,
    index: HashMap<Arc<str>, usize>,
}

impl Gguf {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// If the file cannot be read, is not GGUF 2 or 3 in little-endian order, uses an encoding that is not in
    /// [`GgmlType`], or breaks a rule of the format: truncated, strings not UTF-8, names that occur twice, data out of
    /// range, misaligned or overlapping.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_source(Source::open(path)?)
    }

    /// Reads the header of a source.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_source(source: Source) -> Result<Self> {
        header::read(&source).map_err(|e| e.in_file(source.name()))
    }

    /// The format's version: 2 or 3.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What offsets of tensor data are multiples of, in bytes.
    #[must_use]
    pub fn alignment(&self) -> u32 {
        self.alignment
    }

    /// The file that all this is in.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Keys and values.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// All tensors in file order.
    #[must_use]
    pub fn tensors(&self) -> &[GgufTensor] {
        &self.tensors
    }

    /// The tensor of a name.
    ///
    /// # Errors
    /// If there is none.
    pub fn tensor(&self, name: &str) -> Result<&GgufTensor> {
        self.get_tensor(name).ok_or_else(|| {
            Error::not_found(format!("no tensor {}", Quoted(name))).in_file(self.source.name())
        })
    }

    /// The tensor of a name, if there is one.
    #[must_use]
    pub fn get_tensor(&self, name: &str) -> Option<&GgufTensor> {
        self.index.get(name).map(|&i| &self.tensors[i])
    }
}
