//! Functions with derivatives of one's own, or with none.

use std::fmt;
use std::sync::Arc;

use super::rules::Rules;
use crate::Array;
use crate::error::Result;
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::shape::Layout;

/// The same array, constant for derivatives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StopGradient;

impl Primitive for StopGradient {
    fn name(&self) -> &'static str {
        "stop_gradient"
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        Ok(std::iter::once(inputs[0].clone()).collect())
    }
    fn is_view(&self) -> bool {
        true
    }
    fn view(&self, _: &Spec, layout: &Layout, _: &Spec) -> Option<Layout> {
        Some(layout.clone())
    }
    fn batch(&self, inputs: &[Array], _: &[bool], _: usize) -> Option<Result<Vec<Array>>> {
        Some(Array::apply(self.clone(), &[&inputs[0]]).map(|y| vec![y]))
    }
    fn derivative(&self) -> Derivative {
        Derivative::Zero
    }
}

/// `x`, which transformations take for constant.
///
/// # Errors
/// Never at present.
#[track_caller]
pub fn stop_gradient(x: &Array) -> Result<Array> {
    Array::apply(StopGradient, &[x])
}

type Function = dyn Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync;
/// A function whose derivatives are given by hand: the one that is given in each mode, else the function's own.
///
/// ```no_run
/// use holdall_core::{Array, transform::CustomFunction};
///
/// // The identity, with gradients clipped.
/// let clip = CustomFunction::new(|x| Ok(vec![x[0].clone()]))
///     .with_vjp(|_, _, c| Ok(vec![c[0].clip(Some((-1.0).into()), Some(1.0.into()))?]));
/// let y = clip.call(&[Array::scalar(2f32)])?;
/// # Ok::<(), holdall_core::Error>(())
/// ```
#[derive(Clone)]
pub struct CustomFunction {
    function: Arc<Function>,
    rules: Rules,
}

impl fmt::Debug for CustomFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomFunction").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl CustomFunction {
    /// `function` with its own derivatives.
    pub fn new(function: impl Fn(&[Array]) -> Result<Vec<Array>> + Send + Sync + 'static) -> Self {
        Self { function: Arc::new(function), rules: Rules::default() }
    }

    /// Backwards, `rule(primals, outputs, cotangents of the outputs)` gives the cotangents of the primals, of their
    /// shapes.
    #[must_use]
    pub fn with_vjp(
        mut self,
        rule: impl Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Array>> + Send + Sync + 'static,
    ) -> Self {
        self.rules.set_vjp(rule);
        self
    }

    /// Forwards, `rule(primals, outputs, tangents of the primals)` gives the tangents of the outputs, of their shapes.
    #[must_use]
    pub fn with_jvp(
        mut self,
        rule: impl Fn(&[Array], &[Array], &[Array]) -> Result<Vec<Array>> + Send + Sync + 'static,
    ) -> Self {
        self.rules.set_jvp(rule);
        self
    }

    /// The function's outputs.
    ///
    /// # Errors
    /// What the function returns. Differentiating returns what the rules do, and
    /// [`ErrorKind::Gradient`](crate::ErrorKind::Gradient) when they give
    /// another number of arrays than there are to be, or in a mode without a rule when an op has no derivative.
    #[track_caller]
    pub fn call(&self, primals: &[Array]) -> Result<Vec<Array>> {
        let outputs = if self.rules.has_both() {
            // Nothing goes through the function itself, so its ops need no derivatives.
            let constant: Vec<Array> = primals.iter().map(stop_gradient).collect::<Result<_>>()?;
            (self.function)(&constant)?
        } else {
            (self.function)(primals)?
        };
        let op = Ruled { rules: self.rules.clone(), primals: primals.len() };
        let inputs: Vec<&Array> = primals.iter().chain(&outputs).collect();
        Array::apply_many(op, &inputs)
    }
}

/// Inputs: the primals, then the outputs. Outputs: those inputs. A mode with a rule goes to the primals, one without to
/// the outputs, and so through the function.
#[derive(Clone, Debug, PartialEq, Hash)]
struct Ruled {
    rules: Rules,
    primals: usize,
}

const NAME: &str = "custom_function";

impl Primitive for Ruled {
    fn name(&self) -> &'static str {
        NAME
    }
    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        Ok(inputs[self.primals..].iter().map(|s| (*s).clone()).collect())
    }
    fn derivative(&self) -> Derivative {
        Derivative::Custom
    }
    fn decompose(&self, inputs: &[Array]) -> Option<Result<Vec<Array>>> {
        Some(Ok(inputs[self.primals..].to_vec()))
    }
    fn jvp(
        &self,
        inputs: &[Array],
        outputs: &[Array],
        tangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        let primals = &inputs[..self.primals];
        let through = || Ok(tangents[self.primals..].to_vec());
        self.rules.jvp(NAME, primals, outputs, tangents).unwrap_or_else(through)
    }
    fn vjp(
        &self,
        inputs: &[Array],
        outputs: &[Array],
        cotangents: &[Option<Array>],
    ) -> Result<Vec<Option<Array>>> {
        let through = || {
            let nothing = std::iter::repeat_n(None, self.primals);
            Ok(nothing.chain(cotangents.iter().cloned()).collect())
        };
        self.rules.vjp(NAME, &inputs[..self.primals], outputs, cotangents).unwrap_or_else(through)
    }
}
