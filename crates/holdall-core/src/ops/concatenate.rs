//! Arrays one after another.

use crate::Array;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::ops::Slice;
use crate::shape::{Dims, Strides, axis_index};

/// The inputs, of one type, one after another along an axis; their other axes agree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Concatenate {
    /// Which axis.
    pub axis: usize,
}

impl Primitive for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let Some(first) = inputs.first() else {
            return Err(Error::argument("concatenate", "wanted at least one array"));
        };
        let mut shape = first.shape.clone();
        let mut length = 0usize;
        for x in inputs {
            if !super::gather::same_but(&first.shape, &x.shape, self.axis) {
                return Err(Error::shape(
                    "concatenate",
                    format!("shapes {:?} and {:?} differ beyond axis {}", first.shape, x.shape, self.axis),
                ));
            }
            if x.dtype != first.dtype {
                return Err(Error::dtype(
                    "concatenate",
                    format!("wanted one type, got {} and {}", first.dtype, x.dtype),
                ));
            }
            length = length.saturating_add(x.shape[self.axis]);
        }
        shape[self.axis] = length;
        Ok(std::iter::once(Spec { shape, dtype: first.dtype }).collect())
    }
    fn derivative(&self) -> Derivative {
        Derivative::Custom
    }
    fn jvp(&self, inputs: &[Array], _: &[Array], tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        if tangents.iter().all(Option::is_none) {
            return Ok(vec![None]);
        }
        let parts: Vec<Array> = inputs
            .iter()
            .zip(tangents)
            .map(|(x, t)| super::slice_update::tangent(x, t))
            .collect::<Result<_>>()?;
        Ok(vec![Some(Array::apply(self.clone(), &parts.iter().collect::<Vec<_>>())?)])
    }
    fn vjp(&self, inputs: &[Array], _: &[Array], cotangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let Some(ct) = &cotangents[0] else { return Ok(vec![None; inputs.len()]) };
        let mut at = 0;
        let mut parts = Vec::with_capacity(inputs.len());
        for x in inputs {
            let mut start = Dims::from_elem(0, x.ndim());
            start[self.axis] = at;
            at += x.shape()[self.axis];
            let step = Strides::from_elem(1, x.ndim());
            parts.push(Some(Array::apply(Slice { start, step, shape: x.shape().into() }, &[ct])?));
        }
        Ok(parts)
    }
}

impl Array {
    /// The arrays one after another along `axis`, in the type to which they promote. Without an axis each is flattened
    /// first.
    ///
    /// # Errors
    /// When there is no array, the axis does not exist, or other axes differ.
    #[track_caller]
    pub fn concatenate(arrays: &[&Self], axis: Option<i32>) -> Result<Self> {
        let origin = Origin::caller();
        let Some(first) = arrays.first() else {
            return Err(Error::argument("concatenate", "wanted at least one array").at(origin));
        };
        let dtype = arrays.iter().fold(first.dtype(), |d, x| d.promote(x.dtype()));
        let mut parts = arrays.iter().map(|x| x.to_dtype(dtype, origin)).collect::<Vec<_>>();
        let axis = match axis {
            Some(axis) => axis_index("concatenate", axis, first.ndim()).map_err(|e| e.at(origin))?,
            None => {
                for x in &mut parts {
                    *x = x.reshape(&[-1])?;
                }
                0
            }
        };
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        Self::apply(Concatenate { axis }, &parts.iter().collect::<Vec<_>>())
    }

    /// The arrays, all of one shape, along a new axis, in the type to which they promote. The axis is one of the
    /// result.
    ///
    /// # Errors
    /// When there is no array, the axis does not exist, or the shapes differ.
    #[track_caller]
    pub fn stack(arrays: &[&Self], axis: i32) -> Result<Self> {
        let origin = Origin::caller();
        let Some(first) = arrays.first() else {
            return Err(Error::argument("stack", "wanted at least one array").at(origin));
        };
        if let Some(other) = arrays.iter().find(|x| x.shape() != first.shape()) {
            return Err(Error::shape(
                "stack",
                format!("wanted arrays of one shape, got {:?} and {:?}", first.shape(), other.shape()),
            )
            .at(origin));
        }
        let axis = axis_index("stack", axis, first.ndim() + 1).map_err(|e| e.at(origin))? as i32;
        let parts = arrays.iter().map(|x| x.expand_dims(&[axis])).collect::<Result<Vec<_>>>()?;
        Self::concatenate(&parts.iter().collect::<Vec<_>>(), Some(axis))
    }
}
