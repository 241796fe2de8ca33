//! Kernels by family: plain parameters and slices of memory, no arrays.

pub mod dense;
pub mod indexing;
pub mod math;
pub mod pointwise;
pub mod quantized;
