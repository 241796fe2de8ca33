//! Which kernel runs which op: one file a family, each with a `register`.

mod indexing;

use std::sync::Arc;

use holdall_core::command::Launch;
use holdall_core::device::Kernels;

use crate::kernel::Kernel;
use crate::stream::CpuLaunch;

/// All kernels of the CPU, for a team of `threads`.
pub(crate) fn kernels(threads: usize) -> Kernels {
    let mut kernels = Kernels::default();
    kernels.register(|_: &holdall_core::ops::Reduce, _| Ok(holdall_core::device::Plan::nothing()));
    indexing::register(&mut kernels, threads);
    kernels
}

/// A kernel as a plan takes it.
pub(crate) fn launch(kernel: impl Kernel + 'static) -> Launch {
    Arc::new(CpuLaunch(Arc::new(kernel)))
}
