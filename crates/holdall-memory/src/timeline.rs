//! One stream's timeline: how far it has come, as the device reports it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::error::Error;
use crate::sync::{self, Arc, AtomicU64, Condvar, Mutex, MutexGuard, Ordering};
use crate::tick::{QueueId, Tick, TickState};

/// One stream's timeline.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// The newest tick that, with all before it, the device has finished with. Released by the device side, acquired
    /// by everyone who concludes from it that a block is free or its contents are there.
    done: AtomicU64,
    /// The tick being recorded.
    open: AtomicU64,
    /// The oldest failed tick, `u64::MAX` if there is none: the common case skips the lock.
    first_failed: AtomicU64,
    slow: Mutex<Slow>,
    ended: Condvar,
    #[cfg(loom)]
    pub(crate) publish: Ordering,
}

#[derive(Debug, Default)]
struct Slow {
    /// What `done` holds. The device side looks here before it writes `done`: a load of the atomic right before its store
    /// would hide the loads of other threads from loom, which remembers only the last access.
    done: u64,
    /// Ascending, not overlapping.
    failures: Vec<Failure>,
    /// Ticks after `done` whose completion was used.
    after: BTreeMap<u64, After>,
    /// What this stream had waited for, from each tick on. Ascending ticks.
    seen: VecDeque<(Tick, Seen)>,
    /// Called before a thread blocks.
    progress: Progress,
}

/// By queue index, the newest tick that a stream has waited for. Missing ones are zero.
pub(crate) type Seen = Box<[u64]>;

/// What makes a simulated device go on.
#[derive(Clone, Default)]
struct Progress(Option<Arc<dyn Fn(QueueId, Tick) + Send + Sync>>);

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "set" } else { "none" })
    }
}

#[derive(Debug)]
struct Failure {
    first: u64,
    last: u64,
    why: Box<str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum After {
    /// The tick has ended, but earlier ones have not.
    Ended,
    /// Nobody knows whether the tick has ended.
    Lost,
}

/// How a tick ends.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done,
    Failed(Box<str>),
    Lost(Box<str>),
}

impl Timeline {
    pub(crate) fn new() -> Self {
        Self {
            done: AtomicU64::new(0),
            open: AtomicU64::new(1),
            first_failed: AtomicU64::new(u64::MAX),
            slow: Mutex::new(Slow::default()),
            ended: Condvar::new(),
            #[cfg(loom)]
            publish: Ordering::Release,
        }
    }

    #[inline]
    pub(crate) fn done(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }

    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Acquire)
    }

    pub(crate) fn set_open(&self, tick: u64) {
        self.open.store(tick, Ordering::Release);
    }

    /// True when every tick but the open one has ended.
    pub(crate) fn is_quiet(&self) -> bool {
        self.done() + 1 == self.open()
    }

    pub(crate) fn state(&self, tick: u64) -> TickState {
        // Before the lookup of failures: a failure is recorded before its tick counts as done.
        let done = self.done();
        if self.may_have_failed(tick) && self.slow.lock().failure(tick).is_some() {
            TickState::Failed
        } else if tick <= done {
            TickState::Done
        } else if tick < self.open() {
            TickState::Submitted
        } else {
            TickState::Recording
        }
    }

    fn may_have_failed(&self, tick: u64) -> bool {
        self.first_failed.load(Ordering::Acquire) <= tick
    }

    pub(crate) fn failure(&self, queue: QueueId, tick: u64) -> Option<Error> {
        if !self.may_have_failed(tick) {
            return None;
        }
        self.slow.lock().failure(tick).map(|why| Error::failed(queue, Tick(tick), why))
    }

    /// Blocks until the tick is done or failed.
    pub(crate) fn wait(&self, queue: QueueId, tick: u64) -> Result<(), Error> {
        if self.done() < tick {
            let mut slow = self.make_progress(self.slow.lock(), queue, tick);
            while slow.done < tick && slow.failure(tick).is_none() {
                slow = sync::wait(&self.ended, slow);
            }
        }
        self.failure(queue, tick).map_or(Ok(()), Err)
    }

    /// Blocks until the device has finished with the tick, however it ended.
    ///
    /// # Errors
    ///
    /// The error of a tick of which nobody knows when the device has finished with it.
    pub(crate) fn wait_ended(&self, queue: QueueId, tick: u64) -> Result<(), Error> {
        if self.done() >= tick {
            return Ok(());
        }
        let mut slow = self.make_progress(self.slow.lock(), queue, tick);
        loop {
            let done = slow.done;
            if done >= tick {
                return Ok(());
            }
            // Nothing is left that could end the tick once all up to it, and all after it, were reported.
            let reported = slow.after.len() as u64;
            let open = self.open();
            if tick < open
                && reported == open - 1 - done
                && let Some(why) = slow.lost()
            {
                return Err(Error::failed(queue, Tick(tick), why));
            }
            slow = sync::wait(&self.ended, slow);
        }
    }

    pub(crate) fn set_progress(&self, run: Arc<dyn Fn(QueueId, Tick) + Send + Sync>) {
        self.slow.lock().progress = Progress(Some(run));
    }

    /// Gives the device the thread that is about to wait.
    fn make_progress<'a>(
        &'a self,
        slow: MutexGuard<'a, Slow>,
        queue: QueueId,
        tick: u64,
    ) -> MutexGuard<'a, Slow> {
        let Progress(Some(run)) = slow.progress.clone() else { return slow };
        drop(slow);
        run(queue, Tick(tick));
        self.slow.lock()
    }

    /// Ends a tick.
    pub(crate) fn end(&self, tick: u64, outcome: Outcome) {
        let mut slow = self.slow.lock();
        let mut done = slow.done;
        match outcome {
            Outcome::Done => done = done.max(tick),
            Outcome::Failed(why) => {
                self.record(&mut slow, tick, why);
                if tick > done {
                    slow.after.insert(tick, After::Ended);
                }
            }
            Outcome::Lost(why) => {
                self.record(&mut slow, tick, why);
                if tick > done {
                    slow.after.insert(tick, After::Lost);
                }
            }
        }
        self.advance(&mut slow, done);
    }

    /// Everything that was submitted has ended.
    pub(crate) fn mark_idle(&self, why: &str) {
        let mut slow = self.slow.lock();
        let submitted = self.open() - 1;
        // What nobody reported did not succeed as far as anyone knows.
        for tick in slow.done + 1..=submitted {
            if !slow.after.contains_key(&tick) {
                self.record(&mut slow, tick, why.into());
            }
        }
        self.advance(&mut slow, submitted);
    }

    fn advance(&self, slow: &mut Slow, mut done: u64) {
        slow.after.retain(|&tick, _| tick > done);
        while slow.after.get(&(done + 1)) == Some(&After::Ended) {
            slow.after.remove(&(done + 1));
            done += 1;
        }
        // From `done` on, the entry that holds there is the last that can matter.
        while slow.seen.get(1).is_some_and(|(tick, _)| tick.0 <= done + 1) {
            slow.seen.pop_front();
        }
        slow.done = done;
        #[cfg(not(loom))]
        self.done.store(done, Ordering::Release);
        #[cfg(loom)]
        self.done.store(done, self.publish);
        self.ended.notify_all();
    }

    fn record(&self, slow: &mut Slow, tick: u64, why: Box<str>) {
        if slow.failure(tick).is_some() {
            return;
        }
        let at = slow.failures.partition_point(|failure| failure.last < tick);
        match at.checked_sub(1).map(|before| &mut slow.failures[before]) {
            Some(before) if before.last + 1 == tick && before.why == why => before.last = tick,
            _ => slow.failures.insert(at, Failure { first: tick, last: tick, why }),
        }
        let oldest = slow.failures[0].first;
        self.first_failed.store(oldest, Ordering::Release);
    }

    /// Notes that from `tick` on the stream has seen `seen`.
    pub(crate) fn push_seen(&self, tick: Tick, seen: Seen) {
        let mut slow = self.slow.lock();
        if slow.seen.back().is_some_and(|&(last, _)| last == tick) {
            slow.seen.pop_back();
        }
        slow.seen.push_back((tick, seen));
    }

    /// The open tick will never run: its waits will not be performed.
    pub(crate) fn forget_seen(&self, tick: u64) {
        self.slow.lock().seen.retain(|&(from, _)| from.0 < tick);
    }

    /// Calls `f` with what the stream had seen at `tick`, if the tick was submitted and has not ended. An open one may
    /// still be dropped with its waits, and what an ended one had waited for has ended, too.
    pub(crate) fn with_seen(&self, tick: Tick, f: impl FnOnce(&[u64])) {
        if self.done() >= tick.0 {
            return;
        }
        let slow = self.slow.lock();
        if tick.0 >= self.open() {
            return;
        }
        let at = slow.seen.partition_point(|&(from, _)| from <= tick);
        if let Some((_, seen)) = at.checked_sub(1).and_then(|at| slow.seen.get(at)) {
            f(seen);
        }
    }
}

impl Slow {
    fn failure(&self, tick: u64) -> Option<&str> {
        let at = self.failures.partition_point(|failure| failure.last < tick);
        self.failures.get(at).filter(|failure| failure.first <= tick).map(|failure| &*failure.why)
    }

    fn lost(&self) -> Option<&str> {
        let (&tick, _) = self.after.iter().find(|&(_, &after)| after == After::Lost)?;
        self.failure(tick)
    }
}
