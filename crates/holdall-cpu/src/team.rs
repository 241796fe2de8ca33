//! The threads that run a command buffer together.
//!
//! A job is a list of *stages*; the items of a stage are independent. Every member of the team walks the stages in
//! order: it claims items from the stage's counter until none is left, then waits until all are finished, whoever ran
//! them. So nobody waits for a member that is late: one that arrives after the work is done finds nothing to claim,
//! and a thread that the system put aside holds up at most the item that it has in hand.
//!
//! Threads are rayon's. They stay with the team as long as command buffers keep coming and a little longer, spinning,
//! since waking a sleeping thread costs more than a whole small kernel.

use std::hint;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use smallvec::SmallVec;

use crate::kernel::{Kernel, Scratch, Slice};

/// How long the team stays awake after its last job.
pub const LINGER: Duration = Duration::from_micros(200);

/// A kernel with its memory.
#[derive(Debug)]
pub struct Task {
    /// What to run.
    pub kernel: Arc<dyn Kernel>,
    /// Its bindings.
    pub memory: SmallVec<[Slice; 4]>,
    /// The op, for messages.
    pub op: &'static str,
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

    /// Works on the job until it is finished.
    fn work(&self, scratch: &mut Scratch) {
        for stage in &self.stages {
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
            Ok(()) => scratch.take_failure().map(|message| format!("{}: {message}", task.op)),
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
    members: usize,
    busy: Mutex<()>,
}

/// Where the owner of the team posts jobs.
#[derive(Debug, Default)]
struct Board {
    job: Mutex<Option<Arc<Job>>>,
    posted: AtomicUsize,
    closed: AtomicBool,
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
        Self { members: if pool.is_some() { members } else { 1 }, pool, busy: Mutex::new(()) }
    }

    /// How many threads work on a job.
    pub fn members(&self) -> usize {
        self.members
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
            first.work(scratch);
            return ended(&first);
        };
        let board = Board::default();
        pool.in_place_scope(|scope| {
            for _ in 1..self.members {
                scope.spawn(|_| board.help());
            }
            let _close = Close(&board);
            let mut job = first;
            loop {
                board.post(&job);
                job.work(scratch);
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
}

/// Sends the helpers home, also when a callback panics.
struct Close<'a>(&'a Board);

impl Drop for Close<'_> {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
    }
}

impl Board {
    fn post(&self, job: &Arc<Job>) {
        if job.is_parallel {
            *self.job.lock() = Some(job.clone());
            self.posted.fetch_add(1, Ordering::Release);
        }
    }

    fn help(&self) {
        let mut scratch = Scratch::default();
        let mut seen = 0;
        let mut spins = 0;
        while !self.closed.load(Ordering::Acquire) {
            let posted = self.posted.load(Ordering::Acquire);
            if posted == seen {
                pause(&mut spins);
                continue;
            }
            (seen, spins) = (posted, 0);
            let job = self.job.lock().clone();
            if let Some(job) = job {
                job.work(&mut scratch);
            }
        }
    }
}
