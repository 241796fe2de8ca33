//! Host memory as a driver.

use std::sync::OnceLock;

#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::{MmapMut, MmapOptions};

use crate::block::{Driver, RawBlock};
use crate::error::OutOfMemory;
use crate::sync::{Arc, Mutex};

const PAGE: usize = 4096;
/// From here on a block is a mapping of its own.
const MAP_BYTES: usize = 1 << 20;
/// Smaller blocks are cut from regions of this size.
const REGION_BYTES: usize = 32 << 20;
/// Where and how large huge pages are.
const HUGE_BYTES: usize = 2 << 20;

/// Memory of the host, for the CPU backend and for simulated devices. All of it is zeroed when it comes from the system.
///
/// Blocks begin at a page. Those of 1 MiB and more are mappings of their own, others are cut from regions. The system
/// is asked for huge pages in both: streaming through a model's weights, a few hundred KB each, is 10% faster on them.
/// Memory goes back to the system when its block is released, the addresses of a region with its last block.
#[derive(Debug)]
pub struct HostDriver {
    current: Mutex<Option<Current>>,
}

/// The region that blocks are being cut from.
#[derive(Debug)]
struct Current {
    region: Arc<Region>,
    used: usize,
}

/// Addresses that blocks share. Each part is given out once.
#[derive(Debug)]
struct Region {
    map: MmapMut,
    /// Where the first huge page begins.
    start: usize,
}

/// What keeps a block's memory.
enum Handle {
    Map {
        _map: MmapMut,
    },
    /// A part of a region, by its offset in the mapping.
    Part(Arc<Region>, usize),
}

impl HostDriver {
    /// A driver over the host's memory.
    pub fn new() -> Self {
        Self { current: Mutex::new(None) }
    }

    fn cut(&self, bytes: usize) -> Result<RawBlock, OutOfMemory> {
        let mut current = self.current.lock();
        if current.as_ref().is_none_or(|c| c.used + bytes > REGION_BYTES) {
            let (map, start) = map(REGION_BYTES)?;
            *current = Some(Current { region: Arc::new(Region { map, start }), used: 0 });
        }
        let Some(Current { region, used }) = &mut *current else { return Err(OutOfMemory) };
        let at = region.start + *used;
        *used += bytes;
        // The mapping is written through addresses of its blocks only, never through `map` itself.
        let address = region.map.as_ptr().cast_mut().wrapping_add(at);
        Ok(RawBlock { address, bytes, handle: Handle::Part(region.clone(), at).into_raw() })
    }
}

impl Default for HostDriver {
    fn default() -> Self {
        Self::new()
    }
}

impl Handle {
    fn into_raw(self) -> u64 {
        Box::into_raw(Box::new(self)).expose_provenance() as u64
    }
}

/// A mapping with room for `bytes`, and where they begin: at a huge page if one fits.
fn map(bytes: usize) -> Result<(MmapMut, usize), OutOfMemory> {
    // Pages that are never touched cost nothing.
    let slack = if bytes >= HUGE_BYTES { HUGE_BYTES - PAGE } else { 0 };
    let len = bytes.checked_add(slack).ok_or(OutOfMemory)?;
    let map = MmapOptions::new().len(len).map_anon().map_err(|_| OutOfMemory)?;
    let start = if slack == 0 { 0 } else { map.as_ptr().align_offset(HUGE_BYTES).min(slack) };
    advise(&map, start, bytes);
    Ok((map, start))
}

/// Asks for huge pages where they fit and for none in the rest. Only speed depends on the answer.
#[cfg(target_os = "linux")]
fn advise(map: &MmapMut, start: usize, bytes: usize) {
    let huge = bytes / HUGE_BYTES * HUGE_BYTES;
    if huge > 0 {
        let _ = map.advise_range(Advice::HugePage, start, huge);
        let rest = map.len() - start - huge;
        let _ = map.advise_range(Advice::NoHugePage, start + huge, rest);
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_map: &MmapMut, _start: usize, _bytes: usize) {}

/// Gives the system the memory of a part of a mapping, which keeps its addresses.
///
/// # Safety
/// Nobody reads the part's bytes any more.
#[cfg(unix)]
unsafe fn give_back(map: &MmapMut, start: usize, bytes: usize) {
    // SAFETY: the caller's promise; that the system refuses costs nothing but the memory.
    let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, bytes) };
}

#[cfg(not(unix))]
unsafe fn give_back(_map: &MmapMut, _start: usize, _bytes: usize) {}

// SAFETY: each block is a mapping of its own or a part of a region that nothing else was or will be given, zeroed, of
// the size and alignment promised, and lives until `release`.
unsafe impl Driver for HostDriver {
    fn allocate(&self, bytes: usize) -> Result<RawBlock, OutOfMemory> {
        let bytes = bytes.max(1).checked_next_multiple_of(PAGE).ok_or(OutOfMemory)?;
        if bytes < MAP_BYTES {
            return self.cut(bytes);
        }
        let (mut map, start) = map(bytes)?;
        let address = map.as_mut_ptr().wrapping_add(start);
        Ok(RawBlock { address, bytes, handle: Handle::Map { _map: map }.into_raw() })
    }

    unsafe fn release(&self, block: RawBlock) {
        let handle = std::ptr::with_exposed_provenance_mut::<Handle>(block.handle as usize);
        // SAFETY: the caller promises that the block came from `allocate`, where the handle was made of a box, and
        // that it is released once.
        let handle = unsafe { Box::from_raw(handle) };
        if let Handle::Part(region, at) = *handle {
            // SAFETY: these pages are the block's alone, whose content nobody wants any more, and are not given out
            // again.
            unsafe { give_back(&region.map, at, block.bytes) };
        }
    }

    fn total_bytes(&self) -> Option<usize> {
        static TOTAL: OnceLock<Option<usize>> = OnceLock::new();
        *TOTAL.get_or_init(system_bytes)
    }

    fn page_bytes(&self) -> usize {
        PAGE
    }

    fn host_addressable(&self) -> bool {
        true
    }
}

/// The memory that this process may use: the machine's, or less if a control group says so.
#[cfg(target_os = "linux")]
fn system_bytes() -> Option<usize> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let total = line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)?;
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit =
        limits.iter().find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<usize>().ok());
    Some(limit.map_or(total, |limit| limit.min(total)))
}

#[cfg(not(target_os = "linux"))]
fn system_bytes() -> Option<usize> {
    None
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_zeroed_and_writable() {
        let driver = HostDriver::new();
        for bytes in [1, 64, 4095, 4096, 65_536, MAP_BYTES - 1, MAP_BYTES, HUGE_BYTES, HUGE_BYTES + 4096] {
            let block = driver.allocate(bytes).unwrap();
            assert!(block.bytes >= bytes);
            let align = if bytes >= HUGE_BYTES { HUGE_BYTES } else { PAGE };
            assert_eq!(block.address.addr() % align, 0, "{bytes} bytes");
            // SAFETY: the block was just allocated with this size, zeroed, and is ours.
            let slice = unsafe { std::slice::from_raw_parts_mut(block.address, bytes) };
            assert!(slice.iter().all(|&byte| byte == 0));
            slice.fill(7);
            // SAFETY: the block came from this driver, and the slice is not used any more.
            unsafe { driver.release(block) };
        }
    }

    #[test]
    fn blocks_of_a_region_do_not_overlap_and_outlive_each_other() {
        let driver = HostDriver::new();
        // More than one region holds.
        let blocks: Vec<RawBlock> =
            (0..100).map(|i| driver.allocate((i % 9 + 1) * 100_000).unwrap()).collect();
        let bytes = |block: &RawBlock| {
            // SAFETY: the block was allocated with this size, zeroed, and is ours until it is released below.
            unsafe { std::slice::from_raw_parts_mut(block.address, block.bytes) }
        };
        blocks.iter().enumerate().for_each(|(i, block)| bytes(block).fill(i as u8 + 1));
        let mut kept = Vec::new();
        for (i, block) in blocks.into_iter().enumerate() {
            if i % 3 == 0 {
                kept.push((i, block));
            } else {
                // SAFETY: the block came from this driver, and its slice is not used any more.
                unsafe { driver.release(block) };
            }
        }
        drop(driver);
        assert!(kept.iter().all(|(i, block)| bytes(block).iter().all(|&byte| byte == *i as u8 + 1)));
        let driver = HostDriver::new();
        for (_, block) in kept {
            // SAFETY: the block came from a driver of this type, whose blocks need nothing of it.
            unsafe { driver.release(block) };
        }
    }

    #[test]
    fn absurd_sizes_are_refused() {
        assert_eq!(HostDriver::new().allocate(usize::MAX), Err(OutOfMemory));
        assert_eq!(HostDriver::new().allocate(1 << 55), Err(OutOfMemory));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_machine_has_some_memory() {
        assert!(HostDriver::new().total_bytes().is_some_and(|bytes| bytes > 1 << 26));
    }
}
