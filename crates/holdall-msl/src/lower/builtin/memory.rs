//! Atomic operations, barriers and fences.

use crate::diagnostic::{Kind, Result};
use crate::ir::{Atomic, MemoryOrder, OpKind, Reg, Scope};
use crate::lower::Lower;
use crate::lower::types::TyKind;
use crate::lower::value::{Parts, Value};
use crate::scalar::{Scalar, Space};
use crate::source::Span;

fn order(value: Option<&Value>) -> MemoryOrder {
    match value.and_then(|value| value.single().as_const()).map(|c| c.bits) {
        Some(1) => MemoryOrder::Acquire,
        Some(2) => MemoryOrder::Release,
        Some(3) => MemoryOrder::AcquireRelease,
        Some(4) => MemoryOrder::Sequential,
        _ => MemoryOrder::Relaxed,
    }
}

impl<'a> Lower<'a> {
    pub(super) fn atomic(&mut self, op: Atomic, name: &str, values: &[Value], span: Span) -> Result<Value> {
        let n_operands = match op {
            Atomic::Load => 0,
            Atomic::CompareExchange => 2,
            _ => 1,
        };
        let n_orders = if op == Atomic::CompareExchange { 2 } else { 1 };
        let (least, most) = (1 + n_operands, 1 + n_operands + n_orders);
        if values.len() < least || values.len() > most {
            let message = format!("`{name}` takes {most} arguments, got {}", values.len());
            return Err(self.sink.error(Kind::Type, span, message));
        }
        let pointer = &values[0];
        let place = self.pointee(pointer);
        let kind = place.as_ref().map(|place| self.types.kind(place.ty));
        let (Some(place), Some(TyKind::Atomic(scalar))) = (place, kind) else {
            let got = self.types.name(pointer.ty);
            let message = format!("`{name}` takes a pointer to an atomic variable, got `{got}`");
            let mut notes = Vec::new();
            if let Some(TyKind::Scalar(scalar)) = kind {
                let element = match scalar {
                    Scalar::F32 => "atomic_float",
                    Scalar::U32 => "atomic_uint",
                    _ => "atomic_int",
                };
                notes.push((format!("use `atomic_outputs`, or cast: `(device {element}*)…`"), None));
            }
            return Err(self.sink.error_with(Kind::Type, span, message, notes));
        };
        if !matches!(place.space, Space::Device | Space::Threadgroup) {
            let message =
                format!("atomic variables are in `device` or `threadgroup` memory, got `{}`", place.space);
            return Err(self.sink.error(Kind::Type, span, message));
        }
        if place.is_const && op != Atomic::Load {
            return Err(self.sink.error(Kind::Type, span, "cannot change this: it is `const`"));
        }
        let bits = matches!(op, Atomic::And | Atomic::Or | Atomic::Xor);
        if bits && scalar.is_float() {
            return Err(self.does_not_take(name, values, span, Some("it is a function of integers")));
        }
        let order = order(values.get(least));
        let ty = self.types.scalar(scalar);
        let mut args = Parts::new();
        args.extend([place.object, place.offset]);
        let space = self.space_of(place.object, place.space);
        let kind = OpKind::Atomic { op, space, ty: scalar, order };
        if op == Atomic::CompareExchange {
            // The expected value is behind a pointer, where the old value goes.
            let Some(expected) =
                self.pointee(&values[1]).filter(|expected| expected.ty == ty && !expected.is_const)
            else {
                let message =
                    format!("`{name}` takes a pointer to a variable of type `{}` second", scalar.msl());
                return Err(self.sink.error(Kind::Type, span, message));
            };
            let wanted = self.load(&expected)?;
            let new = self.implicit(values[2].clone(), ty, span)?;
            args.extend([wanted.single(), new.single()]);
            let dst = [self.builder.register(scalar), self.builder.register(Scalar::Bool)];
            self.operation(kind, &dst, &args);
            self.store(&expected, &Value::new(ty, [dst[0].into()]))?;
            return Ok(self.boolean(dst[1].into()));
        }
        if n_operands == 1 {
            args.push(self.implicit(values[1].clone(), ty, span)?.single());
        }
        if op == Atomic::Store {
            self.operation(kind, &[], &args);
            let void = self.types.void();
            return Ok(Value::new(void, []));
        }
        let dst: Reg = self.builder.register(scalar);
        self.operation(kind, &[dst], &args);
        Ok(Value::new(ty, [dst.into()]))
    }

    fn flags(&mut self, name: &str, value: Option<&Value>, span: Span) -> Result<u32> {
        let Some(value) = value else { return Ok(0) };
        match value.single().as_const() {
            Some(flags) => Ok(flags.bits as u32),
            None => {
                Err(self.sink.error(Kind::Type, span, format!("the flags of `{name}` have to be constant")))
            }
        }
    }

    pub(super) fn barrier(
        &mut self,
        scope: Scope,
        name: &str,
        values: &[Value],
        span: Span,
    ) -> Result<Value> {
        if values.is_empty() || values.len() > 2 {
            let message = format!("`{name}` takes flags, such as `mem_flags::mem_threadgroup`");
            return Err(self.sink.error(Kind::Type, span, message));
        }
        let flags = self.flags(name, values.first(), span)?;
        self.operation(OpKind::Barrier { scope, flags }, &[], &[]);
        let void = self.types.void();
        Ok(Value::new(void, []))
    }

    pub(super) fn fence(&mut self, name: &str, values: &[Value], span: Span) -> Result<Value> {
        let flags = self.flags(name, values.first(), span)?;
        let order = order(values.get(1));
        self.operation(OpKind::Fence { flags, order }, &[], &[]);
        let void = self.types.void();
        Ok(Value::new(void, []))
    }
}
