//! Kernels by family: plain parameters and slices of memory, no arrays.

pub mod attention;
pub mod conv;
pub mod dense;
pub mod element;
pub mod float;
pub mod indexing;
pub mod math;
pub mod norm;
pub mod pointwise;
pub mod quantized;
pub mod random;
pub mod reduce;
pub mod rope;
pub mod rows;
pub mod scan;
pub mod sort;
pub(crate) mod vector;
