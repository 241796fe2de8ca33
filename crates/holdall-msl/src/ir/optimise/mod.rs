//! From variables in memory to registers, and what that makes superfluous.
//!
//! 1. [`promote`]: variables that are only read and written as a whole, at known places, become registers.
//! 2. [`propagate`]: copies and constants reach their uses, so that pointers become known, which lets 1 do more.
//! 3. [`sweep`]: what nobody reads goes, unless it can be the kernel's mistake; copies are merged into what they copy, labels that nobody breaks to go.
//! 4. [`compact`]: registers and objects are numbered anew.

mod compact;
mod promote;
mod propagate;
mod sweep;

use super::{Op, Program, Stmt};

const ROUNDS: usize = 4;

pub(crate) fn optimise(program: &mut Program) {
    for round in 0..ROUNDS {
        let promoted = promote::promote(program);
        propagate::propagate(program);
        sweep::sweep(program, true);
        if !promoted && round > 0 {
            break;
        }
    }
    compact::compact(program);
}

impl Program {
    /// Leaves out what nobody reads though it can be the kernel's mistake: loads and divisions, with all that leads to
    /// them. For those who execute programs without watching them.
    pub fn discard_unread(&mut self) {
        sweep::sweep(self, false);
    }
}

/// Calls a function on each operation.
fn each_op(block: &[Stmt], run: &mut impl FnMut(&Op)) {
    for statement in block {
        match statement {
            Stmt::Op(op) => run(op),
            Stmt::If { then, otherwise, .. } => {
                each_op(then, run);
                each_op(otherwise, run);
            }
            Stmt::Loop { body, .. } | Stmt::Block { body, .. } => each_op(body, run),
            Stmt::Break { .. } | Stmt::Return { .. } => {}
        }
    }
}
