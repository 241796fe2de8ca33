//! What checked mode knows about memory that threads share.
//!
//! Each cell (of the size of the smallest access of the kernel) has its last write and its last reads by two different threads. Two
//! accesses of different threads, one of which writes and one of which is not atomic, race unless
//!
//! * both threads are of one SIMD group, and it has passed a barrier that orders this memory in between; or
//! * both are of one group, and it has passed a threadgroup barrier that does; or
//! * the group of the earlier one did a fence and then an atomic operation, and the later one's an atomic operation.
//!   Which operations met is not looked at, so this is more lenient than the language.

use holdall_msl::Span;

/// An access.
#[derive(Clone, Copy, Debug)]
pub struct Touch {
    /// The index of the group among those run; `u32::MAX` for no access.
    pub group: u32,
    pub lane: u32,
    /// Barriers that the group, and the SIMD group, had passed.
    pub group_epoch: u32,
    pub simd_epoch: u32,
    pub atomic: bool,
    pub span: Span,
}

impl Touch {
    const NONE: u32 = u32::MAX;

    fn nobody() -> Self {
        Self {
            group: Self::NONE,
            lane: 0,
            group_epoch: 0,
            simd_epoch: 0,
            atomic: false,
            span: Span::default(),
        }
    }

    fn same_thread(&self, other: &Self) -> bool {
        self.group == other.group && self.lane == other.lane
    }
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    written: bool,
    write: Touch,
    reads: [Touch; 2],
}

/// The shadow of an object.
#[derive(Debug)]
pub struct Shadow {
    /// Bytes of a cell.
    granule: usize,
    cells: Vec<Cell>,
}

impl Shadow {
    pub fn new(bytes: usize, granule: usize, written: bool) -> Self {
        let nobody = Touch::nobody();
        let cell = Cell { written, write: nobody, reads: [nobody; 2] };
        Self { granule, cells: vec![cell; bytes.div_ceil(granule)] }
    }

    /// The object holds nothing, and nobody has used it.
    pub fn clear(&mut self) {
        let nobody = Touch::nobody();
        self.cells.fill(Cell { written: false, write: nobody, reads: [nobody; 2] });
    }

    fn range(&self, at: usize, size: usize) -> std::ops::Range<usize> {
        at / self.granule..((at + size - 1) / self.granule + 1).min(self.cells.len())
    }

    /// All of it was written.
    pub fn is_written(&self, at: usize, size: usize) -> bool {
        self.cells[self.range(at, size)].iter().all(|cell| cell.written)
    }

    /// Notes an access and gives the one that it races with.
    pub fn touch(
        &mut self,
        at: usize,
        size: usize,
        now: Touch,
        writes: bool,
        ordered: impl Fn(&Touch) -> bool,
    ) -> Option<Touch> {
        let mut other = None;
        let races = |before: &Touch| {
            let harmless = before.same_thread(&now) || (before.atomic && now.atomic);
            before.group != Touch::NONE && !harmless && !ordered(before)
        };
        let range = self.range(at, size);
        for cell in &mut self.cells[range] {
            if races(&cell.write) {
                other = Some(cell.write);
            }
            if !writes {
                let slot =
                    usize::from(cell.reads[0].group != Touch::NONE && !cell.reads[0].same_thread(&now));
                cell.reads[slot] = now;
                continue;
            }
            other = other.or(cell.reads.iter().find(|read| races(read)).copied());
            cell.write = now;
            cell.written = true;
        }
        other
    }

    /// Bytes of the first cell that was never written, and how many cells.
    pub fn unwritten(&self) -> Option<(usize, usize)> {
        let first = self.cells.iter().position(|cell| !cell.written)?;
        let n = self.cells.iter().filter(|cell| !cell.written).count();
        Some((first * self.granule, n * self.granule))
    }
}
