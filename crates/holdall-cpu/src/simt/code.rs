//! Flat code.

use holdall_msl::Scalar;
use holdall_msl::ir::{Atomic, Attribute, Cell, OpKind, Scope, Simd};

use super::rows::RowFn;

/// A row, by its index: slots first, then constants.
pub type RowId = u32;

/// How a result gets into its row.
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// The row.
    pub row: RowId,
    /// Bytes of a lane.
    pub size: u8,
    /// The row is uniform: its one block is written.
    pub uniform: bool,
    /// Lanes that are not active keep what they have.
    pub masked: bool,
    /// The row is an operand, too, so that the result is made elsewhere first.
    pub aliased: bool,
}

/// The object of an access.
#[derive(Clone, Copy, Debug)]
pub enum Object {
    /// Known.
    Known(u32),
    /// In a row.
    In(RowId),
}

/// A place in the code.
pub type Target = u32;

/// A range of [`Program::lists`](super::program::Program).
#[derive(Clone, Copy, Debug)]
pub struct List {
    /// The first index.
    pub start: u32,
    /// How many.
    pub len: u32,
}

/// A step. `level` is the index of an entry in the stack of masks.
#[derive(Clone, Debug)]
pub enum Code {
    /// A loop over rows.
    Row { f: RowFn, dst: Write, args: [RowId; 3], n_args: u8 },
    /// An operation by `fold::evaluate`, lane by lane. The list holds rows; their types follow from the operation.
    Evaluate { kind: OpKind, dst: Write, args: List },
    /// An attribute.
    Attribute { attribute: Attribute, component: u8, dst: Write },
    /// Cells from memory. The list holds the destinations, which in checked mode may be read by nobody.
    Load { object: Object, offset: RowId, cell: Cell, dst: List, uniform: bool, is_read: bool },
    /// Cells to memory. The list holds the values.
    Store { object: Object, offset: RowId, cell: Cell, values: List, uniform: bool },
    /// An atomic operation. The list holds operands.
    Atomic { op: Atomic, ty: Scalar, object: Object, offset: RowId, operands: List, dst: List },
    /// A SIMD operation.
    Simd { op: Simd, ty: Scalar, dst: Write, args: List },
    /// A product of matrices: six rows, two destinations.
    Matrix { factor: Scalar, sum: Scalar, args: List, dst: List },
    /// A barrier.
    Barrier { scope: Scope, flags: u32 },
    /// Memory is ordered.
    Fence { flags: u32 },
    /// Memory of the threads holds nothing; in checked mode only.
    Fresh { object: Object },
    /// A register holds nothing; in checked mode only.
    Undefined { row: RowId },
    /// Lanes where it is true go on, the others wait for `Else`; nobody goes on: to `otherwise`.
    If { level: u32, condition: RowId, otherwise: Target },
    /// The others' turn; if there are none, to `end`.
    Else { level: u32, end: Target },
    /// All go on; if nobody is left, to `next`.
    EndIf { level: u32, next: Target },
    /// A condition that is the same for all.
    JumpUnless { condition: RowId, to: Target },
    /// Goes there.
    Jump { to: Target },
    /// A loop or block begins.
    Enter { level: u32 },
    /// Again from `start` while lanes are active; then as `EndIf`.
    Repeat { level: u32, start: Target, next: Target, waits: bool },
    /// As `EndIf`.
    Leave { level: u32, next: Target },
    /// Active lanes wait for the end of the block of level `to_level`; all entries from there up to `level` forget them.
    Break { to_level: u32, level: u32, to: Target },
    /// Active lanes have done.
    Return { level: u32, to: Target },
    /// The end of the kernel.
    End,
}
