//! Tests of the protocol without loom.

mod leases;
mod oracle;
mod pools;
mod resources;
mod streams;
mod timelines;

use std::collections::HashMap;
use std::sync::Mutex;

use crate::sync::Arc;
use crate::{BlockInfo, Driver, HostDriver, OutOfMemory, Policy, Pool, RawBlock, SimulatedDriver, Timelines};

/// A device without memory, of some capacity, that keeps a table of its allocations.
#[derive(Debug)]
struct Fake {
    capacity: usize,
    state: Mutex<Allocations>,
}

#[derive(Debug, Default)]
struct Allocations {
    live: HashMap<u64, usize>,
    next: u64,
    bytes: usize,
    allocated: usize,
    released: Vec<u64>,
    reused: Vec<BlockInfo>,
    freed: Vec<BlockInfo>,
}

impl Fake {
    fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { capacity, state: Mutex::default() })
    }

    /// How often memory was allocated so far.
    fn allocated(&self) -> usize {
        self.state.lock().unwrap().allocated
    }

    fn live_bytes(&self) -> usize {
        self.state.lock().unwrap().bytes
    }

    /// The allocations that were released since the last call.
    fn released(&self) -> Vec<u64> {
        std::mem::take(&mut self.state.lock().unwrap().released)
    }
}

// SAFETY: the addresses are never used.
unsafe impl Driver for Fake {
    fn allocate(&self, bytes: usize) -> Result<RawBlock, OutOfMemory> {
        let mut state = self.state.lock().unwrap();
        if state.bytes + bytes > self.capacity {
            return Err(OutOfMemory);
        }
        state.next += 1;
        state.allocated += 1;
        state.bytes += bytes;
        let handle = state.next;
        state.live.insert(handle, bytes);
        Ok(RawBlock { address: std::ptr::null_mut(), bytes, handle })
    }

    unsafe fn release(&self, block: RawBlock) {
        let mut state = self.state.lock().unwrap();
        let bytes = state.live.remove(&block.handle).expect("released twice");
        assert_eq!(bytes, block.bytes);
        state.bytes -= bytes;
        state.released.push(block.handle);
    }

    fn on_reuse(&self, block: &BlockInfo) {
        self.state.lock().unwrap().reused.push(*block);
    }

    fn on_free(&self, block: &BlockInfo) {
        self.state.lock().unwrap().freed.push(*block);
    }
}

// SAFETY: there is no memory to misuse.
unsafe impl SimulatedDriver for Fake {}

/// A pool over a fake device.
fn fake(capacity: usize, policy: Policy) -> (Arc<Fake>, Arc<Timelines>, Arc<Pool>) {
    let driver = Fake::new(capacity);
    let timelines = Timelines::new();
    let pool = Pool::simulated(driver.clone(), timelines.clone(), policy);
    (driver, timelines, pool)
}

/// A pool over host memory.
fn host() -> (Arc<Timelines>, Arc<Pool>) {
    let timelines = Timelines::new();
    let pool = Pool::new(Arc::new(HostDriver::new()), timelines.clone());
    (timelines, pool)
}
