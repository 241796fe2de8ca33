//! Cutting, repeating, turning and padding: compositions of views, joins and gathers.

use smallvec::SmallVec;

use crate::Array;
use crate::error::{Error, Origin, Result};
use crate::ops::Slice;
use crate::scalar::Operand;
use crate::shape::{Dims, Strides, axes_indices, axis_index, broadcast, size_of};

/// What [`Array::pad`] puts around an array.
#[derive(Clone, Debug)]
pub enum Padding {
    /// This value, converted to the array's type.
    Constant(Operand),
    /// The nearest element.
    Edge,
    /// The array mirrored at its edge elements, which are not repeated.
    Reflect,
    /// The array mirrored beyond its edge elements, which are repeated.
    Symmetric,
}

impl Array {
    /// Elements `start .. stop` along one axis.
    #[track_caller]
    fn part(&self, axis: usize, start: usize, stop: usize) -> Result<Self> {
        let mut first = Dims::from_elem(0, self.ndim());
        first[axis] = start;
        let mut shape: Dims = self.shape().into();
        shape[axis] = stop - start;
        Self::apply(Slice { start: first, step: Strides::from_elem(1, self.ndim()), shape }, &[self])
    }

    /// `n` equal parts along an axis, as views.
    ///
    /// # Errors
    /// When the axis does not exist or does not divide.
    #[track_caller]
    pub fn split(&self, n: usize, axis: i32) -> Result<Vec<Self>> {
        let origin = Origin::caller();
        let at = axis_index("split", axis, self.ndim()).map_err(|e| e.at(origin))?;
        let size = self.shape()[at];
        if n == 0 || !size.is_multiple_of(n) {
            return Err(Error::argument(
                "split",
                format!("axis {at} of size {size} does not divide into {n} equal parts"),
            )
            .at(origin));
        }
        let each = size / n;
        (0..n).map(|i| self.part(at, i * each, (i + 1) * each)).collect()
    }

    /// The parts between the places of `indices` along an axis, one more than these, as views. Places count from the
    /// back if negative and are clamped; a part whose end comes before its start is empty.
    ///
    /// # Errors
    /// When the axis does not exist.
    #[track_caller]
    pub fn split_at(&self, indices: &[i64], axis: i32) -> Result<Vec<Self>> {
        let origin = Origin::caller();
        let at = axis_index("split", axis, self.ndim()).map_err(|e| e.at(origin))?;
        let n = self.shape()[at] as i64;
        let clamp = |i: i64| (if i < 0 { i.saturating_add(n) } else { i }).clamp(0, n) as usize;
        let starts = std::iter::once(0).chain(indices.iter().map(|i| clamp(*i)));
        let stops = indices.iter().map(|i| clamp(*i)).chain(std::iter::once(n as usize));
        starts.zip(stops).map(|(start, stop)| self.part(at, start, stop.max(start))).collect()
    }

    /// The parts of size 1 along an axis, without that axis, as views.
    ///
    /// # Errors
    /// When the axis does not exist.
    #[track_caller]
    pub fn unstack(&self, axis: i32) -> Result<Vec<Self>> {
        let at = axis_index("unstack", axis, self.ndim()).map_err(|e| e.at(Origin::caller()))?;
        (0..self.shape()[at]).map(|i| self.part(at, i, i + 1)?.squeeze(Some(&[at as i32]))).collect()
    }

    /// The array in the midst of a larger one: `widths` are the elements added before and after, one pair an axis.
    ///
    /// # Errors
    /// When there is not a pair for each axis, the result would not fit in memory, or an empty axis is to be padded with
    /// its own elements.
    #[track_caller]
    pub fn pad(&self, widths: &[(usize, usize)], padding: &Padding) -> Result<Self> {
        let origin = Origin::caller();
        if widths.len() != self.ndim() {
            return Err(Error::argument(
                "pad",
                format!("wanted widths for {} axes, got {}", self.ndim(), widths.len()),
            )
            .at(origin));
        }
        let shape: Dims = self
            .shape()
            .iter()
            .zip(widths)
            .map(|(d, (before, after))| d.saturating_add(*before).saturating_add(*after))
            .collect();
        if shape[..] == *self.shape() {
            return Ok(self.clone());
        }
        if let Padding::Constant(value) = padding {
            let around = self.operand(value.clone()).broadcast_to(&shape)?;
            let start = widths.iter().map(|w| w.0).collect();
            let slice = Slice { start, step: Strides::from_elem(1, self.ndim()), shape: self.shape().into() };
            return around.write_slice(&slice, self);
        }
        // Refuses what does not fit before index lists as long as an axis are made.
        Self::zeros(&shape, self.dtype())?;
        let mut x = self.clone();
        for (axis, (before, after)) in widths.iter().enumerate() {
            if (*before, *after) == (0, 0) {
                continue;
            }
            let n = self.shape()[axis] as i64;
            if n == 0 {
                return Err(Error::shape(
                    "pad",
                    format!("axis {axis} of shape {:?} has no element to repeat", self.shape()),
                )
                .at(origin));
            }
            let places: Vec<i64> =
                (-(*before as i64)..n + *after as i64).map(|i| padding.place(i, n)).collect();
            x = x.take(&Self::from_slice(&places, &[places.len()])?, Some(axis as i32))?;
        }
        Ok(x)
    }

    /// Each element (or, along an axis, each part) `n` times in a row. Without an axis the array is flattened first.
    ///
    /// # Errors
    /// When the axis does not exist or the result would not fit in memory.
    #[track_caller]
    pub fn repeat(&self, n: usize, axis: Option<i32>) -> Result<Self> {
        let Some(axis) = axis else { return self.reshape(&[-1])?.repeat(n, Some(0)) };
        let at = axis_index("repeat", axis, self.ndim()).map_err(|e| e.at(Origin::caller()))?;
        let mut shape: Dims = self.shape().into();
        shape.insert(at + 1, n);
        let repeated = self.expand_dims(&[at as i32 + 1])?.broadcast_to(&shape)?;
        shape.remove(at + 1);
        shape[at] *= n;
        repeated.reshape_to(&shape)
    }

    /// The array `counts[i]` times along axis `i`; missing counts and missing axes, in front, are 1.
    ///
    /// # Errors
    /// When the result would not fit in memory.
    #[track_caller]
    pub fn tile(&self, counts: &[usize]) -> Result<Self> {
        let n = self.ndim().max(counts.len());
        let of = |list: &[usize], i: usize| (i + list.len()).checked_sub(n).map_or(1, |k| list[k]);
        let (mut from, mut to, mut shape) = (Dims::new(), Dims::new(), Dims::new());
        for i in 0..n {
            let (d, count) = (of(self.shape(), i), of(counts, i));
            from.extend([1, d]);
            to.extend([count, d]);
            shape.push(count.saturating_mul(d));
        }
        self.reshape_to(&from)?.broadcast_to(&to)?.reshape_to(&shape)
    }

    /// The elements moved along axes by shifts, those that leave at one end coming back at the other. One shift serves
    /// all axes. Without axes the array is taken as flat.
    ///
    /// # Errors
    /// When an axis does not exist, or there are neither one shift nor as many as axes.
    #[track_caller]
    pub fn roll(&self, shifts: &[i64], axes: Option<&[i32]>) -> Result<Self> {
        let origin = Origin::caller();
        let Some(axes) = axes else {
            // In Python the shifts of a flat roll add up.
            let total = shifts.iter().fold(0i64, |n, s| n.wrapping_add(*s));
            return self.reshape(&[-1])?.roll(&[total], Some(&[0]))?.reshape_to(self.shape());
        };
        if shifts.len() != 1 && shifts.len() != axes.len() {
            return Err(Error::argument(
                "roll",
                format!("got {} shifts for {} axes", shifts.len(), axes.len()),
            )
            .at(origin));
        }
        let mut x = self.clone();
        for (i, axis) in axes.iter().enumerate() {
            let at = axis_index("roll", *axis, self.ndim()).map_err(|e| e.at(origin))?;
            let n = self.shape()[at];
            if n == 0 {
                continue;
            }
            let shift = shifts[if shifts.len() == 1 { 0 } else { i }].rem_euclid(n as i64) as usize;
            if shift > 0 {
                let (head, tail) = (x.part(at, 0, n - shift)?, x.part(at, n - shift, n)?);
                x = Self::concatenate(&[&tail, &head], Some(at as i32))?;
            }
        }
        Ok(x)
    }

    /// The elements in reverse order along the named axes, or along all. A view.
    ///
    /// # Errors
    /// When an axis does not exist or is named twice.
    #[track_caller]
    pub fn flip(&self, axes: Option<&[i32]>) -> Result<Self> {
        let axes = axes_indices("flip", axes, self.ndim()).map_err(|e| e.at(Origin::caller()))?;
        let part: SmallVec<[(usize, isize, usize); 4]> = self
            .shape()
            .iter()
            .enumerate()
            .map(|(i, d)| if axes.contains(&i) { (d.saturating_sub(1), -1, *d) } else { (0, 1, *d) })
            .collect();
        Self::apply(super::index::slice_of(part), &[self])
    }

    /// The arrays broadcast to the one shape that all of them broadcast to, as views.
    ///
    /// # Errors
    /// When there is none.
    #[track_caller]
    pub fn broadcast_arrays(arrays: &[&Self]) -> Result<Vec<Self>> {
        let mut shape = Dims::new();
        for x in arrays {
            shape = broadcast(&shape, x.shape()).ok_or_else(|| {
                let shapes: Vec<String> = arrays.iter().map(|x| format!("{:?}", x.shape())).collect();
                Error::shape("broadcast_arrays", format!("shapes {} do not broadcast", shapes.join(" and ")))
                    .at(Origin::caller())
            })?;
        }
        arrays.iter().map(|x| x.broadcast_to(&shape)).collect()
    }

    /// Vectors as the coordinates of a grid: one array for each, which varies along one axis, in their order; with
    /// `xy` the first two axes change places. `sparse` ones keep size 1 along the others.
    ///
    /// # Errors
    /// When an array has more than one axis.
    #[track_caller]
    pub fn meshgrid(arrays: &[&Self], sparse: bool, xy: bool) -> Result<Vec<Self>> {
        let origin = Origin::caller();
        let n = arrays.len();
        let mut grid = Vec::with_capacity(n);
        for (i, x) in arrays.iter().enumerate() {
            if x.ndim() > 1 {
                return Err(
                    Error::shape("meshgrid", format!("wanted vectors, shape is {:?}", x.shape())).at(origin)
                );
            }
            let mut shape = Dims::from_elem(1, n);
            let axis = if xy && n > 1 && i < 2 { 1 - i } else { i };
            shape[axis] = x.size();
            grid.push(x.reshape_to(&shape)?);
        }
        if sparse { Ok(grid) } else { Self::broadcast_arrays(&grid.iter().collect::<Vec<_>>()) }
    }

    /// One axis as several: of these sizes, one of which may be -1 and takes what is left.
    ///
    /// # Errors
    /// When the axis does not exist or the sizes do not hold it.
    #[track_caller]
    pub fn unflatten(&self, axis: i32, shape: &[i32]) -> Result<Self> {
        let origin = Origin::caller();
        let at = axis_index("unflatten", axis, self.ndim()).map_err(|e| e.at(origin))?;
        let n = self.shape()[at];
        let known: usize = shape.iter().filter(|d| **d >= 0).map(|d| *d as usize).product();
        let open = shape.iter().filter(|d| **d == -1).count();
        let rest = n.checked_div(known).unwrap_or(0);
        let fits = shape.iter().all(|d| *d >= -1)
            && match open {
                0 => known == n,
                1 => known > 0 && known * rest == n,
                _ => false,
            };
        if !fits {
            return Err(Error::shape(
                "unflatten",
                format!("sizes {shape:?} do not hold axis {at} of size {n}"),
            )
            .at(origin));
        }
        let mut to: Dims = self.shape()[..at].into();
        to.extend(shape.iter().map(|d| if *d == -1 { rest } else { *d as usize }));
        to.extend_from_slice(&self.shape()[at + 1..]);
        self.reshape_to(&to)
    }

    /// With an axis of size 1 if there is none.
    ///
    /// # Errors
    /// Never at present.
    #[track_caller]
    pub fn atleast_1d(&self) -> Result<Self> {
        if self.ndim() == 0 { self.reshape_to(&[1]) } else { Ok(self.clone()) }
    }

    /// With two axes at least: a vector becomes a row.
    ///
    /// # Errors
    /// Never at present.
    #[track_caller]
    pub fn atleast_2d(&self) -> Result<Self> {
        if self.ndim() < 2 { self.reshape_to(&[1, self.size()]) } else { Ok(self.clone()) }
    }

    /// With three axes at least: a vector of `n` becomes 1 × `n` × 1, a matrix gets an axis at the end.
    ///
    /// # Errors
    /// Never at present.
    #[track_caller]
    pub fn atleast_3d(&self) -> Result<Self> {
        match *self.shape() {
            [] | [_] => self.reshape_to(&[1, self.size(), 1]),
            [n, m] => self.reshape_to(&[n, m, 1]),
            _ => Ok(self.clone()),
        }
    }

    /// Every product of an element of one and one of the other, both flattened.
    ///
    /// # Errors
    /// When the result would not fit in memory.
    #[track_caller]
    pub fn outer(&self, other: &Self) -> Result<Self> {
        self.reshape_to(&[self.size(), 1])?.multiply(other.reshape_to(&[1, other.size()])?)
    }

    /// Sums of products over the last axes; the result has the other axes of both. With a scalar: the product.
    ///
    /// # Errors
    /// When the last axes differ.
    #[track_caller]
    pub fn inner(&self, other: &Self) -> Result<Self> {
        let origin = Origin::caller();
        let (Some(n), Some(m)) = (self.shape().last(), other.shape().last()) else {
            return self.multiply(other);
        };
        if n != m {
            return Err(Error::shape(
                "inner",
                format!("the last axes of shapes {:?} and {:?} differ", self.shape(), other.shape()),
            )
            .at(origin));
        }
        let mut shape: Dims = self.shape()[..self.ndim() - 1].into();
        shape.extend_from_slice(&other.shape()[..other.ndim() - 1]);
        let rows = |x: &Self| x.reshape_to(&[size_of(&x.shape()[..x.ndim() - 1]), *n]);
        let (a, b) = (rows(self)?, rows(other)?);
        if self.dtype().promote(other.dtype()).is_inexact() {
            return a.matmul(&b.transpose(&[])?)?.reshape_to(&shape);
        }
        let dtype = self.dtype().promote(other.dtype());
        let products = a.expand_dims(&[1])?.multiply(b.expand_dims(&[0])?)?;
        products.sum(Some(&[2]), false)?.astype(dtype).reshape_to(&shape)
    }

    /// The Kronecker product: for each element of this array the other one times that, in its place. Missing axes are
    /// of size 1, in front.
    ///
    /// # Errors
    /// When the result would not fit in memory.
    #[track_caller]
    pub fn kron(&self, other: &Self) -> Result<Self> {
        let n = self.ndim().max(other.ndim());
        let of = |x: &Self, i: usize| (i + x.ndim()).checked_sub(n).map_or(1, |k| x.shape()[k]);
        let (mut a, mut b, mut shape) = (Dims::new(), Dims::new(), Dims::new());
        for i in 0..n {
            let (p, q) = (of(self, i), of(other, i));
            a.extend([p, 1]);
            b.extend([1, q]);
            shape.push(p.saturating_mul(q));
        }
        self.reshape_to(&a)?.multiply(other.reshape_to(&b)?)?.reshape_to(&shape)
    }
}

impl Padding {
    /// The element that stands at place `i` of an axis of `n`, both of which may lie outside of it.
    fn place(&self, i: i64, n: i64) -> i64 {
        match self {
            Self::Constant(_) | Self::Edge => i.clamp(0, n - 1),
            Self::Reflect if n == 1 => 0,
            Self::Reflect => {
                let i = i.rem_euclid(2 * (n - 1));
                if i < n { i } else { 2 * (n - 1) - i }
            }
            Self::Symmetric => {
                let i = i.rem_euclid(2 * n);
                if i < n { i } else { 2 * n - 1 - i }
            }
        }
    }
}
