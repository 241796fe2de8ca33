//! Writing at places that arrays name.

use smallvec::SmallVec;

use super::gather::{along, check_index_type, check_indices, index_arrays, same_but};
use super::slice_update::tangent;
use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, ErrorKind, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::ops::{Gather, GatherAxis};
use crate::scalar::Operand;
use crate::shape::Dims;

/// What happens to an element that is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScatterMode {
    /// It is replaced; of several values the last in row-major order of the indices stays.
    Set,
    /// The values are added to it.
    Add,
    /// It is multiplied by the values.
    Multiply,
    /// The largest stays; NaN if one is.
    Maximum,
    /// The smallest stays; NaN if one is.
    Minimum,
}

impl ScatterMode {
    /// The name of the op.
    pub fn name(self) -> &'static str {
        match self {
            Self::Set => "scatter",
            Self::Add => "scatter_add",
            Self::Multiply => "scatter_prod",
            Self::Maximum => "scatter_max",
            Self::Minimum => "scatter_min",
        }
    }

    /// What becomes of `old` where every element meets one value.
    #[track_caller]
    pub(super) fn combine(self, old: &Array, value: &Array) -> Result<Array> {
        match self {
            Self::Set => Ok(value.clone()),
            Self::Add => old.add(value),
            Self::Multiply => old.multiply(value),
            Self::Maximum => old.maximum(value),
            Self::Minimum => old.minimum(value),
        }
    }

    fn check(self, op: &'static str, x: &Spec, updates: &Spec) -> Result<()> {
        if x.dtype != updates.dtype {
            return Err(Error::dtype(
                op,
                format!("wanted updates of type {}, got {}", x.dtype, updates.dtype),
            ));
        }
        if x.dtype == Dtype::Complex64 && matches!(self, Self::Maximum | Self::Minimum) {
            return Err(Error::dtype(op, "wanted real numbers, got complex64"));
        }
        Ok(())
    }

    /// Tangent of the result: through the op itself where that is linear in array and updates together.
    fn jvp(
        self,
        op: impl Primitive + Clone,
        inputs: &[Array],
        tangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        let last = inputs.len() - 1;
        if tangents[0].is_none() && tangents[last].is_none() {
            return Ok(vec![None]);
        }
        if !matches!(self, Self::Set | Self::Add) {
            return Err(Error::new(ErrorKind::Gradient, self.name(), "has no forward derivative"));
        }
        let (x, updates) = (tangent(&inputs[0], &tangents[0])?, tangent(&inputs[last], &tangents[last])?);
        let mut operands = vec![&x];
        operands.extend(&inputs[1..last]);
        operands.push(&updates);
        Ok(vec![Some(Array::apply(op, &operands)?)])
    }

    /// Cotangents of array and updates; `gather` reads where the updates were written, `clear` writes zeros there.
    fn vjp(
        self,
        inputs: &[Array],
        output: &Array,
        cotangent: &Option<Array>,
        gather: impl Fn(&Array) -> Result<Array>,
        clear: impl Fn(&Array) -> Result<Array>,
    ) -> Result<Vec<Option<Array>>> {
        let mut out = vec![None; inputs.len()];
        let last = inputs.len() - 1;
        let Some(ct) = cotangent else { return Ok(out) };
        let (x, updates) = match self {
            Self::Set => (clear(ct)?, gather(ct)?),
            Self::Add => (ct.clone(), gather(ct)?),
            Self::Maximum | Self::Minimum => {
                let won =
                    |value: &Array, result: &Array| Ok::<_, Error>(value.equal(result)?.astype(ct.dtype()));
                (
                    ct.multiply(won(&inputs[0], output)?)?,
                    gather(ct)?.multiply(won(&inputs[last], &gather(output)?)?)?,
                )
            }
            Self::Multiply => {
                return Err(Error::new(ErrorKind::Gradient, self.name(), "has no derivative"));
            }
        };
        out[0] = Some(x);
        out[last] = Some(updates);
        Ok(out)
    }
}

/// The first input with parts of the last one written where index arrays say. In place when nobody else needs the
/// first.
///
/// The inputs are the array, an index array for each of `axes`, all of one shape, and the updates, whose axes are
/// those of the parts (as many as the array has) with the index arrays' before number `position`. Indices count from
/// the back once if negative; parts that are not inside then are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scatter {
    /// Which axes have index arrays, ascending.
    pub axes: SmallVec<[usize; 4]>,
    /// How many axes of a part come before those of the index arrays.
    pub position: usize,
    /// What is done with the values.
    pub mode: ScatterMode,
}

impl Scatter {
    /// The shape of a part, given the updates and the number of axes of the index arrays.
    pub fn sizes(&self, updates: &[usize], index_ndim: usize) -> Dims {
        let (before, rest) = updates.split_at(self.position);
        before.iter().chain(&rest[index_ndim..]).copied().collect()
    }

    fn gather(&self, inputs: &[Array], from: &Array) -> Result<Array> {
        let last = inputs.len() - 1;
        let index_ndim = inputs.get(1).filter(|_| last > 1).map_or(0, Array::ndim);
        let sizes = self.sizes(inputs[last].shape(), index_ndim);
        let mut operands = vec![from];
        operands.extend(&inputs[1..last]);
        Array::apply(Gather { axes: self.axes.clone(), sizes, position: self.position }, &operands)
    }
}

impl Primitive for Scatter {
    fn name(&self) -> &'static str {
        self.mode.name()
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let (x, updates) = (inputs[0], inputs[inputs.len() - 1]);
        let index = check_indices(self.name(), &inputs[1..inputs.len() - 1], &self.axes, x.shape.len())?;
        self.mode.check(self.name(), x, updates)?;
        let fits = updates.shape.len() == x.shape.len() + index.len()
            && self.position <= x.shape.len()
            && updates.shape[self.position..self.position + index.len()] == index[..]
            && (updates.size() == 0
                || self.sizes(&updates.shape, index.len()).iter().zip(&x.shape).all(|(s, d)| s <= d));
        if !fits {
            return Err(Error::shape(
                self.name(),
                format!(
                    "updates of shape {:?} do not fit shape {:?} at indices of shape {index:?}",
                    updates.shape, x.shape
                ),
            ));
        }
        Ok(std::iter::once(x.clone()).collect())
    }
    fn donates(&self) -> &[usize] {
        &[0]
    }
    fn derivative(&self) -> Derivative {
        Derivative::Custom
    }
    fn jvp(&self, inputs: &[Array], _: &[Array], tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        self.mode.jvp(self.clone(), inputs, tangents)
    }
    fn vjp(
        &self,
        inputs: &[Array],
        outputs: &[Array],
        cotangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        let clear = |ct: &Array| {
            let zeros = inputs[inputs.len() - 1].zeros_like()?;
            let mut operands = vec![ct];
            operands.extend(&inputs[1..inputs.len() - 1]);
            operands.push(&zeros);
            Array::apply(self.clone(), &operands)
        };
        self.mode.vjp(inputs, &outputs[0], &cotangents[0], |from| self.gather(inputs, from), clear)
    }
}

/// Along one axis, each element of the third input written where the second says; these two have one shape, which is
/// the first's but for that axis. Indices as for [`Scatter`]; in place as that.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScatterAxis {
    /// Which axis.
    pub axis: usize,
    /// What is done with the values.
    pub mode: ScatterMode,
}

impl Primitive for ScatterAxis {
    fn name(&self) -> &'static str {
        match self.mode {
            ScatterMode::Set => "put_along_axis",
            mode => mode.name(),
        }
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let (x, index, updates) = (inputs[0], inputs[1], inputs[2]);
        check_index_type(self.name(), index.dtype)?;
        self.mode.check(self.name(), x, updates)?;
        if !same_but(&x.shape, &index.shape, self.axis) || updates.shape != index.shape {
            return Err(Error::shape(
                self.name(),
                format!(
                    "indices of shape {:?} and values of shape {:?} do not fit shape {:?} along axis {}",
                    index.shape, updates.shape, x.shape, self.axis
                ),
            ));
        }
        Ok(std::iter::once(x.clone()).collect())
    }
    fn donates(&self) -> &[usize] {
        &[0]
    }
    fn derivative(&self) -> Derivative {
        Derivative::Custom
    }
    fn jvp(&self, inputs: &[Array], _: &[Array], tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        self.mode.jvp(self.clone(), inputs, tangents)
    }
    fn vjp(
        &self,
        inputs: &[Array],
        outputs: &[Array],
        cotangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        let gather = |from: &Array| Array::apply(GatherAxis { axis: self.axis }, &[from, &inputs[1]]);
        let clear = |ct: &Array| Array::apply(self.clone(), &[ct, &inputs[1], &inputs[2].zeros_like()?]);
        self.mode.vjp(inputs, &outputs[0], &cotangents[0], gather, clear)
    }
}

impl Array {
    #[track_caller]
    fn scatter_with(
        &self,
        mode: ScatterMode,
        indices: &[&Self],
        updates: &Self,
        axes: &[i32],
    ) -> Result<Self> {
        let origin = Origin::caller();
        let (axes, indices) = index_arrays(mode.name(), self, indices, axes)?;
        let updates = updates.astype(self.dtype());
        let index = indices.first().map_or(&[][..], Self::shape);
        // Index arrays may have been broadcast: the updates' leading axes follow them.
        let parts =
            updates.ndim().checked_sub(index.len()).filter(|n| *n == self.ndim()).ok_or_else(|| {
                Error::shape(
                    mode.name(),
                    format!(
                        "updates of shape {:?} have not the {} axes of indices and array",
                        updates.shape(),
                        index.len() + self.ndim()
                    ),
                )
                .at(origin)
            })?;
        let mut full: Dims = index.into();
        full.extend_from_slice(&updates.shape()[updates.ndim() - parts..]);
        let updates = updates.broadcast_to(&full)?;
        let mut inputs = vec![self];
        inputs.extend(&indices);
        inputs.push(&updates);
        Self::apply(Scatter { axes, position: 0, mode }, &inputs)
    }

    #[track_caller]
    fn scatter_along(&self, mode: ScatterMode, indices: &Self, values: Operand, axis: i32) -> Result<Self> {
        let op = ScatterAxis { axis: 0, mode }.name();
        let values = self.operand(values);
        let (axis, x, indices) = along(op, self, indices, axis)?;
        if x.shape() != self.shape() {
            return Err(Error::shape(
                op,
                format!("indices of shape {:?} are larger than shape {:?}", indices.shape(), self.shape()),
            )
            .at(Origin::caller()));
        }
        let values = values.fit(op, indices.shape())?;
        Self::apply(ScatterAxis { axis, mode }, &[&x, &indices, &values])
    }

    /// At each place of `indices` the value written where it names along `axis`; the values broadcast to the indices'
    /// shape and are converted to this array's type, and the indices broadcast along the other axes. Without an axis
    /// the array is taken as flat. Negative indices count from the back once; those out of range are ignored; of
    /// several values for an element the last stays. In place when nobody else needs this array.
    ///
    /// # Errors
    /// When the axis does not exist, the shapes do not fit, or the indices are not integers.
    #[track_caller]
    pub fn put_along_axis(
        &self,
        indices: &Self,
        values: impl Into<Operand>,
        axis: Option<i32>,
    ) -> Result<Self> {
        match axis {
            Some(axis) => self.scatter_along(ScatterMode::Set, indices, values.into(), axis),
            None => self
                .reshape(&[-1])?
                .scatter_along(ScatterMode::Set, &indices.reshape(&[-1])?, values.into(), 0)?
                .reshape_to(self.shape()),
        }
    }

    /// As [`Array::put_along_axis`], but the values are added: those for one element all count.
    ///
    /// # Errors
    /// As for [`Array::put_along_axis`].
    #[track_caller]
    pub fn scatter_add_axis(&self, indices: &Self, values: impl Into<Operand>, axis: i32) -> Result<Self> {
        self.scatter_along(ScatterMode::Add, indices, values.into(), axis)
    }
}

macro_rules! scatters {
    ($($(#[$doc:meta])* $name:ident $mode:ident;)*) => { impl Array { $(
        $(#[$doc])*
        ///
        /// There is one index array for each of `axes`; they broadcast to one shape. The updates have that shape, then
        /// that of the parts: as many axes as this array, at most as large. They are converted to this array's type.
        /// Negative indices count from the back once; parts not inside are ignored. In place when nobody else
        /// needs this array.
        ///
        /// # Errors
        /// When an axis does not exist or is named twice, the shapes do not fit, or the indices are not integers.
        #[track_caller]
        pub fn $name(&self, indices: &[&Self], updates: &Self, axes: &[i32]) -> Result<Self> {
            self.scatter_with(ScatterMode::$mode, indices, updates, axes)
        }
    )* } };
}
scatters! {
    /// This array with the updates written where the indices say; of several for one element the last stays.
    scatter Set;
    /// This array with the updates added where the indices say.
    scatter_add Add;
    /// This array multiplied by the updates where the indices say.
    scatter_prod Multiply;
    /// The larger of this array and the updates where the indices say.
    scatter_max Maximum;
    /// The smaller of this array and the updates where the indices say.
    scatter_min Minimum;
}
