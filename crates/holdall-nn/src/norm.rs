//! Normalisation layers.

use holdall::{Array, Result};

/// `w · x / √(mean x² + eps)` over the last axis.
#[derive(Clone, Debug)]
pub struct RmsNorm {
    weight: Array,
    eps: f32,
}

impl RmsNorm {
    /// A layer with weights `[features]`.
    pub fn new(weight: Array, eps: f32) -> Self {
        Self { weight, eps }
    }

    /// The normalised x `[…, features]`.
    ///
    /// # Errors
    /// When x has another number of features.
    #[track_caller]
    pub fn forward(&self, x: &Array) -> Result<Array> {
        x.rms_norm(Some(&self.weight), self.eps)
    }

    /// The arrays of the layer.
    pub fn arrays(&self) -> impl Iterator<Item = &Array> {
        std::iter::once(&self.weight)
    }
}
