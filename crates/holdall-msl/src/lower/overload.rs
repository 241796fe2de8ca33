//! Which function a call means.

use std::rc::Rc;

use super::convert::{EXACT, Rank};
use super::resolve::Resolved;
use super::scope::{Binding, Decl, Entry};
use super::types::{Ty, TyKind};
use super::value::{Outcome, Place};
use super::{Frame, Lower};
use crate::ast::{Function, TemplateArg, TypeKind};
use crate::diagnostic::{Kind, Result};
use crate::scalar::Space;
use crate::source::Span;
use crate::symbol::{Symbol, word};

/// A function that a call may mean.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<'a> {
    pub function: &'a Function,
    pub namespace: u32,
    pub is_prelude: bool,
    /// The struct that it is a member of.
    pub structure: Option<Ty>,
    pub this: Option<Place>,
    pub outer: Rc<[(Symbol, Binding<'a>)]>,
}

/// A candidate with its template parameters known.
#[derive(Clone, Debug)]
pub(crate) struct Fit<'a> {
    pub candidate: Candidate<'a>,
    pub bindings: Vec<(Symbol, Binding<'a>)>,
    pub parameters: Vec<Resolved>,
    ranks: Vec<Rank>,
}

impl<'a> Candidate<'a> {
    pub(crate) fn of_entry(entry: &Entry<'a>) -> Option<Self> {
        let Decl::Function(function) = entry.decl else { return None };
        Some(Self {
            function,
            namespace: entry.namespace,
            is_prelude: entry.is_prelude,
            structure: None,
            this: None,
            outer: Rc::new([]),
        })
    }

    pub(super) fn frame(&self) -> Frame<'a> {
        Frame {
            namespace: self.namespace,
            is_prelude: self.is_prelude,
            structure: self.structure,
            this: self.this.clone(),
            ..Frame::default()
        }
    }
}

impl<'a> Lower<'a> {
    /// The best candidate for the arguments.
    pub(crate) fn choose_overload(
        &mut self,
        name: &str,
        candidates: Vec<Candidate<'a>>,
        explicit: Option<&'a [TemplateArg]>,
        args: &[Outcome<'a>],
        span: Span,
    ) -> Result<Fit<'a>> {
        match self.find_overload(name, &candidates, explicit, args, span)? {
            Some(fit) => Ok(fit),
            None => Err(self.no_overload(name, &candidates, explicit, args, span)),
        }
    }

    /// The best candidate; `None` if none fits.
    pub(crate) fn find_overload(
        &mut self,
        name: &str,
        candidates: &[Candidate<'a>],
        explicit: Option<&'a [TemplateArg]>,
        args: &[Outcome<'a>],
        span: Span,
    ) -> Result<Option<Fit<'a>>> {
        let mut types = Vec::with_capacity(args.len());
        for arg in args {
            types.push(self.argument_type(arg));
        }
        if candidates.len() > crate::limits::OVERLOADS {
            let message = format!("there are {} functions `{name}`", candidates.len());
            return Err(self.sink.limit(span, message));
        }
        self.builder.n_ops += candidates.len();
        self.check_size(span)?;
        let mut fits: Vec<Fit<'a>> = Vec::new();
        for candidate in candidates {
            // A declaration is called by its definition.
            let declared_only = candidate.function.body.is_none();
            if declared_only && candidates.len() > 1 {
                continue;
            }
            let fit = self.quietly(|lower| lower.fit(candidate, explicit, args, &types, span));
            fits.extend(fit.flatten());
        }
        if self.sink.is_stopped() {
            return Err(crate::diagnostic::Reported);
        }
        let better = |a: &Fit<'a>, b: &Fit<'a>| {
            let all = a.ranks.iter().zip(&b.ranks).all(|(a, b)| a <= b);
            let some = a.ranks.iter().zip(&b.ranks).any(|(a, b)| a < b);
            all && (some || generality(a) < generality(b))
        };
        let best = fits
            .iter()
            .position(|fit| fits.iter().all(|other| std::ptr::eq(fit, other) || better(fit, other)));
        match (best, fits.len()) {
            (Some(best), _) => Ok(Some(fits.swap_remove(best))),
            (None, 0) => Ok(None),
            (None, _) => {
                let list: Vec<String> = types.iter().map(|(ty, _)| self.types.name(*ty)).collect();
                let message = format!("the call `{name}({})` is ambiguous", list.join(", "));
                let notes = fits
                    .iter()
                    .map(|fit| ("it may mean this".to_owned(), Some(fit.candidate.function.span)))
                    .collect();
                Err(self.sink.error_with(Kind::Type, span, message, notes))
            }
        }
    }

    /// The type of an argument as it is passed by value, and as it is.
    fn argument_type(&mut self, arg: &Outcome<'a>) -> (Ty, Ty) {
        match arg {
            Outcome::Place(place) => {
                let ty = self.place_type(place);
                match self.types.kind(ty) {
                    TyKind::Array(element, _) => {
                        (self.types.pointer(element, place.space, place.is_const), ty)
                    }
                    _ => (ty, ty),
                }
            }
            Outcome::Value(value) => (value.ty, value.ty),
            Outcome::Closure(closure) => {
                let ty = self.types.intern(TyKind::Closure(closure.id));
                (ty, ty)
            }
        }
    }

    fn fit(
        &mut self,
        candidate: &Candidate<'a>,
        explicit: Option<&'a [TemplateArg]>,
        args: &[Outcome<'a>],
        types: &[(Ty, Ty)],
        span: Span,
    ) -> Result<Option<Fit<'a>>> {
        let function = candidate.function;
        let n = function.parameters.len();
        let n_needed = function.parameters.iter().position(|p| p.default.is_some()).unwrap_or(n);
        if args.len() > n || args.len() < n_needed {
            return Ok(None);
        }
        let mut bindings = candidate.outer.to_vec();
        let given = match explicit {
            Some(list) => self.template_args(list)?,
            None => Vec::new(),
        };
        match &function.template {
            Some(parameters) if !parameters.is_empty() => {
                if given.len() > parameters.len() {
                    return Ok(None);
                }
                let mut bound: Vec<Option<Binding<'a>>> = given.into_iter().map(Some).collect();
                bound.resize(parameters.len(), None);
                for (parameter, (by_value, as_is)) in function.parameters.iter().zip(types) {
                    let reference = matches!(parameter.ty.kind, TypeKind::Reference(_));
                    let ty = if reference { *as_is } else { *by_value };
                    self.deduce(&parameter.ty, ty, parameters, &mut bound);
                }
                let frame = candidate.frame();
                let known = self.complete_template(parameters, bound, frame, &candidate.outer, span)?;
                bindings.extend(known);
            }
            _ if explicit.is_some() && function.template.is_none() => return Ok(None),
            Some(_) => {
                // A specialisation is for its own arguments only.
                let own = match &function.specialised {
                    Some(list) => self.template_args(list)?,
                    None => Vec::new(),
                };
                let fits =
                    given.iter().zip(&own).all(|(a, b)| super::structure::key(a) == super::structure::key(b));
                if !fits || given.len() > own.len().max(given.len() * usize::from(own.is_empty())) {
                    return Ok(None);
                }
            }
            None => {}
        }
        let frame = candidate.frame();
        self.in_frame(frame, bindings.clone(), |lower| {
            let mut resolved = Vec::with_capacity(n);
            let mut ranks = Vec::with_capacity(args.len());
            for (i, parameter) in function.parameters.iter().enumerate() {
                let mut ty = lower.parameter_type(parameter, types.get(i).map(|t| t.0))?;
                // A reference to what a template parameter stands for keeps the argument's address space.
                if ty.is_reference
                    && ty.space.is_none()
                    && candidate.is_prelude
                    && let Some(Outcome::Place(place)) = args.get(i)
                {
                    ty.space = Some(place.space);
                }
                if let Some(arg) = args.get(i) {
                    let Some(rank) = lower.argument_rank(arg, types[i], ty) else { return Ok(None) };
                    ranks.push(rank);
                }
                resolved.push(ty);
            }
            let special = function.template.as_ref().is_some_and(Vec::is_empty);
            if special && ranks.iter().any(|rank| *rank > 1) {
                return Ok(None);
            }
            Ok(Some(Fit { candidate: candidate.clone(), bindings, parameters: resolved, ranks }))
        })
    }

    /// The type of a parameter; an array parameter is a pointer.
    pub(crate) fn parameter_type(
        &mut self,
        parameter: &'a crate::ast::Parameter,
        arg: Option<Ty>,
    ) -> Result<Resolved> {
        if super::resolve::is_auto(&parameter.ty)
            && let Some(arg) = arg
        {
            return self.deduce_auto(&parameter.ty, arg);
        }
        if let TypeKind::Array(element, _) = &parameter.ty.kind {
            let element = self.resolve(element)?;
            let (is_const, space) = (parameter.ty.is_const, parameter.ty.space.unwrap_or(Space::Thread));
            let ty = self.types.pointer(element.ty, space, is_const);
            return Ok(Resolved { ty, is_const: false, space: None, is_reference: false });
        }
        self.resolve(&parameter.ty)
    }

    fn argument_rank(
        &mut self,
        arg: &Outcome<'a>,
        (by_value, as_is): (Ty, Ty),
        to: Resolved,
    ) -> Option<Rank> {
        if !to.is_reference {
            return self.rank(by_value, to.ty);
        }
        let space = to.space.unwrap_or(Space::Thread);
        if let Outcome::Place(place) = arg
            && place.swizzle.is_none()
            && as_is == to.ty
            && place.space == space
            && (to.is_const || !place.is_const)
        {
            return Some(if to.is_const && !place.is_const { 1 } else { EXACT });
        }
        // A `const` reference takes values, in memory of the thread.
        if to.is_const && space == Space::Thread {
            return self.rank(by_value, to.ty).map(|rank| rank + 1);
        }
        None
    }

    fn no_overload(
        &mut self,
        name: &str,
        candidates: &[Candidate<'a>],
        explicit: Option<&'a [TemplateArg]>,
        args: &[Outcome<'a>],
        span: Span,
    ) -> crate::diagnostic::Reported {
        let mut types = Vec::new();
        for arg in args {
            types.push(self.argument_type(arg));
        }
        let list: Vec<String> = types.iter().map(|(ty, _)| self.types.name(*ty)).collect();
        let list = list.join(", ");
        let [only] = candidates else {
            let message = format!("no overload of `{name}` takes ({list})");
            let shown = candidates.iter().filter(|c| c.function.span != Span::default()).take(4);
            let notes = shown.map(|c| ("this one does not fit".to_owned(), Some(c.function.span))).collect();
            return self.sink.error_with(Kind::Type, span, message, notes);
        };
        let declared = vec![("declared here".to_owned(), Some(only.function.span))];
        let n = only.function.parameters.len();
        let n_needed = only.function.parameters.iter().position(|p| p.default.is_some()).unwrap_or(n);
        if args.len() > n || args.len() < n_needed {
            let takes = if n == n_needed { n.to_string() } else { format!("{n_needed} to {n}") };
            let message = format!("`{name}` takes {takes} arguments, got {}", args.len());
            return self.sink.error_with(Kind::Type, span, message, declared);
        }
        // Say which argument does not fit, where the types are known.
        if only.function.template.is_none() && explicit.is_none() {
            let frame = only.frame();
            let outer = only.outer.clone();
            let mut wrong = None;
            let parameters = &only.function.parameters;
            let _ = self.in_frame(frame, outer.iter().cloned(), |lower| {
                for (i, parameter) in parameters.iter().enumerate().take(args.len()) {
                    let ty = lower.parameter_type(parameter, Some(types[i].0))?;
                    if lower.argument_rank(&args[i], types[i], ty).is_none() {
                        wrong = Some((i, parameter.name, ty));
                        break;
                    }
                }
                Ok(())
            });
            if let Some((i, parameter, ty)) = wrong {
                let (wanted, got) = (self.describe_parameter(ty), self.types.name(types[i].0));
                let called = if parameter == word::EMPTY {
                    String::new()
                } else {
                    format!(" `{}`", self.text(parameter))
                };
                let message = format!("argument {} of `{name}`: expected `{wanted}`, got `{got}`", i + 1);
                let mut notes =
                    vec![(format!("parameter{called} is declared here"), Some(parameters[i].span))];
                if let Outcome::Place(place) = &args[i]
                    && ty.is_reference
                    && place.space != ty.space.unwrap_or(Space::Thread)
                {
                    notes.push((format!("the argument is in the `{}` address space", place.space), None));
                }
                return self.sink.error_with(Kind::Type, span, message, notes);
            }
        }
        let message = format!("`{name}` does not take ({list})");
        self.sink.error_with(Kind::Type, span, message, declared)
    }

    fn describe_parameter(&self, ty: Resolved) -> String {
        let name = self.types.name(ty.ty);
        if !ty.is_reference {
            return name;
        }
        let space = ty.space.unwrap_or(Space::Thread);
        format!("{}{space} {name}&", if ty.is_const { "const " } else { "" })
    }
}

/// A function is better than a template, and a specialisation better than both a template and its general form.
fn generality(fit: &Fit<'_>) -> u32 {
    match &fit.candidate.function.template {
        None => 0,
        Some(list) if list.is_empty() => 1,
        Some(list) => {
            // The more a template's parameters say, the more special it is.
            let plain = fit.candidate.function.parameters.iter().filter(|p| {
                matches!(&p.ty.kind, TypeKind::Path(path) if path.simple().is_some_and(|name| list.iter().any(|t| t.name == name)))
            });
            2 + plain.count() as u32 * 8 + list.len() as u32
        }
    }
}
