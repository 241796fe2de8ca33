//! The pool of a device.

use std::fmt;

use crate::block::{Driver, SimulatedDriver};
use crate::error::Error;
use crate::policy::Policy;
use crate::queue::Queue;
use crate::storage::Storage;
use crate::sync::Arc;
use crate::timeline::Timelines;

/// Who is going to use a block first.
#[derive(Clone, Copy, Debug)]
pub enum User<'a> {
    /// Commands of a stream.
    Queue(&'a Queue),
    /// The host, which is on no timeline: it needs a block that nothing touches.
    Host,
}

/// The memory of a device: gives out blocks, takes them back, and keeps them while a device may touch them.
pub struct Pool {
    driver: Arc<dyn Driver>,
    timelines: Arc<Timelines>,
    policy: Policy,
}

impl Pool {
    /// A pool over `driver` with Holdall's policy.
    pub fn new(driver: Arc<dyn Driver>, timelines: Arc<Timelines>) -> Arc<Self> {
        Arc::new(Self { driver, timelines, policy: Policy::HOLDALL })
    }

    /// A pool over a simulated device, with any policy.
    pub fn simulated(
        driver: Arc<dyn SimulatedDriver>,
        timelines: Arc<Timelines>,
        policy: Policy,
    ) -> Arc<Self> {
        Arc::new(Self { driver, timelines, policy })
    }

    /// A block of at least `bytes` bytes. Its contents are whatever was there.
    ///
    /// # Errors
    ///
    /// If neither the cache nor the driver has room within the memory limit.
    pub fn take(self: &Arc<Self>, bytes: usize, user: User<'_>) -> Result<Storage, Error> {
        let _ = (bytes, user);
        unimplemented!()
    }

    /// The policy that the pool follows.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// The registry of streams that may use its blocks.
    pub fn timelines(&self) -> &Arc<Timelines> {
        &self.timelines
    }

    /// The driver.
    pub fn driver(&self) -> &Arc<dyn Driver> {
        &self.driver
    }

    /// Bytes of blocks that have an owner.
    pub fn active_bytes(&self) -> usize {
        unimplemented!()
    }

    /// The most that [`Self::active_bytes`] has been since the start or [`Self::reset_peak`].
    pub fn peak_bytes(&self) -> usize {
        unimplemented!()
    }

    /// Bytes of blocks without an owner that are kept for reuse.
    pub fn cached_bytes(&self) -> usize {
        unimplemented!()
    }

    /// Bytes of blocks that will be released once the device has finished with them.
    pub fn retired_bytes(&self) -> usize {
        unimplemented!()
    }

    /// Sets the peak to what is active now.
    pub fn reset_peak(&self) {
        unimplemented!()
    }

    /// The most that active, cached and retired bytes together may reach.
    pub fn memory_limit(&self) -> usize {
        unimplemented!()
    }

    /// Sets the memory limit in bytes, and returns the previous one.
    pub fn set_memory_limit(&self, bytes: usize) -> usize {
        let _ = bytes;
        unimplemented!()
    }

    /// The most that cached bytes may reach.
    pub fn cache_limit(&self) -> usize {
        unimplemented!()
    }

    /// Sets the cache limit in bytes, and returns the previous one. What is over it is released.
    pub fn set_cache_limit(&self, bytes: usize) -> usize {
        let _ = bytes;
        unimplemented!()
    }

    /// Releases every cached block; those that the device may still touch, as soon as it has finished with them.
    pub fn clear_cache(&self) {
        unimplemented!()
    }

    /// Releases cached blocks, oldest first, until at most `bytes` are cached.
    pub fn trim(&self, bytes: usize) {
        let _ = bytes;
        unimplemented!()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("policy", &self.policy.name()).finish_non_exhaustive()
    }
}
