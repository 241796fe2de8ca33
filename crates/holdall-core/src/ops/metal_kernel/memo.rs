//! What backends remember of a kernel between its calls.

use std::any::Any;
use std::fmt;

use parking_lot::Mutex;

/// Entries that a kernel keeps: as many combinations of types as a program calls one kernel with, and some to spare.
const CAPACITY: usize = 16;

/// A place for what a backend found out about a kernel: which compiled program belongs to arguments of which types. So that a
/// call need not look at the text again. An entry should not keep a program alive: that is for the backend's own
/// cache, which is bounded for all kernels together.
#[derive(Default)]
pub struct KernelMemo {
    entries: Mutex<Vec<Box<dyn Any + Send + Sync>>>,
}

impl fmt::Debug for KernelMemo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KernelMemo({})", self.entries.lock().len())
    }
}

impl KernelMemo {
    /// The first thing that `look` finds in an entry of type `T`, newest entries first.
    pub fn find<T: Any, R>(&self, look: impl Fn(&T) -> Option<R>) -> Option<R> {
        self.entries.lock().iter().rev().filter_map(|entry| entry.downcast_ref()).find_map(look)
    }

    /// Adds an entry, in place of the oldest if there are many. Entries of its type for which `is_stale` holds go first.
    pub fn insert<T: Any + Send + Sync>(&self, entry: T, is_stale: impl Fn(&T) -> bool) {
        let mut entries = self.entries.lock();
        entries.retain(|old| !old.downcast_ref().is_some_and(&is_stale));
        if entries.len() >= CAPACITY {
            entries.remove(0);
        }
        entries.push(Box::new(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_type_and_bounded() {
        let memo = KernelMemo::default();
        for i in 0..100u32 {
            memo.insert(i, |old| old % 10 == 3 && i % 10 == 9);
        }
        memo.insert("text", |_| false);
        assert_eq!(memo.find(|n: &u32| (*n == 98).then_some(*n)), Some(98));
        assert_eq!(memo.find(|n: &u32| (*n == 93).then_some(*n)), None, "stale");
        assert_eq!(memo.find(|n: &u32| (*n == 5).then_some(*n)), None, "old");
        assert_eq!(memo.find(|text: &&str| Some(text.len())), Some(4));
        assert_eq!(memo.entries.lock().len(), CAPACITY);
    }
}
