//! What nobody needs goes.

use crate::ir::{Binary, Block, Label, Object, ObjectKind, Op, OpKind, Operand, Program, Reg, Stmt};

/// How far back a copy looks for the operation that it copies.
const BACK: usize = 12;

struct Pass<'a> {
    objects: &'a [Object],
    keeps_mistakes: bool,
    uses: Vec<u32>,
    breaks: Vec<u32>,
    changed: bool,
}

/// `keeps_mistakes`: what can be the kernel's mistake stays, though nobody reads what it gives.
pub(super) fn sweep(program: &mut Program, keeps_mistakes: bool) {
    for _ in 0..3 {
        let mut pass = Pass {
            objects: &program.objects,
            keeps_mistakes,
            uses: vec![0; program.registers.len()],
            breaks: vec![0; program.n_labels as usize],
            changed: false,
        };
        pass.count(&program.body);
        let body = std::mem::take(&mut program.body);
        let body = pass.block(body, None);
        let changed = pass.changed;
        program.body = body;
        if !changed {
            break;
        }
    }
}

impl Pass<'_> {
    fn count(&mut self, block: &[Stmt]) {
        for statement in block {
            match statement {
                Stmt::Op(op) => op.args.iter().for_each(|arg| self.used(*arg, 1)),
                Stmt::If { condition, then, otherwise, .. } => {
                    self.used(*condition, 1);
                    self.count(then);
                    self.count(otherwise);
                }
                Stmt::Loop { body, .. } | Stmt::Block { body, .. } => self.count(body),
                Stmt::Break { label, .. } => self.breaks[label.0 as usize] += 1,
                Stmt::Return { .. } => {}
            }
        }
    }

    fn used(&mut self, operand: Operand, by: i32) {
        if let Operand::Reg(reg) = operand {
            let uses = &mut self.uses[reg.0 as usize];
            *uses = uses.saturating_add_signed(by);
        }
    }

    /// Whether it can be the kernel's mistake.
    fn may_fail(&self, op: &Op) -> bool {
        match op.kind {
            OpKind::Binary(Binary::Divide | Binary::Remainder, ty) if !ty.is_float() => {
                op.args[1].as_const().is_none_or(|c| c.bits == 0)
            }
            OpKind::Load { cell, .. } => {
                let (Operand::Object(id), Some(at)) = (op.args[0], op.args[1].as_const()) else {
                    return true;
                };
                let Some(object) = self.objects.get(id.0 as usize) else { return true };
                let n = op.dst.len() / cell.n_registers();
                let end = at.as_i64().saturating_add(n as i64 * i64::from(cell.size()));
                let is_own = matches!(object.kind, ObjectKind::Thread | ObjectKind::Table(_));
                !is_own || at.as_i64() < 0 || end > i64::from(object.size)
            }
            _ => false,
        }
    }

    /// Nothing of a removed statement counts any more.
    fn forget(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Op(op) => op.args.iter().for_each(|arg| self.used(*arg, -1)),
            Stmt::If { condition, then, otherwise, .. } => {
                self.used(*condition, -1);
                then.iter().chain(otherwise).for_each(|inner| self.forget(inner));
            }
            Stmt::Loop { body, .. } | Stmt::Block { body, .. } => {
                body.iter().for_each(|inner| self.forget(inner));
            }
            Stmt::Break { label, .. } => self.breaks[label.0 as usize] -= 1,
            Stmt::Return { .. } => {}
        }
        self.changed = true;
    }

    /// `end` is the label of a block that ends where this one does.
    fn block(&mut self, block: Block, end: Option<Label>) -> Block {
        let mut block = block;
        // Nothing runs behind a jump.
        let jump = |s: &Stmt| matches!(s, Stmt::Break { .. } | Stmt::Return { .. });
        if let Some(at) = block.iter().position(jump) {
            for dead in block.split_off(at + 1) {
                self.forget(&dead);
            }
        }
        if let (Some(Stmt::Break { label, .. }), Some(end)) = (block.last(), end)
            && *label == end
            && let Some(last) = block.pop()
        {
            self.forget(&last);
        }
        // From the last statement to the first, so that a chain of unread values goes at once.
        let mut reversed: Vec<Stmt> = Vec::with_capacity(block.len());
        let mut is_last = true;
        for statement in block.into_iter().rev() {
            let end = if is_last { end } else { None };
            is_last = false;
            match statement {
                Stmt::Op(op) => {
                    let unread =
                        !op.dst.is_empty() && op.dst.iter().all(|dst| self.uses[dst.0 as usize] == 0);
                    if unread && op.kind.is_droppable() && !(self.keeps_mistakes && self.may_fail(&op)) {
                        self.forget(&Stmt::Op(op));
                    } else {
                        reversed.push(Stmt::Op(op));
                    }
                }
                Stmt::If { condition, then, otherwise, span } => {
                    let then = self.block(then, end);
                    let otherwise = self.block(otherwise, end);
                    let kept = Stmt::If { condition, then, otherwise, span };
                    if matches!(&kept, Stmt::If { then, otherwise, .. } if then.is_empty() && otherwise.is_empty())
                    {
                        self.forget(&kept);
                    } else {
                        reversed.push(kept);
                    }
                }
                Stmt::Loop { label, body, span } => {
                    let body = self.block(body, None);
                    reversed.push(Stmt::Loop { label, body, span });
                }
                Stmt::Block { label, body } => {
                    let body = self.block(body, Some(label));
                    if self.breaks[label.0 as usize] == 0 {
                        self.changed = true;
                        reversed.extend(body.into_iter().rev());
                    } else {
                        reversed.push(Stmt::Block { label, body });
                    }
                }
                other => reversed.push(other),
            }
        }
        reversed.reverse();
        self.merge_copies(reversed)
    }

    /// `t = a + b; r = t` is `r = a + b` where nobody else reads `t`.
    fn merge_copies(&mut self, block: Block) -> Block {
        let mut out: Block = Vec::with_capacity(block.len());
        for statement in block {
            if let Stmt::Op(op) = &statement
                && let (OpKind::Copy(_), [to], [Operand::Reg(from)]) =
                    (op.kind, op.dst.as_slice(), op.args.as_slice())
                && self.uses[from.0 as usize] == 1
                && let Some(at) = source_of(&out, *from, *to)
                && let Stmt::Op(source) = &mut out[at]
            {
                for dst in source.dst.iter_mut().filter(|dst| **dst == *from) {
                    *dst = *to;
                }
                self.uses[from.0 as usize] = 0;
                self.changed = true;
                continue;
            }
            out.push(statement);
        }
        out
    }
}

/// The operation that writes `from`, if nothing between it and the end reads or writes `to`.
fn source_of(block: &[Stmt], from: Reg, to: Reg) -> Option<usize> {
    for (at, statement) in block.iter().enumerate().rev().take(BACK) {
        let Stmt::Op(op) = statement else { return None };
        if op.dst.contains(&from) {
            let reads = |op: &Op| op.args.contains(&Operand::Reg(to)) && op.dst.len() > 1;
            return (!op.dst.contains(&to) && !reads(op)).then_some(at);
        }
        if op.dst.contains(&to) || op.args.contains(&Operand::Reg(to)) {
            return None;
        }
    }
    None
}
