//! npy, versions 1 to 3: one array, as NumPy's `save` writes it.
//!
//! Arrays in row-major, little-endian order are read by position, lazily; column-major and big-endian ones are turned
//! while they are read. bfloat16, which NumPy lacks, is the raw type `V2`, as MLX writes it. Object, string, date,
//! structured and 128-bit types are refused.
//!
//! ```
//! use holdall_formats::{ElementType, Source, npy};
//!
//! let bytes = npy::to_bytes(&[2, 2], ElementType::I16, &[1, 0, 2, 0, 3, 0, 4, 0])?;
//! let view = npy::view("x", Source::from_bytes("x.npy", bytes))?;
//! assert_eq!((view.shape(), view.element()), (&[2, 2][..], ElementType::I16));
//! assert_eq!(view.read()?, [1, 0, 2, 0, 3, 0, 4, 0]);
//! # Ok::<(), holdall_formats::Error>(())
//! ```
//!
//! # Limits
//! Headers of more than 64 KiB are refused: one array's header takes some hundred bytes.

mod decode;
mod header;
mod literal;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use crate::atomic;
use crate::element::ElementType;
use crate::error::{Error, Result};
use crate::source::{Source, SourceReader};
use crate::tensor::{TensorView, byte_count};

use decode::Stored;
pub(crate) use header::Header;

/// Opens an npy file; the view's name is the file's, without its extension.
///
/// # Errors
/// If the file cannot be read, is not npy, is truncated, or its type is not one of [`ElementType`].
pub fn open(path: impl AsRef<Path>) -> Result<TensorView> {
    let path = path.as_ref();
    let name = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    view(&name, Source::open(path)?)
}

/// The array in `source`, as a view of a given name. Bytes after the array are left alone, as NumPy does.
///
/// # Errors
/// As [`open`].
pub fn view(name: &str, source: Source) -> Result<TensorView> {
    let blame = |e: Error| e.in_tensor(name).in_file(source.name());
    let header = Header::read(&mut SourceReader::new(source.clone())).map_err(blame)?;
    let n_bytes = byte_count(&header.shape, header.element).map_err(blame)?;
    let data = source.slice(header.data_start, n_bytes as u64).map_err(|_| {
        blame(Error::malformed(format!(
            "truncated: shape {:?} of {} takes {n_bytes} bytes after {}, the file has {}",
            header.shape,
            header.element,
            header.data_start,
            source.len()
        )))
    })?;
    if header.is_plain() {
        TensorView::plain(name.into(), header.shape, header.element, data)
    } else {
        let (shape, element) = (header.shape.clone(), header.element);
        TensorView::coded(name.into(), shape, element, Arc::new(Stored { header, data }))
    }
}

/// Writes an array (`data` row-major and little-endian) as npy version 1 to `out`, which should be buffered.
///
/// # Errors
/// If `data` has another length than the shape takes, or writing fails.
pub fn write_to(out: &mut impl Write, shape: &[usize], element: ElementType, data: &[u8]) -> Result<()> {
    let wanted = byte_count(shape, element).map_err(|e| Error::invalid(e.to_string()))?;
    if wanted != data.len() {
        return Err(Error::invalid(format!(
            "shape {shape:?} of {element} takes {wanted} bytes, got {}",
            data.len()
        )));
    }
    let header = header::to_bytes(shape, element)?;
    out.write_all(&header).and_then(|()| out.write_all(data)).map_err(|e| Error::io("cannot write", e))
}

/// An array as an npy file's bytes; see [`write_to`].
///
/// # Errors
/// If `data` has another length than the shape takes.
pub fn to_bytes(shape: &[usize], element: ElementType, data: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    write_to(&mut out, shape, element, data)?;
    Ok(out)
}

/// Writes an array to a path: whole, or not at all (a temporary file beside it takes its place at the end).
///
/// # Errors
/// If `data` has another length than the shape takes, or the file cannot be written.
pub fn save(path: impl AsRef<Path>, shape: &[usize], element: ElementType, data: &[u8]) -> Result<()> {
    atomic::save(path.as_ref(), |out| write_to(out, shape, element, data))
}
