//! The representation as text, for people.

use std::fmt;

use super::{
    Block, BufferRole, Cell, Const, NULL, Object, ObjectKind, Op, OpKind, Operand, Program, Stmt, fold,
};
use crate::scalar::Scalar;

impl fmt::Display for Const {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ty {
            Scalar::Bool => write!(f, "{}", self.bits != 0),
            ty if ty.is_float() => write!(f, "{:?}{ty}", fold::to_f64(*self) as f32),
            Scalar::U64 => write!(f, "{}u64", self.bits),
            ty => write!(f, "{}{ty}", self.as_i64()),
        }
    }
}

impl fmt::Display for BufferRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(i) => write!(f, "input {i}"),
            Self::Shape(i) => write!(f, "shape of input {i}"),
            Self::Strides(i) => write!(f, "strides of input {i}"),
            Self::Ndim(i) => write!(f, "ndim of input {i}"),
            Self::Output(i) => write!(f, "output {i}"),
            Self::Parameter(i) => write!(f, "parameter {i}"),
        }
    }
}

/// Something of a program, with the program to look names up.
struct In<'a, T>(&'a Program, T);

impl fmt::Display for In<'_, Operand> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Operand::Reg(reg) => {
                let register = &self.0.registers[reg.0 as usize];
                match register.variable.and_then(|v| self.0.variables.get(v as usize)) {
                    Some(variable) => write!(f, "%{}.{}", variable.name, reg.0),
                    None => write!(f, "%{}", reg.0),
                }
            }
            Operand::Const(constant) => write!(f, "{constant}"),
            Operand::Object(NULL) => write!(f, "@null"),
            Operand::Object(id) => match self.0.object(id) {
                Some(object) => write!(f, "@{}.{}", object.name, id.0),
                None => write!(f, "@{}", id.0),
            },
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scalar(scalar) => write!(f, "{scalar}"),
            Self::Pointer => write!(f, "pointer"),
        }
    }
}

fn lower_case(f: &mut fmt::Formatter<'_>, name: impl fmt::Debug) -> fmt::Result {
    write!(f, "{}", format!("{name:?}").to_lowercase())
}

impl fmt::Display for OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copy(_) => write!(f, "copy"),
            Self::Unary(op, ty) => {
                lower_case(f, op)?;
                write!(f, ".{ty}")
            }
            Self::Binary(op, ty) => {
                lower_case(f, op)?;
                write!(f, ".{ty}")
            }
            Self::Compare(op, ty) => {
                lower_case(f, op)?;
                write!(f, ".{ty}")
            }
            Self::Select(ty) => write!(f, "select.{ty}"),
            Self::Convert { from, to } => write!(f, "convert.{from}.{to}"),
            Self::Bitcast { from, to } => write!(f, "bitcast.{from}.{to}"),
            Self::Math(op, super::Precision::Default, ty) => write!(f, "{}.{ty}", op.name()),
            Self::Math(op, precision, ty) => {
                lower_case(f, precision)?;
                write!(f, "::{}.{ty}", op.name())
            }
            Self::Test(op, ty) => write!(f, "{}.{ty}", op.name()),
            Self::Integer(op, ty) => write!(f, "{}.{ty}", op.name()),
            Self::Attribute(attribute, component) if attribute.n_components() == 1 => {
                let _ = component;
                write!(f, "attribute {}", attribute.name())
            }
            Self::Attribute(attribute, component) => {
                write!(
                    f,
                    "attribute {}.{}",
                    attribute.name(),
                    ['x', 'y', 'z'][usize::from(*component).min(2)]
                )
            }
            Self::Load { space, cell, align } => write!(f, "load.{cell} {space} align {align}"),
            Self::Store { space, cell, align } => write!(f, "store.{cell} {space} align {align}"),
            Self::Fresh => write!(f, "fresh"),
            Self::Undefined(ty) => write!(f, "undefined.{ty}"),
            Self::Atomic { op, space, ty, order } => {
                write!(f, "atomic_")?;
                lower_case(f, op)?;
                write!(f, ".{ty} {space} ")?;
                lower_case(f, order)
            }
            Self::Barrier { scope, flags } => {
                write!(f, "barrier ")?;
                lower_case(f, scope)?;
                write!(f, " flags {flags}")
            }
            Self::Fence { flags, order } => {
                write!(f, "fence flags {flags} ")?;
                lower_case(f, order)
            }
            Self::Simd(op, ty) => write!(f, "{}.{ty}", op.name()),
            Self::MatrixMultiply { factor, sum } => write!(f, "matrix_multiply.{factor}.{sum}"),
        }
    }
}

impl fmt::Display for In<'_, &Op> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(program, op) = self;
        for (i, dst) in op.dst.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { ", " } else { "" }, In(program, Operand::Reg(*dst)))?;
        }
        write!(f, "{}{}", if op.dst.is_empty() { "" } else { " = " }, op.kind)?;
        for (i, arg) in op.args.iter().enumerate() {
            write!(f, "{}{}", if i > 0 { ", " } else { " " }, In(program, *arg))?;
        }
        Ok(())
    }
}

fn block(f: &mut fmt::Formatter<'_>, program: &Program, statements: &Block, indent: usize) -> fmt::Result {
    for statement in statements {
        write!(f, "{:indent$}", "")?;
        match statement {
            Stmt::Op(op) => {
                let line = In(program, op).to_string();
                match program.position(op.span) {
                    Some(position) => writeln!(f, "{line:<56} // {position}")?,
                    None => writeln!(f, "{line}")?,
                }
            }
            Stmt::If { condition, then, otherwise, .. } => {
                writeln!(f, "if {} {{", In(program, *condition))?;
                block(f, program, then, indent + 2)?;
                if !otherwise.is_empty() {
                    writeln!(f, "{:indent$}}} else {{", "")?;
                    block(f, program, otherwise, indent + 2)?;
                }
                writeln!(f, "{:indent$}}}", "")?;
            }
            Stmt::Loop { label, body, .. } => {
                writeln!(f, "loop '{} {{", label.0)?;
                block(f, program, body, indent + 2)?;
                writeln!(f, "{:indent$}}}", "")?;
            }
            Stmt::Block { label, body } => {
                writeln!(f, "block '{} {{", label.0)?;
                block(f, program, body, indent + 2)?;
                writeln!(f, "{:indent$}}}", "")?;
            }
            Stmt::Break { label, .. } => writeln!(f, "break '{}", label.0)?,
            Stmt::Return { .. } => writeln!(f, "return")?,
        }
    }
    Ok(())
}

fn object(f: &mut fmt::Formatter<'_>, index: usize, object: &Object) -> fmt::Result {
    let Object { name, kind, space, size, align, .. } = object;
    match kind {
        ObjectKind::Buffer(_) => Ok(()),
        ObjectKind::Table(bytes) => {
            write!(f, "  table @{name}.{index}: {space}, {size} bytes, align {align} =")?;
            for byte in bytes.iter().take(64) {
                write!(f, " {byte:02x}")?;
            }
            writeln!(f, "{}", if bytes.len() > 64 { " …" } else { "" })
        }
        _ => writeln!(f, "  variable @{name}.{index}: {space}, {size} bytes, align {align}"),
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "kernel {} {{", self.name)?;
        for (i, buffer) in self.buffers.iter().enumerate() {
            let access = match (buffer.is_read, buffer.is_written) {
                (false, false) => "unused",
                (true, false) => "read",
                (false, true) => "written",
                (true, true) => "read and written",
            };
            let space = self.objects[i].space;
            writeln!(
                f,
                "  buffer @{}.{i}: {space} {}, {}, {access}",
                buffer.name,
                buffer.element.msl(),
                buffer.role
            )?;
        }
        for (i, item) in self.objects.iter().enumerate() {
            object(f, i, item)?;
        }
        block(f, self, &self.body, 2)?;
        writeln!(f, "}}")
    }
}
