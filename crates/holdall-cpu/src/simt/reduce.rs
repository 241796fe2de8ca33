//! Less work for the same result: equal values are computed once, and what does not change in a loop before it.
//!
//! Only temporaries are touched: registers that stand for no variable, are written by one operation and not read
//! before it in the text. Only pure operations are: they can be done for lanes that would not have come to them.

use std::collections::{HashMap, HashSet};

use holdall_msl::SourceMap;
use holdall_msl::ir::{Block, Op, OpKind, Operand, Program, Reg, Stmt};
use smallvec::SmallVec;

/// An operation, with how often its arguments had been written.
type Key = (OpKind, SmallVec<[(Operand, u32); 3]>);

/// A program that does the same. It has no texts.
pub fn reduce(program: &Program) -> Program {
    let n = program.registers.len();
    let mut counts = Counts { writes: vec![0; n], read_first: vec![false; n] };
    counts.block(&program.body);
    let temporary = (0..n)
        .map(|i| {
            let is_variable = program.registers[i].variable.is_some();
            !is_variable && counts.writes[i] == 1 && !counts.read_first[i]
        })
        .collect();
    let mut reducer = Reducer {
        temporary,
        versions: vec![0; n],
        same: vec![None; n],
        table: HashMap::new(),
        log: Vec::new(),
    };
    let body = reducer.block(&program.body);
    let body = reducer.hoist(body);
    Program {
        name: program.name.clone(),
        buffers: program.buffers.clone(),
        objects: program.objects.clone(),
        registers: program.registers.clone(),
        variables: Vec::new(),
        body,
        n_labels: program.n_labels,
        map: SourceMap::default(),
    }
}

struct Counts {
    writes: Vec<u32>,
    read_first: Vec<bool>,
}

impl Counts {
    fn read(&mut self, operand: Operand) {
        if let Operand::Reg(reg) = operand {
            self.read_first[reg.0 as usize] |= self.writes[reg.0 as usize] == 0;
        }
    }

    fn block(&mut self, block: &Block) {
        for statement in block {
            match statement {
                Stmt::Op(op) => {
                    op.args.iter().for_each(|arg| self.read(*arg));
                    op.dst.iter().for_each(|dst| self.writes[dst.0 as usize] += 1);
                }
                Stmt::If { condition, then, otherwise, .. } => {
                    self.read(*condition);
                    self.block(then);
                    self.block(otherwise);
                }
                Stmt::Loop { body, .. } | Stmt::Block { body, .. } => self.block(body),
                Stmt::Break { .. } | Stmt::Return { .. } => {}
            }
        }
    }
}

struct Reducer {
    temporary: Vec<bool>,
    /// How often each register was written so far, or may have been.
    versions: Vec<u32>,
    /// The register that has the same value.
    same: Vec<Option<Reg>>,
    /// Values of the lists around the current statement, and in what order they came.
    table: HashMap<Key, Reg>,
    log: Vec<Key>,
}

impl Reducer {
    fn operand(&self, operand: Operand) -> Operand {
        match operand {
            Operand::Reg(reg) => Operand::Reg(self.same[reg.0 as usize].unwrap_or(reg)),
            other => other,
        }
    }

    /// The temporary that a pure operation writes.
    fn result(&self, op: &Op) -> Option<Reg> {
        let [dst] = op.dst[..] else { return None };
        (op.kind.is_pure() && self.temporary[dst.0 as usize]).then_some(dst)
    }

    fn op(&mut self, op: &Op) -> Option<Op> {
        let mut op = op.clone();
        for arg in &mut op.args {
            *arg = self.operand(*arg);
        }
        if let Some(dst) = self.result(&op) {
            let version = |arg: &Operand| match arg {
                Operand::Reg(reg) => (*arg, self.versions[reg.0 as usize]),
                _ => (*arg, 0),
            };
            let key = (op.kind, op.args.iter().map(version).collect());
            if let Some(same) = self.table.get(&key) {
                self.same[dst.0 as usize] = Some(*same);
                return None;
            }
            self.table.insert(key.clone(), dst);
            self.log.push(key);
        }
        for dst in &op.dst {
            self.versions[dst.0 as usize] += 1;
        }
        Some(op)
    }

    fn block(&mut self, block: &Block) -> Block {
        let mark = self.log.len();
        let mut out = Block::with_capacity(block.len());
        for statement in block {
            out.push(match statement {
                Stmt::Op(op) => match self.op(op) {
                    Some(op) => Stmt::Op(op),
                    None => continue,
                },
                Stmt::If { condition, then, otherwise, span } => Stmt::If {
                    condition: self.operand(*condition),
                    then: self.block(then),
                    otherwise: self.block(otherwise),
                    span: *span,
                },
                Stmt::Loop { label, body, span } => {
                    // What the loop writes is already different when it starts again.
                    for reg in written(body) {
                        self.versions[reg.0 as usize] += 1;
                    }
                    Stmt::Loop { label: *label, body: self.block(body), span: *span }
                }
                Stmt::Block { label, body } => Stmt::Block { label: *label, body: self.block(body) },
                other => other.clone(),
            });
        }
        for key in self.log.drain(mark..) {
            self.table.remove(&key);
        }
        out
    }

    /// Moves operations that do the same in every round of a loop before it.
    fn hoist(&self, block: Block) -> Block {
        let mut out = Block::with_capacity(block.len());
        for statement in block {
            let statement = match statement {
                Stmt::If { condition, then, otherwise, span } => {
                    Stmt::If { condition, then: self.hoist(then), otherwise: self.hoist(otherwise), span }
                }
                Stmt::Block { label, body } => Stmt::Block { label, body: self.hoist(body) },
                Stmt::Loop { label, body, span } => {
                    let mut written: HashSet<Reg> = written(&body).into_iter().collect();
                    let body = self.split(self.hoist(body), &mut written, &mut out);
                    Stmt::Loop { label, body, span }
                }
                other => other,
            };
            out.push(statement);
        }
        out
    }

    /// What stays in a loop that writes these registers. Branches that may be rare keep what they have.
    fn split(&self, body: Block, written: &mut HashSet<Reg>, before: &mut Block) -> Block {
        let mut kept = Block::with_capacity(body.len());
        for statement in body {
            match statement {
                Stmt::Op(op) if self.result(&op).is_some() => {
                    let changes =
                        op.args.iter().any(|arg| matches!(arg, Operand::Reg(r) if written.contains(r)));
                    if changes {
                        kept.push(Stmt::Op(op));
                    } else {
                        written.remove(&op.dst[0]);
                        before.push(Stmt::Op(op));
                    }
                }
                Stmt::Block { label, body } => {
                    kept.push(Stmt::Block { label, body: self.split(body, written, before) });
                }
                other => kept.push(other),
            }
        }
        kept
    }
}

/// The registers that a block writes.
fn written(block: &Block) -> Vec<Reg> {
    fn visit(block: &Block, out: &mut Vec<Reg>) {
        for statement in block {
            match statement {
                Stmt::Op(op) => out.extend(&op.dst),
                Stmt::If { then, otherwise, .. } => {
                    visit(then, out);
                    visit(otherwise, out);
                }
                Stmt::Loop { body, .. } | Stmt::Block { body, .. } => visit(body, out),
                Stmt::Break { .. } | Stmt::Return { .. } => {}
            }
        }
    }
    let mut out = Vec::new();
    visit(block, &mut out);
    out
}
