//! Host memory as a driver.

use crate::block::{Driver, RawBlock};
use crate::error::OutOfMemory;

/// Memory of the host, for the CPU backend and for simulated devices.
#[derive(Debug, Default)]
pub struct HostDriver {
    _private: (),
}

impl HostDriver {
    /// A driver over the host's memory.
    pub fn new() -> Self {
        Self::default()
    }
}

// SAFETY: nothing is ever allocated.
unsafe impl Driver for HostDriver {
    fn allocate(&self, _bytes: usize) -> Result<RawBlock, OutOfMemory> {
        Err(OutOfMemory)
    }

    unsafe fn release(&self, _block: RawBlock) {}

    fn host_addressable(&self) -> bool {
        true
    }
}
