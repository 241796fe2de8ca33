//! npz: a zip archive of npy arrays, as NumPy's `savez` and `savez_compressed` write it.
//!
//! Stored members are read by position, lazily, like npy files of their own (their checksum is not looked at);
//! deflated members are decompressed, and their checksum compared, each time they are read.
//!
//! ```
//! use holdall_formats::npz::{Compression, Npz, NpzWriter};
//! use holdall_formats::{ElementType, Source};
//!
//! let mut writer = NpzWriter::new(std::io::Cursor::new(Vec::new()), Compression::Deflated);
//! writer.add("weight", &[2], ElementType::F32, &[0, 0, 128, 63, 0, 0, 0, 64])?;
//! let bytes = writer.finish()?.into_inner();
//!
//! let file = Npz::from_source(Source::from_bytes("x.npz", bytes))?;
//! assert_eq!(file.tensor("weight")?.read()?, [0, 0, 128, 63, 0, 0, 0, 64]);
//! # Ok::<(), holdall_formats::Error>(())
//! ```
//!
//! # Limits
//! A deflated member that claims more than 1,032 times its compressed size, which deflate cannot reach, is refused
//! before anything is allocated for it.

mod output;
mod write;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use crate::error::{Error, Quoted, Result};
use crate::npy::{self, Header};
use crate::source::{Source, SourceReader};
use crate::tensor::{Decode, TensorView, byte_count};

pub use write::{Compression, NpzWriter, save};

/// The most bytes that one byte of deflate can stand for.
const MAX_RATIO: u64 = 1032;

/// An open npz file whose directory and array headers have been read; see the [module](self) for an example.
#[derive(Clone, Debug)]
pub struct Npz {
    source: Source,
    tensors: Vec<TensorView>,
    index: HashMap<String, usize>,
}

impl Npz {
    /// Opens a file and reads its directory and the header of each array.
    ///
    /// # Errors
    /// If the file cannot be read, is not a zip archive, is damaged (truncated, members that overlap or share a name),
    /// is encrypted or compressed by anything but deflate, or an array's header is bad (see [`npy::open`]).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_source(Source::open(path)?)
    }

    /// Reads directory and headers of a source.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_source(source: Source) -> Result<Self> {
        read(&source).map_err(|e| e.in_file(source.name()))
    }

    /// All arrays in the order of the archive, named without `.npy`. Members of other kinds are passed over.
    #[must_use]
    pub fn tensors(&self) -> &[TensorView] {
        &self.tensors
    }

    /// The array of a name.
    ///
    /// # Errors
    /// If there is none.
    pub fn tensor(&self, name: &str) -> Result<&TensorView> {
        self.get_tensor(name)
            .ok_or_else(|| Error::not_found(format!("no array {}", Quoted(name))).in_file(self.source.name()))
    }

    /// The array of a name, if there is one.
    #[must_use]
    pub fn get_tensor(&self, name: &str) -> Option<&TensorView> {
        self.index.get(name).map(|&i| &self.tensors[i])
    }
}

fn read(source: &Source) -> Result<Npz> {
    let mut archive = ZipArchive::new(SourceReader::new(source.clone())).map_err(zip_error)?;
    if archive.has_duplicate_names() {
        return Err(Error::malformed("two members share a name").in_field("directory"));
    }
    if archive.has_overlapping_entries().map_err(zip_error)? {
        return Err(Error::malformed("two members share bytes").in_field("directory"));
    }
    let mut tensors = Vec::new();
    let mut index = HashMap::new();
    for i in 0..archive.len() {
        let member = archive.by_index_data(i).map_err(zip_error)?.name().map_err(zip_error)?.into_owned();
        let Some(name) = member.strip_suffix(".npy") else { continue };
        tensors.push(open_member(source, &mut archive, i, name).map_err(|e| e.in_tensor(name))?);
        index.insert(name.to_owned(), tensors.len() - 1);
    }
    Ok(Npz { source: source.clone(), tensors, index })
}

fn open_member(
    source: &Source,
    archive: &mut ZipArchive<SourceReader>,
    i: usize,
    name: &str,
) -> Result<TensorView> {
    let member = archive.by_index_raw(i).map_err(zip_error)?;
    if member.encrypted() {
        return Err(Error::unsupported("the member is encrypted"));
    }
    let (size, compressed) = (member.size(), member.compressed_size());
    match member.compression() {
        CompressionMethod::Stored => {
            let start =
                member.data_start().ok_or_else(|| Error::malformed("the member has no place in the file"))?;
            npy::view(name, source.slice(start, compressed)?)
        }
        CompressionMethod::Deflated => {
            drop(member);
            if size > compressed.saturating_mul(MAX_RATIO) {
                return Err(Error::malformed(format!("{compressed} bytes cannot decompress to {size}"))
                    .in_field("size"));
            }
            let mut stream = archive.by_index(i).map_err(zip_error)?;
            let header = Header::read(&mut stream)?;
            let n_bytes = byte_count(&header.shape, header.element)?;
            if size != header.data_start + n_bytes as u64 {
                return Err(Error::malformed(format!(
                    "shape {:?} of {} takes {n_bytes} bytes after {}, the member has {size}",
                    header.shape, header.element, header.data_start
                ))
                .in_field("shape"));
            }
            drop(stream);
            let (shape, element) = (header.shape.clone(), header.element);
            let deflated = Deflated { archive: archive.clone(), i, header, file: source.name().into() };
            TensorView::coded(name.into(), shape, element, Arc::new(deflated))
        }
        other => Err(Error::unsupported(format!("compression method {other} is not supported"))),
    }
}

/// A compressed member.
#[derive(Debug)]
struct Deflated {
    archive: ZipArchive<SourceReader>,
    i: usize,
    header: Header,
    file: Arc<str>,
}

impl Decode for Deflated {
    fn decode_into(&self, out: &mut [u8]) -> Result<()> {
        self.decode(out).map_err(|e| e.in_file(&*self.file))
    }
}

impl Deflated {
    fn decode(&self, out: &mut [u8]) -> Result<()> {
        let fault = |e: io::Error| Error::malformed("cannot decompress").because(e);
        // A clone has a position of its own and shares the directory, so threads do not meet.
        let mut archive = self.archive.clone();
        let mut stream = archive.by_index(self.i).map_err(zip_error)?;
        // The file may have changed since it was opened.
        if Header::read(&mut stream)? != self.header {
            return Err(Error::malformed("the array's header has changed since the file was opened"));
        }
        self.header.decode(&mut stream, out).map_err(fault)?;
        // The checksum is compared at the end of the stream, where nothing may be left.
        match stream.read(&mut [0]).map_err(fault)? {
            0 => Ok(()),
            _ => Err(Error::malformed("the member decompresses to more than its size")),
        }
    }
}

fn zip_error(error: ZipError) -> Error {
    match error {
        ZipError::Io(e) => Error::io("cannot read the archive", e),
        ZipError::UnsupportedArchive(why) => {
            Error::unsupported(format!("an archive of this kind is not supported: {why}"))
        }
        ZipError::CompressionMethodNotSupported(n) => {
            Error::unsupported(format!("compression method {n} is not supported"))
        }
        other => Error::malformed(format!("not a sound zip archive: {other}")),
    }
}
