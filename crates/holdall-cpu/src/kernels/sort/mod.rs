//! Sorting, partitioning and searching, on keys: unsigned integers in the elements' order.

mod key;
mod merge;

pub use key::{Picks, Places, Sortable, Sorting, Values};

use std::marker::PhantomData;

use crate::kernel::{Kernel, Scratch, Slice, span};

/// Rows at least as long are sorted by several items.
const LONG: usize = 1 << 15;

/// Sorts or partitions the middle axis of a row-major array of three axes. Bindings: the array, the output, and
/// temporaries if there are any.
#[derive(Debug)]
pub struct SortKernel<S> {
    shape: [usize; 3],
    kth: Option<usize>,
    /// Sorted runs of a long row, which are then merged in pairs: a power of two.
    runs: usize,
    temporaries: Vec<usize>,
    sorting: PhantomData<S>,
}

impl<S: Sorting> SortKernel<S> {
    /// For arrays of that shape, nothing of which is 0; only element `kth` need be in place if it is given.
    pub fn new(shape: [usize; 3], kth: Option<usize>, threads: usize) -> Self {
        let is_long = shape[1] >= LONG;
        let runs = if is_long && kth.is_none() { threads.clamp(1, 16).next_power_of_two() } else { 1 };
        let bytes = shape.iter().product::<usize>() * size_of::<S::Entry>();
        let temporaries = match (is_long, runs) {
            (false, _) => vec![],
            (true, 1 | 2) => vec![bytes],
            (true, _) => vec![bytes; 2],
        };
        Self { shape, kth, runs, temporaries, sorting: PhantomData }
    }

    fn rows(&self) -> usize {
        self.shape[0] * self.shape[2]
    }

    fn is_long(&self) -> bool {
        !self.temporaries.is_empty()
    }

    fn group(&self) -> usize {
        ((1 << 13) / self.shape[1]).clamp(1, self.rows())
    }

    /// The first element of a row, in elements from the array's first.
    fn start(&self, row: usize) -> usize {
        let [_, n, inner] = self.shape;
        row / inner * n * inner + row % inner
    }

    unsafe fn load(&self, row: usize, from: usize, memory: &[Slice], to: &mut [S::Entry]) {
        let x = memory[0].as_ptr::<S::In>().cast_const().wrapping_add(self.start(row));
        let inner = self.shape[2];
        for (k, entry) in to.iter_mut().enumerate() {
            // SAFETY: elements of the row.
            *entry = S::entry(unsafe { *x.add((from + k) * inner) }, (from + k) as u32);
        }
    }

    fn order(&self, entries: &mut [S::Entry]) {
        match self.kth {
            Some(k) => drop(entries.select_nth_unstable(k)),
            None => entries.sort_unstable(),
        }
    }

    /// Stores element `at` of a row.
    unsafe fn store(&self, row: usize, at: usize, memory: &[Slice], entry: S::Entry) {
        // SAFETY: the output has that element; it is this item's.
        unsafe {
            let (start, inner) = (self.start(row), self.shape[2]);
            let x = memory[0].as_ptr::<S::In>().cast_const().add(start);
            let y = memory[1].as_ptr::<S::Out>().add(start + at * inner);
            y.write(S::result(entry, |i| *x.add(i * inner)));
        }
    }
}

impl<S: Sorting> Kernel for SortKernel<S> {
    fn phases(&self) -> usize {
        1 + self.runs.ilog2() as usize
    }

    fn items(&self, _: usize) -> usize {
        if self.is_long() { self.rows() * self.runs } else { self.rows().div_ceil(self.group()) }
    }

    fn temporaries(&self) -> &[usize] {
        &self.temporaries
    }

    unsafe fn run(&self, phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let n = self.shape[1];
        if !self.is_long() {
            for row in span(self.rows(), self.group(), item, self.items(0)) {
                let entries = &mut scratch.get::<S::Entry>(n)[..n];
                // SAFETY: the rows of this item.
                unsafe { self.load(row, 0, memory, entries) };
                self.order(entries);
                for (at, entry) in entries.iter().enumerate() {
                    // SAFETY: as above.
                    unsafe { self.store(row, at, memory, *entry) };
                }
            }
            return;
        }
        let (row, piece) = (item / self.runs, item % self.runs);
        // Level by level, sorted runs move between the temporaries.
        let buffer = |phase: usize| {
            memory[2 + phase % self.temporaries.len()].as_ptr::<S::Entry>().wrapping_add(row * n)
        };
        let cut = |k: usize| n * k / self.runs;
        let mine = cut(piece)..cut(piece + 1);
        if phase == 0 {
            // SAFETY: the temporary holds all rows; pieces do not overlap.
            let entries = unsafe { std::slice::from_raw_parts_mut(buffer(0).add(mine.start), mine.len()) };
            // SAFETY: the piece of the row.
            unsafe { self.load(row, mine.start, memory, entries) };
            self.order(entries);
            if self.runs == 1 {
                for (at, entry) in entries.iter().enumerate() {
                    // SAFETY: the row's outputs, all this item's.
                    unsafe { self.store(row, at, memory, *entry) };
                }
            }
            return;
        }
        // A pair of runs of the level before becomes one of this; the items of the pair each make a part of it.
        let wide = 1 << phase;
        let first = piece / wide * wide;
        let (start, middle, end) = (cut(first), cut(first + wide / 2), cut(first + wide));
        // SAFETY: the phase before wrote the buffer, and none writes it now.
        let (a, b) = unsafe {
            let from = buffer(phase - 1).cast_const();
            (
                std::slice::from_raw_parts(from.add(start), middle - start),
                std::slice::from_raw_parts(from.add(middle), end - middle),
            )
        };
        let is_last = wide == self.runs;
        let mut at = mine.start;
        merge::part(a, b, mine.start - start..mine.end - start, |entry| {
            // SAFETY: places `mine` of the row, which no other item writes.
            unsafe {
                if is_last {
                    self.store(row, at, memory, entry);
                } else {
                    buffer(phase).add(at).write(entry);
                }
            }
            at += 1;
        });
    }
}

/// Finds places in a sorted vector. Bindings: the vector, the values, the output; all without gaps.
#[derive(Debug)]
pub struct SearchKernel<T> {
    /// Elements of the vector.
    pub sorted: usize,
    /// Values.
    pub values: usize,
    /// After equal elements.
    pub right: bool,
    /// The elements' type.
    pub element: PhantomData<T>,
}

impl<T: Sortable> Kernel for SearchKernel<T> {
    fn items(&self, _: usize) -> usize {
        self.values.div_ceil(4096)
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], _: &mut Scratch) {
        let part = span(self.values, 4096, item, self.items(0));
        // SAFETY: vector and values are there for reading; the outputs are this item's.
        let (sorted, values, to) = unsafe {
            (
                std::slice::from_raw_parts(memory[0].as_ptr::<T>().cast_const(), self.sorted),
                std::slice::from_raw_parts(memory[1].as_ptr::<T>().cast_const().add(part.start), part.len()),
                memory[2].write::<u32>(part.start, part.len()),
            )
        };
        for (to, value) in to.iter_mut().zip(values) {
            let key = value.rank();
            let is_before = |x: &T| if self.right { x.rank() <= key } else { x.rank() < key };
            *to = sorted.partition_point(is_before) as u32;
        }
    }
}
