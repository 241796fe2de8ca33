//! Custom kernels, written in the Metal Shading Language.
//!
//! A [`MetalKernel`] is a text with the names of its arguments; each call of it is an op like any other: lazy, on any
//! stream of any device that has a way to run it, free to follow and to be followed by all others.
//!
//! The meaning is that of MLX's `fast.metal_kernel`. What the text says is looked at when the op is evaluated; the
//! counts of inputs and outputs, grid and group are checked when it is built.
//!
//! Where MLX has quirks that no kernel needs, this does the sane thing: negative template arguments compile, the types of a call
//! never decide between two kernels of one name, a kernel without attributes may have several outputs and mention shapes,
//! and `double` is an error when a call is built.
//!
//! Beyond MLX: inputs that a kernel updates ([`MetalKernel::read_write`]), derivatives and batching rules
//! ([`MetalKernel::vjp`], [`MetalKernel::jvp`], [`MetalKernel::vmap`]), deadlines and checks ([`KernelCall::deadline`], [`KernelCall::checked`]).

mod call;
mod custom;
mod memo;
mod observe;
#[cfg(test)]
mod tests;

pub use call::KernelCall;
pub use custom::CustomKernel;
pub use memo::KernelMemo;
pub use observe::{KernelObserver, KernelObserverEntry};

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use crate::Array;
use crate::dtype::Dtype;
use crate::error::{Origin, Result};
use crate::scalar::Operand;
use crate::transform::Rules;

const NAME: &str = "metal_kernel";

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
///
/// Calling a kernel that was called before with arguments of the same types costs little; keep it rather than making it anew.
#[derive(Clone, Debug)]
pub struct MetalKernel {
    text: Arc<KernelText>,
    rules: Rules,
    memo: Arc<KernelMemo>,
    /// The text's hash, once somebody asked: backends look calls up by it.
    digest: OnceLock<u64>,
}

/// Kernels are equal when their texts are, and their derivatives are the very same closures.
impl PartialEq for MetalKernel {
    fn eq(&self, other: &Self) -> bool {
        (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text) && self.rules == other.rules
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
    /// Names of the inputs that the kernel also writes.
    pub read_write: Vec<String>,
    /// Whether inputs with gaps are copied first.
    pub ensure_row_contiguous: bool,
    /// Whether elements of what the kernel writes are atomic.
    pub atomic_outputs: bool,
}

impl MetalKernel {
    /// A kernel with this source. It needs [outputs](Self::outputs) to be called, or inputs that it
    /// [updates](Self::read_write).
    pub fn new(name: impl Into<String>, source: impl Into<String>) -> Self {
        Self {
            text: Arc::new(KernelText {
                name: name.into(),
                source: source.into(),
                header: String::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                read_write: Vec::new(),
                ensure_row_contiguous: true,
                atomic_outputs: false,
            }),
            rules: Rules::default(),
            memo: Arc::default(),
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
        self.memo = Arc::default();
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

    /// Names those of the inputs that the kernel also writes. Such an input is `device T*`, whatever its size, and lies
    /// row-major. Its updated array comes as an output of the call, after the named ones, in the order of the inputs; the
    /// array that was passed stays what it is. When nobody else needs that one, its memory is updated in place; otherwise
    /// the kernel works on a copy.
    ///
    /// ```
    /// # use holdall_core::{Array, Dtype, MetalKernel};
    /// let step = MetalKernel::new("step", "uint i = thread_position_in_grid.x; state[i] += x[i]; y[i] = state[i] * 2;")
    ///     .inputs(["x", "state"])
    ///     .read_write(["state"])
    ///     .outputs(["y"]);
    /// # let build = |x: &Array, state: &Array| -> holdall_core::Result<()> {
    /// let call = step.call([x, state]).output(x.shape(), Dtype::Float32).grid([x.size() as u32, 1, 1]);
    /// let [y, state] = &call.build()?[..] else { unreachable!() };
    /// # Ok(()) };
    /// ```
    #[must_use]
    pub fn read_write<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Self {
        self.with(|text| text.read_write = names.into_iter().map(Into::into).collect())
    }

    /// Declarations to go before the kernel: functions, constants, macros.
    #[must_use]
    pub fn header(self, header: impl Into<String>) -> Self {
        self.with(|text| text.header = header.into())
    }

    /// Whether an input whose elements do not lie row-major without gaps is copied first: yes, unless said otherwise.
    /// A kernel that says no goes by `x_strides`. Inputs that run backwards are copied even so, since nothing
    /// before a pointer can be reached.
    #[must_use]
    pub fn ensure_row_contiguous(self, ensure: bool) -> Self {
        self.with(|text| text.ensure_row_contiguous = ensure)
    }

    /// Whether outputs, and inputs that are updated, are `device atomic<T>*`: no, unless said otherwise.
    #[must_use]
    pub fn atomic_outputs(self, atomic: bool) -> Self {
        self.with(|text| text.atomic_outputs = atomic)
    }

    /// Gives the kernel a derivative backwards: `rule(inputs, outputs, cotangents of the outputs)` gives for each input its
    /// cotangent, an array of its shape, or nothing for zero. Without one, a gradient through a call is an error.
    ///
    /// ```
    /// # use holdall_core::MetalKernel;
    /// let cube = MetalKernel::new("cube", "uint i = thread_position_in_grid.x; y[i] = x[i] * x[i] * x[i];")
    ///     .inputs(["x"])
    ///     .outputs(["y"])
    ///     .vjp(|x, _, c| Ok(vec![x[0].square()?.multiply(3.0)?.multiply(&c[0])?]));
    /// ```
    #[must_use]
    pub fn vjp<R: Into<Option<Array>>>(
        mut self,
        rule: impl Fn(&[Array], &[Array], &[Array]) -> Result<Vec<R>> + Send + Sync + 'static,
    ) -> Self {
        self.rules.set_vjp(rule);
        self
    }

    /// Gives the kernel a derivative forwards: `rule(inputs, outputs, tangents of the inputs)` gives for each output its
    /// tangent, an array of its shape, or nothing for zero.
    #[must_use]
    pub fn jvp<R: Into<Option<Array>>>(
        mut self,
        rule: impl Fn(&[Array], &[Array], &[Array]) -> Result<Vec<R>> + Send + Sync + 'static,
    ) -> Self {
        self.rules.set_jvp(rule);
        self
    }

    /// Gives the kernel a batching rule: `rule(inputs, which of them are batched)` gives the outputs for a batch of calls at once.
    /// Inputs that are batched have the batch as an axis before their own, and so have the outputs. Without a rule,
    /// [`vmap`](crate::transform::vmap) calls the kernel for one example after the other.
    #[must_use]
    pub fn vmap(
        mut self,
        rule: impl Fn(&[Array], &[bool]) -> Result<Vec<Array>> + Send + Sync + 'static,
    ) -> Self {
        self.rules.set_vmap(rule);
        self
    }

    /// What the kernel is made of.
    pub fn text(&self) -> &KernelText {
        &self.text
    }

    /// What backends remember of the kernel; shared by its clones.
    pub fn memo(&self) -> &KernelMemo {
        &self.memo
    }

    /// A call with these inputs, arrays or numbers, whose other arguments follow. Numbers are arrays without axes: bool,
    /// int32 (int64 where that does not do) or float32.
    #[track_caller]
    pub fn call<X: Into<Operand>>(&self, inputs: impl IntoIterator<Item = X>) -> KernelCall {
        // Now, so that all copies have it.
        self.digest();
        KernelCall::new(self.clone(), inputs.into_iter().map(Into::into).collect(), Origin::caller())
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
