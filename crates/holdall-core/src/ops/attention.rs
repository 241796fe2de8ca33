//! Scaled dot product attention.

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::shape::broadcast;

/// Which scores count.
#[derive(Clone, Debug)]
pub enum AttentionMask<'a> {
    /// All of them.
    None,
    /// Query `i` of `L` sees keys up to `i + S - L`.
    Causal,
    /// An array that broadcasts to `[B, heads, L, S]`: true keeps a score; another type is added to it.
    Array(&'a Array),
}

/// `softmax(scale · q kᵀ + mask) v` with grouped heads; softmax in float32. Inputs: q `[B, Hq, L, D]`, k `[B, Hk, S, D]`,
/// v `[B, Hk, S, Dv]` of one type, then a mask array and sinks `[Hq]` where the parameters say so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attention {
    scale: u32,
    /// Whether later keys are hidden.
    pub causal: bool,
    /// Whether the fourth input is a mask.
    pub has_mask: bool,
    /// Whether the last input is one extra logit a head, which takes part in the softmax and then goes.
    pub has_sinks: bool,
}

impl Attention {
    /// Scores are multiplied by this.
    pub fn scale(&self) -> f32 {
        f32::from_bits(self.scale)
    }
}

impl Primitive for Attention {
    fn name(&self) -> &'static str {
        "scaled_dot_product_attention"
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let wrong = |what: String| Err(Error::shape(self.name(), what));
        let (q, k, v) = (&inputs[0].shape, &inputs[1].shape, &inputs[2].shape);
        if [q, k, v].iter().any(|s| s.len() != 4) {
            return wrong(format!("wanted four dimensions each, got shapes {q:?}, {k:?}, {v:?}"));
        }
        if q[0] != k[0] || q[0] != v[0] || k[1] != v[1] || k[2] != v[2] || q[3] != k[3] {
            return wrong(format!("shapes {q:?}, {k:?}, {v:?} do not fit each other"));
        }
        if k[1] == 0 || q[1] % k[1] != 0 {
            return wrong(format!("{} query heads are no multiple of {} key heads", q[1], k[1]));
        }
        if !inputs[0].dtype.is_floating() {
            return Err(Error::dtype(
                self.name(),
                format!("wanted a floating type, got {}", inputs[0].dtype),
            ));
        }
        if self.has_mask {
            let (mask, scores) = (&inputs[3].shape, [q[0], q[1], q[2], k[2]]);
            if broadcast(mask, &scores).is_none_or(|s| s[..] != scores) {
                return wrong(format!("a mask of shape {mask:?} does not broadcast to {scores:?}"));
            }
        }
        if self.has_sinks && inputs[inputs.len() - 1].shape[..] != [q[1]] {
            return wrong(format!("wanted {} sinks, got shape {:?}", q[1], inputs[inputs.len() - 1].shape));
        }
        let shape = [q[0], q[1], q[2], v[3]][..].into();
        Ok(std::iter::once(Spec { shape, dtype: inputs[0].dtype }).collect())
    }

    fn derivative(&self) -> Derivative {
        Derivative::Decompose
    }
}

impl Array {
    /// `softmax(scale · q kᵀ + mask) v`: q `[B, Hq, L, D]`, k `[B, Hk, S, D]`, v `[B, Hk, S, Dv]`, `Hq` a multiple of
    /// `Hk`. The type is that of all three promoted. `sinks` `[Hq]` are one more logit a head.
    ///
    /// A query that sees no key gets the average of v under a boolean or causal mask, NaN under an additive one.
    ///
    /// # Errors
    /// When shapes do not fit, or a mask's type does not promote to that of the result.
    #[track_caller]
    pub fn scaled_dot_product_attention(
        q: &Self,
        k: &Self,
        v: &Self,
        scale: f32,
        mask: AttentionMask<'_>,
        sinks: Option<&Self>,
    ) -> Result<Self> {
        const NAME: &str = "scaled_dot_product_attention";
        let origin = Origin::caller();
        let dtype = q.dtype().promote(k.dtype()).promote(v.dtype());
        let op = Attention {
            scale: scale.to_bits(),
            causal: matches!(mask, AttentionMask::Causal),
            has_mask: matches!(mask, AttentionMask::Array(_)),
            has_sinks: sinks.is_some(),
        };
        let mut inputs =
            vec![q.to_dtype(dtype, origin), k.to_dtype(dtype, origin), v.to_dtype(dtype, origin)];
        if let AttentionMask::Array(mask) = mask {
            if mask.dtype() != Dtype::Bool && mask.dtype().promote(dtype) != dtype {
                return Err(Error::dtype(
                    NAME,
                    format!("a mask of {} does not promote to {dtype}", mask.dtype()),
                )
                .at(origin));
            }
            let to = if mask.dtype() == Dtype::Bool { Dtype::Bool } else { dtype };
            inputs.push(mask.to_dtype(to, origin));
        }
        inputs.extend(sinks.map(|s| s.to_dtype(dtype, origin)));
        Self::apply(op, &inputs.iter().collect::<Vec<_>>())
    }
}
