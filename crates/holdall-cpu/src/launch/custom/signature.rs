//! The parameters of a call of a custom kernel: what they are, and when those of two calls are the same.
//!
//! Nothing here is the CPU's own.

use holdall_core::op::Spec;
use holdall_core::ops::{CustomKernel, TemplateValue};
use holdall_core::{Dtype, Error, ErrorKind, Result};
use holdall_msl::{ElementType, Input, Output, Signature, is_small};
use smallvec::SmallVec;

/// The parameters that a kernel gets for these inputs.
///
/// # Errors
/// When names of parameters are none, or there is no atomic type for an output.
pub fn derive(op: &CustomKernel, inputs: &[&Spec]) -> Result<Signature> {
    let refuse = |what: String| op.error(ErrorKind::Argument, what);
    let element =
        |name: &str, dtype| element(dtype).ok_or_else(|| refuse(format!("{name}: no kernel has {dtype}")));
    let text = op.kernel.text();
    let mut takes: SmallVec<[Input<'_>; 8]> = SmallVec::new();
    for (name, x) in text.inputs.iter().zip(inputs) {
        takes.push(Input { name, element: element(name, x.dtype)?, ndim: x.shape.len(), n_elems: x.size() });
    }
    let mut gives: SmallVec<[Output<'_>; 4]> = SmallVec::new();
    for (name, y) in text.outputs.iter().zip(&op.outputs) {
        gives.push(Output { name, element: element(name, y.dtype)? });
    }
    let mut template: SmallVec<[_; 4]> = SmallVec::new();
    for (name, value) in &op.template {
        let value = match value {
            TemplateValue::Dtype(dtype) => holdall_msl::TemplateValue::Type(element(name, *dtype)?),
            TemplateValue::Bool(value) => holdall_msl::TemplateValue::Bool(*value),
            TemplateValue::Int(value) => holdall_msl::TemplateValue::Int(*value),
        };
        template.push((name.as_str(), value));
    }
    Signature::derive_updating(&text.source, &takes, &gives, &op.updated, text.atomic_outputs, &template)
        .map_err(|e| refuse(e.to_string().trim_end().to_owned()))
}

/// The type of elements in kernels; Metal has no float64.
pub fn element(dtype: Dtype) -> Option<ElementType> {
    ElementType::from_name(dtype.name())
}

/// The text of a kernel with its parameters.
///
/// # Errors
/// As for [`derive`].
pub fn source(op: &CustomKernel, inputs: &[&Spec]) -> Result<String> {
    let text = op.kernel.text();
    let parameters = derive(op, inputs)?.to_string().replace('\n', "\n    ");
    let name: String = text.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let (header, body) = (&text.header, &text.source);
    Ok(format!("{header}\n[[kernel]] void custom_kernel_{name}(\n    {parameters}) {{\n{body}\n}}"))
}

/// All that the parameters of a kernel depend on besides its text: calls of one kernel with the same key have the same
/// signature.
#[derive(Debug)]
pub struct Key {
    inputs: SmallVec<[Passing; 8]>,
    outputs: SmallVec<[Dtype; 4]>,
    template: Vec<(String, TemplateValue)>,
}

/// The type of an input, whether it is a value, and whether it is in constant memory.
type Passing = (Dtype, bool, bool);

fn passing(x: &Spec) -> Passing {
    let ndim = x.shape.len();
    (x.dtype, ndim == 0, is_small(ndim, x.size()))
}

impl Key {
    /// The key of a call.
    pub fn new(op: &CustomKernel, inputs: &[&Spec]) -> Self {
        Self {
            inputs: inputs.iter().map(|x| passing(x)).collect(),
            outputs: op.outputs.iter().map(|y| y.dtype).collect(),
            template: op.template.clone(),
        }
    }

    /// Whether it is that of a call, of the same kernel.
    pub fn is_of(&self, op: &CustomKernel, inputs: &[&Spec]) -> bool {
        self.inputs.iter().copied().eq(inputs.iter().map(|x| passing(x)))
            && self.outputs.iter().copied().eq(op.outputs.iter().map(|y| y.dtype))
            && self.template == op.template
    }
}

/// The error of a kernel that does not compile.
pub fn does_not_compile(op: &CustomKernel, error: &holdall_msl::Error) -> Error {
    op.error(ErrorKind::Kernel, format!("the kernel does not compile\n{error}"))
}
