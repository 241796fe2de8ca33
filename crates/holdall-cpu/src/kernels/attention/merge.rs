//! The result of a row from those of its parts, and how a row is stored.

use super::Job;
use crate::kernels::float::{narrow, with_element};
use crate::kernels::vector::{Vector, Work};

/// Stores `len` f32 values of `from` as the output's row.
///
/// # Safety
/// The row exists; `from` holds `value_dim` values.
#[inline(always)]
pub(super) unsafe fn store<V: Vector>(v: V, job: &Job<'_>, row: usize, from: *const f32) {
    let (head, position) = job.params.query(job.key_head, row);
    // SAFETY: the caller's.
    unsafe {
        let to = job.row(3, job.bound.out, head, position).cast_mut();
        with_element!(job.params.floats[2], E => narrow(v, from, to.cast::<E>(), 1, job.params.value_dim));
    }
}

/// Merges the parts of all rows of one key head.
pub(super) struct Merge<'a> {
    pub(super) job: Job<'a>,
    pub(super) parts: usize,
}

impl Work for Merge<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let (rows, dim) = (self.job.rows.len(), self.job.params.value_dim);
        let width = dim + 2;
        for row in self.job.rows.clone() {
            // SAFETY: the temporary holds every part's row.
            unsafe {
                let part = |part: usize| self.job.partial.add((part * rows + row) * width);
                let mut top = f32::NEG_INFINITY;
                for i in 0..self.parts {
                    top = top.max(part(i).add(dim).read());
                }
                let base = if top == f32::NEG_INFINITY { 0.0 } else { top };
                let factor = |i: usize| super::super::math::exp(part(i).add(dim).read() - base);
                let mut total = 0.0;
                for i in 0..self.parts {
                    total += part(i).add(dim + 1).read() * factor(i);
                }
                // The first part's own memory takes the sum.
                let to = part(0);
                let first = factor(0) / total;
                for i in 0..self.parts {
                    let (from, scale) = (part(i), if i == 0 { first } else { factor(i) / total });
                    let mut j = 0;
                    while j < dim {
                        let n = (dim - j).min(V::LANES);
                        let x = v.mul(v.load_part(from.add(j), n, 0.0), v.splat(scale));
                        let sum = if i == 0 { x } else { v.add(x, v.load_part(to.add(j), n, 0.0)) };
                        v.store_part(to.add(j), sum, n);
                        j += n;
                    }
                }
                store(v, &self.job, row, to);
            }
        }
    }
}
