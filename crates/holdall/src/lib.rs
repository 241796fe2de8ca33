//! Holdall: lazy arrays with MLX's programming model, on every device.
//!
//! ```
//! use holdall::Array;
//!
//! let x = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0], &[2, 2])?;
//! let y = (&x * 2.0).exp()?.sum(Some(&[-1]), false)?; // nothing has run yet
//! assert_eq!(y.shape(), [2]);
//! assert!(y.to_vec::<f32>()?[0] > 61.0); // now it has
//! # Ok::<(), holdall::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod io;
mod kernel_dump;

/// Kernels in Metal Shading Language without arrays: what tools that check them need.
pub mod simt {
    pub use holdall_cpu::simt::{Finding, Program, Trial};
}

pub use holdall_core::*;

// Linking a backend is what makes its devices appear.
use holdall_cpu as _;
#[cfg(all(feature = "cuda", target_os = "linux"))]
use holdall_cuda as _;

/// The code of the book is tested, too.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/book/write-a-kernel.md")]
mod book {}
