//! Token embeddings.

use holdall::io::Weights;
use holdall::{Array, Dtype, Result};

/// A vector for each token, plain or quantized.
#[derive(Clone, Debug)]
pub struct Embedding {
    weight: Weights,
    dtype: Dtype,
}

impl Embedding {
    /// An embedding with weights `[vocabulary, features]` that gives vectors of `dtype`.
    pub fn new(weight: Weights, dtype: Dtype) -> Self {
        Self { weight, dtype }
    }

    /// The vectors of integer `ids` `[…]`, as `[…, features]`.
    ///
    /// # Errors
    /// When the ids are not integers.
    #[track_caller]
    pub fn forward(&self, ids: &Array) -> Result<Array> {
        match &self.weight {
            Weights::Plain(w) => Ok(w.take(ids, Some(0))?.astype(self.dtype)),
            Weights::Quantized { codes, scales, biases, packing } => {
                // Scales in the wanted type before codes meet them: float16 would round each value.
                let of = |x: &Array| Ok::<_, holdall::Error>(x.take(ids, Some(0))?.astype(self.dtype));
                Array::dequantize(&codes.take(ids, Some(0))?, &of(scales)?, &of(biases)?, *packing)
            }
        }
    }

    /// The weights, for a head that is tied to them.
    pub fn weight(&self) -> &Weights {
        &self.weight
    }

    /// The arrays of the layer.
    pub fn arrays(&self) -> impl Iterator<Item = &Array> {
        self.weight.arrays()
    }
}
