//! The device's memory, and its table of blocks.

use holdall_core::Origin;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::violation::Party;

/// Every byte of memory that nobody has written: a NaN in each floating type.
pub(crate) const POISON: u8 = 0xFF;

/// A block by where it is: the driver's allocation and the offset in it. Unlike its name in commands, this stays.
pub(crate) type Place = (u64, usize);

/// A use of a block by a command that was submitted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub stream: usize,
    pub tick: u64,
    /// Barriers in the command buffer up to the command.
    pub epoch: u32,
    pub life: u64,
    pub op: &'static str,
    pub origin: Origin,
}

impl Use {
    pub fn party(&self) -> Party {
        let Self { op, origin, stream, tick, life, .. } = *self;
        Party { op, origin: Some(origin), stream: Some(stream), tick, life }
    }
}

/// What is known of a block.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// For messages.
    pub number: u64,
    /// Its size.
    pub bytes: usize,
    /// How many owners the pool has given it to.
    pub owner: u64,
    /// The newest owner that a submitted command, or the host, has used it for,
    pub life: u64,
    /// and whether that owner has written it, in the order of submission.
    pub written: bool,
    /// The last write that was submitted.
    pub last_write: Option<Use>,
    /// For each stream, the last read that was submitted since.
    pub reads: SmallVec<[Use; 2]>,
    /// The owner whose data is in memory.
    pub resident: u64,
    /// Open loans to foreign code.
    pub loans: usize,
}

/// Allocations and blocks.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    allocations: FxHashMap<u64, Vec<u8>>,
    blocks: FxHashMap<Place, Block>,
    n_allocations: u64,
    n_blocks: u64,
    /// Bytes of all allocations, and the most there were.
    bytes: usize,
    pub peak: usize,
}

impl Memory {
    /// A new allocation, poisoned. Handles are not used twice, and none is zero.
    pub fn allocate(&mut self, bytes: usize) -> u64 {
        self.n_allocations += 1;
        self.bytes += bytes;
        self.peak = self.peak.max(self.bytes);
        self.allocations.insert(self.n_allocations, vec![POISON; bytes]);
        self.n_allocations
    }

    /// Allocated bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn release(&mut self, handle: u64) {
        if let Some(gone) = self.allocations.remove(&handle) {
            self.bytes -= gone.len();
        }
    }

    /// The block at `place`. Blocks stay known after their release, so that messages can name them.
    pub fn block(&mut self, place: Place) -> &mut Block {
        self.blocks.entry(place).or_insert_with(|| {
            self.n_blocks += 1;
            Block { number: self.n_blocks, ..Block::default() }
        })
    }

    /// Bytes `offset .. offset + len` of the block as owner number `life` finds them: poison, if it is the first to
    /// use them. Nothing if they have been released or are outside of the allocation.
    pub fn bytes_of(&mut self, place: Place, life: u64, len: usize) -> Option<&mut [u8]> {
        let memory = self.allocations.get_mut(&place.0)?;
        let block = self.blocks.get_mut(&place)?;
        if life > block.resident {
            block.resident = life;
            memory.get_mut(place.1..place.1 + block.bytes)?.fill(POISON);
        }
        memory.get_mut(place.1..place.1.checked_add(len)?)
    }

    /// Whether the block's allocation is still there.
    pub fn is_live(&self, place: Place) -> bool {
        self.allocations.contains_key(&place.0)
    }
}
