//! Host memory as a driver.

use std::alloc::{self, Layout};
use std::sync::OnceLock;

use memmap2::{Advice, MmapMut, MmapOptions};

use crate::block::{Driver, RawBlock};
use crate::error::OutOfMemory;

const PAGE: usize = 4096;
/// From here on a block is a mapping of its own, which goes back to the system when it is released.
const MAP_BYTES: usize = 1 << 20;
/// From here on a mapping begins where a huge page can.
const HUGE_BYTES: usize = 2 << 20;
/// Smaller blocks begin at a cache line, all others at a page.
const LINE: usize = 64;

/// Memory of the host, for the CPU backend and for simulated devices. All of it is zeroed when it comes from the system.
///
/// Blocks of 1 MiB and more are mappings of their own; from 2 MiB on they are aligned to 2 MiB and the system is asked
/// for huge pages.
#[derive(Debug, Default)]
pub struct HostDriver {
    _private: (),
}

impl HostDriver {
    /// A driver over the host's memory.
    pub fn new() -> Self {
        Self::default()
    }

    fn layout(bytes: usize) -> Result<Layout, OutOfMemory> {
        let align = if bytes < PAGE { LINE } else { PAGE };
        Layout::from_size_align(bytes, align).map_err(|_| OutOfMemory)
    }

    fn map(bytes: usize) -> Result<RawBlock, OutOfMemory> {
        // Room to begin at a multiple of 2 MiB; pages that are never touched cost nothing.
        let slack = if bytes >= HUGE_BYTES { HUGE_BYTES - PAGE } else { 0 };
        let len = bytes.checked_add(slack).ok_or(OutOfMemory)?;
        let mut map = Box::new(MmapOptions::new().len(len).map_anon().map_err(|_| OutOfMemory)?);
        let skip = if slack == 0 { 0 } else { map.as_ptr().align_offset(HUGE_BYTES).min(slack) };
        advise(&map, skip, bytes);
        let address = map.as_mut_ptr().wrapping_add(skip);
        Ok(RawBlock { address, bytes, handle: Box::into_raw(map).expose_provenance() as u64 })
    }
}

/// Asks for huge pages where they fit and for none in the rest. Only speed depends on the answer.
#[cfg(target_os = "linux")]
fn advise(map: &MmapMut, skip: usize, bytes: usize) {
    let huge = bytes / HUGE_BYTES * HUGE_BYTES;
    if huge > 0 {
        let _ = map.advise_range(Advice::HugePage, skip, huge);
        let rest = map.len() - skip - huge;
        let _ = map.advise_range(Advice::NoHugePage, skip + huge, rest);
    }
}

#[cfg(not(target_os = "linux"))]
fn advise(_map: &MmapMut, _skip: usize, _bytes: usize) {}

// SAFETY: each block is an allocation or a mapping of its own, zeroed, of the size and alignment promised, and lives
// until `release`.
unsafe impl Driver for HostDriver {
    fn allocate(&self, bytes: usize) -> Result<RawBlock, OutOfMemory> {
        if bytes >= MAP_BYTES {
            return Self::map(bytes);
        }
        let bytes = bytes.max(1);
        // SAFETY: the size is not zero.
        let address = unsafe { alloc::alloc_zeroed(Self::layout(bytes)?) };
        if address.is_null() { Err(OutOfMemory) } else { Ok(RawBlock { address, bytes, handle: 0 }) }
    }

    unsafe fn release(&self, block: RawBlock) {
        if block.handle != 0 {
            let map = std::ptr::with_exposed_provenance_mut::<MmapMut>(block.handle as usize);
            // SAFETY: the caller promises that the block came from `allocate`, where the handle was made of a box, and
            // that it is released once.
            drop(unsafe { Box::from_raw(map) });
        } else if let Ok(layout) = Self::layout(block.bytes) {
            // SAFETY: `allocate` allocated the address with this layout, and the caller no longer uses it.
            unsafe { alloc::dealloc(block.address, layout) };
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
            let align = match bytes {
                HUGE_BYTES.. => HUGE_BYTES,
                PAGE.. => PAGE,
                _ => LINE,
            };
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
