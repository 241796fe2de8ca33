//! Loads, stores and atomic operations.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use holdall_msl::Scalar;
use holdall_msl::ir::{Atomic, Binary, Cell, Const, OpKind, fold};

use super::access::{Access, AccessFn};
use super::code::{List, Object, RowId};
use super::machine::{Machine, Place};
use super::mask::Mask;
use super::rows::BLOCK;

/// The low bits of a pointer in memory are its offset, the others its object.
const OFFSET_BITS: u32 = 40;

/// Objects of null pointers, as they are in memory.
const NULL_IN_MEMORY: u64 = 0xff_ffff;

impl Machine<'_> {
    /// The row of offsets, its stride, and whether all lanes have the same.
    fn offsets(&self, offset: RowId) -> (*const u8, usize) {
        self.operand(offset)
    }

    fn uniform_offset(&self, offset: RowId) -> Option<i64> {
        let row = self.row(offset);
        // SAFETY: offsets are `i64`.
        (row.stride == 0).then(|| unsafe { *row.at.cast::<i64>() })
    }

    /// Runs a loop of accesses over all active lanes.
    fn access(
        &self,
        f: AccessFn,
        place: Place,
        offset: RowId,
        add: i64,
        row: *mut u8,
        row_stride: usize,
        one: bool,
    ) {
        let (offsets, stride) = self.offsets(offset);
        let one_lane = Mask([u32::MAX; Mask::WORDS]);
        let access = Access {
            row,
            row_stride,
            offset: offsets,
            stride,
            add,
            base: place.base,
            size: place.size,
            mask: if one { one_lane.0.as_ptr() } else { self.active.0[self.low..].as_ptr() },
            blocks: if one { 1 } else { self.high - self.low },
        };
        // SAFETY: places hold what the launch bound; rows have the group's blocks.
        unsafe { f(&access) }
    }

    /// Loads cells for the active lanes.
    pub fn load(&mut self, object: Object, offset: RowId, cell: Cell, dst: List, uniform: bool) {
        let program = self.program;
        let dst = &program.writes[dst.start as usize..][..dst.len as usize];
        let size = cell.size() as usize;
        let place = match object {
            Object::Known(id) => Some(self.place_of(id)),
            Object::In(_) => None,
        };
        let simple = cell != Cell::Pointer && dst.iter().all(|dst| !dst.aliased);
        if let Some(place) = place.filter(|place| place.granule == 0 && simple) {
            let f = program.accesses.load[size.trailing_zeros() as usize];
            for (i, to) in dst.iter().enumerate() {
                let row = self.row(to.row);
                let at = row.at.wrapping_add(self.low * row.stride);
                self.access(f, place, offset, (i * size) as i64, at, row.stride, uniform);
            }
            return;
        }
        if let Some(place) = place.filter(|place| place.granule == size && simple)
            && let Some(at) = self.uniform_offset(offset)
            && at.rem_euclid(size as i64) == 0
        {
            for (i, to) in dst.iter().enumerate() {
                let from = self.private_row(place, at.wrapping_add((i * size) as i64));
                self.copy_lanes(self.row(to.row).at, from, size);
            }
            return;
        }
        for lane in self.active.lanes() {
            let id = self.object_of(object, lane);
            // SAFETY: offsets are `i64`.
            let at: i64 = unsafe { self.lane(offset, lane) };
            for i in 0..dst.len() / cell.n_registers() {
                let bits = self.peek(id, lane, at.wrapping_add((i * size) as i64), size);
                if cell == Cell::Pointer {
                    let id = bits >> OFFSET_BITS;
                    let id = if id == NULL_IN_MEMORY { u64::from(u32::MAX) } else { id };
                    let unused = 64 - OFFSET_BITS;
                    self.set(dst[2 * i], lane, id);
                    self.set(dst[2 * i + 1], lane, (((bits << unused) as i64) >> unused) as u64);
                } else {
                    self.set(dst[i], lane, bits);
                }
            }
        }
    }

    /// Stores cells of the active lanes.
    pub fn store(&mut self, object: Object, offset: RowId, cell: Cell, values: List, uniform: bool) {
        let program = self.program;
        let values = &program.lists[values.start as usize..][..values.len as usize];
        let size = cell.size() as usize;
        let place = match object {
            Object::Known(id) => Some(self.place_of(id)),
            Object::In(_) => None,
        };
        if let Some(place) = place.filter(|place| place.granule == 0 && cell != Cell::Pointer) {
            if !place.writable {
                return;
            }
            let f = program.accesses.store[size.trailing_zeros() as usize];
            for (i, value) in values.iter().enumerate() {
                let (row, stride) = self.operand(*value);
                self.access(f, place, offset, (i * size) as i64, row.cast_mut(), stride, uniform);
            }
            return;
        }
        if let Some(place) = place.filter(|place| place.granule == size && cell != Cell::Pointer)
            && let Some(at) = self.uniform_offset(offset)
            && at.rem_euclid(size as i64) == 0
        {
            for (i, value) in values.iter().enumerate() {
                let row = self.row(*value);
                if let Some(to) = self.private_row(place, at.wrapping_add((i * size) as i64)) {
                    self.copy_blocks(to, row.at, row.stride, size);
                }
            }
            return;
        }
        for lane in self.active.lanes() {
            let id = self.object_of(object, lane);
            // SAFETY: offsets are `i64`.
            let at: i64 = unsafe { self.lane(offset, lane) };
            for i in 0..values.len() / cell.n_registers() {
                let bits = if cell == Cell::Pointer {
                    let id = self.bits(values[2 * i], lane, 4) & NULL_IN_MEMORY;
                    let offset = self.bits(values[2 * i + 1], lane, 8);
                    id << OFFSET_BITS | (offset & ((1 << OFFSET_BITS) - 1))
                } else {
                    self.bits(values[i], lane, size)
                };
                self.poke(id, lane, at.wrapping_add((i * size) as i64), size, bits);
            }
        }
    }

    /// The row that holds a granule of each lane's own memory.
    fn private_row(&self, place: Place, at: i64) -> Option<*mut u8> {
        let within = at >= 0 && (at as u64).saturating_add(place.granule as u64) <= place.size as u64;
        within.then(|| place.base.wrapping_add(at as usize * self.capacity))
    }

    /// Copies the active lanes of a row, or zeros, to a row.
    fn copy_lanes(&self, to: *mut u8, from: Option<*mut u8>, size: usize) {
        match from {
            Some(from) => self.copy_blocks(to, from, BLOCK * size, size),
            None => {
                for lane in self.active.lanes() {
                    // SAFETY: the lane is within the row.
                    unsafe { std::ptr::write_bytes(to.add(lane * size), 0, size) };
                }
            }
        }
    }

    fn copy_blocks(&self, to: *mut u8, from: *const u8, stride: usize, size: usize) {
        let low = self.low;
        let to = to.wrapping_add(low * BLOCK * size);
        let from = from.wrapping_add(low * stride);
        if self.full && stride != 0 {
            // SAFETY: both are rows with the group's blocks; a register and memory do not overlap.
            return unsafe { std::ptr::copy_nonoverlapping(from, to, (self.high - low) * BLOCK * size) };
        }
        let access = Access {
            row: to,
            row_stride: 0,
            offset: std::ptr::null(),
            stride,
            add: 0,
            base: from.cast_mut(),
            size: 0,
            mask: self.active.0[low..].as_ptr(),
            blocks: self.high - low,
        };
        // SAFETY: as above.
        unsafe { self.program.accesses.blend[size.trailing_zeros() as usize](&access) }
    }

    /// The address of a byte of an object, for a lane.
    #[inline]
    pub fn address(&self, place: Place, lane: usize, at: usize) -> *mut u8 {
        match place.granule {
            0 => place.base.wrapping_add(at),
            g => place.base.wrapping_add(at / g * g * self.capacity + lane * g + at % g),
        }
    }

    /// The bits of a cell; 0 beyond the object.
    pub fn peek(&self, id: u32, lane: usize, at: i64, size: usize) -> u64 {
        let place = self.place_of(id);
        if at < 0 || (at as u64).saturating_add(size as u64) > place.size as u64 {
            return 0;
        }
        let mut bytes = [0; 8];
        for (i, byte) in bytes.iter_mut().enumerate().take(size) {
            // SAFETY: the byte is within the object.
            *byte = unsafe { *self.address(place, lane, at as usize + i) };
        }
        u64::from_le_bytes(bytes)
    }

    /// Writes a cell; nothing beyond the object.
    pub fn poke(&self, id: u32, lane: usize, at: i64, size: usize, bits: u64) {
        let place = self.place_of(id);
        if !place.writable || at < 0 || (at as u64).saturating_add(size as u64) > place.size as u64 {
            return;
        }
        for (i, byte) in bits.to_le_bytes().iter().enumerate().take(size) {
            // SAFETY: the byte is within the object.
            unsafe { *self.address(place, lane, at as usize + i) = *byte };
        }
    }

    /// Atomic operations of the active lanes, in their order.
    pub fn atomic(
        &mut self,
        op: Atomic,
        ty: Scalar,
        object: Object,
        offset: RowId,
        operands: List,
        dst: List,
    ) {
        let program = self.program;
        let dst = &program.writes[dst.start as usize..][..dst.len as usize];
        let operands = &program.lists[operands.start as usize..][..operands.len as usize];
        let size = ty.size() as usize;
        for lane in self.active.lanes() {
            let id = self.object_of(object, lane);
            // SAFETY: offsets are `i64`.
            let at: i64 = unsafe { self.lane(offset, lane) };
            let mut values = [0; 2];
            for (value, row) in values.iter_mut().zip(operands) {
                *value = self.bits(*row, lane, size);
            }
            let place = self.place_of(id);
            let inside = at >= 0 && (at as u64).saturating_add(size as u64) <= place.size as u64;
            let (old, exchanged) = if !inside || (!place.writable && op != Atomic::Load) {
                (0, false)
            } else if place.shared {
                let address = self.address(place, lane, at as usize);
                if address.align_offset(size) != 0 {
                    (0, false)
                } else {
                    // SAFETY: the cell is within the object and aligned; all groups use it atomically, or race.
                    unsafe { shared(op, ty, address, values) }
                }
            } else {
                let old = self.peek(id, lane, at, size);
                let new = replacement(op, ty, old, values);
                if let Some(new) = new {
                    self.poke(id, lane, at, size, new);
                }
                (old, new.is_some())
            };
            if let Some(to) = dst.first() {
                self.set(*to, lane, old);
            }
            if let Some(to) = dst.get(1) {
                self.set(*to, lane, u64::from(exchanged));
            }
        }
    }
}

/// What an atomic operation puts in place of a value.
pub fn replacement(op: Atomic, ty: Scalar, old: u64, values: [u64; 2]) -> Option<u64> {
    let binary = match op {
        Atomic::Load => return None,
        Atomic::Store | Atomic::Exchange => return Some(values[0]),
        Atomic::CompareExchange => return (old == values[0]).then_some(values[1]),
        Atomic::Add => Binary::Add,
        Atomic::Subtract => Binary::Subtract,
        Atomic::Min => Binary::Min,
        Atomic::Max => Binary::Max,
        Atomic::And => Binary::And,
        Atomic::Or => Binary::Or,
        Atomic::Xor => Binary::Xor,
    };
    if ty == Scalar::F32 && op == Atomic::Add {
        // By far the most frequent one.
        let sum = f32::from_bits(old as u32) + f32::from_bits(values[0] as u32);
        return Some(u64::from(sum.to_bits()));
    }
    let (old, value) = (Const { ty, bits: old }, Const { ty, bits: values[0] });
    fold::evaluate(OpKind::Binary(binary, ty), &[old, value]).map(|new| new.bits)
}

/// An operation on memory that other cores use.
///
/// # Safety
/// The address is aligned and valid for the type.
unsafe fn shared(op: Atomic, ty: Scalar, at: *mut u8, values: [u64; 2]) -> (u64, bool) {
    macro_rules! by_size {
        ($atomic:ty, $t:ty) => {{
            // SAFETY: the caller's; whoever else uses the cell does so atomically, or the kernel races.
            let cell = unsafe { <$atomic>::from_ptr(at.cast()) };
            if op == Atomic::Load {
                return (u64::from(cell.load(Ordering::SeqCst)), false);
            }
            let integer = ty != Scalar::F32;
            let value = values[0] as $t;
            match op {
                Atomic::Add if integer => return (u64::from(cell.fetch_add(value, Ordering::SeqCst)), true),
                Atomic::Or => return (u64::from(cell.fetch_or(value, Ordering::SeqCst)), true),
                Atomic::Exchange => return (u64::from(cell.swap(value, Ordering::SeqCst)), true),
                _ => {}
            }
            let update = |old: $t| replacement(op, ty, u64::from(old), values).map(|new| new as $t);
            match cell.fetch_update(Ordering::SeqCst, Ordering::SeqCst, update) {
                Ok(old) => (u64::from(old), true),
                Err(old) => (u64::from(old), false),
            }
        }};
    }
    match ty.size() {
        1 => by_size!(std::sync::atomic::AtomicU8, u8),
        2 => by_size!(std::sync::atomic::AtomicU16, u16),
        4 => by_size!(AtomicU32, u32),
        _ => by_size!(AtomicU64, u64),
    }
}
