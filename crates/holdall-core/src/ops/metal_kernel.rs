//! Custom kernels, written in the Metal Shading Language.
//!
//! A [`MetalKernel`] is a text with the names of its arguments; each call of it is an op like any other: lazy, on any
//! stream of any device that has a way to run it, free to follow and to be followed by all others.
//!
//! The meaning is that of MLX's `fast.metal_kernel`. What the text says is looked at when the op is evaluated; the
//! counts of inputs and outputs, grid and group are checked when it is built.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use smallvec::SmallVec;

use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::op::{Handle, Primitive, Spec, Specs};
use crate::scalar::{Operand, Scalar};
use crate::shape::Dims;
use crate::{Array, ErrorKind};

/// A kernel written in the Metal Shading Language, to be called with arrays.
///
/// The source is the inside of a function. Its parameters are made from the names of inputs and outputs: an input
/// without axes is a value, all others are pointers. For an input `x` with axes, `x_shape`, `x_strides` and `x_ndim` are
/// there when the source mentions them; so are Metal's attributes, such as `thread_position_in_grid`.
///
/// ```
/// # use holdall_core::MetalKernel;
/// let kernel = MetalKernel::new("scale", "uint i = thread_position_in_grid.x; y[i] = T(x[i] * factor);")
///     .inputs(["x", "factor"])
///     .outputs(["y"]);
/// ```
#[derive(Clone, Debug)]
pub struct MetalKernel {
    text: Arc<KernelText>,
    /// The text's hash, once somebody asked: every call is looked up by it.
    digest: OnceLock<u64>,
}

impl PartialEq for MetalKernel {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for MetalKernel {}

impl Hash for MetalKernel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest());
    }
}

/// What a kernel is made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KernelText {
    /// A name, for people.
    pub name: String,
    /// The inside of the function.
    pub source: String,
    /// Declarations before it.
    pub header: String,
    /// Names of the inputs, in order.
    pub inputs: Vec<String>,
    /// Names of the outputs, in order.
    pub outputs: Vec<String>,
    /// Whether inputs with gaps are copied first.
    pub ensure_row_contiguous: bool,
    /// Whether elements of outputs are atomic.
    pub atomic_outputs: bool,
}

impl MetalKernel {
    /// A kernel with this source. It needs [outputs](Self::outputs) to be called.
    pub fn new(name: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            text: Arc::new(KernelText {
                name: name.into(),
                source: source.into(),
                header: String::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                ensure_row_contiguous: true,
                atomic_outputs: false,
            }),
            digest: OnceLock::new(),
        }
    }

    fn digest(&self) -> u64 {
        *self.digest.get_or_init(|| {
            let mut hasher = rustc_hash::FxHasher::default();
            self.text.hash(&mut hasher);
            hasher.finish()
        })
    }

    fn with(mut self, change: impl FnOnce(&mut KernelText)) -> Self {
        change(Arc::make_mut(&mut self.text));
        self.digest = OnceLock::new();
        self
    }

    /// Names the inputs.
    #[must_use]
    pub fn inputs<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.with(|text| text.inputs = names.into_iter().map(Into::into).collect())
    }

    /// Names the outputs.
    #[must_use]
    pub fn outputs<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.with(|text| text.outputs = names.into_iter().map(Into::into).collect())
    }

    /// Declarations to go before the kernel: functions, constants, macros.
    #[must_use]
    pub fn header(self, header: impl Into<String>) -> Self {
        self.with(|text| text.header = header.into())
    }

    /// Whether an input whose elements do not lie row-major without gaps is copied first: yes, unless said otherwise.
    /// A kernel that says no goes by `x_strides`.
    #[must_use]
    pub fn ensure_row_contiguous(self, ensure: bool) -> Self {
        self.with(|text| text.ensure_row_contiguous = ensure)
    }

    /// Whether outputs are `device atomic<T>*`: no, unless said otherwise.
    #[must_use]
    pub fn atomic_outputs(self, atomic: bool) -> Self {
        self.with(|text| text.atomic_outputs = atomic)
    }

    /// What the kernel is made of.
    pub fn text(&self) -> &KernelText {
        &self.text
    }

    /// A call with these inputs, arrays or numbers, whose other arguments follow. Numbers are arrays without axes: bool,
    /// int32 (int64 where that does not do) or float32.
    #[track_caller]
    pub fn call<X: Into<Operand>>(&self, inputs: impl IntoIterator<Item = X>) -> KernelCall {
        // Now, so that all copies have it.
        self.digest();
        KernelCall {
            kernel: self.clone(),
            inputs: inputs.into_iter().map(Into::into).collect(),
            outputs: Specs::new(),
            template: Vec::new(),
            grid: [1; 3],
            threadgroup: [1; 3],
            init_value: None,
            checked: false,
            origin: Origin::caller(),
        }
    }
}

/// What a template parameter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TemplateValue {
    /// A type: that of an element.
    Dtype(Dtype),
    /// A `bool`.
    Bool(bool),
    /// An `int`.
    Int(i32),
}

impl From<Dtype> for TemplateValue {
    fn from(value: Dtype) -> Self {
        Self::Dtype(value)
    }
}

impl From<bool> for TemplateValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for TemplateValue {
    fn from(value: i32) -> Self {
        Self::Int(value)
    }
}

/// A call of a [`MetalKernel`] in the making.
#[derive(Clone, Debug)]
#[must_use = "a call does nothing until it is built"]
pub struct KernelCall {
    kernel: MetalKernel,
    inputs: Vec<Operand>,
    outputs: Specs,
    template: Vec<(String, TemplateValue)>,
    grid: [u32; 3],
    threadgroup: [u32; 3],
    init_value: Option<f64>,
    checked: bool,
    origin: Origin,
}

impl KernelCall {
    /// Shape and type of the next output.
    pub fn output(mut self, shape: impl Into<Dims>, dtype: Dtype) -> Self {
        self.outputs.push(Spec::new(shape, dtype));
        self
    }

    /// What the next template parameter is called and stands for.
    pub fn template(mut self, name: impl Into<String>, value: impl Into<TemplateValue>) -> Self {
        self.template.push((name.into(), value.into()));
        self
    }

    /// How many threads run, along each axis: exactly that many.
    pub fn grid(mut self, threads: [u32; 3]) -> Self {
        self.grid = threads;
        self
    }

    /// How many threads make a group, along each axis; never more than there are. Groups at the edge may be smaller.
    pub fn threadgroup(mut self, threads: [u32; 3]) -> Self {
        self.threadgroup = threads;
        self
    }

    /// What outputs hold before the kernel runs; otherwise, nobody knows.
    pub fn init_value(mut self, value: f64) -> Self {
        self.init_value = Some(value);
        self
    }

    /// Whether the kernel's own mistakes are looked for while it runs, slowly: accesses out of bounds, data races, reads of
    /// what was never written. What is found is the error of the evaluation.
    pub fn checked(mut self, checked: bool) -> Self {
        self.checked = checked;
        self
    }

    /// Builds the op.
    ///
    /// # Errors
    /// When there are not as many inputs or outputs as the kernel has names, when grid or group have an axis of size 0,
    /// or when an output does not fit in memory. Mistakes in the kernel's text come out when it is evaluated.
    pub fn build(self) -> Result<Vec<Array>> {
        let origin = self.origin;
        self.check().map_err(|e| e.at(origin))?;
        let inputs = self.inputs.iter().map(|x| match x {
            Operand::Array(x) => x.clone(),
            number => match number.scalar(number.default_dtype()) {
                Some(value) => Array::constant(value),
                None => unreachable!("an operand is an array or a number"),
            },
        });
        let inputs = inputs.collect();
        let dtype_of = |spec: &Spec| self.init_value.map(|value| Scalar::from_f64(value, spec.dtype));
        let op = CustomKernel {
            init_values: self.outputs.iter().filter_map(dtype_of).collect(),
            kernel: self.kernel,
            template: self.template,
            grid: self.grid,
            threadgroup: self.threadgroup,
            outputs: self.outputs,
            checked: self.checked,
        };
        Ok(Array::outputs_of(&Array::handle_at(Handle(Arc::new(op)), inputs, origin)?))
    }

    fn check(&self) -> Result<()> {
        let text = self.kernel.text();
        let refuse = |what: String| Err(Error::argument(NAME, format!("{}: {what}", text.name)));
        if text.outputs.is_empty() {
            return refuse("a kernel needs at least one output; name it with `outputs`".into());
        }
        for (what, names, given) in
            [("input", &text.inputs, self.inputs.len()), ("output", &text.outputs, self.outputs.len())]
        {
            if names.len() != given {
                let names = names.join(", ");
                return refuse(format!("wanted an {what} for each of [{names}], got {given}"));
            }
        }
        if let Some((name, _)) =
            self.template.iter().find(|(_, value)| *value == TemplateValue::Dtype(Dtype::Float64))
        {
            return refuse(format!("template parameter {name} is float64, which Metal does not have"));
        }
        for (what, size) in [("grid", self.grid), ("threadgroup", self.threadgroup)] {
            if size.contains(&0) {
                return refuse(format!("the {what} {size:?} has no threads"));
            }
        }
        Ok(())
    }
}

const NAME: &str = "metal_kernel";

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
    /// Shapes and types of the outputs.
    pub outputs: Specs,
    /// For each output what it holds at first; none when nobody cares.
    pub init_values: SmallVec<[Scalar; 1]>,
    /// Whether the kernel's mistakes are looked for while it runs.
    pub checked: bool,
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
                return Err(Error::new(
                    ErrorKind::Dtype,
                    NAME,
                    format!("{}: {name} is float64, which Metal does not have", text.name),
                ));
            }
        }
        Ok(self.outputs.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(call: KernelCall) -> String {
        call.build().unwrap_err().to_string()
    }

    #[test]
    fn counts_and_sizes_are_checked_when_a_call_is_built() {
        let kernel = MetalKernel::new("k", "y[0] = x[0];").inputs(["x"]).outputs(["y"]);
        let one = || kernel.call([1.0f32]).output([1], Dtype::Float32);
        assert_eq!(one().build().unwrap()[0].shape(), [1]);
        assert!(
            message(one().output([2], Dtype::Float32)).contains("an output for each of [y], got 2"),
            "outputs"
        );
        assert!(message(kernel.call([1, 2]).output([1], Dtype::Int32)).contains("an input for each of [x]"));
        assert!(message(one().grid([4, 0, 1])).contains("the grid [4, 0, 1] has no threads"));
        assert!(message(one().threadgroup([0, 1, 1])).contains("the threadgroup"));
        assert!(message(kernel.call([1.0]).output([1], Dtype::Float64)).contains("y is float64"));
        let nothing = MetalKernel::new("k", "");
        assert!(message(nothing.call(Vec::<Operand>::new())).contains("at least one output"));
    }

    #[test]
    fn a_call_is_built_where_it_is_written() {
        let kernel = MetalKernel::new("k", "y[0] = x[0];").inputs(["x"]).outputs(["y"]);
        let (call, line) = (kernel.call([1.0f32]).output([1], Dtype::Float32), line!());
        let wrong = (kernel.call([1.0f32]).output([1], Dtype::Float64), line!());
        let place = |line: u32| format!("metal_kernel.rs:{line}:");
        assert!(call.build().unwrap()[0].node.origin.to_string().contains(&place(line)));
        assert!(message(wrong.0).contains(&place(wrong.1)));
    }

    #[test]
    fn calls_are_equal_when_text_and_arguments_are() {
        let kernel = |source: &str| MetalKernel::new("k", source).inputs(["x"]).outputs(["y"]);
        let op = |kernel: &MetalKernel, n: u32| {
            let arrays = kernel.call([1.0]).output([1], Dtype::Float32).grid([n, 1, 1]).build().unwrap();
            let graph = arrays[0].node.graph.lock();
            graph.as_ref().unwrap().op.clone()
        };
        assert_eq!(op(&kernel("a"), 1), op(&kernel("a"), 1));
        assert_ne!(op(&kernel("a"), 1), op(&kernel("b"), 1), "the name is no identity");
        assert_ne!(op(&kernel("a"), 1), op(&kernel("a"), 2));
    }
}
