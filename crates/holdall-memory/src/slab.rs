//! Slabs: allocations of the driver that small blocks share.

use crate::block::RawBlock;

/// One allocation, cut into blocks of one size class.
pub(crate) struct Slab {
    pub(crate) raw: RawBlock,
    pub(crate) class: usize,
    /// How many blocks fit.
    pub(crate) len: usize,
    /// How many were cut so far.
    pub(crate) cut: usize,
    /// How many have no owner, those not yet cut included.
    pub(crate) free: usize,
}

impl Slab {
    /// How large a slab for blocks of some size should be: small enough that one that is held by a lone survivor
    /// costs little.
    pub(crate) fn bytes_for(block: usize, page: usize) -> usize {
        (block * 64).clamp(page, page.max(64 << 10))
    }
}

/// The slabs of a pool. Numbers of slabs are reused.
#[derive(Default)]
pub(crate) struct Slabs {
    slabs: Vec<Option<Slab>>,
    /// Numbers without a slab.
    vacant: Vec<usize>,
    /// By class, the slab that blocks are being cut from.
    current: Vec<Option<usize>>,
}

impl Slabs {
    pub(crate) fn add(&mut self, slab: Slab) {
        let class = slab.class;
        let at = match self.vacant.pop() {
            Some(at) => {
                self.slabs[at] = Some(slab);
                at
            }
            None => {
                self.slabs.push(Some(slab));
                self.slabs.len() - 1
            }
        };
        if self.current.len() <= class {
            self.current.resize(class + 1, None);
        }
        self.current[class] = Some(at);
    }

    /// Cuts a block of `bytes` from the current slab of a class: the slab's number and the block's number in it.
    pub(crate) fn cut(&mut self, class: usize) -> Option<(usize, &Slab, usize)> {
        let at = (*self.current.get(class)?)?;
        let slab = self.slabs[at].as_mut()?;
        if slab.cut == slab.len {
            self.current[class] = None;
            return None;
        }
        slab.cut += 1;
        slab.free -= 1;
        Some((at, slab, slab.cut - 1))
    }

    /// A block of the slab got an owner.
    pub(crate) fn taken(&mut self, at: usize) {
        if let Some(slab) = &mut self.slabs[at] {
            slab.free -= 1;
        }
    }

    /// A block of the slab lost its owner. True when all are free now.
    pub(crate) fn freed(&mut self, at: usize) -> bool {
        self.slabs[at].as_mut().is_some_and(|slab| {
            slab.free += 1;
            slab.free == slab.len
        })
    }

    /// True when no block of the slab has an owner.
    pub(crate) fn is_free(&self, at: usize) -> bool {
        self.slabs[at].as_ref().is_some_and(|slab| slab.free == slab.len)
    }

    /// The numbers of all slabs without an owned block.
    pub(crate) fn free(&self) -> Vec<usize> {
        (0..self.slabs.len()).filter(|&at| self.is_free(at)).collect()
    }

    /// Takes a slab out.
    pub(crate) fn remove(&mut self, at: usize) -> Option<Slab> {
        for current in &mut self.current {
            *current = current.filter(|&current| current != at);
        }
        let slab = self.slabs[at].take()?;
        self.vacant.push(at);
        Some(slab)
    }
}
