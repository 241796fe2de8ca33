//! What checked mode finds.

use std::collections::HashMap;
use std::fmt;

use holdall_msl::{Position, Span, ir};
use parking_lot::Mutex;

/// The most places that are reported; further mistakes at other places are only counted.
const PLACES: usize = 1000;

/// A sort of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FindingKind {
    /// An access outside of an object.
    OutOfBounds,
    /// Two threads use the same memory, one of them writes, and nothing orders them.
    DataRace,
    /// A value is used that was never written.
    Uninitialized,
    /// Some living threads come to a barrier, some do not.
    DivergentBarrier,
    /// An integer is divided by zero.
    DivisionByZero,
    /// An access at an address that is no multiple of what its type asks for.
    Misaligned,
    /// An element of an output is never written.
    UnwrittenOutput,
}

impl FindingKind {
    /// The name, as in the output of `kernel check --json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OutOfBounds => "out_of_bounds",
            Self::DataRace => "data_race",
            Self::Uninitialized => "uninitialized",
            Self::DivergentBarrier => "divergent_barrier",
            Self::DivisionByZero => "division_by_zero",
            Self::Misaligned => "misaligned",
            Self::UnwrittenOutput => "unwritten_output",
        }
    }
}

/// A mistake of a kernel, at one place of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What sort of mistake.
    pub kind: FindingKind,
    /// Part, line and column; `None` for what has no place, such as an output that is not written.
    pub position: Option<Position>,
    /// The line of the text.
    pub line: String,
    /// The position in the grid of the first thread that made it.
    pub thread: Option<[u32; 3]>,
    /// The position of its group.
    pub group: Option<[u32; 3]>,
    /// The other accesses of a race.
    pub others: Vec<Position>,
    /// How often it was made.
    pub count: u64,
    /// What is wrong, one line.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error[{}]: {}", self.kind.name(), self.message)?;
        let gutter = self.position.map_or(1, |at| at.line.to_string().len());
        if let Some(at) = self.position {
            writeln!(f, "{:gutter$}--> {at}", "")?;
            writeln!(f, "{:gutter$} |", "")?;
            let shown: String = self.line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            writeln!(f, "{} | {}", at.line, shown.trim_end())?;
            writeln!(f, "{:gutter$} | {:indent$}^", "", "", indent = at.column as usize - 1)?;
        }
        if let (Some(thread), Some(group)) = (self.thread, self.group) {
            writeln!(f, "{:gutter$} = note: in thread {thread:?} of group {group:?}", "")?;
        }
        for other in &self.others {
            writeln!(f, "{:gutter$} = note: the other access is at {other}", "")?;
        }
        if self.count > 1 {
            writeln!(f, "{:gutter$} = note: and {} more like it", "", self.count - 1)?;
        }
        Ok(())
    }
}

/// Who made a mistake.
#[derive(Clone, Copy, Debug)]
pub(super) struct Culprit {
    /// The position in the grid.
    pub(super) thread: [u32; 3],
    /// The position of the group.
    pub(super) group: [u32; 3],
}

#[derive(Debug, Default)]
struct Inner {
    list: Vec<Finding>,
    seen: HashMap<(FindingKind, Option<Span>, Option<Span>), usize>,
    dropped: u64,
}

/// Collects what checked launches find: each mistake once a place.
#[derive(Debug, Default)]
pub struct Findings(Mutex<Inner>);

impl Findings {
    /// What was found so far, in the order in which it was found.
    #[must_use]
    pub fn list(&self) -> Vec<Finding> {
        self.0.lock().list.clone()
    }

    /// Nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.lock().list.is_empty()
    }

    /// How many mistakes at further places there were than [`Findings::list`] has.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Adds a mistake that has no place.
    pub(super) fn add_unplaced(&self, kind: FindingKind, message: String, count: u64) {
        let (position, line, others) = (None, String::new(), Vec::new());
        let finding = Finding { kind, position, line, thread: None, group: None, others, count, message };
        self.0.lock().list.push(finding);
    }

    /// Counts a mistake; `message` is asked for the first time at a place.
    pub(super) fn add(
        &self,
        program: &ir::Program,
        kind: FindingKind,
        span: Option<Span>,
        other: Option<Span>,
        culprit: Option<Culprit>,
        times: u64,
        message: impl FnOnce() -> String,
    ) {
        let mut inner = self.0.lock();
        if let Some(&index) = inner.seen.get(&(kind, span, other)) {
            inner.list[index].count += times;
            return;
        }
        if inner.list.len() >= PLACES {
            inner.dropped += times;
            return;
        }
        let index = inner.list.len();
        inner.seen.insert((kind, span, other), index);
        inner.list.push(Finding {
            kind,
            position: span.and_then(|span| program.position(span)),
            line: span.and_then(|span| program.map.line(span.start)).unwrap_or_default().to_owned(),
            thread: culprit.map(|culprit| culprit.thread),
            group: culprit.map(|culprit| culprit.group),
            others: other.and_then(|span| program.position(span)).into_iter().collect(),
            count: times,
            message: message(),
        });
    }
}
