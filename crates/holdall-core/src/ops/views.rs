//! Ops that only look at the same memory in another way.

use smallvec::SmallVec;

use crate::Array;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::shape::{Dims, Layout, Strides, axes_indices, axis_index, broadcast_strides, size_of};
use crate::transform::aligned;

fn one(shape: Dims, like: &Spec) -> Result<Specs> {
    Ok(std::iter::once(Spec { shape, dtype: like.dtype }).collect())
}

/// A shape or position with the batch before it.
fn batched(first: usize, rest: &[usize]) -> Dims {
    std::iter::once(first).chain(rest.iter().copied()).collect()
}

/// The same elements, row-major, in another shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reshape {
    /// The new shape, of as many elements.
    pub shape: Dims,
}

impl Primitive for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        if size_of(&self.shape) != inputs[0].size() {
            return Err(Error::shape(
                "reshape",
                format!("shape {:?} does not hold the elements of {:?}", self.shape, inputs[0].shape),
            ));
        }
        one(self.shape.clone(), inputs[0])
    }
    fn is_view(&self) -> bool {
        true
    }
    fn view(&self, input: &Spec, layout: &Layout, output: &Spec) -> Option<Layout> {
        layout.reshaped(&input.shape, &output.shape)
    }
    fn batch(&self, inputs: &[Array], _: &[bool], size: usize) -> Option<Result<Vec<Array>>> {
        let op = Self { shape: batched(size, &self.shape) };
        Some(Array::apply(op, &[&inputs[0]]).map(|y| vec![y]))
    }
    fn derivative(&self) -> Derivative {
        Derivative::Multilinear
    }
    fn transpose(&self, inputs: &[Array], cotangent: &Array, _: usize) -> Result<Option<Array>> {
        Array::apply(Self { shape: inputs[0].shape().into() }, &[cotangent]).map(Some)
    }
}

/// Axes in another order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transpose {
    /// For each axis of the output, the input's axis.
    pub axes: SmallVec<[usize; 4]>,
}

impl Primitive for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        one(self.axes.iter().map(|a| inputs[0].shape[*a]).collect(), inputs[0])
    }
    fn is_view(&self) -> bool {
        true
    }
    fn view(&self, _: &Spec, layout: &Layout, _: &Spec) -> Option<Layout> {
        Some(Layout {
            strides: self.axes.iter().map(|a| layout.strides[*a]).collect(),
            offset: layout.offset,
        })
    }
    fn batch(&self, inputs: &[Array], _: &[bool], _: usize) -> Option<Result<Vec<Array>>> {
        let op = Self { axes: std::iter::once(0).chain(self.axes.iter().map(|a| a + 1)).collect() };
        Some(Array::apply(op, &[&inputs[0]]).map(|y| vec![y]))
    }
    fn derivative(&self) -> Derivative {
        Derivative::Multilinear
    }
    fn transpose(&self, _: &[Array], cotangent: &Array, _: usize) -> Result<Option<Array>> {
        let mut back = SmallVec::from_elem(0, self.axes.len());
        self.axes.iter().enumerate().for_each(|(i, a)| back[*a] = i);
        Array::apply(Self { axes: back }, &[cotangent]).map(Some)
    }
}

/// Repeated along new axes and axes of size 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BroadcastTo {
    /// The new shape.
    pub shape: Dims,
}

impl Primitive for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let from = &inputs[0].shape;
        let lead = self.shape.len().checked_sub(from.len());
        let fits =
            lead.is_some_and(|lead| from.iter().zip(&self.shape[lead..]).all(|(a, b)| a == b || *a == 1));
        if !fits {
            return Err(Error::shape(
                "broadcast_to",
                format!("shape {from:?} does not broadcast to {:?}", self.shape),
            ));
        }
        one(self.shape.clone(), inputs[0])
    }
    fn is_view(&self) -> bool {
        true
    }
    fn view(&self, input: &Spec, layout: &Layout, output: &Spec) -> Option<Layout> {
        Some(Layout {
            strides: broadcast_strides(&input.shape, &layout.strides, &output.shape),
            offset: layout.offset,
        })
    }
    fn batch(&self, inputs: &[Array], _: &[bool], size: usize) -> Option<Result<Vec<Array>>> {
        let op = Self { shape: batched(size, &self.shape) };
        let made = aligned(&inputs[0], self.shape.len()).and_then(|x| Array::apply(op, &[&x]));
        Some(made.map(|y| vec![y]))
    }
    fn derivative(&self) -> Derivative {
        Derivative::Multilinear
    }
    fn transpose(&self, inputs: &[Array], cotangent: &Array, _: usize) -> Result<Option<Array>> {
        cotangent.sum_to(inputs[0].shape()).map(Some)
    }
}

/// Every `step`-th element from `start` on along each axis, as many as the shape says. A negative step runs backwards.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slice {
    /// First index along each axis.
    pub start: Dims,
    /// Distance along each axis, not 0.
    pub step: Strides,
    /// Shape of the result.
    pub shape: Dims,
}

impl Primitive for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let from = &inputs[0].shape;
        let inside = |i: usize| {
            let last = self.start[i] as isize + self.step[i] * (self.shape[i] as isize - 1);
            self.shape[i] == 0 || (self.start[i] < from[i] && last >= 0 && (last as usize) < from[i])
        };
        if from.len() != self.shape.len() || !(0..from.len()).all(inside) {
            return Err(Error::shape("slice", format!("{self:?} is not inside of shape {from:?}")));
        }
        one(self.shape.clone(), inputs[0])
    }
    fn is_view(&self) -> bool {
        true
    }
    fn view(&self, _: &Spec, layout: &Layout, output: &Spec) -> Option<Layout> {
        let strides = layout.strides.iter().zip(&self.step).map(|(s, k)| s * k).collect();
        if output.size() == 0 {
            return Some(Layout { strides, offset: layout.offset });
        }
        let offset = layout.strides.iter().zip(&self.start).map(|(s, i)| s * *i as isize).sum::<isize>();
        Some(Layout { strides, offset: layout.offset.wrapping_add_signed(offset) })
    }
    fn batch(&self, inputs: &[Array], _: &[bool], size: usize) -> Option<Result<Vec<Array>>> {
        let op = Self {
            start: batched(0, &self.start),
            step: std::iter::once(1).chain(self.step.iter().copied()).collect(),
            shape: batched(size, &self.shape),
        };
        Some(Array::apply(op, &[&inputs[0]]).map(|y| vec![y]))
    }
    fn derivative(&self) -> Derivative {
        Derivative::Multilinear
    }
    fn transpose(&self, inputs: &[Array], cotangent: &Array, _: usize) -> Result<Option<Array>> {
        let hole = inputs[0].zeros_like()?;
        let op = super::SliceUpdate { start: self.start.clone(), step: self.step.clone() };
        Array::apply(op, &[&hole, cotangent]).map(Some)
    }
}

impl Array {
    /// The elements in another shape; one axis may be -1 and takes what is left.
    ///
    /// # Errors
    /// When the shape does not hold as many elements.
    #[track_caller]
    pub fn reshape(&self, shape: &[i32]) -> Result<Self> {
        let origin = Origin::caller();
        let wrong = |what: &str| {
            Err(Error::shape("reshape", format!("shape {shape:?} {what} {:?}", self.shape())).at(origin))
        };
        let open = shape.iter().filter(|d| **d == -1).count();
        if open > 1 || shape.iter().any(|d| *d < -1) {
            return wrong("has more than one axis to be inferred, for");
        }
        let known: usize = shape.iter().filter(|d| **d >= 0).map(|d| *d as usize).product();
        let rest = match self.size().checked_div(known) {
            Some(rest) if open == 0 || rest * known == self.size() => rest,
            None if open == 0 => 0,
            _ => return wrong("does not hold the elements of"),
        };
        let shape: Dims = shape.iter().map(|d| if *d == -1 { rest } else { *d as usize }).collect();
        self.reshape_to(&shape)
    }

    /// The elements in another shape.
    ///
    /// # Errors
    /// When the shape does not hold as many elements.
    #[track_caller]
    pub fn reshape_to(&self, shape: &[usize]) -> Result<Self> {
        if self.shape() == shape {
            return Ok(self.clone());
        }
        Self::apply(Reshape { shape: shape.into() }, &[self])
    }

    /// Axes in the order given, each once; reversed if none are.
    ///
    /// # Errors
    /// When the axes are not a permutation.
    #[track_caller]
    pub fn transpose(&self, axes: &[i32]) -> Result<Self> {
        let origin = Origin::caller();
        let axes: SmallVec<[usize; 4]> = if axes.is_empty() {
            (0..self.ndim()).rev().collect()
        } else {
            let sorted = axes_indices("transpose", Some(axes), self.ndim()).map_err(|e| e.at(origin))?;
            if sorted.len() != self.ndim() {
                return Err(Error::argument(
                    "transpose",
                    format!("axes {axes:?} do not name all of {} axes", self.ndim()),
                )
                .at(origin));
            }
            axes.iter().map(|a| axis_index("transpose", *a, self.ndim())).collect::<Result<_>>()?
        };
        Self::apply(Transpose { axes }, &[self])
    }

    /// Two axes exchanged.
    ///
    /// # Errors
    /// When an axis does not exist.
    #[track_caller]
    pub fn swapaxes(&self, a: i32, b: i32) -> Result<Self> {
        let (a, b) = (axis_index("swapaxes", a, self.ndim())?, axis_index("swapaxes", b, self.ndim())?);
        let mut axes: SmallVec<[usize; 4]> = (0..self.ndim()).collect();
        axes.swap(a, b);
        Self::apply(Transpose { axes }, &[self])
    }

    /// One axis moved to another place, the others in order.
    ///
    /// # Errors
    /// When an axis does not exist.
    #[track_caller]
    pub fn moveaxis(&self, source: i32, destination: i32) -> Result<Self> {
        let (from, to) =
            (axis_index("moveaxis", source, self.ndim())?, axis_index("moveaxis", destination, self.ndim())?);
        let mut axes: SmallVec<[usize; 4]> = (0..self.ndim()).filter(|a| *a != from).collect();
        axes.insert(to, from);
        Self::apply(Transpose { axes }, &[self])
    }

    /// Repeated to `shape` by NumPy's rules.
    ///
    /// # Errors
    /// When it does not broadcast.
    #[track_caller]
    pub fn broadcast_to(&self, shape: &[usize]) -> Result<Self> {
        if self.shape() == shape {
            return Ok(self.clone());
        }
        Self::apply(BroadcastTo { shape: shape.into() }, &[self])
    }

    /// New axes of size 1; positions are those in the result.
    ///
    /// # Errors
    /// When a position is out of range or named twice.
    #[track_caller]
    pub fn expand_dims(&self, axes: &[i32]) -> Result<Self> {
        let n = self.ndim() + axes.len();
        let new = axes_indices("expand_dims", Some(axes), n)?;
        let mut old = self.shape().iter();
        let shape: Dims =
            (0..n).map(|i| if new.contains(&i) { 1 } else { old.next().copied().unwrap_or(1) }).collect();
        self.reshape_to(&shape)
    }

    /// Without the named axes of size 1; without all of them if none are named.
    ///
    /// # Errors
    /// When a named axis has another size.
    #[track_caller]
    pub fn squeeze(&self, axes: Option<&[i32]>) -> Result<Self> {
        let gone: SmallVec<[usize; 4]> = match axes {
            Some(_) => axes_indices("squeeze", axes, self.ndim())?,
            None => (0..self.ndim()).filter(|i| self.shape()[*i] == 1).collect(),
        };
        if let Some(axis) = gone.iter().find(|i| self.shape()[**i] != 1) {
            return Err(Error::shape(
                "squeeze",
                format!("axis {axis} of shape {:?} is not of size 1", self.shape()),
            )
            .at(Origin::caller()));
        }
        let shape: Dims = (0..self.ndim()).filter(|i| !gone.contains(i)).map(|i| self.shape()[i]).collect();
        self.reshape_to(&shape)
    }

    /// Axes `start` to `end` (inclusive) as one.
    ///
    /// # Errors
    /// When an axis does not exist.
    #[track_caller]
    pub fn flatten(&self, start: i32, end: i32) -> Result<Self> {
        if self.ndim() == 0 {
            return self.reshape_to(&[1]);
        }
        let (start, end) =
            (axis_index("flatten", start, self.ndim())?, axis_index("flatten", end, self.ndim())?);
        if start > end {
            return Err(
                Error::argument("flatten", format!("axis {start} comes after {end}")).at(Origin::caller())
            );
        }
        let mut shape: Dims = self.shape()[..start].into();
        shape.push(size_of(&self.shape()[start..=end]));
        shape.extend_from_slice(&self.shape()[end + 1..]);
        self.reshape_to(&shape)
    }

    /// Elements `start .. stop` along one axis, bounds counted from the back if negative and clamped as Python does.
    ///
    /// # Errors
    /// When the axis does not exist.
    #[track_caller]
    pub fn slice_axis(&self, axis: i32, start: i64, stop: i64) -> Result<Self> {
        let axis = axis_index("slice", axis, self.ndim())?;
        let n = self.shape()[axis] as i64;
        let clamp = |i: i64| (if i < 0 { i + n } else { i }).clamp(0, n);
        let (start, stop) = (clamp(start), clamp(stop));
        let mut shape: Dims = self.shape().into();
        shape[axis] = (stop - start).max(0) as usize;
        let mut first = Dims::from_elem(0, self.ndim());
        first[axis] = start as usize;
        Self::apply(Slice { start: first, step: Strides::from_elem(1, self.ndim()), shape }, &[self])
    }
}
