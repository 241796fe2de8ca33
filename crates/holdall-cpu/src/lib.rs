//! The CPU backend: SIMD kernels on their own stream threads.

pub mod isa;
pub mod kernel;
pub mod kernels;
