//! Drivers for tests and benchmarks: a kernel run by one thread, or by a team of its own.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::kernel::{Kernel, Scratch, Slice};

/// Runs all items of all phases in order.
///
/// # Safety
/// As [`Kernel::run`], for all items.
pub unsafe fn run_serial(kernel: &dyn Kernel, memory: &[Slice], scratch: &mut Scratch) {
    for phase in 0..kernel.phases() {
        for item in 0..kernel.items(phase) {
            // SAFETY: passed on to the caller; items run one after another.
            unsafe { kernel.run(phase, item, memory, scratch) };
        }
    }
}

/// Runs kernels one after another, each with its own memory, on `threads` threads that claim items; the threads wait
/// for each other after every phase. Gives the seconds that each kernel took, from the first
/// thread's leaving the one before to the first thread's leaving it.
///
/// # Safety
/// As [`Kernel::run`], for all items of all kernels.
pub unsafe fn run_team(threads: usize, work: &[(&dyn Kernel, Vec<Slice>)]) -> Vec<f64> {
    let phases: usize = work.iter().map(|(kernel, _)| kernel.phases()).sum();
    let counters: Vec<AtomicUsize> = (0..phases).map(|_| AtomicUsize::new(0)).collect();
    let gate = Gate::new(threads);
    let start = Barrier::new(threads);
    let origin = Instant::now();
    let member = || {
        let mut scratch = Scratch::default();
        // When this thread left the start, and each kernel.
        let mut times = Vec::with_capacity(work.len() + 1);
        start.wait();
        times.push(origin.elapsed().as_secs_f64());
        let mut phases = counters.iter().enumerate();
        for (kernel, memory) in work {
            for (phase, (number, next)) in (0..kernel.phases()).zip(&mut phases) {
                let items = kernel.items(phase);
                loop {
                    let item = next.fetch_add(1, Ordering::Relaxed);
                    if item >= items {
                        break;
                    }
                    // SAFETY: passed on to the caller; the counter gives each item once, the gate separates phases.
                    unsafe { kernel.run(phase, item, memory, &mut scratch) };
                }
                gate.wait(number + 1);
            }
            times.push(origin.elapsed().as_secs_f64());
        }
        times
    };
    let times: Vec<Vec<f64>> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(member)).collect();
        let mine = member();
        others.into_iter().filter_map(|other| other.join().ok()).chain([mine]).collect()
    });
    let first = |i: usize| times.iter().map(|times| times[i]).fold(f64::INFINITY, f64::min);
    (0..work.len()).map(|i| first(i + 1) - first(i)).collect()
}

/// A barrier that spins, since phases are a few microseconds apart.
struct Gate {
    threads: usize,
    arrived: AtomicUsize,
}

impl Gate {
    fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0) }
    }

    /// Waits until every thread has come for the `round`-th time.
    fn wait(&self, round: usize) {
        self.arrived.fetch_add(1, Ordering::AcqRel);
        let mut spins = 0u32;
        while self.arrived.load(Ordering::Acquire) < round * self.threads {
            spins += 1;
            if spins.is_multiple_of(4096) {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
    }
}
