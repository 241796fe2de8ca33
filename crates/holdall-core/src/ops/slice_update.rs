//! Writing into a part of an array.

use crate::Array;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::ops::Slice;
use crate::scalar::Operand;
use crate::shape::{Dims, Strides};

/// The first input with every `step`-th element from `start` on along each axis replaced by those of the second, as
/// many as that has. In place when nobody else needs the first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SliceUpdate {
    /// First index along each axis.
    pub start: Dims,
    /// Distance along each axis, not 0.
    pub step: Strides,
}

impl SliceUpdate {
    /// The slice that reads what this op writes.
    fn slice(&self, shape: &[usize]) -> Slice {
        Slice { start: self.start.clone(), step: self.step.clone(), shape: shape.into() }
    }
}

impl Primitive for SliceUpdate {
    fn name(&self) -> &'static str {
        "slice_update"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let (x, update) = (inputs[0], inputs[1]);
        if x.dtype != update.dtype {
            return Err(Error::dtype(
                "slice_update",
                format!("wanted an update of type {}, got {}", x.dtype, update.dtype),
            ));
        }
        self.slice(&update.shape).infer(&[x]).map_err(|_| {
            Error::shape(
                "slice_update",
                format!(
                    "an update of shape {:?} from {:?} in steps of {:?} is not inside of shape {:?}",
                    update.shape, self.start, self.step, x.shape
                ),
            )
        })?;
        Ok(std::iter::once(x.clone()).collect())
    }
    fn donates(&self) -> &[usize] {
        &[0]
    }
    fn derivative(&self) -> Derivative {
        Derivative::Custom
    }
    fn jvp(&self, inputs: &[Array], _: &[Array], tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        if tangents.iter().all(Option::is_none) {
            return Ok(vec![None]);
        }
        let (x, update) = (tangent(&inputs[0], &tangents[0])?, tangent(&inputs[1], &tangents[1])?);
        Ok(vec![Some(Array::apply(self.clone(), &[&x, &update])?)])
    }
    fn vjp(&self, inputs: &[Array], _: &[Array], cotangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        let Some(ct) = &cotangents[0] else { return Ok(vec![None, None]) };
        let hole = inputs[1].zeros_like()?;
        let kept = Array::apply(self.clone(), &[ct, &hole])?;
        Ok(vec![Some(kept), Some(Array::apply(self.slice(inputs[1].shape()), &[ct])?)])
    }
}

/// The tangent, or zeros of the shape of `x` where there is none.
pub(super) fn tangent(x: &Array, tangent: &Option<Array>) -> Result<Array> {
    match tangent {
        Some(t) => Ok(t.clone()),
        None => x.zeros_like(),
    }
}

impl Array {
    /// This array with `update` (converted to its type and broadcast to the part) written from `start` to `stop` in
    /// steps of `step`: one entry an axis, bounds counted from the back if negative and clamped as Python does. Missing
    /// steps are 1.
    ///
    /// The memory is reused when nobody else needs this array, so a loop `x = x.slice_update(…)?` writes in place.
    ///
    /// # Errors
    /// When the bounds do not name all axes, a step is 0, or the update does not broadcast to the part.
    #[track_caller]
    pub fn slice_update(
        &self,
        update: impl Into<Operand>,
        start: &[i64],
        stop: &[i64],
        step: &[i64],
    ) -> Result<Self> {
        let origin = Origin::caller();
        let n = self.ndim();
        if start.len() != n || stop.len() != n || !(step.is_empty() || step.len() == n) {
            return Err(Error::argument(
                "slice_update",
                format!(
                    "wanted bounds for {n} axes, got {} starts, {} stops and {} steps",
                    start.len(),
                    stop.len(),
                    step.len()
                ),
            )
            .at(origin));
        }
        let part = (0..n)
            .map(|i| {
                let by = step.get(i).copied().unwrap_or(1);
                super::index::span("slice_update", Some(start[i]), Some(stop[i]), by, self.shape()[i])
            })
            .collect::<Result<_>>()
            .map_err(|e| e.at(origin))?;
        self.write_slice(&super::index::slice_of(part), &self.operand(update.into()))
    }

    /// Writes `update` into the part that `slice` reads: converted to this type, broadcast, extra leading axes of size
    /// 1 dropped.
    #[track_caller]
    pub(crate) fn write_slice(&self, slice: &Slice, update: &Self) -> Result<Self> {
        let update = update.astype(self.dtype()).fit("slice_update", &slice.shape)?;
        if update.size() == 0 {
            return Ok(self.clone());
        }
        let (start, step) = (slice.start.clone(), slice.step.clone());
        Self::apply(SliceUpdate { start, step }, &[self, &update])
    }

    /// An operand of an assignment as an array of this type.
    #[track_caller]
    pub(crate) fn operand(&self, operand: Operand) -> Self {
        match operand {
            Operand::Array(x) => x.astype(self.dtype()),
            number => Self::constant(
                number.scalar(self.dtype()).unwrap_or_else(|| unreachable!("arrays are matched above")),
            ),
        }
    }

    /// Broadcast to `shape` for an assignment: leading axes of size 1 that are too many go first.
    #[track_caller]
    pub(crate) fn fit(&self, op: &'static str, shape: &[usize]) -> Result<Self> {
        let extra = self.ndim().saturating_sub(shape.len());
        let droppable = self.shape()[..extra].iter().all(|d| *d == 1);
        let wrong = || {
            Error::shape(op, format!("values of shape {:?} do not broadcast to {shape:?}", self.shape()))
                .at(Origin::caller())
        };
        if !droppable {
            return Err(wrong());
        }
        let short = self.reshape_to(&self.shape()[extra..])?;
        if crate::shape::broadcast(short.shape(), shape).as_deref() != Some(shape) {
            return Err(wrong());
        }
        short.broadcast_to(shape)
    }
}
