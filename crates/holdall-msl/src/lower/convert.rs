//! Conversions, and how good they are.

use super::Lower;
use super::emit::constant;
use super::types::{Ty, TyKind};
use super::value::{Parts, Value};
use crate::diagnostic::{Kind, Result};
use crate::ir::{Compare, NULL, Operand};
use crate::scalar::{Scalar, Space};
use crate::source::Span;

/// How good an implicit conversion is; less is better.
pub(crate) type Rank = u32;
pub(crate) const EXACT: Rank = 0;
const QUALIFIED: Rank = 1;
const PROMOTION: Rank = 2;
const CONVERSION: Rank = 4;
const SPLAT: Rank = 8;
const USER: Rank = 16;

/// The type that small integers are computed in.
pub(crate) fn promoted(scalar: Scalar) -> Scalar {
    if scalar.is_integer() && (scalar == Scalar::Bool || scalar.size() < 4) { Scalar::I32 } else { scalar }
}

/// The type that an operator computes in: C++'s usual arithmetic conversions, with `half` and `bfloat` as types that
/// integers become, and `float` where the two 16-bit types meet.
pub(crate) fn common(a: Scalar, b: Scalar) -> Scalar {
    match (a.is_float(), b.is_float()) {
        (true, true) => {
            if a == b {
                a
            } else {
                Scalar::F32
            }
        }
        (true, false) => a,
        (false, true) => b,
        (false, false) => {
            let (a, b) = (promoted(a), promoted(b));
            if a.size() == b.size() {
                if a.is_signed() { b } else { a }
            } else if a.size() > b.size() {
                a
            } else {
                b
            }
        }
    }
}

pub(crate) fn scalar_rank(from: Scalar, to: Scalar) -> Rank {
    let small = from.is_integer() && promoted(from) == to;
    let float = from.is_float() && to == Scalar::F32;
    if from == to {
        EXACT
    } else if small || float {
        PROMOTION
    } else {
        CONVERSION
    }
}

impl<'a> Lower<'a> {
    /// How good the implicit conversion is; `None` if there is none.
    pub(crate) fn rank(&mut self, from: Ty, to: Ty) -> Option<Rank> {
        if from == to {
            return Some(EXACT);
        }
        match (self.types.kind(from), self.types.kind(to)) {
            (TyKind::Scalar(a), TyKind::Scalar(b)) => Some(scalar_rank(a, b)),
            (TyKind::Scalar(a), TyKind::Vector(b, _) | TyKind::Packed(b, _)) => {
                Some(SPLAT + scalar_rank(a, b))
            }
            (TyKind::Vector(a, n), TyKind::Packed(b, m)) | (TyKind::Packed(a, n), TyKind::Vector(b, m))
                if a == b && n == m =>
            {
                Some(PROMOTION)
            }
            (TyKind::Null, TyKind::Pointer { .. }) => Some(CONVERSION),
            (TyKind::Pointer { .. } | TyKind::Null, TyKind::Scalar(Scalar::Bool)) => Some(CONVERSION),
            (
                TyKind::Pointer { to: a, space: s, is_const: ca },
                TyKind::Pointer { to: b, space: t, is_const: cb },
            ) => {
                let void = self.types.kind(b) == TyKind::Void;
                let fits = s == t && (!ca || cb) && (a == b || void);
                fits.then_some(if void { CONVERSION } else { QUALIFIED })
            }
            (_, TyKind::Struct(_)) => self.converting_constructor(from, to).then_some(USER),
            (TyKind::Struct(_), _) => self.conversion_operator(from, to).map(|_| USER),
            _ => None,
        }
    }

    /// Converts as initialisation, arguments and `return` do.
    pub(crate) fn implicit(&mut self, value: Value, to: Ty, span: Span) -> Result<Value> {
        if value.ty == to {
            return Ok(value);
        }
        let (from_kind, to_kind) = (self.types.kind(value.ty), self.types.kind(to));
        match (from_kind, to_kind) {
            (TyKind::Scalar(_), TyKind::Scalar(scalar)) => {
                let part = self.convert_scalar(value.single(), scalar);
                Ok(Value::new(to, [part]))
            }
            (TyKind::Scalar(_), TyKind::Vector(scalar, n) | TyKind::Packed(scalar, n)) => {
                let part = self.convert_scalar(value.single(), scalar);
                Ok(Value::new(to, std::iter::repeat_n(part, n.into())))
            }
            (TyKind::Vector(a, n), TyKind::Packed(b, m)) | (TyKind::Packed(a, n), TyKind::Vector(b, m))
                if a == b && n == m =>
            {
                Ok(Value { ty: to, parts: value.parts })
            }
            (TyKind::Null, TyKind::Pointer { .. }) => Ok(Value { ty: to, parts: value.parts }),
            (TyKind::Pointer { .. } | TyKind::Null, TyKind::Scalar(Scalar::Bool)) => {
                let part = self.compare(Compare::Ne, value.single(), Operand::Object(NULL));
                Ok(Value::new(to, [part]))
            }
            (TyKind::Pointer { .. }, TyKind::Pointer { .. }) if self.rank(value.ty, to).is_some() => {
                Ok(Value { ty: to, parts: value.parts })
            }
            // The literal 0 is a null pointer.
            (TyKind::Scalar(scalar), TyKind::Pointer { .. })
                if scalar.is_integer() && value.single().as_const().is_some_and(|c| c.bits == 0) =>
            {
                self.zero(to)
            }
            (_, TyKind::Struct(_)) if self.converting_constructor(value.ty, to) => {
                self.construct_struct(to, vec![super::value::Outcome::Value(value)], span)
            }
            (TyKind::Struct(_), _) => {
                if let Some((function, result)) = self.conversion_operator(value.ty, to) {
                    let value = self.call_conversion(value, function, span)?;
                    return if result == to { Ok(value) } else { self.implicit(value, to, span) };
                }
                Err(self.no_conversion(value.ty, to, span))
            }
            _ => Err(self.no_conversion(value.ty, to, span)),
        }
    }

    pub(crate) fn no_conversion(&mut self, from: Ty, to: Ty, span: Span) -> crate::diagnostic::Reported {
        let (from_name, to_name) = (self.types.name(from), self.types.name(to));
        let mut notes = Vec::new();
        if let (
            TyKind::Pointer { to: a, space: s, is_const: ca },
            TyKind::Pointer { to: b, space: t, is_const: cb },
        ) = (self.types.kind(from), self.types.kind(to))
        {
            if s != t {
                notes.push((format!("the address spaces differ: `{s}` and `{t}`"), None));
                if s == Space::Constant && t == Space::Device {
                    let note =
                        "inputs with fewer than 8 elements are in `constant` memory: `auto` takes both";
                    notes.push((note.to_owned(), None));
                }
            } else if ca && !cb && a == b {
                notes.push(("the pointer would lose `const`".to_owned(), None));
            } else if a != b {
                notes.push(("pointers to other types need a cast".to_owned(), None));
            }
        } else if let (Some((a, n)), Some((b, m))) = (self.types.numeric(from), self.types.numeric(to))
            && n == m
            && a != b
        {
            notes.push((format!("write the conversion: `{to_name}(…)`"), None));
        }
        let message = format!("expected `{to_name}`, got `{from_name}`");
        self.sink.error_with(Kind::Type, span, message, notes)
    }

    /// Converts as casts do.
    pub(crate) fn explicit(&mut self, value: Value, to: Ty, span: Span) -> Result<Value> {
        match (self.types.kind(value.ty), self.types.kind(to)) {
            (_, TyKind::Void) => Ok(Value::new(to, [])),
            (TyKind::Vector(_, n) | TyKind::Packed(_, n), TyKind::Vector(b, m) | TyKind::Packed(b, m))
                if n == m =>
            {
                let parts: Parts = value.parts.iter().map(|part| self.convert_scalar(*part, b)).collect();
                Ok(Value { ty: to, parts })
            }
            (TyKind::Pointer { space: s, .. }, TyKind::Pointer { space: t, .. }) => {
                if s == t {
                    return Ok(Value { ty: to, parts: value.parts });
                }
                let message = format!("a cast cannot change the address space from `{s}` to `{t}`");
                Err(self.sink.error(Kind::Type, span, message))
            }
            (TyKind::Pointer { .. }, TyKind::Scalar(scalar))
                if scalar.is_integer() && scalar != Scalar::Bool =>
            {
                let message =
                    "a pointer cannot become an integer: take the difference of two pointers instead";
                Err(self.sink.error(Kind::Unsupported, span, message))
            }
            (TyKind::Scalar(scalar), TyKind::Pointer { .. })
                if scalar.is_integer() && value.single().as_const().is_none_or(|c| c.bits != 0) =>
            {
                let message = "an integer cannot become a pointer";
                Err(self.sink.error(Kind::Unsupported, span, message))
            }
            _ => self.implicit(value, to, span),
        }
    }

    /// A condition: `bool` of a scalar or pointer.
    pub(crate) fn condition(&mut self, value: Value, span: Span) -> Result<Operand> {
        let ty = self.types.scalar(Scalar::Bool);
        if let Some((_, n)) = self.types.numeric(value.ty)
            && n > 1
        {
            let message = format!("expected one `bool`, got `{}`", self.types.name(value.ty));
            let notes = vec![("`any(…)` and `all(…)` make one of several".to_owned(), None)];
            return Err(self.sink.error_with(Kind::Type, span, message, notes));
        }
        Ok(self.implicit(value, ty, span)?.single())
    }

    /// An index or distance: an `i64`.
    pub(crate) fn index(&mut self, value: &Value, span: Span) -> Result<Operand> {
        match self.types.as_scalar(value.ty) {
            Some(scalar) if scalar.is_integer() => Ok(self.convert_scalar(value.single(), Scalar::I64)),
            Some(_) => {
                let message = format!("an index is an integer, got `{}`", self.types.name(value.ty));
                let notes = vec![("convert it: `int(…)`".to_owned(), None)];
                Err(self.sink.error_with(Kind::Type, span, message, notes))
            }
            None => {
                let message = format!("an index is an integer, got `{}`", self.types.name(value.ty));
                Err(self.sink.error(Kind::Type, span, message))
            }
        }
    }

    /// The same bits as another type of the same size, for `as_type`.
    pub(crate) fn reinterpret(&mut self, value: &Value, to: Ty, span: Span) -> Result<Value> {
        let (Some((a, n)), Some((b, m))) = (self.types.numeric(value.ty), self.types.numeric(to)) else {
            let (from, to) = (self.types.name(value.ty), self.types.name(to));
            let message = format!("`as_type` takes scalars and vectors, got `{from}` and `{to}`");
            return Err(self.sink.error(Kind::Type, span, message));
        };
        // Three components have the size of four.
        let padded = |n: u8| u32::from(if n == 3 { 4 } else { n });
        if a.size() * padded(n) != b.size() * padded(m) {
            let (from, to) = (self.types.name(value.ty), self.types.name(to));
            let message = format!("`as_type` needs types of one size: `{from}` and `{to}` differ");
            return Err(self.sink.error(Kind::Type, span, message));
        }
        if a.size() == b.size() {
            let zero = constant(b, 0);
            let mut parts: Parts = value.parts.iter().map(|part| self.bitcast_scalar(*part, b)).collect();
            parts.resize(m.into(), zero);
            return Ok(Value { ty: to, parts });
        }
        // Through bytes, little-endian: pieces of the smaller size.
        let small = a.size().min(b.size());
        let piece = Scalar::U8.sized(small);
        let mut pieces = Parts::new();
        for part in &value.parts {
            let bits = self.bitcast_scalar(*part, a.unsigned());
            for i in 0..a.size() / small {
                let amount = constant(a.unsigned(), (i * small * 8).into());
                let shifted = self.binary(crate::ir::Binary::ShiftRight, bits, amount);
                pieces.push(self.convert_scalar(shifted, piece));
            }
        }
        let per = (b.size() / small) as usize;
        let wide = b.unsigned();
        let mut parts = Parts::new();
        for i in 0..usize::from(m) {
            let mut whole = constant(wide, 0);
            for j in 0..per {
                let Some(piece) = pieces.get(i * per + j) else { break };
                let part = self.convert_scalar(*piece, wide);
                let amount = constant(wide, (j as u64) * u64::from(small) * 8);
                let shifted = self.binary(crate::ir::Binary::ShiftLeft, part, amount);
                whole = self.binary(crate::ir::Binary::Or, whole, shifted);
            }
            parts.push(self.bitcast_scalar(whole, b));
        }
        Ok(Value { ty: to, parts })
    }
}

impl Scalar {
    /// The unsigned integer of a size.
    fn sized(self, bytes: u32) -> Self {
        match bytes {
            1 => Self::U8,
            2 => Self::U16,
            4 => Self::U32,
            _ => Self::U64,
        }
    }
}
