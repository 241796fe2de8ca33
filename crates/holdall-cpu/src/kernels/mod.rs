//! Kernels by family: plain parameters and slices of memory, no arrays.

pub mod attention;
pub mod conv;
pub mod dense;
pub mod float;
pub mod indexing;
pub mod math;
pub mod norm;
pub mod pointwise;
pub mod quantized;
pub mod rope;
pub mod rows;
pub(crate) mod vector;
