//! Emission of operations. Constants are folded on the way.

use smallvec::SmallVec;

use super::Lower;
use crate::diagnostic::{Kind, Result};
use crate::ir::fold;
use crate::ir::{
    Binary, Block, Cell, Compare, Const, Label, Object, ObjectId, ObjectKind, Op, OpKind, Operand, Reg,
    Register, Stmt, Unary,
};
use crate::limits;
use crate::scalar::{Scalar, Space};
use crate::source::Span;

/// The program under construction.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    pub registers: Vec<Register>,
    pub objects: Vec<Object>,
    /// The innermost block is the last.
    pub blocks: Vec<Block>,
    pub n_labels: u32,
    pub n_ops: usize,
}

impl Builder {
    pub(crate) fn register(&mut self, ty: Scalar) -> Reg {
        self.registers.push(Register { ty, variable: None });
        Reg(self.registers.len() as u32 - 1)
    }

    pub(crate) fn label(&mut self) -> Label {
        self.n_labels += 1;
        Label(self.n_labels - 1)
    }

    pub(crate) fn push(&mut self, statement: Stmt) {
        self.n_ops += 1;
        if let Some(block) = self.blocks.last_mut() {
            block.push(statement);
        }
    }
}

pub(crate) fn constant(ty: Scalar, bits: u64) -> Operand {
    Operand::Const(Const::new(ty, bits))
}

pub(crate) fn int64(value: i64) -> Operand {
    constant(Scalar::I64, value as u64)
}

impl Lower<'_> {
    /// Starts a block that [`Self::end_block`] returns.
    pub(crate) fn begin_block(&mut self) {
        self.builder.blocks.push(Block::new());
    }

    pub(crate) fn end_block(&mut self) -> Block {
        self.builder.blocks.pop().unwrap_or_default()
    }

    pub(crate) fn type_of(&self, operand: Operand) -> Scalar {
        match operand {
            Operand::Reg(reg) => self.builder.registers[reg.0 as usize].ty,
            Operand::Const(constant) => constant.ty,
            Operand::Object(_) => Scalar::Object,
        }
    }

    pub(crate) fn operation(&mut self, kind: OpKind, dst: &[Reg], args: &[Operand]) {
        let op = Op { kind, dst: dst.into(), args: args.into(), span: self.at };
        self.builder.push(Stmt::Op(op));
    }

    /// Fails when the kernel has become too large.
    pub(crate) fn check_size(&mut self, span: Span) -> Result<()> {
        if self.builder.n_ops > limits::OPERATIONS {
            let message = "the kernel has more than a million operations after its functions are inlined";
            return Err(self.sink.limit(span, message));
        }
        Ok(())
    }

    /// Emits a pure operation, or gives the constant that it is.
    pub(crate) fn pure(&mut self, kind: OpKind, ty: Scalar, args: &[Operand]) -> Operand {
        let constants: Option<SmallVec<[Const; 4]>> = args.iter().map(|arg| arg.as_const()).collect();
        if kind.is_pure()
            && let Some(value) = constants.and_then(|constants| fold::evaluate(kind, &constants))
        {
            return value.into();
        }
        if let Some(same) = identity(kind, args) {
            return same;
        }
        let dst = self.builder.register(ty);
        self.operation(kind, &[dst], args);
        dst.into()
    }

    pub(crate) fn unary(&mut self, op: Unary, a: Operand) -> Operand {
        let ty = self.type_of(a);
        self.pure(OpKind::Unary(op, ty), ty, &[a])
    }

    /// Both operands have the same type. Divisions of integers by constants other than zero are pure.
    pub(crate) fn binary(&mut self, op: Binary, a: Operand, b: Operand) -> Operand {
        let ty = self.type_of(a);
        let kind = OpKind::Binary(op, ty);
        if let (Some(x), Some(y)) = (a.as_const(), b.as_const())
            && (kind.is_pure() || y.bits != 0)
            && let Some(value) = fold::evaluate(kind, &[x, y])
        {
            return value.into();
        }
        self.pure(kind, ty, &[a, b])
    }

    pub(crate) fn compare(&mut self, op: Compare, a: Operand, b: Operand) -> Operand {
        if let (Operand::Object(x), Operand::Object(y)) = (a, b) {
            let same = (x == y) == (op == Compare::Eq);
            return constant(Scalar::Bool, u64::from(same));
        }
        let ty = self.type_of(a);
        self.pure(OpKind::Compare(op, ty), Scalar::Bool, &[a, b])
    }

    pub(crate) fn select(&mut self, condition: Operand, yes: Operand, no: Operand) -> Operand {
        if let Some(known) = condition.as_const() {
            return if known.bits != 0 { yes } else { no };
        }
        if yes == no {
            return yes;
        }
        let ty = self.type_of(yes);
        self.pure(OpKind::Select(ty), ty, &[condition, yes, no])
    }

    pub(crate) fn convert_scalar(&mut self, value: Operand, to: Scalar) -> Operand {
        let from = self.type_of(value);
        if from == to { value } else { self.pure(OpKind::Convert { from, to }, to, &[value]) }
    }

    pub(crate) fn bitcast_scalar(&mut self, value: Operand, to: Scalar) -> Operand {
        let from = self.type_of(value);
        if from == to { value } else { self.pure(OpKind::Bitcast { from, to }, to, &[value]) }
    }

    /// Makes an object. Objects are bounded in size.
    pub(crate) fn object(
        &mut self,
        name: String,
        kind: ObjectKind,
        space: Space,
        (size, align): (u64, u64),
        span: Span,
    ) -> Result<ObjectId> {
        if size > limits::OBJECT_BYTES {
            let message =
                format!("`{name}` takes {size} bytes: at most {} are possible", limits::OBJECT_BYTES);
            return Err(self.sink.error(Kind::Limit, span, message));
        }
        let object = Object { name, kind, space, size: size as u32, align: align as u32, span };
        self.builder.objects.push(object);
        Ok(ObjectId(self.builder.objects.len() as u32 - 1))
    }

    /// Where an access through a pointer goes: a known object tells its own address space.
    pub(crate) fn space_of(&self, object: Operand, declared: Space) -> Space {
        match object {
            Operand::Object(id) => {
                self.builder.objects.get(id.0 as usize).map_or(declared, |object| object.space)
            }
            _ => declared,
        }
    }

    /// Loads `n` consecutive cells.
    pub(crate) fn load_cells(
        &mut self,
        space: Space,
        cell: Cell,
        n: usize,
        align: u64,
        object: Operand,
        offset: Operand,
    ) -> SmallVec<[Operand; 4]> {
        if let Some(known) = self.load_constant(cell, n, object, offset) {
            return known;
        }
        let mut dst: SmallVec<[Reg; 4]> = SmallVec::new();
        for _ in 0..n {
            match cell {
                Cell::Scalar(scalar) => dst.push(self.builder.register(scalar)),
                Cell::Pointer => {
                    dst.push(self.builder.register(Scalar::Object));
                    dst.push(self.builder.register(Scalar::I64));
                }
            }
        }
        let space = self.space_of(object, space);
        self.operation(OpKind::Load { space, cell, align: align.min(16) as u8 }, &dst, &[object, offset]);
        dst.into_iter().map(Operand::Reg).collect()
    }

    /// What a table of constants holds at a known place.
    fn load_constant(
        &self,
        cell: Cell,
        n: usize,
        object: Operand,
        offset: Operand,
    ) -> Option<SmallVec<[Operand; 4]>> {
        let (Operand::Object(id), Some(at), Cell::Scalar(scalar)) = (object, offset.as_const(), cell) else {
            return None;
        };
        let ObjectKind::Table(bytes) = &self.builder.objects.get(id.0 as usize)?.kind else { return None };
        let size = scalar.size() as usize;
        let start = usize::try_from(at.as_i64()).ok()?;
        let cells = bytes.get(start..start.checked_add(size * n)?)?.chunks(size);
        let read = |cell: &[u8]| cell.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        Some(cells.map(|cell| constant(scalar, read(cell))).collect())
    }

    pub(crate) fn store_cells(
        &mut self,
        space: Space,
        cell: Cell,
        align: u64,
        object: Operand,
        offset: Operand,
        values: &[Operand],
    ) {
        let mut args: SmallVec<[Operand; 3]> = SmallVec::new();
        args.extend([object, offset]);
        args.extend_from_slice(values);
        let space = self.space_of(object, space);
        let kind = OpKind::Store { space, cell, align: align.min(16) as u8 };
        let op = Op { kind, dst: SmallVec::new(), args, span: self.at };
        self.builder.push(Stmt::Op(op));
    }

    /// An offset in bytes further.
    pub(crate) fn offset_by(&mut self, offset: Operand, bytes: i64) -> Operand {
        self.binary(Binary::Add, offset, int64(bytes))
    }
}

/// The argument that an operation gives unchanged, if it does. Floats keep their operations: `x + 0` is not `x` for -0.
fn identity(kind: OpKind, args: &[Operand]) -> Option<Operand> {
    let OpKind::Binary(op, ty) = kind else { return None };
    if ty.is_float() {
        return None;
    }
    let [a, b] = args else { return None };
    let is = |operand: &Operand, value: u64| operand.as_const().is_some_and(|c| c.bits == value);
    match op {
        Binary::Add | Binary::Or | Binary::Xor if is(a, 0) => Some(*b),
        Binary::Add
        | Binary::Subtract
        | Binary::Or
        | Binary::Xor
        | Binary::ShiftLeft
        | Binary::ShiftRight
            if is(b, 0) =>
        {
            Some(*a)
        }
        Binary::Multiply if is(a, 1) => Some(*b),
        Binary::Multiply | Binary::Divide if is(b, 1) => Some(*a),
        Binary::And if ty == Scalar::Bool && is(a, 1) => Some(*b),
        Binary::And if ty == Scalar::Bool && is(b, 1) => Some(*a),
        _ => None,
    }
}
