//! Products with many rows of x: weights are dequantized into a panel that stays in the nearest cache while all rows
//! pass by.

use std::ops::Range;

use super::convert::narrow;
use super::matmul::{Operands, Plan};
use super::panel::{self, Fill, FillColumns, Rows, Scales};
use super::simd::{Simd, Task, dispatch};
use super::{Float, with_bits};
use crate::kernel::Scratch;

/// Depth of a panel: a multiple of every group size. With 48 columns of f32 a panel takes half of a 48 KB cache.
pub(super) const DEPTH: usize = 128;

/// One part of the output.
pub(super) struct Prefill<'a> {
    pub plan: &'a Plan,
    /// x as f32, its rows `x_row` apart.
    pub x: *const f32,
    pub x_row: usize,
    pub operands: Operands,
    pub bits: usize,
    pub transpose: bool,
    pub rows: Range<usize>,
    pub columns: Range<usize>,
    pub scratch: &'a mut Scratch,
}

impl Task for Prefill<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { plan, x, x_row, operands, bits, transpose, rows, columns, scratch } = self;
        let width = S::TILE_VECTORS * S::LANES;
        let panels = columns.len().div_ceil(width);
        // A panel that runs along w's rows is dequantized for all columns at once, in whole blocks.
        let stride = if transpose { width } else { panel::row_stride(columns.len(), width) };
        let panel_len = DEPTH * stride;
        let scales_row = panels * width;
        let (table_len, work_len) = match transpose {
            true => (Scales::len(plan, scales_row), Scales::work(plan)),
            false => (0, FillColumns::<2>::room(plan)),
        };
        let sum_len = if plan.out == Float::F32 { 0 } else { rows.len() * columns.len() };
        let room = scratch.get::<f32>(panel_len + 2 * table_len + work_len + sum_len).as_mut_ptr();
        // SAFETY: the parts lie one after another in the room; the operands are the caller's, and so are the ranges.
        unsafe {
            let scales = room.add(panel_len);
            let biases = scales.add(table_len);
            let work = biases.add(table_len);
            let sums = work.add(work_len);
            if transpose {
                let rows = columns.clone();
                dispatch(
                    S::ISA,
                    Scales { plan, operands, rows, stride: scales_row, to: [scales, biases], work },
                );
            }
            let (c, c_row) = match sum_len {
                0 => (operands.out.cast::<f32>().add(rows.start * plan.n + columns.start), plan.n),
                _ => (sums, columns.len()),
            };
            for k in (0..plan.k).step_by(DEPTH) {
                let depth = DEPTH.min(plan.k - k);
                for p in 0..panels {
                    let from = columns.start + p * width;
                    let n = width.min(columns.end - from);
                    let b = if transpose {
                        let rows = Rows { first: from, len: n, k, depth };
                        let at = k / plan.group * scales_row + p * width;
                        let scales = [scales.add(at).cast_const(), biases.add(at).cast_const()];
                        let w = operands.w;
                        with_bits!(bits, BITS => dispatch(S::ISA, Fill::<BITS> {
                            plan, w, rows, to: room, scales, scales_row,
                        }));
                        room
                    } else {
                        if p == 0 {
                            let columns = columns.clone();
                            with_bits!(bits, BITS => dispatch(S::ISA, FillColumns::<BITS> {
                                plan, operands, columns, k, depth, to: room, stride, work,
                            }));
                        }
                        room.add(p * width)
                    };
                    let tiles = Tiles {
                        depth,
                        x: x.add(rows.start * x_row + k),
                        x_row,
                        rows: rows.len(),
                        b,
                        b_row: stride,
                        c: c.add(p * width),
                        c_row,
                        columns: n,
                        add: k > 0,
                    };
                    tiles.run::<S>();
                }
            }
            if sum_len > 0 {
                for (i, row) in rows.enumerate() {
                    let at = row * plan.n + columns.start;
                    narrow::<S>(plan.out, sums.add(i * columns.len()), operands.out, at, columns.len());
                }
            }
        }
    }
}

/// All rows of x times one panel.
struct Tiles {
    depth: usize,
    x: *const f32,
    x_row: usize,
    rows: usize,
    b: *const f32,
    b_row: usize,
    c: *mut f32,
    c_row: usize,
    columns: usize,
    /// Whether to add to what c holds.
    add: bool,
}

impl Tiles {
    /// # Safety
    /// As [`Simd`]; the pointers hold what the fields say, the panel's rows whole vectors.
    #[inline(always)]
    unsafe fn run<S: Simd>(&self) {
        macro_rules! tiles {
            ($vectors:literal, $($rows:literal)*) => {{
                let mut row = 0;
                $(while self.rows - row >= $rows {
                    // SAFETY: passed on to the caller.
                    unsafe { self.tile::<S, $rows, $vectors>(row) };
                    row += $rows;
                })*
            }};
        }
        match (S::TILE_ROWS, S::TILE_VECTORS) {
            (8, 3) => tiles!(3, 8 4 2 1),
            (6, 2) => tiles!(2, 6 3 1),
            (4, 2) => tiles!(2, 4 1),
            _ => tiles!(1, 4 1),
        }
    }

    /// # Safety
    /// As [`Tiles::run`].
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize>(&self, row: usize) {
        // SAFETY: passed on to the caller.
        unsafe {
            let x = self.x.add(row * self.x_row);
            let mut sum = [[S::splat(0.0); V]; R];
            let mut b = self.b;
            for k in 0..self.depth {
                let mut w = [S::splat(0.0); V];
                for (v, w) in w.iter_mut().enumerate() {
                    *w = S::load(b.add(v * S::LANES));
                }
                for (r, sum) in sum.iter_mut().enumerate() {
                    let x = S::splat(*x.add(r * self.x_row + k));
                    for (sum, w) in sum.iter_mut().zip(w) {
                        *sum = S::fma(x, w, *sum);
                    }
                }
                b = b.add(self.b_row);
            }
            let whole = self.columns == V * S::LANES;
            for (r, sum) in sum.iter().enumerate() {
                let c = self.c.add((row + r) * self.c_row);
                for (v, sum) in sum.iter().enumerate() {
                    let at = v * S::LANES;
                    if whole {
                        let old = if self.add { S::load(c.add(at)) } else { S::splat(0.0) };
                        S::store(c.add(at), S::add(*sum, old));
                    } else if at < self.columns {
                        let n = S::LANES.min(self.columns - at);
                        let old = if self.add { S::load_first(c.add(at), n) } else { S::splat(0.0) };
                        S::store_first(c.add(at), S::add(*sum, old), n);
                    }
                }
            }
        }
    }
}
