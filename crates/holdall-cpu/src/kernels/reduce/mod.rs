//! Reductions over any axes of a strided array.

mod arg;
mod fold;
mod geometry;
#[cfg(test)]
mod tests;

pub use arg::ArgReduceKernel;
pub use fold::{All, Any, Extreme, Fold, Max, Min, Prod, Sum};
use geometry::{Geometry, TILE, Walk};

use std::marker::PhantomData;

use crate::isa::{Isa, levels};
use crate::kernel::{Kernel, Scratch, Slice, span};

/// Elements that are folded side by side.
const LANES: usize = 64;
/// Elements after which lanes go to the total: few enough that float32 lanes lose nothing that matters.
const BLOCK: usize = 4096;
/// Rows after which the lanes of columns go to their totals.
const ROWS: usize = 64;

/// Reduces axes of a strided array. Bindings: the array, the output (row-major), and a temporary if there is one.
#[derive(Debug)]
pub struct ReduceKernel<F> {
    geometry: Geometry,
    isa: Isa,
    temporaries: Vec<usize>,
    fold: PhantomData<F>,
}

impl<F: Fold> ReduceKernel<F> {
    /// Reduces `axes` (sorted) of an array of that shape and strides, in elements.
    pub fn new(isa: Isa, shape: &[usize], strides: &[isize], axes: &[usize]) -> Self {
        let geometry = Geometry::new(shape, strides, axes);
        let partials = geometry.parts * geometry.outputs * size_of::<F::Total>();
        let temporaries = if geometry.parts > 1 { vec![partials] } else { vec![] };
        Self { geometry, isa, temporaries, fold: PhantomData }
    }

    /// Stores the total of an output, or of the part of one.
    unsafe fn store(&self, memory: &[Slice], output: usize, part: usize, total: F::Total) {
        // SAFETY: the output has an element for each output, the temporary one for each part of each.
        unsafe {
            if self.geometry.parts == 1 {
                memory[1].as_ptr::<F::Out>().add(output).write(F::finish(total));
            } else {
                memory[2].as_ptr::<F::Total>().add(part * self.geometry.outputs + output).write(total);
            }
        }
    }

    unsafe fn columns(&self, strip: usize, part: usize, memory: &[Slice], scratch: &mut Scratch) {
        let Walk::Columns { axis, repeat } = self.geometry.walk else { return };
        let tiles = axis.n.div_ceil(TILE);
        let (offset, to) = self.geometry.locate(strip / tiles);
        let first = strip % tiles * TILE;
        let width = (axis.n - first).min(TILE);
        let wide = width * repeat;
        let bytes = scratch.get::<u8>(TILE * (size_of::<F::Lane>() + size_of::<F::Total>())).as_mut_ptr();
        let lanes = bytes.cast::<F::Lane>();
        let totals = bytes.wrapping_add(TILE * size_of::<F::Lane>()).cast::<F::Total>();
        for i in 0..wide {
            // SAFETY: `wide` is at most TILE.
            unsafe { (lanes.add(i).write(F::LANE), totals.add(i).write(F::TOTAL)) };
        }
        let from = memory[0].as_ptr::<F::In>().cast_const().wrapping_offset(offset + first as isize);
        let step = self.geometry.gone[self.geometry.gone.len() - 1].1;
        let mut pending = 0;
        self.geometry.runs(self.geometry.part(part), |offset, n| {
            let mut x = from.wrapping_offset(offset);
            let mut go = |x: *const F::In, step: isize, rows: usize, width: usize| {
                let mut done = 0;
                while done < rows {
                    let some = (rows - done).min(ROWS - pending);
                    let x = x.wrapping_offset(done as isize * step);
                    // SAFETY: rows of the array, each as wide as the tile; lanes and totals are as above.
                    unsafe { fold_rows::<F>(self.isa, lanes, x, step, some, width) };
                    (done, pending) = (done + some, pending + some);
                    if pending == ROWS {
                        // SAFETY: as above.
                        unsafe { flush_rows::<F>(lanes, totals, wide) };
                        pending = 0;
                    }
                }
            };
            let full = n / repeat;
            go(x, step * repeat as isize, full, wide);
            x = x.wrapping_offset((full * repeat) as isize * step);
            go(x, step, n % repeat, width);
        });
        // SAFETY: as above.
        unsafe { flush_rows::<F>(lanes, totals, wide) };
        for i in 0..width {
            // SAFETY: as above; `store` gets an output of this strip.
            unsafe {
                let mut total = *totals.add(i);
                for k in 1..repeat {
                    total = F::join(total, *totals.add(k * width + i));
                }
                self.store(memory, to + (first + i) * axis.output, part, total);
            }
        }
    }
}

impl<F: Fold> Kernel for ReduceKernel<F> {
    fn phases(&self) -> usize {
        if self.geometry.parts > 1 { 2 } else { 1 }
    }

    fn items(&self, phase: usize) -> usize {
        if phase == 0 { self.geometry.items() } else { self.geometry.outputs.div_ceil(TILE) }
    }

    fn temporaries(&self) -> &[usize] {
        &self.temporaries
    }

    unsafe fn run(&self, phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let g = &self.geometry;
        if phase == 1 {
            for output in span(g.outputs, TILE, item, self.items(1)) {
                let mut total = F::TOTAL;
                for part in 0..g.parts {
                    // SAFETY: phase 0 filled the temporary; outputs are those of this item.
                    total = F::join(total, unsafe {
                        *memory[2].as_ptr::<F::Total>().add(part * g.outputs + output)
                    });
                }
                // SAFETY: as above.
                unsafe { memory[1].as_ptr::<F::Out>().add(output).write(F::finish(total)) };
            }
            return;
        }
        let (group, part) = (item / g.parts, item % g.parts);
        let strips = group * g.group..((group + 1) * g.group).min(g.strips());
        if matches!(g.walk, Walk::Columns { .. }) {
            for strip in strips {
                // SAFETY: the kernel's own contract.
                unsafe { self.columns(strip, part, memory, scratch) };
            }
            return;
        }
        let mut state = State::<F>::new();
        let step = g.gone[g.gone.len() - 1].1;
        let elements = g.part(part);
        for output in strips {
            let (offset, to) = g.locate(output);
            let from = memory[0].as_ptr::<F::In>().cast_const().wrapping_offset(offset);
            g.runs(elements.clone(), |offset, n| {
                let from = from.wrapping_offset(offset);
                // SAFETY: runs lie inside of the array.
                unsafe {
                    match step {
                        1 => fold_run::<F>(self.isa, &mut state, from, n),
                        _ => fold_strided::<F>(&mut state, from, step, n),
                    }
                }
            });
            // SAFETY: outputs of this item.
            unsafe { self.store(memory, to, part, state.take()) };
        }
    }
}

/// A reduction under way.
#[derive(Debug)]
struct State<F: Fold> {
    lanes: [F::Lane; LANES],
    /// Lanes that are in use.
    used: usize,
    /// Elements in the lanes.
    pending: usize,
    total: F::Total,
}

impl<F: Fold> State<F> {
    /// No elements yet.
    fn new() -> Self {
        Self { lanes: [F::LANE; LANES], used: 0, pending: 0, total: F::TOTAL }
    }

    #[inline(never)]
    fn flush(&mut self) {
        let mut n = self.used;
        if n == LANES {
            while n > 8 {
                n /= 2;
                for i in 0..n {
                    self.lanes[i] = F::merge(self.lanes[i], self.lanes[i + n]);
                }
            }
        }
        for lane in &self.lanes[..n] {
            self.total = F::add(self.total, *lane);
        }
        self.lanes[..self.used].fill(F::LANE);
        (self.used, self.pending) = (0, 0);
    }

    /// Notes that the first `used` lanes have got elements, `elements` together.
    #[inline(always)]
    fn count(&mut self, used: usize, elements: usize) {
        self.used = self.used.max(used);
        self.pending += elements;
        if self.pending >= BLOCK {
            self.flush();
        }
    }

    /// The total of what was folded; ready to begin again.
    fn take(&mut self) -> F::Total {
        self.flush();
        std::mem::replace(&mut self.total, F::TOTAL)
    }
}

levels! {
    /// Folds `n` elements without gaps.
    ///
    /// # Safety
    /// They can be read, and the machine has the level.
    fn fold_run<F: Fold>(state: &mut State<F>, x: *const F::In, n: usize) = fold_run_body;
}

#[inline(always)]
unsafe fn fold_run_body<F: Fold>(state: &mut State<F>, x: *const F::In, n: usize) {
    // SAFETY: the caller's elements.
    for block in unsafe { std::slice::from_raw_parts(x, n) }.chunks(BLOCK) {
        let (chunks, rest) = block.as_chunks::<LANES>();
        if !chunks.is_empty() {
            let mut lanes = state.lanes;
            for chunk in chunks {
                for (lane, x) in lanes.iter_mut().zip(chunk) {
                    *lane = F::fold(*lane, *x);
                }
            }
            state.lanes = lanes;
            state.used = LANES;
        }
        for (lane, x) in state.lanes.iter_mut().zip(rest) {
            *lane = F::fold(*lane, *x);
        }
        state.count(rest.len(), block.len());
    }
}

/// Folds `n` elements, `stride` apart: what bounds this is fetching them.
///
/// # Safety
/// They can be read.
unsafe fn fold_strided<F: Fold>(state: &mut State<F>, x: *const F::In, stride: isize, n: usize) {
    for start in (0..n).step_by(LANES) {
        let some = (n - start).min(LANES);
        for (k, lane) in state.lanes[..some].iter_mut().enumerate() {
            // SAFETY: the caller's elements.
            *lane = F::fold(*lane, unsafe { *x.wrapping_offset((start + k) as isize * stride) });
        }
        state.count(some, some);
    }
}

levels! {
    /// Folds rows of `width` elements, `step` apart, into the lanes of their columns.
    ///
    /// # Safety
    /// The rows can be read, there are as many lanes, and the machine has the level.
    fn fold_rows<F: Fold>(lanes: *mut F::Lane, x: *const F::In, step: isize, rows: usize, width: usize) = fold_rows_body;
}

#[inline(always)]
unsafe fn fold_rows_body<F: Fold>(
    lanes: *mut F::Lane,
    x: *const F::In,
    step: isize,
    rows: usize,
    width: usize,
) {
    // SAFETY: the caller's lanes and rows.
    let lanes = unsafe { std::slice::from_raw_parts_mut(lanes, width) };
    // SAFETY: as above.
    let row = |r: usize| unsafe { std::slice::from_raw_parts(x.wrapping_offset(r as isize * step), width) };
    let mut r = 0;
    while r + 4 <= rows {
        let (a, b, c, d) = (row(r), row(r + 1), row(r + 2), row(r + 3));
        for i in 0..width {
            lanes[i] = F::fold(F::fold(F::fold(F::fold(lanes[i], a[i]), b[i]), c[i]), d[i]);
        }
        r += 4;
    }
    while r < rows {
        for (lane, x) in lanes.iter_mut().zip(row(r)) {
            *lane = F::fold(*lane, *x);
        }
        r += 1;
    }
}

/// Moves lanes into totals.
///
/// # Safety
/// There are `width` of both.
unsafe fn flush_rows<F: Fold>(lanes: *mut F::Lane, totals: *mut F::Total, width: usize) {
    // SAFETY: the caller's memory, of distinct parts of the scratch.
    let (lanes, totals) = unsafe {
        (std::slice::from_raw_parts_mut(lanes, width), std::slice::from_raw_parts_mut(totals, width))
    };
    for (total, lane) in totals.iter_mut().zip(lanes) {
        *total = F::add(*total, *lane);
        *lane = F::LANE;
    }
}
