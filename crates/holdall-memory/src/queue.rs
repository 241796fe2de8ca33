//! The recording side of a stream.

use std::fmt;

use crate::block::BlockId;
use crate::resource::Resource;
use crate::storage::Storage;
use crate::sync::Arc;
use crate::tick::{QueueId, Stamp, Tick};
use crate::timeline::Timelines;

/// How a command uses a block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Access {
    /// The command only reads it.
    Read,
    /// The command writes it and does not look at what was there.
    Write,
    /// The command reads and writes it.
    ReadWrite,
}

impl Access {
    /// True for [`Self::Write`] and [`Self::ReadWrite`].
    pub fn writes(self) -> bool {
        !matches!(self, Self::Read)
    }

    /// True for [`Self::Read`] and [`Self::ReadWrite`].
    pub fn reads(self) -> bool {
        !matches!(self, Self::Write)
    }
}

/// The recording side of one stream. There is one per stream; who records holds it by `&mut`.
pub struct Queue {
    timelines: Arc<Timelines>,
    id: QueueId,
    /// `id` and the open tick in one word.
    stamp: Stamp,
    /// By queue index, the newest tick that this stream has waited for.
    seen: Vec<u64>,
}

impl Queue {
    pub(crate) fn new(timelines: Arc<Timelines>, id: QueueId, open: Tick) -> Self {
        Self { timelines, id, stamp: Stamp::new(id, open), seen: Vec::new() }
    }

    /// The stream's timeline.
    pub fn id(&self) -> QueueId {
        self.id
    }

    /// The tick being recorded.
    pub fn open(&self) -> Tick {
        self.stamp.tick()
    }

    /// The registry that the stream belongs to.
    pub fn timelines(&self) -> &Arc<Timelines> {
        &self.timelines
    }

    /// Names a block in a command of the open command buffer. There is no other way to do so: what is bound is
    /// tracked until the command buffer has ended, whoever drops the storage in the meantime.
    pub fn bind(&mut self, storage: &Storage, access: Access) -> Bound {
        storage.bind(self.stamp, access)
    }

    /// Names a kernel, module, event or captured graph in the open command buffer.
    pub fn bind_resource<T: Send + 'static>(&mut self, resource: &Resource<T>) {
        resource.bind(self.stamp);
    }

    /// Closes the open command buffer and opens the next. The device side ends the tick through the completion.
    pub fn submit(&mut self) -> Completion {
        let tick = self.open();
        self.stamp = Stamp::new(self.id, Tick(tick.0 + 1));
        Completion { timelines: self.timelines.clone(), queue: self.id, tick, ended: false }
    }

    /// Notes that a wait for tick `t` of `q` was recorded: commands recorded from here on run after it, and after
    /// everything that `q` had waited for by then.
    pub fn wait_for(&mut self, q: QueueId, t: Tick) {
        if q == self.id {
            return;
        }
        if self.seen.len() <= q.index() {
            self.seen.resize(q.index() + 1, 0);
        }
        let seen = &mut self.seen[q.index()];
        *seen = t.0.max(*seen);
    }

    /// The newest tick of `q` that commands recorded now are known to run after.
    pub fn seen(&self, q: QueueId) -> Tick {
        Tick(self.seen.get(q.index()).copied().unwrap_or(0))
    }

    /// True when a command recorded now may overwrite the block as if it were new: each earlier use is ordered
    /// before it, and nobody foreign holds it. The caller has to be its only owner.
    pub fn may_reuse(&self, storage: &Storage) -> bool {
        storage.reusable_by(self)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("id", &self.id).field("open", &self.open()).finish_non_exhaustive()
    }
}

/// The device side of a submitted command buffer: ends its tick, exactly once.
///
/// Dropping it without a word fails the tick, so that no waiter is left behind.
pub struct Completion {
    timelines: Arc<Timelines>,
    queue: QueueId,
    tick: Tick,
    ended: bool,
}

impl Completion {
    /// The tick that this ends.
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// The stream it belongs to.
    pub fn queue(&self) -> QueueId {
        self.queue
    }

    /// The device has finished the command buffer, and those before it on the stream.
    pub fn done(mut self) {
        self.ended = true;
    }

    /// The command buffer ended with an error, and the device has finished with it: nothing of it runs any more,
    /// or it never started. Earlier command buffers may still run.
    pub fn fail(mut self, why: impl Into<String>) {
        self.ended = true;
        let _ = why.into();
    }

    /// The command buffer failed, and nobody knows whether the device still touches its blocks. They stay until a
    /// later tick of the stream is done or [`Timelines::mark_idle`] is called.
    pub fn lost(mut self, why: impl Into<String>) {
        self.ended = true;
        let _ = why.into();
    }

    /// The registry that the tick belongs to.
    pub fn timelines(&self) -> &Arc<Timelines> {
        &self.timelines
    }
}

impl Drop for Completion {
    fn drop(&mut self) {}
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("queue", &self.queue)
            .field("tick", &self.tick)
            .finish_non_exhaustive()
    }
}

/// A block as a command names it. Plain data: the stamp that the bind left keeps the block alive.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    pub(crate) block: BlockId,
    pub(crate) address: *mut u8,
    pub(crate) handle: u64,
    pub(crate) offset: usize,
    pub(crate) bytes: usize,
    pub(crate) life: u64,
    pub(crate) access: Access,
}

// SAFETY: the address is only data here. Whoever dereferences it does so through the unsafe `address`, whose
// contract says when that is allowed, on any thread.
unsafe impl Send for Bound {}
// SAFETY: as above; nothing is mutable.
unsafe impl Sync for Bound {}

impl Bound {
    /// The block, for hazard tracking.
    pub fn block(&self) -> BlockId {
        self.block
    }

    /// The usable size in bytes, as it was asked for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How the command uses the block.
    pub fn access(&self) -> Access {
        self.access
    }

    /// The driver's handle of the allocation that the block lies in.
    pub fn handle(&self) -> u64 {
        self.handle
    }

    /// Where the block begins in the driver's allocation, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// How many owners the block had before this one, so that a checker can tell a stale access from a new one.
    pub fn life(&self) -> u64 {
        self.life
    }

    /// The address of the first byte, as the device sees it.
    ///
    /// # Safety
    ///
    /// Only the execution of the command buffer that it was bound in may use the address, in an order that respects
    /// the hazards between its commands, and only until that command buffer's [`Completion`] is used.
    pub unsafe fn address(&self) -> *mut u8 {
        self.address
    }
}
