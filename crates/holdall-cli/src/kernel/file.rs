//! A kernel in a JSON file.

use std::path::{Path, PathBuf};

use holdall::Dtype;
use holdall_msl::{ElementType, Input, Output, Signature, TemplateValue};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use crate::error::{Error, Kind, Result};

/// A kernel with what is known of a launch of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct KernelFile {
    /// For messages.
    pub name: String,
    /// The inside of the kernel.
    pub source: String,
    /// Declarations before it.
    #[serde(default)]
    pub header: String,
    /// Names of the inputs.
    #[serde(default)]
    pub input_names: Vec<String>,
    /// Names of the outputs.
    pub output_names: Vec<String>,
    /// Names of the inputs that the kernel also writes.
    #[serde(default)]
    pub read_write: Vec<String>,
    /// Whether inputs with gaps are copied first.
    #[serde(default = "yes")]
    pub ensure_row_contiguous: bool,
    /// Whether the elements of outputs are atomic.
    #[serde(default)]
    pub atomic_outputs: bool,
    /// What the inputs are.
    pub inputs: Option<Vec<Argument>>,
    /// What the outputs are.
    pub outputs: Option<Vec<Argument>>,
    /// Template parameters with their values.
    #[serde(default)]
    pub template: Vec<(String, Value)>,
    /// Threads along each axis.
    pub grid: Option<[u32; 3]>,
    /// Threads of a group along each axis.
    pub threadgroup: Option<[u32; 3]>,
    /// What outputs hold at first.
    #[serde(default, deserialize_with = "any_number")]
    pub init_value: Option<f64>,
}

/// An array of a launch.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Argument {
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// MLX's name of the type.
    pub dtype: String,
    /// The value of an array without axes.
    pub scalar: Option<Value>,
    /// An `.npy` file with the elements.
    pub file: Option<PathBuf>,
}

fn yes() -> bool {
    true
}

/// A number, or one that JSON does not have, in quotes: `"inf"`, `"-inf"`, `"NaN"`.
fn any_number<'de, D: Deserializer<'de>>(from: D) -> std::result::Result<Option<f64>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        Value::Number(n) => Ok(n.as_f64()),
        Value::String(text) => text.parse().map(Some).map_err(de::Error::custom),
        other => Err(de::Error::custom(format!("wanted a number, got {other}"))),
    }
}

/// Elements of an input of which nothing is known: enough for it to be in device memory.
const ASSUMED_LEN: usize = 1024;

/// The parameters of a kernel, and what had to be assumed for them.
#[derive(Debug)]
pub struct Parameters {
    /// The parameters.
    pub signature: Signature,
    /// In words, what the file does not say.
    pub assumptions: Vec<String>,
}

impl KernelFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Kind::Usage`] when it cannot be read or is no kernel.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::new(Kind::Usage, format!("cannot read {}", path.display())).caused_by(e))?;
        let file: Self = serde_json::from_str(&text).map_err(|e| {
            Error::new(Kind::Usage, format!("{} does not describe a kernel", path.display()))
                .caused_by(e)
                .hint("holdall kernel check --help shows the format")
        })?;
        file.check().map_err(|e| e.context(format!("{} does not describe a kernel", path.display())))?;
        Ok(file)
    }

    fn check(&self) -> Result<()> {
        for (what, names, arguments) in
            [("inputs", &self.input_names, &self.inputs), ("outputs", &self.output_names, &self.outputs)]
        {
            if let Some(arguments) = arguments
                && arguments.len() != names.len()
            {
                let (got, wanted) = (arguments.len(), names.len());
                return Err(wrong(format!("{what}: {got} entries for {wanted} names")));
            }
        }
        if let Some(name) = self.read_write.iter().find(|name| !self.input_names.contains(name)) {
            return Err(wrong(format!("read_write: {name:?} is none of the input names")));
        }
        Ok(())
    }

    /// The inputs that the kernel also writes, in order.
    pub fn updated(&self) -> Vec<usize> {
        let names = self.input_names.iter().enumerate();
        names.filter(|(_, name)| self.read_write.contains(name)).map(|(i, _)| i).collect()
    }

    /// The kernel's parameters. Template parameters named in `types` are types, taken to be float32.
    ///
    /// # Errors
    /// [`Kind::Usage`] when a type or a template value means nothing, or a name is no name.
    pub fn parameters(&self, types: &[String]) -> Result<Parameters> {
        let mut assumptions = Vec::new();
        let mut inputs = Vec::new();
        for (i, name) in self.input_names.iter().enumerate() {
            inputs.push(match self.inputs.as_ref().map(|inputs| &inputs[i]) {
                Some(input) => {
                    let n_elems = input.shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
                    let n_elems = n_elems
                        .ok_or_else(|| wrong(format!("{name}: shape {:?} is too large", input.shape)))?;
                    Input { name, element: element(name, &input.dtype)?, ndim: input.shape.len(), n_elems }
                }
                None => {
                    assumptions.push(format!("input {name}: taken to be float32 with one axis"));
                    Input { name, element: ElementType::F32, ndim: 1, n_elems: ASSUMED_LEN }
                }
            });
        }
        let mut outputs = Vec::new();
        for (i, name) in self.output_names.iter().enumerate() {
            outputs.push(match self.outputs.as_ref().map(|outputs| &outputs[i]) {
                Some(output) => Output { name, element: element(name, &output.dtype)? },
                None => {
                    assumptions.push(format!("output {name}: taken to be float32"));
                    Output { name, element: ElementType::F32 }
                }
            });
        }
        let mut template = Vec::new();
        for (name, value) in &self.template {
            template.push((name.as_str(), template_value(name, value)?));
        }
        for name in types {
            assumptions.push(format!("template parameter {name}: taken to be float32"));
            template.push((name, TemplateValue::Type(ElementType::F32)));
        }
        let (updated, atomic) = (self.updated(), self.atomic_outputs);
        let signature =
            Signature::derive_updating(&self.source, &inputs, &outputs, &updated, atomic, &template)
                .map_err(|e| wrong(e.to_string().trim_end().to_owned()))?;
        Ok(Parameters { signature, assumptions })
    }
}

/// An error of a file that makes no sense.
pub(super) fn wrong(what: impl Into<String>) -> Error {
    Error::new(Kind::Usage, what)
}

fn template_value(name: &str, value: &Value) -> Result<TemplateValue> {
    match value {
        Value::Bool(value) => Ok(TemplateValue::Bool(*value)),
        Value::String(dtype) => Ok(TemplateValue::Type(element(name, dtype)?)),
        Value::Number(n) => {
            let int = n.as_i64().and_then(|n| i32::try_from(n).ok());
            let wanted = "wanted a whole number of 32 bits";
            Ok(TemplateValue::Int(int.ok_or_else(|| wrong(format!("template {name}: {wanted}, got {n}")))?))
        }
        other => Err(wrong(format!("template {name}: wanted a number, true, false or a type, got {other}"))),
    }
}

/// The type of that name in kernels.
fn element(of: &str, name: &str) -> Result<ElementType> {
    ElementType::from_name(name).ok_or_else(|| {
        if name == Dtype::Float64.name() {
            return wrong(format!("{of}: kernels have no float64"));
        }
        wrong(format!(
            "{of}: no type is called {name:?}; there are {}",
            ElementType::ALL.map(ElementType::name).join(", ")
        ))
    })
}
