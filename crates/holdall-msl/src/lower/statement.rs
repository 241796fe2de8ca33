//! Statements.

use super::Lower;
use super::value::Value;
use crate::ast::{Expr, Stmt, StmtKind};
use crate::diagnostic::{Kind, Result};
use crate::ir::{self, Block, Compare, Label};
use crate::source::Span;

/// Labels of a `switch` and the statements behind them.
struct Section<'a> {
    labels: Vec<(Option<&'a Expr>, Span)>,
    statements: Vec<&'a Stmt>,
}

const SECTIONS: usize = 128;

impl<'a> Lower<'a> {
    /// Statements one after the other; a mistake in one does not hide those of others.
    pub(crate) fn statements(&mut self, list: &'a [Stmt]) {
        for statement in list {
            if self.sink.is_stopped() {
                return;
            }
            let _ = self.statement(statement);
        }
    }

    pub(crate) fn statement(&mut self, statement: &'a Stmt) -> Result<()> {
        self.attributed(statement.span, |lower| lower.statement_kind(statement))
    }

    /// A statement with names of its own, as a block.
    fn body(&mut self, statement: &'a Stmt) -> Block {
        self.begin_block();
        let _ = self.scoped(|lower| lower.statement(statement));
        self.end_block()
    }

    fn statement_kind(&mut self, statement: &'a Stmt) -> Result<()> {
        let span = statement.span;
        match &statement.kind {
            StmtKind::Empty => Ok(()),
            StmtKind::Expr(value) => self.expression(value).map(|_| ()),
            StmtKind::Variables(list) => self.variables(list),
            StmtKind::Item(item) => self.local_item(item, span),
            StmtKind::Block(list) => self.scoped(|lower| {
                lower.statements(list);
                Ok(())
            }),
            StmtKind::If { branches, otherwise } => self.if_chain(branches, otherwise.as_deref()),
            StmtKind::For { init, condition, step, body } => self.scoped(|lower| {
                if let Some(init) = init {
                    lower.statement(init)?;
                }
                lower.repeat(condition.as_ref(), step.as_ref(), body, false)
            }),
            StmtKind::While(condition, body) => self.repeat(Some(condition), None, body, false),
            StmtKind::DoWhile(body, condition) => self.repeat(Some(condition), None, body, true),
            StmtKind::Switch(value, body) => self.switch(value, body, span),
            StmtKind::Case(_) => {
                let message = "`case` and `default` stand directly inside of a `switch`";
                Err(self.sink.error(Kind::Syntax, span, message))
            }
            StmtKind::Break | StmtKind::Continue => {
                let is_break = matches!(statement.kind, StmtKind::Break);
                let label = if is_break { self.frame.on_break } else { self.frame.on_continue };
                let Some(label) = label else {
                    let message =
                        if is_break { "`break` outside of a loop" } else { "`continue` outside of a loop" };
                    return Err(self.sink.error(Kind::Syntax, span, message));
                };
                let span = self.at;
                self.builder.push(ir::Stmt::Break { label, span });
                Ok(())
            }
            StmtKind::Return(value) => self.return_statement(value.as_ref(), span),
            StmtKind::StaticAssert(condition, text) => self.static_assert(condition, text.as_deref(), span),
        }
    }

    fn if_chain(&mut self, branches: &'a [crate::ast::Branch], otherwise: Option<&'a Stmt>) -> Result<()> {
        let Some((branch, rest)) = branches.split_first() else {
            return match otherwise {
                Some(otherwise) => self.scoped(|lower| lower.statement(otherwise)),
                None => Ok(()),
            };
        };
        self.scoped(|lower| {
            if let Some(init) = &branch.init {
                lower.statement(init)?;
            }
            let value = if branch.is_constexpr {
                lower.constant_value(&branch.condition)
            } else {
                lower.value(&branch.condition)
            };
            let test = value.and_then(|value| lower.condition(value, branch.condition.span));
            // What a template discards need not make sense.
            if branch.is_constexpr {
                let taken = test?.as_const().is_some_and(|c| c.bits != 0);
                return if taken {
                    lower.scoped(|lower| lower.statement(&branch.body))
                } else {
                    lower.attributed(branch.condition.span, |lower| lower.if_chain(rest, otherwise))
                };
            }
            let at = lower.at;
            let then = lower.body(&branch.body);
            lower.begin_block();
            let result = if rest.is_empty() {
                lower.if_chain(rest, otherwise)
            } else {
                lower.attributed(rest[0].condition.span, |lower| lower.if_chain(rest, otherwise))
            };
            let otherwise = lower.end_block();
            let _ = result;
            match test?.as_const() {
                Some(known) => lower.splice(if known.bits != 0 { then } else { otherwise }),
                None => {
                    lower.at = if lower.frame.is_prelude { at } else { branch.condition.span };
                    lower.branch(test?, then, otherwise);
                    lower.at = at;
                }
            }
            Ok(())
        })
    }

    /// A loop: the condition before or after the body, the step behind it.
    fn repeat(
        &mut self,
        condition: Option<&'a Expr>,
        step: Option<&'a Expr>,
        body: &'a Stmt,
        test_last: bool,
    ) -> Result<()> {
        let (exit, next) = (self.builder.label(), self.builder.label());
        let span = self.at;
        self.begin_block();
        if !test_last {
            self.leave_unless(condition, exit);
        }
        let outer = (self.frame.on_break.replace(exit), self.frame.on_continue.replace(next));
        let inner = self.body(body);
        (self.frame.on_break, self.frame.on_continue) = outer;
        self.builder.push(ir::Stmt::Block { label: next, body: inner });
        if let Some(step) = step {
            let _ = self.expression(step);
        }
        if test_last {
            self.leave_unless(condition, exit);
        }
        let block = self.end_block();
        self.builder.push(ir::Stmt::Loop { label: exit, body: block, span });
        Ok(())
    }

    fn leave_unless(&mut self, condition: Option<&'a Expr>, exit: Label) {
        let Some(condition) = condition else { return };
        let test = self.value(condition).and_then(|value| self.condition(value, condition.span));
        let Ok(test) = test else { return };
        let span = if self.frame.is_prelude { self.at } else { condition.span };
        let leave = vec![ir::Stmt::Break { label: exit, span }];
        match test.as_const() {
            Some(known) if known.bits != 0 => {}
            Some(_) => self.splice(leave),
            None => self.branch(test, Block::new(), leave),
        }
    }

    fn switch(&mut self, value: &'a Expr, body: &'a Stmt, span: Span) -> Result<()> {
        let value = self.value(value)?;
        let Some(scalar) = self.types.as_scalar(value.ty).filter(|scalar| scalar.is_integer()) else {
            let message = format!("`switch` takes an integer, got `{}`", self.types.name(value.ty));
            return Err(self.sink.error(Kind::Type, span, message));
        };
        let scalar = super::convert::promoted(scalar);
        let selector = self.convert_scalar(value.single(), scalar);
        let StmtKind::Block(list) = &body.kind else {
            return Err(self.sink.error(Kind::Syntax, body.span, "expected `{` behind `switch (…)`"));
        };
        let mut sections: Vec<Section<'a>> = Vec::new();
        for statement in list {
            if let StmtKind::Case(label) = &statement.kind {
                let label = (label.as_ref(), statement.span);
                match sections.last_mut().filter(|section| section.statements.is_empty()) {
                    Some(section) => section.labels.push(label),
                    None => sections.push(Section { labels: vec![label], statements: Vec::new() }),
                }
            } else if let Some(section) = sections.last_mut() {
                section.statements.push(statement);
            } else {
                let message = "this is before the first `case`: it is never reached";
                return Err(self.sink.error(Kind::Syntax, statement.span, message));
            }
        }
        if sections.len() > SECTIONS {
            let message = format!("a `switch` has at most {SECTIONS} sections");
            return Err(self.sink.error(Kind::Limit, span, message));
        }
        // Each section is a block inside of the next one's.
        self.depth += sections.len() as u32;
        let exit = self.builder.label();
        let labels: Vec<Label> = sections.iter().map(|_| self.builder.label()).collect();
        self.begin_block();
        let dispatched = self.dispatch(selector, scalar, &sections, &labels, exit);
        let mut block = self.end_block();
        let outer = self.frame.on_break.replace(exit);
        // Each section's label is that of a block around everything before it, so leaving the block goes there.
        let n = self.locals.len();
        for (section, label) in sections.iter().zip(&labels) {
            self.begin_block();
            self.builder.push(ir::Stmt::Block { label: *label, body: block });
            for statement in &section.statements {
                let _ = self.statement(statement);
            }
            block = self.end_block();
        }
        self.locals.truncate(n);
        self.depth -= sections.len() as u32;
        self.frame.on_break = outer;
        self.builder.push(ir::Stmt::Block { label: exit, body: block });
        dispatched
    }

    fn dispatch(
        &mut self,
        selector: ir::Operand,
        scalar: crate::scalar::Scalar,
        sections: &[Section<'a>],
        labels: &[Label],
        exit: Label,
    ) -> Result<()> {
        let mut default = exit;
        let mut seen: Vec<(u64, Span)> = Vec::new();
        for (section, target) in sections.iter().zip(labels) {
            for (label, span) in &section.labels {
                let Some(label) = label else {
                    default = *target;
                    continue;
                };
                let value = self.constant_value(label)?;
                let ty = self.types.scalar(scalar);
                let value: Value = self.implicit(value, ty, label.span)?;
                let bits = value.single().as_const().map_or(0, |c| c.bits);
                if let Some((_, first)) = seen.iter().find(|(other, _)| *other == bits) {
                    let notes = vec![("the first one is here".to_owned(), Some(*first))];
                    return Err(self.sink.error_with(Kind::Type, *span, "this `case` is there twice", notes));
                }
                seen.push((bits, *span));
                let test = self.compare(Compare::Eq, selector, value.single());
                let at = self.at;
                let leave = vec![ir::Stmt::Break { label: *target, span: at }];
                match test.as_const() {
                    Some(known) if known.bits != 0 => {
                        self.splice(leave);
                        return Ok(());
                    }
                    Some(_) => {}
                    None => self.branch(test, leave, Block::new()),
                }
            }
        }
        let span = self.at;
        self.builder.push(ir::Stmt::Break { label: default, span });
        Ok(())
    }
}
