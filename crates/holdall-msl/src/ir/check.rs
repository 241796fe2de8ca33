//! The invariants of the representation.

use super::{Block, Cell, Label, NULL, ObjectKind, Op, OpKind, Operand, Program, Stmt};
use crate::scalar::Scalar;

pub(super) fn check(program: &Program) -> Result<(), String> {
    for (i, buffer) in program.buffers.iter().enumerate() {
        let object = program.objects.get(i).ok_or("a buffer without its object")?;
        if object.kind != ObjectKind::Buffer(i as u32) {
            return Err(format!("object {i} is not the buffer `{}`", buffer.name));
        }
    }
    block(program, &program.body, &mut Vec::new())
}

fn block(program: &Program, statements: &Block, labels: &mut Vec<Label>) -> Result<(), String> {
    for statement in statements {
        match statement {
            Stmt::Op(op) => self::op(program, op).map_err(|e| format!("{e} in {op:?}"))?,
            Stmt::If { condition, then, otherwise, .. } => {
                operand(program, *condition)?;
                if program.type_of(*condition) != Scalar::Bool {
                    return Err("a condition is no bool".to_owned());
                }
                block(program, then, labels)?;
                block(program, otherwise, labels)?;
            }
            Stmt::Loop { label, body, .. } | Stmt::Block { label, body } => {
                if labels.contains(label) || label.0 >= program.n_labels {
                    return Err(format!("label {} is wrong", label.0));
                }
                labels.push(*label);
                block(program, body, labels)?;
                labels.pop();
            }
            Stmt::Break { label, .. } => {
                if !labels.contains(label) {
                    return Err(format!("a break to {}, which is not around it", label.0));
                }
            }
            Stmt::Return { .. } => {}
        }
    }
    Ok(())
}

fn operand(program: &Program, operand: Operand) -> Result<(), String> {
    match operand {
        Operand::Reg(reg) if reg.0 as usize >= program.registers.len() => Err("no such register".to_owned()),
        Operand::Object(id) if id != NULL && id.0 as usize >= program.objects.len() => {
            Err("no such object".to_owned())
        }
        _ => Ok(()),
    }
}

fn op(program: &Program, op: &Op) -> Result<(), String> {
    for arg in &op.args {
        operand(program, *arg)?;
    }
    for dst in &op.dst {
        operand(program, Operand::Reg(*dst))?;
    }
    let args: Vec<Scalar> = op.args.iter().map(|arg| program.type_of(*arg)).collect();
    let dst: Vec<Scalar> = op.dst.iter().map(|dst| program.registers[dst.0 as usize].ty).collect();
    let expect = |wanted_args: &[Scalar], wanted_dst: &[Scalar]| {
        if args == wanted_args && dst == wanted_dst {
            return Ok(());
        }
        Err(format!("types {args:?} → {dst:?}, wanted {wanted_args:?} → {wanted_dst:?}"))
    };
    let b = Scalar::Bool;
    match op.kind {
        OpKind::Copy(t) | OpKind::Unary(_, t) => expect(&[t], &[t]),
        OpKind::Binary(_, t) => expect(&[t, t], &[t]),
        OpKind::Compare(_, t) => expect(&[t, t], &[b]),
        OpKind::Select(t) => expect(&[b, t, t], &[t]),
        OpKind::Convert { from, to } => expect(&[from], &[to]),
        OpKind::Bitcast { from, to } if from.size() == to.size() => expect(&[from], &[to]),
        OpKind::Bitcast { .. } => Err("a bitcast between sizes".to_owned()),
        OpKind::Math(super::Math::Ldexp, _, t) => expect(&[t, Scalar::I32], &[t]),
        OpKind::Math(math, _, t) => expect(&vec![t; math.arity()], &[t]),
        OpKind::Test(_, t) => expect(&[t], &[b]),
        OpKind::Integer(super::Integer::ExtractBits, t) => expect(&[t, Scalar::U32, Scalar::U32], &[t]),
        OpKind::Integer(super::Integer::InsertBits, t) => expect(&[t, t, Scalar::U32, Scalar::U32], &[t]),
        OpKind::Integer(integer, t) => expect(&vec![t; integer.arity()], &[t]),
        OpKind::Attribute(attribute, i) if i < attribute.n_components() => expect(&[], &[Scalar::U32]),
        OpKind::Attribute(..) => Err("no such component".to_owned()),
        OpKind::Load { cell, .. } => {
            let n = dst.len() / cell.n_registers();
            expect(&[Scalar::Object, Scalar::I64], &cells(cell, n.clamp(1, 4)))
        }
        OpKind::Store { cell, .. } => {
            let n = args.len().saturating_sub(2) / cell.n_registers();
            let wanted = [vec![Scalar::Object, Scalar::I64], cells(cell, n.clamp(1, 4))].concat();
            expect(&wanted, &[])
        }
        OpKind::Fresh => expect(&[Scalar::Object], &[]),
        OpKind::Undefined(t) => expect(&[], &[t]),
        OpKind::Atomic { op: atomic, ty, .. } => {
            let head = [Scalar::Object, Scalar::I64];
            match atomic {
                super::Atomic::Load => expect(&head, &[ty]),
                super::Atomic::Store => expect(&[&head[..], &[ty]].concat(), &[]),
                super::Atomic::CompareExchange => expect(&[&head[..], &[ty, ty]].concat(), &[ty, b]),
                _ => expect(&[&head[..], &[ty]].concat(), &[ty]),
            }
        }
        OpKind::Barrier { .. } | OpKind::Fence { .. } => expect(&[], &[]),
        OpKind::MatrixMultiply { factor, sum } => {
            expect(&[factor, factor, factor, factor, sum, sum], &[sum, sum])
        }
        OpKind::Simd(simd, t) => match (simd, args.len()) {
            (super::Simd::Ballot, _) => expect(&[b], &[Scalar::U64]),
            (_, 0) => expect(&[], &[t]),
            (_, 1) => expect(&[t], &[t]),
            (_, 2) => expect(&[t, Scalar::U32], &[t]),
            _ => expect(&[t, t, Scalar::U32], &[t]),
        },
    }
}

fn cells(cell: Cell, n: usize) -> Vec<Scalar> {
    match cell {
        Cell::Scalar(scalar) => vec![scalar; n],
        Cell::Pointer => [Scalar::Object, Scalar::I64].repeat(n),
    }
}
