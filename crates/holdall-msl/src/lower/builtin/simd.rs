//! Functions of SIMD groups, and their matrices.

use super::math::unsigned;
use crate::ast::TemplateArg;
use crate::diagnostic::{Kind, Result};
use crate::ir::{Attribute, Binary, OpKind, Operand, Simd};
use crate::lower::Lower;
use crate::lower::emit::{constant, int64};
use crate::lower::scope::Binding;
use crate::lower::types::{Ty, TyKind};
use crate::lower::value::{Outcome, Parts, Place, Value};
use crate::scalar::Scalar;
use crate::source::Span;

impl<'a> Lower<'a> {
    pub(super) fn simd(&mut self, simd: Simd, name: &str, values: &[Value], span: Span) -> Result<Value> {
        // Fills may say how many lanes count.
        self.arity(name, values, simd.arity(), span)?;
        match simd {
            Simd::ActiveMask | Simd::First => {
                let (kind, result) = match simd {
                    Simd::First => (Scalar::Bool, Scalar::Bool),
                    _ => (Scalar::U64, Scalar::U64),
                };
                let dst = self.builder.register(result);
                self.operation(OpKind::Simd(simd, kind), &[dst], &[]);
                let ty = self.types.scalar(result);
                return Ok(Value::new(ty, [dst.into()]));
            }
            Simd::Any | Simd::All | Simd::Ballot => {
                let condition = self.condition(values[0].clone(), span)?;
                let result = if simd == Simd::Ballot { Scalar::U64 } else { Scalar::Bool };
                let dst = self.builder.register(result);
                self.operation(OpKind::Simd(simd, Scalar::Bool), &[dst], &[condition]);
                let ty = self.types.scalar(result);
                return Ok(Value::new(ty, [dst.into()]));
            }
            _ => {}
        }
        if let Some(info) = self.types.structure(values[0].ty) {
            // A struct is moved as its members are.
            if moves(simd) && info.fields.iter().all(|f| self.types.numeric(f.ty).is_some()) {
                return self.simd_parts(simd, values, values[0].ty, span);
            }
        }
        let Some((scalar, n)) = self.types.numeric(values[0].ty) else {
            return Err(self.does_not_take(name, values, span, None));
        };
        let bits = matches!(simd, Simd::And | Simd::Or | Simd::Xor);
        if bits && scalar.is_float() {
            return Err(self.does_not_take(name, values, span, Some("it is a function of integers")));
        }
        let ty = self.types.vector(scalar, n);
        self.simd_parts(simd, values, ty, span)
    }

    fn simd_parts(&mut self, simd: Simd, values: &[Value], ty: Ty, span: Span) -> Result<Value> {
        let fills = matches!(simd, Simd::FillUp | Simd::FillDown);
        let filler = if fills { Some(self.implicit(values[1].clone(), values[0].ty, span)?) } else { None };
        let lane = match values.last() {
            Some(lane) if simd.arity() > 1 => {
                let u32_type = self.types.scalar(Scalar::U32);
                Some(self.implicit(lane.clone(), u32_type, span)?.single())
            }
            _ => None,
        };
        let mut parts = Parts::new();
        for (i, part) in values[0].parts.iter().enumerate() {
            let scalar = self.type_of(*part);
            // Sums of booleans count.
            let mut args = Parts::new();
            args.push(*part);
            if let Some(filler) = &filler {
                args.push(filler.parts[i]);
            }
            args.extend(lane);
            let dst = self.builder.register(scalar);
            self.operation(OpKind::Simd(simd, scalar), &[dst], &args);
            parts.push(dst.into());
        }
        Ok(Value { ty, parts })
    }

    /// The row and the first column of the two elements that a thread has of an 8×8 matrix: four quads of threads make
    /// the left upper, left lower … quarters. As Metal has it on all its GPUs.
    pub(crate) fn matrix_position(&mut self) -> (Operand, Operand) {
        let lane = self.builder.register(Scalar::U32);
        self.operation(OpKind::Attribute(Attribute::ThreadIndexInSimdgroup, 0), &[lane], &[]);
        let lane = lane.into();
        let quad = self.binary(Binary::ShiftRight, lane, unsigned(2));
        let pair = self.binary(Binary::ShiftRight, lane, unsigned(1));
        let pair = self.binary(Binary::And, pair, unsigned(3));
        let upper = self.binary(Binary::And, quad, unsigned(4));
        let row = self.binary(Binary::Add, upper, pair);
        let left = self.binary(Binary::And, quad, unsigned(2));
        let left = self.binary(Binary::ShiftLeft, left, unsigned(1));
        let odd = self.binary(Binary::And, lane, unsigned(1));
        let odd = self.binary(Binary::ShiftLeft, odd, unsigned(1));
        let column = self.binary(Binary::Add, left, odd);
        (row, column)
    }

    /// The addresses of a thread's two elements of a matrix in memory.
    fn matrix_places(&mut self, pointer: &Value, rest: &[Value], span: Span) -> Result<[Place; 2]> {
        let (row, column) = self.matrix_position();
        let long = self.types.scalar(Scalar::I64);
        let stride = match rest.first() {
            Some(stride) => self.implicit(stride.clone(), long, span)?.single(),
            None => int64(8),
        };
        let (mut origin_x, mut origin_y) = (int64(0), int64(0));
        if let Some(origin) = rest.get(1) {
            let Some((_, 2)) = self.types.numeric(origin.ty) else {
                return Err(self.sink.error(Kind::Type, span, "the origin of a matrix is a `ulong2`"));
            };
            origin_x = self.convert_scalar(origin.parts[0], Scalar::I64);
            origin_y = self.convert_scalar(origin.parts[1], Scalar::I64);
        }
        let transposed = match rest.get(2) {
            Some(flag) => {
                let flag = self.condition(flag.clone(), span)?;
                let Some(known) = flag.as_const() else {
                    return Err(self.sink.error(
                        Kind::Type,
                        span,
                        "whether a matrix is transposed has to be constant",
                    ));
                };
                known.bits != 0
            }
            None => false,
        };
        let row = self.convert_scalar(row, Scalar::I64);
        let column = self.convert_scalar(column, Scalar::I64);
        let next = self.binary(Binary::Add, column, int64(1));
        let mut places = Vec::with_capacity(2);
        for column in [column, next] {
            let (x, y) = if transposed { (row, column) } else { (column, row) };
            let x = self.binary(Binary::Add, x, origin_x);
            let y = self.binary(Binary::Add, y, origin_y);
            let down = self.binary(Binary::Multiply, y, stride);
            let index = self.binary(Binary::Add, down, x);
            let moved = self.advance(pointer, index, false, span)?;
            match self.pointee(&moved) {
                Some(place) => places.push(place),
                None => return Err(self.sink.error(Kind::Type, span, "expected a pointer")),
            }
        }
        places.try_into().map_err(|_| crate::diagnostic::Reported)
    }

    /// `simdgroup_load(matrix, pointer, elements_per_row, origin, transposed)`.
    pub(super) fn matrix_load(&mut self, args: Vec<Outcome<'a>>, span: Span) -> Result<Value> {
        let mut args = args.into_iter();
        let target = match args.next() {
            Some(Outcome::Place(place)) if matches!(self.types.kind(place.ty), TyKind::Matrix(_)) => place,
            _ => {
                return Err(self.sink.error(
                    Kind::Type,
                    span,
                    "`simdgroup_load` takes a matrix variable first",
                ));
            }
        };
        let mut values = Vec::new();
        for arg in args {
            values.push(self.value_of(arg)?);
        }
        let Some((pointer, rest)) = values.split_first() else {
            return Err(self.sink.error(Kind::Type, span, "`simdgroup_load` takes a matrix and a pointer"));
        };
        let places = self.matrix_places(pointer, rest, span)?;
        let TyKind::Matrix(scalar) = self.types.kind(target.ty) else {
            return Err(crate::diagnostic::Reported);
        };
        let element = self.types.scalar(scalar);
        let mut parts = Parts::new();
        for place in &places {
            let value = self.load(place)?;
            parts.push(self.implicit(value, element, span)?.single());
        }
        self.store(&target, &Value::new(target.ty, parts))?;
        let void = self.types.void();
        Ok(Value::new(void, []))
    }

    pub(super) fn matrix_store(&mut self, values: &[Value], span: Span) -> Result<Value> {
        let [matrix, pointer, rest @ ..] = values else {
            return Err(self.sink.error(Kind::Type, span, "`simdgroup_store` takes a matrix and a pointer"));
        };
        if !matches!(self.types.kind(matrix.ty), TyKind::Matrix(_)) {
            return Err(self.does_not_take("simdgroup_store", values, span, None));
        }
        let places = self.matrix_places(pointer, rest, span)?;
        let TyKind::Matrix(scalar) = self.types.kind(matrix.ty) else {
            return Err(crate::diagnostic::Reported);
        };
        let element = self.types.scalar(scalar);
        for (place, part) in places.iter().zip(&matrix.parts) {
            if place.is_const {
                return Err(self.sink.error(Kind::Type, span, "cannot store here: it is `const`"));
            }
            let value = self.implicit(Value::new(element, [*part]), place.ty, span)?;
            self.store(place, &value)?;
        }
        let void = self.types.void();
        Ok(Value::new(void, []))
    }

    /// `d = a * b + c`.
    pub(super) fn matrix_multiply(
        &mut self,
        name: &str,
        args: Vec<Outcome<'a>>,
        accumulate: bool,
        span: Span,
    ) -> Result<Value> {
        let n = if accumulate { 4 } else { 3 };
        if args.len() != n {
            return Err(self.sink.error(
                Kind::Type,
                span,
                format!("`{name}` takes {n} arguments, got {}", args.len()),
            ));
        }
        let Outcome::Place(target) = args[0].clone() else {
            return Err(self.sink.error(
                Kind::Type,
                span,
                format!("`{name}` writes its first argument: expected a variable"),
            ));
        };
        let mut values = Vec::new();
        for arg in args.into_iter().skip(1) {
            values.push(self.value_of(arg)?);
        }
        let kinds: Vec<TyKind> = values.iter().map(|value| self.types.kind(value.ty)).collect();
        let (TyKind::Matrix(sum), [TyKind::Matrix(a), TyKind::Matrix(b), ..]) =
            (self.types.kind(target.ty), &kinds[..])
        else {
            return Err(self.does_not_take(name, &values, span, None));
        };
        let (a, b) = (*a, *b);
        let third = match kinds.get(2) {
            Some(TyKind::Matrix(c)) => Some(*c),
            Some(_) => return Err(self.does_not_take(name, &values, span, None)),
            None => None,
        };
        // Factors of different types are multiplied as `float`.
        let factor = if a == b { a } else { Scalar::F32 };
        let mut parts = Parts::new();
        for (value, to) in values.iter().zip([factor, factor, sum]) {
            for part in &value.parts {
                parts.push(self.convert_scalar(*part, to));
            }
        }
        if third.is_none() {
            parts.extend([constant(sum, 0), constant(sum, 0)]);
        }
        let dst = [self.builder.register(sum), self.builder.register(sum)];
        self.operation(OpKind::MatrixMultiply { factor, sum }, &dst, &parts);
        self.store(&target, &Value::new(target.ty, dst.map(Operand::Reg)))?;
        let void = self.types.void();
        Ok(Value::new(void, []))
    }

    /// A matrix of one value, everywhere or on its diagonal.
    pub(super) fn matrix_made(
        &mut self,
        name: &str,
        explicit: Option<&'a [TemplateArg]>,
        values: &[Value],
        diagonal: bool,
        span: Span,
    ) -> Result<Value> {
        self.arity(name, values, 1, span)?;
        let args = self.template_args(explicit.unwrap_or(&[]))?;
        let scalar = match args.first() {
            Some(Binding::Type(ty)) => self.types.as_scalar(*ty),
            _ => self.types.as_scalar(values[0].ty),
        };
        let Some(scalar) = scalar.filter(|scalar| scalar.is_float()) else {
            return Err(self.does_not_take(name, values, span, None));
        };
        let part = self.convert_scalar(values[0].single(), scalar);
        let ty = self.types.intern(TyKind::Matrix(scalar));
        Ok(if diagonal { self.diagonal_matrix(ty, part) } else { Value::new(ty, [part, part]) })
    }
}

/// Whether values are moved between lanes unchanged.
fn moves(simd: Simd) -> bool {
    matches!(
        simd,
        Simd::Broadcast
            | Simd::BroadcastFirst
            | Simd::Shuffle
            | Simd::ShuffleXor
            | Simd::ShuffleUp
            | Simd::ShuffleDown
            | Simd::RotateUp
            | Simd::RotateDown
            | Simd::FillUp
            | Simd::FillDown
            | Simd::QuadBroadcast
            | Simd::QuadShuffle
            | Simd::QuadShuffleXor
            | Simd::QuadShuffleUp
            | Simd::QuadShuffleDown
    )
}
