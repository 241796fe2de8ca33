//! Neural network modules and layers.
#![forbid(unsafe_code)]

mod embedding;
mod linear;
mod norm;

pub use embedding::Embedding;
pub use linear::Linear;
pub use norm::RmsNorm;
