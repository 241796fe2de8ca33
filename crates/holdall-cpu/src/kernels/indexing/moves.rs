//! Strided copies.

use std::ops::Range;

use holdall_core::{Dims, Strides};
use smallvec::SmallVec;

use super::{items, offset, runs};
use crate::kernel::{Kernel, Scratch, Slice, span};

/// A copy of elements that lie by strides to where they shall lie by others.
#[derive(Clone, Debug)]
pub struct Move {
    /// At least one axis.
    dims: Dims,
    from: Strides,
    to: Strides,
    /// Bytes of an element.
    bytes: usize,
}

impl Move {
    /// Copies an array of `shape` with strides `from` to strides `to`, in elements of `bytes` bytes. Axes are taken in
    /// the order that suits the destination.
    pub fn new(shape: &[usize], from: &[isize], to: &[isize], bytes: usize) -> Self {
        let mut axes: SmallVec<[(usize, isize, isize); 4]> =
            (0..shape.len()).filter(|i| shape[*i] != 1).map(|i| (shape[i], from[i], to[i])).collect();
        axes.sort_by_key(|a| std::cmp::Reverse(a.2.unsigned_abs()));
        let mut merged: SmallVec<[(usize, isize, isize); 4]> = SmallVec::new();
        for (n, from, to) in axes {
            match merged.last_mut() {
                Some(outer) if outer.1 == from * n as isize && outer.2 == to * n as isize => {
                    *outer = (outer.0 * n, from, to);
                }
                _ => merged.push((n, from, to)),
            }
        }
        if merged.is_empty() {
            merged.push((1, 1, 1));
        }
        Self {
            dims: merged.iter().map(|a| a.0).collect(),
            from: merged.iter().map(|a| a.1).collect(),
            to: merged.iter().map(|a| a.2).collect(),
            bytes,
        }
    }

    /// Elements.
    pub fn size(&self) -> usize {
        self.dims.iter().product()
    }

    /// Bytes of an element.
    pub fn element_bytes(&self) -> usize {
        self.bytes
    }

    /// The bytes of the whole copy if that is one without gaps on both sides.
    pub fn run_bytes(&self) -> Option<usize> {
        (self.dims.len() == 1 && self.from[0] == 1 && self.to[0] == 1).then(|| self.dims[0] * self.bytes)
    }

    /// Calls `f` with pointers, strides and length of each run that makes up elements `range`, in this copy's order.
    pub fn each(
        &self,
        range: Range<usize>,
        from: *const u8,
        to: *mut u8,
        mut f: impl FnMut(*const u8, isize, *mut u8, isize, usize),
    ) {
        let last = self.dims.len() - 1;
        let bytes = self.bytes as isize;
        runs(&self.dims, range, |coords, n| {
            f(
                from.wrapping_offset(offset(coords, &self.from) * bytes),
                self.from[last],
                to.wrapping_offset(offset(coords, &self.to) * bytes),
                self.to[last],
                n,
            );
        });
    }

    /// Copies elements `range`, counted in this copy's order.
    ///
    /// # Safety
    /// Both arrays' elements are there from these pointers on, nothing else writes to them or reads the destination.
    pub unsafe fn run(&self, range: Range<usize>, from: *const u8, to: *mut u8) {
        self.each(range, from, to, |from, from_step, to, to_step, n| {
            // SAFETY: the run is part of both arrays, which the caller vouches for; they do not overlap.
            unsafe { copy(self.bytes, from, from_step, to, to_step, n) }
        });
    }
}

/// Copies `n` elements of `bytes` bytes between places that are these steps apart.
///
/// # Safety
/// The elements are there and do not overlap.
pub(super) unsafe fn copy(
    bytes: usize,
    from: *const u8,
    from_step: isize,
    to: *mut u8,
    to_step: isize,
    n: usize,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        if from_step == 1 && to_step == 1 {
            return from.copy_to_nonoverlapping(to, n * bytes);
        }
        match bytes {
            1 => strided::<u8>(from, from_step, to, to_step, n),
            2 => strided::<u16>(from, from_step, to, to_step, n),
            4 => strided::<u32>(from, from_step, to, to_step, n),
            _ => strided::<u64>(from, from_step, to, to_step, n),
        }
    }
}

unsafe fn strided<T: Copy>(from: *const u8, from_step: isize, to: *mut u8, to_step: isize, n: usize) {
    let (from, to) = (from.cast::<T>(), to.cast::<T>());
    // SAFETY: the caller's elements; arrays are aligned to their elements.
    unsafe {
        if from_step == 0 && to_step == 1 {
            return std::slice::from_raw_parts_mut(to, n).fill(*from);
        }
        for i in 0..n as isize {
            *to.offset(i * to_step) = *from.offset(i * from_step);
        }
    }
}

/// Copies from several bindings into one: each of the inputs has its part of the output. Bindings: the inputs, the
/// output.
#[derive(Debug)]
pub struct Moves {
    /// For each input the copy, and the place in the output, in elements, of its first element.
    parts: Vec<(Move, usize)>,
    size: usize,
    items: usize,
}

impl Moves {
    /// The copies with the places of their first elements in the output, for a team of `threads`.
    pub fn new(parts: Vec<(Move, usize)>, threads: usize) -> Self {
        let size = parts.iter().map(|p| p.0.size()).sum();
        let bytes = parts.iter().map(|p| p.0.size() * p.0.bytes).sum();
        Self { parts, size, items: items(bytes, threads) }
    }
}

impl Kernel for Moves {
    fn items(&self, _: usize) -> usize {
        self.items
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], _: &mut Scratch) {
        let share = span(self.size, 64, item, self.items);
        let output = memory[self.parts.len()].as_ptr::<u8>();
        let mut first = 0;
        for ((part, place), input) in self.parts.iter().zip(memory) {
            let size = part.size();
            let (start, end) = (share.start.max(first), share.end.min(first + size));
            if start < end {
                // SAFETY: inputs and output are bound with the shapes that the copies were made for; the parts, and the
                // items' shares of them, do not overlap.
                unsafe {
                    let to = output.add(place * part.bytes);
                    part.run(start - first..end - first, input.as_ptr(), to);
                }
            }
            first += size;
        }
    }
}
