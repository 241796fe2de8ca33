//! GGUF files as arrays.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use holdall_core::op::Spec;
use holdall_core::ops::{Packing, Source};
use holdall_core::{Array, Dtype, Error, ErrorKind, Result};
use holdall_formats::gguf::{AffineLayout, Gguf as File, GgufTensor, Metadata};

use super::tensor::load_view;
use super::{Weights, io_error};

/// Elements of one part of a load.
const PART_ELEMENTS: usize = 1 << 20;

/// What a tensor of a GGUF file becomes.
pub type GgufArray = Weights;

/// An open GGUF file.
#[derive(Clone, Debug)]
pub struct Gguf(Arc<File>);

impl Gguf {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// When the file cannot be read or breaks a rule of the format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self(Arc::new(File::open(path).map_err(|e| io_error("load", e))?)))
    }

    /// Keys and values.
    pub fn metadata(&self) -> &Metadata {
        self.0.metadata()
    }

    /// Names of all tensors in file order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.tensors().iter().map(GgufTensor::name)
    }

    /// Whether there is a tensor of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.get_tensor(name).is_some()
    }

    /// A tensor: plain floats as they are; `Q4_0`, `Q4_1` and `Q8_0` as affine groups of 32 without loss; other
    /// quantized ones as float16.
    ///
    /// # Errors
    /// When there is no such tensor.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> Result<Weights> {
        let tensor = self.0.tensor(name).map_err(|e| io_error("load", e))?;
        if let Some(view) = tensor.plain() {
            return Ok(Weights::Plain(load_view(&view)?));
        }
        let source = |layout: &Option<AffineLayout>| {
            Arc::new(Blocks {
                file: self.0.clone(),
                tensor: tensor.clone(),
                bits: layout.as_ref().map(|l| l.bits),
            })
        };
        let affine = tensor.affine();
        let Some(layout) = &affine else {
            let mut made = Array::load([Spec::new(tensor.shape(), Dtype::Float16)], source(&None))?;
            return Ok(Weights::Plain(made.swap_remove(0)));
        };
        let specs = [
            Spec::new(&layout.weight_shape[..], Dtype::Uint32),
            Spec::new(&layout.scale_shape[..], Dtype::Float16),
            Spec::new(&layout.scale_shape[..], Dtype::Float16),
        ];
        let packing = Packing { group_size: layout.group_size, bits: layout.bits };
        match <[Array; 3]>::try_from(Array::load(specs, source(&affine))?) {
            Ok([codes, scales, biases]) => Ok(Weights::Quantized { codes, scales, biases, packing }),
            Err(_) => Err(Error::new(ErrorKind::Io, "load", "a quantized tensor has three parts")),
        }
    }
}

/// Rows of an encoded tensor.
#[derive(Debug)]
struct Blocks {
    /// Keeps the file open.
    file: Arc<File>,
    tensor: GgufTensor,
    /// Bits of the affine form; nothing for float16.
    bits: Option<usize>,
}

impl Blocks {
    fn rows(&self, part: usize) -> Range<usize> {
        let step = self.step();
        part * step..((part + 1) * step).min(self.tensor.n_rows())
    }

    fn step(&self) -> usize {
        (PART_ELEMENTS / self.tensor.n_cols().max(1)).max(1)
    }
}

impl Source for Blocks {
    fn name(&self) -> String {
        format!("{}: {}", self.file.source().name(), self.tensor.name())
    }

    fn parts(&self) -> usize {
        self.tensor.n_rows().div_ceil(self.step())
    }

    fn ranges(&self, part: usize) -> smallvec::SmallVec<[Range<usize>; 3]> {
        let rows = self.rows(part);
        let columns = self.tensor.n_cols();
        let of = |row_bytes: usize| rows.start * row_bytes..rows.end * row_bytes;
        match self.bits {
            Some(bits) => [of(columns * bits / 8), of(columns / 16), of(columns / 16)].into_iter().collect(),
            None => std::iter::once(of(columns * 2)).collect(),
        }
    }

    fn fill(
        &self,
        part: usize,
        outputs: &mut [&mut [u8]],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let rows = self.rows(part);
        match outputs {
            [codes, scales, biases] => {
                let (codes, scales) =
                    (bytemuck::try_cast_slice_mut(codes)?, bytemuck::try_cast_slice_mut(scales)?);
                self.tensor.read_affine(rows, codes, scales, bytemuck::try_cast_slice_mut(biases)?)?;
            }
            [values] => self.tensor.dequantize_f16(rows, bytemuck::try_cast_slice_mut(values)?)?,
            _ => return Err("a tensor is loaded as one array or three".into()),
        }
        Ok(())
    }
}
