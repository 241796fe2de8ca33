//! `holdall stress`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use holdall::device::DeviceId;
use holdall_sim::{COMPARED, Comparison, Settings, Stress, Totals, Workload, compare};
use serde::Serialize;

use super::io::Io;
use crate::args::StressArgs;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::interrupt;

/// How long a run lasts that is not told.
const SECONDS: u64 = 60;
/// The shares of checked calls, in percent, of mixed loads and of graphs.
const CHECKED: (usize, usize) = (15, 1);
/// How often the progress is renewed.
const SAY_EVERY: Duration = Duration::from_millis(100);
/// How many programs `--compare` runs under each policy.
const COMPARE_ROUNDS: usize = 20;
/// How much slower than without any retention Holdall may be, as a ratio.
const SLOWER: f64 = 0.01;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    device: String,
    seed: u64,
    seconds: f64,
    rounds: u64,
    operations: u64,
    custom_kernel_calls: u64,
    checked_calls: u64,
    blocks_reused: u64,
    uses_checked: u64,
    trims: u64,
    out_of_memory: u64,
    violations: u64,
    wrong_results: u64,
    nans: u64,
    missing: Vec<Missing>,
    messages: Vec<String>,
    reproduce: Option<String>,
}

/// What a device cannot run.
#[derive(Debug, Serialize)]
struct Missing {
    name: &'static str,
    why: String,
}

/// What `--compare --json` prints.
#[derive(Debug, Serialize)]
struct Table {
    seeds: u64,
    seed: u64,
    side: usize,
    ops: usize,
    streams: usize,
    policies: Vec<Row>,
    /// Whether Holdall keeps what it promises.
    holds: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    violations: u64,
    kinds: BTreeMap<&'static str, u64>,
    wrong_percent: f64,
    nan_percent: f64,
    peak_bytes: usize,
    virtual_ns: u64,
}

/// Stresses a device, or compares policies.
///
/// # Errors
/// [`Kind::Findings`] when anything is wrong; those of finding and using the device, and of writing to standard output.
pub fn run(args: &StressArgs, cx: &Context, io: &mut Io<'_>) -> Result<()> {
    let seed = args.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() >> 32);
    // Ctrl-C ends the load, not the program: the summary is still to come.
    let hold = interrupt::hold();
    let stopped = Cell::new(false);
    let asked = || {
        stopped.set(stopped.get() || hold.take());
        stopped.get()
    };
    if args.compare { contrast(args, seed, &asked, cx, io) } else { stress(args, seed, &asked, cx, io) }
}

fn stress(
    args: &StressArgs,
    seed: u64,
    asked: &dyn Fn() -> bool,
    cx: &Context,
    io: &mut Io<'_>,
) -> Result<()> {
    let device = match &args.device {
        Some(name) => DeviceId::named(name),
        None => Ok(DeviceId::DEFAULT),
    };
    let found = device.and_then(|id| Ok((id, id.get()?.info().name.clone())));
    let (device, name) = found.map_err(|e| Error::new(Kind::Usage, e.to_string()))?;
    let default = if args.graph_ops.is_some() { CHECKED.1 } else { CHECKED.0 };
    let checked_percent = args.checked.unwrap_or(default);
    let settings = Settings { seed, checked_percent, graph_calls: args.graph_ops };
    let mut load = Stress::new(device, settings).map_err(|e| failed("the device cannot be stressed", e))?;
    for missing in load.missing() {
        cx.ui.note(&format!("{name} cannot run {}: {}", missing.name, missing.why));
    }
    let begin = Instant::now();
    let limit = args.seconds.map(|n| n as u64).or(args.rounds.is_none().then_some(SECONDS));
    let limit = limit.map(Duration::from_secs);
    let is_over = || limit.is_some_and(|limit| begin.elapsed() >= limit);
    let rounds = args.rounds.unwrap_or(usize::MAX) as u64;
    let progress = RefCell::new(cx.ui.activity(&format!("stressing {name} with seed {seed}")));
    let said = Cell::new(begin);
    while load.totals().rounds < rounds && !is_over() && !asked() {
        load.round(&|totals| {
            if said.get().elapsed() >= SAY_EVERY {
                said.set(Instant::now());
                progress.borrow_mut().say(|| live(totals, begin.elapsed()));
            }
            asked() || is_over()
        });
    }
    drop(progress);
    let totals = load.totals();
    let reproduce = totals.first_bad_seed.map(|seed| {
        let graph = args.graph_ops.map_or(String::new(), |n| format!(" --graph-ops {n}"));
        format!("holdall stress --device {name} --seed {seed} --rounds 1 --checked {checked_percent}{graph}")
    });
    let missing = load.missing().iter().map(|m| Missing { name: m.name, why: m.why.clone() });
    let report = Report {
        device: name,
        seed,
        seconds: begin.elapsed().as_secs_f64(),
        rounds: totals.rounds,
        operations: totals.counts.operations,
        custom_kernel_calls: totals.counts.custom_kernel_calls,
        checked_calls: totals.counts.checked_calls,
        blocks_reused: totals.blocks_reused,
        uses_checked: totals.uses_checked,
        trims: totals.trims,
        out_of_memory: totals.out_of_memory,
        violations: totals.violations,
        wrong_results: totals.wrong_results,
        nans: totals.nans,
        missing: missing.collect(),
        messages: totals.messages.clone(),
        reproduce,
    };
    io.write(&if args.json { super::json(&report)? } else { text(&report) })?;
    match &report.reproduce {
        None => Ok(()),
        Some(command) => {
            let wrong = format!(
                "{} violations, {} wrong results, {} NaNs on {}",
                report.violations, report.wrong_results, report.nans, report.device
            );
            Err(Error::new(Kind::Findings, wrong).hint(format!("to see it again: {command}")))
        }
    }
}

fn failed(what: &str, error: holdall::Error) -> Error {
    Error::new(Kind::Internal, what).caused_by(error)
}

/// The line that shows how it goes.
fn live(totals: &Totals, time: Duration) -> String {
    format!(
        "{} s: {} rounds, {} operations, {} custom kernel calls, {} blocks reused, {} trims, {} violations, {} wrong results, {} NaNs",
        time.as_secs(),
        totals.rounds,
        totals.counts.operations,
        totals.counts.custom_kernel_calls,
        totals.blocks_reused,
        totals.trims,
        totals.violations,
        totals.wrong_results,
        totals.nans,
    )
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| text.push_str(&format!("{name:<22}{value}\n"));
    line("device", report.device.clone());
    line("seed", report.seed.to_string());
    line("rounds", format!("{} in {:.1} s", report.rounds, report.seconds));
    line("operations", report.operations.to_string());
    line(
        "custom kernel calls",
        format!("{}, {} of them checked", report.custom_kernel_calls, report.checked_calls),
    );
    line("blocks reused", report.blocks_reused.to_string());
    line("uses of blocks", format!("{}, their order checked", report.uses_checked));
    line("trims", report.trims.to_string());
    line("out of memory", format!("{} times, then given an eighth more", report.out_of_memory));
    line("violations", report.violations.to_string());
    line("wrong results", report.wrong_results.to_string());
    line("NaNs", report.nans.to_string());
    for message in &report.messages {
        line("", message.clone());
    }
    text
}

fn contrast(
    args: &StressArgs,
    seed: u64,
    asked: &dyn Fn() -> bool,
    cx: &Context,
    io: &mut Io<'_>,
) -> Result<()> {
    let seeds = args.rounds.unwrap_or(COMPARE_ROUNDS);
    let mut workload = Workload { seed, ..Workload::default() };
    workload.checked_percent = args.checked.unwrap_or(workload.checked_percent);
    let mut progress = cx.ui.activity(&format!("comparing policies on {seeds} programs from seed {seed} on"));
    let made = compare(workload, seeds as u64, &COMPARED, &mut |done| {
        progress.say(|| format!("{done} of {seeds} programs"));
        asked()
    });
    drop(progress);
    let made = made.map_err(|e| failed("the simulated device cannot be used", e))?;
    let table = Table {
        seeds: made.seeds,
        seed,
        side: workload.side,
        ops: workload.ops,
        streams: workload.streams,
        policies: made.rows.iter().map(row).collect(),
        holds: broken(&made).is_empty(),
    };
    io.write(&if args.json { super::json(&table)? } else { made.to_string() })?;
    let broken = broken(&made);
    if broken.is_empty() {
        return Ok(());
    }
    let error = Error::new(Kind::Findings, format!("Holdall's policy {}", broken.join(", and ")));
    let again = format!("holdall stress --compare --seed {seed} --rounds {}", made.seeds);
    Err(error.hint(format!("to see it again: {again}")))
}

fn row(outcome: &holdall_sim::Outcome) -> Row {
    let report = &outcome.report;
    let mut kinds = BTreeMap::new();
    for (kind, count) in &report.counts {
        *kinds.entry(kind.name()).or_default() += count;
    }
    Row {
        name: report.policy,
        violations: report.n_violations(),
        kinds,
        wrong_percent: outcome.wrong_percent,
        nan_percent: outcome.nan_percent,
        peak_bytes: report.peak_bytes,
        virtual_ns: report.virtual_ns,
    }
}

/// What of the claim does not hold, in words.
fn broken(table: &Comparison) -> Vec<String> {
    let [unretained, retained, _, holdall] = &table.rows[..] else {
        return vec!["was not compared".into()];
    };
    let mut broken = Vec::new();
    if !holdall.report.is_clean() {
        broken.push(format!("has {} violations", holdall.report.n_violations()));
    }
    if holdall.wrong_percent > 0.0 || holdall.nan_percent > 0.0 {
        broken.push(format!("gives {:.2}% wrong results", holdall.wrong_percent));
    }
    if holdall.report.peak_bytes > retained.report.peak_bytes {
        broken.push("needs more memory than retaining everything".into());
    }
    let slower = holdall.report.virtual_ns as f64 / unretained.report.virtual_ns.max(1) as f64 - 1.0;
    if slower > SLOWER {
        broken.push(format!("is {:.1}% slower than retaining nothing", 100.0 * slower));
    }
    broken
}
