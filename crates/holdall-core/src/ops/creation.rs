//! Arrays from nothing but numbers.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::scalar::Scalar;

impl Array {
    /// Zeros. Allocates nothing until evaluated.
    ///
    /// # Errors
    /// When the array would not fit in memory.
    #[track_caller]
    pub fn zeros(shape: &[usize], dtype: Dtype) -> Result<Self> {
        Self::constant(Scalar::from_i64(0, dtype)).broadcast_to(shape)
    }

    /// Ones. Allocates nothing until evaluated.
    ///
    /// # Errors
    /// When the array would not fit in memory.
    #[track_caller]
    pub fn ones(shape: &[usize], dtype: Dtype) -> Result<Self> {
        Self::constant(Scalar::from_i64(1, dtype)).broadcast_to(shape)
    }

    /// Zeros of this array's shape and type.
    ///
    /// # Errors
    /// Never at present.
    #[track_caller]
    pub fn zeros_like(&self) -> Result<Self> {
        Self::zeros(self.shape(), self.dtype())
    }

    /// Ones of this array's shape and type.
    ///
    /// # Errors
    /// Never at present.
    #[track_caller]
    pub fn ones_like(&self) -> Result<Self> {
        Self::ones(self.shape(), self.dtype())
    }
}
