//! The load: random programs of custom kernels and built-in ops.

mod kernels;
mod menu;
mod ops;
mod step;

use std::ops::AddAssign;
use std::sync::mpsc::Sender;

use holdall_core::{Array, Result, Stream, async_eval};

use crate::random::Random;
pub use menu::{Menu, Missing};
pub use step::Counts;
use step::Step;

/// A random program over squares of float32: by turns a call of a custom kernel (threadgroup memory, SIMD operations,
/// atomics, several outputs, strided inputs, narrow types, templates) and a built-in op (elementwise ops, views,
/// products, softmax, sorting, updates in place), on several streams; arrays are dropped at random moments, the moment
/// nobody needs them. The same workload is the same program on every device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Decides the program, and on a simulated device the order in which it runs.
    pub seed: u64,
    /// How many steps, every other of which calls a custom kernel.
    pub ops: usize,
    /// On how many streams.
    pub streams: usize,
    /// Arrays are squares of so many elements a side.
    pub side: usize,
    /// The share of custom kernels that run in checked mode, in percent.
    pub checked_percent: usize,
    /// Once in so many calls, a custom kernel has a text that was not there before.
    pub fresh_one_in: usize,
    /// Whether the whole program is one graph, evaluated in the end; else it evaluates at random moments, mostly without
    /// waiting.
    pub whole: bool,
}

impl Default for Workload {
    /// 200 ops on 3 streams over arrays of 40 × 40, evaluated at random moments; one call in 10 is checked, one in 16 a
    /// new kernel.
    fn default() -> Self {
        Self { seed: 0, ops: 200, streams: 3, side: 40, checked_percent: 10, fresh_one_in: 16, whole: false }
    }
}

/// When a program evaluates what it builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// Each op before the next one is built, unchecked: the results that all others have to give.
    EachOp,
    /// As the workload says, and besides each custom kernel before the next op is built.
    EachCustomKernel,
    /// As the workload says.
    AsBuilt,
}

/// Where and how a program runs.
pub struct Run<'a> {
    /// Its streams, of one device; if there are fewer than the workload's, some do for several.
    pub streams: &'a [Stream],
    /// What the device can run.
    pub menu: &'a Menu,
    /// When it evaluates.
    pub evaluation: Evaluation,
    /// Called after each step with what was done so far, and a random number that the program does not depend on. True ends
    /// the program.
    pub between: &'a mut dyn FnMut(Counts, u64) -> bool,
    /// Drops half of the arrays on another thread.
    pub dropper: Option<&'a Sender<Array>>,
}

impl std::fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run")
            .field("streams", &self.streams)
            .field("evaluation", &self.evaluation)
            .finish_non_exhaustive()
    }
}

/// What a program gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// The elements of each array that it read, and in the end of all that it kept.
    pub arrays: Vec<Vec<f32>>,
    /// What it did for that.
    pub counts: Counts,
    /// Whether it was ended early.
    pub stopped: bool,
}

/// How many elements or arrays differ from what they should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Arrays with a wrong bit.
    pub arrays: u64,
    /// Elements with a wrong bit.
    pub elements: u64,
    /// Elements that are NaN.
    pub nans: u64,
    /// All elements.
    pub of: u64,
}

impl AddAssign for Difference {
    fn add_assign(&mut self, other: Self) {
        self.arrays += other.arrays;
        self.elements += other.elements;
        self.nans += other.nans;
        self.of += other.of;
    }
}

impl Outputs {
    /// Compares with the right outputs, bit by bit. A missing array or element is a wrong one.
    pub fn difference(&self, right: &Self) -> Difference {
        let mut all = Difference::default();
        for i in 0..self.arrays.len().max(right.arrays.len()) {
            let (a, b) = (self.arrays.get(i), right.arrays.get(i));
            let (a, b) = (a.map_or(&[][..], |a| a), b.map_or(&[][..], |b| b));
            let same = a.iter().zip(b).filter(|(a, b)| a.to_bits() == b.to_bits()).count();
            let (wrong, of) = (a.len().max(b.len()) - same, a.len().max(b.len()));
            all.arrays += u64::from(wrong > 0);
            all.elements += wrong as u64;
            all.nans += a.iter().filter(|v| v.is_nan()).count() as u64;
            all.of += of as u64;
        }
        all
    }
}

/// Arrays that a program keeps.
const KEPT: usize = 12;
/// Texts of each custom kernel that come again and again.
const FAMILIAR: usize = 4;

impl Workload {
    /// Runs the program.
    ///
    /// # Errors
    /// When an op or the device fails.
    pub fn run(&self, run: &mut Run<'_>) -> Result<Outputs> {
        // The program must not depend on the run: what does has numbers of its own.
        let mut random = Random::new(self.seed);
        let mut habits = Random::new(!self.seed);
        let n = self.side.max(4);
        let each = run.evaluation == Evaluation::EachOp;
        let mut outputs = Outputs::default();
        let mut kept = self.first(&mut random, run.streams)?;
        for at in 0..self.ops {
            let stream = run.streams[random.below(self.streams.max(1)) % run.streams.len()];
            let fresh = random.one_in(self.fresh_one_in.max(1));
            let salt = random.below(if fresh { 1 << 20 } else { FAMILIAR }) as u32;
            let (x, y) = (random.below(kept.len()), random.below(kept.len()));
            let make = run.menu.pick(at % 2 == 0, &mut random);
            let checked = habits.below(100) < self.checked_percent;
            let mut step = Step {
                random: &mut random,
                x: &kept[x],
                y: &kept[y],
                n,
                salt,
                checked: checked && !each && run.menu.checks(),
                each,
                each_custom: run.evaluation == Evaluation::EachCustomKernel,
                counts: &mut outputs.counts,
            };
            let made = stream.scope(|| make(&mut step))?;
            let to = random.below(KEPT);
            if to < kept.len() {
                Self::drop_one(std::mem::replace(&mut kept[to], made), run.dropper, &mut habits);
            } else {
                kept.push(made);
            }
            // Numbers are drawn whether they are needed or not, so that the program stays the same.
            let (action, which) = (random.below(40), random.below(kept.len()));
            match action {
                0..=1 if kept.len() > 4 => Self::drop_one(kept.swap_remove(which), run.dropper, &mut habits),
                2 if !self.whole => {
                    outputs.arrays.push(run.streams[0].scope(|| kept[which].to_vec::<f32>())?);
                }
                3..=16 if self.whole || each => {}
                3..=5 => async_eval(&[&kept[which]])?,
                6..=9 => kept[which].eval()?,
                10..=16 => async_eval(&kept.iter().collect::<Vec<_>>())?,
                _ => {}
            }
            if (run.between)(outputs.counts, habits.next()) {
                outputs.stopped = true;
                return Ok(outputs);
            }
        }
        let all: Vec<&Array> = kept.iter().collect();
        async_eval(&all)?;
        for x in &kept {
            outputs.arrays.push(run.streams[0].scope(|| x.to_vec::<f32>())?);
        }
        Ok(outputs)
    }

    /// What a program starts with.
    fn first(&self, random: &mut Random, streams: &[Stream]) -> Result<Vec<Array>> {
        let n = self.side.max(4);
        let make = |i: usize| {
            let data: Vec<f32> = (0..n * n).map(|_| random.below(2001) as f32 / 1000.0 - 1.0).collect();
            streams[i % streams.len()].scope(|| Array::from_slice(&data, &[n, n]))
        };
        (0..4).map(make).collect()
    }

    fn drop_one(x: Array, dropper: Option<&Sender<Array>>, habits: &mut Random) {
        match dropper {
            // If the other thread has ended, the array comes back in the error and is dropped here.
            Some(dropper) if habits.one_in(2) => drop(dropper.send(x)),
            _ => drop(x),
        }
    }
}
