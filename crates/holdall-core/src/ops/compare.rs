//! Comparing whole arrays, and other small reductions.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::Result;

impl Array {
    /// Standard deviations with divisor `n - ddof`; integers give float32.
    ///
    /// # Errors
    /// When an axis does not exist.
    #[track_caller]
    pub fn std(&self, axes: Option<&[i32]>, keepdims: bool, ddof: usize) -> Result<Self> {
        self.var(axes, keepdims, ddof)?.sqrt()
    }

    /// How many elements are not 0, as int32.
    ///
    /// # Errors
    /// When an axis does not exist.
    #[track_caller]
    pub fn count_nonzero(&self, axes: Option<&[i32]>, keepdims: bool) -> Result<Self> {
        self.astype(Dtype::Bool).sum(axes, keepdims)
    }

    /// Whether `|self - other| <= atol + rtol * |other|`, elementwise. Infinities are close to themselves only, NaN to
    /// nothing, or to NaN if `equal_nan`.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    #[track_caller]
    pub fn isclose(&self, other: &Self, rtol: f64, atol: f64, equal_nan: bool) -> Result<Self> {
        let dtype = self.dtype().promote(other.dtype()).to_inexact();
        let (a, b) = (self.astype(dtype), other.astype(dtype));
        let distance = a.subtract(&b)?.abs()?;
        let allowed = b.abs()?.multiply(rtol)?.add(atol)?;
        // An infinite bound allows everything; infinities need the comparison.
        let finite = distance.less(f64::INFINITY)?;
        let close = distance.less_equal(&allowed)?.logical_and(&finite)?.logical_or(&a.equal(&b)?)?;
        if !equal_nan {
            return Ok(close);
        }
        close.logical_or(a.isnan()?.logical_and(b.isnan()?)?)
    }

    /// Whether all elements are close, as [`Array::isclose`] says: bool of no dimensions.
    ///
    /// # Errors
    /// When the shapes do not broadcast.
    #[track_caller]
    pub fn allclose(&self, other: &Self, rtol: f64, atol: f64, equal_nan: bool) -> Result<Self> {
        self.isclose(other, rtol, atol, equal_nan)?.all(None, false)
    }

    /// Whether both arrays have one shape and equal elements, types aside: bool of no dimensions. NaN equals NaN only
    /// if `equal_nan`.
    ///
    /// # Errors
    /// Never at present.
    #[track_caller]
    pub fn array_equal(&self, other: &Self, equal_nan: bool) -> Result<Self> {
        if self.shape() != other.shape() {
            return Ok(Self::constant(crate::Scalar::bool(false)));
        }
        let mut equal = self.equal(other)?;
        if equal_nan {
            equal = equal.logical_or(self.isnan()?.logical_and(other.isnan()?)?)?;
        }
        equal.all(None, false)
    }
}
