//! Few rows: vectors along the features.

use std::marker::PhantomData;

use super::{Job, Mask, merge};
use crate::kernel::Scratch;
use crate::kernels::float::{Element, widen_as, with_element};
use crate::kernels::vector::{Vector, Work, dispatch};

/// Keys whose scores are taken before their values.
const BLOCK: usize = 64;

/// Computes an item with at most [`FEW`](super::FEW) rows.
///
/// # Safety
/// The job's operands exist; the machine has its `isa`.
pub(super) unsafe fn run(job: Job<'_>, scratch: &mut Scratch) {
    let rows = job.rows.len();
    let (dim, value_dim) = (padded(job.params.dim), padded(job.params.value_dim));
    let sizes = [rows * dim, rows * BLOCK, rows * value_dim];
    let buffer = scratch.get::<f32>(sizes.iter().sum()).as_mut_ptr();
    let mut at = 0;
    let [q, scores, out] = sizes.map(|size| {
        // SAFETY: scratch was sized for all parts.
        let part = unsafe { buffer.add(at) };
        at += size;
        part
    });
    let isa = job.params.isa;
    with_element!(job.params.floats[1], E => {
        let decode = Decode::<E> { job, q, scores, out, element: PhantomData };
        // SAFETY: the caller's.
        unsafe { dispatch(isa, decode) }
    });
}

struct Decode<'a, E> {
    job: Job<'a>,
    /// Scaled queries, [rows, padded dim].
    q: *mut f32,
    /// Scores of a block, [rows, BLOCK].
    scores: *mut f32,
    /// Output, [rows, padded value_dim].
    out: *mut f32,
    element: PhantomData<E>,
}

/// Rounds up to whole vectors.
fn padded(len: usize) -> usize {
    len.next_multiple_of(16)
}

impl<E: Element> Decode<'_, E> {
    /// q · k for `R` rows and `K` keys.
    ///
    /// # Safety
    /// They exist.
    #[inline(always)]
    unsafe fn dots<V: Vector, const R: usize, const K: usize>(
        &self,
        v: V,
        row: usize,
        keys: *const E,
        stride: isize,
        key: usize,
    ) {
        let dim = self.job.params.dim;
        let mut sums = [[v.splat(0.0); R]; K];
        let mut d = 0;
        // SAFETY: d stays below dim.
        unsafe {
            let q = self.q.add(row * padded(dim));
            let keys = keys.offset(key as isize * stride);
            while d + V::LANES <= dim {
                let mut x = [v.splat(0.0); R];
                for (r, x) in x.iter_mut().enumerate() {
                    *x = v.load(q.add(r * padded(dim) + d));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let k = E::load(v, keys.offset(i as isize * stride).add(d));
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = v.mul_add(k, x, *sum);
                    }
                }
                d += V::LANES;
            }
            if d < dim {
                for (i, sums) in sums.iter_mut().enumerate() {
                    let k = E::load_part(v, keys.offset(i as isize * stride).add(d), dim - d, 0.0);
                    for (r, sum) in sums.iter_mut().enumerate() {
                        *sum = v.mul_add(k, v.load_part(q.add(r * padded(dim) + d), dim - d, 0.0), *sum);
                    }
                }
            }
            for r in 0..R {
                let scores = self.scores.add((row + r) * BLOCK + key);
                if K == 4 {
                    let four = v.sum4([sums[0][r], sums[1 % K][r], sums[2 % K][r], sums[3 % K][r]]);
                    scores.cast::<[f32; 4]>().write(four);
                } else {
                    for (i, sums) in sums.iter().enumerate() {
                        scores.add(i).write(v.sum(sums[r]));
                    }
                }
            }
        }
    }

    /// Adds `R` rows' weighted values, for `N` vectors of features from `d` on.
    ///
    /// # Safety
    /// They exist.
    #[inline(always)]
    unsafe fn mix<V: Vector, const R: usize, const N: usize>(
        &self,
        v: V,
        row: usize,
        values: *const E,
        stride: isize,
        len: usize,
        d: usize,
    ) {
        let width = padded(self.job.params.value_dim);
        // SAFETY: the caller's.
        unsafe {
            let out = self.out.add(row * width + d);
            let mut sums = [[v.splat(0.0); N]; R];
            for (r, sums) in sums.iter_mut().enumerate() {
                for (n, sum) in sums.iter_mut().enumerate() {
                    *sum = v.load(out.add(r * width + n * V::LANES));
                }
            }
            for i in 0..len {
                let mut x = [v.splat(0.0); N];
                let value = values.offset(i as isize * stride).add(d);
                for (n, x) in x.iter_mut().enumerate() {
                    *x = E::load(v, value.add(n * V::LANES));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let weight = v.splat(self.scores.add((row + r) * BLOCK + i).read());
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = v.mul_add(weight, x, *sum);
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate() {
                for (n, sum) in sums.iter().enumerate() {
                    v.store(out.add(r * width + n * V::LANES), *sum);
                }
            }
        }
    }

    /// [`mix`](Self::mix) for the features after the last whole vector.
    ///
    /// # Safety
    /// They exist.
    #[inline(always)]
    unsafe fn mix_tail<V: Vector>(
        &self,
        v: V,
        row: usize,
        values: *const E,
        stride: isize,
        len: usize,
        d: usize,
    ) {
        let dim = self.job.params.value_dim;
        // SAFETY: the caller's.
        unsafe {
            let out = self.out.add(row * padded(dim) + d);
            let mut sum = v.load(out);
            for i in 0..len {
                let value = E::load_part(v, values.offset(i as isize * stride).add(d), dim - d, 0.0);
                sum = v.mul_add(v.splat(self.scores.add(row * BLOCK + i).read()), value, sum);
            }
            v.store(out, sum);
        }
    }

    /// Turns the scores of a row into weights; returns its new maximum and sum and the factor of what came before.
    ///
    /// # Safety
    /// The row exists.
    #[inline(always)]
    unsafe fn weigh<V: Vector>(
        &self,
        v: V,
        row: usize,
        len: usize,
        (top, sum): (f32, f32),
    ) -> (f32, f32, f32) {
        // SAFETY: a row of scores holds BLOCK, a multiple of LANES.
        unsafe {
            let scores = self.scores.add(row * BLOCK);
            for i in len..len.next_multiple_of(V::LANES) {
                scores.add(i).write(f32::NEG_INFINITY);
            }
            let mut most = v.splat(top);
            for i in (0..len).step_by(V::LANES) {
                most = v.max(v.load(scores.add(i)), most);
            }
            let new = v.largest(most);
            // Where all is −∞ so far, weights are 0; if it stays so, 0 / 0 is the NaN asked for.
            let base = if new == f32::NEG_INFINITY { 0.0 } else { new };
            let mut total = v.splat(0.0);
            for i in (0..len).step_by(V::LANES) {
                let weight = v.exp(v.sub(v.load(scores.add(i)), v.splat(base)));
                v.store(scores.add(i), weight);
                total = v.add(total, weight);
            }
            let factor = super::super::math::exp(top - base);
            (new, sum * factor + v.sum(total), factor)
        }
    }
}

impl<E: Element> Work for Decode<'_, E> {
    type Output = ();

    #[inline(always)]
    #[expect(clippy::needless_range_loop, reason = "rows index several arrays alike")]
    unsafe fn run<V: Vector>(self, v: V) {
        let (job, p) = (&self.job, self.job.params);
        let count = job.rows.len();
        let (dim, value_dim) = (padded(p.dim), padded(p.value_dim));
        let mut states = [(f32::NEG_INFINITY, 0.0f32); super::FEW];
        // SAFETY: rows, keys and scratch exist as the job says.
        unsafe {
            for row in 0..count {
                let (head, position) = p.query(job.key_head, row);
                let q = self.q.add(row * dim);
                widen_as(v, p.floats[0], job.row(0, job.bound.q, head, position), 1, q, p.dim);
                for d in 0..p.dim {
                    *q.add(d) *= p.scale;
                }
                states[row] = job.start(head);
            }
            std::slice::from_raw_parts_mut(self.out, count * value_dim).fill(0.0);
            let visible = job.visible();
            let mut start = visible.start;
            while start < visible.end {
                let len = (visible.end - start).min(BLOCK);
                let keys = job.row(1, job.bound.k, job.key_head, start).cast::<E>();
                let stride = p.strides[1][2];
                let mut row = 0;
                while row < count {
                    let some = if count - row >= 4 {
                        4
                    } else if count - row >= 3 {
                        3
                    } else {
                        1
                    };
                    let mut key = 0;
                    while key + 4 <= len {
                        match some {
                            4 => self.dots::<V, 4, 4>(v, row, keys, stride, key),
                            3 => self.dots::<V, 3, 4>(v, row, keys, stride, key),
                            _ => self.dots::<V, 1, 4>(v, row, keys, stride, key),
                        }
                        key += 4;
                    }
                    for key in key..len {
                        for row in row..row + some {
                            self.dots::<V, 1, 1>(v, row, keys, stride, key);
                        }
                    }
                    row += some;
                }
                for row in 0..count {
                    let (head, position) = p.query(job.key_head, row);
                    if p.mask == Mask::Causal {
                        for i in 0..len {
                            if (start + i) as isize > p.horizon(position) {
                                self.scores.add(row * BLOCK + i).write(f32::MIN);
                            }
                        }
                    }
                    job.apply_mask(head, position, start, self.scores.add(row * BLOCK), 1, len);
                    let (top, sum, factor) = self.weigh(v, row, len, states[row]);
                    states[row] = (top, sum);
                    if factor != 1.0 {
                        for d in (0..value_dim).step_by(V::LANES) {
                            let out = self.out.add(row * value_dim + d);
                            v.store(out, v.mul(v.load(out), v.splat(factor)));
                        }
                    }
                }
                let values = job.row(2, job.bound.v, job.key_head, start).cast::<E>();
                let stride = p.strides[2][2];
                let mut row = 0;
                while row < count {
                    let some = if count - row >= 4 {
                        4
                    } else if count - row >= 3 {
                        3
                    } else {
                        1
                    };
                    let mut d = 0;
                    while d + 2 * V::LANES <= p.value_dim {
                        match some {
                            4 => self.mix::<V, 4, 2>(v, row, values, stride, len, d),
                            3 => self.mix::<V, 3, 2>(v, row, values, stride, len, d),
                            _ => self.mix::<V, 1, 2>(v, row, values, stride, len, d),
                        }
                        d += 2 * V::LANES;
                    }
                    while d < p.value_dim {
                        for row in row..row + some {
                            if d + V::LANES <= p.value_dim {
                                self.mix::<V, 1, 1>(v, row, values, stride, len, d);
                            } else {
                                self.mix_tail(v, row, values, stride, len, d);
                            }
                        }
                        d += V::LANES;
                    }
                    row += some;
                }
                start += len;
            }
            for row in 0..count {
                let (out, (top, sum)) = (self.out.add(row * value_dim), states[row]);
                if job.partial.is_null() {
                    for d in (0..value_dim).step_by(V::LANES) {
                        v.store(out.add(d), v.mul(v.load(out.add(d)), v.splat(job.scale(sum))));
                    }
                    merge::store(v, job, row, out);
                } else {
                    let to = job.partial.add(row * (p.value_dim + 2));
                    std::ptr::copy_nonoverlapping(out, to, p.value_dim);
                    to.add(p.value_dim).write(top);
                    to.add(p.value_dim + 1).write(sum);
                }
            }
        }
    }
}
