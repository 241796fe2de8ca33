//! Reductions: sums, products, extremes, truth.

use smallvec::SmallVec;

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::shape::{Dims, axes_indices};

/// What a reduction computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Sum; small integers give 32-bit ones, half types are summed in float32 and rounded once.
    Sum,
    /// Product, with the types of a sum.
    Prod,
    /// The largest; NaN if one is.
    Max,
    /// The smallest; NaN if one is.
    Min,
    /// Whether all are true.
    All,
    /// Whether any is true.
    Any,
}

/// A reduction over some axes, which stay with size 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reduce {
    /// What to compute.
    pub reduction: Reduction,
    /// Which axes, sorted.
    pub axes: SmallVec<[usize; 4]>,
}

impl Primitive for Reduce {
    fn name(&self) -> &'static str {
        match self.reduction {
            Reduction::Sum => "sum",
            Reduction::Prod => "prod",
            Reduction::Max => "max",
            Reduction::Min => "min",
            Reduction::All => "all",
            Reduction::Any => "any",
        }
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let x = inputs[0];
        let mut shape = x.shape.clone();
        self.axes.iter().for_each(|a| shape[*a] = 1);
        let dtype = match self.reduction {
            Reduction::Sum | Reduction::Prod => x.dtype.accumulated(),
            Reduction::Max | Reduction::Min => x.dtype,
            Reduction::All | Reduction::Any => Dtype::Bool,
        };
        if matches!(self.reduction, Reduction::Max | Reduction::Min) {
            if self.axes.iter().any(|a| x.shape[*a] == 0) {
                return Err(Error::shape(
                    self.name(),
                    format!("there is no {} of no elements; shape is {:?}", self.name(), x.shape),
                ));
            }
            if x.dtype == Dtype::Complex64 {
                return Err(Error::dtype(self.name(), "wanted real numbers, got complex64"));
            }
        }
        Ok(std::iter::once(Spec { shape, dtype }).collect())
    }

    fn batch(&self, inputs: &[Array], _: &[bool], _: usize) -> Option<Result<Vec<Array>>> {
        let op = Self { axes: self.axes.iter().map(|a| a + 1).collect(), ..self.clone() };
        Some(Array::apply(op, &[&inputs[0]]).map(|y| vec![y]))
    }

    fn derivative(&self) -> Derivative {
        match self.reduction {
            Reduction::Sum => Derivative::Multilinear,
            Reduction::All | Reduction::Any => Derivative::Zero,
            Reduction::Prod | Reduction::Max | Reduction::Min => Derivative::Custom,
        }
    }

    fn transpose(&self, inputs: &[Array], cotangent: &Array, _: usize) -> Result<Option<Array>> {
        cotangent.broadcast_to(inputs[0].shape()).map(Some)
    }

    fn jvp(
        &self,
        inputs: &[Array],
        outputs: &[Array],
        tangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        let Some(t) = &tangents[0] else { return Ok(vec![None]) };
        let weighted = self.weights(&inputs[0], &outputs[0])?.multiply(t)?;
        Ok(vec![Some(Array::apply(
            Self { reduction: Reduction::Sum, axes: self.axes.clone() },
            &[&weighted],
        )?)])
    }

    fn vjp(
        &self,
        inputs: &[Array],
        outputs: &[Array],
        cotangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        let Some(ct) = &cotangents[0] else { return Ok(vec![None]) };
        Ok(vec![Some(self.weights(&inputs[0], &outputs[0])?.multiply(ct)?)])
    }
}

impl Reduce {
    /// ∂output/∂element, where it is not constant: the product of the others, or an equal share of each extreme.
    fn weights(&self, x: &Array, y: &Array) -> Result<Array> {
        if self.reduction == Reduction::Prod {
            return self.products_of_others(x);
        }
        let hits = x.equal(y)?.astype(x.dtype());
        let count = Array::apply(Self { reduction: Reduction::Sum, axes: self.axes.clone() }, &[&hits])?;
        hits.divide(count)
    }

    /// For each element the product of the others: right where elements are 0, unlike the quotient.
    fn products_of_others(&self, x: &Array) -> Result<Array> {
        let zero = x.equal(0.0)?;
        let ones = Array::select(&zero, Array::constant(crate::Scalar::from_f64(1.0, x.dtype())), x)?;
        let over = |a: &Array, reduction| Array::apply(Self { reduction, axes: self.axes.clone() }, &[a]);
        let product = over(&ones, Reduction::Prod)?;
        let zeros = over(&zero.astype(x.dtype()), Reduction::Sum)?;
        // No zero: product / x. One zero: its place gets the product of the rest. More: nothing.
        let at_nonzero = product.divide(&ones)?.multiply(zeros.equal(0.0)?.astype(x.dtype()))?;
        let at_zero = product.multiply(zeros.equal(1.0)?.astype(x.dtype()))?;
        Array::select(&zero, at_zero, at_nonzero)
    }
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $reduction:ident;)*) => { impl Array { $(
        $(#[$doc])*
        ///
        /// Over `axes`, or over all if none are given; `keepdims` keeps them with size 1.
        ///
        /// # Errors
        /// When an axis does not exist, or the reduction is not defined for the array.
        #[track_caller]
        pub fn $name(&self, axes: Option<&[i32]>, keepdims: bool) -> Result<Self> {
            self.reduce(Reduction::$reduction, axes, keepdims)
        }
    )* } };
}
reductions! {
    /// Sums. Bool and small integers give int32 or uint32.
    sum Sum;
    /// Products. Bool and small integers give int32 or uint32.
    prod Prod;
    /// Largest elements; NaN if one is.
    max Max;
    /// Smallest elements; NaN if one is.
    min Min;
    /// Whether all elements are true.
    all All;
    /// Whether any element is true.
    any Any;
}

impl Array {
    #[track_caller]
    fn reduce(&self, reduction: Reduction, axes: Option<&[i32]>, keepdims: bool) -> Result<Self> {
        let op = Reduce { reduction, axes: SmallVec::new() };
        let axes = axes_indices(op.name(), axes, self.ndim())?;
        let kept = Self::apply(Reduce { axes: axes.clone(), ..op }, &[self])?;
        if keepdims {
            return Ok(kept);
        }
        let shape: Dims = (0..self.ndim()).filter(|i| !axes.contains(i)).map(|i| self.shape()[i]).collect();
        kept.reshape_to(&shape)
    }

    /// Means in the array's float type; integers give float32.
    ///
    /// # Errors
    /// When an axis does not exist.
    #[track_caller]
    pub fn mean(&self, axes: Option<&[i32]>, keepdims: bool) -> Result<Self> {
        let x = self.astype(self.dtype().to_inexact());
        let total = x.sum(axes, keepdims)?;
        let n = self.size() as f64 / (total.size().max(1)) as f64;
        let n = if self.size() == 0 {
            axes_indices("mean", axes, self.ndim())?.iter().map(|a| self.shape()[*a]).product::<usize>()
                as f64
        } else {
            n
        };
        total.divide(n)
    }

    /// Variances with divisor `n - ddof`; integers give float32.
    ///
    /// # Errors
    /// When an axis does not exist.
    #[track_caller]
    pub fn var(&self, axes: Option<&[i32]>, keepdims: bool, ddof: usize) -> Result<Self> {
        let x = self.astype(self.dtype().to_inexact());
        let away = x.subtract(x.mean(axes, true)?)?.square()?;
        let n: usize = axes_indices("var", axes, self.ndim())?.iter().map(|a| self.shape()[*a]).product();
        away.sum(axes, keepdims)?.divide(n as f64 - ddof as f64)
    }

    /// Summed over the axes along which `shape` is broadcast to this array's: the transpose of broadcasting.
    ///
    /// # Errors
    /// When `shape` does not broadcast to this array's.
    #[track_caller]
    pub fn sum_to(&self, shape: &[usize]) -> Result<Self> {
        if self.shape() == shape {
            return Ok(self.clone());
        }
        let Some(lead) = self.ndim().checked_sub(shape.len()) else {
            return Err(Error::shape(
                "sum_to",
                format!("shape {shape:?} does not broadcast to {:?}", self.shape()),
            ));
        };
        let axes: SmallVec<[usize; 4]> = (0..self.ndim())
            .filter(|i| *i < lead || (shape[*i - lead] == 1 && self.shape()[*i] != 1))
            .collect();
        let summed = if axes.is_empty() {
            self.clone()
        } else {
            Self::apply(Reduce { reduction: Reduction::Sum, axes }, &[self])?
        };
        Ok(summed.reshape_to(shape)?.astype(self.dtype()))
    }
}
