//! The simulated memory as a driver of the pool.

use std::fmt;
use std::sync::Arc;

use holdall_memory::{BlockInfo, Driver, OutOfMemory, RawBlock, SimulatedDriver};

use crate::world::World;

/// Memory that only the simulated device can reach: blocks have handles and no addresses.
pub(crate) struct SimDriver {
    pub world: Arc<World>,
    pub memory_bytes: Option<usize>,
}

// SAFETY: a handle is given out once, stays valid until `release` and stands for memory of the size asked for, which
// nobody can touch but the simulated device. There is no address, so there is nothing to align, and the host cannot
// address the memory.
unsafe impl Driver for SimDriver {
    fn allocate(&self, bytes: usize) -> Result<RawBlock, OutOfMemory> {
        let mut state = self.world.lock();
        let used = state.memory.bytes();
        if used.checked_add(bytes).is_none_or(|all| all > self.memory_bytes.unwrap_or(isize::MAX as usize)) {
            return Err(OutOfMemory);
        }
        let handle = state.memory.allocate(bytes);
        Ok(RawBlock { address: std::ptr::null_mut(), bytes, handle })
    }

    unsafe fn release(&self, block: RawBlock) {
        self.world.lock().memory.release(block.handle);
    }

    fn total_bytes(&self) -> Option<usize> {
        self.memory_bytes
    }

    fn on_reuse(&self, block: &BlockInfo) {
        let mut state = self.world.lock();
        let place = (block.handle, block.offset);
        state.owners.insert(block.id, place);
        let known = state.memory.block(place);
        known.bytes = block.bytes;
        known.owner = block.life;
    }

    fn on_free(&self, block: &BlockInfo) {
        self.world.lock().owners.remove(&block.id);
    }
}

// SAFETY: memory is reached by handle through a table, under a lock, and an access to what is gone finds poison.
unsafe impl SimulatedDriver for SimDriver {}

impl fmt::Debug for SimDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDriver").field("memory_bytes", &self.memory_bytes).finish_non_exhaustive()
    }
}
