//! Programs for people.

use std::fmt;

use super::code::{Code, List, Object, RowId, Write};
use super::program::{Program, Splat};
use super::rows::BLOCK;

/// A line for each step: its number, what it does, and where in the kernel it comes from. `r` are rows of a value for each lane, `u`
/// rows of one value for the group, numbers are constants' bits. A destination in brackets keeps what lanes have that are not active.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uniform = self.slots.iter().filter(|slot| slot.uniform).count();
        let varying = self.slots.len() - uniform;
        writeln!(f, "simt {} {{ // {varying} rows of lanes, {uniform} of groups", self.name())?;
        for (i, (code, span)) in self.code.iter().zip(&self.spans).enumerate() {
            let step = self.step(i, code);
            match self.ir.position(*span) {
                Some(at) => writeln!(f, "{i:5}  {step:<64} // {at}")?,
                None => writeln!(f, "{i:5}  {step}")?,
            }
        }
        write!(f, "}}")
    }
}

impl Program {
    fn step(&self, index: usize, code: &Code) -> String {
        let kind = || self.kinds[index].map_or_else(String::new, |kind| kind.to_string());
        match code {
            Code::Row { dst, args, n_args, .. } => {
                format!("{} = {} {}", self.to(*dst), kind(), self.rows(&args[..usize::from(*n_args)]))
            }
            Code::Evaluate { dst, args, .. } | Code::Simd { dst, args, .. } => {
                format!("{} = {} {}", self.to(*dst), kind(), self.rows(self.list(*args)))
            }
            Code::Attribute { dst, .. } => format!("{} = {}", self.to(*dst), kind()),
            Code::Load { object, offset, dst, .. } => {
                format!("{} = {} {}", self.all(*dst), kind(), self.place(*object, *offset))
            }
            Code::Store { object, offset, values, .. } => {
                format!("{} {} <- {}", kind(), self.place(*object, *offset), self.rows(self.list(*values)))
            }
            Code::Atomic { object, offset, operands, dst, .. } => {
                let (place, operands) = (self.place(*object, *offset), self.rows(self.list(*operands)));
                format!("{} = {} {place} {operands}", self.all(*dst), kind())
            }
            Code::Matrix { args, dst, .. } => {
                format!("{} = {} {}", self.all(*dst), kind(), self.rows(self.list(*args)))
            }
            Code::Barrier { .. } | Code::Fence { .. } | Code::Fresh { .. } => kind(),
            Code::Undefined { row } => format!("{} = undefined", self.row_name(*row)),
            Code::If { level, condition, otherwise } => {
                format!("if {} (mask {level}), nobody: {otherwise}", self.row_name(*condition))
            }
            Code::Else { level, end } => format!("else (mask {level}), nobody: {end}"),
            Code::EndIf { level, next } => format!("end if (mask {level}), nobody: {next}"),
            Code::JumpUnless { condition, to } => format!("unless {}: {to}", self.row_name(*condition)),
            Code::Jump { to } => format!("jump {to}"),
            Code::Enter { level } => format!("enter (mask {level})"),
            Code::Repeat { level, start, next, .. } => {
                format!("repeat (mask {level}) from {start}, nobody: {next}")
            }
            Code::Leave { level, next } => format!("leave (mask {level}), nobody: {next}"),
            Code::Break { to_level, level, to } => format!("break (masks {to_level} to {level}) to {to}"),
            Code::Return { level, to } => format!("return (masks 0 to {level}) to {to}"),
            Code::End => "end".to_owned(),
        }
    }

    fn row_name(&self, row: RowId) -> String {
        let index = row as usize;
        match self.slots.get(index) {
            Some(slot) if slot.uniform => format!("u{row}"),
            Some(_) => format!("r{row}"),
            None => self.constants.get(index - self.slots.len()).map_or_else(String::new, Splat::to_string),
        }
    }

    fn rows(&self, rows: &[RowId]) -> String {
        rows.iter().map(|row| self.row_name(*row)).collect::<Vec<_>>().join(", ")
    }

    fn list(&self, list: List) -> &[RowId] {
        &self.lists[list.start as usize..][..list.len as usize]
    }

    fn to(&self, dst: Write) -> String {
        let name = self.row_name(dst.row);
        if dst.masked { format!("[{name}]") } else { name }
    }

    fn all(&self, list: List) -> String {
        let writes = &self.writes[list.start as usize..][..list.len as usize];
        writes.iter().map(|dst| self.to(*dst)).collect::<Vec<_>>().join(", ")
    }

    fn place(&self, object: Object, offset: RowId) -> String {
        let object = match object {
            Object::Known(id) => {
                self.ir.objects.get(id as usize).map_or_else(|| format!("object {id}"), |o| o.name.clone())
            }
            Object::In(row) => self.row_name(row),
        };
        format!("{object}[{}]", self.row_name(offset))
    }
}

/// The value of one lane.
impl fmt::Display for Splat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        // A block of lanes of this size, and nothing behind it.
        let repeats = |size: &usize| {
            let (lanes, rest) = bytes.split_at(size * BLOCK);
            lanes.chunks_exact(*size).all(|lane| *lane == bytes[..*size])
                && rest.iter().all(|byte| *byte == 0)
        };
        let size = [1, 2, 4].into_iter().find(|size| repeats(size)).unwrap_or(8);
        let mut value = [0; 8];
        value[..size].copy_from_slice(&bytes[..size]);
        write!(f, "{:#x}", u64::from_le_bytes(value))
    }
}
