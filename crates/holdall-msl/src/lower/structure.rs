//! Structs: instances and their layout.

use std::rc::Rc;

use super::scope::{Binding, Decl, Entry};
use super::types::{Field, StructInfo, Ty, TyKind};
use super::{Frame, Lower};
use crate::ast::{self, Segment};
use crate::diagnostic::{Kind, Result};
use crate::limits;
use crate::source::Span;
use crate::symbol::Symbol;

/// A template argument, to find instances by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Type(Ty),
    Value(Ty, Vec<u64>),
}

pub(crate) fn key(binding: &Binding<'_>) -> Option<Key> {
    match binding {
        Binding::Type(ty) => Some(Key::Type(*ty)),
        Binding::Value(value) => Some(Key::Value(
            value.ty,
            value.parts.iter().map(|p| p.as_const().map_or(0, |c| c.bits)).collect(),
        )),
        _ => None,
    }
}

impl<'a> Lower<'a> {
    /// The struct of a name, among a template and its specialisations if the name has arguments.
    pub(crate) fn struct_of_entries(
        &mut self,
        entries: &[Entry<'a>],
        segment: &'a Segment,
        span: Span,
    ) -> Result<Ty> {
        let structs = || {
            entries.iter().filter_map(|entry| match entry.decl {
                Decl::Struct(decl) => Some((entry, decl)),
                _ => None,
            })
        };
        // A declaration without members is not the definition.
        let complete = structs().find(|(_, decl)| decl.specialised.is_none() && decl.is_complete);
        let Some((entry, primary)) =
            complete.or_else(|| structs().find(|(_, decl)| decl.specialised.is_none()))
        else {
            return Err(self.sink.error(Kind::Name, span, "a specialisation without its template"));
        };
        let parameters = primary.template.as_deref().unwrap_or(&[]);
        let Some(list) = &segment.args else {
            if !parameters.is_empty() && !parameters.iter().all(has_default) {
                let name = self.text(segment.name);
                let message = format!("`{name}` is a template: it needs arguments");
                return Err(self.sink.error(Kind::Type, span, message));
            }
            let bindings = self.bind_template(parameters, Vec::new(), entry, span)?;
            return self.instantiate(primary, bindings, Vec::new(), entry.namespace, entry.is_prelude, span);
        };
        let args = self.template_args(list)?;
        let bindings = self.bind_template(parameters, args, entry, span)?;
        let given: Vec<Binding<'a>> = bindings.iter().map(|(_, binding)| binding.clone()).collect();
        // Full specialisations first, then partial ones.
        for full in [true, false] {
            for (entry, decl) in structs() {
                let (Some(pattern), Some(parameters)) = (&decl.specialised, &decl.template) else { continue };
                if parameters.is_empty() != full {
                    continue;
                }
                if let Some(bindings) = self.match_specialisation(pattern, parameters, &given, entry) {
                    let (namespace, is_prelude) = (entry.namespace, entry.is_prelude);
                    return self.instantiate(decl, bindings, Vec::new(), namespace, is_prelude, span);
                }
            }
        }
        self.instantiate(primary, bindings, Vec::new(), entry.namespace, entry.is_prelude, span)
    }

    /// The struct with these template arguments.
    pub(crate) fn instantiate(
        &mut self,
        decl: &'a ast::Struct,
        args: Vec<(Symbol, Binding<'a>)>,
        outer: Vec<(Symbol, Binding<'a>)>,
        namespace: u32,
        is_prelude: bool,
        span: Span,
    ) -> Result<Ty> {
        let keys = outer.iter().chain(&args).filter_map(|(_, binding)| key(binding)).collect();
        let id = (std::ptr::from_ref(decl), keys);
        if let Some(ty) = self.instances.get(&id) {
            return Ok(*ty);
        }
        if self.types.structs.len() >= limits::STRUCTS || self.template_depth > limits::TEMPLATE_DEPTH {
            let message = format!("`{}` is instantiated too often or too deeply", self.text(decl.name));
            return Err(self.sink.limit(span, message));
        }
        let index = self.types.structs.len() as u32;
        let ty = self.types.intern(TyKind::Struct(index));
        let mut name = self.text(decl.name).to_owned();
        if !args.is_empty() {
            let list: Vec<String> = args.iter().map(|(_, binding)| self.binding_name(binding)).collect();
            name = format!("{name}<{}>", list.join(", "));
        }
        let bindings: Rc<[_]> = outer.into_iter().chain(args.iter().cloned()).collect();
        self.types.structs.push(StructInfo {
            name,
            decl,
            namespace,
            is_prelude,
            bindings: bindings.clone(),
            args: args.into(),
            fields: Vec::new(),
            size: 1,
            align: 1,
            is_complete: false,
        });
        self.instances.insert(id, ty);
        let frame = Frame { namespace, is_prelude, structure: Some(ty), ..Frame::default() };
        self.template_depth += 1;
        let result = self.in_frame(frame, bindings.iter().cloned(), |lower| lower.lay_out(decl, index));
        self.template_depth -= 1;
        result?;
        Ok(ty)
    }

    pub(crate) fn binding_name(&self, binding: &Binding<'_>) -> String {
        match binding {
            Binding::Type(ty) => self.types.name(*ty),
            Binding::Value(value) => value.single().as_const().map_or("?".to_owned(), |c| {
                if c.ty == crate::scalar::Scalar::Bool {
                    (c.bits != 0).to_string()
                } else {
                    c.as_i64().to_string()
                }
            }),
            _ => "?".to_owned(),
        }
    }

    fn lay_out(&mut self, decl: &'a ast::Struct, index: u32) -> Result<()> {
        let (mut offset, mut align) = (0u64, 1u64);
        for field in &decl.fields {
            let resolved = self.resolve(&field.ty)?;
            if resolved.is_reference {
                return Err(self.unsupported(field.span, "references as members are"));
            }
            if let Some(info) = self.types.structure(resolved.ty)
                && !info.is_complete
            {
                let message = format!("`{}` is not complete here: it cannot be a member", info.name);
                return Err(self.sink.error(Kind::Type, field.span, message));
            }
            if self.types.kind(resolved.ty) == TyKind::Void {
                return Err(self.sink.error(Kind::Type, field.span, "a member cannot be `void`"));
            }
            let (size, field_align) = self.types.layout(resolved.ty);
            offset = offset.next_multiple_of(field_align);
            let place = Field { name: field.name, ty: resolved.ty, offset: offset as u32, decl: field };
            offset += size;
            align = align.max(field_align);
            if offset > limits::OBJECT_BYTES {
                return Err(self.sink.error(Kind::Limit, field.span, "this struct is too large"));
            }
            self.types.structs[index as usize].fields.push(place);
        }
        let info = &mut self.types.structs[index as usize];
        info.size = offset.next_multiple_of(align).max(1) as u32;
        info.align = align as u32;
        info.is_complete = true;
        Ok(())
    }
}

fn has_default(parameter: &ast::TemplateParameter) -> bool {
    match &parameter.kind {
        ast::TemplateKind::Type(default) => default.is_some(),
        ast::TemplateKind::Value(_, default) => default.is_some(),
    }
}
