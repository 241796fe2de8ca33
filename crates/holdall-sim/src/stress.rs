//! The load on a device of this machine, which has Holdall's policy: is every result right, whatever happens meanwhile?
//!
//! Each round is a random program, run first op by op on one stream, then as it is meant: on several streams, evaluated
//! behind, while one other thread trims and resizes the cache at random moments and another one drops arrays. Then once
//! more with hardly more memory than the program has in use at its peak. All results have to be equal, bit by bit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use holdall_core::device::{Device, DeviceId};
use holdall_core::{Error, ErrorKind, Result, Stream, validation};

use crate::load::{Counts, Evaluation, Menu, Missing, Outputs, Run, Workload};
use crate::random::Random;

/// Streams that programs are spread over.
const STREAMS: usize = 4;
/// Messages that are kept.
const MESSAGES: usize = 16;
/// How often a program may run out of memory, each time with an eighth more, before that counts as a violation: then it
/// has several times what it needs.
const ATTEMPTS: usize = 12;

/// Memory beyond what is in use: small blocks come in slabs, of which a few are hardly used. In bytes, and in pages of
/// the device, of which a slab has one at least.
const SLACK: (usize, usize) = (96 << 10, 3);

/// What a stress run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The first round's seed; those after it count up.
    pub seed: u64,
    /// The share of custom kernels that run in checked mode, in percent.
    pub checked_percent: usize,
    /// Each round is one graph with so many calls of custom kernels on two streams, evaluated in the end; otherwise
    /// rounds are shorter programs of random sizes, evaluated at random moments.
    pub graph_calls: Option<usize>,
}

/// What has happened so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rounds that ended.
    pub rounds: u64,
    /// What the programs did, op by op and as they are meant.
    pub counts: Counts,
    /// Blocks that the pool gave out again.
    pub blocks_reused: u64,
    /// Uses of blocks whose order was checked.
    pub uses_checked: u64,
    /// Times that the cache was trimmed or resized.
    pub trims: u64,
    /// Times that a program did not get along with the memory that it was left.
    pub out_of_memory: u64,
    /// Evaluations that failed: uses of memory that are not ordered, mistakes that checked mode found, failures of the
    /// device, memory that did not come back.
    pub violations: u64,
    /// Arrays with a wrong bit.
    pub wrong_results: u64,
    /// Elements that are NaN, which none should be.
    pub nans: u64,
    /// The first seed of a round with anything of that.
    pub first_bad_seed: Option<u64>,
    /// What was wrong; the first few.
    pub messages: Vec<String>,
}

/// Asked whether to stop.
pub type Stop<'a> = &'a dyn Fn(&Totals) -> bool;

impl Totals {
    /// Asks `stop`, with what a program has done counted in.
    fn watch<'a>(&self, stop: Stop<'a>) -> impl FnMut(Counts, u64) -> bool + use<'a> {
        let (counts, mut now) = (self.counts, self.clone());
        move |more, _| {
            now.counts = counts;
            now.counts += more;
            stop(&now)
        }
    }

    /// Whether nothing was wrong.
    pub fn is_clean(&self) -> bool {
        self.violations == 0 && self.wrong_results == 0 && self.nans == 0
    }
}

/// A stress run on one device.
#[derive(Debug)]
pub struct Stress {
    device: Arc<dyn Device>,
    streams: Vec<Stream>,
    menu: Menu,
    missing: Vec<Missing>,
    settings: Settings,
    totals: Totals,
    reused_before: u64,
    checked_before: u64,
}

impl Stress {
    /// Turns [`validation`] on, and looks at what the device can run. What it cannot is left out; a custom kernel that does not compile there, or an
    /// op whose kernel fails, is a violation.
    ///
    /// # Errors
    /// When the device does not exist, holds no arrays, or has no custom kernels.
    pub fn new(device: DeviceId, settings: Settings) -> Result<Self> {
        validation::enable();
        let streams = (0..STREAMS).map(|_| Stream::new(device)).collect::<Result<Vec<_>>>()?;
        let (menu, missing) = Menu::of(streams[0])?;
        let device = device.get()?;
        if menu.is_empty() {
            let why = missing.first().map_or(String::new(), |m| format!(": {}", m.why));
            let message = format!("{} runs no custom kernels{why}", device.info().name);
            return Err(Error::new(ErrorKind::Kernel, "stress", message));
        }
        let reused_before = device.pool().reused_blocks();
        let checked_before = validation::checked_uses();
        let mut totals = Totals::default();
        for fault in missing.iter().filter(|m| m.is_fault) {
            totals.violations += 1;
            totals.messages.push(format!("{}: {}", fault.name, fault.why));
            totals.first_bad_seed = Some(settings.seed);
        }
        totals.messages.truncate(MESSAGES);
        Ok(Self { device, streams, menu, missing, settings, totals, reused_before, checked_before })
    }

    /// What the device cannot run.
    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    /// What has happened so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The next round. `stop` is asked after each step, gets what has happened up to then, and ends the round when it says
    /// so.
    pub fn round(&mut self, stop: Stop<'_>) {
        let load = self.workload(self.settings.seed.wrapping_add(self.totals.rounds));
        let was_clean = self.totals.is_clean();
        let limit = self.device.pool().memory_limit();
        let outcome = self.compare(&load, stop);
        let pool = self.device.pool();
        pool.set_memory_limit(limit);
        self.totals.blocks_reused = pool.reused_blocks() - self.reused_before;
        self.totals.uses_checked = validation::checked_uses() - self.checked_before;
        if let Err(error) = outcome {
            self.totals.violations += 1;
            self.note(&load, &error.to_string());
        }
        if was_clean && !self.totals.is_clean() {
            self.totals.first_bad_seed = Some(load.seed);
        }
        self.totals.rounds += u64::from(!stop(&self.totals));
    }

    /// The program of a seed.
    fn workload(&self, seed: u64) -> Workload {
        let checked_percent = self.settings.checked_percent;
        if let Some(calls) = self.settings.graph_calls {
            let (ops, streams, side) = (2 * calls, 2, 48);
            return Workload { seed, ops, streams, side, checked_percent, fresh_one_in: 256, whole: true };
        }
        let mut random = Random::new(seed ^ 0x5EED);
        Workload {
            seed,
            ops: 100 + random.below(300),
            streams: 1 + random.below(STREAMS),
            // Some share slabs, some have blocks of their own.
            side: [9, 20, 31, 32, 34, 40, 64, 96][random.below(8)],
            checked_percent,
            fresh_one_in: 16,
            whole: random.one_in(3),
        }
    }

    fn compare(&mut self, load: &Workload, stop: Stop<'_>) -> Result<()> {
        let pool = self.device.pool().clone();
        let mut run = Run {
            streams: &self.streams[..1],
            menu: &self.menu,
            evaluation: Evaluation::EachOp,
            between: &mut self.totals.watch(stop),
            dropper: None,
        };
        let right = load.run(&mut run)?;
        self.totals.counts += right.counts;
        pool.reset_peak();
        let free = self.disturbed(load, stop)?;
        self.judge(load, &free, &right, "without a limit");
        drop(free);
        let mut limit = pool.peak_bytes() + SLACK.0.max(SLACK.1 * pool.driver().page_bytes());
        for attempt in 1.. {
            if stop(&self.totals) {
                break;
            }
            pool.set_memory_limit(limit);
            match self.disturbed(load, stop) {
                Err(error) if error.kind() == ErrorKind::Memory && attempt < ATTEMPTS => {
                    self.totals.out_of_memory += 1;
                    limit += limit / 8;
                }
                Err(error) => return Err(error),
                Ok(outputs) => {
                    self.judge(load, &outputs, &right, "with little memory");
                    break;
                }
            }
        }
        Ok(())
    }

    /// Runs a program while other threads disturb it.
    fn disturbed(&mut self, load: &Workload, stop: Stop<'_>) -> Result<Outputs> {
        let (pool, over, trims) = (self.device.pool().clone(), AtomicBool::new(false), AtomicU64::new(0));
        let cache_limit = pool.cache_limit();
        let (sender, receiver) = channel();
        let outcome = std::thread::scope(|scope| {
            scope.spawn(move || receiver.into_iter().for_each(drop));
            scope.spawn(|| {
                let mut random = Random::new(load.seed ^ 0x7219);
                let area = load.side * load.side * 4;
                while !over.load(Ordering::Relaxed) {
                    match random.below(4) {
                        0 => pool.clear_cache(),
                        1 => pool.trim(random.below(16 * area)),
                        2 => drop(pool.set_cache_limit(random.below(64 * area))),
                        _ => drop(pool.set_cache_limit(cache_limit)),
                    }
                    trims.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_micros(50 + random.below(3000) as u64));
                }
            });
            let outcome = load.run(&mut Run {
                streams: &self.streams,
                menu: &self.menu,
                evaluation: Evaluation::AsBuilt,
                between: &mut self.totals.watch(stop),
                dropper: (!load.whole).then_some(&sender),
            });
            over.store(true, Ordering::Relaxed);
            drop(sender);
            outcome
        });
        pool.set_cache_limit(cache_limit);
        self.totals.trims += trims.into_inner();
        if let Ok(outputs) = &outcome {
            self.totals.counts += outputs.counts;
        }
        outcome
    }

    fn judge(&mut self, load: &Workload, outputs: &Outputs, right: &Outputs, how: &str) {
        if outputs.stopped || right.stopped {
            return;
        }
        let found = outputs.difference(right);
        self.totals.wrong_results += found.arrays;
        self.totals.nans += found.nans;
        if found.elements > 0 {
            let (arrays, elements, of) = (found.arrays, found.elements, found.of);
            self.note(load, &format!("{how}: {arrays} arrays are wrong, in {elements} of {of} elements"));
        } else if found.nans > 0 {
            self.note(load, &format!("{how}: {} elements are NaN", found.nans));
        }
    }

    fn note(&mut self, load: &Workload, message: &str) {
        if self.totals.messages.len() < MESSAGES {
            self.totals.messages.push(format!("seed {}: {message}", load.seed));
        }
    }
}
