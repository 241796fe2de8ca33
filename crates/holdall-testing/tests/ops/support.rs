//! Seeded randomness, layouts, and a plain strided array to compare with.

use std::fmt::Debug;

use holdall::device::DeviceId;
use holdall::{Array, Element};

/// A small generator; a failing test names its seed.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// From `low` to `high`, both included.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }

    pub fn shape(&mut self, ndim: usize, most: usize) -> Vec<usize> {
        (0..ndim).map(|_| 1 + self.below(most)).collect()
    }
}

/// Row-major elements with their shape: what a result is compared with.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain<T> {
    pub shape: Vec<usize>,
    pub data: Vec<T>,
}

impl<T: Copy + Debug + PartialEq> Plain<T> {
    /// The array whose element at each place is what `f` gives.
    pub fn of(shape: &[usize], mut f: impl FnMut(&[usize]) -> T) -> Self {
        let size = shape.iter().product();
        let data = (0..size).map(|i| f(&coords(shape, i))).collect();
        Self { shape: shape.to_vec(), data }
    }

    pub fn at(&self, place: &[usize]) -> T {
        self.data[self.flat(place)]
    }

    pub fn flat(&self, place: &[usize]) -> usize {
        assert_eq!(place.len(), self.shape.len());
        place.iter().zip(&self.shape).fold(0, |n, (i, d)| {
            assert!(i < d, "{place:?} in {:?}", self.shape);
            n * d + i
        })
    }
}

/// Coordinates of element `i` in row-major order.
pub fn coords(shape: &[usize], mut i: usize) -> Vec<usize> {
    let mut out = vec![0; shape.len()];
    for (c, d) in out.iter_mut().zip(shape).rev() {
        *c = i % d;
        i /= d;
    }
    out
}

/// How an array lies in memory.
#[derive(Clone, Copy, Debug)]
pub enum Lies {
    Contiguous,
    Transposed,
    Sliced,
    Reversed,
}

pub const LAYOUTS: [Lies; 4] = [Lies::Contiguous, Lies::Transposed, Lies::Sliced, Lies::Reversed];

/// An array of these elements that lies as said.
pub fn lay<T: Element>(plain: &Plain<T>, lies: Lies) -> Array {
    let n = plain.shape.len();
    match lies {
        Lies::Contiguous => Array::from_slice(&plain.data, &plain.shape).unwrap(),
        Lies::Transposed => {
            let shape: Vec<usize> = plain.shape.iter().rev().copied().collect();
            let turned = Plain::of(&shape, |c| plain.at(&c.iter().rev().copied().collect::<Vec<_>>()));
            Array::from_slice(&turned.data, &shape).unwrap().transpose(&[]).unwrap()
        }
        Lies::Sliced => {
            // One more element on each side of each axis.
            let shape: Vec<usize> = plain.shape.iter().map(|d| d + 2).collect();
            let wide = Plain::of(&shape, |c| {
                let inside = c.iter().zip(&plain.shape).all(|(c, d)| *c > 0 && c <= d);
                let place: Vec<usize> = c.iter().map(|c| c.saturating_sub(1)).collect();
                if inside { plain.at(&place) } else { T::zeroed() }
            });
            let mut x = Array::from_slice(&wide.data, &shape).unwrap();
            for axis in 0..n {
                x = x.slice_axis(axis as i32, 1, 1 + plain.shape[axis] as i64).unwrap();
            }
            x
        }
        Lies::Reversed => {
            let turned = Plain::of(&plain.shape, |c| {
                let place: Vec<usize> = c.iter().zip(&plain.shape).map(|(c, d)| d - 1 - c).collect();
                plain.at(&place)
            });
            let x = Array::from_slice(&turned.data, &plain.shape).unwrap();
            let key: Vec<holdall::Index> = (0..n).map(|_| holdall::Index::stepped(.., -1)).collect();
            x.index(&key[..]).unwrap()
        }
    }
}

/// Checks shape and elements of a result.
#[track_caller]
pub fn check<T: Element>(got: &Array, want: &Plain<T>, what: &dyn Debug) {
    assert_eq!(got.shape(), &want.shape[..], "shape: {what:?}");
    assert_eq!(got.to_vec::<T>().unwrap(), want.data, "{what:?}");
}

/// Whether the default device checks custom kernels while they run, and ends them at their deadline.
pub fn checks_kernels() -> bool {
    DeviceId::DEFAULT.get().unwrap().info().checks_kernels
}
