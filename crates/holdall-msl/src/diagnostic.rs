//! What the compiler has to say about a kernel.

use std::fmt;

use crate::source::{Position, SourceMap, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The kernel does not compile.
    Error,
    /// The kernel compiles, and perhaps does not do what was meant.
    Warning,
}

/// What sort of thing a diagnostic is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Text that is not MSL: a missing bracket, an unfinished directive.
    Syntax,
    /// A name that nothing has, or that several things have.
    Name,
    /// Operands or arguments of types that do not fit.
    Type,
    /// MSL that this compiler does not know.
    Unsupported,
    /// A bound of the compiler was reached.
    Limit,
    /// Something that is allowed and looks like a mistake.
    Suspicious,
}

/// A line of the source and the columns that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    position: Position,
    width: u32,
    line: String,
}

impl Label {
    fn new(map: &SourceMap, span: Span) -> Option<Self> {
        let position = map.position(span.start)?;
        let line = map.line(span.start).unwrap_or_default().to_owned();
        Some(Self { position, width: map.width(span), line })
    }

    /// A label that another compiler's message gives.
    pub(crate) fn at(position: Position, width: u32, line: &str) -> Self {
        Self { position, width, line: line.to_owned() }
    }

    /// Part, line and column of the first character.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many characters are meant.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The line of the source.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.line
    }
}

/// More about a diagnostic: where something was declared, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    message: String,
    label: Option<Label>,
}

impl Note {
    pub(crate) fn new(message: &str, label: Option<Label>) -> Self {
        Self { message: message.to_owned(), label }
    }

    /// The text, one line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The place that it is about.
    #[must_use]
    pub fn label(&self) -> Option<&Label> {
        self.label.as_ref()
    }
}

/// An error or a warning, with the place in the user's text and notes. It prints with the line and carets below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    kind: Kind,
    message: String,
    label: Option<Label>,
    notes: Vec<Note>,
}

impl Diagnostic {
    /// What another compiler says.
    pub(crate) fn foreign(
        severity: Severity,
        kind: Kind,
        message: String,
        label: Option<Label>,
        notes: Vec<Note>,
    ) -> Self {
        Self { severity, kind, message, label, notes }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What sort of thing it is about.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The text, one lower-case line.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The place that it is about.
    #[must_use]
    pub fn label(&self) -> Option<&Label> {
        self.label.as_ref()
    }

    /// What else there is to say.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}

/// Characters of a line that are shown.
const LONGEST: usize = 200;

fn excerpt(f: &mut fmt::Formatter<'_>, label: &Label, gutter: usize) -> fmt::Result {
    let Label { position, width, line } = label;
    writeln!(f, "{:gutter$}--> {position}", "")?;
    writeln!(f, "{:gutter$} |", "")?;
    // Characters that move the cursor would put the carets elsewhere, and of long lines a piece is enough.
    let column = position.column as usize - 1;
    let start = if line.chars().count() > LONGEST { column.saturating_sub(LONGEST / 3) } else { 0 };
    let piece = line.chars().skip(start).take(LONGEST);
    let shown: String = piece.map(|c| if c.is_control() { ' ' } else { c }).collect();
    let (before, indent) = if start > 0 { ("…", column - start + 1) } else { ("", column) };
    writeln!(f, "{:<gutter$} | {before}{}", position.line, shown.trim_end())?;
    let carets = "^".repeat((*width as usize).min(LONGEST - (column - start).min(LONGEST - 1)));
    writeln!(f, "{:gutter$} | {:indent$}{carets}", "", "")
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{severity}: {}", self.message)?;
        let labels = self.label.iter().chain(self.notes.iter().filter_map(|note| note.label.as_ref()));
        let gutter = labels.map(|label| label.position.line.to_string().len()).max().unwrap_or(1);
        if let Some(label) = &self.label {
            excerpt(f, label, gutter)?;
        }
        for note in &self.notes {
            match &note.label {
                None => writeln!(f, "{:gutter$} = note: {}", "", note.message)?,
                Some(label) => {
                    writeln!(f, "note: {}", note.message)?;
                    excerpt(f, label, gutter)?;
                }
            }
        }
        Ok(())
    }
}

/// Why a kernel does not compile: one error at least, and warnings. It prints as all of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Vec<Diagnostic>);

impl Error {
    pub(crate) fn new(diagnostics: Vec<Diagnostic>) -> Self {
        Self(diagnostics)
    }

    /// An error about an argument of the compiler, which has no place in the source.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(vec![Diagnostic {
            severity: Severity::Error,
            kind: Kind::Type,
            message: message.into(),
            label: None,
            notes: Vec::new(),
        }])
    }

    /// Errors and warnings, in the order in which they were found.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.0
    }

    /// What sort of thing the first error is about.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let first = self.0.iter().find(|d| d.severity == Severity::Error);
        first.map_or(Kind::Syntax, Diagnostic::kind)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for Error {}

/// An error that has been reported. Whoever meets it goes on with the next statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported;

pub(crate) type Result<T> = std::result::Result<T, Reported>;

#[derive(Clone, Debug)]
struct Raw {
    severity: Severity,
    kind: Kind,
    message: String,
    span: Span,
    notes: Vec<(String, Option<Span>)>,
}

/// Collects diagnostics.
#[derive(Debug, Default)]
pub(crate) struct Sink {
    list: Vec<Raw>,
    errors: usize,
    /// No bound is worth reporting twice, and after one nothing else is.
    stopped: bool,
}

impl Sink {
    fn push(&mut self, raw: Raw) {
        // A function that is inlined in several places has the same mistakes in all of them.
        let seen = self.list.iter().any(|other| other.span == raw.span && other.message == raw.message);
        if raw.severity == Severity::Error {
            self.errors += usize::from(!seen);
        }
        if !seen && !self.stopped {
            self.list.push(raw);
        }
        self.stopped |= self.list.len() >= crate::limits::DIAGNOSTICS;
    }

    pub(crate) fn error(&mut self, kind: Kind, span: Span, message: impl Into<String>) -> Reported {
        let raw = Raw { severity: Severity::Error, kind, message: message.into(), span, notes: Vec::new() };
        self.push(raw);
        Reported
    }

    pub(crate) fn error_with(
        &mut self,
        kind: Kind,
        span: Span,
        message: impl Into<String>,
        notes: Vec<(String, Option<Span>)>,
    ) -> Reported {
        self.push(Raw { severity: Severity::Error, kind, message: message.into(), span, notes });
        Reported
    }

    /// Reports a bound, after which nothing else is reported.
    pub(crate) fn limit(&mut self, span: Span, message: impl Into<String>) -> Reported {
        self.error(Kind::Limit, span, message);
        self.stopped = true;
        Reported
    }

    pub(crate) fn warn(&mut self, span: Span, message: impl Into<String>) {
        let severity = Severity::Warning;
        self.push(Raw { severity, kind: Kind::Suspicious, message: message.into(), span, notes: Vec::new() });
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Adds a note to what was reported since the mark was taken.
    pub(crate) fn annotate(&mut self, mark: (usize, usize, bool), message: &str, span: Span) {
        const NOTES: usize = 4;
        for raw in self.list.iter_mut().skip(mark.0).filter(|raw| raw.notes.len() < NOTES) {
            raw.notes.push((message.to_owned(), Some(span)));
        }
    }

    /// A mark for [`Self::undo`].
    pub(crate) fn mark(&self) -> (usize, usize, bool) {
        (self.list.len(), self.errors, self.stopped)
    }

    /// Forgets what was reported since the mark was taken: an overload that does not fit is no error.
    pub(crate) fn undo(&mut self, mark: (usize, usize, bool)) {
        self.list.truncate(mark.0);
        self.errors = mark.1;
        self.stopped = mark.2;
    }

    pub(crate) fn finish(self, map: &SourceMap) -> Vec<Diagnostic> {
        let resolve = |raw: Raw| {
            let mut notes: Vec<Note> = Vec::new();
            if let Some(defined) = map.definition_of(raw.span.start) {
                let label = Label::new(map, Span::new(defined, defined));
                notes.push(Note { message: "in the expansion of the macro defined here".to_owned(), label });
            }
            notes.extend(
                raw.notes.into_iter().map(|(message, span)| Note {
                    message,
                    label: span.and_then(|span| Label::new(map, span)),
                }),
            );
            Diagnostic {
                severity: raw.severity,
                kind: raw.kind,
                message: raw.message,
                label: Label::new(map, raw.span),
                notes,
            }
        };
        self.list.into_iter().map(resolve).collect()
    }
}
