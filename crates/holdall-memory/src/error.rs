//! The error of the crate.

use std::fmt;
use std::sync::Arc;

use crate::{QueueId, Tick};

/// What went wrong, as far as a caller may want to act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The driver or the memory limit has no room, even after everything that could be freed was freed.
    OutOfMemory,
    /// The device reported that a command buffer failed, or its tick ended without having run.
    Failed,
    /// The block lives where the host cannot address it.
    NotHostAddressable,
    /// The block is lent to foreign code, or is foreign memory that may not be written.
    Leased,
}

/// An error of the memory system. Cheap to clone: a failed tick gives the same error to everyone who asks.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, message: message.into() }))
    }

    pub(crate) fn failed(queue: QueueId, tick: Tick, why: &str) -> Self {
        Self::new(
            ErrorKind::Failed,
            format!("command buffer {} of stream {} failed: {why}", tick.get(), queue.0),
        )
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.0.kind).field("message", &self.0.message).finish()
    }
}

impl std::error::Error for Error {}

/// The driver has no room for an allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("the device has no room for the allocation")]
pub struct OutOfMemory;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
