//! Which kernel runs which op: one file a family, each with a `register`.

mod random;
mod reductions;
mod sorting;

use std::sync::Arc;

use holdall_core::command::Launch;
use holdall_core::device::Kernels;

use crate::kernel::Kernel;
use crate::stream::CpuLaunch;

/// All kernels of the CPU, for a team of `threads`.
pub(crate) fn kernels(threads: usize) -> Kernels {
    let mut kernels = Kernels::default();
    random::register(&mut kernels, threads);
    reductions::register(&mut kernels, threads);
    sorting::register(&mut kernels, threads);
    kernels
}

/// A kernel as a plan takes it.
pub(crate) fn launch(kernel: impl Kernel + 'static) -> Launch {
    Arc::new(CpuLaunch(Arc::new(kernel)))
}
