//! Names in expressions.

use super::Lower;
use super::emit::constant;
use super::scope::{Binding, Decl, Entry};
use super::value::{Outcome, Value};
use crate::ast::{self, Path};
use crate::diagnostic::{Kind, Reported, Result};
use crate::ir::{Attribute, MEM_DEVICE, MEM_TEXTURE, MEM_THREADGROUP};
use crate::nearest::nearest;
use crate::scalar::Scalar;
use crate::source::Span;
use crate::symbol::Symbol;

/// Flags and orders, which are numbers here.
fn flag(name: &str) -> Option<u64> {
    Some(match name {
        "mem_none" => 0,
        "mem_device" => MEM_DEVICE.into(),
        "mem_threadgroup" => MEM_THREADGROUP.into(),
        "mem_texture" => MEM_TEXTURE.into(),
        "mem_threadgroup_imageblock" | "mem_object_data" => 0,
        "memory_order_relaxed" => 0,
        "memory_order_acquire" => 1,
        "memory_order_release" => 2,
        "memory_order_acq_rel" => 3,
        "memory_order_seq_cst" => 4,
        "thread_scope_thread"
        | "thread_scope_simdgroup"
        | "thread_scope_threadgroup"
        | "thread_scope_device" => 0,
        _ => return None,
    })
}

impl<'a> Lower<'a> {
    pub(crate) fn find_local(&self, name: Symbol) -> Option<&Binding<'a>> {
        self.locals[self.frame.base..]
            .iter()
            .rev()
            .find(|(symbol, _)| *symbol == name)
            .map(|(_, binding)| binding)
    }

    fn bound(&mut self, binding: Binding<'a>, name: Symbol, span: Span) -> Result<Outcome<'a>> {
        match binding {
            Binding::Place(place) => Ok(Outcome::Place(place)),
            Binding::Value(value) => Ok(Outcome::Value(value)),
            Binding::Closure(closure) => Ok(Outcome::Closure(closure)),
            Binding::Type(_) => {
                let message = format!("`{}` is a type, expected a value", self.text(name));
                Err(self.sink.error(Kind::Type, span, message))
            }
        }
    }

    pub(crate) fn name(&mut self, path: &'a Path) -> Result<Outcome<'a>> {
        let last = path.last();
        let (name, span) = (last.name, path.span);
        let (scopes, _) = path.segments.split_at(path.segments.len() - 1);
        if let Some(args) = &last.args
            && let Some(value) = self.type_trait(self.text(name), args, span)?
        {
            return Ok(Outcome::Value(value));
        }
        if scopes.is_empty() {
            if let Some(binding) = self.find_local(name).cloned() {
                return self.bound(binding, name, span);
            }
            if let Some(outcome) = self.own_member(name, span)? {
                return Ok(outcome);
            }
        } else if let Some(outcome) = self.scoped_name(path)? {
            return Ok(outcome);
        }
        let namespace =
            if scopes.is_empty() { Some(self.frame.namespace) } else { self.namespace_of(scopes) };
        if let Some(namespace) = namespace {
            let mut entries = self.globals.visible(name, namespace);
            if entries.is_empty() {
                entries = self.prelude().visible(name, 0);
            }
            for entry in &entries {
                if let Some(outcome) = self.global(entry, span)? {
                    return Ok(outcome);
                }
            }
            if !entries.is_empty() {
                let message = format!("`{}` is a function or a type, expected a value", self.text(name));
                return Err(self.sink.error(Kind::Type, span, message));
            }
        }
        if let Some(bits) = flag(self.text(name)) {
            let ty = self.types.scalar(Scalar::U32);
            return Ok(Outcome::Value(Value::new(ty, [constant(Scalar::U32, bits)])));
        }
        Err(self.unknown(name, span))
    }

    /// A member of the struct that the function belongs to.
    pub(super) fn own_member(&mut self, name: Symbol, span: Span) -> Result<Option<Outcome<'a>>> {
        let Some(structure) = self.frame.structure else { return Ok(None) };
        let is_field = self
            .types
            .structure(structure)
            .is_some_and(|info| info.fields.iter().any(|field| field.name == name));
        if is_field && let Some(this) = self.frame.this.clone() {
            return self.member_of(Outcome::Place(this), name, span).map(Some);
        }
        self.static_member(structure, name, span)
    }

    /// `Type::member`, `Enum::value`, `trait<T>::value`.
    fn scoped_name(&mut self, path: &'a Path) -> Result<Option<Outcome<'a>>> {
        let (scopes, last) = path.segments.split_at(path.segments.len() - 1);
        let (outer, name) = (&scopes[scopes.len() - 1], last[0].name);
        if let Some(args) = &outer.args
            && self.text(name) == "value"
            && let Some(value) = self.type_trait(self.text(outer.name), args, path.span)?
        {
            return Ok(Some(Outcome::Value(value)));
        }
        // An enum's values are found by the enum's declaration.
        let before = &scopes[..scopes.len() - 1];
        let entries = match before {
            [] => self.globals.visible(outer.name, self.frame.namespace),
            _ => self
                .namespace_of(before)
                .map_or_else(Default::default, |at| self.globals.inside(outer.name, at)),
        };
        // The values of an enum of a function are known by their names there.
        if before.is_empty()
            && let Some(Binding::Type(ty)) = self.find_local(outer.name)
            && self.types.as_scalar(*ty).is_some()
            && let Some(Binding::Value(value)) = self.find_local(name)
        {
            return Ok(Some(Outcome::Value(value.clone())));
        }
        for entry in &entries {
            if let Decl::Enum(decl) = entry.decl
                && let Some(index) = decl.values.iter().position(|(value, ..)| *value == name)
            {
                let frame = self.frame_of(entry, None);
                let value = self.in_frame(frame, [], |lower| lower.enum_value(decl, index))?;
                return Ok(Some(Outcome::Value(value)));
            }
        }
        let scope_path = scope_type_path(path);
        let Some(ty) = self.scope_type(scope_path)? else { return Ok(None) };
        self.static_member(ty, name, path.span)
    }

    /// The type that the scopes of a path name, if they do.
    pub(crate) fn scope_type(&mut self, scopes: &'a [ast::Segment]) -> Result<Option<super::types::Ty>> {
        let [outer] = scopes else {
            // `namespace::Type::member`
            let Some(namespace) = self.namespace_of(&scopes[..scopes.len() - 1]) else { return Ok(None) };
            return self.type_in(namespace, &scopes[scopes.len() - 1]);
        };
        if let Some(Binding::Type(ty)) = self.find_local(outer.name) {
            return Ok(Some(*ty));
        }
        if let Some(structure) = self.frame.structure
            && self.types.structure(structure).is_some_and(|info| info.decl.name == outer.name)
            && outer.args.is_none()
        {
            return Ok(Some(structure));
        }
        self.type_in(self.frame.namespace, outer)
    }

    fn type_in(&mut self, namespace: u32, segment: &'a ast::Segment) -> Result<Option<super::types::Ty>> {
        self.global_type(segment, segment.span, namespace)
    }

    fn global(&mut self, entry: &Entry<'a>, span: Span) -> Result<Option<Outcome<'a>>> {
        match entry.decl {
            Decl::Variable(variable) => {
                let key = std::ptr::from_ref(variable);
                let binding = match self.variables.get(&key) {
                    Some(binding) => binding.clone(),
                    None => {
                        let frame = self.frame_of(entry, None);
                        let binding = self.attributed(span, |lower| {
                            lower.in_frame(frame, [], |lower| lower.constant_variable(variable))
                        })?;
                        self.variables.insert(key, binding.clone());
                        binding
                    }
                };
                self.bound(binding, variable.name, span).map(Some)
            }
            Decl::EnumValue(decl, index) => {
                let frame = self.frame_of(entry, None);
                let value = self.in_frame(frame, [], |lower| lower.enum_value(decl, index))?;
                Ok(Some(Outcome::Value(value)))
            }
            Decl::Using(path) if path.segments.len() > 1 => {
                self.attributed(span, |lower| lower.name(path)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The value of an enum: what it says, or one more than the one before.
    pub(crate) fn enum_value(&mut self, decl: &'a ast::Enum, index: usize) -> Result<Value> {
        let ty = self.enum_type(decl)?;
        let start = decl.values[..=index].iter().rposition(|(_, init, _)| init.is_some());
        let mut value = 0;
        if let Some(start) = start
            && let Some(init) = &decl.values[start].1
        {
            value = self.constant_integer(init)?;
        }
        let steps = (index - start.unwrap_or(0)) as i64;
        let scalar = self.types.as_scalar(ty).unwrap_or(Scalar::I32);
        let value = value.wrapping_add(if start.is_some() { steps } else { index as i64 });
        Ok(Value::new(ty, [constant(scalar, value as u64)]))
    }

    /// An input without axes, which is a reference.
    pub(crate) fn is_scalar_input(&self, path: &Path) -> bool {
        path.simple().and_then(|name| self.find_local(name)).is_some_and(|binding| match binding {
            Binding::Place(place) => matches!(place.object, crate::ir::Operand::Object(id)
                if self.builder.objects.get(id.0 as usize)
                    .is_some_and(|o| matches!(o.kind, crate::ir::ObjectKind::Buffer(_)))),
            _ => false,
        })
    }

    /// Says that a name is unknown, and which similar name is known.
    pub(crate) fn unknown(&mut self, name: Symbol, span: Span) -> Reported {
        let text = self.text(name);
        if self.n_quiet > 0 {
            return self.sink.error(Kind::Name, span, "unknown name");
        }
        let mut notes = Vec::new();
        let locals = self.locals[self.frame.base..].iter().map(|(symbol, _)| *symbol);
        let globals = self.globals.names.keys().chain(self.prelude().names.keys()).copied();
        let mut known: Vec<&str> = locals.chain(globals).map(|symbol| self.text(symbol)).collect();
        self.language.functions.names().for_each(|name| known.push(name));
        Attribute::ALL.iter().for_each(|attribute| known.push(attribute.name()));
        let near = nearest(text, known.into_iter());
        if Attribute::ALL.iter().any(|attribute| attribute.name() == text) {
            let note = "the attributes of a thread are known in the body only: pass them to functions";
            notes.push((note.to_owned(), None));
        }
        let hint = near.map_or(String::new(), |near| format!(": did you mean `{near}`?"));
        let message = format!("unknown name `{text}`{hint}");
        self.sink.error_with(Kind::Name, span, message, notes)
    }
}

fn scope_type_path(path: &Path) -> &[ast::Segment] {
    &path.segments[..path.segments.len() - 1]
}
