//! The registry of all streams' timelines.

use std::fmt;

use crate::error::Error;
use crate::queue::Queue;
use crate::retire::{Pending, RetireList};
use crate::sync::{self, Arc, AtomicU64, AtomicUsize, Mutex, Ordering};
use crate::tick::{QueueId, Stamp, Tick, TickState};
use crate::timeline::Timeline;

/// Timelines that are found without a lock. More streams than this share a table behind a mutex.
#[cfg(not(loom))]
const DIRECT: usize = 32;
#[cfg(loom)]
const DIRECT: usize = 2;

/// The timelines of all streams of a process. Streams that may exchange blocks register in the same one.
pub struct Timelines {
    direct: [Arc<Timeline>; DIRECT],
    more: Mutex<Vec<Arc<Timeline>>>,
    registry: Mutex<Registry>,
    /// Kernels, and memory of pools that are gone: whatever has no better place to wait for the device.
    retired: Mutex<RetireList<Box<dyn Send>>>,
    /// How many blocks were named.
    pub(crate) blocks: AtomicU64,
    /// How many things wait in the list, so that a submit without any takes no lock.
    n_retired: AtomicUsize,
}

#[derive(Default)]
struct Registry {
    len: usize,
    /// Timelines whose stream is gone. One continues under a new stream once all its ticks have ended.
    free: Vec<QueueId>,
}

impl Timelines {
    /// An empty registry.
    pub fn new() -> Arc<Self> {
        Self::with(Timeline::new)
    }

    /// A registry whose `done` is published without ordering: what rule 1 forbids.
    #[cfg(loom)]
    #[cfg(test)]
    pub(crate) fn with_relaxed_done() -> Arc<Self> {
        Self::with(|| {
            let mut line = Timeline::new();
            line.publish = Ordering::Relaxed;
            line
        })
    }

    fn with(make: impl Fn() -> Timeline) -> Arc<Self> {
        Arc::new(Self {
            direct: std::array::from_fn(|_| Arc::new(make())),
            more: Mutex::new(Vec::new()),
            registry: Mutex::new(Registry::default()),
            retired: Mutex::new(RetireList::default()),
            n_retired: AtomicUsize::new(0),
            blocks: AtomicU64::new(0),
        })
    }

    /// Registers a new stream and opens its first tick. It may continue the timeline of a stream that is gone.
    ///
    /// # Panics
    ///
    /// When more than 65,536 streams are alive.
    pub fn register(self: &Arc<Self>) -> Queue {
        let mut registry = self.registry.lock();
        let ended = registry.free.iter().position(|&q| self.line(q).is_quiet());
        let id = if let Some(at) = ended {
            registry.free.swap_remove(at)
        } else {
            let Ok(index) = u16::try_from(registry.len) else {
                panic!("more than {} streams are alive", u32::from(u16::MAX) + 1);
            };
            registry.len += 1;
            if usize::from(index) >= DIRECT {
                self.more.lock().push(Arc::new(Timeline::new()));
            }
            QueueId(index)
        };
        drop(registry);
        Queue::new(self.clone(), id, self.line(id))
    }

    /// The stream of `q` is gone.
    pub(crate) fn unregister(&self, q: QueueId) {
        self.registry.lock().free.push(q);
    }

    fn line(&self, q: QueueId) -> Arc<Timeline> {
        match self.direct.get(q.index()) {
            Some(line) => line.clone(),
            None => self.more.lock()[q.index() - DIRECT].clone(),
        }
    }

    #[inline]
    pub(crate) fn with_line<R>(&self, q: QueueId, f: impl FnOnce(&Timeline) -> R) -> R {
        match self.direct.get(q.index()) {
            Some(line) => f(line),
            None => f(&self.line(q)),
        }
    }

    /// The newest tick of `q` that the device has finished with, together with all before it.
    pub fn done(&self, q: QueueId) -> Tick {
        Tick(self.with_line(q, Timeline::done))
    }

    /// The tick that `q` is recording.
    pub fn open(&self, q: QueueId) -> Tick {
        Tick(self.with_line(q, Timeline::open))
    }

    /// How far tick `t` of `q` has come. A failed tick may still be touched by the device as long as
    /// [`Self::done`] has not reached it.
    pub fn state(&self, q: QueueId, t: Tick) -> TickState {
        self.with_line(q, |line| line.state(t.0))
    }

    /// The device's error, if tick `t` of `q` failed.
    pub fn failure(&self, q: QueueId, t: Tick) -> Option<Error> {
        self.with_line(q, |line| line.failure(q, t.0))
    }

    /// Blocks the calling thread until tick `t` of `q` is done or failed. A tick that is still being recorded is
    /// waited for as well, so the caller must not be the one who has to submit it. Every opened tick ends: by its
    /// [`Completion`](crate::Completion), by the drop of that, or by the drop of its [`Queue`].
    ///
    /// # Errors
    ///
    /// The device's error if the tick failed, each time it is asked for.
    pub fn wait(&self, q: QueueId, t: Tick) -> Result<(), Error> {
        self.with_line(q, |line| line.wait(q, t.0))
    }

    /// For a device that lets the threads that wait for it work, or that makes progress only while somebody waits, on a
    /// clock of its own: `run` is called, without any lock, before a thread blocks for a tick of `q`, and returns once
    /// that tick has ended, cannot yet, or needs nobody's help. It replaces what was set for the timeline before.
    pub fn on_wait(&self, q: QueueId, run: impl Fn(QueueId, Tick) + Send + Sync + 'static) {
        self.with_line(q, |line| line.set_progress(Arc::new(run)));
    }

    /// Says that the device of `q` is idle or gone: whatever was submitted so far has ended. Ticks that nobody
    /// reported as done or failed count as failed.
    pub fn mark_idle(&self, q: QueueId) {
        self.with_line(q, |line| line.mark_idle("the device went away"));
    }

    #[inline]
    pub(crate) fn is_ended(&self, stamp: Stamp) -> bool {
        self.with_line(stamp.queue(), Timeline::done) >= stamp.tick().0
    }

    /// Blocks until the device has finished with tick `t` of `q`, whether it failed or not. This is what a recorded
    /// wait does when a stream comes to it: see [`Completion::fail`](crate::Completion::fail).
    ///
    /// # Errors
    ///
    /// If the tick was lost, so that nobody will ever say that the device has finished with it. A command buffer that
    /// waits for it has to be [lost](crate::Completion::lose) as well, and so have those after it on its stream.
    pub fn wait_ended(&self, q: QueueId, t: Tick) -> Result<(), Error> {
        self.with_line(q, |line| line.wait_ended(q, t.0))
    }

    /// Keeps `item` until all of `pending` have ended, then drops it.
    pub(crate) fn retire(&self, item: Box<dyn Send>, pending: Pending) {
        let free = {
            let mut retired = self.retired.lock();
            let free = retired.push(item, pending, &|stamp| self.is_ended(stamp));
            if free.is_none() {
                self.n_retired.fetch_add(1, Ordering::Relaxed);
            }
            free
        };
        drop(free);
        self.collect();
    }

    /// How many kernels and other resources wait for the device before they are destroyed.
    pub fn retired(&self) -> usize {
        self.n_retired.load(Ordering::Relaxed)
    }

    /// Destroys the retired resources that the device has finished with. Happens at each submit, too.
    pub fn collect(&self) {
        if self.n_retired.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut free = Vec::new();
        self.retired.lock().drain(&|stamp| self.is_ended(stamp), &mut free);
        if !free.is_empty() {
            self.n_retired.fetch_sub(free.len(), Ordering::Relaxed);
        }
    }
}

impl Drop for Timelines {
    fn drop(&mut self) {
        if sync::model_failed() {
            return;
        }
        // All streams and completions are gone. What still waits does so for a device that was lost without anyone
        // having said that it is idle: it is never destroyed, since that could be too early.
        self.collect();
        std::mem::forget(std::mem::take(&mut *self.retired.lock()));
    }
}

impl fmt::Debug for Timelines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.registry.lock().len;
        let ticks = (0..len).filter_map(|q| u16::try_from(q).ok()).map(QueueId);
        f.debug_map().entries(ticks.map(|q| (q, (self.done(q), self.open(q))))).finish()
    }
}
