//! Running sums, products, extremes.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::shape::{Dims, axis_index};

/// What runs along the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Running {
    /// Sums.
    Sum,
    /// Products.
    Prod,
    /// Largest elements so far; NaN from the first on.
    Max,
    /// Smallest elements so far; NaN from the first on.
    Min,
    /// `ln Σ e^x`.
    LogSumExp,
}

/// For each element the combination of those up to it along an axis. The type stays; half types are combined in float32.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scan {
    /// What runs.
    pub running: Running,
    /// Along which axis.
    pub axis: usize,
    /// From the last element to the first.
    pub reverse: bool,
    /// Whether the element itself is included.
    pub inclusive: bool,
}

impl Primitive for Scan {
    fn name(&self) -> &'static str {
        match self.running {
            Running::Sum => "cumsum",
            Running::Prod => "cumprod",
            Running::Max => "cummax",
            Running::Min => "cummin",
            Running::LogSumExp => "logcumsumexp",
        }
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let x = inputs[0];
        let takes = match self.running {
            Running::Sum => x.dtype != Dtype::Bool,
            Running::Prod => true,
            Running::Max | Running::Min => x.dtype != Dtype::Complex64,
            Running::LogSumExp => x.dtype.is_floating(),
        };
        if !takes {
            return Err(Error::dtype(self.name(), format!("is not defined for {}", x.dtype)));
        }
        Ok(std::iter::once(x.clone()).collect())
    }

    fn derivative(&self) -> Derivative {
        match self.running {
            Running::Sum => Derivative::Multilinear,
            // The quotient of a product and an element says nothing where the element is 0.
            Running::Prod => Derivative::Decompose,
            Running::LogSumExp => Derivative::Custom,
            // Without the element itself, the first result is no element.
            Running::Max | Running::Min if !self.inclusive => Derivative::None,
            Running::Max | Running::Min => Derivative::Custom,
        }
    }

    fn decompose(&self, inputs: &[Array]) -> Option<Result<Vec<Array>>> {
        (self.running == Running::Prod).then(|| self.products(&inputs[0]).map(|y| vec![y]))
    }

    fn transpose(&self, _: &[Array], cotangent: &Array, _: usize) -> Result<Option<Array>> {
        Array::apply(self.backwards(), &[cotangent]).map(Some)
    }

    fn jvp(
        &self,
        inputs: &[Array],
        outputs: &[Array],
        tangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        let Some(t) = &tangents[0] else { return Ok(vec![None]) };
        let (x, y) = (&inputs[0], &outputs[0]);
        let made = match self.running {
            Running::Max | Running::Min => t.take_along_axis(&self.places(x, y)?, Some(self.axis as i32))?,
            // Σ e^(x_j - y_i) t_j over j up to i, each sign by itself so that exponents stay logarithms.
            _ => self.weighted(t, |t| t.add(x), self.clone(), |s| s.subtract(y))?,
        };
        Ok(vec![Some(made)])
    }

    fn vjp(
        &self,
        inputs: &[Array],
        outputs: &[Array],
        cotangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        let Some(ct) = &cotangents[0] else { return Ok(vec![None]) };
        let (x, y) = (&inputs[0], &outputs[0]);
        let made = match self.running {
            Running::Max | Running::Min => Array::constant(crate::Scalar::from_f64(0.0, ct.dtype()))
                .broadcast_to(x.shape())?
                .scatter_add_axis(&self.places(x, y)?, ct, self.axis as i32)?,
            _ => self.weighted(ct, |t| t.subtract(y), self.backwards(), |s| s.add(x))?,
        };
        Ok(vec![Some(made)])
    }
}

impl Scan {
    /// The same from the other end.
    fn backwards(&self) -> Self {
        Self { reverse: !self.reverse, ..self.clone() }
    }

    /// Products by doubling: after each round an element is the product of twice as many.
    fn products(&self, x: &Array) -> Result<Array> {
        let dtype = x.dtype();
        let x = if dtype.is_half() { x.astype(Dtype::Float32) } else { x.clone() };
        let mut y = if self.inclusive { x } else { self.moved(&x, 1)? };
        let mut reach = 1;
        while reach < y.shape()[self.axis] {
            y = y.multiply(&self.moved(&y, reach)?)?;
            reach *= 2;
        }
        Ok(y.astype(dtype))
    }

    /// The elements `by` places further along the scan, behind ones.
    fn moved(&self, x: &Array, by: usize) -> Result<Array> {
        let (axis, n) = (self.axis as i32, x.shape()[self.axis] as i64);
        let mut shape: Dims = x.shape().into();
        shape[self.axis] = shape[self.axis].min(by);
        let by = shape[self.axis] as i64;
        let ones = Array::constant(crate::Scalar::from_f64(1.0, x.dtype())).broadcast_to(&shape)?;
        if self.reverse {
            Array::concatenate(&[&x.slice_axis(axis, by, n)?, &ones], Some(axis))
        } else {
            Array::concatenate(&[&ones, &x.slice_axis(axis, 0, n - by)?], Some(axis))
        }
    }

    /// Where each running extreme was found last.
    fn places(&self, x: &Array, y: &Array) -> Result<Array> {
        let n = x.shape()[self.axis];
        let ones = Array::constant(crate::Scalar::new(1u32)).broadcast_to(&[n])?;
        let mut shape = Dims::from_elem(1, x.ndim());
        shape[self.axis] = n;
        let counted = ones.cumsum(Some(0), false, false)?.reshape_to(&shape)?.broadcast_to(x.shape())?;
        // The newest hit is the largest index so far, or the smallest where the scan runs backwards.
        let (running, never) = if self.reverse { (Running::Min, n as u32) } else { (Running::Max, 0) };
        let hits = Array::select(&x.equal(y)?, &counted, Array::scalar(never))?;
        Array::apply(Self { running, ..self.clone() }, &[&hits])
    }

    /// `e^after(scan(before(ln t)))` for the positive and the negative part of `t`.
    fn weighted(
        &self,
        t: &Array,
        before: impl Fn(&Array) -> Result<Array>,
        scan: Self,
        after: impl Fn(&Array) -> Result<Array>,
    ) -> Result<Array> {
        let part = |t: Array| {
            let logs = before(&t.maximum(0.0)?.log()?)?;
            after(&Array::apply(scan.clone(), &[&logs])?)?.exp()
        };
        part(t.clone())?.subtract(part(t.negative()?)?)
    }
}

macro_rules! scans {
    ($($(#[$doc:meta])* $name:ident $running:ident;)*) => { impl Array { $(
        $(#[$doc])*
        ///
        /// Along `axis`, or over the flattened array if none is given; `reverse` runs from the last element to the
        /// first; without `inclusive` an element's result does not cover the element itself.
        ///
        /// # Errors
        /// When the axis does not exist, or the op does not take the type.
        #[track_caller]
        pub fn $name(&self, axis: Option<i32>, reverse: bool, inclusive: bool) -> Result<Self> {
            self.scan(Running::$running, axis, reverse, inclusive)
        }
    )* } };
}
scans! {
    /// Running sums; bool gives int32, other types stay (and wrap).
    cumsum Sum;
    /// Running products; the type stays.
    cumprod Prod;
    /// Largest elements so far; NaN from the first one on.
    cummax Max;
    /// Smallest elements so far; NaN from the first one on.
    cummin Min;
    /// Running `ln Σ e^x`; integers give float32.
    logcumsumexp LogSumExp;
}

impl Array {
    #[track_caller]
    fn scan(&self, running: Running, axis: Option<i32>, reverse: bool, inclusive: bool) -> Result<Self> {
        let origin = Origin::caller();
        let x = match running {
            Running::Sum if self.dtype() == Dtype::Bool => self.to_dtype(Dtype::Int32, origin),
            Running::LogSumExp => self.to_dtype(self.dtype().to_inexact(), origin),
            _ => self.clone(),
        };
        let op = Scan { running, axis: 0, reverse, inclusive };
        let Some(axis) = axis else { return Self::apply(op, &[&x.reshape_to(&[x.size()])?]) };
        let axis = axis_index(op.name(), axis, x.ndim()).map_err(|e| e.at(origin))?;
        Self::apply(Scan { axis, ..op }, &[&x])
    }
}
