//! Assignment by boolean masks.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::scalar::Operand;
use crate::shape::Dims;

impl Array {
    /// This array with `values` where `mask` is true; the mask covers the leading axes. NumPy's `x[mask] = values`.
    ///
    /// A number, or an array that broadcasts to the axes beyond the mask, is written to every true place.
    ///
    /// # Errors
    /// When the mask is not of bool or its shape not that of the leading axes, or the values do not broadcast.
    #[track_caller]
    pub fn masked_update(&self, mask: &Self, values: impl Into<Operand>) -> Result<Self> {
        let origin = Origin::caller();
        if mask.dtype() != Dtype::Bool {
            return Err(Error::dtype(
                "masked_update",
                format!("wanted a mask of bool, got {}", mask.dtype()),
            )
            .at(origin));
        }
        if mask.ndim() > self.ndim() || mask.shape() != &self.shape()[..mask.ndim()] {
            return Err(Error::shape(
                "masked_update",
                format!(
                    "a mask of shape {:?} does not cover leading axes of {:?}",
                    mask.shape(),
                    self.shape()
                ),
            )
            .at(origin));
        }
        let mut shape: Dims = mask.shape().into();
        shape.extend(std::iter::repeat_n(1, self.ndim() - mask.ndim()));
        let rest = &self.shape()[mask.ndim()..];
        let values = self.operand(values.into()).fit("masked_update", rest)?;
        Self::select(&mask.reshape_to(&shape)?, &values, self)
    }
}
