//! Convolution.

use crate::Array;
use crate::error::{Error, Origin, Result};
use crate::op::{Derivative, Primitive, Spec, Specs};
use crate::ops::{Padding, Slice};

/// Cross-correlation along one axis. Inputs of one type: `[N, L, C]` and weights `[O, K, C / groups]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Conv1d {
    /// Distance between outputs.
    pub stride: usize,
    /// Zeros on both sides.
    pub padding: usize,
    /// Distance between the inputs of an output.
    pub dilation: usize,
    /// Groups of channels that see only each other.
    pub groups: usize,
}

impl Primitive for Conv1d {
    fn name(&self) -> &'static str {
        "conv1d"
    }

    fn infer(&self, inputs: &[&Spec]) -> Result<Specs> {
        let (x, w) = (&inputs[0].shape, &inputs[1].shape);
        let fits = x.len() == 3
            && w.len() == 3
            && self.groups > 0
            && w[0] % self.groups == 0
            && w[2] * self.groups == x[2];
        if !fits || self.stride == 0 || self.dilation == 0 || w[1] == 0 {
            return Err(Error::shape(
                "conv1d",
                format!(
                    "wanted input [N, L, C] and weights [O, K, C/groups], got {x:?} and {w:?} with {} groups, stride {}, dilation {}",
                    self.groups, self.stride, self.dilation
                ),
            ));
        }
        let reach = self.dilation * (w[1] - 1) + 1;
        let Some(room) = (x[1] + 2 * self.padding).checked_sub(reach) else {
            return Err(Error::shape(
                "conv1d",
                format!(
                    "{reach} inputs are needed for an output; there are {} with padding",
                    x[1] + 2 * self.padding
                ),
            ));
        };
        if !inputs[0].dtype.is_floating() {
            return Err(Error::dtype("conv1d", format!("wanted a floating type, got {}", inputs[0].dtype)));
        }
        let shape = [x[0], room / self.stride + 1, w[0]][..].into();
        Ok(std::iter::once(Spec { shape, dtype: inputs[0].dtype }).collect())
    }

    fn derivative(&self) -> Derivative {
        Derivative::Decompose
    }

    fn decompose(&self, inputs: &[Array]) -> Option<Result<Vec<Array>>> {
        Some(self.products(&inputs[0], &inputs[1]).map(|y| vec![y]))
    }
}

impl Conv1d {
    /// As a matrix product for each group: the inputs of each output, `[G, N L', K C/G]`, with the weights.
    fn products(&self, x: &Array, w: &Array) -> Result<Array> {
        let (n, c) = (x.shape()[0], x.shape()[2]);
        let (o, k) = (w.shape()[0], w.shape()[1]);
        let (g, p) = (self.groups, self.padding);
        let x = x.pad(&[(0, 0), (p, p), (0, 0)], &Padding::Constant(0.0.into()))?;
        let l = (x.shape()[1] - self.dilation * (k - 1) - 1) / self.stride + 1;
        let tap = |i: usize| {
            let (start, step) = ([0, i * self.dilation, 0], [1, self.stride as isize, 1]);
            Array::apply(Slice { start: start.into(), step: step.into(), shape: [n, l, c].into() }, &[&x])
        };
        let taps = (0..k).map(tap).collect::<Result<Vec<_>>>()?;
        let seen = Array::stack(&taps.iter().collect::<Vec<_>>(), 2)?; // [N, L', K, C]
        let seen = seen.reshape_to(&[n, l, k, g, c / g])?.transpose(&[3, 0, 1, 2, 4])?;
        let seen = seen.reshape_to(&[g, n * l, k * c / g])?;
        let w = w.reshape_to(&[g, o / g, k * c / g])?.swapaxes(1, 2)?;
        let y = seen.matmul(&w)?.reshape_to(&[g, n, l, o / g])?;
        y.transpose(&[1, 2, 0, 3])?.reshape_to(&[n, l, o])
    }
}

impl Array {
    /// Cross-correlation of `[N, L, C]` with weights `[O, K, C / groups]` along the middle axis, giving
    /// `[N, (L + 2 padding - dilation (K - 1) - 1) / stride + 1, O]` in the promoted type.
    ///
    /// # Errors
    /// When the shapes do not fit, or the type is not floating.
    #[track_caller]
    pub fn conv1d(
        &self,
        weight: &Self,
        stride: usize,
        padding: usize,
        dilation: usize,
        groups: usize,
    ) -> Result<Self> {
        let origin = Origin::caller();
        let dtype = self.dtype().promote(weight.dtype());
        let op = Conv1d { stride, padding, dilation, groups };
        Self::apply(op, &[&self.to_dtype(dtype, origin), &weight.to_dtype(dtype, origin)])
    }
}
