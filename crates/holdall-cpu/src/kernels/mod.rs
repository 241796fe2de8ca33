//! Kernels by family: plain parameters and slices of memory, no arrays.

pub mod dense;
pub mod element;
pub mod math;
pub mod pointwise;
pub mod quantized;
pub mod random;
pub mod reduce;
pub mod scan;
pub mod sort;
