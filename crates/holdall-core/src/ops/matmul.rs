//! Matrix products.

use crate::Array;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::shape::{Dims, broadcast};
use crate::transform::aligned;

/// Products of matrices over the last two axes; leading axes broadcast. Both inputs have one inexact type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Matmul;

impl Primitive for Matmul {
    fn name(&self) -> &'static str {
        "matmul"
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let (a, b) = (inputs[0], inputs[1]);
        let (m, n) = (a.shape.len(), b.shape.len());
        let fits = m >= 2 && n >= 2 && a.shape[m - 1] == b.shape[n - 2];
        let lead = if fits { broadcast(&a.shape[..m - 2], &b.shape[..n - 2]) } else { None };
        let Some(mut shape) = lead else {
            return Err(Error::shape(
                "matmul",
                format!("shapes {:?} and {:?} do not multiply", a.shape, b.shape),
            ));
        };
        if !a.dtype.is_inexact() || a.dtype != b.dtype {
            return Err(Error::dtype(
                "matmul",
                format!("wanted one floating or complex type, got {} and {}", a.dtype, b.dtype),
            ));
        }
        shape.extend([a.shape[m - 2], b.shape[n - 1]]);
        Ok(std::iter::once(Spec { shape, dtype: a.dtype }).collect())
    }

    fn batch(&self, inputs: &[Array], is_batched: &[bool], _: usize) -> Option<Result<Vec<Array>>> {
        let ndim = |i: usize| inputs[i].ndim() - usize::from(is_batched[i]);
        let most = ndim(0).max(ndim(1));
        let factor = |i: usize| if is_batched[i] { aligned(&inputs[i], most) } else { Ok(inputs[i].clone()) };
        Some(factor(0).and_then(|a| Ok(vec![Array::apply(Self, &[&a, &factor(1)?])?])))
    }

    fn derivative(&self) -> Derivative {
        Derivative::Multilinear
    }

    fn transpose(&self, inputs: &[Array], cotangent: &Array, input: usize) -> Result<Option<Array>> {
        let (a, b) = (&inputs[0], &inputs[1]);
        let full = match input {
            0 => Array::apply(Self, &[cotangent, &b.swapaxes(-1, -2)?])?,
            _ => Array::apply(Self, &[&a.swapaxes(-1, -2)?, cotangent])?,
        };
        full.sum_to(inputs[input].shape()).map(Some)
    }
}

impl Array {
    /// The matrix product by NumPy's rules: a vector on the left is a row, on the right a column, and its axis goes.
    ///
    /// # Errors
    /// When the shapes do not multiply, or the promoted type is not floating or complex.
    #[track_caller]
    pub fn matmul(&self, other: &Self) -> Result<Self> {
        let origin = Origin::caller();
        let dtype = self.dtype().promote(other.dtype());
        if !dtype.is_inexact() {
            return Err(Error::dtype(
                "matmul",
                format!("wanted floating or complex types, got {} and {}", self.dtype(), other.dtype()),
            )
            .at(origin));
        }
        if self.ndim() == 0 || other.ndim() == 0 {
            return Err(Error::shape("matmul", "wanted at least one dimension on both sides, got a scalar")
                .at(origin));
        }
        let (mut a, mut b) = (self.to_dtype(dtype, origin), other.to_dtype(dtype, origin));
        if a.ndim() == 1 {
            a = a.expand_dims(&[0])?;
        }
        if b.ndim() == 1 {
            b = b.expand_dims(&[1])?;
        }
        let y = Self::apply(Matmul, &[&a, &b])?;
        let n = y.ndim();
        let shape: Dims = (0..n)
            .filter(|i| !(*i == n - 2 && self.ndim() == 1 || *i == n - 1 && other.ndim() == 1))
            .map(|i| y.shape()[i])
            .collect();
        y.reshape_to(&shape)
    }
}
