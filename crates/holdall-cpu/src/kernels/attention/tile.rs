//! Many rows: vectors along the rows.
//!
//! Queries are transposed once for an item; then scores sᵀ = k qᵀ and outputs oᵀ += vᵀ pᵀ are both sums over broadcast
//! keys or values times vectors of rows, with keys and values read where they lie.

use super::{Job, Mask, TILE, merge};
use crate::kernel::Scratch;
use crate::kernels::float::{Float, widen_as};
use crate::kernels::vector::{Vector, Work, dispatch};

/// Keys whose scores are taken before their values.
const BLOCK: usize = 64;

/// Computes an item.
///
/// # Safety
/// The job's operands exist; the machine has its `isa`.
pub(super) unsafe fn run(job: Job<'_>, scratch: &mut Scratch) {
    let p = job.params;
    let columns = match job.rows.len() {
        0..=16 => 16,
        17..=32 => 32,
        _ => TILE,
    };
    let wide = p.dim.max(p.value_dim).next_multiple_of(16);
    let sizes = [p.dim * columns, BLOCK * columns, p.value_dim * columns, 4 * columns, BLOCK * wide, wide];
    let buffer = scratch.get::<f32>(sizes.iter().sum()).as_mut_ptr();
    let mut at = 0;
    let mut next = |size: usize| {
        // SAFETY: scratch was sized for all parts.
        let part = unsafe { buffer.add(at) };
        at += size;
        part
    };
    let [queries, scores, out, states, block, row] = sizes.map(&mut next);
    let isa = p.isa;
    let tile = Tile { job, columns, wide, queries, scores, out, states, block, row };
    // SAFETY: the caller's.
    unsafe { dispatch(isa, tile) }
}

struct Tile<'a> {
    job: Job<'a>,
    /// Rows, with padding.
    columns: usize,
    /// Stride of `block`.
    wide: usize,
    /// Scaled queries, [dim, columns].
    queries: *mut f32,
    /// Scores, then weights of a block of keys, [BLOCK, columns].
    scores: *mut f32,
    /// [value_dim, columns].
    out: *mut f32,
    /// Maxima, sums, horizons and factors, [4, columns].
    states: *mut f32,
    /// A block of keys or values in f32.
    block: *mut f32,
    row: *mut f32,
}

/// A product of broadcast values and vectors: c[m] (+)= Σₖ a[m · a_row + k · a_step] · b[k · columns ..].
#[derive(Clone, Copy)]
struct Sum {
    depth: usize,
    a: *const f32,
    a_row: isize,
    a_step: isize,
    b: *const f32,
    c: *mut f32,
    columns: usize,
    add: bool,
}

impl Sum {
    /// `M` rows by `C` vectors.
    ///
    /// # Safety
    /// They exist.
    #[inline(always)]
    unsafe fn tile<V: Vector, const M: usize, const C: usize>(self, v: V, row: usize, column: usize) {
        // SAFETY: the caller's.
        unsafe {
            let mut sums = [[v.splat(0.0); C]; M];
            let mut a = self.a.offset(row as isize * self.a_row);
            let mut b = self.b.add(column);
            for _ in 0..self.depth {
                let mut x = [v.splat(0.0); C];
                for (i, x) in x.iter_mut().enumerate() {
                    *x = v.load(b.add(i * V::LANES));
                }
                for (m, sums) in sums.iter_mut().enumerate() {
                    let scale = v.splat(a.offset(m as isize * self.a_row).read());
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = v.mul_add(scale, x, *sum);
                    }
                }
                a = a.offset(self.a_step);
                b = b.add(self.columns);
            }
            for (m, sums) in sums.iter().enumerate() {
                for (i, sum) in sums.iter().enumerate() {
                    let c = self.c.add((row + m) * self.columns + column + i * V::LANES);
                    v.store(c, if self.add { v.add(v.load(c), *sum) } else { *sum });
                }
            }
        }
    }

    /// All of `rows` by `C` vectors from `column` on.
    ///
    /// # Safety
    /// They exist.
    #[inline(always)]
    unsafe fn rows<V: Vector, const M: usize, const C: usize>(self, v: V, rows: usize, column: usize) {
        let mut row = 0;
        // SAFETY: the caller's.
        unsafe {
            while row + M <= rows {
                self.tile::<V, M, C>(v, row, column);
                row += M;
            }
            while row + 2 <= rows {
                self.tile::<V, 2, C>(v, row, column);
                row += 2;
            }
            while row < rows {
                self.tile::<V, 1, C>(v, row, column);
                row += 1;
            }
        }
    }

    /// All of `rows` and columns.
    ///
    /// # Safety
    /// They exist.
    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V, rows: usize) {
        // SAFETY: the caller's; the columns are 16, 32 or 64.
        unsafe {
            if V::LANES == 16 {
                match self.columns {
                    64 => self.rows::<V, 6, 4>(v, rows, 0),
                    32 => self.rows::<V, 8, 2>(v, rows, 0),
                    _ => self.rows::<V, 8, 1>(v, rows, 0),
                }
            } else {
                for column in (0..self.columns).step_by(2 * V::LANES) {
                    self.rows::<V, 4, 2>(v, rows, column);
                }
            }
        }
    }
}

impl Tile<'_> {
    /// A block of rows of k (1) or v (2) as f32, with the stride from row to row.
    ///
    /// # Safety
    /// The rows exist.
    #[inline(always)]
    unsafe fn rows<V: Vector>(
        &self,
        v: V,
        index: usize,
        base: *const u8,
        start: usize,
        len: usize,
    ) -> (*const f32, isize) {
        let (job, p) = (&self.job, self.job.params);
        let dim = if index == 1 { p.dim } else { p.value_dim };
        // SAFETY: the caller's.
        unsafe {
            if p.floats[1] == Float::F32 {
                return (job.row(index, base, job.key_head, start).cast(), p.strides[index][2]);
            }
            for i in 0..len {
                let from = job.row(index, base, job.key_head, start + i);
                widen_as(v, p.floats[1], from, 1, self.block.add(i * self.wide), dim);
            }
            (self.block, self.wide as isize)
        }
    }

    /// Transposes and scales the queries, sets the states.
    ///
    /// # Safety
    /// The rows exist.
    #[inline(always)]
    unsafe fn begin<V: Vector>(&self, v: V) {
        let (job, p, columns) = (&self.job, self.job.params, self.columns);
        // SAFETY: the caller's.
        unsafe {
            std::slice::from_raw_parts_mut(self.out, p.value_dim * columns).fill(0.0);
            for column in 0..columns {
                let mut state = (f32::NEG_INFINITY, 0.0);
                let mut horizon = p.keys as f32;
                if let Some(row) = job.rows.clone().nth(column) {
                    let (head, position) = p.query(job.key_head, row);
                    widen_as(v, p.floats[0], job.row(0, job.bound.q, head, position), 1, self.row, p.dim);
                    state = job.start(head);
                    horizon = p.horizon(position) as f32;
                } else {
                    std::slice::from_raw_parts_mut(self.row, p.dim).fill(0.0);
                }
                for d in 0..p.dim {
                    self.queries.add(d * columns + column).write(self.row.add(d).read() * p.scale);
                }
                self.states.add(column).write(state.0);
                self.states.add(columns + column).write(state.1);
                self.states.add(2 * columns + column).write(horizon);
            }
        }
    }

    /// Turns the scores of `len` keys from `start` on into weights and rescales what came before.
    ///
    /// # Safety
    /// The scores are there.
    #[inline(always)]
    unsafe fn weigh<V: Vector>(&self, v: V, start: usize, len: usize) {
        let (p, columns) = (self.job.params, self.columns);
        let causal = p.mask == Mask::Causal;
        let mut rescale = false;
        for column in (0..columns).step_by(V::LANES) {
            // SAFETY: the caller's.
            unsafe {
                let scores = self.scores.add(column);
                let state = self.states.add(column);
                let top = v.load(state);
                let mut most = top;
                if causal {
                    let horizon = v.load(state.add(2 * columns));
                    for i in 0..len {
                        let score = v.load(scores.add(i * columns));
                        let key = v.splat((start + i) as f32);
                        let score = v.select_le(key, horizon, score, v.splat(f32::MIN));
                        v.store(scores.add(i * columns), score);
                        most = v.max(score, most);
                    }
                } else {
                    for i in 0..len {
                        most = v.max(v.load(scores.add(i * columns)), most);
                    }
                }
                // Where all is −∞ so far, weights are 0; if it stays so, 0 / 0 is the NaN asked for.
                let base = v.select_le(most, v.splat(f32::NEG_INFINITY), v.splat(0.0), most);
                let mut totals = [v.splat(0.0); 2];
                for i in 0..len {
                    let weight = v.exp(v.sub(v.load(scores.add(i * columns)), base));
                    v.store(scores.add(i * columns), weight);
                    totals[i % 2] = v.add(totals[i % 2], weight);
                }
                let factor = v.exp(v.sub(top, base));
                let sum = v.mul_add(v.load(state.add(columns)), factor, v.add(totals[0], totals[1]));
                v.store(state, most);
                v.store(state.add(columns), sum);
                v.store(state.add(3 * columns), factor);
                let factors = std::slice::from_raw_parts(state.add(3 * columns), V::LANES);
                rescale |= factors.iter().any(|&factor| factor != 1.0);
            }
        }
        if !rescale {
            return;
        }
        for column in (0..columns).step_by(V::LANES) {
            // SAFETY: the caller's.
            unsafe {
                let factor = v.load(self.states.add(3 * columns + column));
                for d in 0..p.value_dim {
                    let out = self.out.add(d * columns + column);
                    v.store(out, v.mul(v.load(out), factor));
                }
            }
        }
    }

    /// Attends to `len` keys from `start` on.
    ///
    /// # Safety
    /// They exist.
    #[inline(always)]
    unsafe fn block<V: Vector>(&self, v: V, start: usize, len: usize) {
        let (job, p, columns) = (&self.job, self.job.params, self.columns);
        // SAFETY: the caller's.
        unsafe {
            let (a, a_row) = self.rows(v, 1, job.bound.k, start, len);
            let (b, c) = (self.queries.cast_const(), self.scores);
            Sum { depth: p.dim, a, a_row, a_step: 1, b, c, columns, add: false }.run(v, len);
            if matches!(p.mask, Mask::Bool(_) | Mask::Additive(..)) {
                for (column, row) in job.rows.clone().enumerate() {
                    let (head, position) = p.query(job.key_head, row);
                    job.apply_mask(head, position, start, self.scores.add(column), columns, len);
                }
            }
            self.weigh(v, start, len);
            let (a, a_step) = self.rows(v, 2, job.bound.v, start, len);
            let (b, c) = (self.scores.cast_const(), self.out);
            Sum { depth: len, a, a_row: 1, a_step, b, c, columns, add: true }.run(v, p.value_dim);
        }
    }

    /// Stores the rows or this part's results.
    ///
    /// # Safety
    /// They have a place.
    #[inline(always)]
    unsafe fn end<V: Vector>(&self, v: V) {
        let (job, p, columns) = (&self.job, self.job.params, self.columns);
        for (column, row) in job.rows.clone().enumerate() {
            // SAFETY: the caller's.
            unsafe {
                let (top, sum) = (self.states.add(column).read(), self.states.add(columns + column).read());
                let last = job.partial.is_null();
                let factor = if last { job.scale(sum) } else { 1.0 };
                let to = if last { self.row } else { job.partial.add(row * (p.value_dim + 2)) };
                for d in 0..p.value_dim {
                    to.add(d).write(self.out.add(d * columns + column).read() * factor);
                }
                if last {
                    merge::store(v, job, row, to);
                } else {
                    to.add(p.value_dim).write(top);
                    to.add(p.value_dim + 1).write(sum);
                }
            }
        }
    }
}

impl Work for Tile<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let job = &self.job;
        let visible = job.visible();
        // SAFETY: rows, keys and scratch exist as the job says.
        unsafe {
            self.begin(v);
            let mut skipped = false;
            for start in visible.clone().step_by(BLOCK) {
                let len = (visible.end - start).min(BLOCK);
                if job.hidden(start..start + len) {
                    skipped = true;
                } else {
                    self.block(v, start, len);
                }
            }
            // Hidden keys count for nothing where a row has seen another; a row that sees nothing averages them all.
            let blind = |column| self.states.add(column).read() <= f32::MIN;
            if skipped && (0..job.rows.len()).any(blind) {
                for start in visible.clone().step_by(BLOCK) {
                    let len = (visible.end - start).min(BLOCK);
                    if job.hidden(start..start + len) {
                        self.block(v, start, len);
                    }
                }
            }
            self.end(v);
        }
    }
}
