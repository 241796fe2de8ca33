//! Compiled programs.

use std::fmt;
use std::sync::Arc;

use holdall_msl::Span;
use holdall_msl::ir::{self, OpKind};

use super::access::Accesses;
use super::analysis::Slot;
use super::code::{Code, RowId, Write};
use super::compile;
use super::rows::BLOCK;
use crate::isa::Isa;

/// A value that is the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Constant {
    /// Bytes of a lane.
    pub(super) size: usize,
    /// The value.
    pub(super) bits: u64,
}

/// A block of lanes that all have the same value.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Splat([u8; 8 * BLOCK]);

impl fmt::Debug for Splat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &self.0[..8])
    }
}

impl Splat {
    /// All lanes with the low bytes of a value.
    pub(super) fn new(constant: Constant) -> Self {
        let mut bytes = [0; 8 * BLOCK];
        for lane in bytes.chunks_exact_mut(constant.size).take(BLOCK) {
            lane.copy_from_slice(&constant.bits.to_le_bytes()[..constant.size]);
        }
        Self(bytes)
    }

    /// All lanes; bytes behind those of narrow ones are zero.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The first lane.
    pub(super) fn as_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }
}

/// A kernel made ready to run on rows of lanes. It is immutable; launches share it by `Arc`.
#[derive(Debug)]
pub struct Program {
    pub(super) ir: Arc<ir::Program>,
    pub(super) accesses: Accesses,
    /// Every step is watched; rows are those of registers, one by one.
    pub(super) checked: bool,
    pub(super) code: Vec<Code>,
    /// The operation of each step, where it is one.
    pub(super) kinds: Vec<Option<OpKind>>,
    /// Where each step comes from.
    pub(super) spans: Vec<Span>,
    pub(super) lists: Vec<RowId>,
    pub(super) writes: Vec<Write>,
    pub(super) slots: Vec<Slot>,
    pub(super) constants: Vec<Splat>,
    /// How many masks may be stacked.
    pub(super) levels: usize,
    /// Loops may wait for lanes that are elsewhere.
    pub(super) splits: bool,
    /// Of each object: in what units memory of threads is interleaved.
    pub(super) granules: Vec<usize>,
}

impl Program {
    /// Whether it was compiled for checked mode.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    /// Compiles a program for this machine.
    #[must_use]
    pub fn compile(program: &Arc<ir::Program>) -> Self {
        Self::compile_for(program, Isa::get(), false)
    }

    /// Compiles a program for checked mode.
    #[must_use]
    pub fn compile_checked(program: &Arc<ir::Program>) -> Self {
        Self::compile_for(program, Isa::get(), true)
    }

    /// Compiles a program for a vector level, which the machine must have to run it.
    #[must_use]
    pub fn compile_for(program: &Arc<ir::Program>, isa: Isa, checked: bool) -> Self {
        compile::compile(program, isa, checked)
    }

    /// What was compiled.
    #[must_use]
    pub fn ir(&self) -> &Arc<ir::Program> {
        &self.ir
    }

    /// The name of the kernel.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.ir.name
    }

    /// How many steps the code has.
    #[must_use]
    pub fn n_steps(&self) -> usize {
        self.code.len()
    }
}
