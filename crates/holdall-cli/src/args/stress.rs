//! `holdall stress`.

use clap::Args;

use super::value::{count, non_empty, percent, whole_u64};

/// Options of `holdall stress`.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(
    after_long_help = "\
Runs random programs of custom kernels and built-in ops on a device, and compares every result bit by
bit with the same program run op by op. Meanwhile arrays are dropped and the cache is trimmed at
random moments; each program runs a second time with hardly more memory than it has in use. Part of
the custom kernels are checked while they run. Prints what was done and what was wrong; where
anything was, a command that repeats it. Ctrl-C ends it with the summary.

--graph-ops makes each round one graph with so many calls of custom kernels and as many built-in
steps on two streams, which is evaluated at once.

--compare runs a small load on a simulated device that sees every wrong access, under four ways to
keep memory: not at all, until the host has seen the work's end, not at all but evaluating after
every custom kernel, and Holdall's.

Examples:
  holdall stress
  holdall stress --seconds 600 --device cpu
  holdall stress --graph-ops 10000 --rounds 200
  holdall stress --compare

With --json, standard output carries one object: device, seed, seconds, rounds, operations,
custom_kernel_calls, checked_calls, blocks_reused, uses_checked, trims, out_of_memory, violations,
wrong_results, nans, missing (what the device cannot run), messages, reproduce; with --compare: seeds, seed, side,
ops, streams, policies (name, violations, kinds, wrong_percent, nan_percent, peak_bytes, virtual_ns),
holds.

Exits with 1 when anything is wrong.",
    after_help = "--help says what it does, and shows examples."
)]
pub struct StressArgs {
    /// How long to go on; without this and --rounds, a minute
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub seconds: Option<usize>,
    /// How many programs to run; with --compare, for each policy
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub rounds: Option<usize>,
    /// Seed of the first program; those after it count up. Without, another one each time
    #[arg(long, value_name = "S", value_parser = whole_u64, allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Where to run, such as cpu or cuda:0; without, the best device there is
    #[arg(long, value_name = "D", value_parser = non_empty, conflicts_with = "compare")]
    pub device: Option<String>,
    /// Make each program one graph with so many calls of custom kernels
    #[arg(long, value_name = "N", value_parser = graph_ops, allow_negative_numbers = true, conflicts_with = "compare")]
    pub graph_ops: Option<usize>,
    /// How many of a hundred custom kernels to check while they run; 15, or 1 with --graph-ops
    #[arg(long, value_name = "PERCENT", value_parser = percent, allow_negative_numbers = true)]
    pub checked: Option<usize>,
    /// Compare Holdall's way to keep memory with others, on a simulated device
    #[arg(long, conflicts_with = "seconds")]
    pub compare: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// A million calls and as many other ops are a graph of some millions of nodes.
fn graph_ops(text: &str) -> Result<usize, String> {
    const MOST: usize = 1_000_000;
    count(text)
        .ok()
        .filter(|calls| *calls <= MOST)
        .ok_or_else(|| format!("give a whole number from 1 to {MOST}"))
}
