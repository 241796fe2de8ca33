//! The functions of the language.

mod math;
mod memory;
mod simd;

use rustc_hash::FxHashMap;

use super::Lower;
use super::types::Ty;
use super::value::{Outcome, Parts, Value};
use crate::ast::TemplateArg;
use crate::diagnostic::{Kind, Reported, Result};
use crate::ir::{Atomic, Binary, Integer, Math, Precision, Scope, Simd, Test};
use crate::scalar::Scalar;
use crate::source::Span;

/// A function of the language.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Builtin {
    /// A float function, component by component.
    Math(Math),
    Test(Test),
    /// `min` and `max` of floats only.
    FloatMinMax(Binary),
    /// `min` and `max` of any number.
    MinMax(Binary),
    Integer(Integer),
    Composed(Composed),
    Geometry(Geometry),
    Simd(Simd),
    Atomic(Atomic),
    Barrier(Scope),
    Fence,
    MatrixLoad,
    MatrixStore,
    MatrixMultiply,
    MatrixMultiplyAccumulate,
    MatrixFilled,
    MatrixDiagonal,
    Unsupported(&'static str),
}

/// Functions that are a few operations, component by component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Composed {
    Abs,
    Clamp,
    Saturate,
    Sign,
    Mix,
    Step,
    Smoothstep,
    Fract,
    Fdim,
    Select,
    Mad,
    Min3,
    Max3,
    Median3,
    Divide,
    Sincos,
    Modf,
    Frexp,
    MadHi,
    MadSat,
    Mul24,
    Mad24,
    Ordered,
    Unordered,
    Ilogb,
}

/// Functions of whole vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Geometry {
    Dot,
    Length,
    LengthSquared,
    Distance,
    DistanceSquared,
    Normalize,
    Cross,
    Reflect,
    Faceforward,
    Any,
    All,
}

/// The functions by name.
#[derive(Debug)]
pub(crate) struct Functions(FxHashMap<&'static str, Builtin>);

impl Functions {
    pub(crate) fn find(&self, name: &str) -> Option<Builtin> {
        self.0.get(name).copied()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.keys().copied()
    }
}

pub(crate) fn functions() -> Functions {
    use Composed as C;
    use Geometry as G;
    let mut map = FxHashMap::default();
    // `abs` is of floats and integers.
    let math = Math::ALL.iter().filter(|m| **m != Math::Abs);
    map.extend(math.map(|m| (m.name(), Builtin::Math(*m))));
    map.extend([("fabs", Builtin::Math(Math::Abs))]);
    map.extend(Test::ALL.iter().map(|t| (t.name(), Builtin::Test(*t))));
    let integers = Integer::ALL.iter().filter(|i| **i != Integer::Abs);
    map.extend(integers.map(|i| (i.name(), Builtin::Integer(*i))));
    map.extend(Simd::ALL.iter().map(|s| (s.name(), Builtin::Simd(*s))));
    map.extend([
        ("fmin", Builtin::FloatMinMax(Binary::Min)),
        ("fmax", Builtin::FloatMinMax(Binary::Max)),
        ("min", Builtin::MinMax(Binary::Min)),
        ("max", Builtin::MinMax(Binary::Max)),
    ]);
    let composed = [
        ("abs", C::Abs),
        ("clamp", C::Clamp),
        ("saturate", C::Saturate),
        ("sign", C::Sign),
        ("mix", C::Mix),
        ("step", C::Step),
        ("smoothstep", C::Smoothstep),
        ("fract", C::Fract),
        ("fdim", C::Fdim),
        ("select", C::Select),
        ("mad", C::Mad),
        ("min3", C::Min3),
        ("max3", C::Max3),
        ("fmin3", C::Min3),
        ("fmax3", C::Max3),
        ("median3", C::Median3),
        ("fmedian3", C::Median3),
        ("divide", C::Divide),
        ("sincos", C::Sincos),
        ("modf", C::Modf),
        ("frexp", C::Frexp),
        ("madhi", C::MadHi),
        ("madsat", C::MadSat),
        ("mul24", C::Mul24),
        ("mad24", C::Mad24),
        ("isordered", C::Ordered),
        ("isunordered", C::Unordered),
        ("ilogb", C::Ilogb),
    ];
    map.extend(composed.map(|(name, c)| (name, Builtin::Composed(c))));
    let geometry = [
        ("dot", G::Dot),
        ("length", G::Length),
        ("length_squared", G::LengthSquared),
        ("distance", G::Distance),
        ("distance_squared", G::DistanceSquared),
        ("normalize", G::Normalize),
        ("cross", G::Cross),
        ("reflect", G::Reflect),
        ("faceforward", G::Faceforward),
        ("any", G::Any),
        ("all", G::All),
    ];
    map.extend(geometry.map(|(name, g)| (name, Builtin::Geometry(g))));
    let atomic = [
        ("atomic_load_explicit", Atomic::Load),
        ("atomic_store_explicit", Atomic::Store),
        ("atomic_exchange_explicit", Atomic::Exchange),
        ("atomic_compare_exchange_weak_explicit", Atomic::CompareExchange),
        ("atomic_compare_exchange_strong_explicit", Atomic::CompareExchange),
        ("atomic_fetch_add_explicit", Atomic::Add),
        ("atomic_fetch_sub_explicit", Atomic::Subtract),
        ("atomic_fetch_min_explicit", Atomic::Min),
        ("atomic_fetch_max_explicit", Atomic::Max),
        ("atomic_fetch_and_explicit", Atomic::And),
        ("atomic_fetch_or_explicit", Atomic::Or),
        ("atomic_fetch_xor_explicit", Atomic::Xor),
    ];
    map.extend(atomic.map(|(name, a)| (name, Builtin::Atomic(a))));
    map.extend([
        ("threadgroup_barrier", Builtin::Barrier(Scope::Threadgroup)),
        ("simdgroup_barrier", Builtin::Barrier(Scope::Simdgroup)),
        ("atomic_thread_fence", Builtin::Fence),
        ("simdgroup_load", Builtin::MatrixLoad),
        ("simdgroup_store", Builtin::MatrixStore),
        ("simdgroup_multiply", Builtin::MatrixMultiply),
        ("simdgroup_multiply_accumulate", Builtin::MatrixMultiplyAccumulate),
        ("make_filled_simdgroup_matrix", Builtin::MatrixFilled),
        ("make_diagonal_simdgroup_matrix", Builtin::MatrixDiagonal),
    ]);
    for (name, what) in [
        ("printf", "printf"),
        ("simdgroup_async_copy", "asynchronous copies"),
        ("dfdx", "derivatives"),
        ("dfdy", "derivatives"),
        ("discard_fragment", "fragment functions"),
        ("refract", "`refract`"),
    ] {
        map.insert(name, Builtin::Unsupported(what));
    }
    Functions(map)
}

/// Arguments of one element type and width.
struct Numbers {
    scalar: Scalar,
    n: u8,
    parts: Vec<Parts>,
}

/// What a function accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Float,
    Integer,
    Any,
}

impl<'a> Lower<'a> {
    pub(crate) fn builtin(
        &mut self,
        function: Builtin,
        name: &str,
        scope: Option<&str>,
        explicit: Option<&'a [TemplateArg]>,
        args: Vec<Outcome<'a>>,
        span: Span,
    ) -> Result<Value> {
        let precision = match scope {
            Some("fast") => Precision::Fast,
            Some("precise") => Precision::Precise,
            _ => Precision::Default,
        };
        self.check_size(span)?;
        match function {
            Builtin::Composed(c @ (Composed::Sincos | Composed::Modf | Composed::Frexp)) => {
                return self.with_output(c, name, args, precision, span);
            }
            Builtin::MatrixLoad => return self.matrix_load(args, span),
            Builtin::MatrixMultiply => return self.matrix_multiply(name, args, false, span),
            Builtin::MatrixMultiplyAccumulate => return self.matrix_multiply(name, args, true, span),
            _ => {}
        }
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            values.push(self.value_of(arg)?);
        }
        match function {
            Builtin::Math(math) => self.math(math, name, &values, precision, span),
            Builtin::Test(test) => self.test_float(test, name, &values, span),
            Builtin::FloatMinMax(op) => self.min_max(op, name, &values, Class::Float, span),
            Builtin::MinMax(op) => self.min_max(op, name, &values, Class::Any, span),
            Builtin::Integer(integer) => self.integer(integer, name, &values, span),
            Builtin::Composed(composed) => self.composed(composed, name, values, precision, span),
            Builtin::Geometry(geometry) => self.geometry(geometry, name, &values, precision, span),
            Builtin::Simd(simd) => self.simd(simd, name, &values, span),
            Builtin::Atomic(atomic) => self.atomic(atomic, name, &values, span),
            Builtin::Barrier(scope) => self.barrier(scope, name, &values, span),
            Builtin::Fence => self.fence(name, &values, span),
            Builtin::MatrixStore => self.matrix_store(&values, span),
            Builtin::MatrixFilled => self.matrix_made(name, explicit, &values, false, span),
            Builtin::MatrixDiagonal => self.matrix_made(name, explicit, &values, true, span),
            Builtin::MatrixLoad | Builtin::MatrixMultiply | Builtin::MatrixMultiplyAccumulate => {
                Err(Reported)
            }
            Builtin::Unsupported(what) => {
                let plural = if what.ends_with('s') { "are" } else { "is" };
                Err(self.sink.error(Kind::Unsupported, span, format!("{what} {plural} not supported")))
            }
        }
    }

    fn arity(&mut self, name: &str, values: &[Value], n: usize, span: Span) -> Result<()> {
        if values.len() == n {
            return Ok(());
        }
        let message =
            format!("`{name}` takes {n} argument{}, got {}", if n == 1 { "" } else { "s" }, values.len());
        Err(self.sink.error(Kind::Type, span, message))
    }

    fn does_not_take(&mut self, name: &str, values: &[Value], span: Span, note: Option<&str>) -> Reported {
        let types: Vec<String> = values.iter().map(|value| self.types.name(value.ty)).collect();
        let message = format!("`{name}` does not take ({})", types.join(", "));
        let notes = note.into_iter().map(|note| (note.to_owned(), None)).collect();
        self.sink.error_with(Kind::Type, span, message, notes)
    }

    fn ambiguous(&mut self, name: &str, values: &[Value], span: Span, note: &str) -> Reported {
        let types: Vec<String> = values.iter().map(|value| self.types.name(value.ty)).collect();
        let message = format!("the call `{name}({})` is ambiguous", types.join(", "));
        self.sink.error_with(Kind::Type, span, message, vec![(note.to_owned(), None)])
    }

    /// Brings arguments to one element type and one number of components, as overload resolution would.
    fn numbers(&mut self, name: &str, values: &[Value], class: Class, span: Span) -> Result<Numbers> {
        let mut types = Vec::with_capacity(values.len());
        for value in values {
            match self.types.numeric(value.ty) {
                Some(numeric) => types.push(numeric),
                None => return Err(self.does_not_take(name, values, span, None)),
            }
        }
        let n = types.iter().map(|(_, n)| *n).max().unwrap_or(1);
        if types.iter().any(|(_, m)| *m != 1 && *m != n) {
            return Err(self.does_not_take(name, values, span, Some("the vectors have different sizes")));
        }
        let scalar = if n > 1 {
            // Scalars become the vectors' elements.
            let mut vectors = types.iter().filter(|(_, m)| *m == n).map(|(scalar, _)| *scalar);
            let first = vectors.next().unwrap_or(Scalar::F32);
            if vectors.any(|other| other != first) {
                return Err(self.does_not_take(
                    name,
                    values,
                    span,
                    Some("the vectors have different elements"),
                ));
            }
            if types.iter().any(|(s, m)| *m == 1 && s.is_float() && !first.is_float()) {
                return Err(self.does_not_take(name, values, span, None));
            }
            first
        } else {
            let scalars: Vec<Scalar> = types.iter().map(|(scalar, _)| *scalar).collect();
            match common_argument(&scalars, class) {
                Ok(scalar) => scalar,
                Err(note) => return Err(self.ambiguous(name, values, span, note)),
            }
        };
        let fits = match class {
            Class::Float => scalar.is_float(),
            Class::Integer => scalar.is_integer(),
            Class::Any => true,
        };
        if !fits {
            let note = if class == Class::Float {
                "it is a function of floats"
            } else {
                "it is a function of integers"
            };
            return Err(self.does_not_take(name, values, span, Some(note)));
        }
        let parts = values
            .iter()
            .map(|value| {
                let parts: Parts =
                    value.parts.iter().map(|part| self.convert_scalar(*part, scalar)).collect();
                if parts.len() == 1 { std::iter::repeat_n(parts[0], n.into()).collect() } else { parts }
            })
            .collect();
        Ok(Numbers { scalar, n, parts })
    }

    fn vector_type(&mut self, numbers: &Numbers) -> Ty {
        self.types.vector(numbers.scalar, numbers.n)
    }
}

/// The type of the overload that scalars select.
fn common_argument(scalars: &[Scalar], class: Class) -> std::result::Result<Scalar, &'static str> {
    let floats: Vec<Scalar> = scalars.iter().copied().filter(|s| s.is_float()).collect();
    let integers: Vec<Scalar> = scalars.iter().copied().filter(|s| s.is_integer()).collect();
    if class == Class::Float || !floats.is_empty() {
        if class == Class::Any && !integers.is_empty() {
            return Err("floats and integers do not mix here: write a float, such as `0.0f`, or convert");
        }
        let Some(first) = floats.first() else { return Ok(Scalar::F32) };
        return Ok(if floats.iter().all(|s| s == first) { *first } else { Scalar::F32 });
    }
    let Some(first) = integers.first() else { return Ok(Scalar::I32) };
    if integers.iter().all(|s| s == first) && *first != Scalar::Bool {
        return Ok(*first);
    }
    // All others have to fit into the widest: an overload of another signedness would be as good.
    let widest = integers.iter().copied().max_by_key(|s| (super::convert::promoted(*s).size(), s.size()));
    let widest = super::convert::promoted(widest.unwrap_or(Scalar::I32));
    let fits = |s: &Scalar| {
        *s == widest
            || *s == Scalar::Bool
            || (s.size() < widest.size() && (widest.is_signed() || !s.is_signed()))
    };
    if integers.iter().all(fits) {
        Ok(widest)
    } else {
        Err("signed and unsigned integers do not mix here: convert one of them")
    }
}
