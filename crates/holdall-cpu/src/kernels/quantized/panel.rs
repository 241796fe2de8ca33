//! Dequantized parts of w in the order in which the matrix product reads them: for each k, some columns of the output.

#![expect(clippy::needless_range_loop, reason = "the index counts lanes, of which the array may have more")]

use std::ops::Range;

use super::convert::widen;
use super::decode::lane_groups;
use super::matmul::{Operands, Plan};
use super::simd::{MAX_LANES, Simd, Task, deinterleave, interleave, per_lane};

/// Rows `first .. first + len` of w, codes `k .. k + depth`.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub first: usize,
    pub len: usize,
    pub k: usize,
    pub depth: usize,
}

/// Scales and biases of some rows of w, by group: for each group a row of `stride` floats, zero past the last row of w.
pub(super) struct Scales<'a> {
    pub plan: &'a Plan,
    pub operands: Operands,
    /// Rows of w.
    pub rows: Range<usize>,
    pub stride: usize,
    /// Scales, biases: room for [`Scales::len`] floats each.
    pub to: [*mut f32; 2],
    /// Room for [`Scales::work`] floats.
    pub work: *mut f32,
}

impl Scales<'_> {
    /// Floats of a table: whole vectors of groups.
    pub(super) fn len(plan: &Plan, stride: usize) -> usize {
        (plan.k / plan.group).next_multiple_of(MAX_LANES) * stride
    }

    /// Floats of working memory.
    pub(super) fn work(plan: &Plan) -> usize {
        MAX_LANES * (plan.k / plan.group)
    }
}

impl Task for Scales<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { plan, operands, rows, stride, to, work } = self;
        let groups = plan.k / plan.group;
        for (from, to) in [operands.scales, operands.biases].into_iter().zip(to) {
            for first in (0..stride).step_by(S::LANES) {
                let some = S::LANES.min(rows.len().saturating_sub(first));
                // SAFETY: the caller gives existing rows and room.
                unsafe {
                    widen::<S>(plan.scales, from, (rows.start + first) * groups, some * groups, work);
                    for g in (0..groups).step_by(S::LANES) {
                        let mut v = [S::splat(0.0); MAX_LANES];
                        for (r, v) in v.iter_mut().enumerate().take(some) {
                            *v = S::load_first(work.add(r * groups + g), S::LANES.min(groups - g));
                        }
                        deinterleave::<S>(&mut v, S::LANES);
                        for (i, v) in v.iter().enumerate().take(S::LANES) {
                            S::store(to.add((g + i) * stride + first), *v);
                        }
                    }
                }
            }
        }
    }
}

/// Fills a panel `[depth, width]` from rows of w, which become columns; columns past `rows.len` are zero.
pub(super) struct Fill<'a, const BITS: usize> {
    pub plan: &'a Plan,
    pub w: *const u32,
    pub rows: Rows,
    pub to: *mut f32,
    /// [`Scales`] of these rows, from the first column and group of the panel on.
    pub scales: [*const f32; 2],
    pub scales_row: usize,
}

impl<const BITS: usize> Task for Fill<'_, BITS> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { plan, w, rows, to, scales: [scales, biases], scales_row } = self;
        let width = S::TILE_VECTORS * S::LANES;
        let block = S::LANES * per_lane(BITS);
        let row_words = plan.k * BITS / 32;
        // SAFETY: the caller gives existing rows and room.
        unsafe {
            for first in (0..width).step_by(S::LANES) {
                let some = S::LANES.min(rows.len.saturating_sub(first));
                for b in (0..rows.depth).step_by(block) {
                    let len = block.min(rows.depth - b);
                    let words = len * BITS / 32;
                    let mut lanes = [S::splat(0.0); MAX_LANES];
                    let from = w.add((rows.first + first) * row_words + (rows.k + b) * BITS / 32);
                    if some == S::LANES {
                        for r in 0..S::LANES {
                            let row = from.add(r * row_words);
                            // The rest of the row, and the row's place in the next panel: tiles come in between.
                            S::prefetch(row.cast::<u8>().wrapping_add(block * BITS / 8));
                            S::prefetch(row.wrapping_add(width * row_words).cast());
                            lanes[r] = S::as_floats(S::spread::<BITS>(S::words(row, words)));
                        }
                    } else {
                        for r in 0..some {
                            let row = S::spread::<BITS>(S::words(from.add(r * row_words), words));
                            lanes[r] = S::as_floats(row);
                        }
                    }
                    deinterleave::<S>(&mut lanes, S::LANES);
                    for i in 0..len / per_lane(BITS) {
                        let k = b + i * per_lane(BITS);
                        let at = k / plan.group * scales_row + first;
                        let (scale, bias) = (S::load(scales.add(at)), S::load(biases.add(at)));
                        let codes = S::as_bits(lanes[i]);
                        for j in 0..per_lane(BITS) {
                            let w = S::fma(S::code::<BITS>(codes, j), scale, bias);
                            S::store(to.add((k + j) * width + first), w);
                        }
                    }
                }
            }
        }
    }
}

/// Floats from one row to the next of a panel filled by [`FillColumns`] for `columns` columns.
pub(super) fn row_stride(columns: usize, width: usize) -> usize {
    // The longest block, 256 codes, may pass the last column; tiles read whole vectors.
    columns.next_multiple_of(256).max(columns.next_multiple_of(width)) + MAX_LANES
}

/// Fills a panel `[depth, stride]` from rows `k ..` of w, from column `columns.start`, a multiple of the group size.
pub(super) struct FillColumns<'a, const BITS: usize> {
    pub plan: &'a Plan,
    pub operands: Operands,
    pub columns: Range<usize>,
    pub k: usize,
    pub depth: usize,
    pub to: *mut f32,
    pub stride: usize,
    /// Room for [`FillColumns::room`] floats.
    pub work: *mut f32,
}

impl<const BITS: usize> FillColumns<'_, BITS> {
    /// Floats of working memory.
    pub(super) fn room(plan: &Plan) -> usize {
        2 * (plan.n / 32 + 2 * MAX_LANES)
    }
}

impl<const BITS: usize> Task for FillColumns<'_, BITS> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { plan, operands, columns, k, depth, to, stride, work } = self;
        let groups = plan.n / plan.group;
        let first = columns.start / plan.group;
        let count = columns.len().div_ceil(plan.group);
        // SAFETY: the caller gives existing rows and room.
        unsafe {
            let (scales, biases) = (work, work.add(count + MAX_LANES));
            std::ptr::write_bytes(work, 0, 2 * (count + MAX_LANES));
            for row in 0..depth {
                widen::<S>(plan.scales, operands.scales, (k + row) * groups + first, count, scales);
                widen::<S>(plan.scales, operands.biases, (k + row) * groups + first, count, biases);
                let w = operands.w.add(((k + row) * plan.n + columns.start) * BITS / 32);
                let to = to.add(row * stride);
                decode_row::<S, BITS>(w, scales, biases, plan.group, columns.len(), to, |q, scale, bias| {
                    S::fma(q, scale, bias)
                });
            }
        }
    }
}

/// `len` weights in order, each the `value` of code, scale and bias. Whole blocks are written: up to 255 values after
/// the last weight are lost.
///
/// # Safety
/// As [`Simd`]; scales and biases have a vector's length more than the groups; `to` has the room.
#[inline(always)]
pub(super) unsafe fn decode_row<S: Simd, const BITS: usize>(
    w: *const u32,
    scales: *const f32,
    biases: *const f32,
    group: usize,
    len: usize,
    to: *mut f32,
    value: impl Fn(S::F, S::F, S::F) -> S::F,
) {
    let block = S::LANES * per_lane(BITS);
    // SAFETY: passed on to the caller.
    unsafe {
        let index = lane_groups::<S>(per_lane(BITS), group);
        for b in (0..len).step_by(block) {
            let words = block.min(len - b) * BITS / 32;
            let codes = S::spread::<BITS>(S::words(w.add(b * BITS / 32), words));
            let scale = S::pick(S::load(scales.add(b / group)), index);
            let bias = S::pick(S::load(biases.add(b / group)), index);
            let mut v = [S::splat(0.0); MAX_LANES];
            for (j, v) in v.iter_mut().enumerate().take(per_lane(BITS)) {
                *v = value(S::code::<BITS>(codes, j), scale, bias);
            }
            interleave::<S>(&mut v, per_lane(BITS));
            for (j, v) in v.iter().enumerate().take(per_lane(BITS)) {
                S::store(to.add(b + j * S::LANES), *v);
            }
        }
    }
}
