//! A call as an op, and what of it is the same on every device.

use std::time::Duration;

use holdall_memory::Access;
use smallvec::SmallVec;

use super::{MetalKernel, NAME, TemplateValue};
use crate::Array;
use crate::device::Operand;
use crate::dtype::Dtype;
use crate::error::{Error, ErrorKind, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::scalar::Scalar;

/// One call of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CustomKernel {
    /// The kernel.
    pub kernel: MetalKernel,
    /// Template arguments, in order.
    pub template: Vec<(String, TemplateValue)>,
    /// Threads along each axis.
    pub grid: [u32; 3],
    /// Threads of a group along each axis, before it is cut to the grid.
    pub threadgroup: [u32; 3],
    /// Shapes and types of the outputs: those named, then those of the updated inputs.
    pub outputs: Specs,
    /// The inputs that are updated, in order.
    pub updated: SmallVec<[usize; 1]>,
    /// What named outputs hold at first, as float64; nothing when nobody cares.
    pub init_value: Option<Scalar>,
    /// How long the kernel may run.
    pub deadline: Duration,
    /// Whether the kernel's mistakes are looked for while it runs.
    pub checked: bool,
}

impl CustomKernel {
    /// How many outputs have a name; those after them are updated inputs.
    pub fn n_named(&self) -> usize {
        self.outputs.len() - self.updated.len()
    }

    /// Inputs that have to be copied row-major before the kernel can take them. A pointer to an input is its first element's,
    /// and nothing before it can be reached; what is updated has to be an array of its own.
    pub fn copied(&self, inputs: &[Operand]) -> SmallVec<[usize; 2]> {
        let ensure = self.kernel.text().ensure_row_contiguous;
        let is_copied = |(i, x): &(usize, &Operand)| {
            let backwards = x.strides().iter().any(|stride| *stride < 0);
            backwards || (ensure || self.updated.contains(i)) && !x.is_contiguous()
        };
        inputs.iter().enumerate().filter(is_copied).map(|(i, _)| i).collect()
    }

    /// Bytes of an input that the kernel may touch: from its first element to behind its last.
    pub fn extent(input: &Operand) -> usize {
        if input.spec.size() == 0 {
            return 0;
        }
        let last =
            input.shape().iter().zip(input.strides()).map(|(d, s)| (d - 1) * s.unsigned_abs()).sum::<usize>();
        (last + 1) * input.spec.dtype.size()
    }

    /// Each named output with the value that it is filled with before the kernel runs.
    pub fn fills(&self) -> impl Iterator<Item = (usize, Scalar)> + '_ {
        let each = self.outputs[..self.n_named()].iter().enumerate();
        let fill =
            |(i, spec): (usize, &Spec)| Some((i, Scalar::from_f64(self.init_value?.to_f64(), spec.dtype)));
        each.filter_map(fill)
    }

    /// How the kernel is bound to an output.
    pub fn access(&self, output: usize) -> Access {
        let holds_values = self.init_value.is_some() || output >= self.n_named();
        if holds_values { Access::ReadWrite } else { Access::Write }
    }

    /// Pairs of an output and the input that it is an update of.
    pub fn in_place(&self) -> SmallVec<[(usize, usize); 1]> {
        (self.n_named()..).zip(self.updated.iter().copied()).collect()
    }

    /// An error of the kernel, by its name.
    pub fn error(&self, kind: ErrorKind, message: impl std::fmt::Display) -> Error {
        Error::new(kind, NAME, format!("{}: {message}", self.kernel.text().name))
    }

    /// The error of a kernel that writes an input which it did not declare.
    pub fn writes_input(&self, name: &str) -> Error {
        let message = format!(
            "writes its input {name}. Declare it with `read_write([\"{name}\"])`, which gives the updated array as an output \
             of the call, or write to an output"
        );
        self.error(ErrorKind::Kernel, message)
    }

    fn no_derivative(&self, mode: &str, method: &str) -> Error {
        self.error(
            ErrorKind::Gradient,
            format!("has no derivative {mode}; give the kernel one with `MetalKernel::{method}`"),
        )
    }
}

impl Primitive for CustomKernel {
    fn name(&self) -> &'static str {
        NAME
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let text = self.kernel.text();
        for (name, spec) in
            text.inputs.iter().zip(inputs.iter().copied()).chain(text.outputs.iter().zip(&self.outputs))
        {
            if spec.dtype == Dtype::Float64 {
                let message = format!("{name} is float64, which Metal does not have");
                return Err(self.error(ErrorKind::Dtype, message));
            }
        }
        Ok(self.outputs.clone())
    }

    fn donates(&self) -> &[usize] {
        &self.updated
    }

    fn batch(&self, inputs: &[Array], is_batched: &[bool], _: usize) -> Option<Result<Vec<Array>>> {
        self.kernel.rules.vmap(inputs, is_batched)
    }

    fn derivative(&self) -> Derivative {
        Derivative::Custom
    }

    fn jvp(
        &self,
        inputs: &[Array],
        outputs: &[Array],
        tangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        let made = self.kernel.rules.jvp(NAME, inputs, outputs, tangents);
        made.unwrap_or_else(|| Err(self.no_derivative("forwards", "jvp")))
    }

    fn vjp(
        &self,
        inputs: &[Array],
        outputs: &[Array],
        cotangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        let made = self.kernel.rules.vjp(NAME, inputs, outputs, cotangents);
        made.unwrap_or_else(|| Err(self.no_derivative("backwards", "vjp")))
    }
}
