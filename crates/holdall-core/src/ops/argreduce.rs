//! Where the extremes are: `argmax`, `argmin`.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::shape::{Dims, axis_index};

/// The index of the first extreme along an axis, which stays with size 1, as uint32; that of the first NaN if there is
/// one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArgReduce {
    /// The largest rather than the smallest.
    pub largest: bool,
    /// Along which axis.
    pub axis: usize,
}

impl Primitive for ArgReduce {
    fn name(&self) -> &'static str {
        if self.largest { "argmax" } else { "argmin" }
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let x = inputs[0];
        if x.dtype == Dtype::Complex64 {
            return Err(Error::dtype(self.name(), "wanted real numbers, got complex64"));
        }
        let mut shape = x.shape.clone();
        let n = std::mem::replace(&mut shape[self.axis], 1);
        if n == 0 {
            return Err(Error::shape(
                self.name(),
                format!("there is no {} of no elements; shape is {:?}", self.name(), x.shape),
            ));
        }
        if u32::try_from(n - 1).is_err() {
            return Err(Error::shape(self.name(), format!("uint32 does not index an axis of {n} elements")));
        }
        Ok(std::iter::once(Spec { shape, dtype: Dtype::Uint32 }).collect())
    }

    fn derivative(&self) -> Derivative {
        Derivative::Zero
    }
}

impl Array {
    /// The index of the first largest element along `axis`, or in the flattened array if none is given, as uint32. A
    /// NaN counts as the largest. `keepdims` keeps what goes with size 1.
    ///
    /// # Errors
    /// When the axis does not exist or is empty, or for complex numbers.
    #[track_caller]
    pub fn argmax(&self, axis: Option<i32>, keepdims: bool) -> Result<Self> {
        self.arg_reduce(true, axis, keepdims)
    }

    /// The index of the first smallest element along `axis`, or in the flattened array if none is given, as uint32. A
    /// NaN counts as the smallest. `keepdims` keeps what goes with size 1.
    ///
    /// # Errors
    /// When the axis does not exist or is empty, or for complex numbers.
    #[track_caller]
    pub fn argmin(&self, axis: Option<i32>, keepdims: bool) -> Result<Self> {
        self.arg_reduce(false, axis, keepdims)
    }

    #[track_caller]
    fn arg_reduce(&self, largest: bool, axis: Option<i32>, keepdims: bool) -> Result<Self> {
        let Some(axis) = axis else {
            let shape = if keepdims { Dims::from_elem(1, self.ndim()) } else { Dims::new() };
            let flat = self.reshape_to(&[self.size()])?;
            return Self::apply(ArgReduce { largest, axis: 0 }, &[&flat])?.reshape_to(&shape);
        };
        let op = ArgReduce { largest, axis: 0 };
        let axis = axis_index(op.name(), axis, self.ndim()).map_err(|e| e.at(Origin::caller()))?;
        let kept = Self::apply(ArgReduce { axis, ..op }, &[self])?;
        if keepdims { Ok(kept) } else { kept.squeeze(Some(&[axis as i32])) }
    }
}
