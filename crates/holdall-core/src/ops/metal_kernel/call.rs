//! A call in the making.

use std::time::Duration;

use smallvec::SmallVec;

use super::{CustomKernel, MetalKernel, NAME, TemplateValue};
use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Error, Origin, Result};
use crate::node::Inputs;
use crate::op::{Handle, Primitive, Spec, Specs};
use crate::runtime::Runtime;
use crate::scalar::{Operand, Scalar};
use crate::shape::Dims;
use crate::stream;

/// How long a kernel may run unless its call says otherwise.
const DEADLINE: Duration = Duration::from_secs(60);

/// A call of a [`MetalKernel`] in the making.
#[derive(Clone, Debug)]
#[must_use = "a call does nothing until it is built"]
pub struct KernelCall {
    kernel: MetalKernel,
    inputs: SmallVec<[Operand; 4]>,
    outputs: Specs,
    template: Vec<(String, TemplateValue)>,
    grid: [u32; 3],
    threadgroup: [u32; 3],
    init_value: Option<f64>,
    deadline: Duration,
    checked: bool,
    verbose: bool,
    origin: Origin,
}

impl KernelCall {
    pub(super) fn new(kernel: MetalKernel, inputs: SmallVec<[Operand; 4]>, origin: Origin) -> Self {
        Self {
            kernel,
            inputs,
            outputs: Specs::new(),
            template: Vec::new(),
            grid: [1; 3],
            threadgroup: [1; 3],
            init_value: None,
            deadline: DEADLINE,
            checked: false,
            verbose: false,
            origin,
        }
    }

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

    /// What outputs hold before the kernel runs; otherwise, nobody knows. Inputs that are updated hold what they hold.
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

    /// How long the kernel may run: 60 s, unless said otherwise. One that runs longer is stopped, where the device can stop
    /// it; the evaluation ends with an error that names the kernel and where its call was built.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Whether [`build`](Self::build) prints the kernel to standard output, with the parameters that were made for it.
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// Builds the op. Its outputs are those named, then the updated arrays of inputs that are
    /// [read and written](MetalKernel::read_write).
    ///
    /// # Errors
    /// When there are not as many inputs or outputs as the kernel has names, when a name that is read and written is that
    /// of no input, when grid or group have an axis of size 0, or when an output does not fit in memory. Mistakes in the
    /// kernel's text come out when it is evaluated.
    pub fn build(self) -> Result<Vec<Array>> {
        let origin = self.origin;
        self.built().map_err(|e| e.at(origin))
    }

    fn built(self) -> Result<Vec<Array>> {
        self.check()?;
        let inputs: Inputs = self
            .inputs
            .into_iter()
            .map(|x| match x {
                Operand::Array(x) => x,
                number => match number.scalar(number.default_dtype()) {
                    Some(value) => Array::constant(value),
                    None => unreachable!("an operand is an array or a number"),
                },
            })
            .collect();
        let text = self.kernel.text();
        let mut outputs = self.outputs;
        let mut updated = SmallVec::new();
        if !text.read_write.is_empty() {
            for (i, x) in
                inputs.iter().enumerate().filter(|(i, _)| text.read_write.contains(&text.inputs[*i]))
            {
                updated.push(i);
                outputs.push(x.spec().clone());
            }
        }
        let op = CustomKernel {
            kernel: self.kernel,
            template: self.template,
            grid: self.grid,
            threadgroup: self.threadgroup,
            outputs,
            updated,
            init_value: self.init_value.map(Scalar::new),
            deadline: self.deadline,
            checked: self.checked,
        };
        if self.verbose {
            print(&op, &inputs)?;
        }
        let node = Array::handle_at(Handle(std::sync::Arc::new(op)), inputs, self.origin)?;
        Ok(Array::outputs_of(&node))
    }

    fn check(&self) -> Result<()> {
        let text = self.kernel.text();
        let refuse = |what: String| Err(Error::argument(NAME, format!("{}: {what}", text.name)));
        if text.outputs.is_empty() && text.read_write.is_empty() {
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
        if let Some(name) = text.read_write.iter().find(|name| !text.inputs.contains(name)) {
            let names = text.inputs.join(", ");
            return refuse(format!("{name} is to be read and written, but is none of the inputs [{names}]"));
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

/// Prints a kernel with its parameters, as the device of the current stream sees them.
fn print(op: &CustomKernel, inputs: &[Array]) -> Result<()> {
    let specs: SmallVec<[&Spec; 4]> = inputs.iter().map(Array::spec).collect();
    op.infer(&specs)?;
    let (_, device) = Runtime::get()?.device_of(stream::current())?;
    let text = op.kernel.text();
    let source = match device.kernels().source(op, &specs) {
        Some(source) => source?,
        None => format!("{}\n{}", text.header, text.source),
    };
    println!("Generated source code for `{}`:\n```\n{}\n```", text.name, source.trim());
    Ok(())
}
