//! Values made of others: vectors, structs, arrays.

use super::Lower;
use super::emit::{constant, int64};
use super::types::{Ty, TyKind};
use super::value::{Outcome, Parts, Place, Value};
use crate::ast::{Expr, ExprKind, Init};
use crate::diagnostic::{Kind, Result};
use crate::ir::{Binary, Compare, Stmt};
use crate::scalar::Scalar;
use crate::source::Span;

impl<'a> Lower<'a> {
    /// `T(a, b)` and `T{a, b}`.
    pub(crate) fn construct(&mut self, ty: Ty, args: &'a [Expr], braces: bool, span: Span) -> Result<Value> {
        match self.types.kind(ty) {
            TyKind::Vector(scalar, n) | TyKind::Packed(scalar, n) => {
                self.construct_vector(ty, scalar, n, args, span)
            }
            TyKind::Struct(_) => self.construct_from(ty, args, braces, span),
            TyKind::Array(element, n) => {
                if args.len() > n as usize {
                    let message = format!("`{}` has {n} elements, got {}", self.types.name(ty), args.len());
                    return Err(self.sink.error(Kind::Type, span, message));
                }
                let mut parts = Parts::new();
                for arg in args {
                    parts.extend(self.element_value(element, arg)?.parts);
                }
                let zero = self.zero(element)?;
                for _ in args.len()..n as usize {
                    parts.extend_from_slice(&zero.parts);
                    if parts.len() > crate::limits::VALUE_SCALARS {
                        return Err(self.sink.error(
                            Kind::Limit,
                            span,
                            "this array is too large for a value",
                        ));
                    }
                }
                Ok(Value { ty, parts })
            }
            TyKind::Matrix(scalar) => match args {
                [] => self.zero(ty),
                [diagonal] => {
                    let element = self.types.scalar(scalar);
                    let value = self.value(diagonal)?;
                    let value = self.implicit(value, element, diagonal.span)?;
                    Ok(self.diagonal_matrix(ty, value.single()))
                }
                _ => Err(self.sink.error(Kind::Type, span, "a matrix is made of one value, its diagonal")),
            },
            TyKind::Void if args.is_empty() => Ok(Value::new(ty, [])),
            _ => match args {
                [] => self.zero(ty),
                [arg] => {
                    let value = match &arg.kind {
                        ExprKind::List(inner) => return self.construct(ty, inner, true, span),
                        _ => self.value(arg)?,
                    };
                    self.explicit(value, ty, arg.span)
                }
                _ => {
                    let message =
                        format!("`{}` is made of one value, got {}", self.types.name(ty), args.len());
                    Err(self.sink.error(Kind::Type, span, message))
                }
            },
        }
    }

    /// A value for an element or member: a list makes it, all else is converted.
    fn element_value(&mut self, ty: Ty, arg: &'a Expr) -> Result<Value> {
        match &arg.kind {
            ExprKind::List(inner) => self.construct(ty, inner, true, arg.span),
            _ => {
                let value = self.value(arg)?;
                self.implicit(value, ty, arg.span)
            }
        }
    }

    fn construct_vector(
        &mut self,
        ty: Ty,
        scalar: Scalar,
        n: u8,
        args: &'a [Expr],
        span: Span,
    ) -> Result<Value> {
        if args.is_empty() {
            return self.zero(ty);
        }
        let mut parts = Parts::new();
        for arg in args {
            let value = self.value(arg)?;
            if self.types.numeric(value.ty).is_none() {
                if matches!(self.types.kind(value.ty), TyKind::Struct(_)) && args.len() == 1 {
                    return self.implicit(value, ty, arg.span);
                }
                let message =
                    format!("`{}` is not made of `{}`", self.types.name(ty), self.types.name(value.ty));
                return Err(self.sink.error(Kind::Type, arg.span, message));
            }
            for part in &value.parts {
                let part = self.convert_scalar(*part, scalar);
                parts.push(part);
            }
            if args.len() == 1 && parts.len() == 1 {
                let part = parts[0];
                parts.resize(n.into(), part);
            }
        }
        if parts.len() != usize::from(n) {
            let message = format!("`{}` has {n} components, got {}", self.types.name(ty), parts.len());
            return Err(self.sink.error(Kind::Type, span, message));
        }
        Ok(Value { ty, parts })
    }

    fn construct_from(&mut self, ty: Ty, args: &'a [Expr], braces: bool, span: Span) -> Result<Value> {
        let has_constructors = self.constructors(ty).next().is_some();
        if has_constructors && (!args.is_empty() || self.has_default_constructor(ty)) {
            let mut outcomes = Vec::with_capacity(args.len());
            for arg in args {
                outcomes.push(self.expression(arg)?);
            }
            return self.construct_struct(ty, outcomes, span);
        }
        if let [arg] = args
            && !matches!(arg.kind, ExprKind::List(_))
        {
            let outcome = self.expression(arg)?;
            let value = self.value_of(outcome)?;
            if value.ty == ty || !braces {
                return self.implicit(value, ty, arg.span);
            }
            return self.aggregate(ty, args, Some(value), span);
        }
        if !braces && !args.is_empty() {
            // As of C++20, parentheses do as well.
            return self.aggregate(ty, args, None, span);
        }
        self.aggregate(ty, args, None, span)
    }

    /// Members in order; those without a value have their default or zero.
    fn aggregate(&mut self, ty: Ty, args: &'a [Expr], first: Option<Value>, span: Span) -> Result<Value> {
        let Some(info) = self.types.structure(ty) else { return self.zero(ty) };
        let fields: Vec<_> = info.fields.iter().map(|field| (field.ty, field.decl)).collect();
        let name = info.name.clone();
        if args.len() > fields.len() {
            let message = format!("`{name}` has {} members, got {}", fields.len(), args.len());
            return Err(self.sink.error(Kind::Type, span, message));
        }
        let mut parts = Parts::new();
        let mut first = first;
        for (i, (field, decl)) in fields.into_iter().enumerate() {
            let value = match (first.take(), args.get(i)) {
                (Some(value), Some(arg)) => self.implicit(value, field, arg.span)?,
                (None, Some(arg)) => self.element_value(field, arg)?,
                (_, None) => self.default_member(ty, field, decl)?,
            };
            parts.extend(value.parts);
        }
        Ok(Value { ty, parts })
    }

    /// The value of a member that nothing initialises.
    pub(crate) fn default_member(
        &mut self,
        owner: Ty,
        field: Ty,
        decl: &'a crate::ast::Variable,
    ) -> Result<Value> {
        let Some(info) = self.types.structure(owner) else { return self.zero(field) };
        let bindings = info.bindings.clone();
        let frame = super::Frame {
            namespace: info.namespace,
            is_prelude: info.is_prelude,
            structure: Some(owner),
            ..super::Frame::default()
        };
        match &decl.init {
            Init::Value(value) => {
                self.in_frame(frame, bindings.iter().cloned(), |lower| lower.element_value(field, value))
            }
            Init::Arguments(args) => self.in_frame(frame, bindings.iter().cloned(), |lower| {
                lower.construct(field, args, false, decl.span)
            }),
            Init::None if self.has_default_constructor(field) => {
                self.construct_struct(field, Vec::new(), decl.span)
            }
            Init::None => self.zero(field),
        }
    }

    /// Calls a constructor; a copy and an aggregate without arguments need none.
    pub(crate) fn construct_struct(&mut self, ty: Ty, args: Vec<Outcome<'a>>, span: Span) -> Result<Value> {
        if let [only] = args.as_slice() {
            let same = match only {
                Outcome::Place(place) => place.ty == ty,
                Outcome::Value(value) => value.ty == ty,
                Outcome::Closure(_) => false,
            };
            if same {
                return self.value_of(only.clone());
            }
        }
        if args.is_empty() && !self.has_default_constructor(ty) {
            return self.aggregate(ty, &[], None, span);
        }
        // A conversion operator of the argument's own struct comes before what the target has.
        if let [only] = args.as_slice() {
            let value = self.value_of(only.clone())?;
            if matches!(self.types.kind(value.ty), TyKind::Struct(_))
                && let Some((function, _)) = self.conversion_operator(value.ty, ty)
            {
                return self.call_conversion(value, function, span);
            }
        }
        let candidates = self.constructor_candidates(ty);
        let name = self.types.name(ty);
        if candidates.is_empty() {
            let message = format!("`{name}` has no constructor with {} arguments", args.len());
            return Err(self.sink.error(Kind::Type, span, message));
        }
        let place = self.variable(&name, ty, span)?;
        let fit = self.choose_overload(&name, candidates, None, &args, span)?;
        self.inline_constructor(fit, &args, place.clone(), span)?;
        self.load_whole(&place)
    }

    /// Puts a list of values into an array in memory.
    pub(crate) fn fill(&mut self, place: &Place, list: &'a [Expr], span: Span) -> Result<()> {
        let mut at = 0;
        self.fill_from(place, list, &mut at, span)?;
        if at < list.len() {
            let message = format!("`{}` has no room for {} values", self.types.name(place.ty), list.len());
            return Err(self.sink.error(Kind::Type, list[at].span, message));
        }
        Ok(())
    }

    fn fill_from(&mut self, place: &Place, list: &'a [Expr], at: &mut usize, span: Span) -> Result<()> {
        let TyKind::Array(element, n) = self.types.kind(place.ty) else {
            let value = self.construct(place.ty, list, true, span)?;
            *at = list.len();
            return self.store(place, &value);
        };
        let size = self.types.layout(element).0 as i64;
        let nested = matches!(self.types.kind(element), TyKind::Array(..));
        let mut i = 0;
        while i < n && *at < list.len() {
            let offset = self.offset_by(place.offset, i64::from(i) * size);
            let inner = Place { ty: element, offset, ..place.clone() };
            let item = &list[*at];
            match &item.kind {
                ExprKind::List(values) if nested => {
                    *at += 1;
                    self.attributed(item.span, |lower| lower.fill(&inner, values, item.span))?;
                }
                // Braces may be left out.
                _ if nested => self.attributed(item.span, |lower| lower.fill_from(&inner, list, at, span))?,
                _ => {
                    *at += 1;
                    let value = self.element_value(element, item)?;
                    self.store(&inner, &value)?;
                }
            }
            i += 1;
        }
        self.clear(place, element, size, i, n)
    }

    /// Zeros for elements `from..n`, in a loop if they are many.
    fn clear(&mut self, place: &Place, element: Ty, size: i64, from: u32, n: u32) -> Result<()> {
        const FEW: usize = 32;
        if from >= n {
            return Ok(());
        }
        if (n - from) as usize * self.types.n_leaves(element).max(1) <= FEW {
            let zero = self.zero_element(element)?;
            for i in from..n {
                let offset = self.offset_by(place.offset, i64::from(i) * size);
                self.store(&Place { ty: element, offset, ..place.clone() }, &zero)?;
            }
            return Ok(());
        }
        let ty = self.types.scalar(Scalar::I64);
        let counter = self.variable("index", ty, self.at)?;
        self.store(&counter, &Value::new(ty, [int64(from.into())]))?;
        let label = self.builder.label();
        self.begin_block();
        let body = self.clear_step(place, element, size, n, &counter, label);
        let block = self.end_block();
        body?;
        let span = self.at;
        self.builder.push(Stmt::Loop { label, body: block, span });
        Ok(())
    }

    fn clear_step(
        &mut self,
        place: &Place,
        element: Ty,
        size: i64,
        n: u32,
        counter: &Place,
        label: crate::ir::Label,
    ) -> Result<()> {
        let index = self.load(counter)?.single();
        let more = self.compare(Compare::Lt, index, int64(n.into()));
        let span = self.at;
        self.branch(more, Vec::new(), vec![Stmt::Break { label, span }]);
        let bytes = self.binary(Binary::Multiply, index, int64(size));
        let offset = self.binary(Binary::Add, place.offset, bytes);
        let inner = Place { ty: element, offset, ..place.clone() };
        if let TyKind::Array(deeper, m) = self.types.kind(element) {
            let size = self.types.layout(deeper).0 as i64;
            self.attributed(span, |lower| lower.clear(&inner, deeper, size, 0, m))?;
        } else {
            let zero = self.zero_element(element)?;
            self.store(&inner, &zero)?;
        }
        let next = self.binary(Binary::Add, index, int64(1));
        self.store(counter, &Value::new(counter.ty, [next]))
    }

    fn zero_element(&mut self, element: Ty) -> Result<Value> {
        if matches!(self.types.kind(element), TyKind::Struct(_)) {
            return self.construct_struct(element, Vec::new(), self.at);
        }
        self.zero(element)
    }

    /// The two elements that a thread has of a matrix with one value on its diagonal.
    pub(crate) fn diagonal_matrix(&mut self, ty: Ty, value: crate::ir::Operand) -> Value {
        let scalar = self.type_of(value);
        let (row, column) = self.matrix_position();
        let next = self.binary(Binary::Add, column, constant(Scalar::U32, 1));
        let zero = constant(scalar, 0);
        let first = self.compare(Compare::Eq, row, column);
        let second = self.compare(Compare::Eq, row, next);
        let parts = [self.select(first, value, zero), self.select(second, value, zero)];
        Value::new(ty, parts)
    }
}
