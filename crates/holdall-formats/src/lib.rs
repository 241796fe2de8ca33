//! Tensor files: [`safetensors`], [GGUF](gguf), [`npy`] and [`npz`], as bytes and named views.
//!
//! Opening a file reads its header; tensor data stays where it is until a view is read. Views know no arrays: they give
//! bytes in row-major, little-endian order, and shapes with the slowest axis first.
//!
//! * [`Source`]: an open file, memory, or anything that reads by position, from several threads at once.
//! * [`TensorView`]: a named tensor in a source. It keeps the file open, so the path may be deleted or replaced.
//! * [`gguf::GgufTensor`]: a tensor of a GGUF file, which may be read in affine form or as floats, by rows.
//! * Writing goes to a temporary file beside the destination, which takes its place when it is complete.
//!
//! Files are not trusted: whatever the bytes are, there is either a result or an [`Error`] that names file, tensor and
//! field, and memory is allocated only in proportion to bytes that are really there.
//!
//! ```
//! use holdall_formats::safetensors::{SafeTensors, save};
//! use holdall_formats::{ElementType, TensorData};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("model.safetensors");
//! let bias = TensorData { name: "bias", shape: &[2], element: ElementType::I8, data: &[5, 6] };
//! save(&path, &[bias], &[("format", "mlx")])?;
//!
//! let file = SafeTensors::open(&path)?;
//! for view in file.tensors() {
//!     assert_eq!((view.name(), view.shape(), view.n_bytes()), ("bias", &[2][..], 2));
//!     assert_eq!(view.read()?, [5, 6]);
//! }
//! # Ok::<(), holdall_formats::Error>(())
//! ```
#![forbid(unsafe_code)]

mod atomic;
mod element;
mod error;
pub mod gguf;
pub mod npy;
pub mod npz;
mod platform;
pub mod safetensors;
mod source;
mod tensor;

pub use atomic::save_new;
pub use element::ElementType;
pub use error::{Error, ErrorKind, Result};
pub use source::{ReadAt, Source};
pub use tensor::{TensorData, TensorView};
