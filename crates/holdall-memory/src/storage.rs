//! The owner of a block.

use std::fmt;

use crate::block::BlockId;
use crate::error::Error;
use crate::pool::Pool;
use crate::queue::{Access, Bound, Queue};
use crate::sync::Arc;
use crate::tick::{QueueId, Stamp, Tick};

/// The one owner of a block. Dropping it is the only free: the block goes back to its pool, with its stamps, and the
/// driver is not called. Arrays share it by `Arc`.
pub struct Storage {
    pool: Arc<Pool>,
}

impl Storage {
    pub(crate) fn bind(&self, stamp: Stamp, access: Access) -> Bound {
        let _ = (stamp, access);
        unimplemented!()
    }

    pub(crate) fn reusable_by(&self, queue: &Queue) -> bool {
        let _ = queue;
        unimplemented!()
    }

    /// The size in bytes, as it was asked for.
    pub fn bytes(&self) -> usize {
        unimplemented!()
    }

    /// The size of the block in bytes, at least [`Self::bytes`].
    pub fn capacity(&self) -> usize {
        unimplemented!()
    }

    /// The block's name in commands.
    pub fn block(&self) -> BlockId {
        unimplemented!()
    }

    /// The pool that the block goes back to.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// True when each command buffer that names the block has ended.
    pub fn is_idle(&self) -> bool {
        unimplemented!()
    }

    /// Waits until each command buffer that names the block has ended.
    ///
    /// # Errors
    ///
    /// If one of them failed.
    pub fn wait_idle(&self) -> Result<(), Error> {
        unimplemented!()
    }

    /// The newest tick on each stream that writes the block and has not ended.
    pub fn pending_writes(&self) -> Vec<(QueueId, Tick)> {
        unimplemented!()
    }

    /// Waits until the block holds what was last recorded to be written to it. Readers may still be running.
    ///
    /// # Errors
    ///
    /// If the write failed.
    pub fn wait_written(&self) -> Result<(), Error> {
        unimplemented!()
    }

    /// Reads the block from the host, after its last writer.
    ///
    /// # Errors
    ///
    /// If the host cannot address the block, or the write failed.
    pub fn with_host<R>(&self, f: impl FnOnce(&[u8]) -> R) -> Result<R, Error> {
        let _ = f;
        unimplemented!()
    }

    /// Writes the block from the host, after waiting for everything that names it.
    ///
    /// # Errors
    ///
    /// If the host cannot address the block, it is lent out, or a command buffer that names it failed.
    pub fn with_host_mut<R>(&mut self, f: impl FnOnce(&mut [u8]) -> R) -> Result<R, Error> {
        let _ = f;
        unimplemented!()
    }

    /// Makes a storage of memory that somebody else owns. `release` is called once nothing can touch it any more.
    ///
    /// # Safety
    ///
    /// `address` is valid for reads of `bytes` bytes and initialised until `release` is called, and nobody writes it
    /// in the meantime.
    pub unsafe fn foreign(
        pool: &Arc<Pool>,
        address: *const u8,
        bytes: usize,
        release: Box<dyn FnOnce() + Send>,
    ) -> Self {
        let _ = (address, bytes, release);
        Self { pool: pool.clone() }
    }

    /// Lends the block to foreign code. While the lease is open the block is neither donated nor reused, and the
    /// storage stays alive.
    ///
    /// # Errors
    ///
    /// If a command buffer that writes the block failed.
    ///
    /// # Safety
    ///
    /// The borrower uses the address only while the lease is open, and writes only if nothing else uses the block.
    pub unsafe fn lease(self: &Arc<Self>) -> Result<Lease, Error> {
        unimplemented!()
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").finish_non_exhaustive()
    }
}

/// A block lent to foreign code (DLPack, NumPy, FFI). Dropping it ends the loan.
#[derive(Debug)]
pub struct Lease {
    storage: Arc<Storage>,
}

impl Lease {
    /// The address of the first byte.
    pub fn address(&self) -> *mut u8 {
        unimplemented!()
    }

    /// The size in bytes.
    pub fn bytes(&self) -> usize {
        self.storage.bytes()
    }

    /// Ends the loan at the open tick of `queue`: foreign work that was enqueued there may still run, and the block
    /// is not reused before it has.
    pub fn close_after(self, queue: &mut Queue) {
        queue.bind(&self.storage, Access::ReadWrite);
    }
}
