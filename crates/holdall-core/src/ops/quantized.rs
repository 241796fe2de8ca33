//! Affine quantization: integers of a few bits with a scale and a bias for each group along the last axis.
//!
//! A row of codes is one little-endian bit stream, lowest bits first, seen as uint32 words; a code may straddle two
//! words. A value is `code · scale + bias`.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::shape::{Dims, broadcast};

/// How weights are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Packing {
    /// Elements that share a scale and a bias: 32, 64 or 128.
    pub group_size: usize,
    /// Bits of a code: 2, 3, 4, 5, 6 or 8.
    pub bits: usize,
}

impl Packing {
    /// MLX's default.
    pub const DEFAULT: Self = Self { group_size: 64, bits: 4 };

    fn check(self, op: &'static str) -> Result<()> {
        if ![32, 64, 128].contains(&self.group_size) || ![2, 3, 4, 5, 6, 8].contains(&self.bits) {
            return Err(Error::argument(
                op,
                format!(
                    "wanted groups of 32, 64 or 128 and 2, 3, 4, 5, 6 or 8 bits; got {} and {}",
                    self.group_size, self.bits
                ),
            ));
        }
        Ok(())
    }

    /// Elements in a row of so many words.
    pub fn elements(self, words: usize) -> usize {
        words * 32 / self.bits
    }
}

/// Checks packed weights with their scales and biases; returns the elements of a row.
fn check_packed(op: &'static str, packing: Packing, w: &Spec, scales: &Spec, biases: &Spec) -> Result<usize> {
    packing.check(op)?;
    if w.dtype != Dtype::Uint32 {
        return Err(Error::dtype(op, format!("wanted packed weights of uint32, got {}", w.dtype)));
    }
    if !scales.dtype.is_floating() || scales.dtype == Dtype::Float64 || scales.dtype != biases.dtype {
        return Err(Error::dtype(
            op,
            format!(
                "wanted scales and biases of one of float16, bfloat16, float32, got {} and {}",
                scales.dtype, biases.dtype
            ),
        ));
    }
    let n = w.shape.len();
    let columns = w.shape.last().map_or(0, |words| packing.elements(*words));
    let mut expected: Dims = w.shape.clone();
    if let Some(last) = expected.last_mut() {
        *last = columns / packing.group_size;
    }
    if n < 2
        || !columns.is_multiple_of(packing.group_size)
        || scales.shape != expected
        || biases.shape != expected
    {
        return Err(Error::shape(
            op,
            format!(
                "packed weights {:?} in groups of {} at {} bits want scales and biases {expected:?}, got {:?} and {:?}",
                w.shape, packing.group_size, packing.bits, scales.shape, biases.shape
            ),
        ));
    }
    Ok(columns)
}

/// `x · dequantize(w)ᵀ`, or without the transpose. Inputs: x, w, scales, biases.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QuantizedMatmul {
    /// How the weights are packed.
    pub packing: Packing,
    /// Whether rows of the weights are outputs (the usual layout) or inputs.
    pub transpose: bool,
}

impl Primitive for QuantizedMatmul {
    fn name(&self) -> &'static str {
        "quantized_matmul"
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let (x, w) = (inputs[0], inputs[1]);
        let columns = check_packed(self.name(), self.packing, w, inputs[2], inputs[3])?;
        let n = w.shape.len();
        let (inner, outer) =
            if self.transpose { (columns, w.shape[n - 2]) } else { (w.shape[n - 2], columns) };
        let m = x.shape.len();
        let lead = (m >= 2 && x.shape[m - 1] == inner)
            .then(|| broadcast(&x.shape[..m - 2], &w.shape[..n - 2]))
            .flatten();
        let Some(mut shape) = lead else {
            return Err(Error::shape(
                self.name(),
                format!(
                    "shape {:?} does not multiply {outer} by {inner} weights {:?}",
                    x.shape,
                    &w.shape[..n - 2]
                ),
            ));
        };
        if !x.dtype.is_floating() || x.dtype == Dtype::Float64 {
            return Err(Error::dtype(
                self.name(),
                format!("wanted float16, bfloat16 or float32, got {}", x.dtype),
            ));
        }
        shape.extend([x.shape[m - 2], outer]);
        Ok(std::iter::once(Spec { shape, dtype: x.dtype.promote(inputs[2].dtype) }).collect())
    }

    fn derivative(&self) -> Derivative {
        Derivative::Multilinear
    }

    fn transpose(&self, inputs: &[Array], cotangent: &Array, input: usize) -> Result<Option<Array>> {
        if input != 0 {
            return Err(Error::new(
                crate::ErrorKind::Gradient,
                self.name(),
                "has no derivative by scales and biases yet",
            ));
        }
        let back = Self { transpose: !self.transpose, ..self.clone() };
        let full = Array::apply(back, &[cotangent, &inputs[1], &inputs[2], &inputs[3]])?;
        full.sum_to(inputs[0].shape()).map(|x| Some(x.astype(inputs[0].dtype())))
    }

    fn decompose(&self, inputs: &[Array]) -> Option<Result<Vec<Array>>> {
        let of = || {
            let dtype = inputs[0].dtype().promote(inputs[2].dtype());
            let w =
                Array::apply(Dequantize { packing: self.packing }, &[&inputs[1], &inputs[2], &inputs[3]])?;
            let w = if self.transpose { w.swapaxes(-1, -2)? } else { w };
            Ok(vec![inputs[0].astype(Dtype::Float32).matmul(&w.astype(Dtype::Float32))?.astype(dtype)])
        };
        Some(of())
    }
}

/// Floats from codes. Inputs: w, scales, biases.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Dequantize {
    /// How the weights are packed.
    pub packing: Packing,
}

impl Primitive for Dequantize {
    fn name(&self) -> &'static str {
        "dequantize"
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let columns = check_packed(self.name(), self.packing, inputs[0], inputs[1], inputs[2])?;
        let mut shape = inputs[0].shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = columns;
        }
        Ok(std::iter::once(Spec { shape, dtype: inputs[1].dtype }).collect())
    }
}

/// Codes, scales and biases from floats.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quantize {
    /// How to pack.
    pub packing: Packing,
}

impl Primitive for Quantize {
    fn name(&self) -> &'static str {
        "quantize"
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let x = inputs[0];
        self.packing.check(self.name())?;
        let columns = x.shape.last().copied().unwrap_or(0);
        if x.shape.len() < 2 || columns % self.packing.group_size != 0 {
            return Err(Error::shape(
                self.name(),
                format!(
                    "wanted two dimensions or more and a last axis in groups of {}, got {:?}",
                    self.packing.group_size, x.shape
                ),
            ));
        }
        if !x.dtype.is_floating() || x.dtype == Dtype::Float64 {
            return Err(Error::dtype(
                self.name(),
                format!("wanted float16, bfloat16 or float32, got {}", x.dtype),
            ));
        }
        let with_last = |last, dtype| {
            let mut shape = x.shape.clone();
            shape.pop();
            shape.push(last);
            Spec { shape, dtype }
        };
        let groups = columns / self.packing.group_size;
        let words = columns * self.packing.bits / 32;
        Ok([with_last(words, Dtype::Uint32), with_last(groups, x.dtype), with_last(groups, x.dtype)]
            .into_iter()
            .collect())
    }
}

impl Array {
    /// `self · dequantize(w)ᵀ` (or without the transpose), accumulated in float32. `self` `[…, M, K]`, w `[…, N, words]`,
    /// scales and biases `[…, N, K / group]`; leading axes broadcast, and a vector is a row whose axis goes. The type
    /// is that of x and scales promoted.
    ///
    /// # Errors
    /// When shapes or types do not fit.
    #[track_caller]
    pub fn quantized_matmul(
        &self,
        w: &Self,
        scales: &Self,
        biases: &Self,
        transpose: bool,
        packing: Packing,
    ) -> Result<Self> {
        let op = QuantizedMatmul { packing, transpose };
        if self.ndim() != 1 {
            return Self::apply(op, &[self, w, scales, biases]);
        }
        let y = Self::apply(op, &[&self.expand_dims(&[0])?, w, scales, biases])?;
        y.squeeze(Some(&[-2]))
    }

    /// Floats from packed codes, in the type of the scales.
    ///
    /// # Errors
    /// When shapes or types do not fit.
    #[track_caller]
    pub fn dequantize(w: &Self, scales: &Self, biases: &Self, packing: Packing) -> Result<Self> {
        Self::apply(Dequantize { packing }, &[w, scales, biases])
    }

    /// Packed codes, scales and biases of the last axis in groups.
    ///
    /// # Errors
    /// When the last axis is no multiple of the group, or the type is not float16, bfloat16 or float32.
    ///
    /// # Source
    /// MLX's affine mode: the end of larger magnitude and 0 are representable exactly.
    #[track_caller]
    pub fn quantize(&self, packing: Packing) -> Result<(Self, Self, Self)> {
        let made = Self::apply_many(Quantize { packing }, &[self])?;
        match <[Self; 3]>::try_from(made) {
            Ok([w, scales, biases]) => Ok((w, scales, biases)),
            Err(_) => Err(Error::argument("quantize", "has three outputs").at(Origin::caller())),
        }
    }
}
