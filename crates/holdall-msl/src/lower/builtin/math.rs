//! Functions of numbers.

use super::{Class, Composed, Geometry, Numbers};
use crate::diagnostic::{Kind, Result};
use crate::ir::{Binary, Compare, Const, Integer, Math, OpKind, Operand, Precision, Test, Unary, fold};
use crate::lower::Lower;
use crate::lower::emit::constant;
use crate::lower::value::{Outcome, Parts, Place, Value};
use crate::scalar::Scalar;
use crate::source::Span;

fn float(scalar: Scalar, value: f64) -> Operand {
    Operand::Const(fold::from_f64(scalar, value))
}

fn number(scalar: Scalar, value: i64) -> Operand {
    if scalar.is_float() { float(scalar, value as f64) } else { constant(scalar, value as u64) }
}

impl<'a> Lower<'a> {
    fn math_op(&mut self, math: Math, precision: Precision, scalar: Scalar, args: &[Operand]) -> Operand {
        self.pure(OpKind::Math(math, precision, scalar), scalar, args)
    }

    fn map(&mut self, numbers: &Numbers, mut one: impl FnMut(&mut Self, &[Operand]) -> Operand) -> Value {
        let ty = self.vector_type(numbers);
        let mut parts = Parts::new();
        for i in 0..usize::from(numbers.n) {
            let args: Parts = numbers.parts.iter().map(|parts| parts[i]).collect();
            parts.push(one(self, &args));
        }
        Value { ty, parts }
    }

    pub(super) fn math(
        &mut self,
        math: Math,
        name: &str,
        values: &[Value],
        precision: Precision,
        span: Span,
    ) -> Result<Value> {
        self.arity(name, values, math.arity(), span)?;
        if math == Math::Ldexp {
            let numbers = self.numbers(name, &values[..1], Class::Float, span)?;
            let exponent = self.numbers(name, &values[1..], Class::Integer, span)?;
            let mut i = 0;
            return Ok(self.map(&numbers, |lower, args| {
                let part = exponent.parts[0][i.min(exponent.parts[0].len() - 1)];
                i += 1;
                let power = lower.convert_scalar(part, Scalar::I32);
                lower.math_op(math, precision, numbers.scalar, &[args[0], power])
            }));
        }
        // Functions that leave integers as they are.
        let whole = matches!(math, Math::Floor | Math::Ceil | Math::Trunc | Math::Round | Math::Rint);
        if whole
            && let [only] = values
            && self.types.as_scalar(only.ty).is_some_and(Scalar::is_integer)
        {
            let ty = self.types.scalar(Scalar::F32);
            return self.implicit(only.clone(), ty, span);
        }
        let numbers = self.numbers(name, values, Class::Float, span)?;
        let scalar = numbers.scalar;
        Ok(self.map(&numbers, |lower, args| lower.math_op(math, precision, scalar, args)))
    }

    pub(super) fn test_float(
        &mut self,
        test: Test,
        name: &str,
        values: &[Value],
        span: Span,
    ) -> Result<Value> {
        self.arity(name, values, 1, span)?;
        let numbers = self.numbers(name, values, Class::Float, span)?;
        let mut value = self
            .map(&numbers, |lower, args| lower.pure(OpKind::Test(test, numbers.scalar), Scalar::Bool, args));
        value.ty = self.types.vector(Scalar::Bool, numbers.n);
        Ok(value)
    }

    pub(super) fn min_max(
        &mut self,
        op: Binary,
        name: &str,
        values: &[Value],
        class: Class,
        span: Span,
    ) -> Result<Value> {
        if values.len() == 3 {
            let first = self.min_max(op, name, &values[..2], class, span)?;
            return self.min_max(op, name, &[first, values[2].clone()], class, span);
        }
        self.arity(name, values, 2, span)?;
        let numbers = self.numbers(name, values, class, span)?;
        Ok(self.map(&numbers, |lower, args| lower.binary(op, args[0], args[1])))
    }

    pub(super) fn integer(&mut self, op: Integer, name: &str, values: &[Value], span: Span) -> Result<Value> {
        self.arity(name, values, op.arity(), span)?;
        // Offset and count of bit fields have a type of their own.
        let n = match op {
            Integer::ExtractBits => 1,
            Integer::InsertBits => 2,
            _ => values.len(),
        };
        let numbers = self.numbers(name, &values[..n], Class::Integer, span)?;
        let mut rest = Vec::new();
        for value in &values[n..] {
            let ty = self.types.scalar(Scalar::U32);
            rest.push(self.implicit(value.clone(), ty, span)?.single());
        }
        let scalar = if numbers.scalar == Scalar::Bool { Scalar::I32 } else { numbers.scalar };
        let mut value = self.map(&numbers, |lower, args| {
            let mut args: Parts = args.iter().map(|arg| lower.convert_scalar(*arg, scalar)).collect();
            args.extend_from_slice(&rest);
            let part = lower.pure(OpKind::Integer(op, scalar), scalar, &args);
            match op {
                Integer::AbsDiff | Integer::Abs if scalar.is_signed() && op == Integer::AbsDiff => {
                    lower.bitcast_scalar(part, scalar.unsigned())
                }
                _ => part,
            }
        });
        let result = if op == Integer::AbsDiff { scalar.unsigned() } else { scalar };
        value.ty = self.types.vector(result, numbers.n);
        Ok(value)
    }

    pub(super) fn composed(
        &mut self,
        composed: Composed,
        name: &str,
        values: Vec<Value>,
        precision: Precision,
        span: Span,
    ) -> Result<Value> {
        use Composed as C;
        let (arity, class) = match composed {
            C::Abs | C::Sign => (1, Class::Any),
            C::Saturate | C::Fract | C::Ilogb => (1, Class::Float),
            C::Step | C::Fdim | C::Divide | C::Ordered | C::Unordered => (2, Class::Float),
            C::Mul24 => (2, Class::Integer),
            C::Clamp | C::Min3 | C::Max3 | C::Median3 | C::Mad => (3, Class::Any),
            C::Mix | C::Smoothstep => (3, Class::Float),
            C::MadHi | C::MadSat | C::Mad24 => (3, Class::Integer),
            C::Select => (3, Class::Any),
            C::Sincos | C::Modf | C::Frexp => (2, Class::Float),
        };
        self.arity(name, &values, arity, span)?;
        if composed == C::Select {
            return self.select_function(values, span);
        }
        let numbers = self.numbers(name, &values, class, span)?;
        let s = numbers.scalar;
        let (zero, one) = (number(s, 0), number(s, 1));
        if matches!(composed, C::Ordered | C::Unordered) {
            let mut value = self.map(&numbers, |lower, args| {
                let a = lower.pure(OpKind::Test(Test::IsNan, s), Scalar::Bool, &[args[0]]);
                let b = lower.pure(OpKind::Test(Test::IsNan, s), Scalar::Bool, &[args[1]]);
                let either = lower.binary(Binary::Or, a, b);
                if composed == C::Ordered { lower.unary(Unary::Not, either) } else { either }
            });
            value.ty = self.types.vector(Scalar::Bool, numbers.n);
            return Ok(value);
        }
        if composed == C::Ilogb {
            let mut value = self.map(&numbers, |lower, args| {
                let size = lower.math_op(Math::Abs, precision, s, args);
                let log = lower.math_op(Math::Log2, precision, s, &[size]);
                let whole = lower.math_op(Math::Floor, precision, s, &[log]);
                lower.convert_scalar(whole, Scalar::I32)
            });
            value.ty = self.types.vector(Scalar::I32, numbers.n);
            return Ok(value);
        }
        Ok(self.map(&numbers, |lower, a| match composed {
            C::Abs if s.is_float() => lower.math_op(Math::Abs, precision, s, a),
            C::Abs if s.is_signed() => lower.pure(OpKind::Integer(Integer::Abs, s), s, a),
            C::Abs => a[0],
            C::Clamp => {
                let low = lower.binary(Binary::Max, a[0], a[1]);
                lower.binary(Binary::Min, low, a[2])
            }
            C::Saturate => {
                let low = lower.binary(Binary::Max, a[0], zero);
                lower.binary(Binary::Min, low, one)
            }
            C::Sign => {
                let minus = number(s, -1);
                let negative = lower.compare(Compare::Lt, a[0], zero);
                let positive = lower.compare(Compare::Gt, a[0], zero);
                // Zeros keep their sign, NaN gives zero.
                let nan = lower.compare(Compare::Ne, a[0], a[0]);
                let rest = lower.select(nan, zero, a[0]);
                let below = lower.select(negative, minus, rest);
                lower.select(positive, one, below)
            }
            C::Mix => {
                let span = lower.binary(Binary::Subtract, a[1], a[0]);
                let part = lower.binary(Binary::Multiply, span, a[2]);
                lower.binary(Binary::Add, a[0], part)
            }
            C::Step => {
                let below = lower.compare(Compare::Lt, a[1], a[0]);
                lower.select(below, zero, one)
            }
            C::Smoothstep => {
                let over = lower.binary(Binary::Subtract, a[2], a[0]);
                let width = lower.binary(Binary::Subtract, a[1], a[0]);
                let t = lower.binary(Binary::Divide, over, width);
                let t = lower.binary(Binary::Max, t, zero);
                let t = lower.binary(Binary::Min, t, one);
                let twice = lower.binary(Binary::Multiply, float(s, 2.0), t);
                let rest = lower.binary(Binary::Subtract, float(s, 3.0), twice);
                let square = lower.binary(Binary::Multiply, t, t);
                lower.binary(Binary::Multiply, square, rest)
            }
            C::Fract => {
                let floor = lower.math_op(Math::Floor, precision, s, a);
                let part = lower.binary(Binary::Subtract, a[0], floor);
                // The largest number below 1: tiny negative numbers would give 1.
                let below = match s {
                    Scalar::F16 => 0.999_511_7,
                    Scalar::BF16 => 0.996_093_75,
                    _ => f64::from(1.0 - f32::EPSILON / 2.0),
                };
                lower.binary(Binary::Min, part, float(s, below))
            }
            C::Fdim => {
                let greater = lower.compare(Compare::Gt, a[0], a[1]);
                let difference = lower.binary(Binary::Subtract, a[0], a[1]);
                lower.select(greater, difference, zero)
            }
            C::Mad | C::Mad24 => {
                let product = lower.binary(Binary::Multiply, a[0], a[1]);
                lower.binary(Binary::Add, product, a[2])
            }
            C::Mul24 => lower.binary(Binary::Multiply, a[0], a[1]),
            C::MadHi => {
                let high = lower.pure(OpKind::Integer(Integer::MulHi, s), s, &a[..2]);
                lower.binary(Binary::Add, high, a[2])
            }
            C::MadSat => {
                let product = lower.binary(Binary::Multiply, a[0], a[1]);
                lower.pure(OpKind::Integer(Integer::AddSaturated, s), s, &[product, a[2]])
            }
            C::Min3 | C::Max3 => {
                let op = if composed == C::Min3 { Binary::Min } else { Binary::Max };
                let first = lower.binary(op, a[0], a[1]);
                lower.binary(op, first, a[2])
            }
            C::Median3 => {
                let low = lower.binary(Binary::Min, a[0], a[1]);
                let high = lower.binary(Binary::Max, a[0], a[1]);
                let capped = lower.binary(Binary::Min, high, a[2]);
                lower.binary(Binary::Max, low, capped)
            }
            C::Divide => lower.binary(Binary::Divide, a[0], a[1]),
            _ => a[0],
        }))
    }

    /// `select(a, b, c)`: b where c is true. With integers for c, their highest bit counts for vectors.
    fn select_function(&mut self, values: Vec<Value>, span: Span) -> Result<Value> {
        let [a, b, c]: [Value; 3] = values.try_into().map_err(|_| crate::diagnostic::Reported)?;
        if self.types.numeric(c.ty).is_some_and(|(_, n)| n > 1) {
            return self.choose_vector(&c, b, a, span);
        }
        let test = self.condition(c, span)?;
        let ty = if self.rank(b.ty, a.ty).is_some_and(|rank| rank < 8) || a.ty == b.ty {
            match (self.types.as_scalar(a.ty), self.types.as_scalar(b.ty)) {
                (Some(x), Some(y)) => self.types.scalar(crate::lower::convert::common(x, y)),
                _ => a.ty,
            }
        } else if self.rank(a.ty, b.ty).is_some() {
            b.ty
        } else {
            a.ty
        };
        let ty = match (self.types.as_scalar(a.ty), self.types.as_scalar(b.ty)) {
            (Some(x), Some(y)) if x == y => a.ty,
            _ => ty,
        };
        let (a, b) = (self.implicit(a, ty, span)?, self.implicit(b, ty, span)?);
        Ok(self.choose(test, &b, &a))
    }

    fn dot(&mut self, a: &[Operand], b: &[Operand]) -> Operand {
        let mut sum = None;
        for (x, y) in a.iter().zip(b) {
            let product = self.binary(Binary::Multiply, *x, *y);
            sum = Some(match sum {
                None => product,
                Some(sum) => self.binary(Binary::Add, sum, product),
            });
        }
        sum.unwrap_or(float(Scalar::F32, 0.0))
    }

    pub(super) fn geometry(
        &mut self,
        geometry: Geometry,
        name: &str,
        values: &[Value],
        precision: Precision,
        span: Span,
    ) -> Result<Value> {
        use Geometry as G;
        if matches!(geometry, G::Any | G::All) {
            self.arity(name, values, 1, span)?;
            let numbers = self.numbers(name, values, Class::Any, span)?;
            let op = if geometry == G::Any { Binary::Or } else { Binary::And };
            let mut whole = constant(Scalar::Bool, u64::from(geometry == G::All));
            for part in &numbers.parts[0] {
                let part = self.convert_scalar(*part, Scalar::Bool);
                whole = self.binary(op, whole, part);
            }
            return Ok(self.boolean(whole));
        }
        let n = match geometry {
            G::Length | G::LengthSquared | G::Normalize => 1,
            G::Faceforward => 3,
            _ => 2,
        };
        self.arity(name, values, n, span)?;
        let class = if geometry == G::Dot { Class::Any } else { Class::Float };
        let numbers = self.numbers(name, values, class, span)?;
        let scalar = numbers.scalar;
        let p = &numbers.parts;
        let one = match geometry {
            G::Dot => self.dot(&p[0], &p[1]),
            G::LengthSquared => self.dot(&p[0], &p[0]),
            G::Length => {
                let square = self.dot(&p[0], &p[0]);
                self.math_op(Math::Sqrt, precision, scalar, &[square])
            }
            G::Distance | G::DistanceSquared => {
                let apart: Parts =
                    p[0].iter().zip(&p[1]).map(|(a, b)| self.binary(Binary::Subtract, *a, *b)).collect();
                let square = self.dot(&apart, &apart);
                if geometry == G::DistanceSquared {
                    square
                } else {
                    self.math_op(Math::Sqrt, precision, scalar, &[square])
                }
            }
            G::Normalize => {
                let square = self.dot(&p[0], &p[0]);
                let scale = self.math_op(Math::Rsqrt, precision, scalar, &[square]);
                return Ok(self.map(&numbers, |lower, a| lower.binary(Binary::Multiply, a[0], scale)));
            }
            G::Cross => {
                if numbers.n != 3 {
                    return Err(self.does_not_take(
                        name,
                        values,
                        span,
                        Some("it takes two vectors of 3 components"),
                    ));
                }
                let mut parts = Parts::new();
                for (i, j) in [(1, 2), (2, 0), (0, 1)] {
                    let left = self.binary(Binary::Multiply, p[0][i], p[1][j]);
                    let right = self.binary(Binary::Multiply, p[0][j], p[1][i]);
                    parts.push(self.binary(Binary::Subtract, left, right));
                }
                let ty = self.types.vector(scalar, 3);
                return Ok(Value { ty, parts });
            }
            G::Reflect => {
                let along = self.dot(&p[1], &p[0]);
                let twice = self.binary(Binary::Multiply, float(scalar, 2.0), along);
                return Ok(self.map(&numbers, |lower, a| {
                    let part = lower.binary(Binary::Multiply, twice, a[1]);
                    lower.binary(Binary::Subtract, a[0], part)
                }));
            }
            G::Faceforward => {
                let along = self.dot(&p[2], &p[1]);
                let toward = self.compare(Compare::Lt, along, float(scalar, 0.0));
                return Ok(self.map(&numbers, |lower, a| {
                    let back = lower.unary(Unary::Negate, a[0]);
                    lower.select(toward, a[0], back)
                }));
            }
            G::Any | G::All => constant(Scalar::Bool, 0),
        };
        let ty = self.types.scalar(scalar);
        Ok(Value::new(ty, [one]))
    }

    /// Functions that write their second argument.
    pub(super) fn with_output(
        &mut self,
        composed: Composed,
        name: &str,
        args: Vec<Outcome<'a>>,
        precision: Precision,
        span: Span,
    ) -> Result<Value> {
        let [first, second]: [Outcome<'a>; 2] = args.try_into().map_err(|args: Vec<Outcome<'a>>| {
            self.sink.error(Kind::Type, span, format!("`{name}` takes 2 arguments, got {}", args.len()))
        })?;
        let value = self.value_of(first)?;
        let place: Place = match second {
            Outcome::Place(place) if !place.is_const => place,
            _ => {
                let message = format!("`{name}` writes its second argument: expected a variable");
                return Err(self.sink.error(Kind::Type, span, message));
            }
        };
        let numbers = self.numbers(name, &[value], Class::Float, span)?;
        let s = numbers.scalar;
        let mut results = Parts::new();
        let first = self.map(&numbers, |lower, a| match composed {
            Composed::Sincos => {
                results.push(lower.math_op(Math::Cos, precision, s, a));
                lower.math_op(Math::Sin, precision, s, a)
            }
            Composed::Modf => {
                let whole = lower.math_op(Math::Trunc, precision, s, a);
                results.push(whole);
                let part = lower.binary(Binary::Subtract, a[0], whole);
                lower.math_op(Math::Copysign, precision, s, &[part, a[0]])
            }
            _ => {
                // The exponent so that the rest is in [0.5, 1).
                let size = lower.math_op(Math::Abs, precision, s, a);
                let log = lower.math_op(Math::Log2, precision, s, &[size]);
                let floor = lower.math_op(Math::Floor, precision, s, &[log]);
                let floor = lower.convert_scalar(floor, Scalar::I32);
                let up = lower.binary(Binary::Add, floor, constant(Scalar::I32, 1));
                let zero = lower.compare(Compare::Eq, a[0], float(s, 0.0));
                let exponent = lower.select(zero, constant(Scalar::I32, 0), up);
                results.push(exponent);
                let back = lower.unary(Unary::Negate, exponent);
                lower.math_op(Math::Ldexp, precision, s, &[a[0], back])
            }
        });
        let result_scalar = if composed == Composed::Frexp { Scalar::I32 } else { s };
        let ty = self.types.vector(result_scalar, numbers.n);
        let to = self.place_type(&place);
        let second = self.implicit(Value { ty, parts: results }, to, span)?;
        self.store(&place, &second)?;
        Ok(first)
    }
}

/// A constant of an unsigned integer.
pub(super) fn unsigned(value: u32) -> Operand {
    Operand::Const(Const::new(Scalar::U32, value.into()))
}
