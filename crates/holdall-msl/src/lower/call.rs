//! Calls: of functions, members, constructors, operators, lambdas.

use super::Lower;
use super::overload::Candidate;
use super::scope::Binding;
use super::types::{Ty, TyKind};
use super::value::{Outcome, Place, Value};
use crate::ast::{Expr, ExprKind, Function, Path, Segment};
use crate::diagnostic::{Kind, Result};
use crate::source::Span;
use crate::symbol::Symbol;

impl<'a> Lower<'a> {
    fn arguments(&mut self, args: &'a [Expr]) -> Result<Vec<Outcome<'a>>> {
        let mut outcomes = Vec::with_capacity(args.len());
        for arg in args {
            outcomes.push(self.expression(arg)?);
        }
        Ok(outcomes)
    }

    pub(crate) fn call(&mut self, callee: &'a Expr, args: &'a [Expr], span: Span) -> Result<Outcome<'a>> {
        match &callee.kind {
            ExprKind::Name(path) => self.call_name(path, args, span),
            ExprKind::Member(base, segment, arrow) => {
                let base = self.member_base(base, *arrow)?;
                self.call_member(base, segment, args, span)
            }
            _ => {
                let outcome = self.expression(callee)?;
                let args = self.arguments(args)?;
                self.call_outcome(outcome, args, span)
            }
        }
    }

    /// Calls a lambda or an object with `operator()`.
    fn call_outcome(
        &mut self,
        callee: Outcome<'a>,
        args: Vec<Outcome<'a>>,
        span: Span,
    ) -> Result<Outcome<'a>> {
        let ty = match &callee {
            Outcome::Closure(closure) => {
                let closure = closure.clone();
                return self.call_closure(&closure, args, span);
            }
            Outcome::Place(place) => place.ty,
            Outcome::Value(value) => value.ty,
        };
        if let TyKind::Closure(id) = self.types.kind(ty) {
            let closure = self.closures[id as usize].clone();
            return self.call_closure(&closure, args, span);
        }
        if matches!(self.types.kind(ty), TyKind::Struct(_)) {
            let this = self.this_of(callee, span)?;
            if let Some(name) = self.names.find("operator()") {
                let candidates = self.methods(ty, name, Some(this));
                if !candidates.is_empty() {
                    let fit = self.choose_overload("operator()", candidates, None, &args, span)?;
                    return self.inline(fit, &args, span);
                }
            }
        }
        let message = format!("`{}` cannot be called", self.types.name(ty));
        Err(self.sink.error(Kind::Type, span, message))
    }

    fn this_of(&mut self, outcome: Outcome<'a>, span: Span) -> Result<Place> {
        match outcome {
            Outcome::Place(place) => Ok(place),
            other => {
                let value = self.value_of(other)?;
                self.materialise(&value, span)
            }
        }
    }

    fn call_name(&mut self, path: &'a Path, args: &'a [Expr], span: Span) -> Result<Outcome<'a>> {
        let last = path.last();
        let name = last.name;
        let (scopes, _) = path.segments.split_at(path.segments.len() - 1);
        let explicit = last.args.as_deref();
        if scopes.is_empty() {
            match self.find_local(name).cloned() {
                Some(Binding::Closure(closure)) => {
                    let args = self.arguments(args)?;
                    return self.call_closure(&closure, args, span);
                }
                Some(Binding::Place(place)) => {
                    let args = self.arguments(args)?;
                    return self.call_outcome(Outcome::Place(place), args, span);
                }
                Some(Binding::Value(value)) => {
                    let args = self.arguments(args)?;
                    return self.call_outcome(Outcome::Value(value), args, span);
                }
                Some(Binding::Type(ty)) => return self.construct(ty, args, false, span).map(Outcome::Value),
                None => {}
            }
            if let Some(structure) = self.frame.structure {
                let candidates = self.methods(structure, name, self.frame.this.clone());
                if !candidates.is_empty() {
                    let args = self.arguments(args)?;
                    let fit = self.choose_overload(self.text(name), candidates, explicit, &args, span)?;
                    return self.inline(fit, &args, span);
                }
            }
            if let Some(member) = self.own_member(name, span)? {
                let args = self.arguments(args)?;
                return self.call_outcome(member, args, span);
            }
        } else if let Some(ty) = self.scope_type(scopes)? {
            let candidates = self.methods(ty, name, None);
            if !candidates.is_empty() {
                let args = self.arguments(args)?;
                let fit = self.choose_overload(self.text(name), candidates, explicit, &args, span)?;
                return self.inline(fit, &args, span);
            }
            let message = format!("`{}` has no function `{}`", self.types.name(ty), self.text(name));
            return Err(self.sink.error(Kind::Name, span, message));
        }
        // A type whose name the parser could not know as one.
        if let Some(ty) = self.find_type(path)? {
            return self.construct(ty, args, false, span).map(Outcome::Value);
        }
        let args = self.arguments(args)?;
        let candidates = self.functions(path);
        let text = self.text(name);
        if !candidates.is_empty() {
            let is_builtin = self.language.functions.find(text).is_some();
            let fit = if is_builtin {
                self.find_overload(text, &candidates, explicit, &args, span)?
            } else {
                Some(self.choose_overload(text, candidates, explicit, &args, span)?)
            };
            if let Some(fit) = fit {
                return self.inline(fit, &args, span);
            }
        }
        if let Some(function) = self.language.functions.find(text) {
            let scope = scopes.last().map(|segment| self.text(segment.name));
            return self.builtin(function, text, scope, explicit, args, span).map(Outcome::Value);
        }
        if crate::known::unsupported_type(text).is_some() {
            let message = crate::known::unsupported_type(text).unwrap_or_default();
            return Err(self.sink.error(Kind::Unsupported, span, message));
        }
        if let Some(global) = self.global_callable(path)? {
            return self.call_outcome(global, args, span);
        }
        Err(self.unknown(name, path.span))
    }

    /// A variable at namespace scope that can be called, such as an object with `operator()`.
    fn global_callable(&mut self, path: &'a Path) -> Result<Option<Outcome<'a>>> {
        let entries = self.globals.visible(path.last().name, self.frame.namespace);
        if entries.is_empty() { Ok(None) } else { self.name(path).map(Some) }
    }

    /// All functions of a name that are visible.
    fn functions(&mut self, path: &'a Path) -> Vec<Candidate<'a>> {
        let (scopes, last) = path.segments.split_at(path.segments.len() - 1);
        let name = last[0].name;
        let namespace =
            if scopes.is_empty() { Some(self.frame.namespace) } else { self.namespace_of(scopes) };
        let Some(namespace) = namespace else { return Vec::new() };
        let own = self.globals.visible(name, namespace);
        let prelude = self.prelude().visible(name, 0);
        let mut list: Vec<Candidate<'a>> =
            own.iter().chain(&prelude).filter_map(Candidate::of_entry).collect();
        for entry in &own {
            if let super::scope::Decl::Using(path) = entry.decl
                && path.segments.len() > 1
                && let Some(namespace) = self.namespace_of(&path.segments[..path.segments.len() - 1])
            {
                let found = self.globals.inside(name, namespace);
                list.extend(found.iter().filter_map(Candidate::of_entry));
            }
        }
        list
    }

    fn call_member(
        &mut self,
        base: Outcome<'a>,
        segment: &'a Segment,
        args: &'a [Expr],
        span: Span,
    ) -> Result<Outcome<'a>> {
        let ty = match &base {
            Outcome::Place(place) => place.ty,
            Outcome::Value(value) => value.ty,
            Outcome::Closure(_) => return Err(self.sink.error(Kind::Type, span, "a lambda has no members")),
        };
        match self.types.kind(ty) {
            TyKind::Struct(_) => {}
            TyKind::Matrix(scalar) if self.text(segment.name) == "thread_elements" => {
                let this = self.this_of(base, span)?;
                let ty = self.types.vector(scalar, 2);
                return Ok(Outcome::Place(Place { ty, ..this }));
            }
            _ => {
                let message = format!("`{}` has no functions", self.types.name(ty));
                return Err(self.sink.error(Kind::Type, segment.span, message));
            }
        }
        let this = self.this_of(base, span)?;
        let candidates = self.methods(ty, segment.name, Some(this.clone()));
        let args = self.arguments(args)?;
        if candidates.is_empty() {
            // A member that can itself be called.
            let member = self.member_of(Outcome::Place(this), segment.name, segment.span)?;
            return self.call_outcome(member, args, span);
        }
        let name = self.text(segment.name);
        let fit = self.choose_overload(name, candidates, segment.args.as_deref(), &args, span)?;
        self.inline(fit, &args, span)
    }

    /// The member functions of a name.
    fn methods(&mut self, ty: Ty, name: Symbol, this: Option<Place>) -> Vec<Candidate<'a>> {
        let Some(info) = self.types.structure(ty) else { return Vec::new() };
        let own = info.decl.name;
        let all = info.decl.methods.iter().filter(|f| f.name == name && f.name != own && !f.is_conversion);
        all.map(|function| Candidate {
            function,
            namespace: info.namespace,
            is_prelude: info.is_prelude,
            structure: Some(ty),
            this: if function.is_static { None } else { this.clone() },
            outer: info.bindings.clone(),
        })
        .collect()
    }

    pub(crate) fn constructors(&self, ty: Ty) -> impl Iterator<Item = &'a Function> + use<'a> {
        let decl = self.types.structure(ty).map(|info| info.decl);
        let methods = decl.map_or(&[][..], |decl| &decl.methods);
        methods
            .iter()
            .filter(move |f| decl.is_some_and(|d| f.name == d.name) && f.result.is_none() && !f.is_conversion)
    }

    pub(crate) fn has_default_constructor(&self, ty: Ty) -> bool {
        self.constructors(ty).any(|f| f.parameters.iter().all(|p| p.default.is_some()))
    }

    pub(crate) fn constructor_candidates(&mut self, ty: Ty) -> Vec<Candidate<'a>> {
        let list: Vec<&'a Function> = self.constructors(ty).collect();
        let Some(info) = self.types.structure(ty) else { return Vec::new() };
        list.into_iter()
            .map(|function| Candidate {
                function,
                namespace: info.namespace,
                is_prelude: info.is_prelude,
                structure: Some(ty),
                this: None,
                outer: info.bindings.clone(),
            })
            .collect()
    }

    /// Whether a constructor with one argument converts implicitly.
    pub(crate) fn converting_constructor(&mut self, from: Ty, to: Ty) -> bool {
        // A conversion by a conversion does not count.
        if matches!(self.types.kind(from), TyKind::Struct(_) | TyKind::Closure(_)) {
            return self.conversion_operator(from, to).is_some();
        }
        let candidates: Vec<Candidate<'a>> = self
            .constructor_candidates(to)
            .into_iter()
            .filter(|candidate| !candidate.function.is_explicit)
            .collect();
        if candidates.is_empty() || self.template_depth > 2 {
            return false;
        }
        let value = Value::new(from, []);
        self.template_depth += 1;
        let found = self.quietly(|lower| {
            lower.find_overload("", &candidates, None, &[Outcome::Value(value)], Span::default())
        });
        self.template_depth -= 1;
        found.flatten().is_some()
    }

    /// The conversion operator of a struct that fits best, and its type.
    pub(crate) fn conversion_operator(&mut self, from: Ty, to: Ty) -> Option<(&'a Function, Ty)> {
        let info = self.types.structure(from)?;
        let list: Vec<&'a Function> = info.decl.methods.iter().filter(|f| f.is_conversion).collect();
        if list.is_empty() {
            return None;
        }
        let bindings = info.bindings.clone();
        let frame = super::Frame {
            namespace: info.namespace,
            is_prelude: info.is_prelude,
            structure: Some(from),
            ..super::Frame::default()
        };
        let mut found: Option<(&'a Function, Ty)> = None;
        for function in list {
            let Some(result) = &function.result else { continue };
            if function.template.is_some() {
                continue;
            }
            let ty = self.quietly(|lower| {
                lower.in_frame(frame.clone(), bindings.iter().cloned(), |lower| lower.resolve_object(result))
            })?;
            if ty == to {
                return Some((function, ty));
            }
            let numeric = self.types.as_scalar(ty).is_some() && self.types.as_scalar(to).is_some();
            let better = found.is_none_or(|(other, _)| other.is_explicit && !function.is_explicit);
            if numeric && better {
                found = Some((function, ty));
            }
        }
        found
    }

    pub(crate) fn call_conversion(
        &mut self,
        value: Value,
        function: &'a Function,
        span: Span,
    ) -> Result<Value> {
        let ty = value.ty;
        let this = self.materialise(&value, span)?;
        let Some(info) = self.types.structure(ty) else { return Ok(value) };
        let candidate = Candidate {
            function,
            namespace: info.namespace,
            is_prelude: info.is_prelude,
            structure: Some(ty),
            this: Some(this),
            outer: info.bindings.clone(),
        };
        let fit = self.choose_overload("operator", vec![candidate], None, &[], span)?;
        let outcome = self.inline(fit, &[], span)?;
        self.value_of(outcome)
    }

    /// An operator that is a function: of the first operand's struct, or anywhere. `None` if there is none that fits.
    pub(crate) fn call_operator(
        &mut self,
        name: &str,
        args: Vec<Outcome<'a>>,
        span: Span,
    ) -> Result<Option<Outcome<'a>>> {
        let Some(symbol) = self.names.find(name) else { return Ok(None) };
        let ty = match args.first() {
            Some(Outcome::Place(place)) => Some(place.ty),
            Some(Outcome::Value(value)) => Some(value.ty),
            _ => None,
        };
        if let Some(ty) = ty
            && matches!(self.types.kind(ty), TyKind::Struct(_))
        {
            let has =
                self.types.structure(ty).is_some_and(|i| i.decl.methods.iter().any(|f| f.name == symbol));
            if has {
                let this = self.this_of(args[0].clone(), span)?;
                let candidates = self.methods(ty, symbol, Some(this));
                if let Some(fit) = self.find_overload(name, &candidates, None, &args[1..], span)? {
                    return self.inline(fit, &args[1..], span).map(Some);
                }
            }
        }
        let own = self.globals.everywhere(symbol);
        let prelude = self.prelude().visible(symbol, 0);
        let candidates: Vec<Candidate<'a>> =
            own.iter().chain(&prelude).filter_map(Candidate::of_entry).collect();
        match self.find_overload(name, &candidates, None, &args, span)? {
            Some(fit) => self.inline(fit, &args, span).map(Some),
            None => Ok(None),
        }
    }
}
