//! New numbers for registers, objects, variables and labels that are left.

use crate::ir::{Block, Label, ObjectId, ObjectKind, OpKind, Operand, Program, Reg, Stmt};

const GONE: u32 = u32::MAX;

#[derive(Default)]
struct Numbers {
    map: Vec<u32>,
    n: u32,
}

impl Numbers {
    fn new(len: usize) -> Self {
        Self { map: vec![GONE; len], n: 0 }
    }

    fn of(&mut self, old: u32) -> u32 {
        let new = &mut self.map[old as usize];
        if *new == GONE {
            *new = self.n;
            self.n += 1;
        }
        *new
    }

    /// The old things that are left, in their new order.
    fn keep<T: Clone>(&self, old: &[T]) -> Vec<T> {
        let mut kept: Vec<(u32, T)> = self
            .map
            .iter()
            .zip(old)
            .filter(|(new, _)| **new != GONE)
            .map(|(new, old)| (*new, old.clone()))
            .collect();
        kept.sort_by_key(|(new, _)| *new);
        kept.into_iter().map(|(_, old)| old).collect()
    }
}

struct Pass {
    registers: Numbers,
    objects: Numbers,
    labels: Numbers,
    read: Vec<bool>,
    written: Vec<bool>,
}

pub(super) fn compact(program: &mut Program) {
    let n = program.buffers.len();
    let mut pass = Pass {
        registers: Numbers::new(program.registers.len()),
        objects: Numbers::new(program.objects.len()),
        labels: Numbers::new(program.n_labels as usize),
        read: vec![false; n],
        written: vec![false; n],
    };
    // Buffers keep their numbers, used or not.
    for buffer in 0..n as u32 {
        pass.objects.of(buffer);
    }
    let mut body = std::mem::take(&mut program.body);
    pass.block(&mut body);
    program.body = body;
    program.registers = pass.registers.keep(&program.registers);
    program.objects = pass.objects.keep(&program.objects);
    program.n_labels = pass.labels.n;
    let mut variables = Numbers::new(program.variables.len());
    for register in &mut program.registers {
        register.variable = register.variable.map(|variable| variables.of(variable));
    }
    program.variables = variables.keep(&program.variables);
    // A pointer that is kept in a register or in memory may be any buffer's.
    let escapes = program.registers.iter().any(|register| register.ty == crate::scalar::Scalar::Object);
    for (i, buffer) in program.buffers.iter_mut().enumerate() {
        let writable = matches!(buffer.role, crate::ir::BufferRole::Output(_));
        buffer.is_read = pass.read[i] || escapes;
        buffer.is_written = pass.written[i] || (escapes && writable);
    }
    debug_assert!(program.objects.iter().take(n).all(|object| matches!(object.kind, ObjectKind::Buffer(_))));
}

impl Pass {
    fn operand(&mut self, operand: &mut Operand) {
        match operand {
            Operand::Reg(reg) => *reg = Reg(self.registers.of(reg.0)),
            Operand::Object(id) if *id != crate::ir::NULL => *id = ObjectId(self.objects.of(id.0)),
            _ => {}
        }
    }

    fn block(&mut self, block: &mut Block) {
        for statement in block {
            match statement {
                Stmt::Op(op) => {
                    for arg in &mut op.args {
                        self.operand(arg);
                    }
                    for dst in &mut op.dst {
                        *dst = Reg(self.registers.of(dst.0));
                    }
                    if let Some(Operand::Object(id)) = op.args.first() {
                        let index = id.0 as usize;
                        match op.kind {
                            OpKind::Load { .. } => mark(&mut self.read, index),
                            OpKind::Store { .. } => mark(&mut self.written, index),
                            OpKind::Atomic { .. } => {
                                mark(&mut self.read, index);
                                mark(&mut self.written, index);
                            }
                            _ => {}
                        }
                    }
                }
                Stmt::If { condition, then, otherwise, .. } => {
                    self.operand(condition);
                    self.block(then);
                    self.block(otherwise);
                }
                Stmt::Loop { label, body, .. } | Stmt::Block { label, body } => {
                    *label = Label(self.labels.of(label.0));
                    self.block(body);
                }
                Stmt::Break { label, .. } => *label = Label(self.labels.of(label.0)),
                Stmt::Return { .. } => {}
            }
        }
    }
}

fn mark(flags: &mut [bool], index: usize) {
    if let Some(flag) = flags.get_mut(index) {
        *flag = true;
    }
}
