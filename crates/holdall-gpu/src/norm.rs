//! Norms, softmax and log-sum-exp.

use std::sync::Arc;

use holdall_core::device::{Argument, Kernels, Operand, Plan, Request};
use holdall_core::op::Spec;
use holdall_core::ops::{LayerNorm, LogSumExp, RmsNorm, Softmax};
use holdall_core::{Dims, Result, Strides, contiguous_strides};
use holdall_memory::Access;
use holdall_msl::TemplateValue;
use smallvec::SmallVec;

use crate::Library;
use crate::kernel::Kernel;
use crate::layout::{merged_some, sizes, steps};
use crate::library::{extent, groups, is_float, plan, ty};
use crate::reduce::group_size;

const FILE: &str = include_str!("../kernels/norm.metal");
static RMS_NORM: Kernel = Kernel::new("rms_norm", FILE);
static LAYER_NORM: Kernel = Kernel::new("layer_norm", FILE);
static SOFTMAX: Kernel = Kernel::new("softmax", FILE);
static LOGSUMEXP: Kernel = Kernel::new("logsumexp", FILE);

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let its = library.clone();
    kernels.register_for(|_: &RmsNorm, x| is_float(x), move |op, request| rms_norm(op, request, &its));
    let its = library.clone();
    kernels.register_for(|_: &LayerNorm, x| is_float(x), move |op, request| layer_norm(op, request, &its));
    let its = library.clone();
    let takes = |axes: &[usize], x: &[&Spec]| is_float(x) && are_neighbours(axes);
    kernels.register_for(
        move |op: &Softmax, x| takes(&op.axes, x),
        move |op, request| softmax(op, request, &its),
    );
    let its = library.clone();
    kernels.register_for(
        move |op: &LogSumExp, x| takes(&op.axes, x),
        move |op, request| logsumexp(op, request, &its),
    );
}

/// Whether sorted axes follow each other, so that a dense array walks them as one.
fn are_neighbours(axes: &[usize]) -> bool {
    !axes.is_empty() && axes.windows(2).all(|w| w[0] + 1 == w[1])
}

/// Rows of an array: all axes but some, with strides.
struct Rows {
    dims: Dims,
    strides: SmallVec<[Strides; 4]>,
    count: usize,
    length: usize,
    /// Where the first element is.
    first: i64,
    step: i64,
}

impl Rows {
    /// The rows along neighbouring axes, which have to be dense if there are several; `others` are strides of arrays that are walked
    /// along.
    fn new(x: &Operand, axes: &[usize], others: &[&[isize]]) -> Self {
        let kept: Vec<usize> = (0..x.shape().len()).filter(|i| !axes.contains(i)).collect();
        let of = |strides: &[isize]| kept.iter().map(|i| strides[*i]).collect::<Vec<isize>>();
        let shape: Vec<usize> = kept.iter().map(|i| x.shape()[*i]).collect();
        let lists: Vec<Vec<isize>> =
            std::iter::once(x.strides()).chain(others.iter().copied()).map(of).collect();
        let (dims, strides) = merged_some(&shape, &lists.iter().map(|s| &s[..]).collect::<Vec<_>>());
        let first = extent(x).start.unsigned_abs() / x.spec.dtype.size();
        Self {
            dims,
            strides,
            count: shape.iter().product(),
            length: axes.iter().map(|i| x.shape()[*i]).product(),
            first: first as i64,
            step: axes.last().map_or(1, |i| x.strides()[*i] as i64),
        }
    }

    fn template(&self) -> [TemplateValue; 2] {
        let rank = TemplateValue::Int(self.dims.len() as i32);
        [rank, TemplateValue::Int(group_size(self.length) as i32)]
    }

    fn threads(&self) -> ([u32; 3], [u32; 3]) {
        groups(self.count, group_size(self.length))
    }
}

fn rms_norm(op: &RmsNorm, request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "rms_norm";
    let (x, y) = (&request.inputs[0], &request.outputs[0]);
    if y.size() == 0 {
        return Ok(Plan::nothing());
    }
    let rows = Rows::new(x, &[x.shape().len() - 1], &[]);
    let weight = request.inputs.get(1);
    // Something has to be bound.
    let w = weight.unwrap_or(x);
    let [rank, group] = rows.template();
    let template = [
        ty(NAME, x.spec.dtype)?,
        ty(NAME, w.spec.dtype)?,
        ty(NAME, y.dtype)?,
        TemplateValue::Bool(weight.is_some()),
        rank,
        group,
    ];
    let call = library
        .call(NAME, &RMS_NORM, &template)?
        .input(0, request)
        .memory(Argument::Input(usize::from(weight.is_some())), Access::Read, extent(w))
        .output(0, request)
        .value(rows.count as u64)
        .value(rows.length as u32)
        .value(op.eps())
        .values(&[rows.first, rows.step, weight.map_or(0, |w| w.strides()[0] as i64)]);
    let call = call.values(&sizes(&rows.dims)).values(&steps(&rows.strides[0]));
    let (grid, group) = rows.threads();
    Ok(plan(call.run(grid, group)?))
}

fn layer_norm(op: &LayerNorm, request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "layer_norm";
    let (x, y) = (&request.inputs[0], &request.outputs[0]);
    if y.size() == 0 {
        return Ok(Plan::nothing());
    }
    let rows = Rows::new(x, &[x.shape().len() - 1], &[]);
    let weight = usize::from(op.has_weight);
    let bias = if op.has_bias { request.inputs.len() - 1 } else { 0 };
    let (w, b) = (&request.inputs[weight], &request.inputs[bias]);
    let [rank, group] = rows.template();
    let template = [
        ty(NAME, x.spec.dtype)?,
        ty(NAME, w.spec.dtype)?,
        ty(NAME, b.spec.dtype)?,
        ty(NAME, y.dtype)?,
        TemplateValue::Bool(op.has_weight),
        TemplateValue::Bool(op.has_bias),
        rank,
        group,
    ];
    let step = |x: &Operand| x.strides().first().map_or(0, |s| *s as i64);
    let call = library
        .call(NAME, &LAYER_NORM, &template)?
        .input(0, request)
        .input(weight, request)
        .input(bias, request)
        .output(0, request)
        .value(rows.count as u64)
        .value(rows.length as u32)
        .value(op.eps())
        .values(&[rows.first, rows.step, step(w), step(b)]);
    let call = call.values(&sizes(&rows.dims)).values(&steps(&rows.strides[0]));
    let (grid, group) = rows.threads();
    Ok(plan(call.run(grid, group)?))
}

fn softmax(op: &Softmax, request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "softmax";
    let x = &request.inputs[0];
    if request.outputs[0].size() == 0 {
        return Ok(Plan::nothing());
    }
    if op.axes.len() > 1
        && let Some(copies) = request.require_contiguous([0])
    {
        return Ok(copies);
    }
    let dense = contiguous_strides(x.shape());
    let rows = Rows::new(x, &op.axes, &[&dense]);
    let [rank, group] = rows.template();
    let y_step = dense[op.axes[op.axes.len() - 1]] as i64;
    let call = library
        .call(NAME, &SOFTMAX, &[ty(NAME, x.spec.dtype)?, rank, group])?
        .input(0, request)
        .output(0, request)
        .value(rows.count as u64)
        .value(rows.length as u64)
        .values(&[rows.first, rows.step, y_step]);
    let call = call.values(&sizes(&rows.dims)).values(&steps(&rows.strides[0]));
    let (grid, group) = rows.threads();
    Ok(plan(call.values(&steps(&rows.strides[1])).run(grid, group)?))
}

fn logsumexp(op: &LogSumExp, request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "logsumexp";
    let x = &request.inputs[0];
    if request.outputs[0].size() == 0 {
        return Ok(Plan::nothing());
    }
    if op.axes.len() > 1
        && let Some(copies) = request.require_contiguous([0])
    {
        return Ok(copies);
    }
    let rows = Rows::new(x, &op.axes, &[]);
    let [rank, group] = rows.template();
    let call = library
        .call(NAME, &LOGSUMEXP, &[ty(NAME, x.spec.dtype)?, rank, group])?
        .input(0, request)
        .output(0, request)
        .value(rows.count as u64)
        .value(rows.length as u64)
        .values(&[rows.first, rows.step]);
    let call = call.values(&sizes(&rows.dims)).values(&steps(&rows.strides[0]));
    let (grid, group) = rows.threads();
    Ok(plan(call.run(grid, group)?))
}
