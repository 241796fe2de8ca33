//! The one error of the command line: what failed, why, what to do, and the exit code.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::Path;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of thing went wrong; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The command line asks for something that makes no sense.
    Usage,
    /// Ctrl-C, or a request to terminate.
    Interrupted,
    /// The reader of our output has gone.
    ClosedPipe,
    /// A file, model, revision or repository that does not exist.
    NotFound,
    /// The network is needed and forbidden.
    Offline,
    /// A server could not be reached, or answered with an error.
    Network,
    /// A fetched file is not the one that was asked for.
    Checksum,
    /// The file system refused.
    Io,
    /// A file or folder is not a model that can be used.
    Model,
    /// Another program that is needed is missing or failed.
    Program,
    /// What was looked at has mistakes.
    Findings,
    /// A fault of Holdall itself.
    Internal,
}

impl Kind {
    /// The exit code of the process that ends with this error.
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Usage => 2,
            Kind::Interrupted => 130,
            Kind::ClosedPipe => 141,
            _ => 1,
        }
    }
}

/// An error with its cause chain and hints.
///
/// Messages are lower case, name what was wanted and what came, and fit one line.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    hints: Vec<String>,
    backtrace: Backtrace,
}

impl Error {
    /// An error of this kind that says `message`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            source: None,
            hints: Vec::new(),
            backtrace: Backtrace::capture(),
        }))
    }

    /// Adds what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds one sentence on what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Makes this error the cause of one that says `message`; the kind stays.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        Self::new(self.kind(), message).caused_by(self)
    }

    /// A file system error: `action` is a verb, as in "cannot `action` `path`".
    pub fn io(action: &str, path: &Path, source: io::Error) -> Self {
        let advice = match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some("free some space there, or point HOLDALL_CACHE and HF_HOME at a larger disk")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Some("give yourself access to it, or point HOLDALL_CACHE and HF_HOME at a folder of yours")
            }
            _ => None,
        };
        let kind = if source.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Io };
        let error = Self::new(kind, format!("cannot {action} {}", path.display())).caused_by(source);
        match advice {
            Some(advice) => error.hint(advice),
            None => error,
        }
    }

    /// The error of work that was stopped by Ctrl-C.
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// What sort of error this is.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The hints of this error and of its causes, outermost first, without repetition.
    pub fn hints(&self) -> Vec<&str> {
        let mut hints: Vec<&str> = Vec::new();
        let mut next: Option<&(dyn StdError + 'static)> = Some(self);
        while let Some(error) = next {
            if let Some(ours) = error.downcast_ref::<Error>() {
                for hint in &ours.0.hints {
                    if !hints.contains(&hint.as_str()) {
                        hints.push(hint);
                    }
                }
            }
            next = error.source();
        }
        hints
    }

    /// The messages of the causes, nearest first, leaving out those that the message before them already says.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut last = self.to_string();
        let mut next = self.source();
        while let Some(error) = next {
            let text = error.to_string();
            if !last.ends_with(&text) {
                causes.push(text.clone());
                last = text;
            }
            next = error.source();
        }
        causes
    }

    /// Where the error arose, when backtraces were asked for (`RUST_BACKTRACE=1`).
    pub fn backtrace(&self) -> Option<&Backtrace> {
        (self.0.backtrace.status() == BacktraceStatus::Captured).then_some(&self.0.backtrace)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .field("hints", &self.0.hints)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_and_causes_come_from_the_whole_chain_once() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error =
            Error::io("write", Path::new("x"), full).context("cannot fetch m").hint("first").context("outer");
        assert_eq!(error.kind(), Kind::Io);
        assert_eq!(error.hints().len(), 2);
        assert_eq!(error.hints()[0], "first");
        assert_eq!(error.causes()[..2], ["cannot fetch m".to_string(), "cannot write x".to_string()]);
    }

    #[test]
    fn a_cause_that_repeats_the_message_is_left_out() {
        let error = Error::new(Kind::Io, "cannot read x: broken").caused_by("broken");
        assert!(error.causes().is_empty());
    }
}
