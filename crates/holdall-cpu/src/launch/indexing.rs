//! How ops that move elements run.

use holdall_core::device::{Argument, Kernels, Plan, Request};
use holdall_core::ops::{
    Arange, Concatenate, Gather, GatherAxis, MaskedScatter, Scatter, ScatterAxis, SliceUpdate,
};
use holdall_core::{Dims, Strides};
use holdall_core::{Error, ErrorKind, Result, contiguous_strides, size_of};
use holdall_memory::Access;

use super::launch;
use crate::kernel::Kernel;
use crate::kernels::indexing::{
    ArangeKernel, GatherAlong, GatherKernel, MaskKernel, Move, Moves, Places, ScatterAlong, ScatterKernel,
    combine,
};

pub(super) fn register(kernels: &mut Kernels, threads: usize) {
    kernels.register(move |op: &Arange, _| {
        if op.size == 0 {
            return Ok(Plan::nothing());
        }
        let kernel = ArangeKernel::new(op.start, op.step, op.size, op.dtype, threads)
            .ok_or_else(|| no_kernel("arange", op.dtype))?;
        Ok(Plan::launch(launch(kernel), 0, 1, &[]))
    });
    kernels.register(move |op: &SliceUpdate, request| Ok(slice_update(op, request, threads)));
    kernels.register(move |op: &Concatenate, request| Ok(concatenate(op, request, threads)));
    kernels.register(move |op: &Gather, request| Ok(gather(op, request, threads)));
    kernels.register(move |op: &GatherAxis, request| Ok(gather_axis(op, request, threads)));
    kernels.register(|_: &MaskedScatter, request| Ok(masked_scatter(request)));
    kernels.register(move |op: &Scatter, request| scatter(op, request, threads));
    kernels.register(move |op: &ScatterAxis, request| scatter_axis(op, request, threads));
}

fn masked_scatter(request: &Request<'_>) -> Plan {
    if let Some(plan) = request.require_contiguous(0..3) {
        return plan;
    }
    let (mask, values) = (&request.inputs[1].spec, &request.inputs[2].spec);
    if mask.size() == 0 || values.size() == 0 {
        return unchanged();
    }
    let kernel =
        MaskKernel { size: mask.size(), values: values.shape[0], part: values.bytes() / values.shape[0] };
    in_place(kernel, 3)
}

/// A launch that reads the inputs from number 1 on and writes into the memory of input 0.
fn in_place(kernel: impl Kernel + 'static, inputs: usize) -> Plan {
    let arguments = (1..inputs)
        .map(|i| (Argument::Input(i), Access::Read))
        .chain(std::iter::once((Argument::Output(0), Access::ReadWrite)))
        .collect();
    Plan {
        in_place: std::iter::once((0, 0)).collect(),
        launches: std::iter::once((launch(kernel), arguments)).collect(),
        ..Plan::default()
    }
}

/// The first input as it is.
fn unchanged() -> Plan {
    Plan { in_place: std::iter::once((0, 0)).collect(), ..Plan::default() }
}

fn slice_update(op: &SliceUpdate, request: &Request<'_>, threads: usize) -> Plan {
    if let Some(plan) = request.require_contiguous([0]) {
        return plan;
    }
    let (x, update) = (&request.inputs[0], &request.inputs[1]);
    if update.spec.size() == 0 {
        return unchanged();
    }
    let strides = contiguous_strides(x.shape());
    let place: usize = strides.iter().zip(&op.start).map(|(s, i)| *s as usize * i).sum();
    let to: Strides = strides.iter().zip(&op.step).map(|(s, k)| s * k).collect();
    let part = Move::new(update.shape(), update.strides(), &to, x.spec.dtype.size());
    in_place(Moves::new(vec![(part, place)], threads), 2)
}

fn concatenate(op: &Concatenate, request: &Request<'_>, threads: usize) -> Plan {
    let output = &request.outputs[0];
    if output.size() == 0 {
        return Plan::nothing();
    }
    let strides = contiguous_strides(&output.shape);
    let mut place = 0;
    let mut parts = Vec::with_capacity(request.inputs.len());
    for x in request.inputs {
        parts.push((Move::new(x.shape(), x.strides(), &strides, output.dtype.size()), place));
        place += x.shape()[op.axis] * strides[op.axis] as usize;
    }
    Plan::launch(launch(Moves::new(parts, threads)), request.inputs.len(), 1, &[])
}

/// The places that the index arrays `inputs` name along `axes` of an array of these sizes and strides.
fn places(
    request: &Request<'_>,
    inputs: std::ops::Range<usize>,
    axes: &[usize],
    sizes: &[usize],
    strides: &[isize],
) -> Places {
    let indices = &request.inputs[inputs];
    let shape = request.inputs[0].shape();
    let index_shape = indices.first().map_or(&[][..], |i| i.shape());
    Places::new(
        index_shape,
        axes.iter()
            .zip(indices)
            .map(|(a, i)| (i.spec.dtype, i.layout.strides.clone(), shape[*a], sizes[*a], strides[*a])),
    )
}

fn gather(op: &Gather, request: &Request<'_>, threads: usize) -> Plan {
    let (x, output) = (&request.inputs[0], &request.outputs[0]);
    if output.size() == 0 {
        return Plan::nothing();
    }
    let places = places(request, 1..request.inputs.len(), &op.axes, &op.sizes, x.strides());
    let (before, after) = op.sizes.split_at(op.position);
    let (before_strides, after_strides) = x.strides().split_at(op.position);
    let block = Move::new(after, after_strides, &contiguous_strides(after), output.dtype.size());
    let kernel = GatherKernel::new(before.into(), before_strides.into(), places, block, threads);
    Plan::launch(launch(kernel), request.inputs.len(), 1, &[])
}

fn gather_axis(op: &GatherAxis, request: &Request<'_>, threads: usize) -> Plan {
    let (x, index) = (&request.inputs[0], &request.inputs[1]);
    if index.spec.size() == 0 {
        return Plan::nothing();
    }
    let one = Dims::from_elem(1, x.shape().len());
    let places = places(request, 1..2, &[op.axis], &one, x.strides());
    let mut strides = x.layout.strides.clone();
    strides[op.axis] = 0;
    let kernel = GatherAlong::new(index.shape().into(), strides, places, x.spec.dtype.size(), threads);
    Plan::launch(launch(kernel), 2, 1, &[])
}

fn no_kernel(op: &'static str, dtype: holdall_core::Dtype) -> Error {
    Error::new(ErrorKind::Kernel, op, format!("the CPU has no kernel for {dtype}"))
}

fn scatter(op: &Scatter, request: &Request<'_>, threads: usize) -> Result<Plan> {
    if let Some(plan) = request.require_contiguous([0]) {
        return Ok(plan);
    }
    let last = request.inputs.len() - 1;
    let (x, updates) = (&request.inputs[0], &request.inputs[last]);
    if updates.spec.size() == 0 || x.spec.size() == 0 {
        return Ok(unchanged());
    }
    let strides = contiguous_strides(x.shape());
    let index_shape = request.inputs[1..last].first().map_or(&[][..], |i| i.shape());
    let sizes = op.sizes(updates.shape(), index_shape.len());
    let places = places(request, 1..last, &op.axes, &sizes, &strides);
    let (before, rest) = updates.strides().split_at(op.position);
    let (index_strides, after) = rest.split_at(index_shape.len());
    let part_strides: Strides = before.iter().chain(after).copied().collect();
    let part = Move::new(&sizes, &part_strides, &strides, x.spec.dtype.size());
    let combine = combine(op.mode, x.spec.dtype).ok_or_else(|| no_kernel(op.mode.name(), x.spec.dtype))?;
    let overlapping = op.axes.iter().any(|a| sizes[*a] > 1);
    let size = size_of(x.shape());
    let kernel =
        ScatterKernel::new(places, index_shape, index_strides, part, combine, size, overlapping, threads);
    Ok(in_place(kernel, last + 1))
}

fn scatter_axis(op: &ScatterAxis, request: &Request<'_>, threads: usize) -> Result<Plan> {
    if let Some(plan) = request.require_contiguous([0]) {
        return Ok(plan);
    }
    let (x, index, updates) = (&request.inputs[0], &request.inputs[1], &request.inputs[2]);
    if index.spec.size() == 0 || x.spec.size() == 0 {
        return Ok(unchanged());
    }
    // The indexed axis goes last, so that an item has whole lines.
    let line_last = |strides: &[isize]| {
        let mut strides: Strides = strides.into();
        let line = strides.remove(op.axis);
        strides.push(line);
        strides
    };
    let mut dims: Dims = index.shape().into();
    let line = dims.remove(op.axis);
    dims.push(line);
    let strides = contiguous_strides(x.shape());
    let at = (index.spec.dtype, line_last(index.strides()), x.shape()[op.axis], 1, strides[op.axis]);
    let places = Places::new(&dims, std::iter::once(at));
    let mut array = line_last(&strides);
    if let Some(line) = array.last_mut() {
        *line = 0;
    }
    let combine = combine(op.mode, x.spec.dtype).ok_or_else(|| no_kernel(op.mode.name(), x.spec.dtype))?;
    let bytes = x.spec.dtype.size();
    let kernel =
        ScatterAlong::new(dims, line_last(updates.strides()), array, places, bytes, combine, threads);
    Ok(in_place(kernel, 3))
}
