//! The one error type of this crate.

use std::error::Error as StdError;
use std::fmt;

/// What went wrong, as far as a caller may want to tell cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A vocabulary, its merges or its settings are broken or contradict each other.
    Tokenizer,
    /// A chat template does not parse, fails while rendering, or asks for too much.
    ChatTemplate,
    /// A file of a model is missing, unreadable, or not what its name promises.
    ModelFiles,
    /// A parameter out of its range.
    Argument,
    /// Computing failed: a device, memory, a file read late.
    Compute,
    /// Well-formed input that needs something which this crate does not have.
    Unsupported,
}

/// An error of this crate: a kind, one lower-case sentence, and its cause if there is one.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None }))
    }

    pub(crate) fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn tokenizer(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Tokenizer, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<holdall::Error> for Error {
    fn from(e: holdall::Error) -> Self {
        Self::new(ErrorKind::Compute, e.to_string()).with_source(e)
    }
}
