//! Drivers and seeded randomness for tests and benchmarks of kernels.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    let mut temporaries: Vec<Vec<u64>> =
        kernel.temporaries().iter().map(|bytes| vec![u64::MAX; bytes.div_ceil(8)]).collect();
    let mut memory = memory.to_vec();
    memory.extend(temporaries.iter_mut().map(|t| Slice::new(t.as_mut_ptr().cast(), 8 * t.len())));
    let counters: Vec<AtomicUsize> = (0..kernel.phases()).map(|_| AtomicUsize::new(0)).collect();
    let barrier = Barrier::new(threads);
    let member = || {
        let mut scratch = Scratch::default();
        for (phase, counter) in counters.iter().enumerate() {
            let items = kernel.items(phase);
            loop {
                let item = counter.fetch_add(1, Ordering::Relaxed);
                if item >= items {
                    break;
                }
                // SAFETY: each item is claimed once; the barrier keeps phases apart.
                unsafe { kernel.run(phase, item, &memory, &mut scratch) };
            }
            barrier.wait();
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(member);
        }
        member();
    });
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
