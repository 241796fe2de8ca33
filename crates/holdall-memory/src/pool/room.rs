//! Making room: where freed blocks go, and what is given up when memory runs short.

use crate::bins::CLASSES;
use crate::block::{Block, Driver, Origin, RawBlock};
use crate::error::{Error, ErrorKind};
use crate::pool::{Pool, State};
use crate::retire::Pending;
use crate::sync::{self, Arc};
use crate::tick::Stamp;

/// Allocations that nothing uses any more. They are released after the pool's lock.
type Released = Vec<RawBlock>;

impl Pool {
    /// Takes a block back from its owner.
    pub(crate) fn free(&self, mut block: Box<Block>) {
        self.driver.on_free(&block.info());
        if !self.policy.stamps {
            block.stamps.clear();
        }
        if let Origin::Foreign(release) = &mut block.origin {
            let release = ForeignRelease(release.take());
            self.timelines.retire(Box::new(release), self.pending(&block));
            return;
        }
        let mut released = Released::new();
        let mut state = self.state.lock();
        state.figures.active -= block.capacity;
        if !self.policy.free_through_pool
            && let Some(raw) = block.raw()
        {
            released.push(raw);
        } else {
            state.figures.cached += block.capacity;
            state.frees += 1;
            block.freed_at = state.frees;
            let rules = self.rules();
            let emptied = match block.origin {
                Origin::Slab(at) => {
                    let class = CLASSES.partition_point(|&class| class < block.capacity);
                    state.small[class].push(block, rules);
                    state.slabs.freed(at)
                }
                Origin::Whole(_) | Origin::Foreign(_) => {
                    state.large.push(block, rules);
                    false
                }
            };
            if state.figures.cached > state.cache_limit {
                let limit = state.cache_limit;
                self.evict_to(&mut state, limit, emptied, &mut released);
            }
        }
        drop(state);
        self.release(released);
    }

    /// The stamps that the device has not finished with.
    fn pending(&self, block: &Block) -> Pending {
        let mut pending = Pending::new();
        self.add_pending(block, &mut pending);
        pending
    }

    fn add_pending(&self, block: &Block, pending: &mut Pending) {
        if !self.policy.release_checked {
            return;
        }
        let rules = self.rules();
        block.stamps.for_each(|used, _| {
            if !rules.is_ended(used) {
                match pending.iter_mut().find(|stamp| stamp.queue() == used.queue()) {
                    Some(stamp) => *stamp = used.max(*stamp),
                    None => pending.push(used),
                }
            }
        });
    }

    /// Gives an allocation up: to the driver if nothing waits, else to the retire list.
    fn retire(&self, state: &mut State, raw: RawBlock, pending: Pending, released: &mut Released) {
        let bytes = raw.bytes;
        let rules = self.rules();
        match state.retired.push(raw, pending, &|stamp| rules.is_ended(stamp)) {
            Some(raw) => released.push(raw),
            None => state.figures.retired += bytes,
        }
    }

    /// Gives up a free block that is out of its bin.
    fn retire_block(&self, state: &mut State, block: &Block, released: &mut Released) {
        let pending = self.pending(block);
        if let Some(raw) = block.raw() {
            state.figures.cached -= block.capacity;
            self.retire(state, raw, pending, released);
        }
    }

    /// Gives up free blocks, the longest unused first, until at most `bytes` are cached. Slabs without an owned block
    /// come last.
    fn evict_to(&self, state: &mut State, bytes: usize, slabs: bool, released: &mut Released) {
        while state.figures.cached > bytes {
            let Some(block) = state.large.pop_oldest() else { break };
            self.retire_block(state, &block, released);
        }
        if slabs && state.figures.cached > bytes {
            self.evict_slabs(state, released);
        }
    }

    /// Gives up all slabs without an owned block.
    fn evict_slabs(&self, state: &mut State, released: &mut Released) {
        let free = state.slabs.free();
        if free.is_empty() {
            return;
        }
        let mut pending: Vec<Pending> = free.iter().map(|_| Pending::new()).collect();
        let mut children = Vec::new();
        let position = |block: &Block| match block.origin {
            Origin::Slab(at) => free.binary_search(&at).ok(),
            Origin::Whole(_) | Origin::Foreign(_) => None,
        };
        for bin in &mut state.small {
            bin.extract(|block| position(block).is_some(), &mut children);
        }
        for child in &children {
            if let Some(at) = position(child) {
                self.add_pending(child, &mut pending[at]);
            }
        }
        for (at, pending) in free.into_iter().zip(pending) {
            if let Some(slab) = state.slabs.remove(at) {
                state.figures.cached -= slab.len * CLASSES[slab.class];
                self.retire(state, slab.raw, pending, released);
            }
        }
    }

    /// Gives up what the device has finished with, until `bytes` are released.
    fn evict_quiet(&self, state: &mut State, bytes: usize, released: &mut Released) {
        let rules = self.rules();
        let mut found = 0;
        let mut quiet = Vec::new();
        let mut is_quiet = |block: &Block| {
            let take = found < bytes && block.stamps.all(|stamp| rules.is_ended(stamp));
            found += if take { block.capacity } else { 0 };
            take
        };
        state.large.extract(&mut is_quiet, &mut quiet);
        for block in &quiet {
            self.retire_block(state, block, released);
        }
    }

    /// Takes what the device has finished with from the retire list.
    fn drain(&self, state: &mut State, released: &mut Released) {
        if state.retired.is_empty() {
            return;
        }
        let rules = self.rules();
        let before = released.len();
        state.retired.drain(&|stamp| rules.is_ended(stamp), released);
        let bytes: usize = released[before..].iter().map(|raw| raw.bytes).sum();
        state.figures.retired -= bytes;
    }

    fn release(&self, released: Released) {
        for raw in released {
            // SAFETY: the pool got the allocation from this driver and has just dropped all record of it. Its blocks
            // have no owner, so no command can be recorded that names it; and each stamp on them has ended, since the
            // allocation went through `retire`, so none that was recorded runs. Only a simulated device can have a
            // policy for which that does not hold, and its driver takes release at any time.
            unsafe { self.driver.release(raw) };
        }
    }

    /// An allocation of the driver within the memory limit.
    pub(super) fn allocate(&self, bytes: usize) -> Result<RawBlock, Error> {
        loop {
            let mut released = Released::new();
            let mut state = self.state.lock();
            self.drain(&mut state, &mut released);
            self.make_room(&mut state, bytes, &mut released);
            let fits = state.fits(bytes);
            if fits {
                state.figures.coming += bytes;
                drop(state);
                self.release(std::mem::take(&mut released));
                let raw = self.driver.allocate(bytes);
                state = self.state.lock();
                state.figures.coming -= bytes;
                if let Ok(raw) = raw {
                    return Ok(raw);
                }
                // The driver has less than it promised: everything that can go, goes.
                self.evict_to(&mut state, 0, true, &mut released);
            }
            let waits = state.retired.oldest();
            drop(state);
            let progress = !released.is_empty();
            self.release(released);
            if !progress && !self.wait_for_one(&waits) {
                return Err(self.out_of_memory(bytes));
            }
        }
    }

    /// Gives up free blocks until `bytes` more fit, or will once the device has finished.
    fn make_room(&self, state: &mut State, bytes: usize, released: &mut Released) {
        if state.fits(bytes) {
            return;
        }
        let excess = state.excess(bytes);
        self.evict_quiet(state, excess, released);
        if state.fits(bytes) {
            return;
        }
        // What is retired already comes back by itself.
        let excess = state.excess(bytes).saturating_sub(state.figures.retired);
        let target = state.figures.cached.saturating_sub(excess);
        self.evict_to(state, target, true, released);
    }

    /// Waits for one of the ticks that was submitted. False if there is none that could end.
    fn wait_for_one(&self, stamps: &[Stamp]) -> bool {
        stamps.iter().any(|&stamp| {
            let (queue, tick) = (stamp.queue(), stamp.tick());
            tick < self.timelines.open(queue) && self.timelines.wait_ended(queue, tick).is_ok()
        })
    }

    /// Releases cached blocks, the longest unused first, until at most `bytes` are cached. Those that the device may
    /// still touch are released when it has finished with them.
    pub fn trim(&self, bytes: usize) {
        let mut released = Released::new();
        let mut state = self.state.lock();
        self.drain(&mut state, &mut released);
        self.evict_to(&mut state, bytes, true, &mut released);
        drop(state);
        self.release(released);
    }

    /// Releases the whole cache: [`Self::trim`] to zero. A slab with an owned block on it stays.
    pub fn clear_cache(&self) {
        self.trim(0);
    }

    /// Releases retired blocks that the device has finished with. Happens whenever the pool needs memory, too.
    pub fn poll(&self) {
        let mut released = Released::new();
        let mut state = self.state.lock();
        self.drain(&mut state, &mut released);
        drop(state);
        self.release(released);
    }

    pub(super) fn out_of_memory(&self, bytes: usize) -> Error {
        if let Some(why) = self.driver.failure() {
            return Error::new(ErrorKind::Failed, why);
        }
        let state = self.state.lock();
        let figures = state.figures;
        let limit = match state.memory_limit {
            usize::MAX => "none".to_owned(),
            limit => Size(limit).to_string(),
        };
        let message = format!(
            "out of memory: wanted {}; active {}, cached {} (largest free block {}), waiting for the device {}, \
             memory limit {limit}",
            Size(bytes),
            Size(figures.active),
            Size(figures.cached),
            Size(state.large.largest()),
            Size(figures.retired),
        );
        Error::new(ErrorKind::OutOfMemory, message)
    }
}

impl State {
    fn excess(&self, bytes: usize) -> usize {
        self.figures.total().saturating_add(bytes).saturating_sub(self.memory_limit)
    }

    fn fits(&self, bytes: usize) -> bool {
        self.excess(bytes) == 0
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if sync::model_failed() {
            return;
        }
        // All storages are gone, so everything is free; the device may still be busy with some of it.
        let mut released = Released::new();
        let mut state = self.state.lock();
        self.evict_to(&mut state, 0, true, &mut released);
        for (raw, pending) in state.retired.take_all() {
            let item = PoolRelease { driver: self.driver.clone(), raw: Some(raw) };
            self.timelines.retire(Box::new(item), pending);
        }
        drop(state);
        self.release(released);
    }
}

/// Releases an allocation of a pool that is gone.
struct PoolRelease {
    driver: Arc<dyn Driver>,
    raw: Option<RawBlock>,
}

impl Drop for PoolRelease {
    fn drop(&mut self) {
        if sync::model_failed() {
            return;
        }
        if let Some(raw) = self.raw.take() {
            // SAFETY: as in `Pool::release`: the timelines keep this value until each stamp has ended.
            unsafe { self.driver.release(raw) };
        }
    }
}

/// Tells the owner of foreign memory that it is no longer used.
struct ForeignRelease(Option<Box<dyn FnOnce() + Send>>);

impl Drop for ForeignRelease {
    fn drop(&mut self) {
        if sync::model_failed() {
            return;
        }
        if let Some(release) = self.0.take() {
            release();
        }
    }
}

/// Bytes for messages.
struct Size(usize);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [(usize, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match UNITS.iter().find(|(unit, _)| self.0 >= *unit) {
            Some(&(unit, name)) => write!(f, "{:.1} {name}", self.0 as f64 / unit as f64),
            None => write!(f, "{} bytes", self.0),
        }
    }
}
