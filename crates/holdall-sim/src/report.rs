//! What a run on the device showed.

use std::collections::BTreeMap;
use std::fmt;

use crate::violation::{Violation, ViolationKind};

/// Violations that a report keeps whole; more are only counted.
const MAX_KEPT: usize = 256;

/// What a simulated device has done and found so far. The same seed and program give the same report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The name of the retention policy.
    pub policy: &'static str,
    /// The seed of the device.
    pub seed: u64,
    /// Commands that ran.
    pub commands: u64,
    /// Command buffers that were submitted.
    pub command_buffers: u64,
    /// Blocks that got a new owner of the stream that used them last, and of another.
    pub reused_in_stream: u64,
    /// See [`Self::reused_in_stream`].
    pub reused_across_streams: u64,
    /// The first violations.
    pub violations: Vec<Violation>,
    /// How many there were of each kind.
    pub counts: BTreeMap<ViolationKind, u64>,
    /// The most bytes that were allocated at once: in use, cached for reuse, and waiting for the device.
    pub peak_bytes: usize,
    /// How long it took, host included, on the virtual clock.
    pub virtual_ns: u64,
}

impl Report {
    pub(crate) fn add(&mut self, violation: Violation) {
        *self.counts.entry(violation.kind).or_default() += 1;
        if self.violations.len() < MAX_KEPT {
            self.violations.push(violation);
        }
    }

    /// Adds another run under the same policy: sums, and the higher peak.
    pub(crate) fn merge(&mut self, other: Self) {
        self.commands += other.commands;
        self.command_buffers += other.command_buffers;
        self.reused_in_stream += other.reused_in_stream;
        self.reused_across_streams += other.reused_across_streams;
        let room = MAX_KEPT.saturating_sub(self.violations.len());
        self.violations.extend(other.violations.into_iter().take(room));
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        self.peak_bytes = self.peak_bytes.max(other.peak_bytes);
        self.virtual_ns += other.virtual_ns;
    }

    /// How many violations there were.
    pub fn n_violations(&self) -> u64 {
        self.counts.values().sum()
    }

    /// True when nothing was wrong.
    pub fn is_clean(&self) -> bool {
        self.counts.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "policy {}, seed {}: {} commands in {} command buffers, peak {} bytes, {} ns, {} violations",
            self.policy,
            self.seed,
            self.commands,
            self.command_buffers,
            self.peak_bytes,
            self.virtual_ns,
            self.n_violations()
        )?;
        for (kind, count) in &self.counts {
            writeln!(f, "  {count} × {kind}")?;
        }
        for violation in self.violations.iter().take(8) {
            writeln!(f, "  {violation}")?;
        }
        Ok(())
    }
}
