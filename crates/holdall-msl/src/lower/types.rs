//! Types of expressions: interned, with their layout in memory and the scalars that they consist of.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::scope::Binding;
use crate::ast;
use crate::ir::Cell;
use crate::limits;
use crate::scalar::{Scalar, Space};
use crate::symbol::Symbol;

/// A type, by its index in [`Types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ty(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TyKind {
    Void,
    Scalar(Scalar),
    Vector(Scalar, u8),
    /// A vector that is aligned like its elements.
    Packed(Scalar, u8),
    Atomic(Scalar),
    /// 8×8, of which each thread of a SIMD group has two elements.
    Matrix(Scalar),
    Array(Ty, u32),
    Pointer {
        to: Ty,
        space: Space,
        is_const: bool,
    },
    /// The type of `nullptr`.
    Null,
    Struct(u32),
    /// A lambda: it is what its expression is.
    Closure(u32),
}

/// A struct, instantiated if it is a template.
#[derive(Clone, Debug)]
pub(crate) struct StructInfo<'a> {
    pub name: String,
    pub decl: &'a ast::Struct,
    pub namespace: u32,
    pub is_prelude: bool,
    /// The template's parameters, and the outer struct's.
    pub bindings: Rc<[(Symbol, Binding<'a>)]>,
    /// The template arguments, for deduction.
    pub args: Rc<[(Symbol, Binding<'a>)]>,
    pub fields: Vec<Field<'a>>,
    pub size: u32,
    pub align: u32,
    pub is_complete: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    pub name: Symbol,
    pub ty: Ty,
    pub offset: u32,
    pub decl: &'a ast::Variable,
}

/// A scalar or pointer inside of a type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf {
    pub offset: u32,
    pub cell: Cell,
}

/// All types of a compilation.
#[derive(Debug, Default)]
pub(crate) struct Types<'a> {
    kinds: Vec<TyKind>,
    map: FxHashMap<TyKind, Ty>,
    leaves: FxHashMap<Ty, Rc<[Leaf]>>,
    pub structs: Vec<StructInfo<'a>>,
}

impl<'a> Types<'a> {
    pub(crate) fn intern(&mut self, kind: TyKind) -> Ty {
        *self.map.entry(kind).or_insert_with(|| {
            self.kinds.push(kind);
            Ty(self.kinds.len() as u32 - 1)
        })
    }

    pub(crate) fn kind(&self, ty: Ty) -> TyKind {
        self.kinds[ty.0 as usize]
    }

    pub(crate) fn void(&mut self) -> Ty {
        self.intern(TyKind::Void)
    }

    pub(crate) fn scalar(&mut self, scalar: Scalar) -> Ty {
        self.intern(TyKind::Scalar(scalar))
    }

    /// A vector, or a scalar where `n` is 1.
    pub(crate) fn vector(&mut self, scalar: Scalar, n: u8) -> Ty {
        if n == 1 { self.scalar(scalar) } else { self.intern(TyKind::Vector(scalar, n)) }
    }

    pub(crate) fn pointer(&mut self, to: Ty, space: Space, is_const: bool) -> Ty {
        self.intern(TyKind::Pointer { to, space, is_const })
    }

    pub(crate) fn structure(&self, ty: Ty) -> Option<&StructInfo<'a>> {
        match self.kind(ty) {
            TyKind::Struct(id) => Some(&self.structs[id as usize]),
            _ => None,
        }
    }

    /// Element type and count of scalars and vectors, packed ones too.
    pub(crate) fn numeric(&self, ty: Ty) -> Option<(Scalar, u8)> {
        match self.kind(ty) {
            TyKind::Scalar(scalar) => Some((scalar, 1)),
            TyKind::Vector(scalar, n) | TyKind::Packed(scalar, n) => Some((scalar, n)),
            _ => None,
        }
    }

    /// The scalar type of a type that is one.
    pub(crate) fn as_scalar(&self, ty: Ty) -> Option<Scalar> {
        match self.kind(ty) {
            TyKind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Size and alignment in bytes. They saturate: who makes objects checks the size.
    pub(crate) fn layout(&self, ty: Ty) -> (u64, u64) {
        match self.kind(ty) {
            TyKind::Void | TyKind::Closure(_) => (1, 1),
            TyKind::Scalar(scalar) | TyKind::Atomic(scalar) => (scalar.size().into(), scalar.size().into()),
            TyKind::Vector(scalar, n) => {
                let size = u64::from(scalar.size()) * u64::from(n.next_power_of_two());
                (size, size)
            }
            TyKind::Packed(scalar, n) => (u64::from(scalar.size()) * u64::from(n), scalar.size().into()),
            TyKind::Matrix(scalar) => (u64::from(scalar.size()) * 2, u64::from(scalar.size()) * 2),
            TyKind::Array(element, n) => {
                let (size, align) = self.layout(element);
                (size.saturating_mul(n.into()), align)
            }
            TyKind::Pointer { .. } | TyKind::Null => (8, 8),
            TyKind::Struct(id) => {
                let info = &self.structs[id as usize];
                (info.size.into(), info.align.into())
            }
        }
    }

    /// How many scalars a value of the type has, at most a little over the limit.
    pub(crate) fn n_leaves(&self, ty: Ty) -> usize {
        let bound = limits::VALUE_SCALARS + 1;
        match self.kind(ty) {
            TyKind::Void | TyKind::Closure(_) => 0,
            TyKind::Scalar(_) | TyKind::Atomic(_) | TyKind::Pointer { .. } | TyKind::Null => 1,
            TyKind::Vector(_, n) | TyKind::Packed(_, n) => n.into(),
            TyKind::Matrix(_) => 2,
            TyKind::Array(element, n) => self.n_leaves(element).saturating_mul(n as usize).min(bound),
            TyKind::Struct(id) => {
                let fields = &self.structs[id as usize].fields;
                fields
                    .iter()
                    .fold(0, |sum: usize, field| sum.saturating_add(self.n_leaves(field.ty)).min(bound))
            }
        }
    }

    /// The scalars of a type in the order of values. Callers have checked [`Self::n_leaves`].
    pub(crate) fn leaves(&mut self, ty: Ty) -> Rc<[Leaf]> {
        if let Some(leaves) = self.leaves.get(&ty) {
            return leaves.clone();
        }
        let mut list = Vec::new();
        self.collect(ty, 0, &mut list);
        let leaves: Rc<[Leaf]> = list.into();
        self.leaves.insert(ty, leaves.clone());
        leaves
    }

    fn collect(&self, ty: Ty, base: u32, out: &mut Vec<Leaf>) {
        if out.len() > limits::VALUE_SCALARS {
            return;
        }
        let mut cells = |scalar: Scalar, n: u32| {
            for i in 0..n {
                out.push(Leaf { offset: base + i * scalar.size(), cell: Cell::Scalar(scalar) });
            }
        };
        match self.kind(ty) {
            TyKind::Void | TyKind::Closure(_) => {}
            TyKind::Scalar(scalar) | TyKind::Atomic(scalar) => cells(scalar, 1),
            TyKind::Vector(scalar, n) | TyKind::Packed(scalar, n) => cells(scalar, n.into()),
            TyKind::Matrix(scalar) => cells(scalar, 2),
            TyKind::Pointer { .. } | TyKind::Null => out.push(Leaf { offset: base, cell: Cell::Pointer }),
            TyKind::Array(element, n) => {
                let size = self.layout(element).0 as u32;
                for i in 0..n {
                    self.collect(element, base.wrapping_add(i.wrapping_mul(size)), out);
                }
            }
            TyKind::Struct(id) => {
                for field in &self.structs[id as usize].fields {
                    self.collect(field.ty, base.wrapping_add(field.offset), out);
                }
            }
        }
    }

    /// How messages call a type.
    pub(crate) fn name(&self, ty: Ty) -> String {
        match self.kind(ty) {
            TyKind::Void => "void".to_owned(),
            TyKind::Scalar(scalar) => scalar.msl().to_owned(),
            TyKind::Vector(scalar, n) => format!("{}{n}", scalar.msl()),
            TyKind::Packed(scalar, n) => format!("packed_{}{n}", scalar.msl()),
            TyKind::Atomic(scalar) => format!("atomic<{}>", scalar.msl()),
            TyKind::Matrix(scalar) => format!("simdgroup_{}8x8", scalar.msl()),
            TyKind::Array(element, n) => format!("{}[{n}]", self.name(element)),
            TyKind::Pointer { to, space, is_const } => {
                format!("{}{space} {}*", if is_const { "const " } else { "" }, self.name(to))
            }
            TyKind::Null => "nullptr".to_owned(),
            TyKind::Struct(id) => self.structs[id as usize].name.clone(),
            TyKind::Closure(_) => "a lambda".to_owned(),
        }
    }
}
