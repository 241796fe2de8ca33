//! Numbers of various distributions.

use super::bits::bits;
use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::scalar::{Operand, Scalar};
use crate::shape::{axis_index, broadcast};

/// The largest float32 below 1.
const BELOW_ONE: f32 = 1.0 - f32::EPSILON / 2.0;

fn float(value: f32) -> Array {
    Array::scalar(value)
}

/// A bound or parameter in type `dtype`.
fn parameter(value: Operand, dtype: Dtype) -> Array {
    match value {
        Operand::Array(x) => x.astype(dtype),
        number => {
            let value = number.scalar(dtype).unwrap_or_else(|| unreachable!("arrays are matched above"));
            Array::constant(value)
        }
    }
}

#[track_caller]
fn require_floating(op: &'static str, dtype: Dtype) -> Result<()> {
    if dtype.is_floating() {
        return Ok(());
    }
    Err(Error::dtype(op, format!("wanted a floating type, got {dtype}")).at(Origin::caller()))
}

/// Parameters must not make the result larger than what was asked for.
#[track_caller]
fn require_within(op: &'static str, parameters: &[&Array], shape: &[usize]) -> Result<()> {
    for p in parameters {
        if broadcast(p.shape(), shape).is_none_or(|s| s[..] != *shape) {
            return Err(Error::shape(
                op,
                format!("a parameter of shape {:?} does not broadcast to shape {shape:?}", p.shape()),
            )
            .at(Origin::caller()));
        }
    }
    Ok(())
}

/// Uniform numbers from `low` (inclusive) to `high` (exclusive but for rounding).
///
/// # Errors
/// When `dtype` is not floating or a bound does not broadcast to `shape`.
#[track_caller]
pub fn uniform(
    low: impl Into<Operand>,
    high: impl Into<Operand>,
    shape: &[usize],
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    require_floating("uniform", dtype)?;
    let (low, high) = (parameter(low.into(), dtype), parameter(high.into(), dtype));
    require_within("uniform", &[&low, &high], shape)?;
    // Numbers just below 1 round to 1 in the half types; theirs must not.
    let below = match dtype {
        Dtype::Float16 => 1.0 - 0.5f32.powi(11),
        Dtype::Bfloat16 => 1.0 - 0.5f32.powi(8),
        _ => BELOW_ONE,
    };
    let unit = bits(shape, 32, key)?.astype(Dtype::Float32).divide(float(u32::MAX as f32))?;
    let unit = unit.minimum(float(below))?.astype(dtype);
    match (low.as_constant(), high.as_constant()) {
        (Some(l), Some(h)) => {
            // The difference of two numbers of a type, rounded once to it, as the op would give it.
            let range = h.to_f64() - l.to_f64();
            if l.to_f64() == 0.0 && range == 1.0 {
                return Ok(unit);
            }
            Array::constant(Scalar::from_f64(range, dtype)).multiply(&unit)?.add(&low)
        }
        _ => high.subtract(&low)?.multiply(&unit)?.add(&low),
    }
}

/// Normally distributed numbers of mean `loc` and standard deviation `scale`; 0 and 1 if left out.
///
/// # Errors
/// When `dtype` is not floating or a parameter does not broadcast to `shape`.
#[track_caller]
pub fn normal(
    shape: &[usize],
    dtype: Dtype,
    loc: Option<Operand>,
    scale: Option<Operand>,
    key: Option<&Array>,
) -> Result<Array> {
    require_floating("normal", dtype)?;
    let u = uniform(-BELOW_ONE, 1.0f32, shape, Dtype::Float32, key)?;
    let mut factor = Array::constant(Scalar::from_f64(std::f64::consts::SQRT_2, dtype));
    if let Some(scale) = scale {
        let scale = parameter(scale, dtype);
        require_within("normal", &[&scale], shape)?;
        factor = factor.multiply(&scale)?;
    }
    let x = u.erfinv()?.astype(dtype).multiply(&factor)?;
    let Some(loc) = loc else { return Ok(x) };
    let loc = parameter(loc, dtype);
    require_within("normal", &[&loc], shape)?;
    x.add(&loc)
}

/// Truth values that are true with probability `p`; of `p`'s shape if none is given.
///
/// # Errors
/// When `p` does not broadcast to the shape, or is not floating.
#[track_caller]
pub fn bernoulli(p: impl Into<Operand>, shape: Option<&[usize]>, key: Option<&Array>) -> Result<Array> {
    let p = match p.into() {
        Operand::Array(p) => p,
        number => parameter(number, Dtype::Float32),
    };
    require_floating("bernoulli", p.dtype())?;
    let shape = shape.unwrap_or(p.shape());
    require_within("bernoulli", &[&p], shape)?;
    let threshold = p.multiply(float(u32::MAX as f32))?;
    bits(shape, 32, key)?.less(&threshold)
}

/// Integers from `low` (inclusive) to `high` (exclusive).
///
/// # Errors
/// When `dtype` is not an integer type or a bound does not broadcast to `shape`.
#[track_caller]
pub fn randint(
    low: impl Into<Operand>,
    high: impl Into<Operand>,
    shape: &[usize],
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    if !dtype.is_integer() {
        return Err(
            Error::dtype("randint", format!("wanted an integer type, got {dtype}")).at(Origin::caller())
        );
    }
    let (low, high) = (low.into(), high.into());
    // Rounding in float32 may reach the upper bound.
    let largest = parameter(high.clone(), dtype).subtract(1)?;
    let least = parameter(low.clone(), dtype);
    let x = uniform(low, high, shape, Dtype::Float32, key)?.floor()?.astype(dtype);
    x.minimum(&largest)?.maximum(&least)
}

/// The numbers 0 to `n - 1` in random order, as uint32.
///
/// # Errors
/// When `n` does not fit uint32.
#[track_caller]
pub fn permutation(n: usize, key: Option<&Array>) -> Result<Array> {
    bits(&[n], 32, key)?.argsort(Some(0))
}

/// An array with its parts along `axis` in random order.
///
/// # Errors
/// When the axis does not exist.
#[track_caller]
pub fn permuted(x: &Array, axis: i32, key: Option<&Array>) -> Result<Array> {
    let at = axis_index("permutation", axis, x.ndim()).map_err(|e| e.at(Origin::caller()))?;
    x.take(&permutation(x.shape()[at], key)?, Some(axis))
}

/// Gumbel-distributed numbers, `-ln(-ln u)`.
///
/// # Errors
/// When `dtype` is not floating.
#[track_caller]
pub fn gumbel(shape: &[usize], dtype: Dtype, key: Option<&Array>) -> Result<Array> {
    uniform(0.0f32, 1.0f32, shape, dtype, key)?.log()?.negative()?.log()?.negative()
}

/// Laplace-distributed numbers around `loc` with the given scale.
///
/// # Errors
/// When `dtype` is not floating.
#[track_caller]
pub fn laplace(shape: &[usize], dtype: Dtype, loc: f64, scale: f64, key: Option<&Array>) -> Result<Array> {
    require_floating("laplace", dtype)?;
    let u = uniform(-BELOW_ONE, 1.0f32, shape, Dtype::Float32, key)?;
    let mut x = u.sign()?.multiply(&u.abs()?.negative()?.log1p()?)?.astype(dtype);
    if scale != 1.0 {
        x = x.multiply(Array::constant(Scalar::from_f64(scale, dtype)))?;
    }
    if loc != 0.0 {
        x = x.add(Array::constant(Scalar::from_f64(loc, dtype)))?;
    }
    Ok(x)
}

/// Normally distributed numbers between `lower` and `upper`; of the bounds' shape if none is given.
///
/// # Errors
/// When `dtype` is not floating or a bound does not broadcast to the shape.
#[track_caller]
pub fn truncated_normal(
    lower: impl Into<Operand>,
    upper: impl Into<Operand>,
    shape: Option<&[usize]>,
    dtype: Dtype,
    key: Option<&Array>,
) -> Result<Array> {
    require_floating("truncated_normal", dtype)?;
    let (lower, upper) = (parameter(lower.into(), dtype), parameter(upper.into(), dtype));
    let own = broadcast(lower.shape(), upper.shape());
    let Some(shape) = shape.or(own.as_deref()) else {
        return Err(Error::shape(
            "truncated_normal",
            format!("bounds of shapes {:?} and {:?} do not broadcast", lower.shape(), upper.shape()),
        )
        .at(Origin::caller()));
    };
    let root = Array::constant(Scalar::from_f64(std::f64::consts::SQRT_2, dtype));
    let (a, b) = (lower.divide(&root)?.erf()?, upper.divide(&root)?.erf()?);
    let x = uniform(a, b, shape, dtype, key)?.erfinv()?.multiply(&root)?;
    x.minimum(&upper)?.maximum(&lower)
}
