//! Operators on values.

use super::Lower;
use super::convert::{common, promoted};
use super::emit::{constant, int64};
use super::types::{Ty, TyKind};
use super::value::{Outcome, Parts, Value};
use crate::diagnostic::{Kind, Reported, Result};
use crate::ir::{Binary, Compare, OpKind, Operand, Unary};
use crate::lex::Punct;
use crate::scalar::Scalar;
use crate::source::Span;

fn arithmetic(op: Punct) -> Option<Binary> {
    Some(match op {
        Punct::Plus => Binary::Add,
        Punct::Minus => Binary::Subtract,
        Punct::Star => Binary::Multiply,
        Punct::Slash => Binary::Divide,
        Punct::Percent => Binary::Remainder,
        Punct::And => Binary::And,
        Punct::Or => Binary::Or,
        Punct::Xor => Binary::Xor,
        Punct::Shl => Binary::ShiftLeft,
        Punct::Shr => Binary::ShiftRight,
        _ => return None,
    })
}

fn comparison(op: Punct) -> Option<Compare> {
    Some(match op {
        Punct::EqEq => Compare::Eq,
        Punct::Ne => Compare::Ne,
        Punct::Less => Compare::Lt,
        Punct::Le => Compare::Le,
        Punct::Greater => Compare::Gt,
        Punct::Ge => Compare::Ge,
        _ => return None,
    })
}

fn integers_only(op: Punct) -> bool {
    matches!(op, Punct::Percent | Punct::And | Punct::Or | Punct::Xor | Punct::Shl | Punct::Shr)
}

impl<'a> Lower<'a> {
    pub(crate) fn operands_do_not_fit(&mut self, op: Punct, a: Ty, b: Ty, span: Span) -> Reported {
        let (a, b) = (self.types.name(a), self.types.name(b));
        let message = format!("`{}` does not take `{a}` and `{b}`", op.text());
        self.sink.error(Kind::Type, span, message)
    }

    /// A binary operator but for `&&`, `||` on scalars, which are control flow.
    pub(crate) fn binary_operator(&mut self, op: Punct, a: Value, b: Value, span: Span) -> Result<Value> {
        let (ka, kb) = (self.types.kind(a.ty), self.types.kind(b.ty));
        if matches!(ka, TyKind::Struct(_)) || matches!(kb, TyKind::Struct(_)) {
            return self.struct_operator(op, a, b, span);
        }
        let pointer = |kind| matches!(kind, TyKind::Pointer { .. } | TyKind::Null);
        if pointer(ka) || pointer(kb) {
            return self.pointer_operator(op, &a, &b, span);
        }
        let (Some((sa, na)), Some((sb, nb))) = (self.types.numeric(a.ty), self.types.numeric(b.ty)) else {
            return Err(self.operands_do_not_fit(op, a.ty, b.ty, span));
        };
        let n = na.max(nb);
        if na != nb && na != 1 && nb != 1 {
            return Err(self.operands_do_not_fit(op, a.ty, b.ty, span));
        }
        let shift = matches!(op, Punct::Shl | Punct::Shr);
        let scalar = if n == 1 {
            if shift { promoted(sa) } else { common(sa, sb) }
        } else if na == nb {
            if sa != sb && !shift {
                return Err(self.operands_do_not_fit(op, a.ty, b.ty, span));
            }
            sa
        } else {
            // A scalar takes the element type of the vector, unless it would lose its fraction.
            let (vector, other) = if na > 1 { (sa, sb) } else { (sb, sa) };
            if other.is_float() && !vector.is_float() {
                return Err(self.operands_do_not_fit(op, a.ty, b.ty, span));
            }
            vector
        };
        if integers_only(op) && (scalar.is_float() || (shift && sb.is_float())) {
            let error = self.operands_do_not_fit(op, a.ty, b.ty, span);
            return Err(error);
        }
        let spread = |lower: &mut Self, value: &Value| -> Parts {
            let parts: Parts = value.parts.iter().map(|part| lower.convert_scalar(*part, scalar)).collect();
            if parts.len() == 1 { std::iter::repeat_n(parts[0], n.into()).collect() } else { parts }
        };
        let (x, y) = (spread(self, &a), spread(self, &b));
        let logical = matches!(op, Punct::AndAnd | Punct::OrOr);
        let mut parts = Parts::new();
        for (x, y) in x.into_iter().zip(y) {
            parts.push(if let Some(compare) = comparison(op) {
                self.compare(compare, x, y)
            } else if logical {
                let (x, y) = (self.convert_scalar(x, Scalar::Bool), self.convert_scalar(y, Scalar::Bool));
                self.binary(if op == Punct::AndAnd { Binary::And } else { Binary::Or }, x, y)
            } else if let Some(binary) = arithmetic(op) {
                let divides = matches!(binary, Binary::Divide | Binary::Remainder) && !scalar.is_float();
                if divides && y.as_const().is_some_and(|c| c.bits == 0) {
                    return Err(self.sink.error(Kind::Type, span, "integer division by zero"));
                }
                self.binary(binary, x, y)
            } else {
                return Err(self.operands_do_not_fit(op, a.ty, b.ty, span));
            });
        }
        let result = if comparison(op).is_some() || logical { Scalar::Bool } else { scalar };
        let ty = self.types.vector(result, n);
        Ok(Value { ty, parts })
    }

    fn pointer_operator(&mut self, op: Punct, a: &Value, b: &Value, span: Span) -> Result<Value> {
        let (ka, kb) = (self.types.kind(a.ty), self.types.kind(b.ty));
        match (ka, kb, op) {
            (TyKind::Pointer { .. }, _, Punct::Plus | Punct::Minus) if self.types.numeric(b.ty).is_some() => {
                let index = self.index(b, span)?;
                self.advance(a, index, op == Punct::Minus, span)
            }
            (_, TyKind::Pointer { .. }, Punct::Plus) if self.types.numeric(a.ty).is_some() => {
                let index = self.index(a, span)?;
                self.advance(b, index, false, span)
            }
            (
                TyKind::Pointer { to: x, space: s, .. },
                TyKind::Pointer { to: y, space: t, .. },
                Punct::Minus,
            ) if x == y && s == t => {
                let bytes = self.binary(Binary::Subtract, a.parts[1], b.parts[1]);
                let size = self.element_size(x, span)?;
                let ty = self.types.scalar(Scalar::I64);
                let elements = self.binary(Binary::Divide, bytes, int64(size));
                Ok(Value::new(ty, [elements]))
            }
            _ => {
                let null = |kind| kind == TyKind::Null;
                let zero = |value: &Value| value.single().as_const().is_some_and(|c| c.bits == 0);
                let comparable = match (ka, kb) {
                    (TyKind::Pointer { space: s, .. }, TyKind::Pointer { space: t, .. }) => s == t,
                    (TyKind::Pointer { .. }, TyKind::Scalar(_)) => zero(b),
                    (TyKind::Scalar(_), TyKind::Pointer { .. }) => zero(a),
                    _ => null(ka) || null(kb),
                };
                let Some(compare) = comparison(op).filter(|_| comparable) else {
                    return Err(self.operands_do_not_fit(op, a.ty, b.ty, span));
                };
                let part = self.compare_pointers(compare, a, b);
                Ok(self.boolean(part))
            }
        }
    }

    fn compare_pointers(&mut self, compare: Compare, a: &Value, b: &Value) -> Operand {
        let null = [Operand::Object(crate::ir::NULL), int64(0)];
        let pair =
            |value: &Value| if value.parts.len() == 2 { [value.parts[0], value.parts[1]] } else { null };
        let (a, b) = (pair(a), pair(b));
        match compare {
            Compare::Eq | Compare::Ne => {
                let objects = self.compare(Compare::Eq, a[0], b[0]);
                let offsets = self.compare(Compare::Eq, a[1], b[1]);
                let same = self.binary(Binary::And, objects, offsets);
                if compare == Compare::Eq { same } else { self.unary(Unary::Not, same) }
            }
            _ => self.compare(compare, a[1], b[1]),
        }
    }

    pub(crate) fn element_size(&mut self, ty: Ty, span: Span) -> Result<i64> {
        if self.types.kind(ty) == TyKind::Void {
            return Err(self.sink.error(Kind::Type, span, "arithmetic on a pointer to `void`"));
        }
        Ok(self.types.layout(ty).0.max(1) as i64)
    }

    /// A pointer some elements further, or back.
    pub(crate) fn advance(
        &mut self,
        pointer: &Value,
        index: Operand,
        back: bool,
        span: Span,
    ) -> Result<Value> {
        let TyKind::Pointer { to, .. } = self.types.kind(pointer.ty) else {
            let message = format!("expected a pointer, got `{}`", self.types.name(pointer.ty));
            return Err(self.sink.error(Kind::Type, span, message));
        };
        let size = self.element_size(to, span)?;
        let bytes = self.binary(Binary::Multiply, index, int64(size));
        let op = if back { Binary::Subtract } else { Binary::Add };
        let offset = self.binary(op, pointer.parts[1], bytes);
        Ok(Value::new(pointer.ty, [pointer.parts[0], offset]))
    }

    /// `+`, `-`, `!`, `~`.
    pub(crate) fn prefix_operator(&mut self, op: Punct, value: Value, span: Span) -> Result<Value> {
        if matches!(self.types.kind(value.ty), TyKind::Struct(_)) {
            return self.struct_prefix(op, value, span);
        }
        if op == Punct::Not {
            if let Some((_, n)) = self.types.numeric(value.ty).filter(|(_, n)| *n > 1) {
                let ty = self.types.vector(Scalar::Bool, n);
                let parts: Parts = value
                    .parts
                    .iter()
                    .map(|part| {
                        let part = self.convert_scalar(*part, Scalar::Bool);
                        self.unary(Unary::Not, part)
                    })
                    .collect();
                return Ok(Value { ty, parts });
            }
            let condition = self.condition(value, span)?;
            let part = self.unary(Unary::Not, condition);
            return Ok(self.boolean(part));
        }
        let numeric = self.types.numeric(value.ty);
        let Some((scalar, n)) = numeric.filter(|(s, _)| op != Punct::Tilde || s.is_integer()) else {
            let message = format!("`{}` does not take `{}`", op.text(), self.types.name(value.ty));
            return Err(self.sink.error(Kind::Type, span, message));
        };
        let scalar = if n == 1 { promoted(scalar) } else { scalar };
        let ty = self.types.vector(scalar, n);
        let parts: Parts = value
            .parts
            .iter()
            .map(|part| {
                let part = self.convert_scalar(*part, scalar);
                match op {
                    Punct::Minus => self.unary(Unary::Negate, part),
                    Punct::Tilde => self.unary(Unary::Not, part),
                    _ => part,
                }
            })
            .collect();
        Ok(Value { ty, parts })
    }

    /// `++` and `--`: the value one further, of the same type.
    pub(crate) fn step(&mut self, value: &Value, step: i8, span: Span) -> Result<Value> {
        if matches!(self.types.kind(value.ty), TyKind::Pointer { .. }) {
            return self.advance(value, int64(step.into()), false, span);
        }
        let Some((scalar, _)) = self.types.numeric(value.ty).filter(|(s, _)| *s != Scalar::Bool) else {
            let message = format!("`++` and `--` do not take `{}`", self.types.name(value.ty));
            return Err(self.sink.error(Kind::Type, span, message));
        };
        let one = self.convert_scalar(constant(Scalar::I32, 1), scalar);
        let op = if step > 0 { Binary::Add } else { Binary::Subtract };
        let parts: Parts = value.parts.iter().map(|part| self.binary(op, *part, one)).collect();
        Ok(Value { ty: value.ty, parts })
    }

    /// Joins two values by a condition that is the same for all their parts.
    pub(crate) fn choose(&mut self, condition: Operand, yes: &Value, no: &Value) -> Value {
        let parts: Parts =
            yes.parts.iter().zip(&no.parts).map(|(yes, no)| self.select(condition, *yes, *no)).collect();
        Value { ty: yes.ty, parts }
    }

    /// Whether statements can run for all threads without anyone noticing, and cheaply.
    pub(crate) fn is_harmless(&self, block: &[crate::ir::Stmt]) -> bool {
        const FEW: usize = 6;
        let harmless = |statement: &crate::ir::Stmt| {
            let crate::ir::Stmt::Op(op) = statement else { return false };
            match op.kind {
                OpKind::Load { .. } => {
                    // Variables that are read as a whole will be registers.
                    let known = matches!(op.args[0], Operand::Object(id) if self.builder.objects.get(id.0 as usize)
                        .is_some_and(|o| o.kind == crate::ir::ObjectKind::Thread));
                    known && op.args[1].as_const().is_some()
                }
                OpKind::Binary(Binary::Divide | Binary::Remainder, ty) if !ty.is_float() => {
                    op.args[1].as_const().is_some_and(|c| c.bits != 0)
                }
                OpKind::Math(..) => false,
                kind => kind.is_pure(),
            }
        };
        let computed = block
            .iter()
            .filter(|s| !matches!(s, crate::ir::Stmt::Op(op) if matches!(op.kind, OpKind::Load { .. })));
        computed.count() <= FEW && block.iter().all(harmless)
    }

    /// An operator that a struct defines, as a member or outside.
    fn struct_operator(&mut self, op: Punct, a: Value, b: Value, span: Span) -> Result<Value> {
        let name = format!("operator{}", op.text());
        let (ta, tb) = (a.ty, b.ty);
        let args = vec![Outcome::Value(a.clone()), Outcome::Value(b.clone())];
        if let Some(outcome) = self.call_operator(&name, args, span)? {
            return self.value_of(outcome);
        }
        // Operands that convert to numbers are numbers.
        let converted = [self.numeric_conversion(a, span)?, self.numeric_conversion(b, span)?];
        match converted {
            [Some(a), Some(b)] => self.binary_operator(op, a, b, span),
            _ => Err(self.operands_do_not_fit(op, ta, tb, span)),
        }
    }

    /// A number as it is, a struct by its conversion operator.
    fn numeric_conversion(&mut self, value: Value, span: Span) -> Result<Option<Value>> {
        if self.types.numeric(value.ty).is_some() {
            return Ok(Some(value));
        }
        for scalar in [Scalar::F32, Scalar::I32, Scalar::U32] {
            let to = self.types.scalar(scalar);
            if let Some((function, result)) = self.conversion_operator(value.ty, to)
                && !function.is_explicit
                && self.types.numeric(result).is_some()
            {
                return self.call_conversion(value, function, span).map(Some);
            }
        }
        Ok(None)
    }

    fn struct_prefix(&mut self, op: Punct, value: Value, span: Span) -> Result<Value> {
        let name = format!("operator{}", op.text());
        let ty = value.ty;
        match self.call_operator(&name, vec![Outcome::Value(value.clone())], span)? {
            Some(outcome) => self.value_of(outcome),
            None if op == Punct::Not => {
                let condition = self.condition(value, span)?;
                let part = self.unary(Unary::Not, condition);
                Ok(self.boolean(part))
            }
            None => {
                let message = format!("`{}` does not take `{}`", op.text(), self.types.name(ty));
                Err(self.sink.error(Kind::Type, span, message))
            }
        }
    }
}
