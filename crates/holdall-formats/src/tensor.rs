//! A named tensor: in a file, not yet read, or in memory, not yet written.

use std::ops::Range;
use std::sync::Arc;

use crate::element::ElementType;
use crate::error::{Error, Result};
use crate::source::Source;

/// A named tensor whose bytes are still in their file: name, shape, element type, and how to read it.
///
/// Elements come out in row-major order (the last axis varies fastest), little-endian, whatever order the file keeps
/// them in. Cloning is cheap; the view keeps the file open and may be read from any thread, as often as wanted.
///
/// ```
/// use holdall_formats::safetensors::{SafeTensors, to_bytes};
/// use holdall_formats::{ElementType, Source, TensorData};
///
/// let x = TensorData { name: "x", shape: &[2, 1], element: ElementType::U16, data: &[1, 0, 2, 0] };
/// let file = SafeTensors::from_source(Source::from_bytes("x.safetensors", to_bytes(&[x], &[])?))?;
/// let view = file.tensor("x")?;
/// assert_eq!((view.shape(), view.element()), (&[2, 1][..], ElementType::U16));
/// assert_eq!(view.read()?, [1, 0, 2, 0]);
/// # Ok::<(), holdall_formats::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TensorView {
    name: Arc<str>,
    shape: Arc<[usize]>,
    element: ElementType,
    n_bytes: usize,
    backing: Backing,
}

/// How the bytes of a view are produced.
#[derive(Clone, Debug)]
enum Backing {
    /// They lie in the file as they are wanted.
    Plain(Source),
    /// They must be decompressed, swapped or transposed first.
    Coded(Arc<dyn Decode>),
}

/// Produces all bytes of a tensor that does not lie in its file as it is wanted.
pub(crate) trait Decode: Send + Sync + std::fmt::Debug {
    fn decode_into(&self, out: &mut [u8]) -> Result<()>;
}

impl TensorView {
    /// A view of `source`, whose length must be that of the elements.
    pub(crate) fn plain(
        name: Arc<str>,
        shape: Vec<usize>,
        element: ElementType,
        source: Source,
    ) -> Result<Self> {
        let n_bytes = byte_count(&shape, element)?;
        if n_bytes as u64 != source.len() {
            return Err(Error::malformed(format!(
                "shape {shape:?} of {element} takes {n_bytes} bytes, the file gives it {}",
                source.len()
            ))
            .in_tensor(&*name)
            .in_file(source.name()));
        }
        Ok(Self { name, shape: shape.into(), element, n_bytes, backing: Backing::Plain(source) })
    }

    pub(crate) fn coded(
        name: Arc<str>,
        shape: Vec<usize>,
        element: ElementType,
        decode: Arc<dyn Decode>,
    ) -> Result<Self> {
        let n_bytes = byte_count(&shape, element)?;
        Ok(Self { name, shape: shape.into(), element, n_bytes, backing: Backing::Coded(decode) })
    }

    /// The tensor's name in its file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Extents, slowest axis first (NumPy's order). A scalar has none.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type of each element.
    #[must_use]
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Number of elements.
    #[must_use]
    pub fn n_elems(&self) -> usize {
        self.n_bytes / self.element.n_bytes()
    }

    /// Number of bytes that [`read_into`](Self::read_into) writes.
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// Where the bytes lie in the file, if they lie there exactly as they are read (so that a memory map of that range
    /// would serve as well); `None` if they are compressed, big-endian or column-major.
    #[must_use]
    pub fn file_range(&self) -> Option<Range<u64>> {
        let source = self.source()?;
        Some(source.file_offset()..source.file_offset() + source.len())
    }

    /// The bytes as a source for partial reads, under the same condition as [`file_range`](Self::file_range).
    #[must_use]
    pub fn source(&self) -> Option<&Source> {
        match &self.backing {
            Backing::Plain(source) => Some(source),
            Backing::Coded(_) => None,
        }
    }

    /// Reads all elements into `out`, [`n_bytes`](Self::n_bytes) long.
    ///
    /// # Errors
    /// If `out` has another length, or the file cannot be read or is damaged. `out` may then be partly written.
    pub fn read_into(&self, out: &mut [u8]) -> Result<()> {
        if out.len() != self.n_bytes {
            return Err(Error::invalid(format!(
                "wanted a buffer of {} bytes, got {}",
                self.n_bytes,
                out.len()
            ))
            .in_tensor(&*self.name));
        }
        match &self.backing {
            Backing::Plain(source) => source.read_exact_at(0, out),
            Backing::Coded(decode) => decode.decode_into(out),
        }
        .map_err(|e| e.in_tensor(&*self.name))
    }

    /// Reads all elements into a new vector.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub fn read(&self) -> Result<Vec<u8>> {
        let mut out = vec![0; self.n_bytes];
        self.read_into(&mut out)?;
        Ok(out)
    }
}

/// A tensor to write: its bytes are row-major and little-endian.
#[derive(Clone, Copy, Debug)]
pub struct TensorData<'a> {
    /// Its name, unique in the file.
    pub name: &'a str,
    /// Extents, slowest axis first.
    pub shape: &'a [usize],
    /// The type of each element.
    pub element: ElementType,
    /// All elements.
    pub data: &'a [u8],
}

impl TensorData<'_> {
    /// Checks that the data has the length that the shape takes.
    pub(crate) fn check(&self) -> Result<()> {
        let wanted = byte_count(self.shape, self.element)
            .map_err(|e| Error::invalid(e.to_string()).in_tensor(self.name))?;
        if wanted != self.data.len() {
            return Err(Error::invalid(format!(
                "shape {:?} of {} takes {wanted} bytes, got {}",
                self.shape,
                self.element,
                self.data.len()
            ))
            .in_tensor(self.name));
        }
        Ok(())
    }
}

/// Bytes of a row-major tensor; an error if they do not fit in memory's address range.
pub(crate) fn byte_count(shape: &[usize], element: ElementType) -> Result<usize> {
    // Zero extents count as one: strides are products of the others, which must not overflow either.
    let n = shape
        .iter()
        .try_fold(element.n_bytes(), |n, &extent| n.checked_mul(extent.max(1)))
        .filter(|&n| isize::try_from(n).is_ok())
        .ok_or_else(|| {
            Error::malformed(format!("the extents {shape:?} multiply to too many bytes")).in_field("shape")
        })?;
    Ok(if shape.contains(&0) { 0 } else { n })
}

/// Extents from a file as `usize`.
pub(crate) fn extents(shape: &[u64]) -> Result<Vec<usize>> {
    shape
        .iter()
        .map(|&n| usize::try_from(n))
        .collect::<Result<_, _>>()
        .map_err(|_| Error::malformed(format!("the extents {shape:?} are too large")).in_field("shape"))
}
