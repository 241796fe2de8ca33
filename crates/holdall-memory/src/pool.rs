//! The pool of a device: gives out blocks, takes them back, and keeps them while the device may touch them.

use std::fmt;

use crate::bins::{Bin, CLASSES, LargeBins, Rules, Size};
use crate::block::{Block, BlockId, Driver, Origin, RawBlock, SimulatedDriver};
use crate::error::Error;
use crate::policy::Policy;
use crate::queue::Queue;
use crate::retire::RetireList;
use crate::slab::{Slab, Slabs};
use crate::stamps::StampSet;
use crate::storage::Storage;
use crate::sync::{Arc, AtomicU64, Mutex};
use crate::timelines::Timelines;

mod room;

/// Who is going to use a block first.
#[derive(Clone, Copy, Debug)]
pub enum User<'a> {
    /// Commands of a stream. Its first use has to be on that stream, or on one that waits for it.
    Queue(&'a Queue),
    /// The host, which is on no timeline: it needs a block that nothing touches.
    Host,
}

impl<'a> User<'a> {
    fn queue(self) -> Option<&'a Queue> {
        match self {
            Self::Queue(queue) => Some(queue),
            Self::Host => None,
        }
    }
}

/// The memory of a device.
///
/// Small blocks are cut from slabs of one size class each, large ones are allocations of their own, in pages. A freed
/// block is kept for reuse, up to the cache limit; see the crate's documentation for when it may be.
pub struct Pool {
    driver: Arc<dyn Driver>,
    timelines: Arc<Timelines>,
    policy: Policy,
    page: usize,
    state: Mutex<State>,
}

/// What the lock of the pool guards.
struct State {
    small: Vec<Bin>,
    large: LargeBins,
    slabs: Slabs,
    retired: RetireList<RawBlock>,
    figures: Figures,
    /// Counts frees, to find the block that was not used for the longest time.
    frees: u64,
    memory_limit: usize,
    cache_limit: usize,
}

/// Bytes by what they are used for.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    active: usize,
    peak: usize,
    cached: usize,
    retired: usize,
    /// Being asked of the driver at the moment.
    coming: usize,
    /// How many blocks were given out that had had an owner before.
    reused: u64,
}

impl Figures {
    fn total(&self) -> usize {
        self.active + self.cached + self.retired + self.coming
    }
}

impl Pool {
    /// A pool over `driver` with Holdall's policy. It may use 95% of the device's memory, and cache a quarter of that.
    pub fn new(driver: Arc<dyn Driver>, timelines: Arc<Timelines>) -> Arc<Self> {
        Self::with_policy(driver, timelines, Policy::HOLDALL)
    }

    /// A pool over a simulated device, with any policy.
    ///
    /// ```compile_fail
    /// use holdall_memory::{HostDriver, Policy, Pool, Timelines};
    /// // A real device cannot have another policy than Holdall's: `HostDriver` is no `SimulatedDriver`.
    /// Pool::simulated(std::sync::Arc::new(HostDriver::new()), Timelines::new(), Policy::UNRETAINED);
    /// ```
    pub fn simulated(
        driver: Arc<dyn SimulatedDriver>,
        timelines: Arc<Timelines>,
        policy: Policy,
    ) -> Arc<Self> {
        Self::with_policy(driver, timelines, policy)
    }

    fn with_policy(driver: Arc<dyn Driver>, timelines: Arc<Timelines>, policy: Policy) -> Arc<Self> {
        let total = driver.total_bytes();
        let memory_limit = total.map_or(usize::MAX, |total| total - total / 20);
        let cache_limit = total.map_or(1 << 30, |_| memory_limit / 4);
        let page = driver.page_bytes();
        assert!(page.is_power_of_two() && page >= 64, "the driver's page of {page} bytes is no power of two");
        let state = State {
            small: CLASSES.iter().map(|_| Bin::default()).collect(),
            large: LargeBins::default(),
            slabs: Slabs::default(),
            retired: RetireList::default(),
            figures: Figures::default(),
            frees: 0,
            memory_limit,
            cache_limit,
        };
        Arc::new(Self { driver, timelines, policy, page, state: Mutex::new(state) })
    }

    /// A block of at least `bytes` bytes, zero included. Its contents are whatever was there.
    ///
    /// A freed block is reused if that is in order; else the driver is asked. When there is no room, what the device
    /// has finished with is released, then the cache, and if that is not enough the call waits for the device.
    ///
    /// # Errors
    ///
    /// If there is no room after all that, with a summary of what the memory is used for. Only command buffers that were
    /// submitted are waited for: it can help to submit what is open and to try again.
    pub fn take(self: &Arc<Self>, bytes: usize, user: User<'_>) -> Result<Storage, Error> {
        let Some(size) = Size::of(bytes, self.page, self.policy.free_through_pool) else {
            return Err(self.out_of_memory(bytes));
        };
        let mut block = match self.take_free(size, user.queue()) {
            Some(block) => block,
            None => self.take_new(size, user.queue())?,
        };
        block.bytes = bytes;
        self.driver.on_reuse(&block.info());
        Ok(Storage::new(block, self.clone()))
    }

    fn take_free(&self, size: Size, user: Option<&Queue>) -> Option<Box<Block>> {
        let rules = self.rules();
        let mut state = self.state.lock();
        let mut block = match size {
            Size::Small(class) => state.small[class].take(user, rules),
            Size::Large(bytes) => state.large.take(bytes, user, rules),
        }
        .or_else(|| match size {
            // A fresh part of a slab is in order for everyone, but a used block is likelier to be in the caches.
            Size::Small(class) => self.cut(&mut state, class),
            Size::Large(_) => None,
        })?;
        state.figures.cached -= block.capacity;
        state.activate(block.capacity);
        if let Origin::Slab(at) = block.origin
            && block.life > 0
        {
            state.slabs.taken(at);
        }
        state.figures.reused += u64::from(block.life > 0);
        drop(state);
        block.life += 1;
        block.host_written = false;
        block.stamps.forget_writes();
        if !self.policy.hazards_by_block {
            block.id = self.timelines.next_block();
        }
        Some(block)
    }

    fn cut(&self, state: &mut State, class: usize) -> Option<Box<Block>> {
        let (at, slab, index) = state.slabs.cut(class)?;
        let offset = index * CLASSES[class];
        let address = slab.raw.address.wrapping_add(offset);
        Some(self.new_block(address, slab.raw.handle, offset, CLASSES[class], Origin::Slab(at)))
    }

    fn take_new(&self, size: Size, user: Option<&Queue>) -> Result<Box<Block>, Error> {
        match size {
            Size::Large(bytes) => {
                let raw = self.allocate(bytes)?;
                let mut block =
                    self.new_block(raw.address, raw.handle, 0, raw.bytes, Origin::Whole(raw.bytes));
                self.state.lock().activate(raw.bytes);
                block.life = 1;
                Ok(block)
            }
            Size::Small(class) => loop {
                let raw = self.allocate(Slab::bytes_for(CLASSES[class], self.page))?;
                let len = raw.bytes / CLASSES[class];
                let mut state = self.state.lock();
                state.figures.cached += len * CLASSES[class];
                state.slabs.add(Slab { raw, class, len, cut: 0, free: len });
                drop(state);
                // Another thread may have been faster to use the slab up.
                if let Some(block) = self.take_free(size, user) {
                    return Ok(block);
                }
            },
        }
    }

    fn new_block(
        &self,
        address: *mut u8,
        handle: u64,
        offset: usize,
        capacity: usize,
        origin: Origin,
    ) -> Box<Block> {
        Box::new(Block {
            id: self.timelines.next_block(),
            address,
            handle,
            offset,
            capacity,
            bytes: capacity,
            life: 0,
            stamps: StampSet::new(),
            leases: AtomicU64::new(0),
            host_written: false,
            freed_at: 0,
            origin,
        })
    }

    /// A block over foreign memory. It is on no list and in no figure.
    pub(crate) fn foreign_block(
        &self,
        address: *mut u8,
        bytes: usize,
        release: Box<dyn FnOnce() + Send>,
    ) -> Box<Block> {
        let mut block = self.new_block(address, 0, 0, bytes, Origin::Foreign(Some(release)));
        block.host_written = true;
        block
    }

    pub(crate) fn rules(&self) -> Rules<'_> {
        Rules { timelines: &self.timelines, policy: &self.policy }
    }

    /// The policy that the pool follows.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// The registry of the streams that may use its blocks.
    pub fn timelines(&self) -> &Arc<Timelines> {
        &self.timelines
    }

    /// The driver.
    pub fn driver(&self) -> &Arc<dyn Driver> {
        &self.driver
    }

    /// Bytes of blocks that have an owner.
    pub fn active_bytes(&self) -> usize {
        self.state.lock().figures.active
    }

    /// The most that [`Self::active_bytes`] has been since the start or [`Self::reset_peak`].
    pub fn peak_bytes(&self) -> usize {
        self.state.lock().figures.peak
    }

    /// Bytes without an owner that are kept for reuse.
    pub fn cached_bytes(&self) -> usize {
        self.state.lock().figures.cached
    }

    /// Bytes that go back to the driver once the device has finished with them.
    pub fn retired_bytes(&self) -> usize {
        self.state.lock().figures.retired
    }

    /// How many blocks have been given out that had had an owner before.
    pub fn reused_blocks(&self) -> u64 {
        self.state.lock().figures.reused
    }

    /// Sets the peak to what is active now.
    pub fn reset_peak(&self) {
        let figures = &mut self.state.lock().figures;
        figures.peak = figures.active;
    }

    /// The most that active, cached and retired bytes together may reach.
    pub fn memory_limit(&self) -> usize {
        self.state.lock().memory_limit
    }

    /// Sets the memory limit in bytes, and returns the previous one. What is active already stays.
    pub fn set_memory_limit(&self, bytes: usize) -> usize {
        std::mem::replace(&mut self.state.lock().memory_limit, bytes)
    }

    /// The most that cached bytes may reach.
    pub fn cache_limit(&self) -> usize {
        self.state.lock().cache_limit
    }

    /// Sets the cache limit in bytes, and returns the previous one. What is over it is released.
    pub fn set_cache_limit(&self, bytes: usize) -> usize {
        let previous = std::mem::replace(&mut self.state.lock().cache_limit, bytes);
        self.trim(bytes);
        previous
    }
}

impl State {
    fn activate(&mut self, bytes: usize) {
        self.figures.active += bytes;
        self.figures.peak = self.figures.peak.max(self.figures.active);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = self.state.lock().figures;
        f.debug_struct("Pool")
            .field("policy", &self.policy.name())
            .field("driver", &self.driver)
            .field("figures", &figures)
            .finish_non_exhaustive()
    }
}

impl Timelines {
    pub(crate) fn next_block(&self) -> BlockId {
        BlockId(self.blocks.fetch_add(1, crate::sync::Ordering::Relaxed) + 1)
    }
}
