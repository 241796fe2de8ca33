//! Choosing the next token, as lazy arrays: the choice is made on the device, and the next step can be recorded
//! before anybody has read it.

use holdall::{Array, Dtype, Scalar, random};

use crate::{Error, ErrorKind, Result};

/// How the next token is chosen. The default is greedy.
///
/// Filters apply in this order: repetition penalty, top-k, top-p, min-p, temperature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler {
    /// Divides the logits; 0 takes the likeliest token and ignores the filters.
    pub temperature: f32,
    /// Only so many of the likeliest tokens; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens that together have this probability; 1 for all.
    pub top_p: f32,
    /// Only tokens with at least this share of the likeliest one's probability; 0 for all.
    pub min_p: f32,
    /// Divides positive logits of tokens that occurred, and multiplies negative ones; 1 for none.
    pub repetition_penalty: f32,
}

impl Default for Sampler {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 }
    }
}

impl Sampler {
    /// Refuses values without meaning.
    ///
    /// # Errors
    /// When a value is out of its range; the message says which.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::new(ErrorKind::Argument, what));
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return wrong(format!("temperature: wanted a number from 0 up, got {}", self.temperature));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return wrong(format!("top_p: wanted a number above 0 and up to 1, got {}", self.top_p));
        }
        if !(0.0..=1.0).contains(&self.min_p) {
            return wrong(format!("min_p: wanted a number from 0 to 1, got {}", self.min_p));
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            return wrong(format!(
                "repetition_penalty: wanted a number above 0, got {}",
                self.repetition_penalty
            ));
        }
        Ok(())
    }

    /// Whether the choice depends on the tokens before.
    pub fn needs_history(&self) -> bool {
        self.repetition_penalty != 1.0
    }

    /// The next token of each row of `logits` `[batch, vocabulary]`, as uint32 `[batch]`. `history` `[batch, n]` are the
    /// tokens so far.
    ///
    /// # Errors
    /// When shapes do not fit or memory runs out.
    pub fn sample(&self, logits: &Array, history: Option<&Array>) -> Result<Array> {
        let mut x = logits.astype(Dtype::Float32);
        if let Some(history) = history.filter(|h| self.needs_history() && h.size() > 0) {
            x = self.penalise(&x, history)?;
        }
        if self.temperature == 0.0 {
            return Ok(x.argmax(Some(-1), false)?);
        }
        let never = Array::constant(Scalar::new(f32::NEG_INFINITY));
        let vocabulary = x.dim(-1);
        if self.top_k > 0 && self.top_k < vocabulary {
            // The k-th largest is the bound; tokens that equal it stay, whichever they are.
            let bound = x.topk(self.top_k, Some(-1))?.min(Some(&[-1]), true)?;
            x = Array::select(&x.less(&bound)?, &never, &x)?;
        }
        if self.top_p < 1.0 {
            x = self.nucleus(&x, &never)?;
        }
        if self.min_p > 0.0 {
            let bound = x.max(Some(&[-1]), true)?.add(f64::from(self.min_p.ln()))?;
            x = Array::select(&x.less(&bound)?, &never, &x)?;
        }
        Ok(random::categorical(&x.divide(self.temperature)?, -1, None, None)?)
    }

    fn penalise(&self, x: &Array, history: &Array) -> Result<Array> {
        let seen = x.take_along_axis(history, Some(-1))?;
        let weaker = seen.divide(self.repetition_penalty)?;
        let stronger = seen.multiply(self.repetition_penalty)?;
        let values = Array::select(&seen.less(0.0)?, &stronger, &weaker)?;
        Ok(x.put_along_axis(history, &values, Some(-1))?)
    }

    /// Keeps the smallest set of likeliest tokens whose probability reaches `top_p`.
    fn nucleus(&self, x: &Array, never: &Array) -> Result<Array> {
        let probabilities = x.softmax(Some(&[-1]), true)?;
        let sorted = probabilities.sort(Some(-1))?;
        // What is at or below each probability: a token goes when that, itself included, fits in the rest 1 - p.
        let below = sorted.cumsum(Some(-1), false, true)?;
        let kept = Array::select(&below.greater(1.0 - f64::from(self.top_p))?, &sorted, 2.0)?;
        let bound = kept.min(Some(&[-1]), true)?;
        // Rounding may leave nothing: the likeliest always stays.
        let bound = bound.minimum(probabilities.max(Some(&[-1]), true)?)?;
        Ok(Array::select(&probabilities.less(&bound)?, never, x)?)
    }
}
