//! Normalisations over one axis: RMS and layer norm, softmax, log-sum-exp.

mod layer;
mod logsumexp;
mod rms;
mod softmax;
#[cfg(test)]
mod tests;

pub use layer::LayerNorm;
pub use logsumexp::LogSumExp;
pub use rms::RmsNorm;
pub use softmax::Softmax;

use super::float::{Float, widen_as};
use super::vector::Vector;

/// A row of x as f32: where it lies, or converted to `buffer`.
///
/// # Safety
/// `len` values are readable at `x`, `step` apart, and writable at `buffer`.
#[inline(always)]
unsafe fn row<V: Vector>(
    v: V,
    float: Float,
    x: *const u8,
    step: isize,
    buffer: *mut f32,
    len: usize,
) -> *const f32 {
    if float == Float::F32 && step == 1 {
        return x.cast();
    }
    // SAFETY: the caller's.
    unsafe { widen_as(v, float, x, step, buffer, len) };
    buffer
}

/// The sum of (x − `centre`)², or of x where `squares` is off.
///
/// # Safety
/// `len` values are readable at `p`.
#[inline(always)]
unsafe fn sum<V: Vector>(v: V, p: *const f32, len: usize, centre: f32, squares: bool) -> f32 {
    let mut sums = [v.splat(0.0); 4];
    let middle = v.splat(centre);
    let mut i = 0;
    // SAFETY: every index is below len; lanes past the end hold the centre or 0.
    unsafe {
        while i + 4 * V::LANES <= len {
            for (k, sum) in sums.iter_mut().enumerate() {
                let x = v.load(p.add(i + k * V::LANES));
                *sum = if squares {
                    let x = v.sub(x, middle);
                    v.mul_add(x, x, *sum)
                } else {
                    v.add(x, *sum)
                };
            }
            i += 4 * V::LANES;
        }
        while i < len {
            let part = (len - i).min(V::LANES);
            let x = v.load_part(p.add(i), part, if squares { centre } else { 0.0 });
            sums[0] = if squares {
                let x = v.sub(x, middle);
                v.mul_add(x, x, sums[0])
            } else {
                v.add(x, sums[0])
            };
            i += part;
        }
    }
    v.sum(v.add(v.add(sums[0], sums[1]), v.add(sums[2], sums[3])))
}

/// The largest of a row, −∞ when empty; NaN may be passed over.
///
/// # Safety
/// `len` values are readable at `p`.
#[inline(always)]
unsafe fn largest<V: Vector>(v: V, p: *const f32, len: usize) -> f32 {
    let mut tops = [v.splat(f32::NEG_INFINITY); 4];
    let mut i = 0;
    // SAFETY: every index is below len.
    unsafe {
        while i + 4 * V::LANES <= len {
            for (k, top) in tops.iter_mut().enumerate() {
                *top = v.max(v.load(p.add(i + k * V::LANES)), *top);
            }
            i += 4 * V::LANES;
        }
        while i < len {
            let part = (len - i).min(V::LANES);
            tops[0] = v.max(v.load_part(p.add(i), part, f32::NEG_INFINITY), tops[0]);
            i += part;
        }
    }
    v.largest(v.max(v.max(tops[0], tops[1]), v.max(tops[2], tops[3])))
}

/// The sum of exp(x − `top`), whose terms are stored at `to` unless that is null.
///
/// # Safety
/// `len` values are readable at `p` and writable at `to`, which may be the same.
#[inline(always)]
unsafe fn sum_exp<V: Vector>(v: V, p: *const f32, to: *mut f32, len: usize, top: f32) -> f32 {
    let (top, mut sums) = (v.splat(top), [v.splat(0.0); 2]);
    let mut i = 0;
    // SAFETY: every index is below len.
    unsafe {
        while i + 2 * V::LANES <= len {
            for (k, sum) in sums.iter_mut().enumerate() {
                let x = v.exp(v.sub(v.load(p.add(i + k * V::LANES)), top));
                if !to.is_null() {
                    v.store(to.add(i + k * V::LANES), x);
                }
                *sum = v.add(*sum, x);
            }
            i += 2 * V::LANES;
        }
        while i < len {
            let part = (len - i).min(V::LANES);
            // exp(−∞) adds nothing; an infinite or NaN top makes the whole row NaN anyway.
            let x = v.exp(v.sub(v.load_part(p.add(i), part, f32::NEG_INFINITY), top));
            if !to.is_null() {
                v.store_part(to.add(i), x, part);
            }
            sums[0] = v.add(sums[0], x);
            i += part;
        }
    }
    v.sum(v.add(sums[0], sums[1]))
}
