//! Running sums, products, extremes.
//!
//! A scan is a chain of dependent steps, so eight of them go side by side: rows, or segments of one long row whose
//! totals are found first.

mod running;

pub use running::{LogSumExp, Running};

use std::marker::PhantomData;

use crate::isa::{Isa, levels};
use crate::kernel::{Kernel, Scratch, Slice, span};

/// Chains side by side.
const CHAINS: usize = 8;
/// Elements of a segment of a long row.
const SEGMENT: usize = 8192;
/// Rows longer than this are cut into segments.
const LONG: usize = 4 * SEGMENT;
/// Columns side by side.
const TILE: usize = 512;

/// Scans the middle axis of a row-major array of three axes. Bindings: the array, the output, and a temporary if there
/// is one.
#[derive(Debug)]
pub struct ScanKernel<R> {
    shape: [usize; 3],
    reverse: bool,
    inclusive: bool,
    isa: Isa,
    temporaries: Vec<usize>,
    running: PhantomData<R>,
}

impl<R: Running> ScanKernel<R> {
    /// Scans arrays of that shape; nothing in it is 0.
    pub fn new(isa: Isa, shape: [usize; 3], reverse: bool, inclusive: bool) -> Self {
        let is_long = shape[2] == 1 && shape[1] > LONG;
        let totals = shape[0] * shape[1].div_ceil(SEGMENT) * size_of::<R::Sum>();
        let temporaries = if is_long { vec![totals] } else { vec![] };
        Self { shape, reverse, inclusive, isa, temporaries, running: PhantomData }
    }

    fn is_long(&self) -> bool {
        !self.temporaries.is_empty()
    }

    /// Segments of a row.
    fn segments(&self) -> usize {
        self.shape[1].div_ceil(SEGMENT)
    }

    /// Items of a long row: each takes a group of segments.
    fn groups(&self) -> usize {
        self.segments().div_ceil(CHAINS)
    }

    /// Rows, or tiles of columns, an item.
    fn strips(&self) -> (usize, usize) {
        let [outer, n, inner] = self.shape;
        let (strips, size) = match inner {
            1 => (outer, n),
            _ => (outer * inner.div_ceil(TILE), n * inner.min(TILE)),
        };
        (strips, ((1 << 16) / size).clamp(1, strips).next_multiple_of(if inner == 1 { CHAINS } else { 1 }))
    }

    unsafe fn long(&self, phase: usize, item: usize, memory: &[Slice]) {
        let n = self.shape[1];
        let (row, group) = (item / self.groups(), item % self.groups());
        let x = memory[0].as_ptr::<R::In>().cast_const().wrapping_add(row * n);
        let totals = memory[2].as_ptr::<R::Sum>().wrapping_add(row * self.segments());
        let mine = group * CHAINS..((group + 1) * CHAINS).min(self.segments());
        let len = |segment: usize| SEGMENT.min(n - segment * SEGMENT);
        if phase == 0 {
            for segment in mine {
                // SAFETY: the segment's elements and its place among the totals.
                unsafe {
                    totals.add(segment).write(fold::<R>(self.isa, x.add(segment * SEGMENT), len(segment)));
                }
            }
            return;
        }
        let y = memory[1].as_ptr::<R::Out>().wrapping_add(row * n);
        // SAFETY: phase 0 wrote all totals.
        let total = |segment: usize| unsafe { *totals.add(segment) };
        let mut sum = R::START;
        let mut chains = [Chain { x, y, sum }; CHAINS];
        let before: Box<dyn Iterator<Item = usize>> =
            if self.reverse { Box::new((mine.end..self.segments()).rev()) } else { Box::new(0..mine.start) };
        for segment in before {
            sum = R::combine(sum, total(segment));
        }
        let count = mine.len();
        for k in 0..count {
            let at = if self.reverse { count - 1 - k } else { k };
            let start = (mine.start + at) * SEGMENT;
            chains[at] = Chain { x: x.wrapping_add(start), y: y.wrapping_add(start), sum };
            sum = R::combine(sum, total(mine.start + at));
        }
        // SAFETY: segments of the row, whose outputs are this item's.
        unsafe {
            if count == CHAINS && len(mine.end - 1) == SEGMENT {
                scan::<R>(&mut chains, SEGMENT, self.reverse, self.inclusive);
            } else {
                for (k, chain) in chains[..count].iter_mut().enumerate() {
                    let n = len(mine.start + k);
                    scan::<R>(std::slice::from_mut(chain), n, self.reverse, self.inclusive);
                }
            }
        }
    }

    unsafe fn columns(&self, strip: usize, memory: &[Slice], scratch: &mut Scratch) {
        let [_, n, inner] = self.shape;
        let tiles = inner.div_ceil(TILE);
        let first = strip % tiles * TILE;
        let width = (inner - first).min(TILE);
        let start = strip / tiles * n * inner + first;
        let sums = scratch.get::<u8>(TILE * size_of::<R::Sum>()).as_mut_ptr().cast::<R::Sum>();
        let x = memory[0].as_ptr::<R::In>().cast_const().wrapping_add(start);
        let y = memory[1].as_ptr::<R::Out>().wrapping_add(start);
        // SAFETY: the scratch holds a tile of sums; the columns are this item's.
        unsafe { scan_columns::<R>(sums, x, y, inner, n, width, self.reverse, self.inclusive) };
    }
}

impl<R: Running> Kernel for ScanKernel<R> {
    fn phases(&self) -> usize {
        if self.is_long() { 2 } else { 1 }
    }

    fn items(&self, _: usize) -> usize {
        if self.is_long() {
            return self.shape[0] * self.groups();
        }
        let (strips, group) = self.strips();
        strips.div_ceil(group)
    }

    fn temporaries(&self) -> &[usize] {
        &self.temporaries
    }

    unsafe fn run(&self, phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        if self.is_long() {
            // SAFETY: the kernel's own contract.
            return unsafe { self.long(phase, item, memory) };
        }
        let (strips, group) = self.strips();
        let mine = span(strips, group, item, strips.div_ceil(group));
        if self.shape[2] != 1 {
            for strip in mine {
                // SAFETY: the kernel's own contract.
                unsafe { self.columns(strip, memory, scratch) };
            }
            return;
        }
        let n = self.shape[1];
        let chain = |row: usize| Chain {
            x: memory[0].as_ptr::<R::In>().cast_const().wrapping_add(row * n),
            y: memory[1].as_ptr::<R::Out>().wrapping_add(row * n),
            sum: R::START,
        };
        let mut row = mine.start;
        while row < mine.end {
            let count = if row + CHAINS <= mine.end { CHAINS } else { 1 };
            let mut chains: [Chain<R>; CHAINS] = std::array::from_fn(|k| chain(row + k));
            // SAFETY: rows of this item.
            unsafe { scan::<R>(&mut chains[..count], n, self.reverse, self.inclusive) };
            row += count;
        }
    }
}

/// A scan under way: where it reads, where it writes, what it has.
#[derive(Debug)]
pub struct Chain<R: Running> {
    x: *const R::In,
    y: *mut R::Out,
    sum: R::Sum,
}

impl<R: Running> Clone for Chain<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R: Running> Copy for Chain<R> {}

/// Scans `n` elements of each chain, all of them at once if there are eight.
///
/// # Safety
/// Each has `n` elements to read and to write.
unsafe fn scan<R: Running>(chains: &mut [Chain<R>], n: usize, reverse: bool, inclusive: bool) {
    // SAFETY: passed on to the caller.
    unsafe {
        if inclusive {
            scan_ways::<R, true>(chains, n, reverse);
        } else {
            scan_ways::<R, false>(chains, n, reverse);
        }
    }
}

#[inline(always)]
unsafe fn scan_ways<R: Running, const INCLUSIVE: bool>(chains: &mut [Chain<R>], n: usize, reverse: bool) {
    let step = |chain: &mut Chain<R>, i: isize| {
        // SAFETY: the caller's elements.
        unsafe {
            let next = R::combine(chain.sum, R::read(*chain.x.offset(i)));
            chain.y.offset(i).write(R::write(if INCLUSIVE { next } else { chain.sum }));
            chain.sum = next;
        }
    };
    let (start, by) = if reverse { (n as isize - 1, -1) } else { (0, 1) };
    if let Ok(eight) = <&mut [Chain<R>; CHAINS]>::try_from(&mut *chains) {
        let mut local = *eight;
        for i in 0..n as isize {
            for chain in &mut local {
                step(chain, start + by * i);
            }
        }
    } else {
        for chain in chains {
            for i in 0..n as isize {
                step(chain, start + by * i);
            }
        }
    }
}

levels! {
    /// Combines `n` elements.
    ///
    /// # Safety
    /// They can be read, and the machine has the level.
    fn fold_into<R: Running>(sum: &mut R::Sum, x: *const R::In, n: usize) = fold_body;
}

unsafe fn fold<R: Running>(isa: Isa, x: *const R::In, n: usize) -> R::Sum {
    let mut sum = R::START;
    // SAFETY: passed on to the caller.
    unsafe { fold_into::<R>(isa, &mut sum, x, n) };
    sum
}

#[inline(always)]
unsafe fn fold_body<R: Running>(sum: &mut R::Sum, x: *const R::In, n: usize) {
    // SAFETY: the caller's elements.
    let (chunks, rest) = unsafe { std::slice::from_raw_parts(x, n) }.as_chunks::<32>();
    let mut lanes = [R::START; 32];
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = R::combine(*lane, R::read(*x));
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane = R::combine(*lane, R::read(*x));
    }
    *sum = lanes.into_iter().fold(*sum, R::combine);
}

/// Scans `width` columns of `n` rows that are `step` elements apart.
///
/// # Safety
/// They can be read and written, and there is room for as many sums.
unsafe fn scan_columns<R: Running>(
    sums: *mut R::Sum,
    x: *const R::In,
    y: *mut R::Out,
    step: usize,
    n: usize,
    width: usize,
    reverse: bool,
    inclusive: bool,
) {
    for k in 0..width {
        // SAFETY: the caller's room.
        unsafe { sums.add(k).write(R::START) };
    }
    // SAFETY: just written.
    let sums = unsafe { std::slice::from_raw_parts_mut(sums, width) };
    for i in 0..n {
        let row = if reverse { n - 1 - i } else { i } * step;
        // SAFETY: the caller's rows; input and output are distinct blocks.
        let (x, y) = unsafe {
            (std::slice::from_raw_parts(x.add(row), width), std::slice::from_raw_parts_mut(y.add(row), width))
        };
        if inclusive {
            for k in 0..width {
                sums[k] = R::combine(sums[k], R::read(x[k]));
                y[k] = R::write(sums[k]);
            }
        } else {
            for k in 0..width {
                y[k] = R::write(sums[k]);
                sums[k] = R::combine(sums[k], R::read(x[k]));
            }
        }
    }
}
