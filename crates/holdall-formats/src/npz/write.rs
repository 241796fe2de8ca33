//! Writing npz archives.

use std::collections::HashSet;
use std::fmt;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::output::Output;
use crate::atomic;
use crate::element::ElementType;
use crate::error::{Error, ErrorKind, Result};
use crate::npy;
use crate::tensor::TensorData;

/// From this size on a member needs the 64-bit fields of zip, which must be reserved before writing it. Somewhat below
/// 4 GiB, since deflate can make incompressible data a little longer.
const LARGE: usize = 0xf000_0000;

/// How members are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As they are, like `numpy.savez`: they can be read by position.
    #[default]
    Stored,
    /// By deflate, like `numpy.savez_compressed`.
    Deflated,
}

/// Writes arrays one by one into an npz archive.
///
/// Without [`finish`](Self::finish), or after an error, what was written is no archive.
pub struct NpzWriter<W: Write + Seek> {
    /// Some until finished.
    zip: Option<ZipWriter<Output<W>>>,
    abandoned: Arc<AtomicBool>,
    method: CompressionMethod,
    names: HashSet<String>,
}

impl<W: Write + Seek> fmt::Debug for NpzWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NpzWriter")
            .field("method", &self.method)
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

impl<W: Write + Seek> Drop for NpzWriter<W> {
    fn drop(&mut self) {
        self.abandoned.store(true, Relaxed);
    }
}

impl<W: Write + Seek> NpzWriter<W> {
    /// An archive that begins at the start of `out`.
    #[must_use]
    pub fn new(out: W, compression: Compression) -> Self {
        let method = match compression {
            Compression::Stored => CompressionMethod::Stored,
            Compression::Deflated => CompressionMethod::Deflated,
        };
        let abandoned = Arc::new(AtomicBool::new(false));
        let zip = Some(ZipWriter::new(Output::new(out, abandoned.clone())));
        Self { zip, abandoned, method, names: HashSet::new() }
    }

    /// Adds an array (`data` row-major and little-endian) as the member `name.npy`.
    ///
    /// # Errors
    /// If the name was added before, `data` has another length than the shape takes, or writing fails.
    pub fn add(&mut self, name: &str, shape: &[usize], element: ElementType, data: &[u8]) -> Result<()> {
        let tensor = TensorData { name, shape, element, data };
        tensor.check()?;
        if !self.names.insert(name.to_owned()) {
            return Err(Error::invalid("the name was added before").in_tensor(name));
        }
        let options =
            SimpleFileOptions::default().compression_method(self.method).large_file(data.len() >= LARGE);
        let Some(zip) = &mut self.zip else { return Err(failed_before()) };
        let mut write = || {
            zip.start_file(format!("{name}.npy"), options).map_err(write_error)?;
            npy::write_to(zip, shape, element, data)
        };
        write().map_err(|e| {
            self.abandoned.store(true, Relaxed);
            e.in_tensor(name)
        })
    }

    /// Writes the directory and hands back the output.
    ///
    /// # Errors
    /// If writing fails, or failed before.
    pub fn finish(mut self) -> Result<W> {
        let failed = self.abandoned.load(Relaxed);
        match self.zip.take() {
            Some(zip) if !failed => Ok(zip.finish().map_err(write_error)?.inner),
            _ => Err(failed_before()),
        }
    }
}

fn failed_before() -> Error {
    Error::new(ErrorKind::Io, "cannot write: an earlier write failed")
}

fn write_error(error: ZipError) -> Error {
    match error {
        ZipError::Io(e) => Error::io("cannot write", e),
        other => Error::invalid(format!("cannot write the archive: {other}")),
    }
}

/// Writes arrays to an npz file: whole, or not at all (a temporary file beside it takes its place at the end).
///
/// # Errors
/// If a name occurs twice, data has another length than its shape takes, or the file cannot be written.
pub fn save(path: impl AsRef<Path>, tensors: &[TensorData<'_>], compression: Compression) -> Result<()> {
    atomic::save(path.as_ref(), |out| {
        let mut writer = NpzWriter::new(out, compression);
        for t in tensors {
            writer.add(t.name, t.shape, t.element, t.data)?;
        }
        writer.finish().map(|_| ())
    })
}
