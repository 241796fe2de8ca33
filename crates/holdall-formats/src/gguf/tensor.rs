//! One tensor of a GGUF file: what it is, and the three ways to read it.

use std::ops::Range;
use std::sync::Arc;

use super::affine::{Groups, repack};
use super::dequantize::{MAX_BLOCK_ELEMS, dequantize_block};
use super::ggml_type::GgmlType;
use crate::error::{Error, Result};
use crate::source::Source;
use crate::tensor::TensorView;

/// Bytes of the file that are in flight at a time: small enough to stay in a core's second-level cache.
const CHUNK: usize = 128 << 10;

/// Elements per affine group.
const GROUP: usize = 32;

/// A tensor of a GGUF file, not yet read.
///
/// Cloning is cheap; the tensor keeps the file open and may be read from any thread. A *row* is a run along the last
/// axis; rows are numbered over all other axes flattened. Every reading method takes a range of rows, so that threads
/// can share a large tensor, and holds no more than 128 KiB of the file at a time.
#[derive(Clone, Debug)]
pub struct GgufTensor {
    pub(super) name: Arc<str>,
    pub(super) shape: Arc<[usize]>,
    pub(super) encoding: GgmlType,
    pub(super) data: Source,
}

/// The shapes of a tensor in affine form; see [`GgufTensor::affine`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AffineLayout {
    /// Bits per code: 4 or 8.
    pub bits: usize,
    /// Elements that share a scale and a bias: 32.
    pub group_size: usize,
    /// Shape of the packed codes as 32-bit words: the tensor's, with its last axis times `bits / 32`.
    pub weight_shape: Vec<usize>,
    /// Shape of scales and of biases: the tensor's, with its last axis divided by `group_size`.
    pub scale_shape: Vec<usize>,
}

impl GgufTensor {
    /// The tensor's name in its file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Extents, slowest axis first (NumPy's order, the reverse of the file's).
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How the elements are encoded.
    #[must_use]
    pub fn encoding(&self) -> GgmlType {
        self.encoding
    }

    /// Elements per row: the last extent, 1 for a scalar.
    #[must_use]
    pub fn n_cols(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Number of rows: the product of all extents but the last, 1 for a vector or scalar.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.shape.split_last().map_or(1, |(_, others)| others.iter().product())
    }

    /// Bytes per row in the file.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.n_cols() / self.encoding.block_elems() * self.encoding.block_bytes()
    }

    /// The encoded bytes as they lie in the file.
    #[must_use]
    pub fn data(&self) -> &Source {
        &self.data
    }

    /// The tensor as a plain view, if its elements are stored as plain numbers.
    #[must_use]
    pub fn plain(&self) -> Option<TensorView> {
        let element = self.encoding.element()?;
        // The length was checked when the header was read, so this cannot fail.
        TensorView::plain(self.name.clone(), self.shape.to_vec(), element, self.data.clone()).ok()
    }

    /// The shapes of the affine form, if the tensor has one without loss (`Q4_0`, `Q4_1`, `Q8_0`).
    #[must_use]
    pub fn affine(&self) -> Option<AffineLayout> {
        let bits = self.encoding.affine_bits()?;
        let with_last = |last: usize| {
            let mut shape = self.shape.to_vec();
            // A block encoding has whole blocks along a last axis: checked when the header was read.
            if let Some(extent) = shape.last_mut() {
                *extent = last;
            }
            shape
        };
        Some(AffineLayout {
            bits,
            group_size: GROUP,
            weight_shape: with_last(self.n_cols() / GROUP * bits),
            scale_shape: with_last(self.n_cols() / GROUP),
        })
    }

    /// Reads rows in affine form: packed codes, and per group of 32 a scale and a bias as binary16 bits; a value is
    /// `code · scale + bias`.
    ///
    /// The lengths wanted are, with `n = rows.len() * n_cols()`: `weights` `n * bits / 32` words, `scales` and `biases`
    /// `n / 32` each. Codes of a row form one bit stream, least significant bit first. `Q4_0` gets bias −8·scale,
    /// `Q8_0` codes are offset by 128 and get bias −128·scale, both exact.
    ///
    /// # Errors
    /// If the encoding has no affine form, the rows do not exist, a slice has another length, the file cannot be read,
    /// or a scale is infinite, NaN, or too large for its bias to be finite.
    ///
    /// # Source
    /// The affine mode of MLX's `quantize`; the block layouts of GGUF.
    pub fn read_affine(
        &self,
        rows: Range<usize>,
        weights: &mut [u32],
        scales: &mut [u16],
        biases: &mut [u16],
    ) -> Result<()> {
        let fault = |e: Error| e.in_tensor(&*self.name).in_file(self.data.name());
        let bits = self.encoding.affine_bits().ok_or_else(|| {
            fault(Error::invalid(format!(
                "wanted Q4_0, Q4_1 or Q8_0 for the affine form, got {}",
                self.encoding
            )))
        })?;
        let span = self.span(&rows).map_err(fault)?;
        let n_groups = span.n_blocks;
        for (what, wanted, got) in [
            ("weights", n_groups * bits, weights.len()),
            ("scales", n_groups, scales.len()),
            ("biases", n_groups, biases.len()),
        ] {
            if wanted != got {
                return Err(fault(Error::invalid(format!("{what}: wanted a slice of {wanted}, got {got}"))));
            }
        }
        let out = Groups { weights, scales, biases };
        self.for_each_chunk(&span, |first_block, blocks| {
            let n = blocks.len() / self.encoding.block_bytes();
            let at = first_block;
            let finite = repack(
                self.encoding,
                blocks,
                Groups {
                    weights: &mut out.weights[at * bits..(at + n) * bits],
                    scales: &mut out.scales[at..at + n],
                    biases: &mut out.biases[at..at + n],
                },
            );
            if finite { Ok(()) } else { Err(self.bad_scale(rows.start, at, &out.biases[at..at + n])) }
        })
        .map_err(fault)
    }

    /// Reads rows as binary32, whatever their encoding; `out` is `rows.len() * n_cols()` long.
    ///
    /// # Errors
    /// If the rows do not exist, `out` has another length, or the file cannot be read.
    ///
    /// # Source
    /// The block layouts of GGUF; values agree bit for bit with the `gguf` package's `dequantize`.
    pub fn dequantize_f32(&self, rows: Range<usize>, out: &mut [f32]) -> Result<()> {
        self.dequantize(rows, out, |values, out| out.copy_from_slice(values))
    }

    /// The same rounded to binary16, as bits. Values past ±65,504 become infinite.
    ///
    /// # Errors
    /// As [`dequantize_f32`](Self::dequantize_f32).
    pub fn dequantize_f16(&self, rows: Range<usize>, out: &mut [u16]) -> Result<()> {
        use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
        self.dequantize(rows, out, |values, out| {
            out.reinterpret_cast_mut::<half::f16>().convert_from_f32_slice(values);
        })
    }

    /// The same rounded to bfloat16, as bits.
    ///
    /// # Errors
    /// As [`dequantize_f32`](Self::dequantize_f32).
    pub fn dequantize_bf16(&self, rows: Range<usize>, out: &mut [u16]) -> Result<()> {
        use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
        self.dequantize(rows, out, |values, out| {
            out.reinterpret_cast_mut::<half::bf16>().convert_from_f32_slice(values);
        })
    }

    fn dequantize<T>(
        &self,
        rows: Range<usize>,
        out: &mut [T],
        store: impl Fn(&[f32], &mut [T]),
    ) -> Result<()> {
        let fault = |e: Error| e.in_tensor(&*self.name).in_file(self.data.name());
        let span = self.span(&rows).map_err(fault)?;
        let n_elems = span.n_blocks * self.encoding.block_elems();
        if out.len() != n_elems {
            return Err(fault(Error::invalid(format!("wanted a slice of {n_elems}, got {}", out.len()))));
        }
        // Plain encodings have blocks of one element; take them by the bufferful.
        let per_step = MAX_BLOCK_ELEMS / self.encoding.block_elems();
        let mut values = [0.0; MAX_BLOCK_ELEMS];
        self.for_each_chunk(&span, |first_block, blocks| {
            let first = first_block * self.encoding.block_elems();
            let steps = blocks.chunks(per_step * self.encoding.block_bytes());
            for (bytes, out) in steps.zip(out[first..].chunks_mut(MAX_BLOCK_ELEMS)) {
                let n = bytes.len() / self.encoding.block_bytes() * self.encoding.block_elems();
                dequantize_block(self.encoding, bytes, &mut values[..n]);
                store(&values[..n], &mut out[..n]);
            }
            Ok(())
        })
        .map_err(fault)
    }

    fn span(&self, rows: &Range<usize>) -> Result<Span> {
        if rows.start > rows.end || rows.end > self.n_rows() {
            return Err(Error::invalid(format!("wanted rows {rows:?}, the tensor has {}", self.n_rows())));
        }
        let blocks_per_row = self.n_cols() / self.encoding.block_elems();
        // In range: all rows together were found to fit the file when its header was read.
        Ok(Span { start: rows.start as u64 * self.row_bytes() as u64, n_blocks: rows.len() * blocks_per_row })
    }

    /// Reads a span chunk by chunk; `each` gets the number of blocks before the chunk and the chunk's bytes.
    fn for_each_chunk(&self, span: &Span, mut each: impl FnMut(usize, &[u8]) -> Result<()>) -> Result<()> {
        let block = self.encoding.block_bytes();
        // A multiple of 256 blocks, so that steps of MAX_BLOCK_ELEMS elements never straddle two chunks.
        let chunk = (CHUNK / (block * MAX_BLOCK_ELEMS)).max(1) * MAX_BLOCK_ELEMS;
        let mut buf = vec![0; chunk.min(span.n_blocks) * block];
        let mut done = 0;
        while done < span.n_blocks {
            let n = chunk.min(span.n_blocks - done);
            let bytes = &mut buf[..n * block];
            self.data.read_exact_at(span.start + (done * block) as u64, bytes)?;
            each(done, bytes)?;
            done += n;
        }
        Ok(())
    }

    /// Names the first group whose bias came out infinite or NaN.
    fn bad_scale(&self, first_row: usize, first_group: usize, biases: &[u16]) -> Error {
        let at = first_group + biases.iter().position(|b| b & 0x7c00 == 0x7c00).unwrap_or(0);
        let per_row = (self.n_cols() / GROUP).max(1);
        Error::malformed(format!(
            "the scale of row {}, group {} is not finite or too large for a binary16 bias",
            first_row + at / per_row,
            at % per_row
        ))
        .in_field("scale")
    }
}

/// A run of blocks in a tensor's data.
struct Span {
    start: u64,
    n_blocks: usize,
}
