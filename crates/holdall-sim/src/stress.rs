//! Random programs, and what becomes of them under each retention policy.

use std::fmt;

use holdall_core::device::{Device, DeviceId};
use holdall_core::{Array, Result, Stream, async_eval};
use holdall_memory::Policy;

use crate::device::{SimDevice, SimOptions};
use crate::random::Random;
use crate::report::Report;

/// A random program over arrays of float32: elementwise ops, views, products, softmax, updates in place, on several
/// streams; arrays are dropped and caches trimmed at random moments, and evaluation runs behind. The same workload is
/// the same program on every device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Decides the program, and on a simulated device the order in which it runs.
    pub seed: u64,
    /// How many ops.
    pub ops: usize,
    /// On how many streams.
    pub streams: usize,
    /// Arrays are squares of so many elements a side.
    pub side: usize,
}

impl Default for Workload {
    /// 200 ops on 3 streams over arrays of 40 × 40.
    fn default() -> Self {
        Self { seed: 0, ops: 200, streams: 3, side: 40 }
    }
}

/// Arrays that a program keeps.
const KEPT: usize = 12;

impl Workload {
    /// Runs the program on the CPU, one stream.
    ///
    /// # Errors
    /// When an op or the device fails.
    pub fn on_cpu(&self) -> Result<Vec<f32>> {
        self.run(&[Stream::default_of(DeviceId::DEFAULT)?], None)
    }

    /// Runs the program on a new simulated device.
    ///
    /// # Errors
    /// When an op or the device fails. What the device finds wrong is no error.
    pub fn on_sim(&self, policy: Policy) -> Result<(Vec<f32>, Report)> {
        let (sim, id) = SimDevice::add(SimOptions { seed: self.seed, policy, ..SimOptions::default() })?;
        let streams = (0..self.streams.max(1)).map(|_| Stream::new(id)).collect::<Result<Vec<_>>>()?;
        let values = self.run(&streams, Some(&sim))?;
        sim.run_all();
        let report = sim.report();
        // Devices stay for as long as the process lives; their memory need not.
        sim.pool().clear_cache();
        Ok((values, report))
    }

    /// Runs the program, and gives the elements of what it keeps.
    fn run(&self, streams: &[Stream], sim: Option<&SimDevice>) -> Result<Vec<f32>> {
        // The program must not depend on the device: what is only for a simulated one has numbers of its own.
        let mut random = Random::new(self.seed);
        let mut habits = Random::new(!self.seed);
        // Each op stands for a custom kernel here; what an op drops inside of itself is not covered by that.
        let each = sim.is_some_and(|sim| sim.pool().policy().evaluate_each_custom_kernel());
        let n = self.side.max(4);
        let mut kept = Vec::new();
        for i in 0..4 {
            let data: Vec<f32> = (0..n * n).map(|_| random.below(2001) as f32 / 1000.0 - 1.0).collect();
            kept.push(streams[i % streams.len()].scope(|| Array::from_slice(&data, &[n, n]))?);
        }
        for _ in 0..self.ops {
            let stream = streams[random.below(self.streams.max(1)) % streams.len()];
            let made = stream.scope(|| op(&mut random, &kept, n))?;
            if each {
                made.eval()?;
            }
            let at = random.below(KEPT);
            if at < kept.len() {
                kept[at] = made;
            } else {
                kept.push(made);
            }
            match random.below(8) {
                0 => async_eval(&[&kept[random.below(kept.len())]])?,
                1 => kept[random.below(kept.len())].eval()?,
                2 if kept.len() > 4 => drop(kept.swap_remove(random.below(kept.len()))),
                3 => async_eval(&kept.iter().collect::<Vec<_>>())?,
                _ => {}
            }
            if let Some(sim) = sim {
                match habits.below(24) {
                    0 => sim.pool().trim(habits.below(8 * n * n)),
                    1 => drop(sim.pool().set_cache_limit(habits.below(40 * n * n))),
                    2 => drop(sim.pool().set_cache_limit(usize::MAX)),
                    _ => {}
                }
            }
        }
        async_eval(&kept.iter().collect::<Vec<_>>())?;
        let mut values = Vec::with_capacity(kept.len() * n * n);
        for x in &kept {
            values.extend(streams[0].scope(|| x.to_vec::<f32>())?);
        }
        Ok(values)
    }
}

/// A random op over arrays of `n` by `n` with elements within ±1, which its result is, too.
fn op(random: &mut Random, kept: &[Array], n: usize) -> Result<Array> {
    let x = &kept[random.below(kept.len())];
    let y = &kept[random.below(kept.len())];
    match random.below(12) {
        0 => x.sin(),
        1 => x.add(y)?.multiply(0.5f32),
        2 => x.multiply(y)?.add(x)?.multiply(0.5f32),
        3 => x.subtract(y)?.multiply(0.25f32)?.cos(),
        4 => x.matmul(y)?.multiply(1.0 / n as f32),
        5 => x.transpose(&[])?.matmul(&y.slice_axis(0, 0, n as i64)?)?.multiply(1.0 / n as f32),
        6 => x.softmax(Some(&[-1]), false),
        7 => {
            let cut = random.below(n) as i64;
            Array::concatenate(&[&x.slice_axis(0, cut, n as i64)?, &y.slice_axis(0, 0, cut)?], Some(0))
        }
        8 => {
            let (r, c) = (random.below(n - 1) as i64, random.below(n - 1) as i64);
            let part = y.slice_axis(0, 0, n as i64 - r)?.slice_axis(1, 0, n as i64 - c)?;
            x.slice_update(&part, &[r, c], &[n as i64, n as i64], &[])
        }
        9 => x.transpose(&[])?.multiply(y),
        10 => {
            // A row has a small block of its own.
            let row = x.slice_axis(0, 0, 1)?.reshape(&[-1])?.add(0.0f32)?.contiguous();
            row.broadcast_to(&[n, n])?.multiply(y)
        }
        _ => x.reshape(&[-1])?.slice_axis(0, 0, n as i64)?.multiply(y)?.abs(),
    }
}

/// What a policy made of a workload.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What the device saw.
    pub report: Report,
    /// The share of the outputs, in percent, that differ from the CPU's.
    pub wrong_percent: f64,
    /// The share of the outputs, in percent, that are NaN.
    pub nan_percent: f64,
}

/// The same workloads under several policies: one row each.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What each policy made of all workloads together: violations are summed, peaks are the highest.
    pub rows: Vec<Outcome>,
    /// How many seeds each ran.
    pub seeds: u64,
}

/// Runs `seeds` variants of `workload`, from its own seed on, under each policy.
///
/// # Errors
/// When an op or a device fails. What a device finds wrong is no error.
pub fn compare(workload: Workload, seeds: u64, policies: &[Policy]) -> Result<Comparison> {
    let mut rows: Vec<Outcome> = Vec::new();
    let (mut wrong, mut nan, mut all) = (vec![0; policies.len()], vec![0; policies.len()], 0);
    for seed in 0..seeds {
        let workload = Workload { seed: workload.seed.wrapping_add(seed), ..workload };
        let expected = workload.on_cpu()?;
        all += expected.len();
        for (i, policy) in policies.iter().enumerate() {
            let (values, report) = workload.on_sim(*policy)?;
            wrong[i] += values.iter().zip(&expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
            nan[i] += values.iter().filter(|v| v.is_nan()).count();
            match rows.get_mut(i) {
                Some(row) => row.report.merge(report),
                None => rows.push(Outcome { report, wrong_percent: 0.0, nan_percent: 0.0 }),
            }
        }
    }
    for (i, row) in rows.iter_mut().enumerate() {
        row.wrong_percent = 100.0 * wrong[i] as f64 / all.max(1) as f64;
        row.nan_percent = 100.0 * nan[i] as f64 / all.max(1) as f64;
    }
    Ok(Comparison { rows, seeds })
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<40} {:>10} {:>8} {:>8} {:>12} {:>13}",
            format!("policy ({} seeds)", self.seeds),
            "violations",
            "wrong",
            "NaN",
            "peak KiB",
            "virtual ms"
        )?;
        for row in &self.rows {
            let Outcome { report, wrong_percent, nan_percent } = row;
            writeln!(
                f,
                "{:<40} {:>10} {wrong_percent:>7.2}% {nan_percent:>7.2}% {:>12} {:>13.2}",
                report.policy,
                report.n_violations(),
                report.peak_bytes >> 10,
                report.virtual_ns as f64 / 1e6,
            )?;
        }
        Ok(())
    }
}
