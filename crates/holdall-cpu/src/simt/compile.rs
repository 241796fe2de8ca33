//! From structured to flat code.

use std::sync::Arc;

use holdall_msl::Span;
use holdall_msl::ir::{self, Block, NULL, ObjectKind, Op, OpKind, Operand, Stmt};

use super::access::Accesses;
use super::analysis::{self, Analysis, Slot};
use super::code::{Code, List, Object, RowId, Target, Write};
use super::program::{Constant, Program, Splat};
use super::reduce::reduce;
use super::rows::{self, RowFn, size_of_lane};
use crate::isa::Isa;

/// A construct around the current statement that has an entry in the stack of masks.
struct Frame {
    label: Option<u32>,
    level: u32,
    /// Steps that go to the end of the construct, or of its first part.
    exits: Vec<usize>,
}

/// Rows for the operands and the result of a function of `float` that stands for one of a shorter type.
const WIDE: u32 = 3;

struct Compiler<'a> {
    ir: &'a ir::Program,
    isa: Isa,
    checked: bool,
    analysis: Analysis,
    is_read: Vec<bool>,
    code: Vec<Code>,
    spans: Vec<Span>,
    kinds: Vec<Option<OpKind>>,
    lists: Vec<RowId>,
    writes: Vec<Write>,
    constants: Vec<Constant>,
    frames: Vec<Frame>,
    levels: u32,
    /// The first of [`WIDE`] varying and as many uniform rows of `float`.
    wide: u32,
}

/// Compiles a program for a vector level.
pub fn compile(ir: &Arc<ir::Program>, isa: Isa, checked: bool) -> Program {
    // Checked mode watches the kernel as it was written.
    let reduced = (!checked).then(|| {
        let mut reduced = reduce(ir);
        reduced.discard_unread();
        reduced
    });
    let source = reduced.as_ref().unwrap_or(&**ir);
    let mut analysis = analysis::analyse(source, checked);
    let wide = analysis.slots.len() as u32;
    if analysis::has_short_math(source) {
        for uniform in [false, true] {
            analysis.slots.extend([Slot { size: 4, uniform }; WIDE as usize]);
        }
    }
    let mut compiler = Compiler {
        ir: source,
        isa,
        checked,
        is_read: analysis::reads(source),
        analysis,
        code: Vec::new(),
        spans: Vec::new(),
        kinds: Vec::new(),
        lists: Vec::new(),
        writes: Vec::new(),
        constants: Vec::new(),
        frames: vec![Frame { label: None, level: 0, exits: Vec::new() }],
        levels: 0,
        wide,
    };
    compiler.block(&source.body);
    let end = compiler.at();
    let exits = std::mem::take(&mut compiler.frames[0].exits);
    compiler.patch(&exits, end);
    compiler.emit(Code::End, Span::default());
    let Compiler { analysis, code, spans, kinds, lists, writes, constants, levels, .. } = compiler;
    Program {
        granules: granules(ir),
        slots: analysis.slots,
        splits: analysis.splits,
        code,
        spans,
        kinds,
        lists,
        writes,
        constants: constants.into_iter().map(Splat::new).collect(),
        levels: levels as usize,
        accesses: Accesses::new(isa),
        checked,
        ir: ir.clone(),
    }
}

/// In what units each object of a thread is interleaved: the size of the largest cell that is accessed in it.
fn granules(ir: &ir::Program) -> Vec<usize> {
    fn visit(block: &Block, granules: &mut [usize]) {
        for statement in block {
            match statement {
                Stmt::Op(Op {
                    kind: OpKind::Load { cell, .. } | OpKind::Store { cell, .. }, args, ..
                }) => {
                    if let Operand::Object(id) = args[0]
                        && let Some(granule) = granules.get_mut(id.0 as usize)
                    {
                        *granule = (*granule).max(cell.size() as usize);
                    }
                }
                Stmt::If { then, otherwise, .. } => {
                    visit(then, granules);
                    visit(otherwise, granules);
                }
                Stmt::Loop { body, .. } | Stmt::Block { body, .. } => visit(body, granules),
                _ => {}
            }
        }
    }
    let mut granules = vec![1; ir.objects.len()];
    visit(&ir.body, &mut granules);
    granules
}

impl Compiler<'_> {
    fn at(&self) -> Target {
        self.code.len() as Target
    }

    fn emit(&mut self, code: Code, span: Span) -> usize {
        self.code.push(code);
        self.spans.push(span);
        self.kinds.push(None);
        self.code.len() - 1
    }

    fn patch(&mut self, steps: &[usize], target: Target) {
        for step in steps {
            match &mut self.code[*step] {
                Code::If { otherwise: to, .. }
                | Code::Else { end: to, .. }
                | Code::EndIf { next: to, .. }
                | Code::JumpUnless { to, .. }
                | Code::Jump { to }
                | Code::Repeat { next: to, .. }
                | Code::Leave { next: to, .. }
                | Code::Break { to, .. }
                | Code::Return { to, .. } => *to = target,
                _ => {}
            }
        }
    }

    /// The step goes to the end of the innermost construct.
    fn exits(&mut self, step: usize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.exits.push(step);
        }
    }

    /// Entries in the stack of masks.
    fn level(&self) -> u32 {
        self.frames.len() as u32 - 1
    }

    fn row(&mut self, operand: Operand) -> RowId {
        let (size, bits) = match operand {
            Operand::Reg(reg) => return self.analysis.slot_of[reg.0 as usize],
            Operand::Const(constant) => (size_of_lane(constant.ty), constant.bits),
            Operand::Object(id) => (4, u64::from(id.0)),
        };
        let wanted = Constant { size, bits };
        let index = self.constants.iter().position(|c| *c == wanted).unwrap_or_else(|| {
            self.constants.push(wanted);
            self.constants.len() - 1
        });
        (self.analysis.slots.len() + index) as RowId
    }

    fn is_uniform(&self, operand: Operand) -> bool {
        match operand {
            Operand::Reg(reg) => self.analysis.uniform[reg.0 as usize],
            _ => true,
        }
    }

    fn list(&mut self, operands: &[Operand]) -> List {
        let rows: Vec<RowId> = operands.iter().map(|operand| self.row(*operand)).collect();
        let start = self.lists.len() as u32;
        self.lists.extend(rows);
        List { start, len: operands.len() as u32 }
    }

    fn write(&mut self, reg: ir::Reg, args: &[Operand]) -> Write {
        let i = reg.0 as usize;
        let row = self.analysis.slot_of[i];
        Write {
            row,
            size: size_of_lane(self.ir.registers[i].ty) as u8,
            uniform: self.analysis.uniform[i],
            masked: !self.analysis.local[i],
            aliased: args
                .iter()
                .any(|arg| matches!(arg, Operand::Reg(r) if self.analysis.slot_of[r.0 as usize] == row)),
        }
    }

    fn writes(&mut self, op: &Op) -> List {
        let start = self.writes.len() as u32;
        for dst in &op.dst {
            let write = self.write(*dst, &op.args);
            self.writes.push(write);
        }
        List { start, len: op.dst.len() as u32 }
    }

    fn object(&mut self, operand: Operand) -> Object {
        match operand {
            Operand::Object(NULL) => Object::Known(u32::MAX),
            Operand::Object(id) => Object::Known(id.0),
            other => Object::In(self.row(other)),
        }
    }

    fn op(&mut self, op: &Op) {
        let code = match op.kind {
            OpKind::Load { cell, .. } => {
                let (object, offset) = (self.object(op.args[0]), self.row(op.args[1]));
                let uniform = op.dst.iter().all(|dst| self.analysis.uniform[dst.0 as usize]);
                let is_read = op.dst.iter().any(|dst| self.is_read[dst.0 as usize]);
                Code::Load { object, offset, cell, dst: self.writes(op), uniform, is_read }
            }
            OpKind::Store { cell, .. } => {
                let (object, offset) = (self.object(op.args[0]), self.row(op.args[1]));
                let uniform = op.args[1..].iter().all(|arg| self.is_uniform(*arg))
                    && matches!(op.args[0], Operand::Object(id) if !self.is_private(id));
                Code::Store { object, offset, cell, values: self.list(&op.args[2..]), uniform }
            }
            OpKind::Atomic { op: atomic, ty, .. } => Code::Atomic {
                op: atomic,
                ty,
                object: self.object(op.args[0]),
                offset: self.row(op.args[1]),
                operands: self.list(&op.args[2..]),
                dst: self.writes(op),
            },
            OpKind::Attribute(attribute, component) => {
                Code::Attribute { attribute, component, dst: self.write(op.dst[0], &[]) }
            }
            OpKind::Simd(simd, ty) => {
                let ty = op.args.first().map_or(ty, |arg| self.ir.type_of(*arg));
                Code::Simd { op: simd, ty, dst: self.write(op.dst[0], &op.args), args: self.list(&op.args) }
            }
            OpKind::MatrixMultiply { factor, sum } => {
                Code::Matrix { factor, sum, args: self.list(&op.args), dst: self.writes(op) }
            }
            OpKind::Barrier { scope, flags } => Code::Barrier { scope, flags },
            OpKind::Fence { flags, .. } => Code::Fence { flags },
            OpKind::Fresh if self.checked => Code::Fresh { object: self.object(op.args[0]) },
            OpKind::Undefined(_) if self.checked => {
                Code::Undefined { row: self.analysis.slot_of[op.dst[0].0 as usize] }
            }
            OpKind::Fresh | OpKind::Undefined(_) => return,
            kind => {
                let dst = self.write(op.dst[0], &op.args);
                if let Some(loops) = rows::widened(op, self.isa) {
                    return self.between_conversions(op, loops, dst);
                }
                match rows::function(op, self.isa) {
                    Some(f) => {
                        let mut args = [0; 3];
                        for (to, arg) in args.iter_mut().zip(&op.args) {
                            *to = self.row(*arg);
                        }
                        Code::Row { f, dst, args, n_args: op.args.len() as u8 }
                    }
                    None => Code::Evaluate { kind, dst, args: self.list(&op.args) },
                }
            }
        };
        let step = self.emit(code, op.span);
        self.kinds[step] = Some(op.kind);
    }

    /// A function of short floats, in `float`.
    fn between_conversions(&mut self, op: &Op, loops: [RowFn; 3], dst: Write) {
        let [widen, f, narrow] = loops;
        let wide = |i: u32| {
            let row = self.wide + if dst.uniform { WIDE } else { 0 } + i;
            Write { row, size: 4, uniform: dst.uniform, masked: false, aliased: false }
        };
        let wides = [wide(0), wide(1), wide(2)];
        let mut args = [0; 3];
        for (i, arg) in op.args.iter().enumerate() {
            let arg = [self.row(*arg), 0, 0];
            self.emit(Code::Row { f: widen, dst: wides[i], args: arg, n_args: 1 }, op.span);
            args[i] = wides[i].row;
        }
        let n_args = op.args.len() as u8;
        self.emit(Code::Row { f, dst: wides[2], args, n_args }, op.span);
        self.emit(Code::Row { f: narrow, dst, args: [wides[2].row, 0, 0], n_args: 1 }, op.span);
    }

    fn is_private(&self, id: ir::ObjectId) -> bool {
        self.ir.object(id).is_some_and(|object| object.kind == ObjectKind::Thread)
    }

    fn enter(&mut self, label: Option<u32>) -> u32 {
        let level = self.level();
        self.levels = self.levels.max(level + 1);
        self.frames.push(Frame { label, level, exits: Vec::new() });
        level
    }

    /// Ends the innermost construct with a step to which its exits go.
    fn leave(&mut self, code: Code, span: Span) {
        let exits = self.frames.pop().map(|frame| frame.exits).unwrap_or_default();
        let at = self.at();
        self.patch(&exits, at);
        let step = self.emit(code, span);
        self.exits(step);
    }

    fn block(&mut self, block: &Block) {
        for statement in block {
            match statement {
                Stmt::Op(op) => self.op(op),
                Stmt::If { condition, then, otherwise, span } if self.is_uniform(*condition) => {
                    let condition = self.row(*condition);
                    let skip = self.emit(Code::JumpUnless { condition, to: 0 }, *span);
                    self.block(then);
                    let past = (!otherwise.is_empty()).then(|| self.emit(Code::Jump { to: 0 }, *span));
                    let at = self.at();
                    self.patch(&[skip], at);
                    self.block(otherwise);
                    let at = self.at();
                    self.patch(past.as_slice(), at);
                }
                Stmt::If { condition, then, otherwise, span } => {
                    let condition = self.row(*condition);
                    let level = self.enter(None);
                    let step = self.emit(Code::If { level, condition, otherwise: 0 }, *span);
                    self.exits(step);
                    self.block(then);
                    if !otherwise.is_empty() {
                        let exits = self.frames.last_mut().map(|frame| std::mem::take(&mut frame.exits));
                        let at = self.at();
                        self.patch(&exits.unwrap_or_default(), at);
                        let step = self.emit(Code::Else { level, end: 0 }, *span);
                        self.exits(step);
                        self.block(otherwise);
                    }
                    self.leave(Code::EndIf { level, next: 0 }, *span);
                }
                Stmt::Loop { label, body, span } => {
                    let level = self.enter(Some(label.0));
                    self.emit(Code::Enter { level }, *span);
                    let start = self.at();
                    self.block(body);
                    let waits = self.analysis.splits && analysis::may_wait(body, &self.is_read);
                    self.leave(Code::Repeat { level, start, next: 0, waits }, *span);
                }
                Stmt::Block { label, body } => {
                    let level = self.enter(Some(label.0));
                    self.emit(Code::Enter { level }, Span::default());
                    self.block(body);
                    self.leave(Code::Leave { level, next: 0 }, Span::default());
                }
                Stmt::Break { label, span } => {
                    let level = self.level();
                    let frame = self.frames.iter().rev().find(|frame| frame.label == Some(label.0));
                    let to_level = frame.map_or(0, |frame| frame.level);
                    let step = self.emit(Code::Break { to_level, level, to: 0 }, *span);
                    self.exits(step);
                    return;
                }
                Stmt::Return { span } => {
                    let level = self.level();
                    let step = self.emit(Code::Return { level, to: 0 }, *span);
                    self.exits(step);
                    return;
                }
            }
        }
    }
}
