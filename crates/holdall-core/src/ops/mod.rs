//! The ops, by MLX's names: methods of [`Array`](crate::Array), one file a subject.
//!
//! Each structured op keeps its parameters, shape rule, derivative and decomposition in one file here; its kernels are
//! in the backends.

mod concatenate;
mod creation;
mod elementwise;
mod gather;
mod index;
mod mask;
mod matmul;
mod reduce;
mod scatter;
mod slice_update;
mod views;

pub use concatenate::Concatenate;
pub use gather::{Gather, GatherAxis};
pub use index::{Index, Key};
pub use matmul::Matmul;
pub use reduce::{Reduce, Reduction};
pub use scatter::{Scatter, ScatterAxis, ScatterMode};
pub use slice_update::SliceUpdate;
pub use views::{BroadcastTo, Reshape, Slice, Transpose};
