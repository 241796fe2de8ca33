//! The names of types that the language has by itself, and of what it has and this compiler has not.

use rustc_hash::FxHashMap;

use crate::parse::{NameKind, Names};
use crate::scalar::Scalar;
use crate::symbol::{Interner, Symbol};

/// A type by its name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnownType {
    Scalar(Scalar),
    Vector(Scalar, u8),
    Packed(Scalar, u8),
    Atomic(Scalar),
    Matrix(Scalar),
    /// `memory_order`, `mem_flags` and `thread_scope`, which are integers here.
    Flags,
}

/// Type templates of the language.
const TEMPLATES: &[&str] = &[
    "vec",
    "packed_vec",
    "atomic",
    "_atomic",
    "simdgroup_matrix",
    "is_same",
    "is_floating_point",
    "is_integral",
    "is_signed",
    "is_unsigned",
    "is_arithmetic",
    "is_scalar",
    "enable_if",
    "enable_if_t",
    "conditional",
    "conditional_t",
    "make_unsigned",
    "make_unsigned_t",
    "make_signed",
    "make_signed_t",
    "remove_cv_t",
    "remove_reference_t",
    "decay_t",
    "integral_constant",
    "bool_constant",
];

/// Value and function templates of the language that are named with arguments.
const VALUES: &[&str] = &[
    "is_same_v",
    "is_floating_point_v",
    "is_integral_v",
    "is_signed_v",
    "is_unsigned_v",
    "is_arithmetic_v",
    "is_scalar_v",
    "make_filled_simdgroup_matrix",
    "make_diagonal_simdgroup_matrix",
    "make_filled",
];

const SCALARS: &[(&str, Scalar)] = &[
    ("bool", Scalar::Bool),
    ("char", Scalar::I8),
    ("uchar", Scalar::U8),
    ("short", Scalar::I16),
    ("ushort", Scalar::U16),
    ("int", Scalar::I32),
    ("uint", Scalar::U32),
    ("long", Scalar::I64),
    ("ulong", Scalar::U64),
    ("half", Scalar::F16),
    ("float", Scalar::F32),
    ("bfloat", Scalar::BF16),
];

const ALIASES: &[(&str, Scalar)] = &[
    ("int8_t", Scalar::I8),
    ("uint8_t", Scalar::U8),
    ("int16_t", Scalar::I16),
    ("uint16_t", Scalar::U16),
    ("int32_t", Scalar::I32),
    ("uint32_t", Scalar::U32),
    ("int64_t", Scalar::I64),
    ("uint64_t", Scalar::U64),
    ("size_t", Scalar::U64),
    ("ptrdiff_t", Scalar::I64),
    ("uintptr_t", Scalar::U64),
    ("intptr_t", Scalar::I64),
    ("float16_t", Scalar::F16),
    ("float32_t", Scalar::F32),
    ("bfloat16_t", Scalar::BF16),
];

/// The known types by symbol.
pub(crate) type KnownTypes = FxHashMap<Symbol, KnownType>;

/// Puts all known types into tables for the parser and the type checker.
pub(crate) fn tables(interner: &mut Interner) -> (Names, KnownTypes) {
    let mut types = KnownTypes::default();
    let mut add = |text: &str, ty| types.insert(interner.intern(text), ty);
    for &(name, scalar) in SCALARS {
        add(name, KnownType::Scalar(scalar));
        for n in 2..=4 {
            add(&format!("{name}{n}"), KnownType::Vector(scalar, n));
            add(&format!("packed_{name}{n}"), KnownType::Packed(scalar, n));
        }
    }
    for &(name, scalar) in ALIASES {
        add(name, KnownType::Scalar(scalar));
    }
    for (name, scalar) in [
        ("atomic_int", Scalar::I32),
        ("atomic_uint", Scalar::U32),
        ("atomic_bool", Scalar::Bool),
        ("atomic_float", Scalar::F32),
        ("atomic_ulong", Scalar::U64),
    ] {
        add(name, KnownType::Atomic(scalar));
    }
    for (name, scalar) in [("float", Scalar::F32), ("half", Scalar::F16), ("bfloat", Scalar::BF16)] {
        add(&format!("simdgroup_{name}8x8"), KnownType::Matrix(scalar));
    }
    for name in ["memory_order", "mem_flags", "thread_scope"] {
        add(name, KnownType::Flags);
    }
    let mut names: Names = types.keys().map(|symbol| (*symbol, NameKind::Type)).collect();
    names.extend(TEMPLATES.iter().map(|text| (interner.intern(text), NameKind::TypeTemplate)));
    names.extend(VALUES.iter().map(|text| (interner.intern(text), NameKind::Template)));
    (names, types)
}

/// What to say about a type that MSL has and this compiler has not.
pub(crate) fn unsupported_type(name: &str) -> Option<String> {
    let what = if name.starts_with("texture") || name.starts_with("depth") && name.contains("2d") {
        "textures are"
    } else {
        match name {
            "sampler" => "samplers are",
            "imageblock" => "image blocks are",
            "visible_function_table" | "intersection_function_table" => "function tables are",
            "array_ref" => "array_ref is",
            "double" => "double is",
            "quad_group" => "quad groups are",
            "raytracing" | "intersector" | "acceleration_structure" => "ray tracing is",
            "tensor" | "tensor_handle" | "cooperative_tensor" => "tensors are",
            _ => return None,
        }
    };
    Some(format!("{what} not supported (`{name}`)"))
}
