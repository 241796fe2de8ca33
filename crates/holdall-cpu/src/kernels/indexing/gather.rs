//! Parts of an array from where index arrays say.

use holdall_core::{Dims, Strides};

use super::moves::Move;
use super::places::Places;
use super::{items, offset, runs};
use crate::kernel::{Kernel, Scratch, Slice, span};

/// Places whose offsets are found at once.
const CHUNK: usize = 256;

/// A gather. The output, row-major without gaps, has the axes of the parts before the index arrays' (`before`), those
/// of the index arrays, and the rest of a part's, which is copied as one block. Bindings: the array, the index arrays,
/// the output.
#[derive(Debug)]
pub struct GatherKernel {
    before: Dims,
    before_strides: Strides,
    places: Places,
    block: Move,
    /// Items share out rows (pairs of a place before and one of the index arrays), and pieces of each block.
    row_items: usize,
    block_items: usize,
}

impl GatherKernel {
    /// Axes before the index arrays' with their strides, the places, and what is copied for each of both.
    pub fn new(before: Dims, before_strides: Strides, places: Places, block: Move, threads: usize) -> Self {
        let rows = before.iter().product::<usize>() * places.size();
        let bytes = block.size() * block.element_bytes();
        let all = items(rows * bytes.max(8), threads);
        let row_items = all.min(rows.max(1));
        let block_items = (all / row_items).clamp(1, items(bytes, threads));
        Self { before, before_strides, places, block, row_items, block_items }
    }
}

impl Kernel for GatherKernel {
    fn items(&self, _: usize) -> usize {
        self.row_items * self.block_items
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], _: &mut Scratch) {
        let bytes = self.block.element_bytes();
        let size = self.block.size();
        let places = self.places.size();
        let lead: usize = self.before.iter().product();
        let rows = span(lead * places, 1, item / self.block_items, self.row_items);
        let piece = span(size, 64, item % self.block_items, self.block_items);
        let from = memory[0].as_ptr::<u8>().cast_const();
        let to = memory[1 + self.places.arrays()].as_ptr::<u8>();
        let mut offsets = [0isize; CHUNK];
        let mut dims = self.before.clone();
        dims.push(places);
        let mut row = rows.start;
        runs(&dims, rows, |coords, n| {
            let base = offset(coords, &self.before_strides);
            let first = coords[dims.len() - 1];
            let mut done = 0;
            while done < n {
                let count = CHUNK.min(n - done);
                let offsets = &mut offsets[..count];
                // SAFETY: the index arrays are bound after the array. Clamped offsets name parts inside of it, and each
                // row of the output is written by the items of that row alone, a piece each.
                unsafe {
                    self.places.offsets(first + done..first + done + count, &memory[1..], true, offsets);
                    let from = from.wrapping_offset(base * bytes as isize);
                    let to = to.wrapping_add(row * size * bytes);
                    match (size, self.block.run_bytes()) {
                        (1, _) => elements(bytes, from, offsets, to),
                        (_, Some(run)) if self.block_items == 1 => {
                            for (i, o) in offsets.iter().enumerate() {
                                let from = from.wrapping_offset(o * bytes as isize);
                                from.copy_to_nonoverlapping(to.add(i * run), run);
                            }
                        }
                        _ => {
                            for (i, o) in offsets.iter().enumerate() {
                                let from = from.wrapping_offset(o * bytes as isize);
                                self.block.run(piece.clone(), from, to.add(i * size * bytes));
                            }
                        }
                    }
                }
                done += count;
                row += count;
            }
        });
    }
}

/// Writes the elements at these offsets one after another.
///
/// # Safety
/// They are there, and so is room for them.
unsafe fn elements(bytes: usize, from: *const u8, offsets: &[isize], to: *mut u8) {
    unsafe fn all<T: Copy>(from: *const u8, offsets: &[isize], to: *mut u8) {
        for (i, o) in offsets.iter().enumerate() {
            // SAFETY: the caller's elements.
            unsafe { *to.cast::<T>().add(i) = *from.cast::<T>().offset(*o) };
        }
    }
    // SAFETY: passed on to the caller.
    unsafe {
        match bytes {
            1 => all::<u8>(from, offsets, to),
            2 => all::<u16>(from, offsets, to),
            4 => all::<u32>(from, offsets, to),
            _ => all::<u64>(from, offsets, to),
        }
    }
}
