//! Values and places, and going from one to the other.

use smallvec::SmallVec;

use super::emit::int64;
use super::types::{Ty, TyKind};
use super::{Lower, scope::Closure};
use crate::diagnostic::{Kind, Result};
use crate::ir::{Cell, ObjectKind, OpKind, Operand};
use crate::limits;
use crate::scalar::{Scalar, Space};
use crate::source::Span;

/// The scalars of a value.
pub(crate) type Parts = SmallVec<[Operand; 4]>;

/// A value: the scalars that it consists of. A pointer is an object and an offset.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub ty: Ty,
    pub parts: Parts,
}

/// A piece of memory that holds a value.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub ty: Ty,
    pub space: Space,
    pub is_const: bool,
    pub object: Operand,
    pub offset: Operand,
    /// Several components of the vector at this place, in another order.
    pub swizzle: Option<Swizzle>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Swizzle {
    pub indices: [u8; 4],
    pub n: u8,
}

impl Swizzle {
    pub(crate) fn indices(&self) -> &[u8] {
        &self.indices[..usize::from(self.n)]
    }
}

/// What an expression gives.
#[derive(Clone, Debug)]
pub(crate) enum Outcome<'a> {
    Place(Place),
    Value(Value),
    Closure(Closure<'a>),
}

impl Value {
    pub(crate) fn new(ty: Ty, parts: impl IntoIterator<Item = Operand>) -> Self {
        Self { ty, parts: parts.into_iter().collect() }
    }

    /// The only scalar.
    pub(crate) fn single(&self) -> Operand {
        self.parts.first().copied().unwrap_or(int64(0))
    }

    pub(crate) fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| part.as_const().is_some())
    }
}

impl<'a> Lower<'a> {
    /// The type that a place has when it is read.
    pub(crate) fn place_type(&mut self, place: &Place) -> Ty {
        match (place.swizzle, self.types.numeric(place.ty)) {
            (Some(swizzle), Some((scalar, _))) => self.types.vector(scalar, swizzle.n),
            _ => place.ty,
        }
    }

    fn check_parts(&mut self, ty: Ty) -> Result<()> {
        if self.types.n_leaves(ty) > limits::VALUE_SCALARS {
            let message = format!(
                "`{}` has more than {} scalars, too many for a value",
                self.types.name(ty),
                limits::VALUE_SCALARS
            );
            return Err(self.sink.error(Kind::Limit, self.at, message));
        }
        self.check_size(self.at)
    }

    /// Reads a place. Arrays become pointers to their first element.
    pub(crate) fn load(&mut self, place: &Place) -> Result<Value> {
        if let TyKind::Array(element, _) = self.types.kind(place.ty) {
            let ty = self.types.pointer(element, place.space, place.is_const);
            return Ok(Value::new(ty, [place.object, place.offset]));
        }
        let value = self.load_whole(place)?;
        let Some(swizzle) = place.swizzle else { return Ok(value) };
        let ty = self.place_type(place);
        Ok(Value::new(ty, swizzle.indices().iter().map(|i| value.parts[usize::from(*i)])))
    }

    /// Reads a place, arrays scalar by scalar.
    pub(crate) fn load_whole(&mut self, place: &Place) -> Result<Value> {
        self.check_parts(place.ty)?;
        let leaves = self.types.leaves(place.ty);
        let mut parts = Parts::new();
        let mut at = 0;
        while at < leaves.len() {
            let (n, align) = self.run(place.ty, &leaves, at);
            let offset = self.offset_by(place.offset, leaves[at].offset.into());
            parts.extend(self.load_cells(place.space, leaves[at].cell, n, align, place.object, offset));
            at += n;
        }
        Ok(Value { ty: place.ty, parts })
    }

    /// How many cells one access takes from a leaf on, and their alignment: a vector is accessed as a whole.
    fn run(&self, ty: Ty, leaves: &[super::types::Leaf], at: usize) -> (usize, u64) {
        let align = self.types.layout(ty).1;
        match self.types.kind(ty) {
            TyKind::Vector(..) | TyKind::Packed(..) => (leaves.len() - at, align),
            _ => (1, leaves[at].cell.size().into()),
        }
    }

    /// Writes a place.
    pub(crate) fn store(&mut self, place: &Place, value: &Value) -> Result<()> {
        self.check_parts(place.ty)?;
        if let Some(swizzle) = place.swizzle
            && let Some((scalar, _)) = self.types.numeric(place.ty)
        {
            for (i, part) in swizzle.indices().iter().zip(value.parts.iter()) {
                let bytes = i64::from(*i) * i64::from(scalar.size());
                let offset = self.offset_by(place.offset, bytes);
                let cell = Cell::Scalar(scalar);
                self.store_cells(place.space, cell, scalar.size().into(), place.object, offset, &[*part]);
            }
            return Ok(());
        }
        let leaves = self.types.leaves(place.ty);
        let (mut at, mut part) = (0, 0);
        while at < leaves.len() {
            let (n, align) = self.run(place.ty, &leaves, at);
            let cell = leaves[at].cell;
            let n_parts = n * cell.n_registers();
            let Some(values) = value.parts.get(part..part + n_parts) else { break };
            let offset = self.offset_by(place.offset, leaves[at].offset.into());
            self.store_cells(place.space, cell, align, place.object, offset, values);
            at += n;
            part += n_parts;
        }
        Ok(())
    }

    /// A new variable of the thread, without a value.
    pub(crate) fn variable(&mut self, name: &str, ty: Ty, span: Span) -> Result<Place> {
        let layout = self.types.layout(ty);
        let object = self.object(name.to_owned(), ObjectKind::Thread, Space::Thread, layout, span)?;
        let object = Operand::Object(object);
        Ok(Place { ty, space: Space::Thread, is_const: false, object, offset: int64(0), swizzle: None })
    }

    /// Says that a variable holds nothing from here on.
    pub(crate) fn fresh(&mut self, place: &Place) {
        self.operation(OpKind::Fresh, &[], &[place.object]);
    }

    /// A table with a constant value; `None` if the value is not constant.
    pub(crate) fn table(&mut self, name: &str, value: &Value, span: Span) -> Result<Option<Place>> {
        if !value.is_constant() {
            return Ok(None);
        }
        let (size, align) = self.types.layout(value.ty);
        if size > limits::OBJECT_BYTES {
            return Ok(None);
        }
        let mut bytes = vec![0u8; size as usize];
        let leaves = self.types.leaves(value.ty);
        for (leaf, part) in leaves.iter().zip(value.parts.iter()) {
            let (start, n) = (leaf.offset as usize, leaf.cell.size() as usize);
            if let (Some(constant), Some(cell)) = (part.as_const(), bytes.get_mut(start..start + n)) {
                cell.copy_from_slice(&constant.bits.to_le_bytes()[..n]);
            }
        }
        let kind = ObjectKind::Table(bytes);
        let object = self.object(name.to_owned(), kind, Space::Constant, (size, align), span)?;
        let object = Operand::Object(object);
        let space = Space::Constant;
        Ok(Some(Place { ty: value.ty, space, is_const: true, object, offset: int64(0), swizzle: None }))
    }

    /// A place for a value that has none.
    pub(crate) fn materialise(&mut self, value: &Value, span: Span) -> Result<Place> {
        let place = self.variable("temporary", value.ty, span)?;
        self.store(&place, value)?;
        Ok(place)
    }

    /// The value of a place or of a value.
    pub(crate) fn value_of(&mut self, outcome: Outcome<'a>) -> Result<Value> {
        match outcome {
            Outcome::Value(value) => Ok(value),
            Outcome::Place(place) => self.load(&place),
            Outcome::Closure(closure) => {
                let ty = self.types.intern(TyKind::Closure(closure.id));
                Ok(Value::new(ty, []))
            }
        }
    }

    /// The memory that a pointer points to.
    pub(crate) fn pointee(&self, pointer: &Value) -> Option<Place> {
        let TyKind::Pointer { to, space, is_const } = self.types.kind(pointer.ty) else { return None };
        let (object, offset) = (*pointer.parts.first()?, *pointer.parts.get(1)?);
        Some(Place { ty: to, space, is_const, object, offset, swizzle: None })
    }

    /// A value of zeros.
    pub(crate) fn zero(&mut self, ty: Ty) -> Result<Value> {
        self.check_parts(ty)?;
        let leaves = self.types.leaves(ty);
        let mut parts = Parts::new();
        for leaf in leaves.iter() {
            match leaf.cell {
                Cell::Scalar(scalar) => parts.push(super::emit::constant(scalar, 0)),
                Cell::Pointer => parts.extend([Operand::Object(crate::ir::NULL), int64(0)]),
            }
        }
        Ok(Value { ty, parts })
    }

    pub(crate) fn boolean(&mut self, part: Operand) -> Value {
        let ty = self.types.scalar(Scalar::Bool);
        Value::new(ty, [part])
    }
}
