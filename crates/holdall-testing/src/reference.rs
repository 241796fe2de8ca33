//! Arrays in plain float64, and arrays of every layout to compare them with.

use holdall::{Array, Dtype, Result};

use crate::random::Random;

/// Elements in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Vec<f64>,
}

impl Reference {
    /// What an array holds.
    ///
    /// # Errors
    /// When evaluation fails.
    pub fn of(x: &Array) -> Result<Self> {
        Ok(Self { shape: x.shape().to_vec(), data: x.astype(Dtype::Float64).to_vec()? })
    }

    /// Calls `line(elements, outer, inner)` for each line along an axis.
    pub fn lines(&self, axis: usize, mut line: impl FnMut(Vec<f64>, usize, usize)) {
        let n = self.shape[axis];
        let inner: usize = self.shape[axis + 1..].iter().product();
        let outer: usize = self.shape[..axis].iter().product();
        for o in 0..outer {
            for i in 0..inner {
                line((0..n).map(|k| self.data[(o * n + k) * inner + i]).collect(), o, i);
            }
        }
    }

    /// Each line along an axis replaced by what `f` makes of it: all of one length.
    #[must_use]
    pub fn map_lines(&self, axis: usize, length: usize, f: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        let inner: usize = self.shape[axis + 1..].iter().product();
        let mut shape = self.shape.clone();
        shape[axis] = length;
        let mut data = vec![0.0; shape.iter().product()];
        self.lines(axis, |line, o, i| {
            for (k, value) in f(&line).into_iter().enumerate() {
                data[(o * length + k) * inner + i] = value;
            }
        });
        Self { shape, data }
    }

    /// Several axes reduced to size 1, `f` getting all elements of each output.
    #[must_use]
    pub fn reduce(&self, axes: &[usize], f: impl Fn(&[f64]) -> f64) -> Self {
        let shape: Vec<usize> =
            (0..self.shape.len()).map(|a| if axes.contains(&a) { 1 } else { self.shape[a] }).collect();
        let mut groups = vec![Vec::new(); shape.iter().product()];
        for (at, value) in self.data.iter().enumerate() {
            let (mut rest, mut place, mut step) = (at, 0, 1);
            for axis in (0..self.shape.len()).rev() {
                let i = rest % self.shape[axis];
                rest /= self.shape[axis];
                if !axes.contains(&axis) {
                    place += i * step;
                    step *= self.shape[axis];
                }
            }
            groups[place].push(*value);
        }
        Self { shape, data: groups.iter().map(|g| f(g)).collect() }
    }
}

/// An array of random elements of type `dtype` (made by `draw`) and shape `shape` whose elements lie in memory in one of
/// several ways: without gaps, transposed, as a part of a larger array, with a step, backwards, repeated.
///
/// # Errors
/// When it cannot be built.
pub fn any_layout(
    random: &mut Random,
    shape: &[usize],
    dtype: Dtype,
    mut draw: impl FnMut(&mut Random) -> f64,
) -> Result<(Array, &'static str)> {
    let mut make = |random: &mut Random, shape: &[usize]| {
        let data: Vec<f64> = (0..shape.iter().product()).map(|_| draw(random)).collect();
        let x = Array::from_slice(&data, shape)?.astype(dtype);
        x.eval()?;
        Ok::<_, holdall::Error>(x)
    };
    let ndim = shape.len();
    match random.below(if ndim == 0 { 1 } else { 6 }) {
        1 => {
            let back: Vec<usize> = shape.iter().rev().copied().collect();
            Ok((make(random, &back)?.transpose(&[])?, "transposed"))
        }
        2 => {
            let larger: Vec<usize> = shape.iter().map(|d| d + 3).collect();
            let mut x = make(random, &larger)?;
            for (axis, d) in shape.iter().enumerate() {
                x = x.slice_axis(axis as i32, 2, 2 + *d as i64)?;
            }
            Ok((x, "part"))
        }
        kind @ (3 | 4) => {
            let larger: Vec<usize> = shape.iter().map(|d| d * 2).collect();
            let x = make(random, &larger)?;
            let backwards = kind == 4;
            let start = shape.iter().map(|d| if backwards { (2 * d).max(1) - 1 } else { 0 }).collect();
            let step = shape.iter().map(|_| if backwards { -2 } else { 2 }).collect();
            let op = holdall::ops::Slice { start, step, shape: shape.into() };
            Ok((Array::apply(op, &[&x])?, if backwards { "backwards" } else { "with a step" }))
        }
        5 => {
            let repeated = random.below(ndim);
            let mut smaller = shape.to_vec();
            smaller[repeated] = 1;
            Ok((make(random, &smaller)?.broadcast_to(shape)?, "repeated"))
        }
        _ => Ok((make(random, shape)?, "without gaps")),
    }
}
