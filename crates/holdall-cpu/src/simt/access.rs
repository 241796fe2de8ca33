//! Loops that move rows to and from plain memory.

use super::rows::{BLOCK, Lane};
use crate::isa::Isa;

/// Where an access goes.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// The row of values.
    pub row: *mut u8,
    /// Bytes from a block of values to the next.
    pub row_stride: usize,
    /// The row of offsets, `i64`, and bytes from a block to the next: 0 if they are all the same.
    pub offset: *const u8,
    /// See `offset`.
    pub stride: usize,
    /// Added to each offset.
    pub add: i64,
    /// The object.
    pub base: *mut u8,
    /// Bytes of the object.
    pub size: usize,
    /// Active lanes of each block.
    pub mask: *const u32,
    /// How many blocks.
    pub blocks: usize,
}

/// An access of all active lanes. Lanes beyond the object load 0 and store nothing; inactive lanes keep what they have.
///
/// # Safety
/// The object has `size` bytes at `base`; rows and mask have so many blocks; the machine has the vector level.
pub type AccessFn = unsafe fn(&Access);

macro_rules! for_isa {
    ($isa:expr, $size:expr, $body:ident) => {
        match $size {
            1 => for_isa!(@ $isa, $body::<u8>),
            2 => for_isa!(@ $isa, $body::<u16>),
            4 => for_isa!(@ $isa, $body::<u32>),
            _ => for_isa!(@ $isa, $body::<u64>),
        }
    };
    (@ $isa:expr, $body:path) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
        unsafe fn avx512(access: &Access) {
            // SAFETY: passed on to the caller.
            unsafe { $body(access) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn avx2(access: &Access) {
            // SAFETY: passed on to the caller.
            unsafe { $body(access) }
        }
        unsafe fn portable(access: &Access) {
            // SAFETY: passed on to the caller.
            unsafe { $body(access) }
        }
        match $isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512 as AccessFn,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2 as AccessFn,
            _ => portable as AccessFn,
        }
    }};
}

/// The loop that loads cells of a size.
fn load(isa: Isa, size: usize) -> AccessFn {
    for_isa!(isa, size, load_rows)
}

/// The loop that stores cells of a size.
fn store(isa: Isa, size: usize) -> AccessFn {
    for_isa!(isa, size, store_rows)
}

/// The loop that copies the active lanes of a row aside (`base`) to a row.
fn blend(isa: Isa, size: usize) -> AccessFn {
    for_isa!(isa, size, blend_rows)
}

/// What the lanes of a block do together.
enum Pattern {
    /// Neighbours access neighbours: the byte at which lane 0 is or would be.
    Run(usize),
    /// Anything else.
    Any,
}

/// The pattern of a block's offsets, which `add` is not part of. A run is within the object.
#[inline(always)]
fn pattern<T: Lane>(a: &Access, offsets: &[i64; BLOCK], mask: u32) -> Pattern {
    let first = mask.trailing_zeros();
    let last = 31 - mask.leading_zeros();
    let start = offsets[first as usize].wrapping_sub(i64::from(first) * size_of::<T>() as i64);
    let mut wrong = 0;
    if mask == u32::MAX {
        for (i, offset) in offsets.iter().enumerate() {
            wrong |= offset ^ start.wrapping_add((i * size_of::<T>()) as i64);
        }
    } else if (mask >> first).wrapping_add(1) & (mask >> first) == 0 {
        for (i, offset) in offsets.iter().enumerate() {
            let differs = offset ^ start.wrapping_add((i * size_of::<T>()) as i64);
            wrong |= if mask >> i & 1 != 0 { differs } else { 0 };
        }
    } else {
        return Pattern::Any;
    }
    let from = start.wrapping_add(a.add).wrapping_add(i64::from(first) * size_of::<T>() as i64);
    let bytes = (last - first + 1) as usize * size_of::<T>();
    let within = from >= 0 && bytes <= a.size && from as u64 <= (a.size - bytes) as u64;
    if wrong == 0 && within { Pattern::Run(from as usize) } else { Pattern::Any }
}

#[inline(always)]
unsafe fn load_rows<T: Lane>(a: &Access) {
    // An object smaller than a cell has no place that could be read: `None`.
    let last = (a.size as u64).checked_sub(size_of::<T>() as u64);
    for block in 0..a.blocks {
        // SAFETY: the contract of `AccessFn`; every address is checked against the object.
        unsafe {
            let mask = *a.mask.add(block);
            if mask == 0 {
                continue;
            }
            let row = a.row.add(block * a.row_stride).cast::<T>();
            let offsets = &*a.offset.add(block * a.stride).cast::<[i64; BLOCK]>();
            let Some(last) = last else {
                for i in 0..BLOCK {
                    if mask >> i & 1 != 0 {
                        *row.add(i) = T::default();
                    }
                }
                continue;
            };
            if a.stride == 0 {
                let at = offsets[0].wrapping_add(a.add) as u64;
                let value = if at <= last {
                    a.base.add(at as usize).cast::<T>().read_unaligned()
                } else {
                    T::default()
                };
                if mask == u32::MAX {
                    *row.cast::<[T; BLOCK]>() = [value; BLOCK];
                    continue;
                }
                for i in 0..BLOCK {
                    if mask >> i & 1 != 0 {
                        *row.add(i) = value;
                    }
                }
                continue;
            }
            if let Pattern::Run(from) = pattern::<T>(a, offsets, mask) {
                let from = a.base.add(from).cast::<T>();
                if mask == u32::MAX {
                    *row.cast::<[T; BLOCK]>() = from.cast::<[T; BLOCK]>().read_unaligned();
                } else {
                    let (first, n) = (mask.trailing_zeros() as usize, mask.count_ones() as usize);
                    std::ptr::copy_nonoverlapping(
                        from.cast::<u8>(),
                        row.add(first).cast(),
                        n * size_of::<T>(),
                    );
                }
                continue;
            }
            if mask == u32::MAX {
                for (i, offset) in offsets.iter().enumerate() {
                    let at = offset.wrapping_add(a.add) as u64;
                    let inside = at <= last;
                    let value = a.base.add(if inside { at as usize } else { 0 }).cast::<T>().read_unaligned();
                    *row.add(i) = if inside { value } else { T::default() };
                }
                continue;
            }
            let mut rest = mask;
            while rest != 0 {
                let i = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                let at = offsets[i].wrapping_add(a.add) as u64;
                *row.add(i) = if at <= last {
                    a.base.add(at as usize).cast::<T>().read_unaligned()
                } else {
                    T::default()
                };
            }
        }
    }
}

#[inline(always)]
unsafe fn store_rows<T: Lane>(a: &Access) {
    let Some(last) = (a.size as u64).checked_sub(size_of::<T>() as u64) else { return };
    for block in 0..a.blocks {
        // SAFETY: the contract of `AccessFn`; every address is checked against the object.
        unsafe {
            let mask = *a.mask.add(block);
            if mask == 0 {
                continue;
            }
            let row = a.row.add(block * a.row_stride).cast::<T>();
            let offsets = &*a.offset.add(block * a.stride).cast::<[i64; BLOCK]>();
            if a.stride == 0 {
                // The last lane's value stays.
                let at = offsets[0].wrapping_add(a.add) as u64;
                if at <= last {
                    let value = *row.add(31 - mask.leading_zeros() as usize);
                    a.base.add(at as usize).cast::<T>().write_unaligned(value);
                }
                continue;
            }
            if let Pattern::Run(to) = pattern::<T>(a, offsets, mask) {
                let to = a.base.add(to).cast::<T>();
                if mask == u32::MAX {
                    to.cast::<[T; BLOCK]>().write_unaligned(*row.cast::<[T; BLOCK]>());
                } else {
                    let (first, n) = (mask.trailing_zeros() as usize, mask.count_ones() as usize);
                    std::ptr::copy_nonoverlapping(row.add(first).cast::<u8>(), to.cast(), n * size_of::<T>());
                }
                continue;
            }
            let mut rest = mask;
            while rest != 0 {
                let i = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                let at = offsets[i].wrapping_add(a.add) as u64;
                if at <= last {
                    a.base.add(at as usize).cast::<T>().write_unaligned(*row.add(i));
                }
            }
        }
    }
}

#[inline(always)]
fn blend_block<T: Lane>(to: &mut [T; BLOCK], from: &[T; BLOCK], mask: u32) {
    for i in 0..BLOCK {
        to[i] = if mask >> i & 1 != 0 { from[i] } else { to[i] };
    }
}

#[inline(always)]
unsafe fn blend_rows<T: Lane>(a: &Access) {
    for block in 0..a.blocks {
        // SAFETY: the contract of `AccessFn`: `base` is a row, too.
        unsafe {
            let to = &mut *a.row.cast::<[T; BLOCK]>().add(block);
            blend_block(to, &*a.base.add(block * a.stride).cast::<[T; BLOCK]>(), *a.mask.add(block));
        }
    }
}

/// The loops of a vector level.
#[derive(Clone, Copy, Debug)]
pub struct Accesses {
    /// For cells of 1, 2, 4, 8 bytes.
    pub load: [AccessFn; 4],
    /// As `load`.
    pub store: [AccessFn; 4],
    /// As `load`.
    pub blend: [AccessFn; 4],
}

impl Accesses {
    /// Chooses them.
    pub fn new(isa: Isa) -> Self {
        let sizes = [1, 2, 4, 8];
        Self {
            load: sizes.map(|size| load(isa, size)),
            store: sizes.map(|size| store(isa, size)),
            blend: sizes.map(|size| blend(isa, size)),
        }
    }
}
