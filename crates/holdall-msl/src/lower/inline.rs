//! Inlining of calls.

use super::overload::Fit;
use super::resolve::{Resolved, is_auto};
use super::scope::{Binding, Closure};
use super::types::TyKind;
use super::value::{Outcome, Place, Value};
use super::{Frame, Lower, Target};
use crate::ast::{Expr, Function, Stmt, StmtKind};
use crate::diagnostic::{Kind, Result};
use crate::ir;
use crate::limits;
use crate::scalar::Space;
use crate::source::Span;
use crate::symbol::Symbol;

/// Whether a statement returns, other than by being a `return` itself.
fn returns_inside(statement: &Stmt) -> bool {
    match &statement.kind {
        StmtKind::Return(_) => true,
        StmtKind::Block(list) => list.iter().any(returns_inside),
        StmtKind::If { branches, otherwise } => {
            branches.iter().any(|branch| returns_inside(&branch.body))
                || otherwise.as_deref().is_some_and(returns_inside)
        }
        StmtKind::For { body, .. }
        | StmtKind::While(_, body)
        | StmtKind::DoWhile(body, _)
        | StmtKind::Switch(_, body) => returns_inside(body),
        _ => false,
    }
}

impl<'a> Lower<'a> {
    fn enter(&mut self, function: &'a Function, span: Span) -> Result<()> {
        let name = self.text(function.name);
        // A template may call itself with other arguments; a function may not.
        if function.template.is_none() && self.calls.iter().any(|call| std::ptr::eq(*call, function)) {
            let chain: Vec<&str> = self
                .calls
                .iter()
                .skip_while(|call| !std::ptr::eq(**call, function))
                .map(|call| self.text(call.name))
                .collect();
            let message = format!("`{name}` calls itself: recursion is not supported");
            let notes = if chain.len() > 1 {
                vec![(format!("through {}", chain.join(" → ")), None)]
            } else {
                vec![("declared here".to_owned(), Some(function.span))]
            };
            return Err(self.sink.error_with(Kind::Unsupported, span, message, notes));
        }
        if self.calls.len() as u32 >= limits::CALL_DEPTH {
            let message = format!("calls are nested more than {} deep", limits::CALL_DEPTH);
            return Err(self.sink.limit(span, message));
        }
        self.check_size(span)?;
        self.builder.n_ops += limits::CALL_COST;
        self.called.insert(std::ptr::from_ref(function));
        self.calls.push(function);
        Ok(())
    }

    /// Inlines a call.
    pub(crate) fn inline(&mut self, fit: Fit<'a>, args: &[Outcome<'a>], span: Span) -> Result<Outcome<'a>> {
        let function = fit.candidate.function;
        self.enter(function, span)?;
        // What is wrong in a template may be right for other arguments, so the call matters.
        let depends = function.template.is_some() || fit.candidate.is_prelude;
        let (mark, outside) = (self.sink.mark(), !self.frame.is_prelude);
        let result = self.attributed(span, |lower| lower.inline_entered(fit, args, span));
        self.calls.pop();
        if depends && outside {
            let message = format!("in this call of `{}`", self.text(function.name));
            self.sink.annotate(mark, &message, span);
        }
        result
    }

    fn inline_entered(&mut self, fit: Fit<'a>, args: &[Outcome<'a>], span: Span) -> Result<Outcome<'a>> {
        let function = fit.candidate.function;
        let Some(body) = &function.body else {
            let message = format!("`{}` is declared and not defined", self.text(function.name));
            let notes = vec![("declared here".to_owned(), Some(function.span))];
            return Err(self.sink.error_with(Kind::Name, span, message, notes));
        };
        let frame = fit.candidate.frame();
        let bindings = fit.bindings.clone();
        let mut passed = Vec::with_capacity(function.parameters.len());
        for (parameter, (resolved, arg)) in function.parameters.iter().zip(fit.parameters.iter().zip(args)) {
            passed.push((parameter.name, self.pass(parameter.name, *resolved, arg.clone(), parameter.span)?));
        }
        self.in_frame(frame, bindings, |lower| {
            lower.pass_defaults(&fit, args.len(), &mut passed)?;
            lower.locals.extend(passed);
            lower.run_body(function, body)
        })
    }

    /// Arguments that the call leaves to the declaration.
    fn pass_defaults(
        &mut self,
        fit: &Fit<'a>,
        n_given: usize,
        passed: &mut Vec<(Symbol, Binding<'a>)>,
    ) -> Result<()> {
        let rest = fit.candidate.function.parameters.iter().zip(&fit.parameters).skip(n_given);
        for (parameter, resolved) in rest {
            if let Some(default) = &parameter.default {
                let outcome = self.expression(default)?;
                let binding = self.pass(parameter.name, *resolved, outcome, parameter.span)?;
                passed.push((parameter.name, binding));
            }
        }
        Ok(())
    }

    /// What a parameter's name stands for: the argument's own place for references, else a variable.
    fn pass(&mut self, name: Symbol, to: Resolved, arg: Outcome<'a>, span: Span) -> Result<Binding<'a>> {
        if let Outcome::Closure(closure) = arg {
            return Ok(Binding::Closure(closure));
        }
        if let (true, Outcome::Place(place)) = (to.is_reference, &arg) {
            let space = to.space.unwrap_or(Space::Thread);
            if place.ty == to.ty && place.swizzle.is_none() && place.space == space {
                return Ok(Binding::Place(Place {
                    is_const: place.is_const || to.is_const,
                    ..place.clone()
                }));
            }
        }
        let value = self.value_of(arg)?;
        if let TyKind::Closure(id) = self.types.kind(value.ty) {
            return Ok(Binding::Closure(self.closures[id as usize].clone()));
        }
        let at = self.at;
        let value = self.implicit(value, to.ty, at)?;
        if to.is_const && !to.is_reference && value.is_constant() {
            return Ok(Binding::Value(value));
        }
        let text = self.text(name);
        let mut place = self.variable(text, to.ty, span)?;
        self.store(&place, &value)?;
        place.is_const = to.is_const;
        Ok(Binding::Place(place))
    }

    /// The body of a function whose frame is in place.
    pub(super) fn run_body(&mut self, function: &'a Function, body: &'a [Stmt]) -> Result<Outcome<'a>> {
        let ty = match &function.result {
            Some(ty) if !is_auto(ty) => Some(self.resolve(ty)?),
            Some(_) => None,
            None => {
                let ty = self.types.void();
                Some(Resolved { ty, is_const: false, space: None, is_reference: false })
            }
        };
        // A `return` at the very end needs no variable for the result and no label.
        if let Some((last, before)) = body.split_last()
            && let StmtKind::Return(Some(value)) = &last.kind
            && !before.iter().any(returns_inside)
        {
            self.statements(before);
            return self.scoped(|lower| lower.returned(value, ty));
        }
        let label = self.builder.label();
        self.frame.result = Target::Inlined { ty, place: None, closure: None, label };
        self.begin_block();
        self.statements(body);
        let block = self.end_block();
        if let Target::Inlined { place: Some(place), .. } = &self.frame.result {
            // On a way that returns nothing, there is no result.
            let place = place.clone();
            self.fresh(&place);
        }
        self.builder.push(ir::Stmt::Block { label, body: block });
        let Target::Inlined { ty, place, closure, .. } = std::mem::take(&mut self.frame.result) else {
            return Err(crate::diagnostic::Reported);
        };
        if let Some(closure) = closure {
            return Ok(Outcome::Closure(closure));
        }
        let void = self.types.void();
        match (place, ty) {
            (Some(place), Some(ty)) if ty.is_reference => {
                let pointer = self.load(&place)?;
                self.pointee(&pointer).map(Outcome::Place).ok_or(crate::diagnostic::Reported)
            }
            (Some(place), _) => self.load_whole(&place).map(Outcome::Value),
            (None, Some(ty)) if ty.ty != void => {
                let message = format!("`{}` does not return a value", self.text(function.name));
                Err(self.sink.error(Kind::Type, function.span, message))
            }
            _ => Ok(Outcome::Value(Value::new(void, []))),
        }
    }

    /// The value of a `return`, converted to the function's type.
    fn returned(&mut self, value: &'a Expr, ty: Option<Resolved>) -> Result<Outcome<'a>> {
        if let (crate::ast::ExprKind::List(list), Some(ty)) = (&value.kind, ty) {
            return self.construct(ty.ty, list, true, value.span).map(Outcome::Value);
        }
        let outcome = self.expression(value)?;
        let Some(ty) = ty else {
            return match outcome {
                Outcome::Closure(closure) => Ok(Outcome::Closure(closure)),
                other => self.value_of(other).map(Outcome::Value),
            };
        };
        if ty.is_reference {
            return match outcome {
                Outcome::Place(place) if place.ty == ty.ty && place.swizzle.is_none() => {
                    Ok(Outcome::Place(Place { is_const: place.is_const || ty.is_const, ..place }))
                }
                _ => {
                    let message = format!("expected a variable of type `{}`", self.types.name(ty.ty));
                    Err(self.sink.error(Kind::Type, value.span, message))
                }
            };
        }
        let result = self.value_of(outcome)?;
        self.implicit(result, ty.ty, value.span).map(Outcome::Value)
    }

    /// The statement `return`.
    pub(crate) fn return_statement(&mut self, value: Option<&'a Expr>, span: Span) -> Result<()> {
        let Target::Inlined { ty, place, label, .. } = self.frame.result.clone() else {
            if let Some(value) = value {
                let message = "a kernel returns nothing";
                return Err(self.sink.error(Kind::Type, value.span, message));
            }
            self.builder.push(ir::Stmt::Return { span });
            return Ok(());
        };
        let at = self.at;
        let void = self.types.void();
        match value {
            None => {
                if ty.is_some_and(|ty| ty.ty != void) {
                    let name = ty.map_or(String::new(), |ty| self.types.name(ty.ty));
                    return Err(self.sink.error(
                        Kind::Type,
                        span,
                        format!("expected a value of type `{name}`"),
                    ));
                }
            }
            Some(value) => {
                let outcome = self.returned(value, ty)?;
                if let Outcome::Closure(closure) = outcome {
                    self.frame.result = Target::Inlined { ty, place, closure: Some(closure), label };
                    self.builder.push(ir::Stmt::Break { label, span: at });
                    return Ok(());
                }
                let result = match outcome {
                    Outcome::Place(place) if ty.is_some_and(|ty| ty.is_reference) => {
                        let ty = self.types.pointer(place.ty, place.space, place.is_const);
                        Value::new(ty, [place.object, place.offset])
                    }
                    other => self.value_of(other)?,
                };
                self.keep_result(result, ty, place, label, value.span)?;
            }
        }
        self.builder.push(ir::Stmt::Break { label, span: at });
        Ok(())
    }

    fn keep_result(
        &mut self,
        result: Value,
        ty: Option<Resolved>,
        place: Option<Place>,
        label: ir::Label,
        span: Span,
    ) -> Result<()> {
        if self.types.kind(result.ty) == TyKind::Void {
            return Ok(());
        }
        let place = match place {
            Some(place) => place,
            None => {
                let place = self.variable("result", result.ty, span)?;
                let known = Resolved { ty: result.ty, is_const: false, space: None, is_reference: false };
                let ty = Some(ty.unwrap_or(known));
                self.frame.result = Target::Inlined { ty, place: Some(place.clone()), closure: None, label };
                place
            }
        };
        let result = self.implicit(result, place.ty, span)?;
        self.store(&place, &result)
    }

    /// Inlines a constructor over a new struct.
    pub(crate) fn inline_constructor(
        &mut self,
        fit: Fit<'a>,
        args: &[Outcome<'a>],
        place: Place,
        span: Span,
    ) -> Result<()> {
        let function = fit.candidate.function;
        self.enter(function, span)?;
        let result = self.attributed(span, |lower| lower.construct_entered(fit, args, place, span));
        self.calls.pop();
        result
    }

    fn construct_entered(
        &mut self,
        fit: Fit<'a>,
        args: &[Outcome<'a>],
        place: Place,
        span: Span,
    ) -> Result<()> {
        let function = fit.candidate.function;
        let mut passed = Vec::new();
        for (parameter, (resolved, arg)) in function.parameters.iter().zip(fit.parameters.iter().zip(args)) {
            passed.push((parameter.name, self.pass(parameter.name, *resolved, arg.clone(), parameter.span)?));
        }
        let frame = Frame { this: Some(place.clone()), ..fit.candidate.frame() };
        let bindings = fit.bindings.clone();
        self.in_frame(frame, bindings, |lower| {
            lower.pass_defaults(&fit, args.len(), &mut passed)?;
            lower.locals.extend(passed);
            lower.initialise_members(function, &place, span)?;
            let body = function.body.as_deref().unwrap_or(&[]);
            lower.run_body(function, body)?;
            Ok(())
        })
    }

    fn initialise_members(&mut self, function: &'a Function, place: &Place, span: Span) -> Result<()> {
        let Some(info) = self.types.structure(place.ty) else { return Ok(()) };
        let fields: Vec<_> = info.fields.iter().map(|f| (f.name, f.ty, f.offset, f.decl)).collect();
        let own = info.decl.name;
        // `S(a) : S(a, b) {}` hands over to another constructor.
        if let [(path, args)] = function.initialisers.as_slice()
            && path.simple() == Some(own)
        {
            let value = self.construct(place.ty, args, false, span)?;
            return self.store(place, &value);
        }
        for (path, _) in &function.initialisers {
            if !fields.iter().any(|field| Some(field.0) == path.simple()) {
                let message =
                    format!("`{}` has no member `{}`", self.types.name(place.ty), self.path_text(path));
                return Err(self.sink.error(Kind::Name, path.span, message));
            }
        }
        for (name, ty, offset, decl) in fields {
            let given = function.initialisers.iter().find(|(path, _)| path.simple() == Some(name));
            let has_default = !matches!(decl.init, crate::ast::Init::None);
            let member = self.field_place(place, ty, offset);
            let value = match given {
                Some((_, args)) => {
                    self.construct(ty, args, matches!(self.types.kind(ty), TyKind::Array(..)), decl.span)?
                }
                None if has_default || self.has_default_constructor(ty) => {
                    self.default_member(place.ty, ty, decl)?
                }
                None => continue,
            };
            self.store(&member, &value)?;
        }
        Ok(())
    }

    /// Calls a lambda.
    pub(crate) fn call_closure(
        &mut self,
        closure: &Closure<'a>,
        args: Vec<Outcome<'a>>,
        span: Span,
    ) -> Result<Outcome<'a>> {
        let function = closure.function;
        if args.len() != function.parameters.len() {
            let message =
                format!("this lambda takes {} arguments, got {}", function.parameters.len(), args.len());
            return Err(self.sink.error(Kind::Type, span, message));
        }
        self.enter(function, span)?;
        let frame = Frame {
            namespace: self.frame.namespace,
            is_prelude: self.frame.is_prelude,
            structure: self.frame.structure,
            this: self.frame.this.clone(),
            ..Frame::default()
        };
        let seen = closure.seen.clone();
        let result = self.attributed(span, |lower| {
            let mut passed = Vec::new();
            for (parameter, arg) in function.parameters.iter().zip(args) {
                let ty = match &arg {
                    Outcome::Place(place) => lower.place_type(place),
                    Outcome::Value(value) => value.ty,
                    Outcome::Closure(_) => lower.types.void(),
                };
                let resolved = lower.in_frame(frame.clone(), seen.iter().cloned(), |l| {
                    l.parameter_type(parameter, Some(ty))
                })?;
                passed.push((parameter.name, lower.pass(parameter.name, resolved, arg, parameter.span)?));
            }
            let Some(body) = &function.body else { return Err(crate::diagnostic::Reported) };
            lower.in_frame(frame.clone(), seen.iter().cloned(), |lower| {
                lower.locals.extend(passed);
                lower.run_body(function, body)
            })
        });
        self.calls.pop();
        result
    }
}
