//! Parts written to where index arrays say.

use super::combine::Combine;
use super::items;
use super::moves::Move;
use super::places::{NOWHERE, Places};
use crate::kernel::{Kernel, Scratch, Slice, span};

const CHUNK: usize = 256;

/// How the items share the work, so that no two ever write one element and the order of an element's values is that
/// of the indices.
#[derive(Clone, Copy, Debug)]
enum Sharing {
    /// Every item takes all places and a piece of each part.
    Pieces,
    /// Every item takes the places whose offset falls into its share of the array.
    Offsets,
}

/// A scatter into an array that is written in place. Bindings: the index arrays, the updates, the array.
#[derive(Debug)]
pub struct ScatterKernel {
    places: Places,
    /// The updates' distance between neighbouring places, by the index arrays' axes.
    update_strides: Vec<isize>,
    index_dims: Vec<usize>,
    part: Move,
    combine: Combine,
    /// Elements of the array.
    size: usize,
    sharing: Sharing,
    items: usize,
}

impl ScatterKernel {
    /// For each of `places`, whose updates lie by `update_strides` over `index_dims`, the copy `part` into an array of
    /// `size` elements by `combine`. `overlapping` parts may share elements though their places differ.
    pub fn new(
        places: Places,
        index_dims: &[usize],
        update_strides: &[isize],
        part: Move,
        combine: Combine,
        size: usize,
        overlapping: bool,
        threads: usize,
    ) -> Self {
        let all = items(places.size() * part.size() * part.element_bytes().max(8), threads);
        let (sharing, items) = match (overlapping, all) {
            (true, _) | (_, 1) => (Sharing::Pieces, 1),
            _ if part.size() >= 256 * threads => (Sharing::Pieces, all.min(4 * threads)),
            // Every item reads all indices: no more of them than threads.
            _ => (Sharing::Offsets, threads.min(all)),
        };
        let pad = |v: &[_]| if v.is_empty() { vec![0] } else { v.to_vec() };
        let index_dims = if index_dims.is_empty() { vec![1] } else { index_dims.to_vec() };
        Self { places, update_strides: pad(update_strides), index_dims, part, combine, size, sharing, items }
    }
}

impl Kernel for ScatterKernel {
    fn items(&self, _: usize) -> usize {
        self.items
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], _: &mut Scratch) {
        let bytes = self.part.element_bytes() as isize;
        let arrays = self.places.arrays();
        let updates = memory[arrays].as_ptr::<u8>().cast_const();
        let array = memory[arrays + 1].as_ptr::<u8>();
        let (piece, share) = match self.sharing {
            Sharing::Pieces => (span(self.part.size(), 16, item, self.items), 0..self.size),
            Sharing::Offsets => (0..self.part.size(), span(self.size, 16, item, self.items)),
        };
        let last = self.index_dims.len() - 1;
        let mut offsets = [0isize; CHUNK];
        let mut place = 0;
        super::runs(&self.index_dims, 0..self.places.size(), |coords, n| {
            let from = updates.wrapping_offset(super::offset(coords, &self.update_strides) * bytes);
            let mut done = 0;
            while done < n {
                let count = CHUNK.min(n - done);
                let offsets = &mut offsets[..count];
                // SAFETY: index arrays are bound first.
                unsafe { self.places.offsets(place..place + count, memory, false, offsets) };
                for (i, o) in offsets.iter().enumerate() {
                    if *o == NOWHERE || !share.contains(&(*o as usize)) {
                        continue;
                    }
                    let from = from.wrapping_offset((done + i) as isize * self.update_strides[last] * bytes);
                    let to = array.wrapping_offset(o * bytes);
                    self.part.each(piece.clone(), from, to, |from, from_step, to, to_step, n| {
                        // SAFETY: checked indices name parts inside of the array. No other item writes these elements:
                        // it has other pieces of the parts, or other places.
                        unsafe { (self.combine)(from, from_step, to, to_step, n) }
                    });
                }
                done += count;
                place += count;
            }
        });
    }
}
