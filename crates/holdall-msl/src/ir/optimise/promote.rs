//! Variables to registers.

use smallvec::smallvec;

use super::each_op;
use crate::ir::{Block, Cell, ObjectKind, Op, OpKind, Operand, Program, Reg, Register, Stmt, Variable};
use crate::scalar::Scalar;

/// An array of more cells stays in memory.
const CELLS: usize = 256;

/// The cells of a variable, by offset.
struct Slots {
    cells: Vec<(i64, Cell, Reg)>,
    possible: bool,
}

/// Whether anything was promoted.
pub(super) fn promote(program: &mut Program) -> bool {
    let mut slots: Vec<Slots> = program
        .objects
        .iter()
        .map(|object| Slots { cells: Vec::new(), possible: object.kind == ObjectKind::Thread })
        .collect();
    each_op(&program.body, &mut |op| note(op, &mut slots));
    for slot in &mut slots {
        slot.cells.sort_by_key(|cell| cell.0);
        let apart = slot.cells.windows(2).all(|pair| pair[0].0 + i64::from(pair[0].1.size()) <= pair[1].0);
        slot.possible &= apart && slot.cells.len() <= CELLS;
        slot.possible &= slot.cells.first().is_none_or(|first| first.0 >= 0);
    }
    let mut any = false;
    for (object, slot) in program.objects.iter().zip(&mut slots) {
        // What reaches behind its object is left for the checks.
        let end = slot.cells.last().map_or(0, |last| last.0 + i64::from(last.1.size()));
        slot.possible &= end <= i64::from(object.size);
        if !slot.possible || slot.cells.is_empty() {
            continue;
        }
        any = true;
        program.variables.push(Variable { name: object.name.clone(), span: object.span });
        let variable = Some(program.variables.len() as u32 - 1);
        for (_, cell, reg) in &mut slot.cells {
            *reg = Reg(program.registers.len() as u32);
            match cell {
                Cell::Scalar(ty) => program.registers.push(Register { ty: *ty, variable }),
                Cell::Pointer => {
                    program.registers.push(Register { ty: Scalar::Object, variable });
                    program.registers.push(Register { ty: Scalar::I64, variable });
                }
            }
        }
    }
    if any || slots.iter().any(|slot| slot.possible) {
        let body = std::mem::take(&mut program.body);
        program.body = rewrite(body, &slots, &program.registers);
    }
    any
}

fn note(op: &Op, slots: &mut [Slots]) {
    for (position, arg) in op.args.iter().enumerate() {
        let Operand::Object(id) = arg else { continue };
        let Some(slot) = slots.get_mut(id.0 as usize).filter(|slot| slot.possible) else { continue };
        let n_registers = match op.kind {
            OpKind::Load { .. } => op.dst.len(),
            OpKind::Store { .. } => op.args.len() - 2,
            OpKind::Fresh => continue,
            _ => usize::MAX,
        };
        let (OpKind::Load { cell, .. } | OpKind::Store { cell, .. }) = op.kind else {
            slot.possible = false;
            continue;
        };
        let offset = op.args.get(1).and_then(|offset| offset.as_const());
        let Some(offset) = offset.filter(|_| position == 0 && n_registers != usize::MAX) else {
            slot.possible = false;
            continue;
        };
        for i in 0..n_registers / cell.n_registers() {
            let at = offset.as_i64() + i as i64 * i64::from(cell.size());
            match slot.cells.iter().find(|known| known.0 == at) {
                Some((_, known, _)) if *known != cell => slot.possible = false,
                Some(_) => {}
                None => slot.cells.push((at, cell, Reg(0))),
            }
            if slot.cells.len() > CELLS {
                slot.possible = false;
                break;
            }
        }
    }
}

fn rewrite(block: Block, slots: &[Slots], registers: &[Register]) -> Block {
    let mut out = Block::with_capacity(block.len());
    for statement in block {
        match statement {
            Stmt::Op(op) => rewrite_op(op, slots, registers, &mut out),
            Stmt::If { condition, then, otherwise, span } => out.push(Stmt::If {
                condition,
                then: rewrite(then, slots, registers),
                otherwise: rewrite(otherwise, slots, registers),
                span,
            }),
            Stmt::Loop { label, body, span } => {
                out.push(Stmt::Loop { label, body: rewrite(body, slots, registers), span });
            }
            Stmt::Block { label, body } => {
                out.push(Stmt::Block { label, body: rewrite(body, slots, registers) });
            }
            other => out.push(other),
        }
    }
    out
}

fn rewrite_op(op: Op, slots: &[Slots], registers: &[Register], out: &mut Block) {
    let slot = match (op.kind, op.args.first()) {
        (OpKind::Load { .. } | OpKind::Store { .. } | OpKind::Fresh, Some(Operand::Object(id))) => {
            slots.get(id.0 as usize).filter(|slot| slot.possible)
        }
        _ => None,
    };
    let Some(slot) = slot else {
        out.push(Stmt::Op(op));
        return;
    };
    let mut push = |kind, dst: Reg, args| {
        out.push(Stmt::Op(Op { kind, dst: smallvec![dst], args, span: op.span }));
    };
    if op.kind == OpKind::Fresh {
        for (_, cell, reg) in &slot.cells {
            for i in 0..cell.n_registers() as u32 {
                let reg = Reg(reg.0 + i);
                push(OpKind::Undefined(registers[reg.0 as usize].ty), reg, smallvec![]);
            }
        }
        return;
    }
    let (OpKind::Load { cell, .. } | OpKind::Store { cell, .. }) = op.kind else { return };
    let start = op.args[1].as_const().map_or(0, crate::ir::Const::as_i64);
    let per = cell.n_registers();
    // The register of the i-th scalar of the access.
    let register = |i: usize| {
        let at = start + (i / per) as i64 * i64::from(cell.size());
        let found = slot.cells.iter().find(|known| known.0 == at);
        found.map(|(_, _, reg)| Reg(reg.0 + (i % per) as u32))
    };
    if matches!(op.kind, OpKind::Load { .. }) {
        for (i, dst) in op.dst.iter().enumerate() {
            if let Some(from) = register(i) {
                push(OpKind::Copy(registers[from.0 as usize].ty), *dst, smallvec![Operand::Reg(from)]);
            }
        }
    } else {
        for (i, value) in op.args[2..].iter().enumerate() {
            if let Some(to) = register(i) {
                push(OpKind::Copy(registers[to.0 as usize].ty), to, smallvec![*value]);
            }
        }
    }
}
