//! Sorting and what needs half of it.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::shape::axis_index;

/// Elements in ascending order along an axis, NaN last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sort {
    /// Along which axis.
    pub axis: usize,
    /// Only this element need be in its place, with none larger before it and none smaller after it.
    pub kth: Option<usize>,
}

/// Indices (uint32) that sort an array along an axis, NaN last; equal elements stay in order if all are sorted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArgSort {
    /// Along which axis.
    pub axis: usize,
    /// As in [`Sort`].
    pub kth: Option<usize>,
}

/// For each value the place in a sorted vector where it would be inserted, as uint32. Inputs: the vector, the values,
/// of one type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SearchSorted {
    /// After equal elements rather than before.
    pub right: bool,
}

fn sortable(op: &'static str, x: &Spec) -> Result<()> {
    if x.dtype == Dtype::Complex64 {
        return Err(Error::dtype(op, "wanted real numbers, got complex64"));
    }
    Ok(())
}

fn indexable(op: &'static str, n: usize) -> Result<()> {
    match u32::try_from(n) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::shape(op, format!("uint32 does not index an axis of {n} elements"))),
    }
}

impl Primitive for Sort {
    fn name(&self) -> &'static str {
        if self.kth.is_some() { "partition" } else { "sort" }
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        sortable(self.name(), inputs[0])?;
        if self.kth.is_some() {
            indexable(self.name(), inputs[0].shape[self.axis])?;
        }
        Ok(std::iter::once(inputs[0].clone()).collect())
    }

    fn derivative(&self) -> Derivative {
        Derivative::Decompose
    }

    // Kernels leave elements in the order in which they leave indices, also in partitions: derivatives rely on it.
    fn decompose(&self, inputs: &[Array]) -> Option<Result<Vec<Array>>> {
        let made = Array::apply(ArgSort { axis: self.axis, kth: self.kth }, &[&inputs[0]])
            .and_then(|places| inputs[0].take_along_axis(&places, Some(self.axis as i32)));
        Some(made.map(|y| vec![y]))
    }
}

impl Primitive for ArgSort {
    fn name(&self) -> &'static str {
        if self.kth.is_some() { "argpartition" } else { "argsort" }
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        sortable(self.name(), inputs[0])?;
        indexable(self.name(), inputs[0].shape[self.axis])?;
        Ok(std::iter::once(Spec { shape: inputs[0].shape.clone(), dtype: Dtype::Uint32 }).collect())
    }

    fn derivative(&self) -> Derivative {
        Derivative::Zero
    }
}

impl Primitive for SearchSorted {
    fn name(&self) -> &'static str {
        "searchsorted"
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let (sorted, values) = (inputs[0], inputs[1]);
        sortable(self.name(), sorted)?;
        if sorted.shape.len() != 1 || sorted.dtype != values.dtype {
            return Err(Error::shape(
                self.name(),
                format!(
                    "wanted a vector and values of one type, got {:?} of {} and {:?} of {}",
                    sorted.shape, sorted.dtype, values.shape, values.dtype
                ),
            ));
        }
        indexable(self.name(), sorted.shape[0])?;
        Ok(std::iter::once(Spec { shape: values.shape.clone(), dtype: Dtype::Uint32 }).collect())
    }

    fn derivative(&self) -> Derivative {
        Derivative::Zero
    }
}

impl Array {
    /// The array and the axis that an op runs along: a flat one where no axis is given.
    #[track_caller]
    fn along(&self, op: &'static str, axis: Option<i32>) -> Result<(Self, usize)> {
        match axis {
            Some(axis) => {
                let axis = axis_index(op, axis, self.ndim()).map_err(|e| e.at(Origin::caller()))?;
                Ok((self.clone(), axis))
            }
            None => Ok((self.reshape_to(&[self.size()])?, 0)),
        }
    }

    #[track_caller]
    fn place(&self, op: &'static str, kth: i32, axis: Option<i32>) -> Result<(Self, usize, usize)> {
        let (x, axis) = self.along(op, axis)?;
        let n = x.shape()[axis] as i64;
        let k = if kth < 0 { i64::from(kth) + n } else { i64::from(kth) };
        if k < 0 || k >= n {
            return Err(Error::argument(
                op,
                format!("there is no element {kth} along an axis of {n} elements"),
            )
            .at(Origin::caller()));
        }
        Ok((x, axis, k as usize))
    }

    /// Elements in ascending order along `axis`, NaN last; of the flattened array if no axis is given.
    ///
    /// # Errors
    /// When the axis does not exist, or for complex numbers.
    #[track_caller]
    pub fn sort(&self, axis: Option<i32>) -> Result<Self> {
        let (x, axis) = self.along("sort", axis)?;
        Self::apply(Sort { axis, kth: None }, &[&x])
    }

    /// Indices that sort the array along `axis`, as uint32: NaN last, equal elements in order; of the flattened array
    /// if no axis is given.
    ///
    /// # Errors
    /// When the axis does not exist, or for complex numbers.
    #[track_caller]
    pub fn argsort(&self, axis: Option<i32>) -> Result<Self> {
        let (x, axis) = self.along("argsort", axis)?;
        Self::apply(ArgSort { axis, kth: None }, &[&x])
    }

    /// Elements rearranged along `axis` such that element `kth` (from the back if negative) is where sorting would put
    /// it, none larger before it and none smaller after it; of the flattened array if no axis is given.
    ///
    /// # Errors
    /// When the axis or the element does not exist, or for complex numbers.
    #[track_caller]
    pub fn partition(&self, kth: i32, axis: Option<i32>) -> Result<Self> {
        let (x, axis, k) = self.place("partition", kth, axis)?;
        Self::apply(Sort { axis, kth: Some(k) }, &[&x])
    }

    /// Indices (uint32) that rearrange the array as [`Array::partition`] does.
    ///
    /// # Errors
    /// When the axis or the element does not exist, or for complex numbers.
    #[track_caller]
    pub fn argpartition(&self, kth: i32, axis: Option<i32>) -> Result<Self> {
        let (x, axis, k) = self.place("argpartition", kth, axis)?;
        Self::apply(ArgSort { axis, kth: Some(k) }, &[&x])
    }

    /// The `k` largest elements along `axis`, in no particular order; of the flattened array if no axis is given.
    ///
    /// # Errors
    /// When there are fewer than `k`, the axis does not exist, or for complex numbers.
    #[track_caller]
    pub fn topk(&self, k: usize, axis: Option<i32>) -> Result<Self> {
        let (x, axis) = self.along("topk", axis)?;
        let n = x.shape()[axis];
        if k > n {
            return Err(Error::argument("topk", format!("wanted {k} of {n} elements")).at(Origin::caller()));
        }
        let ordered = if k == 0 || k == n { x } else { Self::apply(Sort { axis, kth: Some(n - k) }, &[&x])? };
        ordered.slice_axis(axis as i32, (n - k) as i64, n as i64)
    }

    /// For each of `values` the place in this sorted vector where it would be inserted to keep the order, as uint32:
    /// before equal elements, or after them if `right`. NaN comes last.
    ///
    /// # Errors
    /// When this is no vector, or for complex numbers.
    #[track_caller]
    pub fn searchsorted(&self, values: &Self, right: bool) -> Result<Self> {
        let origin = Origin::caller();
        let dtype = self.dtype().promote(values.dtype());
        let (sorted, values) = (self.to_dtype(dtype, origin), values.to_dtype(dtype, origin));
        Self::apply(SearchSorted { right }, &[&sorted, &values])
    }

    /// Medians over `axes`, or over all if none are given, in the array's float type; integers give float32. NaN where
    /// there is one, and of no elements.
    ///
    /// # Errors
    /// When an axis does not exist, or for complex numbers.
    #[track_caller]
    pub fn median(&self, axes: Option<&[i32]>, keepdims: bool) -> Result<Self> {
        let gone =
            crate::shape::axes_indices("median", axes, self.ndim()).map_err(|e| e.at(Origin::caller()))?;
        let order: Vec<i32> = (0..self.ndim())
            .filter(|a| !gone.contains(a))
            .chain(gone.iter().copied())
            .map(|a| a as i32)
            .collect();
        let lead = self.ndim() - gone.len();
        let x = self.astype(self.dtype().to_inexact());
        let x = if order.is_empty() { x } else { x.transpose(&order)? };
        let mut shape: crate::Dims = x.shape()[..lead].into();
        let n: usize = x.shape()[lead..].iter().product();
        shape.push(n);
        let x = x.reshape_to(&shape)?;
        shape.pop();
        let middle = if n == 0 {
            Self::constant(crate::Scalar::from_f64(f64::NAN, x.dtype())).broadcast_to(&shape)?
        } else {
            let sorted = x.sort(Some(-1))?;
            let at = |i: usize| sorted.slice_axis(-1, i as i64, i as i64 + 1);
            let mean =
                if n % 2 == 1 { at(n / 2)? } else { at(n / 2 - 1)?.add(&at(n / 2)?)?.multiply(0.5)? };
            // NaN sorts last.
            let last = at(n - 1)?;
            Self::select(&last.isnan()?, &last, &mean)?.reshape_to(&shape)?
        };
        if !keepdims {
            return Ok(middle);
        }
        let mut kept: crate::Dims = self.shape().into();
        gone.iter().for_each(|a| kept[*a] = 1);
        middle.reshape_to(&kept)
    }
}
