//! Arrays from nothing but numbers.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::scalar::{Operand, Scalar};
use crate::shape::Dims;

/// `start`, `start + step`, …: computed in int64 for integer types, in float64 and rounded once for others. No inputs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arange {
    /// The first element, of type int64 or float64.
    pub start: Scalar,
    /// The distance of elements, of the type of `start`.
    pub step: Scalar,
    /// How many elements.
    pub size: usize,
    /// Their type.
    pub dtype: Dtype,
}

impl Primitive for Arange {
    fn name(&self) -> &'static str {
        "arange"
    }
    fn infer(&self, _: &[&Spec]) -> Result<Specs> {
        if matches!(self.dtype, Dtype::Bool | Dtype::Complex64) {
            return Err(Error::dtype(
                "arange",
                format!("wanted an integer or floating type, got {}", self.dtype),
            ));
        }
        Ok(std::iter::once(Spec { shape: Dims::from_elem(self.size, 1), dtype: self.dtype }).collect())
    }
    fn derivative(&self) -> Derivative {
        Derivative::Zero
    }
}

/// A number as int64 if it is one, and as float64.
fn number(op: &'static str, value: &Operand) -> Result<(Option<i64>, f64)> {
    match value {
        Operand::Bool(b) => Ok((Some(i64::from(*b)), f64::from(u8::from(*b)))),
        Operand::Int(i) => Ok((Some(*i), *i as f64)),
        Operand::Float(f) => Ok((None, *f)),
        Operand::Complex(_) | Operand::Array(_) => Err(Error::argument(op, "wanted real numbers")),
    }
}

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

    /// `value`, a number or an array, broadcast to `shape`; in its own type if none is given, which is int32, float32
    /// or bool for a number. Allocates nothing until evaluated.
    ///
    /// # Errors
    /// When the value does not broadcast or the array would not fit in memory.
    #[track_caller]
    pub fn full(shape: &[usize], value: impl Into<Operand>, dtype: Option<Dtype>) -> Result<Self> {
        let value = value.into();
        let dtype = dtype.unwrap_or_else(|| value.default_dtype());
        let value = match value {
            Operand::Array(x) => x.astype(dtype),
            number => match number.scalar(dtype) {
                Some(scalar) => Self::constant(scalar).astype(dtype),
                None => unreachable!("arrays are matched above"),
            },
        };
        value.broadcast_to(shape)
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

    /// The numbers from `start` to `stop` (excluded) in steps of `step`: ⌈(stop - start) / step⌉ of them, none if that
    /// is negative. Without a type: int32 if all three are integers (int64 if one does not fit), else float32.
    ///
    /// # Errors
    /// When the step is 0 or NaN, the numbers are too many, or the type is bool or complex64.
    #[track_caller]
    pub fn arange(
        start: impl Into<Operand>,
        stop: impl Into<Operand>,
        step: impl Into<Operand>,
        dtype: Option<Dtype>,
    ) -> Result<Self> {
        let origin = Origin::caller();
        let (start, stop, step) = (start.into(), stop.into(), step.into());
        let of = |x: &Operand| number("arange", x).map_err(|e| e.at(origin));
        let ((start, s), (stop, e), (step, k)) = (of(&start)?, of(&stop)?, of(&step)?);
        let wrong =
            |what: &str| Error::argument("arange", format!("{what}: from {s} to {e} by {k}")).at(origin);
        if k == 0.0 || !(s.is_finite() && k.is_finite() && e.is_finite()) {
            return Err(wrong("wanted finite bounds and a step that is not 0"));
        }
        let integers = start.zip(stop).zip(step).map(|((a, b), c)| (a, b, c));
        let size = match integers {
            Some((a, b, c)) => {
                let (far, step) = (i128::from(b) - i128::from(a), i128::from(c));
                let count = if (far > 0) == (step > 0) {
                    far.unsigned_abs().div_ceil(step.unsigned_abs())
                } else {
                    0
                };
                usize::try_from(count).map_err(|_| wrong("too many numbers"))?
            }
            // Saturating: what is too much for memory is refused when the op is recorded.
            None => ((e - s) / k).ceil().max(0.0) as usize,
        };
        let fits = |i: i64| i32::try_from(i).is_ok();
        let dtype = dtype.unwrap_or(match integers {
            Some((a, b, c)) if fits(a) && fits(b) && fits(c) => Dtype::Int32,
            Some(_) => Dtype::Int64,
            None => Dtype::Float32,
        });
        let (start, step) = match integers {
            Some((a, _, c)) => (Scalar::new(a), Scalar::new(c)),
            None => (Scalar::new(s), Scalar::new(k)),
        };
        Self::apply(Arange { start, step, size, dtype }, &[])
    }

    /// `n` numbers from `start` to `stop`, both included, at equal distances.
    ///
    /// # Errors
    /// When the bounds are not finite or the type is bool or complex64.
    #[track_caller]
    pub fn linspace(start: f64, stop: f64, n: usize, dtype: Dtype) -> Result<Self> {
        if !start.is_finite() || !stop.is_finite() {
            return Err(Error::argument("linspace", format!("wanted finite bounds, got {start} and {stop}"))
                .at(Origin::caller()));
        }
        let step = if n > 1 { (stop - start) / (n - 1) as f64 } else { 0.0 };
        Self::apply(Arange { start: Scalar::new(start), step: Scalar::new(step), size: n, dtype }, &[])
    }

    /// An `n` × `m` matrix with ones where column - row is `k`, zeros elsewhere.
    ///
    /// # Errors
    /// When the matrix would not fit in memory.
    #[track_caller]
    pub fn eye(n: usize, m: usize, k: i64, dtype: Dtype) -> Result<Self> {
        let (rows, columns) = Self::grid(n, m)?;
        Ok(columns.subtract(&rows)?.equal(k)?.astype(dtype))
    }

    /// The `n` × `n` matrix with ones on the diagonal.
    ///
    /// # Errors
    /// When the matrix would not fit in memory.
    #[track_caller]
    pub fn identity(n: usize, dtype: Dtype) -> Result<Self> {
        Self::eye(n, n, 0, dtype)
    }

    /// An `n` × `m` matrix with ones where column - row is at most `k`, zeros elsewhere.
    ///
    /// # Errors
    /// When the matrix would not fit in memory.
    #[track_caller]
    pub fn tri(n: usize, m: usize, k: i64, dtype: Dtype) -> Result<Self> {
        let (rows, columns) = Self::grid(n, m)?;
        Ok(columns.subtract(&rows)?.less_equal(k)?.astype(dtype))
    }

    /// Row numbers as a column, column numbers as a row.
    #[track_caller]
    fn grid(n: usize, m: usize) -> Result<(Self, Self)> {
        let count = |n: usize| {
            let stop = i64::try_from(n).unwrap_or(i64::MAX);
            Self::arange(0, stop, 1, Some(Dtype::Int64))
        };
        Ok((count(n)?.expand_dims(&[1])?, count(m)?.expand_dims(&[0])?))
    }

    /// Matrices over the last two axes with zeros where column - row is above `k`.
    ///
    /// # Errors
    /// When there are fewer than two axes.
    #[track_caller]
    pub fn tril(&self, k: i64) -> Result<Self> {
        let keep = self.triangle("tril", k)?;
        Self::select(&keep, self, self.zeros_like()?)
    }

    /// Matrices over the last two axes with zeros where column - row is below `k`.
    ///
    /// # Errors
    /// When there are fewer than two axes.
    #[track_caller]
    pub fn triu(&self, k: i64) -> Result<Self> {
        let clear = self.triangle("triu", k.saturating_sub(1))?;
        Self::select(&clear, self.zeros_like()?, self)
    }

    #[track_caller]
    fn triangle(&self, op: &'static str, k: i64) -> Result<Self> {
        let [.., n, m] = *self.shape() else {
            return Err(Error::shape(op, format!("wanted at least two axes, shape is {:?}", self.shape()))
                .at(Origin::caller()));
        };
        Self::tri(n, m, k, Dtype::Bool)
    }
}
