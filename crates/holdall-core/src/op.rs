//! What the core knows of an op: everything but its kernels.

use std::any::Any;
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

use crate::Array;
use crate::dtype::Dtype;
use crate::error::Result;
use crate::pointwise::Row;
use crate::scalar::Scalar;
use crate::shape::{Dims, Layout};

/// Shape and type of an array that need not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    /// Sizes of the axes.
    pub shape: Dims,
    /// Type of the elements.
    pub dtype: Dtype,
}

impl Spec {
    /// The spec of an array of that shape and type.
    pub fn new(shape: impl Into<Dims>, dtype: Dtype) -> Self {
        Self { shape: shape.into(), dtype }
    }

    /// Elements.
    pub fn size(&self) -> usize {
        crate::shape::size_of(&self.shape)
    }

    /// Bytes of a copy without gaps.
    pub fn bytes(&self) -> usize {
        self.size() * self.dtype.size()
    }
}

/// Specs of a node's outputs: nearly always one.
pub type Specs = SmallVec<[Spec; 1]>;

/// What a node computes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// An elementwise op of the table.
    Row(&'static Row),
    /// Elements in another type.
    Cast(Dtype),
    /// One value.
    Constant(Scalar),
    /// Everything else.
    Primitive(Handle),
    /// Each output is the input of that index: what an op becomes that runs as its decomposition.
    Alias,
    /// The same for an op that a transformation traces, which needs to know what it was: its own inputs come after
    /// those that are its outputs.
    Decomposed(Handle),
}

impl Op {
    /// The op's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Row(row) => row.name,
            Self::Cast(_) => "astype",
            Self::Constant(_) => "constant",
            Self::Primitive(p) | Self::Decomposed(p) => p.0.name(),
            Self::Alias => "alias",
        }
    }
}

/// A structured op behind a pointer; equal when type and parameters are.
#[derive(Clone, Debug)]
pub struct Handle(pub Arc<dyn Primitive>);

impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(&*other.0)
    }
}

impl Eq for Handle {}

impl Hash for Handle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.digest());
    }
}

/// Comparing, hashing and naming the type of an op's parameters. Every `Clone + PartialEq + Hash + Debug` type has it.
pub trait Parameters: Any + Debug + Send + Sync {
    /// Same type and same parameters.
    fn equals(&self, other: &dyn Primitive) -> bool;
    /// Equal ops have equal digests.
    fn digest(&self) -> u64;
    /// For looking up kernels by the op's type.
    fn as_any(&self) -> &dyn Any;
}

impl<T: Any + Debug + Send + Sync + PartialEq + Hash> Parameters for T {
    fn equals(&self, other: &dyn Primitive) -> bool {
        other.as_any().downcast_ref::<T>() == Some(self)
    }

    fn digest(&self) -> u64 {
        let mut hasher = rustc_hash::FxHasher::default();
        std::any::TypeId::of::<T>().hash(&mut hasher);
        self.hash(&mut hasher);
        hasher.finish()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A structured op: its parameters, and what follows from them without data.
///
/// Kernels are not here: each backend registers them by the op's type.
pub trait Primitive: Parameters {
    /// MLX's name.
    fn name(&self) -> &'static str;

    /// Shapes and types of the outputs.
    ///
    /// # Errors
    /// When the op does not take these inputs.
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs>;

    /// Whether the output may be a view: the same memory under another layout.
    fn is_view(&self) -> bool {
        false
    }

    /// For a view: where the elements lie, given where those of the input do; nothing when strides cannot say it,
    /// and the input is made contiguous first.
    fn view(&self, _input: &Spec, _layout: &Layout, _output: &Spec) -> Option<Layout> {
        None
    }

    /// The inputs whose memory may become an output's, when nobody else needs it.
    fn donates(&self) -> &[usize] {
        &[]
    }

    /// How derivatives are found.
    fn derivative(&self) -> Derivative {
        Derivative::None
    }

    /// The op in terms of others: what runs where a backend has no kernel, and the oracle of those that have.
    fn decompose(&self, _inputs: &[Array]) -> Option<Result<Vec<Array>>> {
        None
    }

    /// The op over a batch of examples at once. Inputs that `is_batched` names have the batch, `size` examples, as an axis before
    /// their own; others are the same for all. The outputs have it likewise. Without a rule, [`vmap`](crate::transform::vmap)
    /// goes through the decomposition, or example by example. It asks only when some input is batched.
    fn batch(&self, _inputs: &[Array], _is_batched: &[bool], _size: usize) -> Option<Result<Vec<Array>>> {
        None
    }

    /// For [`Derivative::Multilinear`]: the cotangent of input `input`, given the output's.
    ///
    /// # Errors
    /// When the arrays cannot be built.
    fn transpose(&self, _inputs: &[Array], _cotangent: &Array, _input: usize) -> Result<Option<Array>> {
        Ok(None)
    }

    /// For [`Derivative::Custom`]: tangents of the outputs, given those of the inputs (nothing stands for zero).
    ///
    /// # Errors
    /// When the arrays cannot be built.
    fn jvp(
        &self,
        _inputs: &[Array],
        _outputs: &[Array],
        _tangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        Ok(vec![])
    }

    /// For [`Derivative::Custom`]: cotangents of the inputs, given those of the outputs (nothing stands for zero).
    ///
    /// # Errors
    /// When the arrays cannot be built.
    fn vjp(
        &self,
        _inputs: &[Array],
        _outputs: &[Array],
        _cotangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        Ok(vec![])
    }
}

/// How the derivatives of a structured op are found: one declaration, both modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivative {
    /// There is none: asking is an error.
    None,
    /// The outputs do not vary with the inputs in any smooth way (indices, comparisons): zero.
    Zero,
    /// Linear in each floating input while the others are held, so tangents go through the op itself and
    /// cotangents through [`Primitive::transpose`]. For ops of one output.
    Multilinear,
    /// Through [`Primitive::decompose`].
    Decompose,
    /// Through [`Primitive::jvp`] and [`Primitive::vjp`].
    Custom,
}
