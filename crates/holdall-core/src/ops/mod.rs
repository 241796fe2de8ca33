//! The ops, by MLX's names: methods of [`Array`](crate::Array), one file a subject.
//!
//! Each structured op keeps its parameters, shape rule, derivative and decomposition in one file here; its kernels are
//! in the backends.

mod argreduce;
mod compare;
mod elementwise;
mod matmul;
mod reduce;
mod scan;
mod sort;
mod views;

pub use argreduce::ArgReduce;
pub use matmul::Matmul;
pub use reduce::{Reduce, Reduction};
pub use scan::{Running, Scan};
pub use sort::{ArgSort, SearchSorted, Sort};
pub use views::{BroadcastTo, Reshape, Slice, Transpose};
