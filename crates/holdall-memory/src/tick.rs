//! Names of streams and of positions on their timelines.

use std::fmt;

/// The index of a stream's timeline.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct QueueId(pub(crate) u16);

impl QueueId {
    /// The index as a number, for tables and messages.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A position on a stream's timeline: the number of a command buffer, counted from 1. Zero means never.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Tick(pub(crate) u64);

impl Tick {
    /// Before the first command buffer.
    pub const NEVER: Self = Self(0);

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a command buffer has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TickState {
    /// Commands are still being recorded into it (or it has not been opened yet).
    Recording,
    /// It was handed to the device, which may run it at any time.
    Submitted,
    /// The device has finished it.
    Done,
    /// It ended with an error. Whether the device may still touch its blocks is a separate question.
    Failed,
}

/// A queue and a tick in one word, so that a stamp is read and written whole. Zero is "no stamp".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Stamp(pub(crate) u64);

/// Ticks take the low bits: 2^48 command buffers last nine years at a million a second.
const TICK_BITS: u32 = 48;

impl Stamp {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn new(queue: QueueId, tick: Tick) -> Self {
        debug_assert!(tick.0 < 1 << TICK_BITS);
        Self(u64::from(queue.0) << TICK_BITS | tick.0)
    }

    pub(crate) fn queue(self) -> QueueId {
        // The shift leaves 16 bits.
        QueueId((self.0 >> TICK_BITS) as u16)
    }

    pub(crate) fn tick(self) -> Tick {
        Tick(self.0 & ((1 << TICK_BITS) - 1))
    }

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }
}
