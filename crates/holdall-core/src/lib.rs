//! Lazy arrays: graph, ops, transforms, scheduler and backend traits.
//!
//! An [`Array`] is an application of an op to other arrays, computed when somebody looks. This crate knows what ops
//! mean and when to run them; how they run is a backend's business ([`device`]), and when memory may be used again is
//! that of `holdall-memory`.

#[macro_use]
pub mod pointwise;

mod array;
pub mod command;
pub mod device;
pub mod diagnosis;
mod display;
mod dtype;
mod error;
mod eval;
pub mod memory;
mod node;
pub mod op;
pub mod ops;
pub mod random;
mod runtime;
mod scalar;
pub mod settings;
mod shape;
mod short;
mod stream;
mod trace;
pub mod transform;
pub mod validation;

pub use array::Array;
pub use dtype::{Category, Dtype, Element};
pub use error::{Error, ErrorKind, Origin, Result};
pub use eval::{async_eval, eval};
pub use inventory;
pub use ops::{Index, Key, MetalKernel};
pub use scalar::{Operand, Scalar};
pub use shape::{
    Dims, Layout, Strides, axes_indices, axis_index, broadcast, broadcast_strides, contiguous_strides,
    size_of,
};
pub use short::Short;
pub use stream::Stream;
