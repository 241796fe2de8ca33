//! Everything else that a command names: kernels, modules, events, captured graphs.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::mem::ManuallyDrop;
use std::ops::Deref;

use crate::block::SimulatedDriver;
use crate::policy::Policy;
use crate::queue::Access;
use crate::retire::Pending;
use crate::stamps::StampSet;
use crate::sync::{self, Arc, Mutex};
use crate::tick::Stamp;
use crate::timelines::Timelines;

/// Something that commands name and the device uses. It is destroyed when its last owner is gone *and* every command
/// buffer that names it has ended: [`Queue::bind_resource`](crate::Queue::bind_resource) leaves the stamp.
pub struct Resource<T: Send + 'static> {
    stamps: StampSet,
    timelines: Arc<Timelines>,
    retires: bool,
    /// Taken out by `drop` only.
    value: ManuallyDrop<T>,
}

impl<T: Send + 'static> Resource<T> {
    /// Takes `value` under the protocol.
    pub fn new(timelines: &Arc<Timelines>, value: T) -> Self {
        Self::with_policy(timelines, value, &Policy::HOLDALL)
    }

    fn with_policy(timelines: &Arc<Timelines>, value: T, policy: &Policy) -> Self {
        Self {
            stamps: StampSet::new(),
            timelines: timelines.clone(),
            retires: policy.resources_retired,
            value: ManuallyDrop::new(value),
        }
    }

    #[inline]
    pub(crate) fn bind(&self, stamp: Stamp) {
        self.stamps.stamp(stamp, Access::Read);
    }

    /// True when each command buffer that names it has ended.
    pub fn is_idle(&self) -> bool {
        self.stamps.all(|stamp| self.timelines.is_ended(stamp))
    }
}

impl<T: Send + 'static> Drop for Resource<T> {
    fn drop(&mut self) {
        if sync::model_failed() {
            return;
        }
        // SAFETY: the resource is being dropped, so nothing uses the field after this.
        let value = unsafe { ManuallyDrop::take(&mut self.value) };
        let mut pending = Pending::new();
        if self.retires {
            self.stamps.for_each(|used, _| {
                if !self.timelines.is_ended(used) {
                    pending.push(used);
                }
            });
        }
        if pending.is_empty() {
            drop(value);
        } else {
            self.timelines.retire(Box::new(value), pending);
        }
    }
}

impl<T: Send + 'static> Deref for Resource<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Send + fmt::Debug + 'static> fmt::Debug for Resource<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Resource").field(&*self.value).finish()
    }
}

/// A bounded cache of resources, keyed by everything that makes them: the full source, never a name. An entry that is
/// evicted lives on while command buffers or others need it.
pub struct ResourceCache<K, T: Send + 'static> {
    timelines: Arc<Timelines>,
    policy: Policy,
    capacity: usize,
    entries: Mutex<Entries<K, T>>,
}

struct Entries<K, T: Send + 'static> {
    map: HashMap<K, Entry<T>>,
    uses: u64,
}

struct Entry<T: Send + 'static> {
    resource: Arc<Resource<T>>,
    used_at: u64,
}

impl<K: Hash + Eq + Clone, T: Send + 'static> ResourceCache<K, T> {
    /// A cache of at most `capacity` entries, at least one.
    pub fn new(timelines: Arc<Timelines>, capacity: usize) -> Self {
        Self::with_policy(timelines, capacity, Policy::HOLDALL)
    }

    /// As [`Self::new`], with another retention policy: for a simulated device only.
    ///
    /// ```compile_fail
    /// use std::sync::Arc;
    /// use holdall_memory::{HostDriver, Policy, ResourceCache, Timelines};
    /// let real = Arc::new(HostDriver::new());
    /// ResourceCache::<String, ()>::simulated(&*real, Timelines::new(), 8, Policy::UNRETAINED);
    /// ```
    pub fn simulated(
        _device: &dyn SimulatedDriver,
        timelines: Arc<Timelines>,
        capacity: usize,
        policy: Policy,
    ) -> Self {
        Self::with_policy(timelines, capacity, policy)
    }

    fn with_policy(timelines: Arc<Timelines>, capacity: usize, policy: Policy) -> Self {
        let entries = Mutex::new(Entries { map: HashMap::new(), uses: 0 });
        Self { timelines, policy, capacity: capacity.max(1), entries }
    }

    /// The resource of `key`, made by `make` if it is not there; the least recently used entry makes room. `make` runs
    /// without a lock: when two threads make the same one, the first that is ready is kept.
    ///
    /// # Errors
    ///
    /// What `make` returns; nothing is kept then.
    pub fn get_or_try_insert<E>(
        &self,
        key: &K,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<Resource<T>>, E> {
        if let Some(found) = self.get(key) {
            return Ok(found);
        }
        let made = Arc::new(Resource::with_policy(&self.timelines, make()?, &self.policy));
        let mut evicted = Vec::new();
        let mut entries = self.entries.lock();
        entries.uses += 1;
        let used_at = entries.uses;
        let kept = match entries.map.get_mut(key) {
            Some(entry) => {
                entry.used_at = used_at;
                entry.resource.clone()
            }
            None => {
                while entries.map.len() >= self.capacity {
                    evicted.extend(entries.pop_oldest());
                }
                entries.map.insert(key.clone(), Entry { resource: made.clone(), used_at });
                made
            }
        };
        drop(entries);
        // Outside the lock: destroying a resource may take its time.
        drop(evicted);
        Ok(kept)
    }

    /// The resource of `key`, if it is there.
    pub fn get(&self, key: &K) -> Option<Arc<Resource<T>>> {
        let mut entries = self.entries.lock();
        entries.uses += 1;
        let used_at = entries.uses;
        let entry = entries.map.get_mut(key)?;
        entry.used_at = used_at;
        Some(entry.resource.clone())
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.lock().map.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Evicts all entries.
    pub fn clear(&self) {
        let evicted = std::mem::take(&mut self.entries.lock().map);
        drop(evicted);
    }
}

impl<K: Hash + Eq + Clone, T: Send + 'static> Entries<K, T> {
    fn pop_oldest(&mut self) -> Option<Arc<Resource<T>>> {
        let oldest = self.map.iter().min_by_key(|(_, entry)| entry.used_at).map(|(key, _)| key.clone())?;
        Some(self.map.remove(&oldest)?.resource)
    }
}

impl<K, T: Send + 'static> fmt::Debug for ResourceCache<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.entries.lock().map.len();
        f.debug_struct("ResourceCache")
            .field("capacity", &self.capacity)
            .field("len", &len)
            .finish_non_exhaustive()
    }
}
