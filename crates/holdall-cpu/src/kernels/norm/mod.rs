//! Normalisations over one axis: RMS and layer norm, softmax, log-sum-exp.

mod rms;

#[cfg(test)]
mod tests;

pub use rms::RmsNorm;

use super::vector::Vector;

/// The sum of `f` over a row's vectors, in four chains; the tail's missing lanes hold 0.
///
/// # Safety
/// `len` values are readable at `p`.
#[inline(always)]
unsafe fn sum<V: Vector>(v: V, p: *const f32, len: usize, f: impl Fn(V::F, V::F) -> V::F) -> f32 {
    let mut sums = [v.splat(0.0); 4];
    let step = 4 * V::LANES;
    let mut i = 0;
    // SAFETY: every index is below len.
    unsafe {
        while i + step <= len {
            for (k, sum) in sums.iter_mut().enumerate() {
                *sum = f(v.load(p.add(i + k * V::LANES)), *sum);
            }
            i += step;
        }
        while i + V::LANES <= len {
            sums[0] = f(v.load(p.add(i)), sums[0]);
            i += V::LANES;
        }
    }
    let mut total = v.sum(v.add(v.add(sums[0], sums[1]), v.add(sums[2], sums[3])));
    if i < len {
        // SAFETY: len − i < LANES values are left.
        let tail = unsafe { v.load_part(p.add(i), len - i, 0.0) };
        // Lanes without a value must add nothing, whatever f makes of 0.
        let mut lanes = [0.0; 16];
        // SAFETY: LANES ≤ 16.
        unsafe { v.store(lanes.as_mut_ptr(), f(tail, v.splat(0.0))) };
        total += lanes[..len - i].iter().sum::<f32>();
    }
    total
}

/// The largest of a row, −∞ when empty; NaN may be passed over.
///
/// # Safety
/// `len` values are readable at `p`.
#[inline(always)]
unsafe fn largest<V: Vector>(v: V, p: *const f32, len: usize) -> f32 {
    let mut tops = [v.splat(f32::NEG_INFINITY); 4];
    let step = 4 * V::LANES;
    let mut i = 0;
    // SAFETY: every index is below len.
    unsafe {
        while i + step <= len {
            for (k, top) in tops.iter_mut().enumerate() {
                *top = v.max(v.load(p.add(i + k * V::LANES)), *top);
            }
            i += step;
        }
        while i < len {
            let part = (len - i).min(V::LANES);
            tops[0] = v.max(v.load_part(p.add(i), part, f32::NEG_INFINITY), tops[0]);
            i += part;
        }
    }
    v.largest(v.max(v.max(tops[0], tops[1]), v.max(tops[2], tops[3])))
}
