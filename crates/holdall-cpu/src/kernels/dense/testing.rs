//! Drivers and seeded randomness for tests and benchmarks of kernels.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::kernel::{Kernel, Scratch, Slice};

/// Runs all phases on this thread, with fresh temporaries.
///
/// # Safety
/// As for [`Kernel::run`], where `memory` leaves out the temporaries.
pub unsafe fn run_serial(kernel: &dyn Kernel, memory: &[Slice]) {
    // SAFETY: the caller's.
    unsafe { run_team(kernel, memory, 1) };
}

/// Runs all phases on `threads` threads that claim items from a counter, with fresh temporaries.
///
/// # Safety
/// As for [`Kernel::run`], where `memory` leaves out the temporaries.
pub unsafe fn run_team(kernel: &dyn Kernel, memory: &[Slice], threads: usize) {
    // SAFETY: the caller's.
    Team::with(kernel, memory, threads, |team| unsafe { team.run() });
}

/// Threads that wait, spinning, for runs of one kernel.
#[derive(Debug)]
pub struct Team<'a> {
    kernel: &'a dyn Kernel,
    memory: Vec<Slice>,
    threads: usize,
    /// The next item; counted up over all phases and runs.
    next: AtomicUsize,
    /// Members that have come to the end of a phase, counted up likewise.
    arrived: AtomicUsize,
    /// Runs that were asked for.
    asked: AtomicUsize,
    over: AtomicBool,
}

impl<'a> Team<'a> {
    /// Calls `f` with a team of `threads` threads, the caller's included.
    pub fn with<R>(
        kernel: &'a dyn Kernel,
        memory: &[Slice],
        threads: usize,
        f: impl FnOnce(&Team<'a>) -> R,
    ) -> R {
        // NaN, so that what nobody wrote shows.
        let mut temporaries: Vec<Vec<u64>> =
            kernel.temporaries().iter().map(|bytes| vec![u64::MAX; bytes.div_ceil(8)]).collect();
        let mut memory = memory.to_vec();
        memory.extend(temporaries.iter_mut().map(|t| Slice::new(t.as_mut_ptr().cast(), 8 * t.len())));
        let zero = AtomicUsize::default;
        let over = AtomicBool::new(false);
        let team = Team { kernel, memory, threads, next: zero(), arrived: zero(), asked: zero(), over };
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| {
                    let (mut scratch, mut done) = (Scratch::default(), 0);
                    while !team.over.load(Ordering::Acquire) {
                        if team.asked.load(Ordering::Acquire) > done {
                            // SAFETY: whoever called `run` vouched for it.
                            unsafe { team.member(done, &mut scratch) };
                            done += 1;
                        }
                        std::hint::spin_loop();
                    }
                });
            }
            let _end = End(&team.over);
            f(&team)
        })
    }

    /// Runs all phases once, from the thread that made the team.
    ///
    /// # Safety
    /// As for [`Kernel::run`].
    pub unsafe fn run(&self) {
        thread_local!(static SCRATCH: RefCell<Scratch> = RefCell::default());
        let run = self.asked.fetch_add(1, Ordering::AcqRel);
        // SAFETY: the caller's.
        SCRATCH.with_borrow_mut(|scratch| unsafe { self.member(run, scratch) });
    }

    /// # Safety
    /// As for [`Kernel::run`].
    unsafe fn member(&self, run: usize, scratch: &mut Scratch) {
        let phases = self.kernel.phases();
        let every: usize = (0..phases).map(|phase| self.kernel.items(phase) + self.threads).sum();
        let mut first = run * every;
        for phase in 0..phases {
            let items = self.kernel.items(phase);
            loop {
                let item = self.next.fetch_add(1, Ordering::AcqRel) - first;
                if item >= items {
                    break;
                }
                // SAFETY: each item is claimed once; members wait for each other between phases.
                unsafe { self.kernel.run(phase, item, &self.memory, scratch) };
            }
            // Each member has claimed one item too many.
            first += items + self.threads;
            self.arrived.fetch_add(1, Ordering::AcqRel);
            while self.arrived.load(Ordering::Acquire) < (run * phases + phase + 1) * self.threads {
                std::hint::spin_loop();
            }
        }
    }
}

/// Ends the team's threads, also when a test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A small generator (splitmix64), so that tests name their seed.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that repeats itself for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A value in −1..1.
    pub fn uniform(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / 8_388_608.0 - 1.0
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// One of `all`.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
