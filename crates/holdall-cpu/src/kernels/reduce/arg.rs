//! Where the extremes are.

use std::marker::PhantomData;

use super::fold::Extreme;
use super::geometry::{Geometry, TILE, Walk};
use crate::isa::{Isa, levels};
use crate::kernel::{Kernel, Scratch, Slice, span};

/// Elements that are looked through for their extreme before its place is looked for: they stay in the nearest cache.
const BLOCK: usize = 2048;
/// Elements folded side by side.
const LANES: usize = 64;

/// The index of the first extreme along an axis, as uint32. Bindings: the array, the output (row-major), and two
/// temporaries if there are any.
#[derive(Debug)]
pub struct ArgReduceKernel<F> {
    geometry: Geometry,
    isa: Isa,
    temporaries: Vec<usize>,
    fold: PhantomData<F>,
}

impl<F: Extreme> ArgReduceKernel<F> {
    /// Along `axis`, whose stride is not negative.
    pub fn new(isa: Isa, shape: &[usize], strides: &[isize], axis: usize) -> Self {
        debug_assert!(strides[axis] >= 0 || shape[axis] <= 1);
        let mut geometry = Geometry::new(shape, strides, &[axis]);
        if let Walk::Columns { repeat, .. } = &mut geometry.walk {
            *repeat = 1;
        }
        let partials = geometry.parts * geometry.outputs;
        let temporaries =
            if geometry.parts > 1 { vec![partials * size_of::<F::Lane>(), partials * 4] } else { vec![] };
        Self { geometry, isa, temporaries, fold: PhantomData }
    }

    unsafe fn store(&self, memory: &[Slice], output: usize, part: usize, value: F::Lane, index: u32) {
        // SAFETY: the output has an element for each output, the temporaries one for each part of each.
        unsafe {
            if self.geometry.parts == 1 {
                memory[1].as_ptr::<u32>().add(output).write(index);
            } else {
                let at = part * self.geometry.outputs + output;
                memory[2].as_ptr::<F::Lane>().add(at).write(value);
                memory[3].as_ptr::<u32>().add(at).write(index);
            }
        }
    }

    unsafe fn columns(&self, strip: usize, part: usize, memory: &[Slice], scratch: &mut Scratch) {
        let Walk::Columns { axis, .. } = self.geometry.walk else { return };
        let tiles = axis.n.div_ceil(TILE);
        let (offset, to) = self.geometry.locate(strip / tiles);
        let first = strip % tiles * TILE;
        let width = (axis.n - first).min(TILE);
        let bytes = scratch.get::<u8>(TILE * (size_of::<F::Lane>() + 4)).as_mut_ptr();
        let best = bytes.cast::<F::Lane>();
        let index = bytes.wrapping_add(TILE * size_of::<F::Lane>()).cast::<u32>();
        let from = memory[0].as_ptr::<F::In>().cast_const().wrapping_offset(offset + first as isize);
        let step = self.geometry.gone[0].1;
        let rows = self.geometry.part(part);
        // SAFETY: rows of the array, each as wide as the tile; the scratch holds a tile of both; outputs of this strip.
        unsafe {
            best_rows::<F>(self.isa, best, index, from, step, rows.start, rows.end, width);
            for i in 0..width {
                self.store(memory, to + (first + i) * axis.output, part, *best.add(i), *index.add(i));
            }
        }
    }
}

impl<F: Extreme> Kernel for ArgReduceKernel<F> {
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
                // SAFETY: phase 0 filled the temporaries; outputs are those of this item.
                unsafe {
                    let value = |part: usize| *memory[2].as_ptr::<F::Lane>().add(part * g.outputs + output);
                    let mut best = 0;
                    for part in 1..g.parts {
                        if F::beats(value(best), value(part)) {
                            best = part;
                        }
                    }
                    let index = *memory[3].as_ptr::<u32>().add(best * g.outputs + output);
                    memory[1].as_ptr::<u32>().add(output).write(index);
                }
            }
            return;
        }
        let (group, part) = (item / g.parts, item % g.parts);
        let range = g.part(part);
        for strip in group * g.group..((group + 1) * g.group).min(g.strips()) {
            if matches!(g.walk, Walk::Columns { .. }) {
                // SAFETY: the kernel's own contract.
                unsafe { self.columns(strip, part, memory, scratch) };
                continue;
            }
            let (offset, to) = g.locate(strip);
            let step = g.gone[0].1;
            let from = memory[0].as_ptr::<F::In>().cast_const().wrapping_offset(offset);
            let mut best = (F::LANE, 0);
            // SAFETY: the elements of one output, of which there is at least one; outputs of this item.
            unsafe {
                best_run::<F>(self.isa, &mut best, from, step, range.start, range.end);
                self.store(memory, to, part, best.0, best.1);
            }
        }
    }
}

levels! {
    /// The first extreme of elements `start .. end`, `stride` apart.
    ///
    /// # Safety
    /// They can be read, there is one, and the machine has the level.
    fn best_run<F: Extreme>(best: &mut (F::Lane, u32), x: *const F::In, stride: isize, start: usize, end: usize) = best_run_body;
}

#[inline(always)]
unsafe fn best_run_body<F: Extreme>(
    best: &mut (F::Lane, u32),
    x: *const F::In,
    stride: isize,
    start: usize,
    end: usize,
) {
    // SAFETY: the caller's elements.
    let lane = |i: usize| F::fold(F::LANE, unsafe { *x.wrapping_offset(i as isize * stride) });
    *best = (lane(start), start as u32);
    if stride != 1 {
        for i in start + 1..end {
            let value = lane(i);
            if F::beats(best.0, value) {
                *best = (value, i as u32);
            }
        }
        return;
    }
    let mut at = start;
    while at < end {
        let n = (end - at).min(BLOCK);
        // SAFETY: the caller's elements.
        let block = unsafe { std::slice::from_raw_parts(x.add(at), n) };
        let mut lanes = [F::LANE; LANES];
        let (chunks, rest) = block.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane = F::fold(*lane, *x);
            }
        }
        for (lane, x) in lanes.iter_mut().zip(rest) {
            *lane = F::fold(*lane, *x);
        }
        let extreme = lanes.iter().fold(F::LANE, |a, b| F::merge(a, *b));
        if F::beats(best.0, extreme) {
            // Nothing in the block is more extreme, so the first that the extreme does not beat is it.
            let place = block.iter().position(|x| !F::beats(F::fold(F::LANE, *x), extreme)).unwrap_or(0);
            *best = (extreme, (at + place) as u32);
        }
        at += n;
    }
}

levels! {
    /// The first extreme of each column of rows `start .. end`, `step` apart.
    ///
    /// # Safety
    /// There is a row, `best` and `index` have room for a row, and the machine has the level.
    fn best_rows<F: Extreme>(
        best: *mut F::Lane, index: *mut u32, x: *const F::In, step: isize, start: usize, end: usize, width: usize,
    ) = best_rows_body;
}

#[inline(always)]
unsafe fn best_rows_body<F: Extreme>(
    best: *mut F::Lane,
    index: *mut u32,
    x: *const F::In,
    step: isize,
    start: usize,
    end: usize,
    width: usize,
) {
    // SAFETY: the caller's rows.
    let row = |r: usize| unsafe { std::slice::from_raw_parts(x.wrapping_offset(r as isize * step), width) };
    for (i, x) in row(start).iter().enumerate() {
        // SAFETY: the caller's room.
        unsafe { (best.add(i).write(F::fold(F::LANE, *x)), index.add(i).write(start as u32)) };
    }
    // SAFETY: just written.
    let (best, index) = unsafe {
        (std::slice::from_raw_parts_mut(best, width), std::slice::from_raw_parts_mut(index, width))
    };
    for r in start + 1..end {
        for ((best, index), x) in best.iter_mut().zip(index.iter_mut()).zip(row(r)) {
            let value = F::fold(F::LANE, *x);
            let beats = F::beats(*best, value);
            *best = if beats { value } else { *best };
            *index = if beats { r as u32 } else { *index };
        }
    }
}
