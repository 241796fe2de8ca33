//! Reading at places that arrays name.

use smallvec::SmallVec;

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::ops::{Scatter, ScatterAxis, ScatterMode};
use crate::shape::{Dims, axis_index, broadcast};

pub(super) fn check_indices(
    op: &'static str,
    indices: &[&Spec],
    axes: &[usize],
    ndim: usize,
) -> Result<Dims> {
    let shape = indices.first().map(|i| i.shape.clone()).unwrap_or_default();
    if indices.len() != axes.len() || axes.windows(2).any(|w| w[0] >= w[1]) || axes.iter().any(|a| *a >= ndim)
    {
        return Err(Error::argument(
            op,
            format!("wanted an index array for each of the axes {axes:?} of {ndim}, got {}", indices.len()),
        ));
    }
    for index in indices {
        if index.shape != shape {
            return Err(Error::shape(
                op,
                format!("wanted index arrays of one shape, got {shape:?} and {:?}", index.shape),
            ));
        }
        check_index_type(op, index.dtype)?;
    }
    Ok(shape)
}

pub(super) fn check_index_type(op: &'static str, dtype: Dtype) -> Result<()> {
    if dtype.is_integer() {
        return Ok(());
    }
    Err(Error::dtype(op, format!("wanted indices of an integer type, got {dtype}")))
}

/// For each place of the index arrays the part of the first input of shape `sizes` that starts there. Indices
/// count from the back once if negative; those out of range are moved to where the part is inside.
///
/// The inputs are the array, then an index array for each of `axes`, all of one shape. The output's axes are `sizes`
/// with those of the index arrays before number `position`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gather {
    /// Which axes have index arrays, ascending.
    pub axes: SmallVec<[usize; 4]>,
    /// Elements along each axis of the array; parts start at 0 along axes without an index array.
    pub sizes: Dims,
    /// How many of the array's axes come before those of the index arrays.
    pub position: usize,
}

impl Primitive for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let x = inputs[0];
        let index = check_indices("gather", &inputs[1..], &self.axes, x.shape.len())?;
        let mut shape = self.sizes.clone();
        let inside = self.sizes.len() == x.shape.len()
            && self.position <= self.sizes.len()
            && self.sizes.iter().zip(&x.shape).all(|(s, d)| s <= d);
        if !inside {
            // Reading nothing from an empty axis is fine.
            let empty = crate::shape::size_of(&index) == 0 && self.sizes.len() == x.shape.len();
            if !empty || self.position > self.sizes.len() {
                return Err(Error::shape(
                    "gather",
                    format!("parts of shape {:?} are not inside of shape {:?}", self.sizes, x.shape),
                ));
            }
        }
        shape.insert_many(self.position, index);
        Ok(std::iter::once(Spec { shape, dtype: x.dtype }).collect())
    }
    fn derivative(&self) -> Derivative {
        Derivative::Multilinear
    }
    fn transpose(&self, inputs: &[Array], cotangent: &Array, input: usize) -> Result<Option<Array>> {
        if input != 0 {
            return Ok(None);
        }
        let zeros = inputs[0].zeros_like()?;
        let mut operands = vec![&zeros];
        operands.extend(&inputs[1..]);
        operands.push(cotangent);
        let op = Scatter { axes: self.axes.clone(), position: self.position, mode: ScatterMode::Add };
        Array::apply(op, &operands).map(Some)
    }
}

/// Along one axis, at each place the element that the indices name there; both inputs have one shape but for that
/// axis. Indices as for [`Gather`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GatherAxis {
    /// Which axis.
    pub axis: usize,
}

/// Whether two shapes are the same but for one axis.
pub(super) fn same_but(a: &[usize], b: &[usize], axis: usize) -> bool {
    a.len() == b.len() && axis < a.len() && (0..a.len()).all(|i| i == axis || a[i] == b[i])
}

impl Primitive for GatherAxis {
    fn name(&self) -> &'static str {
        "take_along_axis"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let (x, index) = (inputs[0], inputs[1]);
        check_index_type("take_along_axis", index.dtype)?;
        if !same_but(&x.shape, &index.shape, self.axis) {
            return Err(Error::shape(
                "take_along_axis",
                format!("shapes {:?} and {:?} differ beyond axis {}", x.shape, index.shape, self.axis),
            ));
        }
        if x.shape[self.axis] == 0 && index.size() > 0 {
            return Err(Error::shape(
                "take_along_axis",
                format!("axis {} of shape {:?} has no element to index", self.axis, x.shape),
            ));
        }
        Ok(std::iter::once(Spec { shape: index.shape.clone(), dtype: x.dtype }).collect())
    }
    fn derivative(&self) -> Derivative {
        Derivative::Multilinear
    }
    fn transpose(&self, inputs: &[Array], cotangent: &Array, input: usize) -> Result<Option<Array>> {
        if input != 0 {
            return Ok(None);
        }
        let op = ScatterAxis { axis: self.axis, mode: ScatterMode::Add };
        Array::apply(op, &[&inputs[0].zeros_like()?, &inputs[1], cotangent]).map(Some)
    }
}

impl Array {
    /// The elements (or, along one axis of several, the parts) that `indices` name: the axis is replaced by those of
    /// `indices`. Without an axis the array is flattened first.
    ///
    /// Indices are of any integer type; negative ones count from the back once, and those still out of range read the
    /// nearest element in range.
    ///
    /// # Errors
    /// When the axis does not exist or is empty, or the indices are not integers.
    #[track_caller]
    pub fn take(&self, indices: &Self, axis: Option<i32>) -> Result<Self> {
        let origin = Origin::caller();
        let Some(axis) = axis else { return self.reshape(&[-1])?.take(indices, Some(0)) };
        let axis = axis_index("take", axis, self.ndim()).map_err(|e| e.at(origin))?;
        check_index_type("take", indices.dtype()).map_err(|e| e.at(origin))?;
        if self.shape()[axis] == 0 && indices.size() > 0 {
            return Err(Error::shape(
                "take",
                format!("axis {axis} of shape {:?} has no element to take", self.shape()),
            )
            .at(origin));
        }
        let mut sizes: Dims = self.shape().into();
        sizes[axis] = 1;
        let mut shape: Dims = self.shape().into();
        shape.remove(axis);
        shape.insert_many(axis, indices.shape().iter().copied());
        let op = Gather { axes: std::iter::once(axis).collect(), sizes, position: axis };
        Self::apply(op, &[self, indices])?.reshape_to(&shape)
    }

    /// For each place of the index arrays (broadcast to one shape) the part of shape `sizes` that starts there, one
    /// index array for each of `axes`; parts start at 0 along the others. The result has the axes of the index
    /// arrays, then those of the parts.
    ///
    /// Indices as for [`Array::take`].
    ///
    /// # Errors
    /// When an axis does not exist or is named twice, the parts are larger than the array, or the indices do not
    /// broadcast or are not integers.
    #[track_caller]
    pub fn gather(&self, indices: &[&Self], axes: &[i32], sizes: &[usize]) -> Result<Self> {
        let (axes, indices) = index_arrays("gather", self, indices, axes)?;
        let mut inputs = vec![self];
        inputs.extend(&indices);
        Self::apply(Gather { axes, sizes: sizes.into(), position: 0 }, &inputs)
    }

    /// At each place of `indices` the element of this array that it names along `axis`; the other axes broadcast.
    /// Without an axis both are flattened first. Indices as for [`Array::take`].
    ///
    /// # Errors
    /// When the axis does not exist or is empty, the numbers of dimensions differ, the other axes do not broadcast,
    /// or the indices are not integers.
    #[track_caller]
    pub fn take_along_axis(&self, indices: &Self, axis: Option<i32>) -> Result<Self> {
        let Some(axis) = axis else {
            return self.reshape(&[-1])?.take_along_axis(&indices.reshape(&[-1])?, Some(0));
        };
        let (axis, x, indices) = along("take_along_axis", self, indices, axis)?;
        Self::apply(GatherAxis { axis }, &[&x, &indices])
    }
}

/// Index arrays broadcast to one shape, sorted by their axes.
#[track_caller]
pub(super) fn index_arrays(
    op: &'static str,
    x: &Array,
    indices: &[&Array],
    axes: &[i32],
) -> Result<(SmallVec<[usize; 4]>, Vec<Array>)> {
    let origin = Origin::caller();
    let sorted = crate::shape::axes_indices(op, Some(axes), x.ndim()).map_err(|e| e.at(origin))?;
    if indices.len() != axes.len() {
        return Err(Error::argument(
            op,
            format!("wanted an index array for each axis, got {} for {} axes", indices.len(), axes.len()),
        )
        .at(origin));
    }
    let mut shape = Dims::new();
    for i in indices {
        shape = broadcast(&shape, i.shape()).ok_or_else(|| {
            Error::shape(op, format!("index arrays of shapes {shape:?} and {:?} do not broadcast", i.shape()))
                .at(origin)
        })?;
    }
    let mut pairs: Vec<(usize, &Array)> = Vec::new();
    for (axis, index) in axes.iter().zip(indices) {
        pairs.push((axis_index(op, *axis, x.ndim())?, index));
    }
    pairs.sort_by_key(|p| p.0);
    let indices = pairs.iter().map(|p| p.1.broadcast_to(&shape)).collect::<Result<_>>()?;
    Ok((sorted, indices))
}

/// The axis, and both arrays broadcast to each other along all other axes.
#[track_caller]
pub(super) fn along(
    op: &'static str,
    x: &Array,
    indices: &Array,
    axis: i32,
) -> Result<(usize, Array, Array)> {
    let origin = Origin::caller();
    let axis = axis_index(op, axis, x.ndim()).map_err(|e| e.at(origin))?;
    let wrong = || {
        Error::shape(
            op,
            format!(
                "indices of shape {:?} do not fit shape {:?} along axis {axis}",
                indices.shape(),
                x.shape()
            ),
        )
        .at(origin)
    };
    if indices.ndim() != x.ndim() {
        return Err(wrong());
    }
    let without = |a: &Array| {
        let mut shape: Dims = a.shape().into();
        shape[axis] = 1;
        shape
    };
    let mut common = broadcast(&without(x), &without(indices)).ok_or_else(wrong)?;
    common[axis] = x.shape()[axis];
    let x = x.broadcast_to(&common)?;
    common[axis] = indices.shape()[axis];
    Ok((axis, x, indices.broadcast_to(&common)?))
}
