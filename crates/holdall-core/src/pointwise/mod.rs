//! Elementwise ops: the table, the algebras it is written in, and programs of several ops that run as one kernel.

#[macro_use]
mod table;

pub mod algebra;
mod graph;
mod program;
pub mod rows;
mod text;

pub use program::{Instruction, Program, Register, Step};
pub use rows::{TABLE, row};
pub use text::Text;

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Result};

/// What becomes of a tangent of one input: `(inputs, outputs, tangent, output, input)`. Nothing where it vanishes.
pub type Derivative = Option<fn(&[Array], &[Array], &Array, usize, usize) -> Option<Array>>;

/// One elementwise op.
#[derive(Debug)]
pub struct Row {
    /// Its place in the table.
    pub index: u16,
    /// MLX's name.
    pub name: &'static str,
    /// Which types it takes and gives.
    pub class: Class,
    /// Inputs.
    pub arity: u8,
    /// Outputs.
    pub outputs: u8,
    /// One line for the docs.
    pub doc: &'static str,
    /// Where the op is smooth.
    pub domain: (f64, f64),
    /// The outputs as Metal expressions of the inputs.
    pub text: fn(&[Text]) -> Vec<Text>,
    /// The derivative, if there is one.
    pub derivative: Derivative,
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Row {}

impl std::hash::Hash for Row {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        std::ptr::hash(self, state);
    }
}

/// Which types an elementwise op takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Floats and complex; integers become float32.
    Float,
    /// Floats; integers become float32.
    Real,
    /// Every type, kept.
    Arith,
    /// Every type but complex, kept.
    Ordered,
    /// Every type, giving bool.
    Equality,
    /// Every type but complex, giving bool.
    Comparison,
    /// Truth values: inputs become bool.
    Logical,
    /// Integers and bool, kept.
    Bits,
    /// Complex, giving float32.
    Part,
    /// Complex, kept.
    Complex,
    /// A condition and two of any one type.
    Select,
}

impl Row {
    /// The type in which the op computes on inputs of type `promoted` (all inputs promoted together, a condition
    /// apart), and the type that it gives.
    ///
    /// # Errors
    /// When the op does not take the type.
    pub fn types(&self, promoted: Dtype) -> Result<(Dtype, Dtype)> {
        let complex = promoted == Dtype::Complex64;
        let same = |d| Ok((d, d));
        match self.class {
            Class::Float => same(promoted.to_inexact()),
            Class::Real if !complex => same(promoted.to_inexact()),
            Class::Arith | Class::Select => same(promoted),
            Class::Ordered if !complex => same(promoted),
            Class::Equality => Ok((promoted, Dtype::Bool)),
            Class::Comparison if !complex => Ok((promoted, Dtype::Bool)),
            Class::Logical => same(Dtype::Bool),
            Class::Bits if !promoted.is_inexact() => same(promoted),
            Class::Part if complex => Ok((promoted, Dtype::Float32)),
            Class::Complex if complex => same(promoted),
            _ => Err(Error::dtype(self.name, format!("wanted {}, got {promoted}", self.class.wants()))),
        }
    }
}

impl Class {
    fn wants(self) -> &'static str {
        match self {
            Self::Real | Self::Ordered | Self::Comparison => "real numbers",
            Self::Bits => "integers or bool",
            Self::Part | Self::Complex => "complex64",
            Self::Float | Self::Arith | Self::Equality | Self::Logical | Self::Select => "any type",
        }
    }
}
