//! Tensor files: safetensors, GGUF, npy and npz, as bytes and named views.
#![forbid(unsafe_code)]

mod atomic;
mod element;
mod error;
pub mod gguf;
pub mod npy;
pub mod npz;
pub mod safetensors;
mod source;
mod tensor;

pub use element::ElementType;
pub use error::{Error, ErrorKind, Result};
pub use source::{ReadAt, Source};
pub use tensor::{TensorData, TensorView};
