//! Norms, softmax and log-sum-exp.

use holdall_core::Result;
use holdall_core::device::{Kernels, Operand, Plan, Request};
use holdall_core::op::Spec;
use holdall_core::ops::{LayerNorm, LogSumExp, RmsNorm, Softmax};

use super::{float, plan};
use crate::isa::Isa;
use crate::kernels::float::Float;
use crate::kernels::norm;
use crate::kernels::rows::Rows;

pub(super) fn register(kernels: &mut Kernels) {
    kernels.register(|op: &RmsNorm, request| {
        let x = &request.inputs[0];
        let kernel = norm::RmsNorm {
            isa: Isa::get(),
            x: float("rms_norm", x.spec.dtype)?,
            weight: request.inputs.get(1).map(weight).transpose()?,
            y: float("rms_norm", request.outputs[0].dtype)?,
            rows: last_axis_rows(x),
            len: x.shape()[x.shape().len() - 1],
            step: x.strides()[x.shape().len() - 1],
            eps: op.eps(),
        };
        Ok(plan(kernel, request.inputs.len(), 1))
    });
    kernels.register(|op: &LayerNorm, request| {
        let x = &request.inputs[0];
        let bias = if op.has_bias { request.inputs.last() } else { None };
        let kernel = norm::LayerNorm {
            isa: Isa::get(),
            x: float("layer_norm", x.spec.dtype)?,
            weight: op.has_weight.then(|| weight(&request.inputs[1])).transpose()?,
            bias: bias.map(weight).transpose()?,
            y: float("layer_norm", request.outputs[0].dtype)?,
            rows: last_axis_rows(x),
            len: x.shape()[x.shape().len() - 1],
            step: x.strides()[x.shape().len() - 1],
            eps: op.eps(),
        };
        Ok(plan(kernel, request.inputs.len(), 1))
    });
    kernels.register_for(
        |op: &Softmax, _: &[&Spec]| are_neighbours(&op.axes),
        |op, request| {
            let x = &request.inputs[0];
            let float = float("softmax", x.spec.dtype)?;
            if op.axes.len() > 1 || x.is_contiguous() {
                if let Some(copies) = request.require_contiguous([0]) {
                    return Ok(copies);
                }
                let [outer, len, inner] = around(x.shape(), &op.axes);
                return Ok(plan(norm::Softmax::dense(Isa::get(), float, outer, len, inner), 1, 1));
            }
            let axis = op.axes[0];
            let dense = holdall_core::contiguous_strides(x.shape());
            let kernel = norm::Softmax {
                isa: Isa::get(),
                float,
                x: rows_without(axis, x.shape(), x.strides()),
                y: rows_without(axis, x.shape(), &dense),
                len: x.shape()[axis],
                steps: [x.strides()[axis], dense[axis]],
                inner: 1,
            };
            Ok(plan(kernel, 1, 1))
        },
    );
    kernels.register_for(|op: &LogSumExp, _: &[&Spec]| are_neighbours(&op.axes), logsumexp);
}

fn logsumexp(op: &LogSumExp, request: &Request<'_>) -> Result<Plan> {
    let x = &request.inputs[0];
    let float = float("logsumexp", x.spec.dtype)?;
    let (rows, len, step) = if op.axes.len() > 1 {
        if let Some(copies) = request.require_contiguous([0]) {
            return Ok(copies);
        }
        let [outer, len, inner] = around(x.shape(), &op.axes);
        (Rows::new(&[outer, inner], &[(len * inner) as isize, 1]), len, inner as isize)
    } else {
        let axis = op.axes[0];
        (rows_without(axis, x.shape(), x.strides()), x.shape()[axis], x.strides()[axis])
    };
    Ok(plan(norm::LogSumExp { isa: Isa::get(), float, rows, len, step }, 1, 1))
}

/// Whether sorted axes follow each other, so that a dense array walks them as one.
fn are_neighbours(axes: &[usize]) -> bool {
    !axes.is_empty() && axes.windows(2).all(|w| w[0] + 1 == w[1])
}

/// Sizes before, of and after neighbouring axes.
fn around(shape: &[usize], axes: &[usize]) -> [usize; 3] {
    let (first, last) = (axes[0], axes[axes.len() - 1]);
    [&shape[..first], &shape[first..=last], &shape[last + 1..]].map(|s| s.iter().product())
}

fn rows_without(axis: usize, shape: &[usize], strides: &[isize]) -> Rows {
    let others = (0..shape.len()).filter(|i| *i != axis);
    let (sizes, steps): (Vec<usize>, Vec<isize>) = others.map(|i| (shape[i], strides[i])).unzip();
    Rows::new(&sizes, &steps)
}

fn last_axis_rows(x: &Operand) -> Rows {
    rows_without(x.shape().len() - 1, x.shape(), x.strides())
}

fn weight(w: &Operand) -> Result<(Float, isize)> {
    Ok((float("norm", w.spec.dtype)?, w.strides()[0]))
}
