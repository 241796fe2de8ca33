//! The one error type of this crate.

use std::error::Error as StdError;
use std::fmt;
use std::io;

/// A `Result` whose error is this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of thing went wrong; see [`Error::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file, tensor or metadata key does not exist.
    NotFound,
    /// The operating system refused to read or write.
    Io,
    /// The bytes break the rules of their format (truncated, overlapping, out of range, not UTF-8 …).
    Malformed,
    /// The bytes are well formed but of a version, type or encoding that is not read or written here.
    Unsupported,
    /// The file claims more than this crate is willing to hold (see the limits in each format's module).
    Limit,
    /// The caller asked for something impossible (a row range past the end, a buffer of the wrong length).
    InvalidArgument,
}

/// Why a tensor file could not be read or written.
///
/// It prints as one lower-case line that names, as far as they are known, the file, the tensor and the field:
///
/// ```
/// use holdall_formats::{ErrorKind, Source, gguf::Gguf};
///
/// let error = Gguf::from_source(Source::from_bytes("model.gguf", b"GGUF\x09\0\0\0".to_vec())).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unsupported);
/// assert_eq!(error.to_string(), "model.gguf: version: wanted 2 or 3, got 9");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    file: Option<String>,
    tensor: Option<String>,
    field: Option<String>,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// What sort of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The file (or the name given to an in-memory source), if known.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.0.file.as_deref()
    }

    /// The tensor at fault, if the fault lies in one.
    #[must_use]
    pub fn tensor(&self) -> Option<&str> {
        self.0.tensor.as_deref()
    }

    /// The field of the format at fault, such as `data_offsets` or a metadata key, if there is one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            file: None,
            tensor: None,
            field: None,
            message: message.into(),
            source: None,
        }))
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Limit, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// An operating system error met while doing `what` ("cannot open", "cannot read 16 bytes at 8").
    pub(crate) fn io(what: impl Into<String>, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::UnexpectedEof => ErrorKind::Malformed,
            _ => ErrorKind::Io,
        };
        Self::new(kind, what).because(error)
    }

    pub(crate) fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.0.source = Some(Box::new(source));
        self
    }

    // The innermost name wins: whoever is nearest to the fault knows best.
    pub(crate) fn in_file(mut self, file: impl Into<String>) -> Self {
        self.0.file.get_or_insert_with(|| file.into());
        self
    }

    pub(crate) fn in_tensor(mut self, tensor: impl Into<String>) -> Self {
        self.0.tensor.get_or_insert_with(|| tensor.into());
        self
    }

    /// Replaces the field, to say where an inner field is.
    pub(crate) fn with_field(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    pub(crate) fn in_field(mut self, field: impl Into<String>) -> Self {
        self.0.field.get_or_insert_with(|| field.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.0.file {
            write!(f, "{file}: ")?;
        }
        if let Some(tensor) = &self.0.tensor {
            write!(f, "tensor {}: ", Quoted(tensor))?;
        }
        if let Some(field) = &self.0.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.0.message)?;
        if let Some(source) = &self.0.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}, {self})", self.0.kind)
    }
}

// The cause's text is part of the message already; handing it out as `source()` too would print it twice in a
// chain, so only I/O errors, which callers match on (out of space, broken pipe), are handed out.
impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source: &(dyn StdError + 'static) = self.0.source.as_deref()?;
        source.downcast_ref::<io::Error>().map(|e| e as &(dyn StdError + 'static))
    }
}

/// A name from an untrusted file, quoted, with control characters escaped and cut to a length fit for a message.
pub(crate) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 120;
        match self.0.char_indices().nth(SHOWN) {
            None => write!(f, "\"{}\"", self.0.escape_debug()),
            Some((cut, _)) => write!(f, "\"{}…\"", self.0[..cut].escape_debug()),
        }
    }
}
