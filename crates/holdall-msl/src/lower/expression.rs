//! Expressions.

use super::Lower;
use super::emit::{constant, int64};
use super::scope::Closure;
use super::types::{Ty, TyKind};
use super::value::{Outcome, Place, Value};
use crate::ast::{CastKind, Expr, ExprKind, Prefix};
use crate::diagnostic::{Kind, Result};
use crate::ir::NULL;
use crate::ir::{Const, Operand, fold};
use crate::lex::Punct;
use crate::scalar::{Scalar, Space};
use crate::source::Span;

impl<'a> Lower<'a> {
    pub(crate) fn expression(&mut self, expr: &'a Expr) -> Result<Outcome<'a>> {
        self.attributed(expr.span, |lower| lower.expression_kind(expr))
    }

    /// The value of an expression; arrays become pointers.
    pub(crate) fn value(&mut self, expr: &'a Expr) -> Result<Value> {
        let outcome = self.expression(expr)?;
        self.attributed(expr.span, |lower| lower.value_of(outcome))
    }

    /// The place of an expression that may be changed.
    pub(crate) fn place(&mut self, expr: &'a Expr, what: &str) -> Result<Place> {
        match self.expression(expr)? {
            Outcome::Place(place) if place.is_const => {
                let notes = if place.space == Space::Constant {
                    vec![("it is in the `constant` address space".to_owned(), None)]
                } else {
                    Vec::new()
                };
                let message = format!("cannot {what} this: it is `const`");
                Err(self.sink.error_with(Kind::Type, expr.span, message, notes))
            }
            Outcome::Place(place) => Ok(place),
            _ => {
                let message = format!("cannot {what} this: it is a value, not a variable");
                Err(self.sink.error(Kind::Type, expr.span, message))
            }
        }
    }

    fn literal(&mut self, constant: Const) -> Outcome<'a> {
        let ty = self.types.scalar(constant.ty);
        Outcome::Value(Value::new(ty, [constant.into()]))
    }

    fn expression_kind(&mut self, expr: &'a Expr) -> Result<Outcome<'a>> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Integer(value, scalar) => Ok(self.literal(Const::new(*scalar, *value))),
            ExprKind::Float(value, scalar) => Ok(self.literal(fold::from_f64(*scalar, *value))),
            ExprKind::Bool(value) => Ok(self.literal(Const::new(Scalar::Bool, u64::from(*value)))),
            ExprKind::Null => {
                let ty = self.types.intern(TyKind::Null);
                Ok(Outcome::Value(Value::new(ty, [Operand::Object(NULL), int64(0)])))
            }
            ExprKind::Text => Err(self.unsupported(span, "strings are")),
            ExprKind::Name(path) => self.name(path),
            ExprKind::This => {
                let Some(this) = self.frame.this.clone() else {
                    return Err(self.sink.error(Kind::Name, span, "`this` outside of a struct"));
                };
                let ty = self.types.pointer(this.ty, this.space, this.is_const);
                Ok(Outcome::Value(Value::new(ty, [this.object, this.offset])))
            }
            ExprKind::Prefix(op, operand) => self.prefix(*op, operand, span),
            ExprKind::Postfix(step, operand) => self.postfix(*step, operand, span),
            ExprKind::Binary(..) => self.binary_chain(expr),
            ExprKind::Assign(op, target, value) => self.assign(*op, target, value, span),
            ExprKind::Conditional(condition, yes, no) => self.conditional(condition, yes, no, span),
            ExprKind::Comma(..) => {
                let mut rest = Vec::new();
                let mut at = expr;
                while let ExprKind::Comma(left, right) = &at.kind {
                    rest.push(&**right);
                    at = left;
                }
                let mut outcome = self.expression(at)?;
                for next in rest.into_iter().rev() {
                    outcome = self.expression(next)?;
                }
                Ok(outcome)
            }
            ExprKind::Call(callee, args) => self.call(callee, args, span),
            ExprKind::Construct { ty, args, braces } => {
                let ty = self.resolve_object(ty)?;
                self.construct(ty, args, *braces, span).map(Outcome::Value)
            }
            ExprKind::Cast(kind, ty, operand) => self.cast(*kind, ty, operand, span),
            ExprKind::AsType(ty, operand) => {
                let ty = self.resolve_object(ty)?;
                let value = self.value(operand)?;
                self.reinterpret(&value, ty, span).map(Outcome::Value)
            }
            ExprKind::Index(base, index) => self.index_expression(base, index, span),
            ExprKind::Member(base, segment, arrow) => self.member(base, segment, *arrow),
            ExprKind::List(_) => {
                let message = "a list of values in braces initialises variables only: name the type, `T{…}`";
                Err(self.sink.error(Kind::Type, span, message))
            }
            ExprKind::SizeofType(ty) => {
                let ty = self.resolve_object(ty)?;
                Ok(self.size_literal(ty, false))
            }
            ExprKind::Alignof(ty) => {
                let ty = self.resolve_object(ty)?;
                Ok(self.size_literal(ty, true))
            }
            ExprKind::SizeofExpr(operand) => {
                // Nothing is evaluated.
                self.begin_block();
                let outcome = self.expression(operand);
                self.end_block();
                let ty = match outcome? {
                    Outcome::Place(place) => self.place_type(&place),
                    other => self.value_of(other)?.ty,
                };
                Ok(self.size_literal(ty, false))
            }
            ExprKind::Lambda(function) => {
                let id = self.closures.len() as u32;
                let seen = &self.locals[self.frame.base..];
                self.n_seen += seen.len();
                if self.n_seen > crate::limits::SEEN {
                    return Err(self.sink.limit(span, "the lambdas of this kernel see too many names"));
                }
                let seen = seen.to_vec().into();
                let closure = Closure { function, seen, id };
                self.closures.push(closure.clone());
                Ok(Outcome::Closure(closure))
            }
        }
    }

    fn size_literal(&mut self, ty: Ty, align: bool) -> Outcome<'a> {
        let layout = self.types.layout(ty);
        self.literal(Const::new(Scalar::U64, if align { layout.1 } else { layout.0 }))
    }

    fn prefix(&mut self, op: Prefix, operand: &'a Expr, span: Span) -> Result<Outcome<'a>> {
        let punct = match op {
            Prefix::Increment | Prefix::Decrement => {
                let step = if op == Prefix::Increment { 1 } else { -1 };
                let place = self.place(operand, "change")?;
                let value = self.load(&place)?;
                let stepped = self.step(&value, step, span)?;
                self.store(&place, &stepped)?;
                return Ok(Outcome::Place(place));
            }
            Prefix::Dereference => {
                let value = self.value(operand)?;
                if let Some(place) = self.pointee(&value) {
                    return Ok(Outcome::Place(place));
                }
                let ty = value.ty;
                if let Some(outcome) = self.call_operator("operator*", vec![Outcome::Value(value)], span)? {
                    return Ok(outcome);
                }
                let message = format!("`*` takes a pointer, got `{}`", self.types.name(ty));
                return Err(self.sink.error(Kind::Type, span, message));
            }
            Prefix::AddressOf => {
                return match self.expression(operand)? {
                    Outcome::Place(place) if place.swizzle.is_none() => {
                        let ty = self.types.pointer(place.ty, place.space, place.is_const);
                        Ok(Outcome::Value(Value::new(ty, [place.object, place.offset])))
                    }
                    // A constant has an address if somebody asks for it.
                    Outcome::Value(value) if matches!(operand.kind, ExprKind::Name(_)) => {
                        let place = self.materialise(&value, span)?;
                        let ty = self.types.pointer(place.ty, place.space, true);
                        Ok(Outcome::Value(Value::new(ty, [place.object, place.offset])))
                    }
                    _ => Err(self.sink.error(Kind::Type, span, "this has no address: it is a value")),
                };
            }
            Prefix::Plus => Punct::Plus,
            Prefix::Minus => Punct::Minus,
            Prefix::Not => Punct::Not,
            Prefix::Tilde => Punct::Tilde,
        };
        let value = self.value(operand)?;
        self.prefix_operator(punct, value, span).map(Outcome::Value)
    }

    fn postfix(&mut self, step: i8, operand: &'a Expr, span: Span) -> Result<Outcome<'a>> {
        let place = self.place(operand, "change")?;
        let value = self.load(&place)?;
        let stepped = self.step(&value, step, span)?;
        self.store(&place, &stepped)?;
        Ok(Outcome::Value(value))
    }

    /// `a + b + c`, without going deeper for each operator.
    fn binary_chain(&mut self, expr: &'a Expr) -> Result<Outcome<'a>> {
        let mut rest = Vec::new();
        let mut at = expr;
        while let ExprKind::Binary(op, left, right) = &at.kind {
            rest.push((*op, &**right, at.span));
            at = left;
        }
        let mut left = self.value(at)?;
        for (op, right, span) in rest.into_iter().rev() {
            left = self.attributed(span, |lower| match op {
                Punct::AndAnd | Punct::OrOr => lower.logical(op, left, right, span),
                _ => {
                    let right = lower.value(right)?;
                    lower.binary_operator(op, left, right, span)
                }
            })?;
        }
        Ok(Outcome::Value(left))
    }

    fn assign(
        &mut self,
        op: Option<Punct>,
        target: &'a Expr,
        value: &'a Expr,
        span: Span,
    ) -> Result<Outcome<'a>> {
        // The right side comes first, as of C++17; a list needs the type of the left one.
        if let ExprKind::List(list) = &value.kind {
            let place = self.place(target, "assign to")?;
            let value = self.construct(place.ty, list, true, value.span)?;
            self.store(&place, &value)?;
            return Ok(Outcome::Place(place));
        }
        let right = self.value(value)?;
        let place = self.place(target, "assign to")?;
        if matches!(self.types.kind(place.ty), TyKind::Struct(_)) {
            let name = format!("operator{}=", op.map_or("", Punct::text));
            let args = vec![Outcome::Place(place.clone()), Outcome::Value(right.clone())];
            if let Some(outcome) = self.call_operator(&name, args, span)? {
                return Ok(outcome);
            }
        }
        if matches!(self.types.kind(place.ty), TyKind::Array(..)) {
            return Err(self.sink.error(Kind::Type, span, "arrays cannot be assigned"));
        }
        if matches!(self.types.kind(place.ty), TyKind::Atomic(_)) {
            let message = "atomic variables are written with `atomic_store_explicit`";
            return Err(self.sink.error(Kind::Type, span, message));
        }
        let ty = self.place_type(&place);
        let new = match op {
            None => self.implicit(right, ty, value.span)?,
            Some(op) => {
                let old = self.load(&place)?;
                let computed = self.binary_operator(op, old, right, span)?;
                let narrow = self.types.numeric(computed.ty).is_some();
                if narrow { self.explicit(computed, ty, span)? } else { self.implicit(computed, ty, span)? }
            }
        };
        self.store(&place, &new)?;
        Ok(Outcome::Place(place))
    }

    fn cast(
        &mut self,
        kind: CastKind,
        ty: &'a crate::ast::TypeExpr,
        operand: &'a Expr,
        span: Span,
    ) -> Result<Outcome<'a>> {
        let to = self.resolve(ty)?;
        if to.is_reference {
            let outcome = self.expression(operand)?;
            let Outcome::Place(place) = outcome else {
                return Err(self.sink.error(
                    Kind::Type,
                    span,
                    "this is a value: it cannot be cast to a reference",
                ));
            };
            if to.space.is_some_and(|space| space != place.space) {
                return Err(self.sink.error(Kind::Type, span, "a cast cannot change the address space"));
            }
            return Ok(Outcome::Place(Place { ty: to.ty, is_const: to.is_const, ..place }));
        }
        let value = self.value(operand)?;
        let both_pointers = matches!(self.types.kind(value.ty), TyKind::Pointer { .. })
            && matches!(self.types.kind(to.ty), TyKind::Pointer { .. });
        if kind == CastKind::Static && both_pointers && self.rank(value.ty, to.ty).is_none() {
            let (
                TyKind::Pointer { to: a, space: s, is_const: ca },
                TyKind::Pointer { to: b, space: t, is_const: cb },
            ) = (self.types.kind(value.ty), self.types.kind(to.ty))
            else {
                return Err(self.no_conversion(value.ty, to.ty, span));
            };
            let from_void = self.types.kind(a) == TyKind::Void && s == t && (!ca || cb);
            if !from_void && s == t && a != b {
                let message = format!(
                    "`static_cast` does not convert `{}` to `{}`: use `reinterpret_cast`",
                    self.types.name(value.ty),
                    self.types.name(to.ty)
                );
                return Err(self.sink.error(Kind::Type, span, message));
            }
        }
        if kind == CastKind::Reinterpret && !both_pointers {
            let message = "`reinterpret_cast` converts pointers: `as_type` reinterprets values";
            return Err(self.sink.error(Kind::Type, span, message));
        }
        if matches!(self.types.kind(to.ty), TyKind::Struct(_)) && value.ty != to.ty {
            return self.construct_struct(to.ty, vec![Outcome::Value(value)], span).map(Outcome::Value);
        }
        self.explicit(value, to.ty, span).map(Outcome::Value)
    }

    fn index_expression(&mut self, base: &'a Expr, index: &'a Expr, span: Span) -> Result<Outcome<'a>> {
        let outcome = self.expression(base)?;
        let position = self.value(index)?;
        match &outcome {
            Outcome::Place(place) => match self.types.kind(place.ty) {
                TyKind::Array(element, n) => {
                    let at = self.index(&position, index.span)?;
                    if let Some(known) = at.as_const() {
                        self.check_index(known.as_i64(), n.into(), index.span);
                    }
                    let size = self.types.layout(element).0 as i64;
                    let bytes = self.binary(crate::ir::Binary::Multiply, at, int64(size));
                    let offset = self.binary(crate::ir::Binary::Add, place.offset, bytes);
                    return Ok(Outcome::Place(Place { ty: element, offset, ..place.clone() }));
                }
                TyKind::Vector(scalar, n) | TyKind::Packed(scalar, n) if place.swizzle.is_none() => {
                    let at = self.index(&position, index.span)?;
                    if let Some(known) = at.as_const() {
                        self.check_index(known.as_i64(), n.into(), index.span);
                    }
                    let bytes = self.binary(crate::ir::Binary::Multiply, at, int64(scalar.size().into()));
                    let offset = self.binary(crate::ir::Binary::Add, place.offset, bytes);
                    let ty = self.types.scalar(scalar);
                    return Ok(Outcome::Place(Place { ty, offset, ..place.clone() }));
                }
                TyKind::Struct(_) => {
                    let args = vec![outcome.clone(), Outcome::Value(position)];
                    if let Some(result) = self.call_operator("operator[]", args, span)? {
                        return Ok(result);
                    }
                    let message = format!("`[]` does not take `{}`", self.types.name(place.ty));
                    return Err(self.sink.error(Kind::Type, span, message));
                }
                _ => {}
            },
            Outcome::Value(value) if self.types.numeric(value.ty).is_some_and(|(_, n)| n > 1) => {
                let value = value.clone();
                let (scalar, n) = self.types.numeric(value.ty).unwrap_or((Scalar::I32, 1));
                let at = self.index(&position, index.span)?;
                let ty = self.types.scalar(scalar);
                if let Some(known) = at.as_const() {
                    self.check_index(known.as_i64(), n.into(), index.span);
                    let part = value.parts.get(known.as_i64() as usize).copied();
                    return Ok(Outcome::Value(Value::new(ty, [part.unwrap_or(constant(scalar, 0))])));
                }
                let place = self.materialise(&value, span)?;
                let bytes = self.binary(crate::ir::Binary::Multiply, at, int64(scalar.size().into()));
                return Ok(Outcome::Place(Place { ty, offset: bytes, ..place }));
            }
            _ => {}
        }
        let pointer = self.value_of(outcome)?;
        // `2[a]` is `a[2]`.
        let (pointer, position) = if matches!(self.types.kind(position.ty), TyKind::Pointer { .. }) {
            (position, pointer)
        } else {
            (pointer, position)
        };
        if !matches!(self.types.kind(pointer.ty), TyKind::Pointer { .. }) {
            let name = self.types.name(pointer.ty);
            let mut notes = Vec::new();
            if let ExprKind::Name(path) = &base.kind
                && self.is_scalar_input(path)
            {
                notes.push((
                    "this input has no axes, so it is passed by reference: use it without `[]`".to_owned(),
                    None,
                ));
            }
            let message = format!("`[]` takes an array, pointer or vector, got `{name}`");
            return Err(self.sink.error_with(Kind::Type, base.span, message, notes));
        }
        let at = self.index(&position, index.span)?;
        let moved = self.advance(&pointer, at, false, span)?;
        match self.pointee(&moved) {
            Some(place) => Ok(Outcome::Place(place)),
            None => Err(self.sink.error(Kind::Type, span, "expected a pointer")),
        }
    }

    /// An index that is known to be outside is a mistake even before the kernel runs.
    fn check_index(&mut self, index: i64, n: i64, span: Span) {
        if !(0..n).contains(&index) && !self.frame.is_prelude {
            self.sink.warn(span, format!("index {index} is outside of 0 to {}", n - 1));
        }
    }
}
