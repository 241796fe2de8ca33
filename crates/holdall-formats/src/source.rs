//! Where bytes come from: an open file, memory, or anything that reads at a position.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::platform::read_exact_at;

mod reader;

#[cfg(test)]
mod tests;

/// Something that hands out bytes by position, from several threads at once.
///
/// Implement it to read tensor files from a place that is neither a file nor memory, and pass it to
/// [`Source::from_reader`].
pub trait ReadAt: Send + Sync {
    /// Fills `buf` with the bytes that start at `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] if fewer bytes remain than `buf` wants, or what the device reports.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// The length in bytes at the time of opening.
    fn size(&self) -> u64;
}

pub(crate) use reader::SourceReader;

/// A named, fixed-length run of bytes that is read by position: a whole file, a part of one, or memory.
///
/// Cloning is cheap and shares the open file, so a view taken from it stays readable after the path was deleted or
/// replaced. No position is shared: any number of threads may read at once.
///
/// ```
/// use holdall_formats::Source;
///
/// let source = Source::from_bytes("greeting", *b"hello, world");
/// let mut word = [0; 5];
/// source.slice(7, 5)?.read_exact_at(0, &mut word)?;
/// assert_eq!(&word, b"world");
/// assert!(source.read_exact_at(8, &mut word).is_err());
/// # Ok::<(), holdall_formats::Error>(())
/// ```
#[derive(Clone)]
pub struct Source {
    name: Arc<str>,
    start: u64,
    len: u64,
    data: Arc<dyn ReadAt>,
}

impl Source {
    /// Opens a file for reading. Its path becomes the source's name.
    ///
    /// # Errors
    /// If the path does not exist, is not a regular file (a folder, a pipe: those have no positions) or cannot be
    /// opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let open = || {
            // Looked at before opening, since opening a pipe would wait for its other end.
            let found = fs::metadata(path).map_err(|e| Error::io("cannot open", e))?;
            if !found.is_file() {
                return Err(Error::invalid("wanted a regular file, got a folder or a device"));
            }
            let file = File::open(path).map_err(|e| Error::io("cannot open", e))?;
            let size = file.metadata().map_err(|e| Error::io("cannot read its size", e))?.len();
            Ok(OpenFile { file, size })
        };
        let file = open().map_err(|e| e.in_file(path.display().to_string()))?;
        Ok(Self::from_reader(&path.display().to_string(), Arc::new(file)))
    }

    /// Bytes in memory, under a name for error messages.
    #[must_use]
    pub fn from_bytes(name: &str, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::from_reader(name, Arc::new(Memory(bytes.into())))
    }

    /// Anything that reads by position, under a name for error messages.
    #[must_use]
    pub fn from_reader(name: &str, data: Arc<dyn ReadAt>) -> Self {
        Self { name: name.into(), start: 0, len: data.size(), data }
    }

    /// The file's path, or the name given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where this source starts in the file or memory it is a part of, in bytes.
    #[must_use]
    pub fn file_offset(&self) -> u64 {
        self.start
    }

    /// Fills `buf` with the bytes from `offset` on, counted from the start of this source.
    ///
    /// # Errors
    /// If the range does not lie within the source, or the file cannot be read (it may have shrunk since).
    pub fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<()> {
        self.check(offset, buf.len() as u64)?;
        self.data.read_exact_at(self.start + offset, buf).map_err(|e| {
            Error::io(format!("cannot read {} bytes at {}", buf.len(), self.start + offset), e)
                .in_file(&*self.name)
        })
    }

    /// The `len` bytes from `offset` on, as a source of their own that shares the open file.
    ///
    /// # Errors
    /// If the range does not lie within this source.
    pub fn slice(&self, offset: u64, len: u64) -> Result<Self> {
        self.check(offset, len)?;
        Ok(Self { name: self.name.clone(), start: self.start + offset, len, data: self.data.clone() })
    }

    fn check(&self, offset: u64, len: u64) -> Result<()> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(Error::malformed(format!("truncated: wanted {len} bytes at {offset} of {}", self.len))
                .in_file(&*self.name)),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("start", &self.start)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

struct OpenFile {
    file: File,
    size: u64,
}

impl ReadAt for OpenFile {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        read_exact_at(&self.file, offset, buf)
    }

    fn size(&self) -> u64 {
        self.size
    }
}

struct Memory(Arc<[u8]>);

impl ReadAt for Memory {
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let range = usize::try_from(offset).ok().and_then(|start| Some(start..start.checked_add(buf.len())?));
        let bytes = range.and_then(|r| self.0.get(r)).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }
}
