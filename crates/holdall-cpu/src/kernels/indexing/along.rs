//! Gathers and scatters along one axis, with an index for each element.

use holdall_core::{Dims, Strides};

use super::combine::Combine;
use super::places::{NOWHERE, Places};
use super::{items, offset, runs};
use crate::kernel::{Kernel, Scratch, Slice, span};

const CHUNK: usize = 256;

/// `output[…, j, …] = array[…, index[…, j, …], …]`. Bindings: the array, the indices, the output, which is row-major
/// without gaps.
#[derive(Debug)]
pub struct GatherAlong {
    /// Of indices and output, at least one axis.
    dims: Dims,
    /// The array's, with 0 for the indexed axis.
    strides: Strides,
    places: Places,
    bytes: usize,
    items: usize,
}

impl GatherAlong {
    /// For indices of `dims`, an array of `strides` (0 along the indexed axis) and of elements of `bytes` bytes.
    pub fn new(dims: Dims, strides: Strides, places: Places, bytes: usize, threads: usize) -> Self {
        let items = items(places.size() * 8, threads);
        Self { dims, strides, places, bytes, items }
    }

    unsafe fn of<T: Copy>(&self, item: usize, memory: &[Slice]) {
        let share = span(self.places.size(), 16, item, self.items);
        let step = self.strides[self.dims.len() - 1];
        let (from, to) = (memory[0].as_ptr::<T>(), memory[2].as_ptr::<T>());
        let mut offsets = [0isize; CHUNK];
        let mut at = share.start;
        runs(&self.dims, share, |coords, n| {
            let base = offset(coords, &self.strides);
            let mut done = 0;
            while done < n {
                let count = CHUNK.min(n - done);
                let offsets = &mut offsets[..count];
                // SAFETY: the indices are bound second; clamped offsets stay inside of the array; items write distinct
                // elements of the output.
                unsafe {
                    self.places.offsets(at..at + count, &memory[1..], true, offsets);
                    for (i, o) in offsets.iter().enumerate() {
                        *to.add(at + i) = *from.offset(base + o + (done + i) as isize * step);
                    }
                }
                done += count;
                at += count;
            }
        });
    }
}

impl Kernel for GatherAlong {
    fn items(&self, _: usize) -> usize {
        self.items
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], _: &mut Scratch) {
        // SAFETY: passed on to the caller.
        unsafe {
            match self.bytes {
                1 => self.of::<u8>(item, memory),
                2 => self.of::<u16>(item, memory),
                4 => self.of::<u32>(item, memory),
                _ => self.of::<u64>(item, memory),
            }
        }
    }
}

/// `array[…, index[…, j, …], …]` combined with `updates[…, j, …]`, in order of `j`. Bindings: the indices, the
/// updates, the array.
#[derive(Debug)]
pub struct ScatterAlong {
    /// Of indices and updates with the indexed axis last.
    dims: Dims,
    /// The updates' and the array's, in that order of axes; the array's are 0 along the indexed one.
    updates: Strides,
    array: Strides,
    places: Places,
    bytes: usize,
    combine: Combine,
    items: usize,
}

impl ScatterAlong {
    /// All with the indexed axis last: `dims` of the indices, strides of updates and array (0 along that axis).
    pub fn new(
        dims: Dims,
        updates: Strides,
        array: Strides,
        places: Places,
        bytes: usize,
        combine: Combine,
        threads: usize,
    ) -> Self {
        let lines: usize = dims[..dims.len() - 1].iter().product();
        let items = items(places.size() * 8, threads).min(lines.max(1));
        Self { dims, updates, array, places, bytes, combine, items }
    }
}

impl Kernel for ScatterAlong {
    fn items(&self, _: usize) -> usize {
        self.items
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], _: &mut Scratch) {
        let last = self.dims.len() - 1;
        let line = self.dims[last];
        // Whole lines: the values for one element are all of one item.
        let share = span(self.places.size(), line, item, self.items);
        let bytes = self.bytes as isize;
        let (from, to) = (memory[1].as_ptr::<u8>(), memory[2].as_ptr::<u8>());
        let mut offsets = [0isize; CHUNK];
        let mut at = share.start;
        runs(&self.dims, share, |coords, n| {
            let from = from.wrapping_offset(offset(coords, &self.updates) * bytes);
            let to = to.wrapping_offset(offset(coords, &self.array) * bytes);
            let mut done = 0;
            while done < n {
                let count = CHUNK.min(n - done);
                let offsets = &mut offsets[..count];
                // SAFETY: the indices are bound first; checked offsets stay inside of the line, which is this item's.
                unsafe {
                    self.places.offsets(at..at + count, memory, false, offsets);
                    for (i, o) in offsets.iter().enumerate() {
                        if *o != NOWHERE {
                            let from = from.wrapping_offset((done + i) as isize * self.updates[last] * bytes);
                            (self.combine)(from, 0, to.wrapping_offset(o * bytes), 0, 1);
                        }
                    }
                }
                done += count;
                at += count;
            }
        });
    }
}
