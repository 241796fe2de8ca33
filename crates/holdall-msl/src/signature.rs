//! The parameters of a kernel: what MLX generates from names, types and what the body mentions.

use std::fmt;

use crate::diagnostic::Error;
use crate::ir::{Attribute, BufferRole};
use crate::scalar::{ElementType, Space};

/// Inputs with fewer elements are passed in constant memory.
const SMALL: usize = 8;

/// Whether an input with so many axes and elements is passed in constant memory: all that the parameter of an input depends
/// on besides its type and whether it has axes.
#[must_use]
pub fn is_small(ndim: usize, n_elems: usize) -> bool {
    ndim == 0 || n_elems < SMALL
}

/// An input of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// The name that the body uses.
    pub name: &'a str,
    /// The element type.
    pub element: ElementType,
    /// The number of axes; 0 for a scalar.
    pub ndim: usize,
    /// The number of elements.
    pub n_elems: usize,
}

/// An output of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output<'a> {
    /// The name that the body uses.
    pub name: &'a str,
    /// The element type.
    pub element: ElementType,
}

/// The value of a template parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TemplateValue {
    /// A type.
    Type(ElementType),
    /// A `bool`.
    Bool(bool),
    /// An `int`.
    Int(i32),
}

/// A buffer parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BufferParameter {
    /// The name.
    pub name: String,
    /// What it holds.
    pub role: BufferRole,
    /// The element type.
    pub element: ElementType,
    /// `device` or `constant`.
    pub space: Space,
    /// A reference to one element rather than a pointer.
    pub is_reference: bool,
    /// The elements are atomic.
    pub is_atomic: bool,
    /// Of a [`BufferRole::Parameter`], how many elements it has; otherwise 0.
    pub n_elems: u32,
}

impl BufferParameter {
    /// Only outputs are written.
    #[must_use]
    pub fn is_const(&self) -> bool {
        !matches!(self.role, BufferRole::Output(_))
    }
}

/// The parameters of a kernel, in order: buffers, then attributes.
///
/// The rules are MLX's. A parameter that the body only seems to mention is harmless: a variable of the body may have the
/// same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Signature {
    buffers: Vec<BufferParameter>,
    attributes: Vec<Attribute>,
    template: Vec<(String, TemplateValue)>,
}

impl Signature {
    /// Derives the parameters of a call:
    ///
    /// * An input without axes is `const constant T&`, one with fewer than 8 elements `const constant T*`, all others are
    ///   `const device T*`.
    /// * Behind an input `x` with axes stand `const constant int* x_shape`, `const constant int64_t* x_strides` and
    ///   `const constant int& x_ndim`, each if the body mentions it anywhere, also as part of a longer word.
    /// * Outputs are `device T*`, or `device atomic<T>*`.
    /// * Then the attributes that the body mentions.
    ///
    /// # Errors
    /// If a name is no identifier or occurs twice, or if there is no output.
    pub fn derive(
        body: &str,
        inputs: &[Input<'_>],
        outputs: &[Output<'_>],
        atomic_outputs: bool,
        template: &[(&str, TemplateValue)],
    ) -> Result<Self, Error> {
        Self::derive_updating(body, inputs, outputs, &[], atomic_outputs, template)
    }

    /// As [`derive`](Self::derive), of a kernel that also writes the inputs numbered `updated`, in rising order. Where such
    /// an input would stand, there is an output: `device T*`, or `device atomic<T>*`, whatever its size. Their indices
    /// as outputs follow those of `outputs`; what the input's elements are is what the output holds at first.
    ///
    /// # Errors
    /// As there.
    pub fn derive_updating(
        body: &str,
        inputs: &[Input<'_>],
        outputs: &[Output<'_>],
        updated: &[usize],
        atomic_outputs: bool,
        template: &[(&str, TemplateValue)],
    ) -> Result<Self, Error> {
        let mut signature = Self::default();
        let mut push = |name: String, role, element, space, is_reference, is_atomic| {
            signature.buffers.push(BufferParameter {
                name,
                role,
                element,
                space,
                is_reference,
                is_atomic,
                n_elems: 0,
            });
        };
        for (i, input) in inputs.iter().enumerate() {
            let is_small = is_small(input.ndim, input.n_elems);
            let name = input.name.to_owned();
            if let Some(k) = updated.iter().position(|k| *k == i) {
                let role = BufferRole::Output((outputs.len() + k) as u32);
                push(name, role, input.element, Space::Device, false, atomic_outputs);
            } else {
                let space = if is_small { Space::Constant } else { Space::Device };
                push(name, BufferRole::Input(i as u32), input.element, space, input.ndim == 0, false);
            }
            let i = i as u32;
            if input.ndim == 0 {
                continue;
            }
            let facts = [
                ("shape", BufferRole::Shape(i), ElementType::I32, false),
                ("strides", BufferRole::Strides(i), ElementType::I64, false),
                ("ndim", BufferRole::Ndim(i), ElementType::I32, true),
            ];
            for (fact, role, element, is_reference) in facts {
                let name = format!("{}_{fact}", input.name);
                if body.contains(&name) {
                    push(name, role, element, Space::Constant, is_reference, false);
                }
            }
        }
        for (i, output) in outputs.iter().enumerate() {
            let role = BufferRole::Output(i as u32);
            push(output.name.to_owned(), role, output.element, Space::Device, false, atomic_outputs);
        }
        if outputs.is_empty() && updated.is_empty() {
            return Err(Error::argument("a kernel has at least one output"));
        }
        signature.finish(body, template)
    }

    /// A signature of these buffers, with the attributes that the body mentions: for kernels whose text says what their
    /// parameters are.
    ///
    /// # Errors
    /// If a name is no identifier or occurs twice, if there is no atomic type for elements that are said to be atomic, or
    /// if a parameter has no elements.
    pub fn new(
        buffers: Vec<BufferParameter>,
        body: &str,
        template: &[(&str, TemplateValue)],
    ) -> Result<Self, Error> {
        let empty = buffers.iter().find(|b| matches!(b.role, BufferRole::Parameter(_)) && b.n_elems == 0);
        if let Some(empty) = empty {
            return Err(Error::argument(format!("the parameter `{}` has no elements", empty.name)));
        }
        Self { buffers, ..Self::default() }.finish(body, template)
    }

    fn finish(mut self, body: &str, template: &[(&str, TemplateValue)]) -> Result<Self, Error> {
        let mentioned = Attribute::ALL.iter().filter(|attribute| body.contains(attribute.name()));
        self.attributes = mentioned.copied().collect();
        self.template = template.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        self.validate()?;
        Ok(self)
    }

    fn validate(&self) -> Result<(), Error> {
        let buffers = self.buffers.iter().map(|buffer| buffer.name.as_str());
        let names: Vec<&str> = buffers.chain(self.template.iter().map(|(name, _)| name.as_str())).collect();
        for (i, name) in names.iter().enumerate() {
            let mut chars = name.chars();
            let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
            if !starts || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(Error::argument(format!("`{}` is not a name", name.escape_default())));
            }
            if names[..i].contains(name) {
                return Err(Error::argument(format!("there are two parameters `{name}`")));
            }
        }
        let wrong = self.buffers.iter().find(|b| {
            b.is_atomic
                && !matches!(
                    b.element,
                    ElementType::I32
                        | ElementType::U32
                        | ElementType::F32
                        | ElementType::Bool
                        | ElementType::U64
                )
        });
        match wrong {
            Some(wrong) => {
                let message = format!("`{}`: there is no atomic `{}`", wrong.name, wrong.element.msl());
                Err(Error::argument(message))
            }
            None => Ok(()),
        }
    }

    /// The buffers, in the order in which a launch binds them.
    #[must_use]
    pub fn buffers(&self) -> &[BufferParameter] {
        &self.buffers
    }

    /// The attributes that the kernel asks for.
    #[must_use]
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Template parameters and their values.
    #[must_use]
    pub fn template(&self) -> &[(String, TemplateValue)] {
        &self.template
    }
}

/// The signature as MSL, one parameter a line.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        for (i, buffer) in self.buffers.iter().enumerate() {
            let element = buffer.element.msl();
            let element = if buffer.is_atomic { format!("atomic<{element}>") } else { element.to_owned() };
            let (qualifier, sign) =
                (if buffer.is_const() { "const " } else { "" }, if buffer.is_reference { '&' } else { '*' });
            lines
                .push(format!("{qualifier}{} {element}{sign} {} [[buffer({i})]]", buffer.space, buffer.name));
        }
        for attribute in &self.attributes {
            let ty = if attribute.n_components() == 3 { "uint3" } else { "uint" };
            lines.push(format!("{ty} {0} [[{0}]]", attribute.name()));
        }
        for (name, value) in &self.template {
            match value {
                TemplateValue::Type(element) => writeln!(f, "// {name} = {}", element.msl())?,
                TemplateValue::Bool(value) => writeln!(f, "// {name} = {value}")?,
                TemplateValue::Int(value) => writeln!(f, "// {name} = {value}")?,
            }
        }
        write!(f, "{}", lines.join(",\n"))
    }
}
