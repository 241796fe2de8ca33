//! The one error of this crate.

use std::{fmt, panic::Location};

/// What a fallible operation of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong; [`Error`]'s text says the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Shapes that do not fit each other or the op.
    Shape,
    /// An element type that the op does not take.
    Dtype,
    /// Another argument out of its range.
    Argument,
    /// A derivative that does not exist, or a graph that was cut by evaluation.
    Gradient,
    /// No device, or a device that failed.
    Device,
    /// Out of memory.
    Memory,
    /// A kernel that did not compile or does not exist.
    Kernel,
    /// Reading data at evaluation failed.
    Io,
}

/// Why an op could not be built or evaluated.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    op: &'static str,
    message: String,
    built_at: Option<Origin>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Where in the user's program an array was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(&'static Location<'static>);

impl Origin {
    /// The caller's place, through every function marked `#[track_caller]`.
    #[track_caller]
    pub fn caller() -> Self {
        Self(Location::caller())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error {
    /// An error of `kind` in `op`; `message` says what was wanted and what came.
    pub fn new(kind: ErrorKind, op: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, op, message: message.into(), built_at: None, source: None }))
    }

    /// An argument out of its range.
    pub fn argument(op: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Argument, op, message)
    }

    /// Shapes that do not fit.
    pub fn shape(op: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Shape, op, message)
    }

    /// An element type that the op does not take.
    pub fn dtype(op: &'static str, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Dtype, op, message)
    }

    /// The same error with the place where its op was built, unless it has one.
    #[must_use]
    pub fn at(mut self, origin: Origin) -> Self {
        self.0.built_at.get_or_insert(origin);
        self
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same once more, for an error that everybody gets who asks; what caused it becomes part of the message.
    pub(crate) fn again(&self) -> Self {
        let Inner { kind, op, message, built_at, source } = &*self.0;
        let message =
            source.as_ref().map_or_else(|| message.clone(), |source| format!("{message}: {source}"));
        Self(Box::new(Inner { kind: *kind, op, message, built_at: *built_at, source: None }))
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The name of the op that failed.
    pub fn op(&self) -> &'static str {
        self.0.op
    }

    /// Where the op was built, if that is known.
    pub fn built_at(&self) -> Option<Origin> {
        self.0.built_at
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.op, self.0.message)?;
        match self.0.built_at {
            Some(at) => write!(f, " (built at {at})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} [{:?}]", self.0.kind)?;
        match &self.0.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|s| &**s as _)
    }
}
