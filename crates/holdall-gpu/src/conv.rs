//! Convolution.

use std::sync::Arc;

use holdall_core::Result;
use holdall_core::device::{Kernels, Operand, Plan, Request};
use holdall_core::ops::Conv1d;

use crate::Library;
use crate::kernel::Kernel;
use crate::layout::steps;
use crate::library::{extent, plan, refused, ty};

static CONV1D: Kernel = Kernel::new("conv1d", include_str!("../kernels/conv.metal"));

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let library = library.clone();
    kernels.register(move |op: &Conv1d, request| conv1d(op, request, &library));
}

fn conv1d(op: &Conv1d, request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "conv1d";
    let (x, w, y) = (&request.inputs[0], &request.inputs[1], &request.outputs[0]);
    if y.size() == 0 {
        return Ok(Plan::nothing());
    }
    let channels = w.shape()[0];
    let sizes = [x.shape()[1], w.shape()[2], y.shape[1], channels, w.shape()[1], channels / op.groups];
    let shape = [op.stride, op.padding, op.dilation];
    if sizes.iter().chain(&shape).any(|n| *n > u32::MAX as usize) {
        return Err(refused(NAME, x.spec.dtype));
    }
    let first = |x: &Operand| (extent(x).start.unsigned_abs() / x.spec.dtype.size()) as i64;
    let call = library
        .call(NAME, &CONV1D, &[ty(NAME, x.spec.dtype)?])?
        .input(0, request)
        .input(1, request)
        .output(0, request)
        .value(y.size() as u64)
        .values(&sizes.map(|n| n as u32))
        .values(&shape.map(|n| n as u32))
        .values(&steps(x.strides()))
        .values(&steps(w.strides()))
        .values(&[first(x), first(w)]);
    Ok(plan(call.each(y.size())?))
}
