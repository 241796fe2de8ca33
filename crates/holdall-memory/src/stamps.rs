//! Stamps: the command buffers that name a block.

use crate::queue::Access;
use crate::sync::{AtomicU64, Mutex, Ordering};
use crate::tick::Stamp;

/// Streams whose stamps lie in the block itself.
const INLINE: usize = 4;

/// For each stream that named the block, its newest tick, and its newest tick that writes the block.
///
/// A slot belongs to the first stream that claims it, for as long as the block has an owner, and only that stream's
/// recorder stores to it: so a store needs no read-modify-write. Whoever frees the block got there through the
/// ownership of the storage, which orders all stores before; that is why they can be relaxed.
#[derive(Debug)]
pub(crate) struct StampSet {
    slots: [Slot; INLINE],
    more: Mutex<Vec<(Stamp, Stamp)>>,
    /// Not zero when `more` has entries.
    has_more: AtomicU64,
}

#[derive(Debug)]
struct Slot {
    used: AtomicU64,
    written: AtomicU64,
}

/// Which streams' stamps a set holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Streams {
    None,
    One(Stamp),
    Several,
}

impl StampSet {
    pub(crate) fn new() -> Self {
        Self {
            slots: std::array::from_fn(|_| Slot { used: AtomicU64::new(0), written: AtomicU64::new(0) }),
            more: Mutex::new(Vec::new()),
            has_more: AtomicU64::new(0),
        }
    }

    /// Leaves `stamp`. Only the recorder of `stamp.queue()` calls this for its queue.
    #[inline]
    pub(crate) fn stamp(&self, stamp: Stamp, access: Access) {
        for slot in &self.slots {
            let found = slot.used.load(Ordering::Relaxed);
            if found != stamp.0 {
                if found == 0 {
                    // Another stream may claim the same slot at this moment.
                    let claim = slot.used.compare_exchange(0, stamp.0, Ordering::Relaxed, Ordering::Relaxed);
                    if claim.is_err() {
                        continue;
                    }
                } else if Stamp(found).queue() == stamp.queue() {
                    slot.used.store(stamp.0, Ordering::Relaxed);
                } else {
                    continue;
                }
            }
            if access.writes() {
                slot.written.store(stamp.0, Ordering::Relaxed);
            }
            return;
        }
        self.stamp_beyond(stamp, access);
    }

    #[cold]
    fn stamp_beyond(&self, stamp: Stamp, access: Access) {
        let mut more = self.more.lock();
        let at = match more.iter().position(|(used, _)| used.queue() == stamp.queue()) {
            Some(at) => at,
            None => {
                more.push((stamp, Stamp::NONE));
                more.len() - 1
            }
        };
        more[at].0 = stamp;
        if access.writes() {
            more[at].1 = stamp;
        }
        self.has_more.store(1, Ordering::Relaxed);
    }

    /// All stamps, as (newest use, newest write or none).
    pub(crate) fn for_each(&self, mut f: impl FnMut(Stamp, Stamp)) {
        for slot in &self.slots {
            let used = Stamp(slot.used.load(Ordering::Relaxed));
            if used.is_none() {
                // Slots are claimed in order.
                return;
            }
            f(used, Stamp(slot.written.load(Ordering::Relaxed)));
        }
        if self.has_more.load(Ordering::Relaxed) != 0 {
            // The callback may block on a timeline: not under the lock.
            let more = self.more.lock().clone();
            for (used, written) in more {
                f(used, written);
            }
        }
    }

    /// True when `f` holds for each newest use.
    pub(crate) fn all(&self, mut f: impl FnMut(Stamp) -> bool) -> bool {
        let mut all = true;
        self.for_each(|used, _| all = all && f(used));
        all
    }

    pub(crate) fn streams(&self) -> Streams {
        let first = Stamp(self.slots[0].used.load(Ordering::Relaxed));
        if first.is_none() {
            Streams::None
        } else if self.slots[1].used.load(Ordering::Relaxed) == 0 {
            Streams::One(first)
        } else {
            Streams::Several
        }
    }

    /// Keeps only the stamps for which `keep` holds.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(Stamp) -> bool) {
        let mut kept = Vec::new();
        self.for_each(|used, written| {
            if keep(used) {
                kept.push((used, written));
            }
        });
        self.set(&kept);
    }

    fn set(&mut self, stamps: &[(Stamp, Stamp)]) {
        for (at, slot) in self.slots.iter().enumerate() {
            let (used, written) = stamps.get(at).copied().unwrap_or((Stamp::NONE, Stamp::NONE));
            slot.used.store(used.0, Ordering::Relaxed);
            slot.written.store(written.0, Ordering::Relaxed);
        }
        let beyond = stamps.get(INLINE..).unwrap_or_default();
        if !beyond.is_empty() || self.has_more.load(Ordering::Relaxed) != 0 {
            *self.more.lock() = beyond.to_vec();
            self.has_more.store(u64::from(!beyond.is_empty()), Ordering::Relaxed);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.set(&[]);
    }

    /// Forgets which uses were writes: the contents that they made belong to an earlier owner.
    pub(crate) fn forget_writes(&mut self) {
        for slot in &self.slots {
            if slot.used.load(Ordering::Relaxed) == 0 {
                break;
            }
            slot.written.store(0, Ordering::Relaxed);
        }
        if self.has_more.load(Ordering::Relaxed) != 0 {
            for (_, written) in self.more.lock().iter_mut() {
                *written = Stamp::NONE;
            }
        }
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::tick::{QueueId, Tick};

    fn stamp(queue: u16, tick: u64) -> Stamp {
        Stamp::new(QueueId(queue), Tick(tick))
    }

    fn listed(set: &StampSet) -> Vec<(Stamp, Stamp)> {
        let mut list = Vec::new();
        set.for_each(|used, written| list.push((used, written)));
        list
    }

    #[test]
    fn the_newest_tick_of_each_stream_is_kept() {
        let set = StampSet::new();
        assert_eq!(set.streams(), Streams::None);
        set.stamp(stamp(0, 1), Access::Write);
        set.stamp(stamp(0, 2), Access::Read);
        assert_eq!(set.streams(), Streams::One(stamp(0, 2)));
        set.stamp(stamp(7, 5), Access::ReadWrite);
        assert_eq!(set.streams(), Streams::Several);
        assert_eq!(listed(&set), [(stamp(0, 2), stamp(0, 1)), (stamp(7, 5), stamp(7, 5))]);
    }

    #[test]
    fn streams_beyond_four_go_to_the_side_table() {
        let mut set = StampSet::new();
        for queue in 0..7 {
            set.stamp(stamp(queue, 1), Access::Read);
            set.stamp(stamp(queue, 10 + u64::from(queue)), Access::Write);
        }
        assert_eq!(listed(&set).len(), 7);
        assert!(set.all(|used| used.tick().get() >= 10));
        set.forget_writes();
        assert!(listed(&set).iter().all(|(_, written)| written.is_none()));
        set.retain(|used| used.queue().index() % 2 == 1);
        assert_eq!(listed(&set).iter().map(|(used, _)| used.queue().index()).collect::<Vec<_>>(), [1, 3, 5]);
        assert_eq!(set.has_more.load(Ordering::Relaxed), 0);
        set.clear();
        assert_eq!(set.streams(), Streams::None);
    }
}
