//! A mistake in a kernel, as `--json` prints it.

use holdall::simt;
use holdall_msl::{Diagnostic, Kind, Label, Part, Position, Severity};
use serde::Serialize;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `compile_error`, `unsupported`, `out_of_bounds`, …
    pub kind: &'static str,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// Where it is, if it is anywhere.
    #[serde(flatten)]
    pub place: Place,
    /// The position in the grid of the thread that made it, when it was running.
    pub thread: Option<[u32; 3]>,
    /// The position of its group.
    pub group: Option<[u32; 3]>,
    /// Other places that have to do with it.
    pub others: Vec<Place>,
    /// How often it was made.
    pub count: u64,
    /// In words.
    pub message: String,
}

/// A place in the user's text. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Place {
    /// `body` or `header`.
    pub part: Option<&'static str>,
    /// The line in that part.
    pub line: Option<u32>,
    /// The column in that line.
    pub column: Option<u32>,
}

impl Place {
    /// A position; nowhere, if that is not in the user's text.
    fn of(position: Option<Position>) -> Self {
        let Some(position) = position else { return Self::default() };
        let part = match position.part {
            Part::Body => "body",
            Part::Header => "header",
            Part::Prelude | Part::Signature => return Self::default(),
        };
        Self { part: Some(part), line: Some(position.line), column: Some(position.column) }
    }
}

impl From<&Diagnostic> for Finding {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            kind: if diagnostic.kind() == Kind::Unsupported { "unsupported" } else { "compile_error" },
            severity: if diagnostic.severity() == Severity::Error { "error" } else { "warning" },
            place: Place::of(diagnostic.label().map(Label::position)),
            thread: None,
            group: None,
            others: diagnostic
                .notes()
                .iter()
                .filter_map(|note| note.label())
                .map(|l| Place::of(Some(l.position())))
                .collect(),
            count: 1,
            message: diagnostic.message().to_owned(),
        }
    }
}

impl Finding {
    /// A launch that cannot be, or that does not end.
    pub fn of_launch(message: String) -> Self {
        Self {
            kind: "launch",
            severity: "error",
            place: Place::default(),
            thread: None,
            group: None,
            others: Vec::new(),
            count: 1,
            message,
        }
    }
}

impl From<&simt::Finding> for Finding {
    fn from(finding: &simt::Finding) -> Self {
        Self {
            kind: finding.kind.name(),
            severity: "error",
            place: Place::of(finding.position),
            thread: finding.thread,
            group: finding.group,
            others: finding.others.iter().map(|position| Place::of(Some(*position))).collect(),
            count: finding.count,
            message: finding.message.clone(),
        }
    }
}
