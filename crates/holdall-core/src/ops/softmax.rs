//! Softmax and log-sum-exp.

use smallvec::SmallVec;

use crate::Array;
use crate::error::{Error, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::shape::{Dims, axes_indices};

/// `e^x / Σ e^x` over some axes, computed from `x - max x`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Softmax {
    /// Which axes, sorted.
    pub axes: SmallVec<[usize; 4]>,
    /// Whether half types are accumulated in float32. Kernels here always do.
    pub precise: bool,
}

impl Primitive for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        inexact(self.name(), inputs[0])?;
        Ok(std::iter::once(inputs[0].clone()).collect())
    }

    fn batch(&self, inputs: &[Array], _: &[bool], _: usize) -> Option<Result<Vec<Array>>> {
        let op = Self { axes: self.axes.iter().map(|a| a + 1).collect(), ..self.clone() };
        Some(Array::apply(op, &[&inputs[0]]).map(|y| vec![y]))
    }

    fn derivative(&self) -> Derivative {
        Derivative::Custom
    }

    fn decompose(&self, inputs: &[Array]) -> Option<Result<Vec<Array>>> {
        let of = |x: &Array| {
            let axes = signed(&self.axes);
            let e = x.subtract(x.max(Some(&axes), true)?)?.exp()?;
            Ok(vec![e.divide(e.sum(Some(&axes), true)?)?])
        };
        Some(of(&inputs[0]))
    }

    fn jvp(&self, _: &[Array], outputs: &[Array], tangents: &[Option<Array>]) -> Result<Vec<Option<Array>>> {
        Ok(vec![tangents[0].as_ref().map(|t| self.jacobian(&outputs[0], t)).transpose()?])
    }

    fn vjp(
        &self,
        _: &[Array],
        outputs: &[Array],
        cotangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        Ok(vec![cotangents[0].as_ref().map(|ct| self.jacobian(&outputs[0], ct)).transpose()?])
    }
}

impl Softmax {
    /// `y (t - Σ y t)`: the Jacobian is symmetric.
    fn jacobian(&self, y: &Array, t: &Array) -> Result<Array> {
        let weighted = y.multiply(t)?;
        weighted.subtract(y.multiply(weighted.sum(Some(&signed(&self.axes)), true)?)?)
    }
}

/// `ln Σ e^x` over some axes, which stay with size 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogSumExp {
    /// Which axes, sorted.
    pub axes: SmallVec<[usize; 4]>,
}

impl Primitive for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let x = inputs[0];
        inexact(self.name(), x)?;
        let mut shape = x.shape.clone();
        self.axes.iter().for_each(|a| shape[*a] = 1);
        Ok(std::iter::once(Spec { shape, dtype: x.dtype }).collect())
    }

    fn derivative(&self) -> Derivative {
        Derivative::Decompose
    }

    fn decompose(&self, inputs: &[Array]) -> Option<Result<Vec<Array>>> {
        let of = |x: &Array| {
            let axes = signed(&self.axes);
            let max = x.max(Some(&axes), true)?;
            // Where the maximum is infinite, subtracting it would give NaN; it is the result already.
            let finite = max.abs()?.less(f64::INFINITY)?;
            let shift = Array::select(&finite, &max, 0.0)?;
            Ok(vec![x.subtract(&shift)?.exp()?.sum(Some(&axes), true)?.log()?.add(&shift)?])
        };
        Some(of(&inputs[0]))
    }
}

fn inexact(op: &'static str, x: &Spec) -> Result<()> {
    if !x.dtype.is_floating() {
        return Err(Error::dtype(op, format!("wanted a floating type, got {}", x.dtype)));
    }
    Ok(())
}

pub(super) fn signed(axes: &[usize]) -> SmallVec<[i32; 4]> {
    axes.iter().map(|a| *a as i32).collect()
}

impl Array {
    /// `e^x / Σ e^x` over `axes`, or over all if none are given; integers give float32.
    ///
    /// # Errors
    /// When an axis does not exist, or for complex numbers.
    #[track_caller]
    pub fn softmax(&self, axes: Option<&[i32]>, precise: bool) -> Result<Self> {
        let axes = axes_indices("softmax", axes, self.ndim())?;
        let x = self.astype(self.dtype().to_inexact());
        if axes.is_empty() || self.size() == 0 {
            return if self.size() == 0 { Ok(x) } else { x.subtract(&x)?.exp() };
        }
        Self::apply(Softmax { axes, precise }, &[&x])
    }

    /// `ln Σ e^x` over `axes`, or over all if none are given; integers give float32.
    ///
    /// # Errors
    /// When an axis does not exist, for complex numbers, or over no elements.
    #[track_caller]
    pub fn logsumexp(&self, axes: Option<&[i32]>, keepdims: bool) -> Result<Self> {
        let axes = axes_indices("logsumexp", axes, self.ndim())?;
        if axes.iter().any(|a| self.shape()[*a] == 0) {
            return Err(Error::shape(
                "logsumexp",
                format!("there is no maximum of no elements; shape is {:?}", self.shape()),
            ));
        }
        let y = Self::apply(LogSumExp { axes: axes.clone() }, &[&self.astype(self.dtype().to_inexact())])?;
        if keepdims {
            return Ok(y);
        }
        let shape: Dims = (0..self.ndim()).filter(|i| !axes.contains(i)).map(|i| self.shape()[i]).collect();
        y.reshape_to(&shape)
    }
}
