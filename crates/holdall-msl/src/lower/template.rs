//! Template parameters: given, deduced, by default.

use super::resolve::Resolved;
use super::scope::{Binding, Entry};
use super::structure::key;
use super::types::{Ty, TyKind};
use super::value::Value;
use super::{Frame, Lower};
use crate::ast::{ExprKind, TemplateArg, TemplateKind, TemplateParameter, TypeExpr, TypeKind};
use crate::diagnostic::{Kind, Result};
use crate::scalar::Scalar;
use crate::source::Span;
use crate::symbol::Symbol;

impl<'a> Lower<'a> {
    /// Names for template parameters, from arguments and defaults.
    pub(crate) fn bind_template(
        &mut self,
        parameters: &'a [TemplateParameter],
        args: Vec<Binding<'a>>,
        entry: &Entry<'a>,
        span: Span,
    ) -> Result<Vec<(Symbol, Binding<'a>)>> {
        if args.len() > parameters.len() {
            let message = format!("expected {} template arguments, got {}", parameters.len(), args.len());
            return Err(self.sink.error(Kind::Type, span, message));
        }
        let mut given: Vec<Option<Binding<'a>>> = args.into_iter().map(Some).collect();
        given.resize(parameters.len(), None);
        let frame = self.frame_of(entry, None);
        self.complete_template(parameters, given, frame, &[], span)
    }

    /// Converts what is given to the parameters' types and fills in defaults.
    pub(super) fn complete_template(
        &mut self,
        parameters: &'a [TemplateParameter],
        given: Vec<Option<Binding<'a>>>,
        frame: Frame<'a>,
        outer: &[(Symbol, Binding<'a>)],
        span: Span,
    ) -> Result<Vec<(Symbol, Binding<'a>)>> {
        let n = outer.len();
        self.in_frame(frame, outer.iter().cloned(), |lower| {
            let base = lower.frame.base + n;
            for (parameter, binding) in parameters.iter().zip(given) {
                let binding = match (&parameter.kind, binding) {
                    (TemplateKind::Type(_), Some(Binding::Type(ty))) => Binding::Type(ty),
                    (TemplateKind::Type(Some(default)), None) => {
                        Binding::Type(lower.resolve_object(default)?)
                    }
                    (TemplateKind::Value(ty, _), Some(Binding::Value(value))) => {
                        let ty =
                            if super::resolve::is_auto(ty) { value.ty } else { lower.resolve_object(ty)? };
                        Binding::Value(lower.implicit(value, ty, span)?)
                    }
                    (TemplateKind::Value(ty, Some(default)), None) => {
                        let ty = lower.resolve_object(ty)?;
                        let value = lower.constant_value(default)?;
                        Binding::Value(lower.implicit(value, ty, span)?)
                    }
                    (_, None) => {
                        let name = lower.text(parameter.name);
                        let message = format!("the template parameter `{name}` cannot be deduced");
                        return Err(lower.sink.error(Kind::Type, span, message));
                    }
                    (kind, Some(_)) => {
                        let name = lower.text(parameter.name);
                        let what = if matches!(kind, TemplateKind::Type(_)) { "a type" } else { "a value" };
                        let message = format!("the template parameter `{name}` is {what}");
                        return Err(lower.sink.error(Kind::Type, span, message));
                    }
                };
                lower.locals.push((parameter.name, binding));
            }
            Ok(lower.locals[base..].to_vec())
        })
    }

    /// Whether template arguments fit a specialisation, and what its own parameters then are.
    pub(crate) fn match_specialisation(
        &mut self,
        pattern: &'a [TemplateArg],
        parameters: &'a [TemplateParameter],
        given: &[Binding<'a>],
        entry: &Entry<'a>,
    ) -> Option<Vec<(Symbol, Binding<'a>)>> {
        if pattern.len() != given.len() {
            return None;
        }
        let frame = self.frame_of(entry, None);
        let mut bound = vec![None; parameters.len()];
        for (pattern, given) in pattern.iter().zip(given) {
            self.deduce_arg(pattern, given, parameters, &mut bound);
        }
        let bindings = self.quietly(|lower| {
            lower.complete_template(parameters, bound, frame.clone(), &[], Span::default())
        })?;
        // With everything bound, the pattern has to be what was given.
        let same = self.quietly(|lower| {
            lower.in_frame(frame, bindings.iter().cloned(), |lower| lower.template_args(pattern))
        })?;
        let equal = |(a, b): (&Binding<'a>, &Binding<'a>)| match (a, b) {
            (Binding::Value(a), Binding::Value(b)) => {
                let number = |v: &Value| v.single().as_const().map(crate::ir::Const::as_i64);
                number(a) == number(b)
            }
            _ => key(a) == key(b),
        };
        same.iter().zip(given).all(equal).then_some(bindings)
    }

    fn deduce_arg(
        &mut self,
        pattern: &'a TemplateArg,
        given: &Binding<'a>,
        parameters: &'a [TemplateParameter],
        bound: &mut [Option<Binding<'a>>],
    ) {
        match (pattern, given) {
            (TemplateArg::Type(pattern), Binding::Type(ty)) => {
                self.deduce(pattern, *ty, parameters, bound);
            }
            (TemplateArg::Value(pattern), Binding::Value(value)) => {
                if let ExprKind::Name(path) = &pattern.kind
                    && let Some(name) = path.simple()
                {
                    bind(parameters, bound, name, Binding::Value(value.clone()));
                }
            }
            (TemplateArg::Value(pattern), Binding::Type(ty)) => {
                if let ExprKind::Name(path) = &pattern.kind
                    && let Some(name) = path.simple()
                {
                    bind(parameters, bound, name, Binding::Type(*ty));
                }
            }
            _ => {}
        }
    }

    /// Binds template parameters that a type tells. What does not fit is found out later, when the types are compared.
    pub(crate) fn deduce(
        &mut self,
        pattern: &'a TypeExpr,
        ty: Ty,
        parameters: &'a [TemplateParameter],
        bound: &mut [Option<Binding<'a>>],
    ) {
        match (&pattern.kind, self.types.kind(ty)) {
            (TypeKind::Reference(inner), _) => self.deduce(inner, ty, parameters, bound),
            (TypeKind::Pointer(inner), TyKind::Pointer { to, .. }) => {
                self.deduce(inner, to, parameters, bound);
            }
            // An array argument is a pointer parameter's.
            (TypeKind::Pointer(inner), TyKind::Array(element, _)) => {
                self.deduce(inner, element, parameters, bound);
            }
            (TypeKind::Array(inner, size), TyKind::Array(element, n)) => {
                self.deduce(inner, element, parameters, bound);
                if let Some(size) = size
                    && let ExprKind::Name(path) = &size.kind
                    && let Some(name) = path.simple()
                {
                    let value = self.int_value(n.into());
                    bind(parameters, bound, name, Binding::Value(value));
                }
            }
            (TypeKind::Array(inner, _), TyKind::Pointer { to, .. }) => {
                self.deduce(inner, to, parameters, bound);
            }
            (TypeKind::Path(path), kind) => {
                if let Some(name) = path.simple() {
                    bind(parameters, bound, name, Binding::Type(ty));
                    return;
                }
                let last = path.last();
                let Some(args) = &last.args else { return };
                let given: Vec<Binding<'a>> = match (self.text(last.name), kind) {
                    ("vec", TyKind::Vector(scalar, n)) | ("packed_vec", TyKind::Packed(scalar, n)) => {
                        let element = self.types.scalar(scalar);
                        vec![Binding::Type(element), Binding::Value(self.int_value(n.into()))]
                    }
                    ("atomic" | "_atomic", TyKind::Atomic(scalar)) => {
                        vec![Binding::Type(self.types.scalar(scalar))]
                    }
                    ("simdgroup_matrix", TyKind::Matrix(scalar)) => {
                        let element = self.types.scalar(scalar);
                        let eight = Binding::Value(self.int_value(8));
                        vec![Binding::Type(element), eight.clone(), eight]
                    }
                    (_, TyKind::Struct(index)) => {
                        let info = &self.types.structs[index as usize];
                        if info.decl.name != last.name {
                            return;
                        }
                        info.args.iter().map(|(_, binding)| binding.clone()).collect()
                    }
                    _ => return,
                };
                for (pattern, given) in args.iter().zip(&given) {
                    self.deduce_arg(pattern, given, parameters, bound);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn int_value(&mut self, value: i64) -> Value {
        let ty = self.types.scalar(Scalar::I32);
        Value::new(ty, [super::emit::constant(Scalar::I32, value as u64)])
    }

    /// The answer of a type trait such as `is_same_v`, if the name is one.
    pub(crate) fn type_trait(
        &mut self,
        name: &str,
        args: &'a [TemplateArg],
        span: Span,
    ) -> Result<Option<Value>> {
        let name = name.strip_suffix("_v").unwrap_or(name);
        let known = [
            "is_same",
            "is_floating_point",
            "is_integral",
            "is_signed",
            "is_unsigned",
            "is_arithmetic",
            "is_scalar",
            "bool_constant",
            "integral_constant",
        ];
        if !known.contains(&name) {
            return Ok(None);
        }
        let args = self.template_args(args)?;
        if let ("bool_constant" | "integral_constant", Some(Binding::Value(value))) = (name, args.last()) {
            return Ok(Some(value.clone()));
        }
        let Some(Binding::Type(first)) = args.first() else {
            return Err(self.sink.error(Kind::Type, span, format!("`{name}` takes types")));
        };
        let scalar = self.types.as_scalar(*first);
        let float = scalar.is_some_and(Scalar::is_float);
        let answer = match name {
            "is_same" => match args.get(1) {
                Some(Binding::Type(second)) => first == second,
                _ => return Err(self.sink.error(Kind::Type, span, "`is_same` takes two types")),
            },
            "is_floating_point" => float,
            "is_integral" => scalar.is_some_and(Scalar::is_integer),
            "is_signed" => scalar.is_some_and(|s| s.is_signed() || s.is_float()),
            "is_unsigned" => scalar.is_some_and(|s| s.is_integer() && !s.is_signed()),
            _ => scalar.is_some(),
        };
        let part = super::emit::constant(Scalar::Bool, answer.into());
        Ok(Some(self.boolean(part)))
    }

    /// The type that `auto` stands for, given the initial value's.
    pub(crate) fn deduce_auto(&mut self, pattern: &'a TypeExpr, ty: Ty) -> Result<Resolved> {
        let (is_const, space) = (pattern.is_const, pattern.space);
        match &pattern.kind {
            TypeKind::Reference(inner) => {
                let inner = self.deduce_auto(inner, ty)?;
                Ok(Resolved { is_reference: true, ..inner })
            }
            TypeKind::Pointer(_) if !matches!(self.types.kind(ty), TyKind::Pointer { .. }) => {
                let message = format!("expected a pointer, got `{}`", self.types.name(ty));
                Err(self.sink.error(Kind::Type, pattern.span, message))
            }
            _ => Ok(Resolved { ty, is_const, space, is_reference: false }),
        }
    }
}

/// The first deduction counts; that others agree is checked with the whole type.
fn bind<'a>(
    parameters: &[TemplateParameter],
    bound: &mut [Option<Binding<'a>>],
    name: Symbol,
    binding: Binding<'a>,
) {
    if let Some(index) = parameters.iter().position(|parameter| parameter.name == name)
        && let Some(slot @ None) = bound.get_mut(index)
    {
        *slot = Some(binding);
    }
}
