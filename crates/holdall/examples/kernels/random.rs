//! Numbers that look random, the same for the same seed.

use holdall::{Array, Dtype, Result};

/// A generator.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that gives the numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    /// A number from `low` to `high`, both included.
    pub fn from(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// One of them.
    pub fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// One of the floats that kernels know.
    pub fn float_type(&mut self) -> Dtype {
        self.one_of(&[Dtype::Float32, Dtype::Float16, Dtype::Bfloat16])
    }

    /// Numbers between -1 and 1.
    pub fn floats(&mut self, shape: &[usize], dtype: Dtype) -> Result<Array> {
        let n = shape.iter().product();
        let data: Vec<f32> = (0..n).map(|_| self.next() as f32 / (1u64 << 30) as f32 - 1.0).collect();
        Ok(Array::from_slice(&data, shape)?.astype(dtype))
    }

    /// Integers below `n`.
    pub fn integers(&mut self, shape: &[usize], n: usize, dtype: Dtype) -> Result<Array> {
        let len = shape.iter().product();
        let data: Vec<i32> = (0..len).map(|_| self.below(n) as i32).collect();
        Ok(Array::from_slice(&data, shape)?.astype(dtype))
    }

    /// The numbers below `n` in some order.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut list: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            list.swap(i, self.below(i + 1));
        }
        list
    }
}
