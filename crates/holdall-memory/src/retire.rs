//! Things that wait for the device before they may be destroyed.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::tick::{QueueId, Stamp, Tick};

/// The stamps that one thing waits for.
pub(crate) type Pending = SmallVec<[Stamp; 4]>;

/// Things with the ticks that they wait for, ordered by stream and tick.
///
/// A thing is filed under one tick that has not ended; when that one ends it is filed under the next. So a poll looks at
/// those only that can move.
pub(crate) struct RetireList<T> {
    waiting: BTreeMap<Stamp, Vec<(T, Pending)>>,
}

impl<T> Default for RetireList<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new() }
    }
}

impl<T> RetireList<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Files `item`, or gives it back if it waits for nothing any more.
    pub(crate) fn push(
        &mut self,
        item: T,
        mut pending: Pending,
        ended: &impl Fn(Stamp) -> bool,
    ) -> Option<T> {
        while let Some(stamp) = pending.pop() {
            if !ended(stamp) {
                self.waiting.entry(stamp).or_default().push((item, pending));
                return None;
            }
        }
        Some(item)
    }

    /// Takes out what waits for nothing any more. The ticks of a stream end in order.
    pub(crate) fn drain(&mut self, ended: &impl Fn(Stamp) -> bool, out: &mut Vec<T>) {
        let mut from = Stamp::NONE;
        while let Some((&first, _)) = self.waiting.range(from..).next() {
            if ended(first) {
                // The key was just found.
                for (item, pending) in self.waiting.remove(&first).unwrap_or_default() {
                    out.extend(self.push(item, pending, ended));
                }
                from = Stamp::NONE;
            } else {
                // Later ticks of the stream have not ended either.
                let Some(next) = first.queue().0.checked_add(1) else { break };
                from = Stamp::new(QueueId(next), Tick::NEVER);
            }
        }
    }

    /// Everything, with what it waits for.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = (T, Pending)> + use<T> {
        std::mem::take(&mut self.waiting).into_iter().flat_map(|(stamp, items)| {
            items.into_iter().map(move |(item, mut pending)| {
                pending.push(stamp);
                (item, pending)
            })
        })
    }

    /// The oldest tick of each stream that something waits for.
    pub(crate) fn oldest(&self) -> Vec<Stamp> {
        let mut oldest: Vec<Stamp> = Vec::new();
        for &stamp in self.waiting.keys() {
            if oldest.last().is_none_or(|last| last.queue() != stamp.queue()) {
                oldest.push(stamp);
            }
        }
        oldest
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(queue: u16, tick: u64) -> Stamp {
        Stamp::new(QueueId(queue), Tick(tick))
    }

    #[test]
    fn items_leave_when_their_last_tick_has_ended() {
        let mut list = RetireList::default();
        let none = |_: Stamp| false;
        assert_eq!(list.push("free", Pending::new(), &none), Some("free"));
        assert_eq!(list.push("a", Pending::from_slice(&[stamp(0, 1), stamp(1, 4)]), &none), None);
        assert_eq!(list.push("b", Pending::from_slice(&[stamp(0, 2)]), &none), None);
        assert_eq!(list.push("c", Pending::from_slice(&[stamp(u16::MAX, 9)]), &none), None);
        assert_eq!(list.oldest(), [stamp(0, 2), stamp(1, 4), stamp(u16::MAX, 9)]);
        let mut out = Vec::new();
        list.drain(&|s| s.queue().0 == 1 && s.tick().0 <= 4, &mut out);
        assert!(out.is_empty());
        assert_eq!(list.oldest()[0], stamp(0, 1));
        list.drain(&|s| s.queue().0 == 0 && s.tick().0 <= 2, &mut out);
        out.sort_unstable();
        assert_eq!(out, ["a", "b"]);
        list.drain(&|_| true, &mut out);
        assert_eq!(out.len(), 3);
        assert!(list.is_empty());
    }
}
