//! What runs a group: rows, masks, and the loop over the code.

use std::time::{Duration, Instant};

use holdall_msl::ir::fold;

use super::access::Access;
use super::code::{Code, Object, RowId, Write};
use super::mask::{Mask, pack};
use super::program::Program;
use super::rows::{BLOCK, Io};
use super::split::Part;
use super::watch::Watch;

/// How often a loop goes round between two looks at the clock.
const ROUNDS: u32 = 1024;

/// A row in memory.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The first block.
    pub at: *mut u8,
    /// Bytes to the next block, 0 in uniform rows.
    pub stride: usize,
}

/// Where the bytes of an object are.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The first byte; of memory of threads: of the first granule of lane 0.
    pub base: *mut u8,
    /// Bytes; of memory of threads: of each.
    pub size: usize,
    /// Bytes of a granule, if lanes take turns by granules; 0 for all other memory.
    pub granule: usize,
    /// Stores reach it.
    pub writable: bool,
    /// Groups on other cores may use it.
    pub shared: bool,
}

/// Memory that is no object.
pub const NOWHERE: Place =
    Place { base: std::ptr::null_mut(), size: 0, granule: 0, writable: false, shared: false };

/// Why the code stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The lanes have done.
    End,
    /// A barrier that not all living lanes have come to.
    Barrier,
    /// A SIMD operation, before which other lanes may come.
    Meet,
    /// A loop that may be waiting.
    Spin,
    /// The deadline has passed.
    Late,
}

/// The extents of a launch.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Threads in each direction.
    pub grid: [u32; 3],
    /// Threads of a whole group.
    pub nominal: [u32; 3],
}

impl Geometry {
    /// Groups in each direction.
    pub fn groups(&self) -> [u32; 3] {
        std::array::from_fn(|i| self.grid[i].div_ceil(self.nominal[i]))
    }
}

/// A group being run.
pub struct Machine<'a> {
    pub program: &'a Program,
    pub rows: Vec<Row>,
    pub places: Vec<Place>,
    pub geometry: Geometry,
    /// The index of the group in each direction, and its extents.
    pub group: [u32; 3],
    pub size: [u32; 3],
    pub n_lanes: usize,
    pub n_blocks: usize,
    /// Lanes of a row: all blocks of the largest group.
    pub capacity: usize,
    /// Three rows of positions in the group.
    pub local: [Row; 3],
    /// Four rows of the widest lanes, for results made aside.
    pub aside: *mut u8,
    pub active: Mask,
    pub alive: Mask,
    pub stack: Vec<Mask>,
    /// Active blocks.
    pub low: usize,
    pub high: usize,
    /// No living lane is inactive.
    pub full: bool,
    pub pc: usize,
    /// Parts of the group that are put aside.
    pub others: Vec<Part>,
    /// The operation at which the part need not wait again.
    pub met: Option<usize>,
    pub spins: u32,
    pub rounds: u32,
    pub started: Instant,
    pub deadline: Duration,
    pub watch: Option<Watch>,
}

impl Machine<'_> {
    /// Takes over a set of active lanes.
    #[inline]
    pub fn activate(&mut self, active: Mask) {
        self.active = active;
        (self.low, self.high) = active.blocks(self.n_blocks);
        self.full = active == self.alive;
    }

    #[inline]
    pub fn row(&self, id: RowId) -> Row {
        self.rows[id as usize]
    }

    /// The first block of a row that takes part in a step.
    #[inline]
    pub fn operand(&self, id: RowId) -> (*const u8, usize) {
        let row = self.row(id);
        (row.at.wrapping_add(self.low * row.stride), row.stride)
    }

    /// The value of a lane.
    ///
    /// # Safety
    /// The row has lanes of `T`.
    #[inline]
    pub unsafe fn lane<T: Copy>(&self, id: RowId, lane: usize) -> T {
        let row = self.row(id);
        // SAFETY: the lane is one of the group's, so within the row.
        unsafe { *row.at.add(lane / BLOCK * row.stride).cast::<T>().add(lane % BLOCK) }
    }

    /// The bits of a lane.
    pub fn bits(&self, id: RowId, lane: usize, size: usize) -> u64 {
        // SAFETY: the caller has the size from the type of the row's registers.
        unsafe {
            match size {
                1 => u64::from(self.lane::<u8>(id, lane)),
                2 => u64::from(self.lane::<u16>(id, lane)),
                4 => u64::from(self.lane::<u32>(id, lane)),
                _ => self.lane::<u64>(id, lane),
            }
        }
    }

    /// Writes a lane; all lanes of a uniform row.
    pub fn set(&mut self, to: Write, lane: usize, bits: u64) {
        let row = self.row(to.row);
        let lanes = if to.uniform { 0..BLOCK } else { lane % BLOCK..lane % BLOCK + 1 };
        let at = row.at.wrapping_add(lane / BLOCK * row.stride);
        for lane in lanes {
            // SAFETY: the lane is within the row, whose lanes have this size.
            unsafe {
                match to.size {
                    1 => *at.add(lane) = bits as u8,
                    2 => *at.cast::<u16>().add(lane) = bits as u16,
                    4 => *at.cast::<u32>().add(lane) = bits as u32,
                    _ => *at.cast::<u64>().add(lane) = bits,
                }
            }
        }
    }

    /// Whether a uniform condition holds.
    fn holds(&self, condition: RowId) -> bool {
        // SAFETY: conditions are `bool`.
        unsafe { *self.row(condition).at != 0 }
    }

    /// The active lanes for which a condition holds.
    pub fn where_true(&self, condition: RowId) -> Mask {
        let row = self.row(condition);
        let mut chosen = Mask::default();
        for block in self.low..self.high {
            // SAFETY: conditions are `bool`; the block is within the row.
            let lanes = unsafe { &*row.at.add(block * row.stride).cast::<[u8; BLOCK]>() };
            chosen.0[block] = self.active.0[block] & pack(lanes);
        }
        chosen
    }

    /// Where a step writes: the place for its first block, how many blocks, and whether to call [`Self::place`] afterwards.
    #[inline]
    pub fn target(&self, dst: Write) -> (*mut u8, usize, bool) {
        let blocks = if dst.uniform { 1 } else { self.high - self.low };
        if dst.aliased || (dst.masked && !self.full) {
            return (self.aside, blocks, true);
        }
        let row = self.row(dst.row);
        (row.at.wrapping_add(self.low * row.stride), blocks, false)
    }

    /// Copies what a step made aside to where it belongs.
    pub fn place(&self, dst: Write, blocks: usize) {
        let (size, row) = (usize::from(dst.size), self.row(dst.row));
        let to = row.at.wrapping_add(self.low * row.stride);
        if !dst.masked || self.full {
            // SAFETY: both are rows with so many blocks, and distinct memory.
            return unsafe { std::ptr::copy_nonoverlapping(self.aside, to, blocks * BLOCK * size) };
        }
        let access = Access {
            row: to,
            row_stride: 0,
            offset: std::ptr::null(),
            stride: BLOCK * size,
            add: 0,
            base: self.aside,
            size: 0,
            mask: self.active.0[self.low..].as_ptr(),
            blocks,
        };
        // SAFETY: as above; the machine runs programs for levels that it has.
        unsafe { self.program.accesses.blend[size.trailing_zeros() as usize](&access) }
    }

    /// Runs until the lanes have done or cannot go on.
    pub fn run(&mut self) -> Pause {
        let program = self.program;
        loop {
            let step = &program.code[self.pc];
            if self.watch.is_some() {
                self.inspect(step);
            }
            self.pc += 1;
            match step {
                Code::Row { f, dst, args, n_args } => {
                    let (to, blocks, aside) = self.target(*dst);
                    let mut io = Io { dst: to, args: [std::ptr::null(); 3], strides: [0; 3], blocks };
                    for (i, arg) in args.iter().enumerate().take(usize::from(*n_args)) {
                        (io.args[i], io.strides[i]) = self.operand(*arg);
                    }
                    // SAFETY: the compiler chose the loop for the types of these rows, which have all of the group's
                    // blocks; a destination that is an operand is made aside.
                    unsafe { f(&io) };
                    if aside {
                        self.place(*dst, blocks);
                    }
                }
                Code::Evaluate { kind, dst, args } => self.evaluate(*kind, *dst, *args),
                Code::Attribute { attribute, component, dst } => {
                    self.attribute(*attribute, usize::from(*component), *dst);
                }
                Code::Load { object, offset, cell, dst, uniform, .. } => {
                    self.load(*object, *offset, *cell, *dst, *uniform);
                }
                Code::Store { object, offset, cell, values, uniform } => {
                    self.store(*object, *offset, *cell, *values, *uniform);
                }
                Code::Atomic { op, ty, object, offset, operands, dst } => {
                    self.atomic(*op, *ty, *object, *offset, *operands, *dst);
                }
                Code::Simd { op, ty, dst, args } => {
                    if program.splits && !self.others.is_empty() && self.met.take() != Some(self.pc) {
                        self.pc -= 1;
                        return Pause::Meet;
                    }
                    self.simd(*op, *ty, *dst, *args);
                }
                Code::Matrix { factor, sum, args, dst } => self.matrix(*factor, *sum, *args, *dst),
                Code::Barrier { .. } => {
                    // Without parts put aside, those that are not here are past or will come later: all that a group
                    // in step can do is to go on.
                    if !self.others.is_empty() && self.met.take() != Some(self.pc) {
                        self.pc -= 1;
                        return Pause::Barrier;
                    }
                }
                Code::Fence { .. } => std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst),
                Code::Fresh { .. } | Code::Undefined { .. } => {}
                Code::If { level, condition, otherwise } => {
                    let chosen = self.where_true(*condition);
                    let level = 2 * *level as usize;
                    self.stack[level] = self.active;
                    self.stack[level + 1] = self.active.without(&chosen);
                    self.activate(chosen);
                    if self.low == self.high {
                        self.pc = *otherwise as usize;
                    }
                }
                Code::Else { level, end } => {
                    self.activate(self.stack[2 * *level as usize + 1]);
                    if self.low == self.high {
                        self.pc = *end as usize;
                    }
                }
                Code::EndIf { level, next } | Code::Leave { level, next } => {
                    self.activate(self.stack[2 * *level as usize]);
                    if self.low == self.high {
                        self.pc = *next as usize;
                    }
                }
                Code::JumpUnless { condition, to } => {
                    if !self.holds(*condition) {
                        self.pc = *to as usize;
                    }
                }
                Code::Jump { to } => self.pc = *to as usize,
                Code::Enter { level } => self.stack[2 * *level as usize] = self.active,
                Code::Repeat { level, start, next, waits } => {
                    if self.low == self.high {
                        self.activate(self.stack[2 * *level as usize]);
                        if self.low == self.high {
                            self.pc = *next as usize;
                        }
                        continue;
                    }
                    self.rounds += 1;
                    if self.rounds.is_multiple_of(ROUNDS) && self.started.elapsed() > self.deadline {
                        self.pc -= 1;
                        return Pause::Late;
                    }
                    if *waits && self.spun() {
                        self.pc -= 1;
                        return Pause::Spin;
                    }
                    self.pc = *start as usize;
                }
                Code::Break { to_level, level, to } => {
                    for entry in *to_level + 1..*level {
                        self.strike(entry as usize);
                    }
                    self.activate(Mask::default());
                    self.pc = *to as usize;
                }
                Code::Return { level, to } => {
                    for entry in 0..*level {
                        self.strike(entry as usize);
                    }
                    self.alive = self.alive.without(&self.active);
                    self.activate(Mask::default());
                    self.pc = *to as usize;
                }
                Code::End => return Pause::End,
            }
        }
    }

    /// Active lanes do not come back at the end of a construct.
    fn strike(&mut self, level: usize) {
        self.stack[2 * level] = self.stack[2 * level].without(&self.active);
    }

    fn evaluate(&mut self, kind: holdall_msl::ir::OpKind, dst: Write, args: super::code::List) {
        let rows = &self.program.lists[args.start as usize..][..args.len as usize];
        let types = super::types::operands(kind);
        let only_first = Mask::first(1);
        let lanes = if dst.uniform { only_first } else { self.active };
        for lane in lanes.lanes() {
            let mut values = [holdall_msl::ir::Const::new(types[0], 0); 4];
            for ((value, row), ty) in values.iter_mut().zip(rows).zip(types) {
                *value =
                    holdall_msl::ir::Const { ty, bits: self.bits(*row, lane, super::rows::size_of_lane(ty)) };
            }
            if let Some(result) = fold::evaluate(kind, &values[..rows.len()]) {
                self.set(dst, lane, result.bits);
            }
        }
    }

    /// Where an object is.
    #[inline]
    pub fn place_of(&self, id: u32) -> Place {
        self.places.get(id as usize).copied().unwrap_or(NOWHERE)
    }

    /// The object of a lane's access.
    pub fn object_of(&self, object: Object, lane: usize) -> u32 {
        match object {
            Object::Known(id) => id,
            // SAFETY: objects are held as `u32`.
            Object::In(row) => unsafe { self.lane(row, lane) },
        }
    }

    /// Makes the machine ready for a group.
    pub fn begin(&mut self, group: [u32; 3]) {
        let Geometry { grid, nominal } = self.geometry;
        let size: [u32; 3] = std::array::from_fn(|i| nominal[i].min(grid[i] - group[i] * nominal[i]));
        self.group = group;
        if size != self.size {
            self.size = size;
            self.n_lanes = size.iter().product::<u32>() as usize;
            self.n_blocks = self.n_lanes.div_ceil(BLOCK);
            let [w, h, _] = size;
            for lane in 0..(self.n_blocks * BLOCK) as u32 {
                let position = [lane % w, lane / w % h, lane / (w * h)];
                for (row, x) in self.local.iter().zip(position) {
                    // SAFETY: the rows have the group's blocks.
                    unsafe { *row.at.cast::<u32>().add(lane as usize) = x };
                }
            }
        }
        self.alive = Mask::first(self.n_lanes);
        self.activate(self.alive);
        self.pc = 0;
        self.others.clear();
        self.met = None;
        (self.spins, self.rounds) = (0, 0);
    }

    /// The position in the grid of a lane.
    pub fn position(&self, lane: usize) -> [u32; 3] {
        let [w, h, _] = self.size;
        let lane = lane as u32;
        let local = [lane % w, lane / w % h, lane / (w * h)];
        std::array::from_fn(|i| self.group[i] * self.geometry.nominal[i] + local[i])
    }
}
