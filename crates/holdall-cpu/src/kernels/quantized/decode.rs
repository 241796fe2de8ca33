//! `y = x · dequant(w)ᵀ` for a few rows of x: the weights are read once, straight into registers.
//!
//! With codes `q`, scale `s` and bias `b` of a group, the group's part of a product is `s · Σ q x + b · Σ x`. The sums
//! of x are the same for all rows of w. x is put in the order in which codes come out of their lanes, so that 16
//! weights cost a shift, a look-up and a multiply-add.

#![expect(
    clippy::needless_range_loop,
    reason = "several arrays share the index, which is a constant of the tile"
)]

use std::ops::Range;

use super::Float;
use super::convert::{WidenScales, narrow, widen};
use super::matmul::{Operands, Plan};
use super::simd::{MAX_LANES, Simd, Task, deinterleave, dispatch, per_lane};
use crate::kernel::Scratch;

/// How far ahead weights are asked for, at least, in bytes.
const AHEAD: usize = 4096;

/// Scales, and biases, that are widened at once: few enough to stay in the nearest cache.
const WIDENED: usize = 1024;

/// Columns `columns` of all rows of the output. There are at most `M` rows of x, and `M` is one of the level's
/// [`Simd::DECODE_ROWS`].
pub(super) struct Decode<'a, const BITS: usize, const M: usize> {
    pub plan: &'a Plan,
    pub operands: Operands,
    pub columns: Range<usize>,
    pub scratch: &'a mut Scratch,
}

/// x and the room of one item; all pointers lie in the scratch memory.
struct Room {
    /// Per row of x, `x_len` values in the order of the codes, zero where a block passes the end.
    x: *mut f32,
    x_len: usize,
    /// Per row of x, the sum of each group, padded with zeros to whole vectors.
    sums: *mut f32,
    sums_len: usize,
    /// Scales and biases of some rows of w as f32.
    scales: *mut f32,
    biases: *mut f32,
}

const fn contains(rows: &[usize], m: usize) -> bool {
    let mut i = 0;
    while i < rows.len() {
        if rows[i] == m {
            return true;
        }
        i += 1;
    }
    false
}

/// Whether weights are dequantized before they are multiplied: with this many rows of x that costs less than a second
/// set of sums, for which there are no registers.
const fn direct(m: usize) -> bool {
    m >= 4
}

/// Rows of w in one step: as many as the registers hold.
const fn step_rows(lanes: usize, m: usize) -> usize {
    match (lanes == 16, m) {
        (true, 4 | 8) => 2,
        (true, _) => 4,
        (false, 1) => 2,
        (false, _) => 1,
    }
}

impl<const BITS: usize, const M: usize> Task for Decode<'_, BITS, M> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { plan, operands, columns, scratch } = self;
        if !const { contains(S::DECODE_ROWS, M) } {
            return;
        }
        let block = S::LANES * per_lane(BITS);
        let x_len = plan.k.next_multiple_of(block);
        let groups = plan.k / plan.group;
        let sums_len = groups.next_multiple_of(MAX_LANES);
        let step_rows = step_rows(S::LANES, M);
        let chunk = (WIDENED / groups.max(1) / step_rows).clamp(1, 8) * step_rows;
        // A whole vector of scales is read from each block on.
        let scales_len = chunk * groups + MAX_LANES;
        let (row_out, y_len) =
            if plan.out == Float::F32 { (plan.n, 0) } else { (columns.len(), columns.len()) };
        let room = scratch.get::<f32>(M * (x_len + sums_len + y_len) + 2 * scales_len);
        let base = room.as_mut_ptr();
        // SAFETY: the parts lie one after another in `room`; the operands are the caller's.
        unsafe {
            let sums = base.add(M * x_len);
            let scales = sums.add(M * sums_len);
            let biases = scales.add(scales_len);
            let rounded = biases.add(scales_len);
            let room = Room { x: base, x_len, sums, sums_len, scales, biases };
            prepare::<S, BITS, M>(plan, &operands, &room);
            // What pads the scales is multiplied by zero, so that it must be finite.
            std::ptr::write_bytes(scales, 0, 2 * scales_len);
            let y = if y_len == 0 { operands.out.cast::<f32>().add(columns.start) } else { rounded };
            for start in columns.clone().step_by(chunk) {
                let end = columns.end.min(start + chunk);
                let (from, to) = ([operands.scales, operands.biases], [scales, biases]);
                let (start_, len) = (start * groups, (end - start) * groups);
                dispatch(S::ISA, WidenScales { kind: plan.scales, from, start: start_, len, to });
                let mut n = start;
                macro_rules! steps {
                    ($r:literal) => {
                        while end - n >= $r {
                            let y = y.add(n - columns.start);
                            step::<S, BITS, M, $r>(plan, &operands, &room, n, n - start, y, row_out);
                            n += $r;
                        }
                    };
                }
                match step_rows {
                    4 => steps!(4),
                    3 => steps!(3),
                    2 => steps!(2),
                    _ => {}
                }
                steps!(1);
            }
            for m in 0..if y_len == 0 { 0 } else { plan.m } {
                narrow::<S>(
                    plan.out,
                    rounded.add(m * y_len),
                    operands.out,
                    m * plan.n + columns.start,
                    y_len,
                );
            }
        }
    }
}

/// Orders the rows of x and sums their groups.
///
/// # Safety
/// As [`Simd`]; the room has its sizes.
#[inline(always)]
unsafe fn prepare<S: Simd, const BITS: usize, const M: usize>(plan: &Plan, operands: &Operands, room: &Room) {
    let block = S::LANES * per_lane(BITS);
    let groups = plan.k / plan.group;
    // SAFETY: passed on to the caller.
    unsafe {
        for m in 0..M {
            let (x, sums) = (room.x.add(m * room.x_len), room.sums.add(m * room.sums_len));
            if m >= plan.m {
                std::ptr::write_bytes(x, 0, room.x_len);
                std::ptr::write_bytes(sums, 0, room.sums_len);
                continue;
            }
            // In natural order first, then in place block by block.
            widen::<S>(plan.x, operands.x, m * plan.x_row, plan.k, x);
            std::ptr::write_bytes(x.add(plan.k), 0, room.x_len - plan.k);
            for g in 0..groups {
                let mut sum = S::splat(0.0);
                for i in (0..plan.group).step_by(S::LANES) {
                    sum = S::add(sum, S::load(x.add(g * plan.group + i)));
                }
                *sums.add(g) = S::sum(sum);
            }
            std::ptr::write_bytes(sums.add(groups), 0, room.sums_len - groups);
            for b in (0..room.x_len).step_by(block) {
                let mut v = [S::splat(0.0); MAX_LANES];
                for (i, v) in v.iter_mut().enumerate().take(per_lane(BITS)) {
                    *v = S::load(x.add(b + i * S::LANES));
                }
                deinterleave::<S>(&mut v, per_lane(BITS));
                for (i, v) in v.iter().enumerate().take(per_lane(BITS)) {
                    S::store(x.add(b + i * S::LANES), *v);
                }
            }
        }
    }
}

/// Products of `R` rows of w from `n` on, whose scales are widened from row `widened` on, with `M` rows of x, to
/// `y[m * row_out + r]`.
///
/// # Safety
/// As [`Simd`]; the rows exist, the room is prepared, y has room for the rows.
#[inline(always)]
unsafe fn step<S: Simd, const BITS: usize, const M: usize, const R: usize>(
    plan: &Plan,
    operands: &Operands,
    room: &Room,
    n: usize,
    widened: usize,
    y: *mut f32,
    row_out: usize,
) {
    let block = S::LANES * per_lane(BITS);
    let block_words = block * BITS / 32;
    let (k, group) = (plan.k, plan.group);
    let groups = k / group;
    let row_words = k * BITS / 32;
    // SAFETY: passed on to the caller. Blocks that pass the end of a row read the row's own words only; their x is
    // zero, and so is the rest of the padded scales.
    unsafe {
        let scales = room.scales.add(widened * groups);
        let biases = room.biases.add(widened * groups);
        let index = lane_groups::<S>(per_lane(BITS), group);
        let w = operands.w.add(n * row_words);
        // Rows of a step are read side by side: what comes next lies whole steps ahead.
        let step_bytes = (R * row_words * 4).max(1);
        let ahead = AHEAD.div_ceil(step_bytes) * step_bytes;
        let mut total = [[S::splat(0.0); M]; R];
        macro_rules! one {
            ($b:expr, $words:expr, $scales:ident $(, $groups:expr)?) => {{
                let (b, words) = ($b, $words);
                let x = room.x.add(b * block);
                let mut codes = [S::as_bits(S::splat(0.0)); R];
                let mut lane_scales = [S::splat(0.0); R];
                let mut lane_biases = [S::splat(0.0); R];
                for r in 0..R {
                    let p = w.add(r * row_words + b * block_words);
                    S::prefetch(p.cast::<u8>().wrapping_add(ahead));
                    codes[r] = S::spread::<BITS>(S::words(p, words));
                    let group_scales = S::$scales(scales.add(r * groups + b * block / group) $(, $groups)?);
                    lane_scales[r] = S::pick(group_scales, index);
                    if const { direct(M) } {
                        let group_biases = S::$scales(biases.add(r * groups + b * block / group) $(, $groups)?);
                        lane_biases[r] = S::pick(group_biases, index);
                    }
                }
                let mut sum = [[S::splat(0.0); M]; R];
                for j in 0..per_lane(BITS) {
                    let mut weights = [S::splat(0.0); R];
                    for r in 0..R {
                        let q = S::code::<BITS>(codes[r], j);
                        weights[r] =
                            if const { direct(M) } { S::fma(q, lane_scales[r], lane_biases[r]) } else { q };
                    }
                    for m in 0..M {
                        let x = S::load(x.add(m * room.x_len + j * S::LANES));
                        for r in 0..R {
                            let sum = if const { direct(M) } { &mut total[r][m] } else { &mut sum[r][m] };
                            *sum = S::fma(weights[r], x, *sum);
                        }
                    }
                }
                if !const { direct(M) } {
                    for r in 0..R {
                        for m in 0..M {
                            total[r][m] = S::fma(sum[r][m], lane_scales[r], total[r][m]);
                        }
                    }
                }
            }};
        }
        for b in 0..k / block {
            one!(b, block_words, load);
        }
        if !k.is_multiple_of(block) {
            let b = k / block;
            // The next row's scales lie behind this one's: they may be infinite.
            one!(b, k % block * BITS / 32, load_first, (groups - b * block / group).min(S::LANES));
        }
        for g in (0..if direct(M) { 0 } else { groups }).step_by(S::LANES) {
            let len = S::LANES.min(groups - g);
            for r in 0..R {
                let bias = S::load_first(biases.add(r * groups + g), len);
                for m in 0..M {
                    total[r][m] = S::fma(bias, S::load(room.sums.add(m * room.sums_len + g)), total[r][m]);
                }
            }
        }
        for m in 0..M.min(plan.m) {
            if R == 4 {
                let sums = S::sum4([total[0][m], total[1 % R][m], total[2 % R][m], total[3 % R][m]]);
                y.add(m * row_out).cast::<[f32; 4]>().write_unaligned(sums);
            } else {
                for r in 0..R {
                    *y.add(m * row_out + r) = S::sum(total[r][m]);
                }
            }
        }
    }
}

/// For each lane of a block, the group of its codes, counted from the block's first one.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
pub(super) unsafe fn lane_groups<S: Simd>(per_lane: usize, group: usize) -> S::U {
    let mut index = [0u32; MAX_LANES];
    for (lane, index) in index.iter_mut().enumerate() {
        *index = (lane * per_lane / group) as u32;
    }
    // SAFETY: the array has a vector's length.
    unsafe { S::words(index.as_ptr(), S::LANES) }
}
