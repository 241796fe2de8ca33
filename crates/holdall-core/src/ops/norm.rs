//! Normalisation over the last axis.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};

/// An epsilon that compares and hashes by its bits.
fn epsilon(value: f32) -> u32 {
    value.to_bits()
}

/// `x / √(mean x² + eps)` over the last axis in float32, times a weight if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RmsNorm {
    eps: u32,
}

impl RmsNorm {
    /// Added to the mean square.
    pub fn eps(&self) -> f32 {
        f32::from_bits(self.eps)
    }
}

/// Inputs are `x` and, if present, weight and bias of the last axis's size.
fn infer(op: &'static str, inputs: &[&Spec]) -> Result<Specs> {
    let x = inputs[0];
    let mut dtype = x.dtype;
    for w in &inputs[1..] {
        if w.shape[..] != x.shape[x.shape.len().saturating_sub(1)..] || w.shape.len() != 1 {
            return Err(Error::shape(
                op,
                format!("wanted weights of shape {:?}, got {:?}", x.shape.last(), w.shape),
            ));
        }
        dtype = dtype.promote(w.dtype);
    }
    if x.shape.is_empty() {
        return Err(Error::shape(op, "wanted at least one dimension, got a scalar"));
    }
    if !x.dtype.is_floating() || !dtype.is_floating() {
        return Err(Error::dtype(
            op,
            format!(
                "wanted floating types, got {}",
                inputs.iter().map(|i| i.dtype.name()).collect::<Vec<_>>().join(", ")
            ),
        ));
    }
    Ok(std::iter::once(Spec { shape: x.shape.clone(), dtype }).collect())
}

fn wide(x: &Array) -> Array {
    x.astype(if x.dtype() == Dtype::Float64 { Dtype::Float64 } else { Dtype::Float32 })
}

impl Primitive for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        infer(self.name(), inputs)
    }
    fn derivative(&self) -> Derivative {
        Derivative::Decompose
    }
    fn decompose(&self, inputs: &[Array]) -> Option<Result<Vec<Array>>> {
        let of = || {
            let x = wide(&inputs[0]);
            let scale = x.square()?.mean(Some(&[-1]), true)?.add(f64::from(self.eps()))?.rsqrt()?;
            let y = x.multiply(scale)?.astype(inputs[0].dtype());
            Ok(vec![inputs.get(1).map_or(Ok(y.clone()), |w| y.multiply(w))?])
        };
        Some(of())
    }
}

/// `(x - mean) / √(var + eps)` over the last axis in float32, times a weight, plus a bias, where given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LayerNorm {
    eps: u32,
    /// Whether the second input is a weight.
    pub has_weight: bool,
    /// Whether the last input is a bias.
    pub has_bias: bool,
}

impl LayerNorm {
    /// Added to the variance.
    pub fn eps(&self) -> f32 {
        f32::from_bits(self.eps)
    }
}

impl Primitive for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        infer(self.name(), inputs)
    }
    fn derivative(&self) -> Derivative {
        Derivative::Decompose
    }
    fn decompose(&self, inputs: &[Array]) -> Option<Result<Vec<Array>>> {
        let of = || {
            let x = wide(&inputs[0]);
            let away = x.subtract(x.mean(Some(&[-1]), true)?)?;
            let scale = away.square()?.mean(Some(&[-1]), true)?.add(f64::from(self.eps()))?.rsqrt()?;
            let mut y = away.multiply(scale)?.astype(inputs[0].dtype());
            if self.has_weight {
                y = y.multiply(&inputs[1])?;
            }
            if self.has_bias {
                y = y.add(&inputs[inputs.len() - 1])?;
            }
            Ok(vec![y])
        };
        Some(of())
    }
}

fn check_eps(op: &'static str, eps: f32) -> Result<()> {
    if eps.is_nan() || eps < 0.0 {
        return Err(
            Error::argument(op, format!("wanted an epsilon of at least 0, got {eps}")).at(Origin::caller())
        );
    }
    Ok(())
}

impl Array {
    /// `x / √(mean x² + eps)` over the last axis, computed in float32 and rounded to the array's type, then times
    /// `weight`. The type is that of both promoted.
    ///
    /// # Errors
    /// When the weight is not of the last axis's size, or a type is not floating.
    #[track_caller]
    pub fn rms_norm(&self, weight: Option<&Self>, eps: f32) -> Result<Self> {
        check_eps("rms_norm", eps)?;
        let op = RmsNorm { eps: epsilon(eps) };
        match weight {
            Some(w) => Self::apply(op, &[self, w]),
            None => Self::apply(op, &[self]),
        }
    }

    /// `(x - mean) / √(var + eps)` over the last axis, computed in float32 and rounded to the array's type, then
    /// times `weight` and plus `bias`. The type is that of all promoted.
    ///
    /// # Errors
    /// When weight or bias is not of the last axis's size, or a type is not floating.
    #[track_caller]
    pub fn layer_norm(&self, weight: Option<&Self>, bias: Option<&Self>, eps: f32) -> Result<Self> {
        check_eps("layer_norm", eps)?;
        let op = LayerNorm { eps: epsilon(eps), has_weight: weight.is_some(), has_bias: bias.is_some() };
        let inputs: Vec<&Self> = std::iter::once(self).chain(weight).chain(bias).collect();
        Self::apply(op, &inputs)
    }
}
