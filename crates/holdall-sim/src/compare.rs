//! What becomes of random programs under each retention policy.

use std::fmt;

use holdall_core::device::{Device, DeviceId};
use holdall_core::{Result, Stream};
use holdall_memory::Policy;

use crate::device::{SimDevice, SimOptions};
use crate::load::{Difference, Evaluation, Menu, Outputs, Run, Workload};
use crate::random::Random;
use crate::report::Report;

/// The policies that `holdall stress --compare` shows.
pub const COMPARED: [Policy; 4] =
    [Policy::UNRETAINED, Policy::RETAINED_UNTIL_COMPLETE, Policy::EVALUATE_EACH, Policy::HOLDALL];

impl Workload {
    /// Runs the program on the CPU, one stream, one op after the other.
    ///
    /// # Errors
    /// When an op or the device fails.
    pub fn on_cpu(&self) -> Result<Outputs> {
        self.run(&mut Run {
            streams: &[Stream::default_of(DeviceId::named("cpu")?)?],
            menu: &Menu::full(),
            evaluation: Evaluation::EachOp,
            between: &mut |_, _| false,
            dropper: None,
        })
    }

    /// Runs the program on a new simulated device, whose cache is trimmed at random moments.
    ///
    /// # Errors
    /// When an op or the device fails. What the device finds wrong is no error.
    pub fn on_sim(&self, policy: Policy) -> Result<(Outputs, Report)> {
        let (sim, id) = SimDevice::add(SimOptions { seed: self.seed, policy, ..SimOptions::default() })?;
        let streams = (0..self.streams.max(1)).map(|_| Stream::new(id)).collect::<Result<Vec<_>>>()?;
        let evaluation = match policy.evaluate_each_custom_kernel() {
            true => Evaluation::EachCustomKernel,
            false => Evaluation::AsBuilt,
        };
        let area = self.side * self.side;
        let mut between = |_, number| {
            let mut habits = Random::new(number);
            match habits.below(24) {
                0 => sim.pool().trim(habits.below(8 * area)),
                1 => drop(sim.pool().set_cache_limit(habits.below(40 * area))),
                2 => drop(sim.pool().set_cache_limit(usize::MAX)),
                _ => {}
            }
            false
        };
        let menu = Menu::full();
        let outputs = self.run(&mut Run {
            streams: &streams,
            menu: &menu,
            evaluation,
            between: &mut between,
            dropper: None,
        })?;
        sim.run_all();
        let report = sim.report();
        // Devices stay for as long as the process lives; their memory need not.
        sim.pool().clear_cache();
        Ok((outputs, report))
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

/// Runs `seeds` variants of `workload`, from its own seed on, under each policy. `stop` is asked after each; the rest is
/// left out when it says so.
///
/// # Errors
/// When an op or a device fails. What a device finds wrong is no error.
pub fn compare(
    workload: Workload,
    seeds: u64,
    policies: &[Policy],
    stop: &mut dyn FnMut(u64) -> bool,
) -> Result<Comparison> {
    let mut table = Comparison { rows: Vec::new(), seeds: 0 };
    let mut differences = vec![Difference::default(); policies.len()];
    while table.seeds < seeds {
        let workload = Workload { seed: workload.seed.wrapping_add(table.seeds), ..workload };
        let expected = workload.on_cpu()?;
        for (i, policy) in policies.iter().enumerate() {
            let (outputs, report) = workload.on_sim(*policy)?;
            differences[i] += outputs.difference(&expected);
            match table.rows.get_mut(i) {
                Some(row) => row.report.merge(report),
                None => table.rows.push(Outcome { report, wrong_percent: 0.0, nan_percent: 0.0 }),
            }
        }
        table.seeds += 1;
        if stop(table.seeds) {
            break;
        }
    }
    for (row, found) in table.rows.iter_mut().zip(differences) {
        row.wrong_percent = 100.0 * found.elements as f64 / found.of.max(1) as f64;
        row.nan_percent = 100.0 * found.nans as f64 / found.of.max(1) as f64;
    }
    Ok(table)
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
