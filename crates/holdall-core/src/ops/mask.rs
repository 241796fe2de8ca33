//! Assignment by boolean masks.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::scalar::Operand;
use crate::shape::{Dims, size_of};

/// The first input with its parts where the mask (second) is true replaced by those of the values (third), in order.
/// The mask covers the leading axes; the values have one axis for the true places, then those of a part. Values that
/// are too many are not used, places for which there is none keep their part. In place when nobody else needs the first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MaskedScatter;

impl Primitive for MaskedScatter {
    fn name(&self) -> &'static str {
        "masked_scatter"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let (x, mask, values) = (inputs[0], inputs[1], inputs[2]);
        if mask.dtype != Dtype::Bool || values.dtype != x.dtype {
            return Err(Error::dtype(
                "masked_scatter",
                format!(
                    "wanted a mask of bool and values of {}, got {} and {}",
                    x.dtype, mask.dtype, values.dtype
                ),
            ));
        }
        let n = mask.shape.len();
        if x.shape.get(..n) != Some(&mask.shape[..]) || values.shape.get(1..) != Some(&x.shape[n..]) {
            return Err(Error::shape(
                "masked_scatter",
                format!(
                    "a mask of shape {:?} and values of shape {:?} do not fit shape {:?}",
                    mask.shape, values.shape, x.shape
                ),
            ));
        }
        Ok(std::iter::once(x.clone()).collect())
    }
    fn donates(&self) -> &[usize] {
        &[0]
    }
    fn derivative(&self) -> Derivative {
        Derivative::None
    }
}

impl Array {
    /// This array with `values` where `mask` is true; the mask covers the leading axes. NumPy's `x[mask] = values`.
    ///
    /// A number, or an array that broadcasts to one part (the axes beyond the mask), is written to every true place. An
    /// array with one axis more than a part gives the parts in order: parts too many are not used, places for which
    /// there is none stay as they are. Values are converted to this array's type.
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
        if self.shape().get(..mask.ndim()) != Some(mask.shape()) {
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
        let part = &self.shape()[mask.ndim()..];
        let values = self.operand(values.into());
        if values.ndim() == part.len() + 1 && values.shape()[0] != 1 {
            let mut shape = Dims::from_elem(values.shape()[0], 1);
            shape.extend_from_slice(part);
            let values = values.fit("masked_update", &shape)?;
            if size_of(part) == 0 {
                return Ok(self.clone());
            }
            return Self::apply(MaskedScatter, &[self, mask, &values]);
        }
        let values = values.fit("masked_update", part)?;
        let mut shape: Dims = mask.shape().into();
        shape.extend(std::iter::repeat_n(1, part.len()));
        Self::select(&mask.reshape_to(&shape)?, &values, self)
    }
}
