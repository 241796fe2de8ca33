//! Arrays as lines along one axis.

use holdall_core::device::Operand;
use holdall_core::{Dims, Strides, contiguous_strides};

use crate::layout::{merged_some, sizes, steps};
use crate::library::{Call, extent};

/// The lines of an array along an axis, and those of a row-major array of its shape.
#[derive(Debug)]
pub(crate) struct Lines {
    dims: Dims,
    from: Strides,
    to: Strides,
    /// Lines.
    pub count: usize,
    /// Elements of a line.
    pub length: usize,
    /// Where the first element is.
    first: i64,
    /// Distance of elements of a line.
    pub step: i64,
    to_step: i64,
}

impl Lines {
    /// The lines of `x`; it is not empty.
    pub fn new(x: &Operand, axis: usize) -> Self {
        let shape = x.shape();
        let output = contiguous_strides(shape);
        let kept = |of: &[usize]| -> Vec<usize> {
            of.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, n)| *n).collect()
        };
        let strides = |of: &[isize]| -> Vec<isize> {
            of.iter().enumerate().filter(|(i, _)| *i != axis).map(|(_, n)| *n).collect()
        };
        let shape = kept(shape);
        let (dims, mut merged) = merged_some(&shape, &[&strides(x.strides()), &strides(&output)]);
        let to = merged.remove(1);
        Self {
            dims,
            from: merged.remove(0),
            to,
            count: shape.iter().product(),
            length: x.shape()[axis],
            first: (extent(x).start.unsigned_abs() / x.spec.dtype.size()) as i64,
            step: x.strides()[axis] as i64,
            to_step: output[axis] as i64,
        }
    }

    /// One line without gaps.
    pub fn one(length: usize) -> Self {
        let (dims, from, to) = (Dims::from([1]), Strides::from([0]), Strides::from([0]));
        Self { dims, from, to, count: 1, length, first: 0, step: 1, to_step: 1 }
    }

    /// Axes over which lines are counted.
    pub fn rank(&self) -> usize {
        self.dims.len()
    }

    /// Adds how many lines there are, their length, how to walk them (first, step, step of the output), sizes and strides.
    pub fn add<'a>(&self, call: Call<'a>) -> Call<'a> {
        call.value(self.count as u64)
            .value(self.length as u64)
            .values(&[self.first, self.step, self.to_step])
            .values(&sizes(&self.dims))
            .values(&steps(&self.from))
            .values(&steps(&self.to))
    }
}
