//! Members of structs and components of vectors.

use super::scope::Binding;
use super::types::{Ty, TyKind};
use super::value::{Outcome, Place, Swizzle, Value};
use super::{Frame, Lower};
use crate::ast::{Expr, Segment};
use crate::diagnostic::{Kind, Result};
use crate::source::Span;
use crate::symbol::Symbol;

/// The components that `.xyz` and `.rgba` mean.
pub(crate) fn components(text: &str) -> Option<Swizzle> {
    if text.is_empty() || text.len() > 4 {
        return None;
    }
    let mut indices = [0; 4];
    for letters in ["xyzw", "rgba"] {
        let found = text.chars().zip(&mut indices).all(|(c, index)| match letters.find(c) {
            Some(at) => {
                *index = at as u8;
                true
            }
            None => false,
        });
        if found {
            return Some(Swizzle { indices, n: text.len() as u8 });
        }
    }
    None
}

impl<'a> Lower<'a> {
    pub(crate) fn member(
        &mut self,
        base: &'a Expr,
        segment: &'a Segment,
        arrow: bool,
    ) -> Result<Outcome<'a>> {
        let base = self.member_base(base, arrow)?;
        self.member_of(base, segment.name, segment.span)
    }

    /// What a member is of: with `->`, what the pointer points to.
    pub(crate) fn member_base(&mut self, base: &'a Expr, arrow: bool) -> Result<Outcome<'a>> {
        let outcome = self.expression(base)?;
        let is_pointer = match &outcome {
            Outcome::Place(place) => matches!(self.types.kind(place.ty), TyKind::Pointer { .. }),
            Outcome::Value(value) => matches!(self.types.kind(value.ty), TyKind::Pointer { .. }),
            Outcome::Closure(_) => false,
        };
        if is_pointer {
            if !arrow {
                self.sink.error(Kind::Type, base.span, "this is a pointer: use `->`");
            }
            let pointer = self.value_of(outcome)?;
            if let Some(place) = self.pointee(&pointer) {
                return Ok(Outcome::Place(place));
            }
            return Err(self.sink.error(Kind::Type, base.span, "expected a pointer"));
        }
        if arrow {
            return Err(self.sink.error(Kind::Type, base.span, "this is no pointer: use `.`"));
        }
        Ok(outcome)
    }

    pub(crate) fn member_of(&mut self, base: Outcome<'a>, name: Symbol, span: Span) -> Result<Outcome<'a>> {
        let ty = match &base {
            Outcome::Place(place) => place.ty,
            Outcome::Value(value) => value.ty,
            Outcome::Closure(_) => return Err(self.sink.error(Kind::Type, span, "a lambda has no members")),
        };
        match self.types.kind(ty) {
            TyKind::Vector(..) | TyKind::Packed(..) => self.component(base, name, span),
            TyKind::Struct(index) => {
                let info = &self.types.structs[index as usize];
                let mut before = 0;
                for i in 0..info.fields.len() {
                    let field = &self.types.structs[index as usize].fields[i];
                    let (field_ty, offset) = (field.ty, field.offset);
                    if field.name != name {
                        before += self.n_parts(field_ty);
                        continue;
                    }
                    return Ok(match base {
                        Outcome::Place(place) => Outcome::Place(self.field_place(&place, field_ty, offset)),
                        Outcome::Value(value) => {
                            let n = self.n_parts(field_ty);
                            let parts = value.parts.get(before..before + n).unwrap_or_default();
                            let value = Value::new(field_ty, parts.iter().copied());
                            if matches!(self.types.kind(field_ty), TyKind::Array(..)) {
                                return self.materialise(&value, span).map(Outcome::Place);
                            }
                            Outcome::Value(value)
                        }
                        other => other,
                    });
                }
                if let Some(outcome) = self.static_member(ty, name, span)? {
                    return Ok(outcome);
                }
                let info = &self.types.structs[index as usize];
                let near = crate::nearest::nearest(
                    self.text(name),
                    info.fields.iter().map(|field| field.name).map(|symbol| self.text(symbol)),
                );
                let hint = near.map_or(String::new(), |near| format!(": did you mean `{near}`?"));
                let message = format!("`{}` has no member `{}`{hint}", info.name, self.text(name));
                Err(self.sink.error(Kind::Name, span, message))
            }
            _ => {
                let message = format!("`{}` has no members", self.types.name(ty));
                Err(self.sink.error(Kind::Type, span, message))
            }
        }
    }

    /// How many scalars a value of the type has; a pointer has two.
    fn n_parts(&mut self, ty: Ty) -> usize {
        self.types.leaves(ty).iter().map(|leaf| leaf.cell.n_registers()).sum()
    }

    pub(crate) fn field_place(&mut self, place: &Place, ty: Ty, offset: u32) -> Place {
        let offset = self.offset_by(place.offset, offset.into());
        Place { ty, offset, ..place.clone() }
    }

    fn component(&mut self, base: Outcome<'a>, name: Symbol, span: Span) -> Result<Outcome<'a>> {
        let text = self.text(name);
        let ty = match &base {
            Outcome::Place(place) => self.place_type(place),
            Outcome::Value(value) => value.ty,
            Outcome::Closure(_) => return Err(self.sink.error(Kind::Type, span, "a lambda has no members")),
        };
        let (scalar, n) = self.types.numeric(ty).unwrap_or((crate::scalar::Scalar::I32, 1));
        let Some(swizzle) = components(text).filter(|s| s.indices().iter().all(|i| *i < n)) else {
            let message = format!("`{}` has no component `{text}`", self.types.name(ty));
            return Err(self.sink.error(Kind::Name, span, message));
        };
        match base {
            Outcome::Place(place) => {
                // A choice of a choice.
                let indices =
                    swizzle.indices.map(|i| place.swizzle.map_or(i, |outer| outer.indices[usize::from(i)]));
                if swizzle.n == 1 {
                    let offset =
                        self.offset_by(place.offset, i64::from(indices[0]) * i64::from(scalar.size()));
                    let ty = self.types.scalar(scalar);
                    return Ok(Outcome::Place(Place { ty, offset, swizzle: None, ..place }));
                }
                // `v.xx = …` would write one component twice.
                let used = &indices[..usize::from(swizzle.n)];
                let repeats = (1..used.len()).any(|i| used[..i].contains(&used[i]));
                let is_const = place.is_const || repeats;
                Ok(Outcome::Place(Place {
                    swizzle: Some(Swizzle { indices, n: swizzle.n }),
                    is_const,
                    ..place
                }))
            }
            Outcome::Value(value) => {
                let ty = self.types.vector(scalar, swizzle.n);
                let parts = swizzle.indices().iter().map(|i| value.parts[usize::from(*i)]);
                Ok(Outcome::Value(Value::new(ty, parts)))
            }
            other => Ok(other),
        }
    }

    /// A `static constexpr` member or a value of an enum inside.
    pub(crate) fn static_member(&mut self, ty: Ty, name: Symbol, span: Span) -> Result<Option<Outcome<'a>>> {
        let Some(info) = self.types.structure(ty) else { return Ok(None) };
        let (decl, bindings) = (info.decl, info.bindings.clone());
        let frame = Frame {
            namespace: info.namespace,
            is_prelude: info.is_prelude,
            structure: Some(ty),
            ..Frame::default()
        };
        if let Some(variable) = decl.statics.iter().find(|variable| variable.name == name) {
            let binding = self.attributed(span, |lower| {
                lower.in_frame(frame, bindings.iter().cloned(), |lower| lower.constant_variable(variable))
            })?;
            return Ok(Some(match binding {
                Binding::Place(place) => Outcome::Place(place),
                Binding::Value(value) => Outcome::Value(value),
                _ => return Ok(None),
            }));
        }
        for item in &decl.enums {
            if let Some(index) = item.values.iter().position(|(value, ..)| *value == name) {
                let value =
                    self.in_frame(frame, bindings.iter().cloned(), |lower| lower.enum_value(item, index))?;
                return Ok(Some(Outcome::Value(value)));
            }
        }
        Ok(None)
    }
}
