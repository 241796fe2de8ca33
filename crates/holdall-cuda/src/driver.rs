//! Device memory.

use std::sync::Arc;

use holdall_memory::{Driver, OutOfMemory, RawBlock};

use crate::api::{Result, call};
use crate::context::Context;

/// Blocks are aligned to this from this size on.
const PAGE: usize = 4096;

/// Memory of a GPU, plain allocations; the pool on top is what makes them rare.
#[derive(Debug)]
pub(crate) struct CudaDriver {
    context: Arc<Context>,
}

impl CudaDriver {
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    fn allocate_aligned(&self, bytes: usize) -> Result<RawBlock> {
        self.context.enter()?;
        let (mut at, wanted) = (0, bytes.next_multiple_of(256));
        // SAFETY: the driver stores an address.
        unsafe { call!(cuMemAlloc_v2(&raw mut at, wanted)) }?;
        if bytes >= PAGE && at % PAGE as u64 != 0 {
            // SAFETY: the allocation was just made and nobody knows it.
            unsafe { call!(cuMemFree_v2(at)) }?;
            // SAFETY: as above.
            unsafe { call!(cuMemAlloc_v2(&raw mut at, wanted + PAGE)) }?;
        }
        let start = if bytes >= PAGE { at.next_multiple_of(PAGE as u64) } else { at };
        Ok(RawBlock { address: std::ptr::without_provenance_mut(start as usize), bytes: wanted, handle: at })
    }
}

// SAFETY: an allocation of the driver's is exclusive, stays in place until it is freed, and has the size asked for. Addresses
// are multiples of 256 at least, and of the page where they have to be, by allocating a page more.
unsafe impl Driver for CudaDriver {
    fn allocate(&self, bytes: usize) -> std::result::Result<RawBlock, OutOfMemory> {
        // Any other error than a lack of memory is fatal, and `failure` tells it.
        self.allocate_aligned(bytes).map_err(|e| {
            self.context.note(e);
            OutOfMemory
        })
    }

    unsafe fn release(&self, block: RawBlock) {
        // SAFETY: the handle is the address that the driver gave, and the caller promises that nothing uses the memory. Of a
        // lost device the memory is gone already.
        let freed = self.context.enter().and_then(|()| unsafe { call!(cuMemFree_v2(block.handle)) });
        if let Err(e) = freed {
            self.context.note(e);
        }
    }

    fn total_bytes(&self) -> Option<usize> {
        Some(self.context.properties.memory_bytes)
    }

    fn page_bytes(&self) -> usize {
        PAGE
    }

    fn failure(&self) -> Option<String> {
        self.context.lost().map(str::to_owned)
    }
}
