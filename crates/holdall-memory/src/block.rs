//! Blocks of device memory, and the driver that they come from.

use std::fmt;

use crate::error::OutOfMemory;
use crate::queue::{Access, Bound};
use crate::stamps::StampSet;
use crate::sync::AtomicU64;
use crate::tick::Stamp;

/// The name of a block for hazard tracking: two bindings touch the same memory iff their blocks are equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BlockId(pub(crate) u64);

impl BlockId {
    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// An allocation as the driver gave it.
#[derive(Debug, PartialEq, Eq)]
pub struct RawBlock {
    /// The first byte, as the device addresses it. May be null where a device has handles only.
    pub address: *mut u8,
    /// The size, at least what was asked for.
    pub bytes: usize,
    /// Whatever the driver needs to find the allocation again.
    pub handle: u64,
}

// SAFETY: an address and two numbers; `Driver` is what gives them a meaning, and it is Sync.
unsafe impl Send for RawBlock {}
// SAFETY: as above.
unsafe impl Sync for RawBlock {}

/// A block as a driver hook sees it.
#[derive(Clone, Copy, Debug)]
pub struct BlockInfo {
    /// Its name in commands.
    pub id: BlockId,
    /// The driver's handle of the allocation that it lies in.
    pub handle: u64,
    /// Where it begins there, in bytes.
    pub offset: usize,
    /// Its size in bytes.
    pub bytes: usize,
    /// How many owners it has had before the present one.
    pub life: u64,
}

/// Gives and takes device memory. The pool is the only caller.
///
/// # Safety
///
/// An allocation is exclusively the caller's, stays valid and in place until `release`, and has at least the size
/// asked for. Its address is a multiple of 64 and, from [`Driver::page_bytes`] on, of the page. If
/// [`Driver::host_addressable`] is true, the host may read and write it at its address, and it counts as initialised.
pub unsafe trait Driver: Send + Sync + fmt::Debug + 'static {
    /// Allocates at least `bytes` bytes, more than zero.
    ///
    /// # Errors
    ///
    /// If the device has no room.
    fn allocate(&self, bytes: usize) -> Result<RawBlock, OutOfMemory>;

    /// Gives an allocation back.
    ///
    /// # Safety
    ///
    /// `block` came from `allocate` of this driver, is not used after this call, and no command that names it is
    /// running or will run.
    unsafe fn release(&self, block: RawBlock);

    /// All memory of the device in bytes, if known.
    fn total_bytes(&self) -> Option<usize> {
        None
    }

    /// Why nothing can be allocated at all, whatever is freed: the device was lost. It goes into the error of who asks.
    fn failure(&self) -> Option<String> {
        None
    }

    /// The granularity of large allocations, a power of two.
    fn page_bytes(&self) -> usize {
        4096
    }

    /// True when the host can address the memory.
    fn host_addressable(&self) -> bool {
        false
    }

    /// A block gets a new owner. Earlier commands of the same stream may still be running on it.
    fn on_reuse(&self, block: &BlockInfo) {
        let _ = block;
    }

    /// A block lost its owner and went back to the pool. Commands may still be running on it.
    fn on_free(&self, block: &BlockInfo) {
        let _ = block;
    }
}

/// A driver whose memory nobody can be hurt by: accesses go through checks, or the contents do not matter.
///
/// # Safety
///
/// Using a block too early or too late must be harmless: for example because the driver never really frees, and checks
/// each access against its own table.
pub unsafe trait SimulatedDriver: Driver {}

/// A block with its bookkeeping. It moves as a whole between its owner and the pool.
pub(crate) struct Block {
    pub(crate) id: BlockId,
    pub(crate) address: *mut u8,
    pub(crate) handle: u64,
    pub(crate) offset: usize,
    /// The size of the block.
    pub(crate) capacity: usize,
    /// The size that the present owner asked for.
    pub(crate) bytes: usize,
    pub(crate) life: u64,
    pub(crate) stamps: StampSet,
    /// Open leases and host reads of the present owner.
    pub(crate) leases: AtomicU64,
    /// True once the host has written the present contents.
    pub(crate) host_written: bool,
    /// When it was last freed, in frees of the pool.
    pub(crate) freed_at: u64,
    pub(crate) origin: Origin,
}

/// Where a block's memory comes from.
pub(crate) enum Origin {
    /// An allocation of its own, of this many bytes.
    Whole(usize),
    /// Part of a slab, by number.
    Slab(usize),
    /// Somebody else's, with what tells them that it is no longer used.
    Foreign(Option<Box<dyn FnOnce() + Send>>),
}

// SAFETY: the address is only data for this crate, apart from host access, which `Storage` guards. The foreign release
// function is Send, and only called with the block owned.
unsafe impl Send for Block {}
// SAFETY: through a shared reference only the atomics change, and the release function cannot be reached.
unsafe impl Sync for Block {}

impl Block {
    #[inline]
    pub(crate) fn bind(&self, stamp: Stamp, access: Access) -> Bound {
        self.stamps.stamp(stamp, access);
        Bound {
            block: self.id,
            address: self.address,
            handle: self.handle,
            offset: self.offset,
            bytes: self.bytes,
            life: self.life,
            access,
        }
    }

    pub(crate) fn info(&self) -> BlockInfo {
        BlockInfo {
            id: self.id,
            handle: self.handle,
            offset: self.offset,
            bytes: self.capacity,
            life: self.life,
        }
    }

    /// The driver's allocation, if the block is one.
    pub(crate) fn raw(&self) -> Option<RawBlock> {
        match self.origin {
            Origin::Whole(bytes) => Some(RawBlock { address: self.address, bytes, handle: self.handle }),
            Origin::Slab(_) | Origin::Foreign(_) => None,
        }
    }

    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self.origin, Origin::Foreign(_))
    }
}
