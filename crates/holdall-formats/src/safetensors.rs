//! safetensors: single files, and checkpoints of several files under an index.
//!
//! [`SafeTensors::open`] reads the header at once and hands out lazy [`TensorView`]s; [`Checkpoint::open`] does so for a
//! folder in Hugging Face's layout. [`save`] and [`save_sharded`] write what mlx-lm and transformers read.
//!
//! ```
//! use holdall_formats::safetensors::{SafeTensors, to_bytes};
//! use holdall_formats::{ElementType, Source, TensorData};
//!
//! let ids = TensorData { name: "ids", shape: &[3], element: ElementType::U8, data: &[7, 8, 9] };
//! let bytes = to_bytes(&[ids], &[("format", "mlx")])?;
//!
//! let file = SafeTensors::from_source(Source::from_bytes("ids.safetensors", bytes))?;
//! assert_eq!(file.metadata().get("format").map(String::as_str), Some("mlx"));
//! let ids = file.tensor("ids")?;
//! assert_eq!((ids.shape(), ids.element()), (&[3][..], ElementType::U8));
//! assert_eq!(ids.read()?, [7, 8, 9]);
//! # Ok::<(), holdall_formats::Error>(())
//! ```
//!
//! # Limits
//! Headers of more than 100 MB are refused, as the format's own reader does.

// The `safetensors` crate parses from one slice that holds header *and* data, so it needs a memory map or the whole
// file in memory; it reports a bad entry without the tensor's name, and lets the later of two equal names win. So the
// header is parsed here, by serde_json into typed entries, and the crate serves nowhere.

mod checkpoint;
mod header;
mod write;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Quoted, Result};
use crate::source::Source;
use crate::tensor::TensorView;

pub use checkpoint::Checkpoint;
pub use write::{save, save_sharded, to_bytes, write_to};

/// An open safetensors file whose header has been read and checked; see the [module](self) for an example.
#[derive(Clone, Debug)]
pub struct SafeTensors {
    source: Source,
    metadata: BTreeMap<String, String>,
    tensors: Vec<TensorView>,
    index: HashMap<Arc<str>, usize>,
}

impl SafeTensors {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// If the file cannot be read, holds an element type that [`ElementType`](crate::ElementType) lacks, or breaks a
    /// rule of the format: truncated, not JSON, names that occur twice, data out of range, overlapping, with gaps or of
    /// another size than its shape takes.
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

    /// The file that all this is in.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The free-form texts under `__metadata__`; empty if there are none or it is null.
    #[must_use]
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// All tensors, in the order of the header.
    ///
    /// 8-bit floats (`F8_E4M3`, `F8_E8M0`) appear as `u8`, as MLX has them.
    #[must_use]
    pub fn tensors(&self) -> &[TensorView] {
        &self.tensors
    }

    /// The tensor of a name.
    ///
    /// # Errors
    /// If there is none.
    pub fn tensor(&self, name: &str) -> Result<&TensorView> {
        self.get_tensor(name).ok_or_else(|| {
            Error::not_found(format!("no tensor {}", Quoted(name))).in_file(self.source.name())
        })
    }

    /// The tensor of a name, if there is one.
    #[must_use]
    pub fn get_tensor(&self, name: &str) -> Option<&TensorView> {
        self.index.get(name).map(|&i| &self.tensors[i])
    }
}
