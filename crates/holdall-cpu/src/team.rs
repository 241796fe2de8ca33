//! The threads that run a command buffer together.
//!
//! A job is a list of *stages*; the items of a stage are independent. Every member of the team walks the stages in
//! order: it claims items from the stage's counter until none is left, then waits until all are finished, whoever ran
//! them. So nobody waits for a member that is late: one that arrives after the work is done finds nothing to claim,
//! and a thread that the system put aside holds up at most the item that it has in hand.
//!
//! Helpers are rayon's threads. They stay with the team as long as command buffers keep coming and a little longer,
//! spinning, since waking a sleeping thread costs more than a whole small kernel.
//!
//! A thread that waits for a value is a *guest*: it works on the jobs until its value is there, and a helper leaves its
//! seat to it. So there are never more running threads than seats. It matters where a program records its next step
//! while the device computes the last one: a thread that wakes up on a busy machine takes the processor of one that is
//! in the middle of an item, for which all others then wait.

use std::cell::RefCell;
use std::hint;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use holdall_core::Origin;
use parking_lot::{Condvar, Mutex};
use smallvec::SmallVec;

use crate::kernel::{Kernel, Scratch, Slice};

/// How long the team stays awake after its last job.
pub const LINGER: Duration = Duration::from_micros(200);

/// How long the seat of a guest that left is kept: it is likely recording what to wait for next.
const KEPT_SEAT: Duration = Duration::from_millis(2);

/// How often a helper without a seat looks whether one is free.
const LOOK_AGAIN: Duration = Duration::from_micros(500);

/// A kernel with its memory.
#[derive(Debug)]
pub struct Task {
    /// What to run.
    pub kernel: Arc<dyn Kernel>,
    /// Its bindings.
    pub memory: SmallVec<[Slice; 4]>,
    /// The op, for messages.
    pub op: &'static str,
    /// Where that op was built, if it was.
    pub origin: Option<Origin>,
}

/// Items that may run at once.
#[derive(Debug)]
struct Stage {
    /// Tasks, the phase to run of each, and the index of each one's first item.
    parts: SmallVec<[(u32, u32, usize); 4]>,
    items: usize,
    next: AtomicUsize,
    finished: AtomicUsize,
}

/// A command buffer made ready to run.
#[derive(Debug)]
pub struct Job {
    tasks: Vec<Task>,
    stages: Vec<Stage>,
    failure: Mutex<Option<String>>,
    failed: AtomicBool,
    is_parallel: bool,
}

impl Job {
    /// A job of these tasks; those marked wait for everything before them.
    pub fn new(tasks: Vec<(Task, bool)>) -> Self {
        let mut stages: Vec<Stage> = Vec::with_capacity(tasks.len());
        // Stages that began after the last barrier: a later task without one joins them, phase by phase.
        let mut open = 0;
        let mut kept = Vec::with_capacity(tasks.len());
        for (i, (task, barrier)) in tasks.into_iter().enumerate() {
            if barrier {
                open = stages.len();
            }
            for phase in 0..task.kernel.phases() {
                let items = task.kernel.items(phase);
                if open + phase == stages.len() {
                    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
                    stages.push(Stage { parts: SmallVec::new(), items: 0, next, finished });
                }
                let stage = &mut stages[open + phase];
                stage.parts.push((i as u32, phase as u32, stage.items));
                stage.items += items;
            }
            kept.push(task);
        }
        let is_parallel = stages.iter().any(|s| s.items > 1);
        Self { tasks: kept, stages, failure: Mutex::default(), failed: AtomicBool::new(false), is_parallel }
    }

    /// Works on the job until it is finished, or until `left` says so between two stages.
    fn work(&self, scratch: &mut Scratch, left: impl Fn() -> bool) {
        for stage in &self.stages {
            if left() {
                return;
            }
            let mut part = 0;
            loop {
                let item = stage.next.fetch_add(1, Ordering::Relaxed);
                if item >= stage.items {
                    break;
                }
                while stage.parts.get(part + 1).is_some_and(|p| p.2 <= item) {
                    part += 1;
                }
                let (task, phase, first) = stage.parts[part];
                self.run(&self.tasks[task as usize], phase as usize, item - first, scratch);
                // Release: what the item wrote is there for whoever sees it finished.
                stage.finished.fetch_add(1, Ordering::Release);
            }
            let mut spins = 0;
            while stage.finished.load(Ordering::Acquire) < stage.items {
                pause(&mut spins);
            }
        }
    }

    fn run(&self, task: &Task, phase: usize, item: usize, scratch: &mut Scratch) {
        if self.failed.load(Ordering::Relaxed) {
            return;
        }
        // SAFETY: the recorder bound what the kernel was made for, and its barriers put commands that touch the same
        // block into different stages; a stage's counter gives each item once, and stages run one after the other.
        let run = || unsafe { task.kernel.run(phase, item, &task.memory, scratch) };
        let failure = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(()) => scratch.take_failure().map(|message| match task.origin {
                Some(origin) => format!("{} built at {origin}: {message}", task.op),
                None => format!("{}: {message}", task.op),
            }),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
                Some(format!("{}: the kernel {:?} panicked: {text}", task.op, task.kernel))
            }
        };
        if let Some(failure) = failure {
            self.failure.lock().get_or_insert(failure);
            self.failed.store(true, Ordering::Relaxed);
        }
    }

    /// Why the job failed, if it did.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }
}

fn pause(spins: &mut u32) {
    *spins += 1;
    if *spins < 4000 { hint::spin_loop() } else { std::thread::yield_now() }
}

/// The threads that help streams with their jobs. One stream has them at a time; others meanwhile work alone.
#[derive(Debug)]
pub struct Team {
    pool: Option<rayon::ThreadPool>,
    busy: Mutex<()>,
    board: Board,
}

impl Team {
    /// A team of `members`, the stream's own thread included.
    pub fn new(members: usize) -> Self {
        let build = |helpers| {
            rayon::ThreadPoolBuilder::new()
                .num_threads(helpers)
                .thread_name(|i| format!("holdall-cpu-{i}"))
                .build()
                .ok()
        };
        // Without helpers everything still runs, on the streams' threads alone.
        let pool = (members > 1).then(|| build(members - 1)).flatten();
        let seats = if pool.is_some() { members - 1 } else { 0 };
        Self { pool, busy: Mutex::new(()), board: Board::new(seats) }
    }

    /// How many threads work on a job.
    pub fn members(&self) -> usize {
        self.board.seats + 1
    }

    /// Runs a job, then those that `next` gives while it gives any, and `ended` after each. `next` is asked again
    /// and again for as long as the team lingers.
    pub fn run(
        &self,
        first: Arc<Job>,
        scratch: &mut Scratch,
        mut next: impl FnMut() -> Option<Arc<Job>>,
        mut ended: impl FnMut(&Job),
    ) {
        let helpers = self.pool.as_ref().zip(self.busy.try_lock());
        let (Some((pool, _owner)), true) = (helpers, first.is_parallel) else {
            first.work(scratch, || false);
            return ended(&first);
        };
        let board = &self.board;
        board.closed.store(false, Ordering::Release);
        pool.in_place_scope(|scope| {
            for seat in 0..board.seats {
                scope.spawn(move |_| board.help(seat));
            }
            let _close = Close(board);
            let mut job = first;
            loop {
                board.post(&job);
                job.work(scratch, || false);
                ended(&job);
                let idle = Instant::now();
                let found = loop {
                    if let Some(job) = next() {
                        break Some(job);
                    }
                    if idle.elapsed() > LINGER {
                        break None;
                    }
                    hint::spin_loop();
                };
                match found {
                    Some(found) => job = found,
                    None => break,
                }
            }
        });
    }

    /// Lets the calling thread, which waits for something, work on jobs until `is_done`, or until there have been none
    /// for a while.
    pub fn assist(&self, is_done: &dyn Fn() -> bool) {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        let Some(_seat) = self.board.sit() else { return };
        // A kernel that waits, on this thread, for another array would find the scratch in use: it goes without help.
        let _ = SCRATCH.try_with(|scratch| {
            if let Ok(mut scratch) = scratch.try_borrow_mut() {
                self.board.work(&mut scratch, is_done, || true);
            }
        });
    }
}

/// Where the stream that has the team posts jobs.
#[derive(Debug)]
struct Board {
    job: Mutex<Option<Arc<Job>>>,
    /// How many jobs have been posted.
    posted: AtomicUsize,
    /// Whether helpers shall go home.
    closed: AtomicBool,
    /// Threads that work besides the stream's own.
    seats: usize,
    guests: Mutex<Guests>,
    /// Wakes helpers that have no seat.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Guests {
    present: usize,
    /// When the last one left.
    left: Option<Instant>,
}

impl Board {
    fn new(seats: usize) -> Self {
        Self {
            job: Mutex::default(),
            posted: AtomicUsize::new(0),
            closed: AtomicBool::new(true),
            seats,
            guests: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn post(&self, job: &Arc<Job>) {
        if job.is_parallel {
            *self.job.lock() = Some(job.clone());
            self.posted.fetch_add(1, Ordering::Release);
        }
    }

    /// Works on what is posted, until `is_done`, or until nothing has been posted for a while and `is_tired`.
    fn work(&self, scratch: &mut Scratch, is_done: &dyn Fn() -> bool, is_tired: impl Fn() -> bool) {
        let mut seen = 0;
        let mut idle: Option<Instant> = None;
        loop {
            // In this order: whoever sees a new job also sees that what ended before it was posted is done.
            let posted = self.posted.load(Ordering::Acquire);
            if is_done() {
                return;
            }
            if posted != seen {
                (seen, idle) = (posted, None);
                let job = self.job.lock().clone();
                if let Some(job) = job {
                    job.work(scratch, is_done);
                }
            } else if idle.get_or_insert_with(Instant::now).elapsed() > LINGER {
                if is_tired() {
                    return;
                }
                std::thread::yield_now();
            } else {
                hint::spin_loop();
            }
        }
    }

    /// A helper: works while it has a seat.
    fn help(&self, seat: usize) {
        let mut scratch = Scratch::default();
        let is_closed = || self.closed.load(Ordering::Acquire);
        while !is_closed() {
            let mut guests = self.guests.lock();
            if seat < self.seats - guests.seats(self.seats) {
                drop(guests);
                let is_done = || is_closed() || seat >= self.seats - self.guests.lock().seats(self.seats);
                self.work(&mut scratch, &is_done, || false);
            } else {
                self.changed.wait_for(&mut guests, LOOK_AGAIN);
            }
        }
    }

    /// A seat for a guest, if not all are taken.
    fn sit(&self) -> Option<Seat<'_>> {
        let mut guests = self.guests.lock();
        (guests.present < self.seats).then(|| {
            guests.present += 1;
            Seat(self)
        })
    }
}

impl Guests {
    /// The seats that are theirs.
    fn seats(&self, all: usize) -> usize {
        let kept = self.left.is_some_and(|left| left.elapsed() < KEPT_SEAT);
        (self.present + usize::from(kept)).min(all)
    }
}

/// A guest's place.
struct Seat<'a>(&'a Board);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut guests = self.0.guests.lock();
        guests.present -= 1;
        guests.left = Some(Instant::now());
    }
}

/// Sends the helpers home, also when a callback panics.
struct Close<'a>(&'a Board);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
        // Under the lock: a helper that has looked but does not wait yet would miss it.
        let _guests = self.0.guests.lock();
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread::{self, ThreadId};

    use super::*;

    /// Two items that wait for each other, so that it takes two threads to run them.
    #[derive(Debug, Default)]
    struct Pair {
        started: AtomicUsize,
        threads: Mutex<HashSet<ThreadId>>,
    }

    impl Kernel for Pair {
        fn items(&self, _: usize) -> usize {
            2
        }

        unsafe fn run(&self, _: usize, _: usize, _: &[Slice], scratch: &mut Scratch) {
            self.threads.lock().insert(thread::current().id());
            self.started.fetch_add(1, Ordering::AcqRel);
            let start = Instant::now();
            while self.started.load(Ordering::Acquire) < 2 {
                if start.elapsed() > Duration::from_secs(20) {
                    return scratch.fail("nobody came");
                }
                thread::yield_now();
            }
        }
    }

    fn job_of(pair: &Arc<Pair>) -> Arc<Job> {
        Arc::new(Job::new(vec![(
            Task { kernel: pair.clone(), memory: SmallVec::new(), op: "pair", origin: None },
            false,
        )]))
    }

    #[test]
    fn a_helper_works_when_there_is_no_guest() {
        let (team, pair) = (Team::new(2), Arc::new(Pair::default()));
        let job = job_of(&pair);
        team.run(job.clone(), &mut Scratch::default(), || None, |_| ());
        assert_eq!(job.failure(), None);
        assert_eq!(pair.threads.lock().len(), 2);
    }

    #[test]
    fn a_guest_works_in_the_seat_of_a_helper() {
        let (team, pair) = (Team::new(2), Arc::new(Pair::default()));
        let (seated, ended) = (AtomicBool::new(false), AtomicBool::new(false));
        let job = job_of(&pair);
        let guest = thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                // Again and again: a guest that finds no job for a while goes.
                while !ended.load(Ordering::Acquire) {
                    team.assist(&|| {
                        seated.store(true, Ordering::Release);
                        ended.load(Ordering::Acquire)
                    });
                }
                thread::current().id()
            });
            while !seated.load(Ordering::Acquire) {
                thread::yield_now();
            }
            team.run(job.clone(), &mut Scratch::default(), || None, |_| ended.store(true, Ordering::Release));
            waiting.join().unwrap()
        });
        assert_eq!(job.failure(), None);
        assert!(pair.threads.lock().contains(&guest), "the helper ran in place of the guest");
    }

    #[test]
    fn a_team_of_one_has_no_seat_for_guests() {
        let team = Team::new(1);
        team.assist(&|| false);
    }
}
