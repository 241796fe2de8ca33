//! Holdall: lazy arrays with MLX's programming model, on every device.
#![forbid(unsafe_code)]

pub use holdall_core::*;

// Linking a backend is what makes its devices appear.
use holdall_cpu as _;
