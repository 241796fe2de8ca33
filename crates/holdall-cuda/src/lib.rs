//! The CUDA backend: NVIDIA GPUs, through the driver, NVRTC and cuBLASLt, which are loaded when the first device is
//! asked for. Building takes neither headers nor a compiler of NVIDIA's; where a library is missing there are no devices, and
//! `diagnose` says why.
//!
//! # The path of a command buffer
//!
//! A `CudaStream` is a CUDA stream with a queue of ticks behind it. `submit` enqueues the waits for other streams of
//! the device (`cuStreamWaitEvent`), the launches, and an event. Command buffers that the host takes part in (copies from its
//! memory, waits for the CPU) go through a thread of the stream, in order with the others. Ticks end when their events
//! have, first come first ended: by whoever waits for one, who polls, else by a second thread, which sleeps until there
//! is something to wait for. Ending a tick passes the gate for the waits first, so that no tick ends before what it
//! waited for.
//!
//! # Errors
//!
//! The driver reports a fault of a kernel at some later call, to everyone. All ticks that have not ended fail with it; the
//! message names the ops of the first. From then on the device is lost: what is submitted fails at once, nothing can
//! be allocated. With `HOLDALL_VALIDATE=1` each kernel is waited for, and the one at fault is named.

mod api;
mod cache;
mod compile;
mod context;
mod device;
mod driver;
mod event;
mod fill;
mod graphs;
mod kernels;
mod launch;
mod libraries;
mod module;
mod nvrtc;
mod portable;
mod report;
mod staging;
mod stream;
mod ticks;

pub use cache::KernelCache;
pub use compile::{Compiler, Source};
pub use device::{Cuda, CudaBackend};
pub use launch::{CudaLaunch, Parameter};
pub use module::Kernel;
pub use nvrtc::{Compiled, Nvrtc};
