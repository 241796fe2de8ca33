//! Variables of functions.

use super::Lower;
use super::resolve::{Resolved, is_auto};
use super::scope::Binding;
use super::types::TyKind;
use super::value::{Outcome, Place, Value};
use crate::ast::{Alias, Enum, ExprKind, Init, Item, Struct, Variable};
use crate::diagnostic::{Kind, Result};
use crate::ir::{ObjectKind, Operand};
use crate::scalar::Space;
use crate::source::Span;

impl<'a> Lower<'a> {
    pub(crate) fn variables(&mut self, list: &'a [Variable]) -> Result<()> {
        let mut result = Ok(());
        for variable in list {
            match self.attributed(variable.span, |lower| lower.local_variable(variable)) {
                Ok(binding) => self.locals.push((variable.name, binding)),
                Err(error) => {
                    // What uses the name should not complain about it too.
                    if let Some(binding) = self.stand_in(variable) {
                        self.locals.push((variable.name, binding));
                    }
                    result = Err(error);
                }
            }
        }
        result
    }

    /// A variable of the declared type, for one whose initialisation is wrong.
    fn stand_in(&mut self, variable: &'a Variable) -> Option<Binding<'a>> {
        self.quietly(|lower| {
            let resolved = lower.resolve(&variable.ty)?;
            let place = lower.variable(lower.text(variable.name), resolved.ty, variable.span)?;
            Ok(Binding::Place(Place { space: resolved.space.unwrap_or(Space::Thread), ..place }))
        })
    }

    fn local_variable(&mut self, variable: &'a Variable) -> Result<Binding<'a>> {
        let name = self.text(variable.name);
        let span = variable.span;
        if is_auto(&variable.ty) {
            return self.auto_variable(variable);
        }
        let resolved = self.declared_type(variable)?;
        if resolved.is_reference {
            return self.reference(variable, resolved);
        }
        if self.types.kind(resolved.ty) == TyKind::Void {
            return Err(self.sink.error(Kind::Type, span, format!("`{name}` cannot be `void`")));
        }
        match resolved.space {
            Some(Space::Threadgroup) => return self.shared(variable, resolved),
            Some(Space::Device) => {
                let message = format!("`{name}` cannot be in device memory: only buffers are");
                return Err(self.sink.error(Kind::Type, span, message));
            }
            Some(Space::Constant) => return self.constant_variable(variable),
            _ => {}
        }
        if variable.is_constexpr {
            return self.constant_variable(variable);
        }
        if let (Init::Value(value), TyKind::Array(..)) = (&variable.init, self.types.kind(resolved.ty)) {
            let ExprKind::List(list) = &value.kind else {
                return Err(self.sink.error(
                    Kind::Type,
                    span,
                    "an array is initialised with a list of values",
                ));
            };
            if resolved.is_const && self.types.n_leaves(resolved.ty) <= crate::limits::VALUE_SCALARS {
                let mark = self.sink.mark();
                let table = self.try_constant(|lower| lower.construct(resolved.ty, list, true, value.span));
                if let Ok(Some(table)) = table {
                    return self.local_table(name, table, variable);
                }
                self.sink.undo(mark);
            }
            let place = self.variable(name, resolved.ty, span)?;
            self.fresh(&place);
            self.fill(&place, list, value.span)?;
            return Ok(Binding::Place(Place { is_const: resolved.is_const, ..place }));
        }
        self.plain_variable(variable, resolved)
    }

    /// A table that is declared in a function belongs to the thread by its type.
    fn local_table(&mut self, name: &str, table: Value, variable: &'a Variable) -> Result<Binding<'a>> {
        let binding = self.constant_binding(name, table, variable)?;
        Ok(match binding {
            Binding::Place(place) => Binding::Place(Place { space: Space::Thread, ..place }),
            other => other,
        })
    }

    fn plain_variable(&mut self, variable: &'a Variable, resolved: Resolved) -> Result<Binding<'a>> {
        let (name, span, ty) = (self.text(variable.name), variable.span, resolved.ty);
        if matches!(variable.init, Init::None) && !self.has_default_constructor(ty) {
            let has_defaults = self
                .types
                .structure(ty)
                .is_some_and(|info| info.fields.iter().any(|field| !matches!(field.decl.init, Init::None)));
            let place = self.variable(name, ty, span)?;
            self.fresh(&place);
            if has_defaults {
                let value = self.construct_struct(ty, Vec::new(), span)?;
                self.store(&place, &value)?;
            }
            return Ok(Binding::Place(Place { is_const: resolved.is_const, ..place }));
        }
        let value = match &variable.init {
            Init::None => self.construct_struct(ty, Vec::new(), span)?,
            _ => self.initial_value(variable, ty)?,
        };
        self.bind_value(name, value, resolved.is_const, span)
    }

    /// A constant of a constant value needs no memory; everything else is a variable.
    fn bind_value(&mut self, name: &str, value: Value, is_const: bool, span: Span) -> Result<Binding<'a>> {
        if is_const && value.is_constant() && self.types.numeric(value.ty).is_some() {
            return Ok(Binding::Value(value));
        }
        let place = self.variable(name, value.ty, span)?;
        self.store(&place, &value)?;
        Ok(Binding::Place(Place { is_const, ..place }))
    }

    fn auto_variable(&mut self, variable: &'a Variable) -> Result<Binding<'a>> {
        let span = variable.span;
        let outcome = match &variable.init {
            Init::Value(value) => match &value.kind {
                ExprKind::List(list) if list.len() == 1 => self.expression(&list[0])?,
                _ => self.expression(value)?,
            },
            Init::Arguments(args) if args.len() == 1 => self.expression(&args[0])?,
            _ => return Err(self.sink.error(Kind::Type, span, "`auto` needs an initial value")),
        };
        if let Outcome::Closure(closure) = outcome {
            return Ok(Binding::Closure(closure));
        }
        let whole = match &outcome {
            Outcome::Place(place) => self.place_type(place),
            Outcome::Value(value) => value.ty,
            Outcome::Closure(_) => self.types.void(),
        };
        let resolved = self.deduce_auto(&variable.ty, whole)?;
        if resolved.is_reference {
            return self.bind_reference(variable, resolved, outcome, true);
        }
        let value = self.value_of(outcome)?;
        if self.types.kind(value.ty) == TyKind::Void {
            return Err(self.sink.error(Kind::Type, span, "the initial value has type `void`"));
        }
        let is_const = variable.ty.is_const || variable.is_constexpr;
        self.deduce_auto(&variable.ty, value.ty)?;
        self.bind_value(self.text(variable.name), value, is_const, span)
    }

    fn reference(&mut self, variable: &'a Variable, resolved: Resolved) -> Result<Binding<'a>> {
        let outcome = match &variable.init {
            Init::Value(value) => self.expression(value)?,
            Init::Arguments(args) if args.len() == 1 => self.expression(&args[0])?,
            _ => {
                return Err(self.sink.error(Kind::Type, variable.span, "a reference needs an initial value"));
            }
        };
        self.bind_reference(variable, resolved, outcome, false)
    }

    fn bind_reference(
        &mut self,
        variable: &'a Variable,
        resolved: Resolved,
        outcome: Outcome<'a>,
        any_space: bool,
    ) -> Result<Binding<'a>> {
        let span = variable.span;
        let space = resolved.space.unwrap_or(Space::Thread);
        match outcome {
            Outcome::Place(place) if place.swizzle.is_none() && place.ty == resolved.ty => {
                if place.space != space && !(any_space && resolved.space.is_none()) {
                    let message = format!(
                        "expected a variable in `{space}` memory, got one in `{}` memory",
                        place.space
                    );
                    return Err(self.sink.error(Kind::Type, span, message));
                }
                if place.is_const && !resolved.is_const && !any_space {
                    return Err(self.sink.error(Kind::Type, span, "the reference would lose `const`"));
                }
                Ok(Binding::Place(Place { is_const: place.is_const || resolved.is_const, ..place }))
            }
            other if resolved.is_const => {
                let value = self.value_of(other)?;
                let value = self.implicit(value, resolved.ty, span)?;
                self.bind_value(self.text(variable.name), value, true, span)
            }
            _ => {
                let message = format!(
                    "a reference to `{}` needs a variable of that type",
                    self.types.name(resolved.ty)
                );
                Err(self.sink.error(Kind::Type, span, message))
            }
        }
    }

    /// Memory that the group shares.
    fn shared(&mut self, variable: &'a Variable, resolved: Resolved) -> Result<Binding<'a>> {
        let name = self.text(variable.name);
        if !matches!(variable.init, Init::None) {
            let message =
                format!("`{name}` is shared by the threads of a group: it cannot have an initial value");
            return Err(self.sink.error(Kind::Type, variable.span, message));
        }
        let layout = self.types.layout(resolved.ty);
        let space = Space::Threadgroup;
        let object = self.object(name.to_owned(), ObjectKind::Threadgroup, space, layout, variable.span)?;
        let (is_const, object) = (resolved.is_const, Operand::Object(object));
        let offset = super::emit::int64(0);
        Ok(Binding::Place(Place { ty: resolved.ty, space, is_const, object, offset, swizzle: None }))
    }

    /// Types that a function declares for itself.
    pub(crate) fn local_item(&mut self, item: &'a Item, span: Span) -> Result<()> {
        match item {
            Item::Alias(alias) => self.local_alias(alias),
            Item::Struct(decl) => self.local_struct(decl, span),
            Item::Enum(decl) => self.local_enum(decl),
            Item::Variables(list) => self.variables(list),
            Item::Namespace(path, items) if path.is_empty() => {
                items.iter().try_for_each(|item| self.local_item(item, span))
            }
            // The namespaces of the language are always visible, and others are found through the header's scopes.
            Item::UsingNamespace(_) | Item::Using(_) => Ok(()),
            _ => Err(self.unsupported(span, "this declaration inside of a function is")),
        }
    }

    fn local_alias(&mut self, alias: &'a Alias) -> Result<()> {
        let ty = self.resolve_object(&alias.ty)?;
        self.locals.push((alias.name, Binding::Type(ty)));
        Ok(())
    }

    fn local_struct(&mut self, decl: &'a Struct, span: Span) -> Result<()> {
        // Template parameters around it are part of what it is.
        let outer = self.locals[self.frame.base..].iter().filter(|(_, binding)| {
            matches!(binding, Binding::Type(_))
                || matches!(binding, Binding::Value(value) if value.is_constant())
        });
        let outer = outer.cloned().collect();
        let (namespace, is_prelude) = (self.frame.namespace, self.frame.is_prelude);
        let ty = self.instantiate(decl, Vec::new(), outer, namespace, is_prelude, span)?;
        self.locals.push((decl.name, Binding::Type(ty)));
        Ok(())
    }

    fn local_enum(&mut self, decl: &'a Enum) -> Result<()> {
        let ty = self.enum_type(decl)?;
        if let Some(name) = decl.name {
            self.locals.push((name, Binding::Type(ty)));
        }
        for (index, (name, ..)) in decl.values.iter().enumerate() {
            let value = self.enum_value(decl, index)?;
            self.locals.push((*name, Binding::Value(value)));
        }
        Ok(())
    }
}
