//! Types of the syntax tree to types.

use super::Lower;
use super::scope::{Binding, Decl, Entry};
use super::types::{Ty, TyKind};
use crate::ast::{self, Path, Segment, TemplateArg, TypeExpr, TypeKind};
use crate::diagnostic::{Kind, Result};
use crate::known::KnownType;
use crate::limits;
use crate::scalar::{Scalar, Space};
use crate::source::Span;

/// A type with what only declarations have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resolved {
    pub ty: Ty,
    pub is_const: bool,
    pub space: Option<Space>,
    pub is_reference: bool,
}

/// Whether the type is to be deduced: `auto`, `auto*`, `const auto&`.
pub(crate) fn is_auto(ty: &TypeExpr) -> bool {
    match &ty.kind {
        TypeKind::Auto => true,
        TypeKind::Pointer(inner) | TypeKind::Reference(inner) => is_auto(inner),
        _ => false,
    }
}

impl<'a> Lower<'a> {
    pub(crate) fn resolve(&mut self, expr: &'a TypeExpr) -> Result<Resolved> {
        let span = expr.span;
        let plain = |ty| Resolved { ty, is_const: expr.is_const, space: expr.space, is_reference: false };
        Ok(match &expr.kind {
            TypeKind::Void => plain(self.types.void()),
            TypeKind::Scalar(scalar) => plain(self.types.scalar(*scalar)),
            TypeKind::Auto => {
                return Err(self.sink.error(Kind::Type, span, "`auto` needs an initial value here"));
            }
            TypeKind::Path(path) => plain(self.type_of_path(path)?),
            TypeKind::Decltype(inner) => {
                self.begin_block();
                let outcome = self.expression(inner);
                self.end_block();
                let value = match outcome? {
                    super::value::Outcome::Place(place) => self.place_type(&place),
                    other => self.value_of(other)?.ty,
                };
                plain(value)
            }
            TypeKind::Pointer(inner) => {
                let to = self.attributed(span, |lower| lower.resolve(inner))?;
                let space = self.pointer_space(to, span, "pointer")?;
                plain(self.types.pointer(to.ty, space, to.is_const))
            }
            TypeKind::Reference(inner) => {
                let to = self.attributed(span, |lower| lower.resolve(inner))?;
                Resolved { is_reference: true, ..to }
            }
            TypeKind::Array(inner, size) => {
                let element = self.attributed(span, |lower| lower.resolve(inner))?;
                let Some(size) = size else {
                    return Err(self.sink.error(Kind::Type, span, "this array needs a size"));
                };
                let n = self.array_size(size)?;
                let ty = self.array(element.ty, n, span)?;
                plain(ty)
            }
        })
    }

    /// A type that is no reference.
    pub(crate) fn resolve_object(&mut self, expr: &'a TypeExpr) -> Result<Ty> {
        Ok(self.resolve(expr)?.ty)
    }

    pub(crate) fn array(&mut self, element: Ty, n: u32, span: Span) -> Result<Ty> {
        let (size, _) = self.types.layout(element);
        if size.saturating_mul(n.into()) > limits::OBJECT_BYTES {
            let message = format!("an array takes at most {} bytes", limits::OBJECT_BYTES);
            return Err(self.sink.error(Kind::Limit, span, message));
        }
        Ok(self.types.intern(TyKind::Array(element, n)))
    }

    fn pointer_space(&mut self, to: Resolved, span: Span, what: &str) -> Result<Space> {
        to.space.ok_or_else(|| {
            let message =
                format!("a {what} names its address space: `device`, `constant`, `threadgroup` or `thread`");
            self.sink.error(Kind::Type, span, message)
        })
    }

    fn array_size(&mut self, size: &'a ast::Expr) -> Result<u32> {
        let value = self.constant_integer(size)?;
        if value <= 0 {
            let message = format!("the size of an array is at least 1, got {value}");
            return Err(self.sink.error(Kind::Type, size.span, message));
        }
        u32::try_from(value).map_err(|_| {
            self.sink.error(Kind::Limit, size.span, format!("an array of {value} elements is too large"))
        })
    }

    /// The type that a path names.
    pub(crate) fn type_of_path(&mut self, path: &'a Path) -> Result<Ty> {
        match self.find_type(path)? {
            Some(ty) => Ok(ty),
            None => {
                let name = self.path_text(path);
                let message =
                    crate::known::unsupported_type(&name).unwrap_or_else(|| format!("unknown type `{name}`"));
                Err(self.sink.error(Kind::Name, path.span, message))
            }
        }
    }

    pub(crate) fn path_text(&self, path: &Path) -> String {
        let names: Vec<&str> = path.segments.iter().map(|segment| self.text(segment.name)).collect();
        names.join("::")
    }

    /// The type that a path names, if it names one.
    pub(crate) fn find_type(&mut self, path: &'a Path) -> Result<Option<Ty>> {
        let (scopes, last) = path.segments.split_at(path.segments.len() - 1);
        let last = &last[0];
        if scopes.is_empty() {
            return self.type_by_name(last, path.span);
        }
        // A scope that is a type: `Outer::Inner`, `enable_if<…>::type`.
        let outer = &scopes[scopes.len() - 1];
        let scope_type = if scopes.len() == 1 || outer.args.is_some() {
            self.type_by_name(outer, path.span)?
        } else {
            None
        };
        if let Some(outer_type) = scope_type {
            return self.nested_type(outer_type, last, path.span);
        }
        let Some(namespace) = self.namespace_of(scopes) else { return Ok(None) };
        let entries = self.globals.inside(last.name, namespace);
        if entries.is_empty() && namespace == 0 {
            return self.global_type(last, path.span, 0);
        }
        self.type_of_entries(&entries, last, path.span)
    }

    /// The namespace of scopes; the language's own are the global one.
    pub(crate) fn namespace_of(&mut self, scopes: &[Segment]) -> Option<u32> {
        let mut at = self.frame.namespace;
        for segment in scopes {
            if matches!(self.text(segment.name), "metal" | "std" | "simd" | "mlx" | "fast" | "precise") {
                at = 0;
            } else {
                at = self.globals.find_namespace(segment.name, at)?;
            }
        }
        Some(at)
    }

    fn type_by_name(&mut self, segment: &'a Segment, span: Span) -> Result<Option<Ty>> {
        let base = self.frame.base;
        let local = self.locals[base..].iter().rev().find(|(name, _)| *name == segment.name);
        if let Some((_, binding)) = local {
            return Ok(match binding {
                Binding::Type(ty) => Some(*ty),
                _ => None,
            });
        }
        if let Some(structure) = self.frame.structure {
            let own = self.types.structure(structure).map(|info| info.decl.name);
            if own == Some(segment.name) && segment.args.is_none() {
                return Ok(Some(structure));
            }
            if let Some(ty) = self.nested_type(structure, segment, span)? {
                return Ok(Some(ty));
            }
        }
        self.global_type(segment, span, self.frame.namespace)
    }

    pub(super) fn global_type(
        &mut self,
        segment: &'a Segment,
        span: Span,
        namespace: u32,
    ) -> Result<Option<Ty>> {
        let entries = self.globals.visible(segment.name, namespace);
        if let Some(ty) = self.type_of_entries(&entries, segment, span)? {
            return Ok(Some(ty));
        }
        if let Some(known) = self.language.types.get(&segment.name) {
            return Ok(Some(self.known_type(*known)));
        }
        if let Some(ty) = self.builtin_template(segment, span)? {
            return Ok(Some(ty));
        }
        let entries = self.prelude().visible(segment.name, 0);
        self.type_of_entries(&entries, segment, span)
    }

    fn known_type(&mut self, known: KnownType) -> Ty {
        let kind = match known {
            KnownType::Scalar(scalar) => TyKind::Scalar(scalar),
            KnownType::Vector(scalar, n) => TyKind::Vector(scalar, n),
            KnownType::Packed(scalar, n) => TyKind::Packed(scalar, n),
            KnownType::Atomic(scalar) => TyKind::Atomic(scalar),
            KnownType::Matrix(scalar) => TyKind::Matrix(scalar),
            KnownType::Flags => TyKind::Scalar(Scalar::U32),
        };
        self.types.intern(kind)
    }

    fn type_of_entries(
        &mut self,
        entries: &[Entry<'a>],
        segment: &'a Segment,
        span: Span,
    ) -> Result<Option<Ty>> {
        for entry in entries {
            match entry.decl {
                Decl::Struct(_) => return self.struct_of_entries(entries, segment, span).map(Some),
                Decl::Alias(alias) => {
                    let mut bindings = Vec::new();
                    if let Some(parameters) = &alias.template {
                        let args = self.template_args(segment.args.as_deref().unwrap_or(&[]))?;
                        bindings = self.bind_template(parameters, args, entry, span)?;
                    }
                    let frame = self.frame_of(entry, None);
                    let ty = self.attributed(span, |lower| {
                        lower.in_frame(frame, bindings, |lower| lower.resolve_object(&alias.ty))
                    })?;
                    return Ok(Some(ty));
                }
                Decl::Enum(decl) => return self.enum_type(decl).map(Some),
                Decl::Using(path) if path.last().name == segment.name && path.segments.len() > 1 => {
                    let found = self.attributed(span, |lower| lower.find_type(path))?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Enums are their integer types.
    pub(crate) fn enum_type(&mut self, decl: &'a ast::Enum) -> Result<Ty> {
        match &decl.underlying {
            Some(ty) => self.resolve_object(ty),
            None => Ok(self.types.scalar(Scalar::I32)),
        }
    }

    /// A frame in which a declaration at namespace scope is read.
    pub(super) fn frame_of(&self, entry: &Entry<'a>, structure: Option<Ty>) -> super::Frame<'a> {
        super::Frame {
            namespace: entry.namespace,
            is_prelude: entry.is_prelude,
            structure,
            ..super::Frame::default()
        }
    }

    /// A type inside of a struct.
    fn nested_type(&mut self, outer: Ty, segment: &'a Segment, span: Span) -> Result<Option<Ty>> {
        let Some(info) = self.types.structure(outer) else {
            return Ok(None);
        };
        let (decl, bindings) = (info.decl, info.bindings.clone());
        let (namespace, is_prelude) = (info.namespace, info.is_prelude);
        let frame = super::Frame { namespace, is_prelude, structure: Some(outer), ..super::Frame::default() };
        if let Some(alias) = decl.alias(segment.name) {
            let ty = self.attributed(span, |lower| {
                lower.in_frame(frame, bindings.iter().cloned(), |lower| lower.resolve_object(&alias.ty))
            })?;
            return Ok(Some(ty));
        }
        if let Some(item) = decl.enumeration(segment.name) {
            return self.enum_type(item).map(Some);
        }
        if let Some(inner) = decl.structs.iter().find(|inner| inner.name == segment.name) {
            let ty = self.instantiate(inner, Vec::new(), bindings.to_vec(), namespace, is_prelude, span)?;
            return Ok(Some(ty));
        }
        Ok(None)
    }

    /// Types that the language makes of types.
    fn builtin_template(&mut self, segment: &'a Segment, span: Span) -> Result<Option<Ty>> {
        let Some(list) = &segment.args else { return Ok(None) };
        let name = self.text(segment.name);
        let known = matches!(
            name,
            "vec"
                | "packed_vec"
                | "atomic"
                | "_atomic"
                | "simdgroup_matrix"
                | "enable_if_t"
                | "conditional_t"
        ) || matches!(
            name,
            "make_unsigned_t" | "make_signed_t" | "remove_cv_t" | "remove_reference_t" | "decay_t"
        );
        if !known {
            return Ok(None);
        }
        let args = self.template_args(list)?;
        let scalar = |lower: &Self, i: usize| match args.get(i) {
            Some(Binding::Type(ty)) => lower.types.as_scalar(*ty),
            _ => None,
        };
        let number = |i: usize| match args.get(i) {
            Some(Binding::Value(value)) => value.single().as_const().map(crate::ir::Const::as_i64),
            _ => None,
        };
        let ty = match name {
            "vec" | "packed_vec" => match (scalar(self, 0), number(1)) {
                (Some(element), Some(n @ 2..=4)) => {
                    let n = n as u8;
                    let packed = name == "packed_vec";
                    let kind = if packed { TyKind::Packed(element, n) } else { TyKind::Vector(element, n) };
                    Some(self.types.intern(kind))
                }
                _ => None,
            },
            "atomic" | "_atomic" => scalar(self, 0).map(|element| self.types.intern(TyKind::Atomic(element))),
            "simdgroup_matrix" => match (scalar(self, 0), number(1), number(2)) {
                (Some(element), Some(8), Some(8)) if element.is_float() => {
                    Some(self.types.intern(TyKind::Matrix(element)))
                }
                _ => None,
            },
            "enable_if_t" => match (number(0), args.get(1)) {
                (Some(0), _) | (None, _) => None,
                (_, Some(Binding::Type(ty))) => Some(*ty),
                _ => Some(self.types.void()),
            },
            "conditional_t" => match (number(0), args.get(1), args.get(2)) {
                (Some(n), Some(Binding::Type(yes)), Some(Binding::Type(no))) => {
                    Some(if n != 0 { *yes } else { *no })
                }
                _ => None,
            },
            _ => match args.first() {
                Some(Binding::Type(ty)) => match (name, self.types.as_scalar(*ty)) {
                    ("make_unsigned_t", Some(scalar)) => Some(self.types.scalar(scalar.unsigned())),
                    ("make_signed_t", Some(scalar)) => Some(self.types.scalar(scalar.signed())),
                    _ => Some(*ty),
                },
                _ => None,
            },
        };
        match ty {
            Some(ty) => Ok(Some(ty)),
            None => {
                let message = format!("these are no template arguments for `{name}`");
                Err(self.sink.error(Kind::Type, span, message))
            }
        }
    }

    /// Template arguments to types and constants.
    pub(crate) fn template_args(&mut self, list: &'a [TemplateArg]) -> Result<Vec<Binding<'a>>> {
        let mut out = Vec::with_capacity(list.len());
        for arg in list {
            out.push(match arg {
                TemplateArg::Type(ty) => Binding::Type(self.resolve_object(ty)?),
                TemplateArg::Value(value) => {
                    // A name that the parser did not know as a type may still be one.
                    if let ast::ExprKind::Name(path) = &value.kind
                        && let Some(Some(ty)) = self.quietly(|lower| lower.find_type(path))
                    {
                        Binding::Type(ty)
                    } else {
                        Binding::Value(self.constant_value(value)?)
                    }
                }
            });
        }
        Ok(out)
    }
}
