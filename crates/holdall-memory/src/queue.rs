//! The recording side of a stream.

use std::fmt;

use crate::block::BlockId;
use crate::resource::Resource;
use crate::storage::Storage;
use crate::sync::{self, Arc};
use crate::tick::{QueueId, Stamp, Tick};
use crate::timeline::{Outcome, Timeline};
use crate::timelines::Timelines;

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
    line: Arc<Timeline>,
    id: QueueId,
    /// `id` and the open tick in one word.
    stamp: Stamp,
    /// True when something was recorded into the open tick.
    touched: bool,
    /// By queue index, the newest tick that this stream has waited for.
    seen: Vec<u64>,
}

impl Queue {
    pub(crate) fn new(timelines: Arc<Timelines>, id: QueueId, line: Arc<Timeline>) -> Self {
        let stamp = Stamp::new(id, Tick(line.open()));
        Self { timelines, line, id, stamp, touched: false, seen: Vec::new() }
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
    /// tracked until the command buffer has ended, whoever drops the storage in the meantime. It cannot be dropped while it
    /// is being bound:
    ///
    /// ```compile_fail
    /// # use holdall_memory::{Access, Bound, Queue, Storage};
    /// fn bind_what_is_gone(queue: &mut Queue, storage: Storage) -> Bound {
    ///     let storage = {
    ///         let gone = storage;
    ///         &gone
    ///     };
    ///     queue.bind(storage, Access::Read)
    /// }
    /// ```
    ///
    /// Foreign memory ([`Storage::foreign`]) is bound for reading only. A block with other users may be bound for writing
    /// only if [`Self::may_reuse`] holds.
    #[inline]
    pub fn bind(&mut self, storage: &Storage, access: Access) -> Bound {
        debug_assert!(Arc::ptr_eq(&self.timelines, storage.pool().timelines()), "block of another registry");
        self.touched = true;
        storage.bind(self.stamp, access)
    }

    /// Names a kernel, module, event or captured graph in the open command buffer.
    pub fn bind_resource<T: Send + 'static>(&mut self, resource: &Resource<T>) {
        self.touched = true;
        resource.bind(self.stamp);
    }

    /// Stamps a block that foreign code used, and may have written, in work that the open command buffer waits for.
    pub(crate) fn bind_lent(&mut self, storage: &Storage) {
        let access = if storage.is_foreign() { Access::Read } else { Access::ReadWrite };
        let _ = self.bind(storage, access);
    }

    /// Closes the open command buffer and opens the next. The device side ends the tick through the completion.
    pub fn submit(&mut self) -> Completion {
        let tick = self.open();
        self.advance();
        self.timelines.collect();
        Completion { line: self.line.clone(), queue: self.id, tick, ended: false }
    }

    fn advance(&mut self) {
        let next = self.open().0 + 1;
        self.stamp = Stamp::new(self.id, Tick(next));
        self.touched = false;
        self.line.set_open(next);
    }

    /// Notes that a wait for tick `t` of `q` was recorded: commands recorded from here on run after it, and, if it was
    /// submitted already, after everything that `q` had waited for by then.
    pub fn wait_for(&mut self, q: QueueId, t: Tick) {
        if q == self.id {
            return;
        }
        self.touched = true;
        let mut news = raise(&mut self.seen, q.index(), t.0);
        let seen = &mut self.seen;
        self.timelines.with_line(q, |line| {
            line.with_seen(t, |theirs| {
                for (at, &tick) in theirs.iter().enumerate() {
                    news |= raise(seen, at, tick);
                }
            });
        });
        if news {
            self.line.push_seen(self.stamp.tick(), self.seen.as_slice().into());
        }
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

    /// True when commands recorded now run after the stamped use.
    #[inline]
    pub(crate) fn runs_after(&self, stamp: Stamp) -> bool {
        stamp.queue() == self.id || self.seen(stamp.queue()) >= stamp.tick()
    }
}

/// Raises an entry, and says whether it was lower.
fn raise(seen: &mut Vec<u64>, at: usize, tick: u64) -> bool {
    if seen.len() <= at {
        seen.resize(at + 1, 0);
    }
    let news = seen[at] < tick;
    seen[at] = seen[at].max(tick);
    news
}

impl Drop for Queue {
    fn drop(&mut self) {
        if sync::model_failed() {
            return;
        }
        if self.touched {
            // No completion exists for the open tick, so nobody can run what was recorded into it.
            let tick = self.open().0;
            self.line.forget_seen(tick);
            self.advance();
            self.line.end(tick, Outcome::Failed("the stream was closed before it was submitted".into()));
        }
        self.timelines.unregister(self.id);
        self.timelines.collect();
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
    line: Arc<Timeline>,
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

    /// Names something that the device side uses to run the command buffer: a captured graph, say, which recording knows
    /// nothing of. Only for resources that no recorder binds.
    pub fn bind_resource<T: Send + 'static>(&mut self, resource: &Resource<T>) {
        resource.bind(Stamp::new(self.queue, self.tick));
    }

    /// The device has finished the command buffer, and those before it on the stream.
    pub fn done(self) {
        self.end(Outcome::Done);
    }

    /// The command buffer failed, and the device has finished with it: nothing of it runs any more, or it never
    /// started. Earlier command buffers may still run.
    ///
    /// The waits recorded in it must have passed all the same, since later command buffers rely on them. One that
    /// was dropped with its waits is [lost](Self::lose), not failed.
    pub fn fail(self, why: impl fmt::Display) {
        self.end(Outcome::Failed(why.to_string().into()));
    }

    /// The command buffer failed, and nobody knows whether the device still touches its blocks. They stay until a
    /// later tick of the stream is done or [`Timelines::mark_idle`] is called.
    pub fn lose(self, why: impl fmt::Display) {
        self.end(Outcome::Lost(why.to_string().into()));
    }

    fn end(mut self, outcome: Outcome) {
        self.ended = true;
        self.line.end(self.tick.0, outcome);
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if sync::model_failed() {
            return;
        }
        if !self.ended {
            self.line.end(self.tick.0, Outcome::Lost("its completion was dropped".into()));
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("queue", &self.queue)
            .field("tick", &self.tick)
            .finish_non_exhaustive()
    }
}

/// A block as a command names it. Plain data: the stamp that the bind left keeps the block alive. Nothing else makes one:
///
/// ```compile_fail
/// # use holdall_memory::{Access, BlockId, Bound};
/// fn forge(block: BlockId, address: *mut u8) -> Bound {
///     Bound { block, address, handle: 0, offset: 0, bytes: 4, life: 1, access: Access::Write }
/// }
/// ```
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
