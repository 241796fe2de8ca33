//! The owner of a block.

use std::fmt;
use std::mem::ManuallyDrop;

use smallvec::SmallVec;

use crate::block::{Block, BlockId};
use crate::error::{Error, ErrorKind};
use crate::pool::Pool;
use crate::queue::{Access, Bound, Queue};
use crate::sync::{self, Arc, Ordering};
use crate::tick::{QueueId, Stamp, Tick};

/// The one owner of a block. Dropping it is the only free: the block goes back to its pool, with its stamps, and the
/// driver is not called. Arrays share it by `Arc`.
///
/// ```compile_fail
/// # use holdall_memory::Storage;
/// fn two_owners(storage: &Storage) -> Storage {
///     storage.clone()
/// }
/// ```
///
/// Its address is nowhere to be had: only [`Queue::bind`] names it, which leaves a stamp, and a lease.
///
/// ```compile_fail
/// # use holdall_memory::Storage;
/// fn untracked(storage: &Storage) -> *mut u8 {
///     storage.address()
/// }
/// ```
pub struct Storage {
    /// Taken out by `drop` only.
    block: ManuallyDrop<Box<Block>>,
    pool: Arc<Pool>,
}

impl Storage {
    pub(crate) fn new(block: Box<Block>, pool: Arc<Pool>) -> Self {
        Self { block: ManuallyDrop::new(block), pool }
    }

    /// Takes memory that somebody else owns under the protocol. It can be bound for reading. `release` is called once
    /// the storage is gone and no command buffer that names it can run.
    ///
    /// # Safety
    ///
    /// The device can read `bytes` bytes at `address` until `release` is called, and if the pool's memory is
    /// addressable by the host, so can the host. They are initialised, and nobody writes them in the meantime.
    pub unsafe fn foreign(
        pool: &Arc<Pool>,
        address: *const u8,
        bytes: usize,
        release: Box<dyn FnOnce() + Send>,
    ) -> Self {
        Self::new(pool.foreign_block(address.cast_mut(), bytes, release), pool.clone())
    }

    #[inline]
    pub(crate) fn bind(&self, stamp: Stamp, access: Access) -> Bound {
        debug_assert!(!(self.is_foreign() && access.writes()), "foreign memory is read only");
        self.block.bind(stamp, access)
    }

    pub(crate) fn reusable_by(&self, queue: &Queue) -> bool {
        let rules = self.pool.rules();
        let lent = rules.policy.leases_honoured && self.block.leases.load(Ordering::Acquire) != 0;
        let stamped = rules.policy.stamps;
        !lent
            && !self.is_foreign()
            && (!stamped || self.block.stamps.all(|stamp| rules.is_ordered(stamp, Some(queue))))
    }

    /// The size in bytes, as it was asked for.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.block.bytes
    }

    /// The size of the block in bytes, at least [`Self::bytes`].
    pub fn capacity(&self) -> usize {
        self.block.capacity
    }

    /// The block's name in commands.
    #[inline]
    pub fn block(&self) -> BlockId {
        self.block.id
    }

    /// The pool that the block goes back to.
    #[inline]
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// True for memory taken by [`Self::foreign`], which is never written.
    pub fn is_foreign(&self) -> bool {
        self.block.is_foreign()
    }

    /// True when each command buffer that names the block has ended.
    pub fn is_idle(&self) -> bool {
        self.block.stamps.all(|stamp| self.pool.timelines().is_ended(stamp))
    }

    /// Waits until each command buffer that names the block has ended.
    ///
    /// # Errors
    ///
    /// If the last write failed, or nobody knows whether the device has finished.
    pub fn wait_idle(&self) -> Result<(), Error> {
        let timelines = self.pool.timelines();
        let mut result = Ok(());
        self.block.stamps.for_each(|used, written| {
            if result.is_ok() {
                result = timelines.wait_ended(used.queue(), used.tick());
            }
            if result.is_ok() && !written.is_none() {
                result = timelines.wait(written.queue(), written.tick());
            }
        });
        result
    }

    /// For each stream that writes the block, the newest tick that does. Empty if the present owner has not had it
    /// written by a device.
    pub fn last_writes(&self) -> SmallVec<[(QueueId, Tick); 4]> {
        let mut writes = SmallVec::new();
        self.block.stamps.for_each(|_, written| {
            if !written.is_none() {
                writes.push((written.queue(), written.tick()));
            }
        });
        writes
    }

    /// Waits until the block holds what was last recorded to be written to it. Readers may still be running.
    ///
    /// # Errors
    ///
    /// If the write failed, or nobody knows whether the device has finished.
    pub fn wait_written(&self) -> Result<(), Error> {
        let timelines = self.pool.timelines();
        let mut contents = self.block.host_written;
        let mut result = Ok(());
        self.block.stamps.for_each(|_, written| {
            if result.is_ok() && !written.is_none() {
                contents = true;
                // The device may fail a command buffer and still write.
                result = timelines
                    .wait_ended(written.queue(), written.tick())
                    .and_then(|()| timelines.wait(written.queue(), written.tick()));
            }
        });
        if result.is_ok() && !contents {
            // Nothing was written for this owner, but commands of an earlier one may still write.
            return self.wait_idle();
        }
        result
    }

    /// Reads the block from the host, after its last writer. Where nothing was written, the bytes are arbitrary.
    ///
    /// Commands that write the block must not be recorded meanwhile: [`Queue::may_reuse`] says no until `f` returns.
    ///
    /// # Errors
    ///
    /// If the host cannot address the block, or the write failed.
    pub fn with_host<R>(&self, f: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        self.check_host()?;
        if self.pool.policy().host_checked {
            self.wait_written()?;
        }
        let _reading = Held::new(&self.block);
        // SAFETY: the driver (or the contract of `foreign`) guarantees that the host can read the block and that it is
        // initialised. Its last writer has finished, and the scheduler writes a block with owners only if `may_reuse`
        // holds, which `_reading` prevents. The borrow of `self` keeps the block for as long as the slice lives.
        Ok(f(unsafe { std::slice::from_raw_parts(self.block.address, self.block.bytes) }))
    }

    /// Writes the block from the host, after waiting for everything that names it.
    ///
    /// # Errors
    ///
    /// If the host cannot address the block, it is foreign, or its last write failed.
    pub fn with_host_mut<R>(&mut self, f: impl FnOnce(&mut [u8]) -> R) -> Result<R, Error> {
        self.check_host()?;
        if self.is_foreign() {
            return Err(Error::new(ErrorKind::Leased, "foreign memory cannot be written"));
        }
        if self.pool.policy().host_checked {
            self.wait_idle()?;
        }
        self.block.host_written = true;
        // SAFETY: as in `with_host`; moreover nothing that was recorded uses the block any more, and nothing can be
        // recorded, since that needs a borrow of `self`. Leases hold an `Arc` of it, so there is none.
        Ok(f(unsafe { std::slice::from_raw_parts_mut(self.block.address, self.block.bytes) }))
    }

    /// Has the block copied elsewhere by its device, after its last writer: [`Self::with_host`] for memory that the host
    /// cannot address. `copy` gets the address of the first byte, as the device sees it.
    ///
    /// # Errors
    ///
    /// If the write failed.
    ///
    /// # Safety
    ///
    /// `copy` only reads, at most [`Self::bytes`] bytes, and the device has finished with that when it returns.
    pub unsafe fn copy_out<R>(&self, copy: impl FnOnce(*const u8) -> R) -> Result<R, Error> {
        if self.pool.policy().host_checked {
            self.wait_written()?;
        }
        let _reading = Held::new(&self.block);
        Ok(copy(self.block.address))
    }

    /// Has the block filled by its device, after everything that names it: [`Self::with_host_mut`] for memory that the
    /// host cannot address.
    ///
    /// # Errors
    ///
    /// If the block is foreign, or its last write failed.
    ///
    /// # Safety
    ///
    /// `copy` touches at most [`Self::bytes`] bytes at the address, and the device has finished with that when it
    /// returns.
    pub unsafe fn copy_in<R>(&mut self, copy: impl FnOnce(*mut u8) -> R) -> Result<R, Error> {
        if self.is_foreign() {
            return Err(Error::new(ErrorKind::Leased, "foreign memory cannot be written"));
        }
        if self.pool.policy().host_checked {
            self.wait_idle()?;
        }
        self.block.host_written = true;
        Ok(copy(self.block.address))
    }

    fn check_host(&self) -> Result<(), Error> {
        if self.pool.driver().host_addressable() {
            Ok(())
        } else {
            Err(Error::new(
                ErrorKind::NotHostAddressable,
                "the host cannot address the memory of this device",
            ))
        }
    }

    /// Lends the block to foreign code, after its last writer. While the lease is open the block is neither donated
    /// nor written in place, and the storage stays alive.
    ///
    /// # Errors
    ///
    /// If the write failed.
    ///
    /// # Safety
    ///
    /// Foreign code uses the address only while the lease is open, or, if it ends by [`Lease::close_after`], in work that
    /// the tick waits for. It writes only where no command reads.
    pub unsafe fn lease(self: &Arc<Self>) -> Result<Lease, Error> {
        self.wait_written()?;
        self.block.leases.fetch_add(1, Ordering::Relaxed);
        Ok(Lease { storage: self.clone() })
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        if sync::model_failed() {
            return;
        }
        // SAFETY: the storage is being dropped, so nothing uses the field after this.
        let block = unsafe { ManuallyDrop::take(&mut self.block) };
        self.pool.free(block);
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage")
            .field("block", &self.block.id)
            .field("bytes", &self.block.bytes)
            .field("stamps", &self.block.stamps)
            .finish_non_exhaustive()
    }
}

/// Counts as a lease while the host reads.
struct Held<'a>(&'a Block);

impl<'a> Held<'a> {
    fn new(block: &'a Block) -> Self {
        block.leases.fetch_add(1, Ordering::Relaxed);
        Self(block)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if sync::model_failed() {
            return;
        }
        self.0.leases.fetch_sub(1, Ordering::Release);
    }
}

/// A block lent to foreign code (DLPack, NumPy, FFI). Dropping it ends the loan.
#[derive(Debug)]
pub struct Lease {
    storage: Arc<Storage>,
}

impl Lease {
    /// The address of the first byte. The contract of [`Storage::lease`] says who may use it, and when.
    pub fn address(&self) -> *mut u8 {
        self.storage.block.address
    }

    /// The size in bytes.
    pub fn bytes(&self) -> usize {
        self.storage.bytes()
    }

    /// The storage that is lent.
    pub fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    /// Ends the loan with the open tick of `queue`: foreign work that it waits for may still be running, and the block
    /// is not reused before it has ended.
    pub fn close_after(self, queue: &mut Queue) {
        // It may have been written.
        queue.bind_lent(&self.storage);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if sync::model_failed() {
            return;
        }
        self.storage.block.leases.fetch_sub(1, Ordering::Release);
    }
}
