//! Operators that are control flow: `&&`, `||`, `?:`.

use super::Lower;
use super::convert::common;
use super::emit::constant;
use super::types::{Ty, TyKind};
use super::value::{Outcome, Parts, Value};
use crate::ast::Expr;
use crate::diagnostic::{Kind, Result};
use crate::ir::{Binary, Block, OpKind, Operand, Reg, Stmt};
use crate::lex::Punct;
use crate::scalar::Scalar;
use crate::source::Span;

impl<'a> Lower<'a> {
    /// Puts the statements of a finished block here.
    pub(crate) fn splice(&mut self, block: Block) {
        if let Some(current) = self.builder.blocks.last_mut() {
            current.extend(block);
        }
    }

    fn copy(&mut self, to: Reg, from: Operand) {
        let ty = self.type_of(from);
        self.operation(OpKind::Copy(ty), &[to], &[from]);
    }

    pub(crate) fn branch(&mut self, condition: Operand, then: Block, otherwise: Block) {
        let span = self.at;
        self.builder.push(Stmt::If { condition, then, otherwise, span });
    }

    pub(crate) fn logical(&mut self, op: Punct, left: Value, right: &'a Expr, span: Span) -> Result<Value> {
        let vector = self.types.numeric(left.ty).is_some_and(|(_, n)| n > 1);
        if vector || matches!(self.types.kind(left.ty), TyKind::Struct(_)) {
            let right = self.value(right)?;
            return self.binary_operator(op, left, right, span);
        }
        let left = self.condition(left, span)?;
        let decides = u64::from(op == Punct::OrOr);
        self.begin_block();
        let right = self.value(right).and_then(|value| self.condition(value, right.span));
        let block = self.end_block();
        let right = right?;
        let part = if let Some(known) = left.as_const() {
            if known.bits == decides {
                left
            } else {
                self.splice(block);
                right
            }
        } else if self.is_harmless(&block) {
            self.splice(block);
            let binary = if op == Punct::OrOr { Binary::Or } else { Binary::And };
            match right.as_const() {
                Some(known) if known.bits == decides => right,
                Some(_) => left,
                None => self.binary(binary, left, right),
            }
        } else {
            let result = self.builder.register(Scalar::Bool);
            self.copy(result, left);
            self.builder.blocks.push(block);
            self.copy(result, right);
            let block = self.end_block();
            if op == Punct::OrOr {
                self.branch(left, Block::new(), block);
            } else {
                self.branch(left, block, Block::new());
            }
            result.into()
        };
        Ok(self.boolean(part))
    }

    pub(crate) fn conditional(
        &mut self,
        condition: &'a Expr,
        yes: &'a Expr,
        no: &'a Expr,
        span: Span,
    ) -> Result<Outcome<'a>> {
        let test = self.value(condition)?;
        if self.types.numeric(test.ty).is_some_and(|(_, n)| n > 1) {
            let (yes, no) = (self.value(yes)?, self.value(no)?);
            return self.choose_vector(&test, yes, no, span).map(Outcome::Value);
        }
        let test = self.condition(test, condition.span)?;
        self.begin_block();
        let first = self.value(yes);
        let mut then = self.end_block();
        self.begin_block();
        let second = self.value(no);
        let mut otherwise = self.end_block();
        let (first, second) = (first?, second?);
        let ty = self.unify(&first, &second, span)?;
        // The conversions belong to the branches.
        self.builder.blocks.push(then);
        let first = self.unified(first, ty, span);
        then = self.end_block();
        self.builder.blocks.push(otherwise);
        let second = self.unified(second, ty, span);
        otherwise = self.end_block();
        let (first, second) = (first?, second?);
        if let Some(known) = test.as_const() {
            let (block, value) = if known.bits != 0 { (then, first) } else { (otherwise, second) };
            self.splice(block);
            return Ok(Outcome::Value(value));
        }
        if self.is_harmless(&then) && self.is_harmless(&otherwise) {
            self.splice(then);
            self.splice(otherwise);
            return Ok(Outcome::Value(self.choose(test, &first, &second)));
        }
        let results: Vec<Reg> = first
            .parts
            .iter()
            .map(|part| self.type_of(*part))
            .collect::<Vec<_>>()
            .into_iter()
            .map(|ty| self.builder.register(ty))
            .collect();
        self.builder.blocks.push(then);
        for (result, part) in results.iter().zip(&first.parts) {
            self.copy(*result, *part);
        }
        let then = self.end_block();
        self.builder.blocks.push(otherwise);
        for (result, part) in results.iter().zip(&second.parts) {
            self.copy(*result, *part);
        }
        let otherwise = self.end_block();
        self.branch(test, then, otherwise);
        Ok(Outcome::Value(Value::new(ty, results.into_iter().map(Operand::Reg))))
    }

    fn unified(&mut self, value: Value, ty: Ty, span: Span) -> Result<Value> {
        if self.types.numeric(ty).is_some() {
            self.explicit(value, ty, span)
        } else {
            self.implicit(value, ty, span)
        }
    }

    /// The type of a conditional expression.
    fn unify(&mut self, a: &Value, b: &Value, span: Span) -> Result<Ty> {
        if a.ty == b.ty {
            return Ok(a.ty);
        }
        if let (Some((sa, na)), Some((sb, nb))) = (self.types.numeric(a.ty), self.types.numeric(b.ty)) {
            if na == 1 && nb == 1 {
                return Ok(self.types.scalar(common(sa, sb)));
            }
            if na == 1 || nb == 1 || (na == nb && sa == sb) {
                let (scalar, n) = if na > 1 { (sa, na) } else { (sb, nb) };
                return Ok(self.types.vector(scalar, n));
            }
        }
        if self.rank(b.ty, a.ty).is_some() {
            return Ok(a.ty);
        }
        if self.rank(a.ty, b.ty).is_some() {
            return Ok(b.ty);
        }
        let (a, b) = (self.types.name(a.ty), self.types.name(b.ty));
        let message = format!("the two values of `?:` have different types: `{a}` and `{b}`");
        Err(self.sink.error(Kind::Type, span, message))
    }

    /// `select` and `?:` on vectors: component by component, with a `bool` of each.
    pub(crate) fn choose_vector(&mut self, test: &Value, yes: Value, no: Value, span: Span) -> Result<Value> {
        let Some((_, n)) = self.types.numeric(test.ty) else {
            let message = format!("expected a vector of `bool`, got `{}`", self.types.name(test.ty));
            return Err(self.sink.error(Kind::Type, span, message));
        };
        let ty = self.unify(&yes, &no, span)?;
        let ty = match self.types.numeric(ty) {
            Some((scalar, 1)) => self.types.vector(scalar, n),
            Some((_, m)) if m == n => ty,
            _ => {
                let message =
                    format!("`{}` has not as many components as the condition", self.types.name(ty));
                return Err(self.sink.error(Kind::Type, span, message));
            }
        };
        let (yes, no) = (self.unified(yes, ty, span)?, self.unified(no, ty, span)?);
        let mut parts = Parts::new();
        for (i, test) in test.parts.iter().enumerate() {
            let test = self.convert_scalar(*test, Scalar::Bool);
            let zero = constant(Scalar::Bool, 0);
            let (yes, no) =
                (yes.parts.get(i).copied().unwrap_or(zero), no.parts.get(i).copied().unwrap_or(zero));
            parts.push(self.select(test, yes, no));
        }
        Ok(Value { ty, parts })
    }
}
