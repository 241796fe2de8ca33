//! Reading data at evaluation, straight into the arrays' memory.

use std::sync::Arc;

use holdall_core::command::Launch;
use holdall_core::device::Kernels;
use holdall_core::ops::{Load, Source};
use smallvec::SmallVec;

use super::plan;
use crate::kernel::{Kernel, Scratch, Slice};

pub(super) fn register(kernels: &mut Kernels) {
    kernels.register(|op: &Load, _| Ok(plan(LoadKernel { source: op.source.clone() }, 0, op.outputs.len())));
}

/// A launch that reads from a source, for whoever has memory of the host bound: the outputs.
pub fn load(source: &Arc<dyn Source>) -> Launch {
    super::launch(LoadKernel { source: source.clone() })
}

/// Bindings: the outputs.
#[derive(Debug)]
struct LoadKernel {
    source: Arc<dyn Source>,
}

impl Kernel for LoadKernel {
    fn items(&self, _: usize) -> usize {
        self.source.parts()
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let ranges = self.source.ranges(item);
        let mut outputs: SmallVec<[&mut [u8]; 3]> = memory
            .iter()
            .zip(&ranges)
            // SAFETY: `Array::load` checked that the parts fill the outputs, each byte once, and an item is a part.
            .map(|(slice, range)| unsafe { slice.write::<u8>(range.start, range.len()) })
            .collect();
        if let Err(e) = self.source.fill(item, &mut outputs) {
            scratch.fail(format!("{}: {e}", self.source.name()));
        }
    }
}
