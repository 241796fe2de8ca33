//! Choices among weighted alternatives.

use super::distributions::{gumbel, uniform};
use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::shape::{Dims, axis_index, broadcast};

/// Indices along `axis` of `logits`, drawn with probabilities `softmax(logits)`, as uint32.
///
/// `shape` is that of the result, to which the shape of `logits` without `axis` broadcasts; that shape itself if none is
/// given. An alternative of logit -∞ is never drawn.
///
/// One distribution with several samples, or with one of a shape that is not empty, is sampled by inverting its
/// cumulative distribution; all else takes the largest of the logits with Gumbel noise added.
///
/// # Errors
/// When the axis does not exist or is empty, the shapes do not fit, or for complex numbers.
#[track_caller]
pub fn categorical(logits: &Array, axis: i32, shape: Option<&[usize]>, key: Option<&Array>) -> Result<Array> {
    let origin = Origin::caller();
    let at = axis_index("categorical", axis, logits.ndim()).map_err(|e| e.at(origin))?;
    let mut own: Dims = logits.shape().into();
    own.remove(at);
    let shape = shape.unwrap_or(&own);
    if broadcast(&own, shape).is_none_or(|s| s[..] != *shape) {
        return Err(Error::shape(
            "categorical",
            format!("distributions of shape {own:?} do not broadcast to shape {shape:?}"),
        )
        .at(origin));
    }
    draw(logits, at, shape, key)
}

/// As [`categorical`], with `n` draws from each distribution along a new last axis.
///
/// # Errors
/// When the axis does not exist or is empty, or for complex numbers.
#[track_caller]
pub fn categorical_samples(logits: &Array, axis: i32, n: usize, key: Option<&Array>) -> Result<Array> {
    let at = axis_index("categorical", axis, logits.ndim()).map_err(|e| e.at(Origin::caller()))?;
    let mut shape: Dims = logits.shape().into();
    shape.remove(at);
    shape.push(n);
    draw(&logits.expand_dims(&[-1])?, at, &shape, key)
}

#[track_caller]
fn draw(logits: &Array, axis: usize, shape: &[usize], key: Option<&Array>) -> Result<Array> {
    let n = logits.shape()[axis];
    if n == 0 || logits.dtype() == Dtype::Complex64 {
        return Err(Error::argument(
            "categorical",
            format!(
                "wanted real logits of at least one alternative, got {} of shape {:?}",
                logits.dtype(),
                logits.shape()
            ),
        )
        .at(Origin::caller()));
    }
    if logits.size() == n && !shape.is_empty() {
        return invert(&logits.reshape_to(&[n])?, shape, key);
    }
    let place = axis + shape.len() + 1 - logits.ndim();
    let mut noisy: Dims = shape.into();
    noisy.insert(place, n);
    gumbel(&noisy, Dtype::Float32, key)?.add(logits)?.argmax(Some(place as i32), false)
}

/// Draws from one distribution by inverting its cumulative distribution.
#[track_caller]
fn invert(logits: &Array, shape: &[usize], key: Option<&Array>) -> Result<Array> {
    let x = logits.astype(Dtype::Float32);
    let weights = x.subtract(&x.max(None, true)?)?.exp()?;
    let before = weights.cumsum(Some(0), false, false)?;
    let total = weights.sum(None, false)?;
    let u = uniform(0.0f32, 1.0f32, shape, Dtype::Float32, key)?.multiply(&total)?;
    before.searchsorted(&u, true)?.subtract(1u32)
}
