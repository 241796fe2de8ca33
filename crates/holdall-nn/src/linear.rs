//! Linear layers.

use holdall::io::Weights;
use holdall::{Array, Result};

/// `x · Wᵀ + b`, with W plain or quantized.
#[derive(Clone, Debug)]
pub struct Linear {
    weight: Weights,
    bias: Option<Array>,
}

impl Linear {
    /// A layer with weights `[out, in]` and, if there is one, a bias `[out]`.
    pub fn new(weight: Weights, bias: Option<Array>) -> Self {
        Self { weight, bias }
    }

    /// `x · Wᵀ + b` for x `[…, in]`.
    ///
    /// # Errors
    /// When x does not have `in` features.
    #[track_caller]
    pub fn forward(&self, x: &Array) -> Result<Array> {
        let y = match &self.weight {
            Weights::Plain(w) => x.matmul(&w.transpose(&[])?)?,
            Weights::Quantized { codes, scales, biases, packing } => {
                x.quantized_matmul(codes, scales, biases, true, *packing)?
            }
        };
        match &self.bias {
            Some(bias) => y.add(bias),
            None => Ok(y),
        }
    }

    /// The arrays of the layer.
    pub fn arrays(&self) -> impl Iterator<Item = &Array> {
        self.weight.arrays().chain(&self.bias)
    }
}
