//! Copies and constants to their uses.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::each_op;
use crate::ir::{Binary, Block, Compare, Const, ObjectKind, Op, OpKind, Operand, Program, Reg, Stmt, fold};
use crate::scalar::Scalar;

/// Constants that are remembered at a time, since each branch gets a copy of them.
const KNOWN: usize = 256;

struct Pass<'a> {
    /// Registers that are written once, at the place where they begin to be.
    single: Vec<bool>,
    /// What may be read instead of a register.
    alias: Vec<Option<Operand>>,
    /// The registers whose alias is this register, which is written several times.
    readers: FxHashMap<Reg, SmallVec<[Reg; 4]>>,
    /// Constants that registers hold which are written several times, at this point of the program.
    current: FxHashMap<Reg, Operand>,
    objects: &'a [crate::ir::Object],
}

pub(super) fn propagate(program: &mut Program) {
    let n = program.registers.len();
    let mut writes = vec![0u32; n];
    let mut undefined = vec![false; n];
    let mut objects: FxHashMap<Reg, Option<Operand>> = FxHashMap::default();
    each_op(&program.body, &mut |op| {
        for dst in &op.dst {
            let index = dst.0 as usize;
            if let OpKind::Undefined(_) = op.kind {
                undefined[index] = true;
                continue;
            }
            writes[index] += 1;
            if program.registers[index].ty == Scalar::Object {
                let value = match (op.kind, op.args.first()) {
                    (OpKind::Copy(_), Some(known @ Operand::Object(_))) => Some(*known),
                    _ => None,
                };
                let known = objects.entry(*dst).or_insert(value);
                if *known != value {
                    *known = None;
                }
            }
        }
    });
    let mut alias = vec![None; n];
    // A pointer that only ever points into one object, wherever it is set.
    for (reg, object) in objects {
        alias[reg.0 as usize] = object;
    }
    let single =
        writes.iter().zip(&undefined).map(|(writes, undefined)| *writes == 1 && !undefined).collect();
    let (readers, current) = (FxHashMap::default(), FxHashMap::default());
    let mut pass = Pass { single, alias, readers, current, objects: &program.objects };
    let body = std::mem::take(&mut program.body);
    program.body = pass.block(body);
}

impl Pass<'_> {
    fn resolve(&self, operand: Operand) -> Operand {
        match operand {
            Operand::Reg(reg) => {
                let known = self.alias[reg.0 as usize].or_else(|| self.current.get(&reg).copied());
                match known {
                    Some(Operand::Reg(other)) => self.current.get(&other).copied().or(known),
                    _ => known,
                }
                .unwrap_or(operand)
            }
            other => other,
        }
    }

    fn written(&mut self, reg: Reg) {
        self.current.remove(&reg);
        for reader in self.readers.remove(&reg).unwrap_or_default() {
            self.alias[reader.0 as usize] = None;
        }
    }

    fn block(&mut self, block: Block) -> Block {
        let mut out = Block::with_capacity(block.len());
        for statement in block {
            match statement {
                Stmt::Op(op) => {
                    if let Some(op) = self.op(op) {
                        out.push(Stmt::Op(op));
                    }
                }
                Stmt::If { condition, then, otherwise, span } => match self.resolve(condition) {
                    Operand::Const(known) => {
                        let taken = if known.bits != 0 { then } else { otherwise };
                        out.extend(self.block(taken));
                    }
                    condition => {
                        let before = self.current.clone();
                        let then = self.block(then);
                        let after = std::mem::replace(&mut self.current, before);
                        let otherwise = self.block(otherwise);
                        // What both branches agree on, or neither wrote.
                        self.current.retain(|reg, value| after.get(reg) == Some(value));
                        out.push(Stmt::If { condition, then, otherwise, span });
                    }
                },
                Stmt::Loop { label, body, span } => {
                    // What the loop writes is not what it was when the loop comes round again.
                    let mut written = Vec::new();
                    each_op(&body, &mut |op| written.extend_from_slice(&op.dst));
                    for reg in &written {
                        self.written(*reg);
                    }
                    let body = self.block(body);
                    for reg in &written {
                        self.current.remove(reg);
                    }
                    out.push(Stmt::Loop { label, body, span });
                }
                Stmt::Block { label, body } => {
                    // Threads that leave early have not done the rest.
                    let mut written = Vec::new();
                    each_op(&body, &mut |op| written.extend_from_slice(&op.dst));
                    let body = self.block(body);
                    for reg in &written {
                        self.current.remove(reg);
                    }
                    out.push(Stmt::Block { label, body });
                }
                other => out.push(other),
            }
        }
        out
    }

    /// The operation with what is known put in; `None` if it is not needed any more.
    fn op(&mut self, mut op: Op) -> Option<Op> {
        for arg in &mut op.args {
            *arg = self.resolve(*arg);
        }
        if let Some(same) = self.simplify(&op) {
            let ty = match op.kind {
                OpKind::Convert { to, .. } | OpKind::Bitcast { to, .. } => to,
                OpKind::Compare(..) | OpKind::Test(..) => Scalar::Bool,
                OpKind::Copy(ty)
                | OpKind::Unary(_, ty)
                | OpKind::Binary(_, ty)
                | OpKind::Select(ty)
                | OpKind::Math(_, _, ty)
                | OpKind::Integer(_, ty)
                | OpKind::Load { cell: crate::ir::Cell::Scalar(ty), .. } => ty,
                _ => return Some(op),
            };
            op.kind = OpKind::Copy(ty);
            op.args.clear();
            op.args.push(same);
        }
        for dst in &op.dst {
            self.written(*dst);
        }
        if let (OpKind::Copy(_), [dst], [from]) = (op.kind, op.dst.as_slice(), op.args.as_slice()) {
            if Operand::Reg(*dst) == *from {
                return None;
            }
            if !self.single[dst.0 as usize] && !matches!(from, Operand::Reg(_)) && self.current.len() < KNOWN
            {
                self.current.insert(*dst, *from);
            }
            if self.single[dst.0 as usize] {
                match from {
                    Operand::Reg(reg) if !self.single[reg.0 as usize] => {
                        self.readers.entry(*reg).or_default().push(*dst);
                    }
                    _ => {}
                }
                self.alias[dst.0 as usize] = Some(*from);
            }
        }
        if let (
            OpKind::Load { space, .. } | OpKind::Store { space, .. } | OpKind::Atomic { space, .. },
            Some(Operand::Object(id)),
        ) = (&mut op.kind, op.args.first())
            && let Some(object) = self.objects.get(id.0 as usize)
        {
            *space = object.space;
        }
        Some(op)
    }

    /// What the operation gives, if that is an operand.
    fn simplify(&self, op: &Op) -> Option<Operand> {
        let args = &op.args;
        if op.dst.len() != 1 {
            return None;
        }
        match (op.kind, args.as_slice()) {
            (
                OpKind::Load { cell: crate::ir::Cell::Scalar(ty), .. },
                [Operand::Object(id), Operand::Const(offset)],
            ) => {
                return self.table(*id, *offset, ty);
            }
            (
                OpKind::Compare(compare @ (Compare::Eq | Compare::Ne), _),
                [Operand::Object(a), Operand::Object(b)],
            ) => {
                let holds = (a == b) == (compare == Compare::Eq);
                return Some(Const::new(Scalar::Bool, u64::from(holds)).into());
            }
            (OpKind::Select(_), [Operand::Const(condition), yes, no]) => {
                return Some(if condition.bits != 0 { *yes } else { *no });
            }
            (OpKind::Select(_), [_, yes, no]) if yes == no => return Some(*yes),
            (OpKind::Binary(binary, ty), [a, b]) if !ty.is_float() => {
                let is = |operand: &Operand, value: u64| operand.as_const().is_some_and(|c| c.bits == value);
                match binary {
                    Binary::Add | Binary::Or | Binary::Xor if is(a, 0) => return Some(*b),
                    Binary::Add | Binary::Subtract | Binary::Or | Binary::Xor if is(b, 0) => return Some(*a),
                    Binary::Multiply if is(a, 1) => return Some(*b),
                    Binary::Multiply | Binary::Divide if is(b, 1) => return Some(*a),
                    _ => {}
                }
            }
            _ => {}
        }
        let constants: Option<SmallVec<[Const; 4]>> = args.iter().map(|arg| arg.as_const()).collect();
        let constants = constants?;
        let divides = !op.kind.is_pure() && constants.get(1).is_some_and(|c| c.bits == 0);
        if divides || matches!(op.kind, OpKind::Copy(_)) {
            return None;
        }
        fold::evaluate(op.kind, &constants).map(Operand::Const)
    }

    fn table(&self, id: crate::ir::ObjectId, offset: Const, ty: Scalar) -> Option<Operand> {
        let ObjectKind::Table(bytes) = &self.objects.get(id.0 as usize)?.kind else { return None };
        let start = usize::try_from(offset.as_i64()).ok()?;
        let cell = bytes.get(start..start.checked_add(ty.size() as usize)?)?;
        let bits = cell.iter().rev().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        Some(Const::new(ty, bits).into())
    }
}
