//! The CPU backend: SIMD kernels on their own stream threads.

mod device;
pub mod isa;
pub mod kernel;
pub mod kernels;
mod launch;
pub mod simt;
mod stream;
mod team;

pub use device::{Cpu, CpuBackend};
pub use launch::{kernels, load};
pub use stream::CpuLaunch;
