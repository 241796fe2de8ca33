//! Timelines: how far each stream has come, as the device reports it.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use smallvec::SmallVec;

use crate::error::Error;
use crate::queue::Queue;
use crate::retire::RetireList;
use crate::sync::{self, Arc, AtomicU64, AtomicUsize, Condvar, Mutex, Ordering};
use crate::tick::{QueueId, Tick, TickState};

/// Timelines that are found without a lock. More streams than this share a table behind a mutex.
#[cfg(not(loom))]
const DIRECT: usize = 32;
#[cfg(loom)]
const DIRECT: usize = 2;

/// The timelines of all streams of the process: every stream that may exchange blocks registers in the same one.
pub struct Timelines {
    direct: [Arc<Timeline>; DIRECT],
    more: Mutex<Vec<Arc<Timeline>>>,
    registry: Mutex<Registry>,
    resources: Mutex<RetireList<Box<dyn Send>>>,
    /// How many resources wait in the list, so that a submit without any takes no lock.
    retired_resources: AtomicUsize,
}

#[derive(Default)]
struct Registry {
    len: usize,
    /// Timelines whose stream is gone. One is handed to a new stream when all its ticks have ended.
    free: Vec<QueueId>,
}

/// One stream's timeline.
pub(crate) struct Timeline {
    /// Newest tick that, with all before it, the device has finished with.
    done: AtomicU64,
    /// The tick being recorded.
    open: AtomicU64,
    /// The oldest failed tick; `u64::MAX` if none failed. Lets the common case skip the lock.
    first_failed: AtomicU64,
    slow: Mutex<Slow>,
    ended: Condvar,
}

#[derive(Default)]
struct Slow {
    failures: Vec<Failure>,
    /// Ticks after `done` that ended early: they never ran, and earlier ones still do.
    ended_early: BTreeSet<u64>,
    /// What this stream had waited for, from each tick on. Ascending ticks.
    seen: VecDeque<(Tick, SeenSnapshot)>,
}

/// For each queue by index, the newest tick waited for. Shorter than the registry when the rest is zero.
pub(crate) type SeenSnapshot = Box<[u64]>;

struct Failure {
    first: u64,
    last: u64,
    why: Box<str>,
}

impl Timelines {
    /// An empty registry.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            direct: std::array::from_fn(|_| Arc::new(Timeline::new())),
            more: Mutex::new(Vec::new()),
            registry: Mutex::new(Registry::default()),
            resources: Mutex::new(RetireList::default()),
            retired_resources: AtomicUsize::new(0),
        })
    }

    /// Registers a new stream and opens its first tick.
    ///
    /// # Panics
    ///
    /// When 65,536 streams are alive at once.
    pub fn register(self: &Arc<Self>) -> Queue {
        let mut registry = self.registry.lock();
        let reusable = registry.free.iter().position(|&q| self.timeline(q, Timeline::all_ended));
        let id = match reusable {
            Some(at) => registry.free.swap_remove(at),
            None => {
                let Ok(index) = u16::try_from(registry.len) else {
                    panic!("more than {} streams are alive", u16::MAX as u32 + 1);
                };
                registry.len += 1;
                if usize::from(index) >= DIRECT {
                    self.more.lock().push(Arc::new(Timeline::new()));
                }
                QueueId(index)
            }
        };
        let open = self.timeline(id, |line| Tick(line.open.load(Ordering::Acquire)));
        Queue::new(self.clone(), id, open)
    }

    fn timeline<R>(&self, q: QueueId, f: impl FnOnce(&Timeline) -> R) -> R {
        match self.direct.get(q.index()) {
            Some(line) => f(line),
            None => f(&self.shared(q)),
        }
    }

    fn shared(&self, q: QueueId) -> Arc<Timeline> {
        match self.direct.get(q.index()) {
            Some(line) => line.clone(),
            None => self.more.lock()[q.index() - DIRECT].clone(),
        }
    }

    /// The newest tick of `q` that the device has finished with, together with all before it.
    pub fn done(&self, q: QueueId) -> Tick {
        self.timeline(q, |line| Tick(line.done.load(Ordering::Acquire)))
    }

    /// True when the device has finished with tick `t` of `q` and will not touch its blocks again.
    pub fn is_done(&self, q: QueueId, t: Tick) -> bool {
        self.done(q) >= t
    }

    /// The tick that `q` is recording.
    pub fn open(&self, q: QueueId) -> Tick {
        self.timeline(q, |line| Tick(line.open.load(Ordering::Acquire)))
    }

    /// How far tick `t` of `q` has come.
    pub fn state(&self, q: QueueId, t: Tick) -> TickState {
        self.timeline(q, |line| line.state(t))
    }

    /// The error of a failed tick, if it failed.
    pub fn failure(&self, q: QueueId, t: Tick) -> Option<Error> {
        self.timeline(q, |line| line.failure(q, t))
    }

    /// Blocks the calling thread until tick `t` of `q` has ended. A tick that is still being recorded is waited
    /// for as well: the caller must not be the one who has to submit it.
    ///
    /// # Errors
    ///
    /// The device's error if the tick failed, each time it is asked for.
    pub fn wait(&self, q: QueueId, t: Tick) -> Result<(), Error> {
        self.shared(q).wait(q, t)
    }

    /// The device of stream `q` is idle or gone: whatever was submitted to it so far has ended, including ticks that
    /// failed without the device having said so.
    pub fn mark_idle(&self, q: QueueId) {
        self.timeline(q, |line| line.mark_idle());
    }
}

impl fmt::Debug for Timelines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timelines").finish_non_exhaustive()
    }
}

impl Timeline {
    fn new() -> Self {
        Self {
            done: AtomicU64::new(0),
            open: AtomicU64::new(1),
            first_failed: AtomicU64::new(u64::MAX),
            slow: Mutex::new(Slow::default()),
            ended: Condvar::new(),
        }
    }

    fn all_ended(&self) -> bool {
        self.done.load(Ordering::Acquire) + 1 == self.open.load(Ordering::Acquire)
    }

    fn state(&self, t: Tick) -> TickState {
        if self.first_failed.load(Ordering::Acquire) <= t.0 && self.slow.lock().failed(t.0).is_some() {
            TickState::Failed
        } else if t.0 <= self.done.load(Ordering::Acquire) {
            TickState::Done
        } else if t.0 < self.open.load(Ordering::Acquire) {
            TickState::Submitted
        } else {
            TickState::Recording
        }
    }

    fn failure(&self, q: QueueId, t: Tick) -> Option<Error> {
        if self.first_failed.load(Ordering::Acquire) > t.0 {
            return None;
        }
        self.slow.lock().failed(t.0).map(|failure| Error::failed(q, t, &failure.why))
    }

    fn wait(&self, q: QueueId, t: Tick) -> Result<(), Error> {
        let failure = if self.done.load(Ordering::Acquire) >= t.0 {
            self.failure(q, t)
        } else {
            let mut slow = self.slow.lock();
            loop {
                if let Some(failure) = slow.failed(t.0) {
                    break Some(Error::failed(q, t, &failure.why));
                }
                if self.done.load(Ordering::Acquire) >= t.0 {
                    break None;
                }
                slow = sync::wait(&self.ended, slow);
            }
        };
        failure.map_or(Ok(()), Err)
    }

    fn mark_idle(&self) {
        let slow = self.slow.lock();
        let _ = slow;
    }
}

impl Slow {
    fn failed(&self, t: u64) -> Option<&Failure> {
        self.failures.iter().find(|failure| failure.first <= t && t <= failure.last)
    }
}

/// A short list of queues and ticks.
pub(crate) type Stamps = SmallVec<[(QueueId, Tick); 4]>;
