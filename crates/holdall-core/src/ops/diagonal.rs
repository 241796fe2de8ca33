//! Diagonals, and arrays seen by strides of one's own.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::ops::{Scatter, ScatterMode};
use crate::shape::{Dims, Layout, Strides, axis_index, size_of};

/// Elements at `[…, i + rows, …, i + columns, …]` of two axes; `i` becomes the last axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Diagonal {
    /// The axis of rows and where its diagonal starts.
    pub rows: (usize, usize),
    /// The axis of columns and where its diagonal starts; another than that of the rows.
    pub columns: (usize, usize),
}

impl Diagonal {
    fn size(&self, shape: &[usize]) -> usize {
        let left = |(axis, start): (usize, usize)| shape[axis].saturating_sub(start);
        left(self.rows).min(left(self.columns))
    }

    fn others(&self, n: usize) -> impl Iterator<Item = usize> {
        (0..n).filter(|i| *i != self.rows.0 && *i != self.columns.0)
    }
}

impl Primitive for Diagonal {
    fn name(&self) -> &'static str {
        "diagonal"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let from = &inputs[0].shape;
        let mut shape: Dims = self.others(from.len()).map(|i| from[i]).collect();
        shape.push(self.size(from));
        Ok(std::iter::once(Spec { shape, dtype: inputs[0].dtype }).collect())
    }
    fn is_view(&self) -> bool {
        true
    }
    fn view(&self, input: &Spec, layout: &Layout, output: &Spec) -> Option<Layout> {
        let of = |axis: usize| layout.strides[axis];
        let mut strides: Strides = self.others(input.shape.len()).map(of).collect();
        strides.push(of(self.rows.0) + of(self.columns.0));
        let start =
            |(axis, start): (usize, usize)| if output.size() == 0 { 0 } else { of(axis) * start as isize };
        let offset = layout.offset.wrapping_add_signed(start(self.rows) + start(self.columns));
        Some(Layout { strides, offset })
    }
    fn derivative(&self) -> Derivative {
        Derivative::Multilinear
    }
    fn transpose(&self, inputs: &[Array], cotangent: &Array, _: usize) -> Result<Option<Array>> {
        let x = &inputs[0];
        let count = |start: usize| {
            let n = self.size(x.shape());
            Array::arange(start as i64, (start + n) as i64, 1, Some(Dtype::Int64))
        };
        let (first, second) =
            if self.rows.0 < self.columns.0 { (self.rows, self.columns) } else { (self.columns, self.rows) };
        // The diagonal's axis in front, then an axis of size 1 for each of the two.
        let updates = cotangent.moveaxis(-1, 0)?.expand_dims(&[first.0 as i32 + 1, second.0 as i32 + 1])?;
        let op =
            Scatter { axes: [first.0, second.0].into_iter().collect(), position: 0, mode: ScatterMode::Add };
        Array::apply(op, &[&x.zeros_like()?, &count(first.1)?, &count(second.1)?, &updates]).map(Some)
    }
}

/// The elements of the flattened input at `offset` and by `strides`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AsStrided {
    /// Shape of the result.
    pub shape: Dims,
    /// Elements between neighbours along each axis.
    pub strides: Strides,
    /// Elements before the first.
    pub offset: usize,
}

impl Primitive for AsStrided {
    fn name(&self) -> &'static str {
        "as_strided"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let wrong = |what: &str| {
            Error::argument(
                "as_strided",
                format!(
                    "shape {:?} by strides {:?} from {} {what} {} elements",
                    self.shape,
                    self.strides,
                    self.offset,
                    inputs[0].size()
                ),
            )
        };
        if self.shape.len() != self.strides.len() {
            return Err(wrong("has not a stride for each axis over"));
        }
        if !self.shape.contains(&0) {
            let (mut low, mut high) = (self.offset as i128, self.offset as i128);
            for (d, s) in self.shape.iter().zip(&self.strides) {
                let far = (*d as i128 - 1).saturating_mul(*s as i128);
                (low, high) = (low.saturating_add(far.min(0)), high.saturating_add(far.max(0)));
            }
            if low < 0 || high >= inputs[0].size() as i128 {
                return Err(wrong("is not inside of"));
            }
        }
        Ok(std::iter::once(Spec { shape: self.shape.clone(), dtype: inputs[0].dtype }).collect())
    }
    fn is_view(&self) -> bool {
        true
    }
    fn view(&self, input: &Spec, layout: &Layout, output: &Spec) -> Option<Layout> {
        let offset = if output.size() == 0 { 0 } else { self.offset };
        layout
            .is_contiguous(&input.shape)
            .then(|| Layout { strides: self.strides.clone(), offset: layout.offset + offset })
    }
    fn derivative(&self) -> Derivative {
        Derivative::Multilinear
    }
    fn transpose(&self, inputs: &[Array], cotangent: &Array, _: usize) -> Result<Option<Array>> {
        let x = &inputs[0];
        let mut places = Array::constant(crate::Scalar::new(self.offset as i64));
        let n = self.shape.len();
        for (axis, (d, s)) in self.shape.iter().zip(&self.strides).enumerate() {
            let mut shape = Dims::from_elem(1, n);
            shape[axis] = *d;
            let steps = Array::arange(0, *d as i64, 1, Some(Dtype::Int64))?.multiply(*s as i64)?;
            places = places.add(steps.reshape_to(&shape)?)?;
        }
        let places = places.broadcast_to(&self.shape)?.reshape(&[-1])?;
        let updates = cotangent.reshape_to(&[size_of(&self.shape), 1])?;
        let flat = Array::zeros(&[x.size()], x.dtype())?;
        let op = Scatter { axes: std::iter::once(0).collect(), position: 0, mode: ScatterMode::Add };
        Array::apply(op, &[&flat, &places, &updates])?.reshape_to(x.shape()).map(Some)
    }
}

impl Array {
    /// Elements at `[…, i, …, i + offset, …]` of two axes (`[…, i - offset, …, i, …]` if the offset is negative); `i`
    /// is the result's last axis. A view.
    ///
    /// # Errors
    /// When an axis does not exist or both are one.
    #[track_caller]
    pub fn diagonal(&self, offset: i64, axis1: i32, axis2: i32) -> Result<Self> {
        let origin = Origin::caller();
        let of = |axis| axis_index("diagonal", axis, self.ndim()).map_err(|e| e.at(origin));
        let (rows, columns) = (of(axis1)?, of(axis2)?);
        if rows == columns {
            return Err(Error::argument("diagonal", format!("wanted two axes, got {axis1} twice")).at(origin));
        }
        let start = |by: i64| usize::try_from(by).unwrap_or(0);
        Self::apply(
            Diagonal { rows: (rows, start(offset.saturating_neg())), columns: (columns, start(offset)) },
            &[self],
        )
    }

    /// The `k`-th diagonal of a matrix, or the matrix of zeros that has this vector there.
    ///
    /// # Errors
    /// When the array has neither one nor two axes.
    #[track_caller]
    pub fn diag(&self, k: i64) -> Result<Self> {
        match self.ndim() {
            1 => {
                let n = self.size().saturating_add(usize::try_from(k.unsigned_abs()).unwrap_or(usize::MAX));
                let (down, right) = ((-k).max(0), k.max(0));
                let count = |by: i64| Self::arange(by, by + self.size() as i64, 1, Some(Dtype::Int64));
                Self::zeros(&[n, n], self.dtype())?.index_update((count(down)?, count(right)?), self)
            }
            2 => self.diagonal(k, 0, 1),
            _ => Err(Error::shape("diag", format!("wanted one or two axes, shape is {:?}", self.shape()))
                .at(Origin::caller())),
        }
    }

    /// The array's elements, in row-major order, seen by strides of one's own: element `[i, j, …]` is number
    /// `offset + i * strides[0] + j * strides[1] + …`. A view; places may repeat.
    ///
    /// # Errors
    /// When a place is not inside of the array, or there is not a stride for each axis.
    #[track_caller]
    pub fn as_strided(&self, shape: &[usize], strides: &[isize], offset: usize) -> Result<Self> {
        Self::apply(AsStrided { shape: shape.into(), strides: strides.into(), offset }, &[self])
    }
}
