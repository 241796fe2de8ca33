//! Gathers and scatters.

use std::ops::Range;
use std::sync::Arc;

use holdall_core::device::{Argument, Bound, Kernels, Operand, Plan, Request};
use holdall_core::ops::{Gather, GatherAxis, Scatter, ScatterAxis, ScatterMode};
use holdall_core::{Result, Strides, contiguous_strides};
use holdall_memory::Access;
use holdall_msl::TemplateValue;
use smallvec::SmallVec;

use crate::Library;
use crate::gpu::Extent;
use crate::kernel::Kernel;
use crate::layout::{merged_some, sizes, steps};
use crate::library::{bits, extent, fits_32, index, plan, ty, unchanged};

const FILE: &str = include_str!("../kernels/indexing.metal");
static PLACES: Kernel = Kernel::new("places", FILE);
static GATHER: Kernel = Kernel::new("gather", FILE);
static GATHER_ONE: Kernel = Kernel::new("gather_one", FILE);
static GATHER_AXIS: Kernel = Kernel::new("gather_axis", FILE);
static SCATTER: Kernel = Kernel::new("scatter", FILE);
static SCATTER_AXIS: Kernel = Kernel::new("scatter_axis", FILE);

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let its = library.clone();
    kernels.register(move |op: &Gather, request| gather(op, request, &its));
    let its = library.clone();
    kernels.register(move |op: &GatherAxis, request| gather_axis(op, request, &its));
    let its = library.clone();
    kernels.register(move |op: &Scatter, request| scatter(op, request, &its));
    let its = library.clone();
    kernels.register(move |op: &ScatterAxis, request| scatter_axis(op, request, &its));
}

fn int(n: usize) -> TemplateValue {
    TemplateValue::Int(n as i32)
}

/// Where an operand's first element is in its buffer.
fn first(x: &Operand) -> i64 {
    (extent(x).start.unsigned_abs() / x.spec.dtype.size()) as i64
}

/// Merged axes of one array.
fn axes(shape: &[usize], strides: &[isize]) -> (SmallVec<[u64; 8]>, SmallVec<[i64; 8]>) {
    let (dims, strides) = merged_some(shape, &[strides]);
    (sizes(&dims), steps(&strides[0]))
}

/// The places that the index arrays `inputs` name along `along`, where parts of these sizes are taken of an array with these
/// strides: launches that fill temporary 0.
fn places(
    op: &'static str,
    request: &Request<'_>,
    library: &Library,
    inputs: Range<usize>,
    along: &[usize],
    part: &[usize],
    strides: &[isize],
    is_clamped: bool,
) -> Result<(SmallVec<[Bound; 1]>, usize)> {
    let count = request.inputs[inputs.clone()].first().map_or(1, |i| i.spec.size());
    let place = Extent::new(count * 8);
    let shape = request.inputs[0].shape();
    let mut launches = SmallVec::new();
    for (n, (i, axis)) in inputs.zip(along).enumerate() {
        let x = &request.inputs[i];
        let (dims, its) = axes(x.shape(), x.strides());
        let template = [
            ty(op, x.spec.dtype)?,
            index(fits_32([&x.spec])),
            TemplateValue::Bool(n == 0),
            TemplateValue::Bool(is_clamped),
            int(dims.len()),
        ];
        let last = shape[*axis] as i64 - part[*axis] as i64;
        let last = if is_clamped { last.max(0) } else { last };
        let access = if n == 0 { Access::Write } else { Access::ReadWrite };
        let mut call = library.call(op, &PLACES, &template)?;
        if n > 0 {
            call = call.partial();
        }
        let call = call
            .input(i, request)
            .memory(Argument::Temporary(0), access, place)
            .value(count as u64)
            .value(first(x))
            .values(&[shape[*axis] as i64, last, strides[*axis] as i64]);
        launches.push(call.values(&dims).values(&its).each(count)?);
    }
    Ok((launches, count))
}

fn gather(op: &Gather, request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "gather";
    let (x, y) = (&request.inputs[0], &request.outputs[0]);
    if y.size() == 0 {
        return Ok(Plan::nothing());
    }
    let (before, after) = op.sizes.split_at(op.position);
    let (before_strides, after_strides) = x.strides().split_at(op.position);
    let (before, before_strides) = axes(before, before_strides);
    let after_size: usize = after.iter().product();
    let (after, after_strides) = axes(after, after_strides);
    let is_small = fits_32(request.outputs);
    let (element, index_type) = (bits(x.spec.dtype), index(is_small));
    if let [axis] = op.axes[..] {
        let i = &request.inputs[1];
        let (dims, strides) = axes(i.shape(), i.strides());
        let last = (x.shape()[axis] as i64 - op.sizes[axis] as i64).max(0);
        let template = [
            element,
            ty(NAME, i.spec.dtype)?,
            index_type,
            int(before.len()),
            int(dims.len()),
            int(after.len()),
        ];
        let call = library.call(NAME, &GATHER_ONE, &template)?;
        let call = call
            .input(0, request)
            .input(1, request)
            .output(0, request)
            .value(y.size() as u64)
            .value(i.spec.size() as u64)
            .value(after_size as u64)
            .value(first(x))
            .values(&[x.shape()[axis] as i64, last, x.strides()[axis] as i64, first(i)]);
        let call = call.values(&before).values(&before_strides).values(&dims).values(&strides);
        return Ok(plan(call.values(&after).values(&after_strides).each(y.size())?));
    }
    if op.axes.is_empty() {
        // One part, at the beginning.
        let dims: &[usize] = &op.sizes;
        let (dims, strides) = axes(dims, x.strides());
        let template =
            [element, ty(NAME, holdall_core::Dtype::Uint8)?, index_type, int(1), int(1), int(dims.len())];
        let call = library.call(NAME, &GATHER_ONE, &template)?;
        // Any element is an index here, for the axis has a stride of 0.
        let call = call
            .input(0, request)
            .memory(Argument::Input(0), Access::Read, extent(x))
            .output(0, request)
            .value(y.size() as u64)
            .value(1u64)
            .value(y.size() as u64)
            .value(first(x))
            .values(&[1i64, 0, 0, 0]);
        let call = call.values(&[1u64]).values(&[0i64]).values(&[1u64]).values(&[0i64]);
        return Ok(plan(call.values(&dims).values(&strides).each(y.size())?));
    }
    let inputs = 1..request.inputs.len();
    let (mut launches, count) =
        places(NAME, request, library, inputs, &op.axes, &op.sizes, x.strides(), true)?;
    let template = [element, index_type, int(before.len()), int(after.len())];
    let call = library.call(NAME, &GATHER, &template)?;
    let call = call
        .input(0, request)
        .memory(Argument::Temporary(0), Access::Read, Extent::new(count * 8))
        .output(0, request)
        .value(y.size() as u64)
        .value(count as u64)
        .value(after_size as u64)
        .value(first(x));
    let call = call.values(&before).values(&before_strides).values(&after).values(&after_strides);
    launches.push(call.each(y.size())?);
    Ok(Plan { temporaries: std::iter::once(count * 8).collect(), launches, ..Plan::default() })
}

fn gather_axis(op: &GatherAxis, request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "take_along_axis";
    let (x, i) = (&request.inputs[0], &request.inputs[1]);
    let count = i.spec.size();
    if count == 0 {
        return Ok(Plan::nothing());
    }
    let mut strides: Strides = x.layout.strides.clone();
    strides[op.axis] = 0;
    let (dims, both) = merged_some(i.shape(), &[&strides, i.strides()]);
    let template = [bits(x.spec.dtype), ty(NAME, i.spec.dtype)?, index(fits_32([&i.spec])), int(dims.len())];
    let size = x.shape()[op.axis] as i64;
    let call = library
        .call(NAME, &GATHER_AXIS, &template)?
        .input(0, request)
        .input(1, request)
        .output(0, request)
        .value(count as u64)
        .value(first(x))
        .values(&[size, (size - 1).max(0), x.strides()[op.axis] as i64, first(i)]);
    let call = call.values(&sizes(&dims)).values(&steps(&both[0])).values(&steps(&both[1]));
    Ok(plan(call.each(count)?))
}

/// Threads that share the places of each element of a part, so that the device has work.
fn owners(library: &Library, parts: usize, places: usize) -> usize {
    let wanted = (library.facts().cores as usize * 512).div_ceil(parts.max(1));
    wanted.min(places).clamp(1, 1 << 16)
}

fn mode(mode: ScatterMode) -> TemplateValue {
    TemplateValue::Int(match mode {
        ScatterMode::Set => 0,
        ScatterMode::Add => 1,
        ScatterMode::Multiply => 2,
        ScatterMode::Maximum => 3,
        ScatterMode::Minimum => 4,
    })
}

/// The type of a scatter's elements: their bits, where they are only moved.
fn updated(op: ScatterMode, x: &Operand) -> Result<TemplateValue> {
    if op == ScatterMode::Set { Ok(bits(x.spec.dtype)) } else { ty(op.name(), x.spec.dtype) }
}

fn scatter(op: &Scatter, request: &Request<'_>, library: &Library) -> Result<Plan> {
    let name = op.mode.name();
    if let Some(copies) = request.require_contiguous([0]) {
        return Ok(copies);
    }
    let last = request.inputs.len() - 1;
    let (x, updates) = (&request.inputs[0], &request.inputs[last]);
    if updates.spec.size() == 0 || x.spec.size() == 0 {
        return Ok(unchanged());
    }
    let strides = contiguous_strides(x.shape());
    let index_shape = request.inputs[1..last].first().map_or(&[][..], |i| i.shape());
    let part = op.sizes(updates.shape(), index_shape.len());
    let (mut launches, count) = places(name, request, library, 1..last, &op.axes, &part, &strides, false)?;
    let (before, rest) = updates.strides().split_at(op.position);
    let (index_strides, after) = rest.split_at(index_shape.len());
    let part_strides: Strides = before.iter().chain(after).copied().collect();
    let (dims, both) = merged_some(&part, &[&part_strides, &strides]);
    let (index_dims, index_strides) = axes(index_shape, index_strides);
    let overlaps = op.axes.iter().any(|a| part[*a] > 1);
    let part_size: usize = part.iter().product();
    let threads = if overlaps { 1 } else { part_size };
    let owners = owners(library, threads, if overlaps { x.spec.size() } else { count });
    let template = [
        updated(op.mode, x)?,
        mode(op.mode),
        TemplateValue::Bool(overlaps),
        int(index_dims.len()),
        int(dims.len()),
    ];
    let mut temporaries = SmallVec::new();
    let mut call = library.call(name, &SCATTER, &template)?.input(last, request);
    if launches.is_empty() {
        // Without index arrays there is one place: 0, which is what the fill below writes.
        launches.push(zeros(library)?);
    }
    temporaries.push(count * 8);
    call = call
        .memory(Argument::Temporary(0), Access::Read, Extent::new(count * 8))
        .updated(0, request)
        .value(part_size as u64)
        .value(count as u64)
        .value(owners as u32)
        .value(first(updates));
    let call = call.values(&index_dims).values(&index_strides);
    let call = call.values(&sizes(&dims)).values(&steps(&both[0])).values(&steps(&both[1]));
    launches.push(call.each(threads * owners)?);
    Ok(Plan { in_place: std::iter::once((0, 0)).collect(), temporaries, launches, ..Plan::default() })
}

/// A launch that makes temporary 0 one place, the first.
fn zeros(library: &Library) -> Result<Bound> {
    let mut program = holdall_core::pointwise::Program::default();
    program.outputs = vec![program.constant(holdall_core::Scalar::new(0i64))];
    let fill =
        holdall_core::device::Pointwise { program: &program, shape: &[1], strides: &[], is_aligned: true };
    let arguments = std::iter::once((Argument::Temporary(0), Access::Write)).collect();
    Ok((library.pointwise(&fill)?, arguments))
}

fn scatter_axis(op: &ScatterAxis, request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "put_along_axis";
    if let Some(copies) = request.require_contiguous([0]) {
        return Ok(copies);
    }
    let (x, i, updates) = (&request.inputs[0], &request.inputs[1], &request.inputs[2]);
    if i.spec.size() == 0 || x.spec.size() == 0 {
        return Ok(unchanged());
    }
    let strides = contiguous_strides(x.shape());
    let without = |list: &[isize]| {
        let mut list: Strides = list.into();
        list.remove(op.axis);
        list
    };
    let mut shape: Vec<usize> = i.shape().to_vec();
    let length = shape.remove(op.axis);
    let (dims, all) =
        merged_some(&shape, &[&without(i.strides()), &without(updates.strides()), &without(&strides)]);
    let lines: usize = shape.iter().product();
    let owners = owners(library, lines, length);
    let template = [updated(op.mode, x)?, ty(NAME, i.spec.dtype)?, mode(op.mode), int(dims.len())];
    let size = x.shape()[op.axis] as i64;
    let call = library
        .call(NAME, &SCATTER_AXIS, &template)?
        .input(2, request)
        .input(1, request)
        .updated(0, request)
        .value(lines as u64)
        .value(length as u64)
        .value(owners as u32)
        .value(first(updates))
        .values(&[size, size - 1, strides[op.axis] as i64, first(i)])
        .values(&[i.strides()[op.axis] as i64, updates.strides()[op.axis] as i64]);
    let call = call.values(&sizes(&dims)).values(&steps(&all[0])).values(&steps(&all[1]));
    let bound = call.values(&steps(&all[2])).each(lines * owners)?;
    Ok(Plan { in_place: std::iter::once((0, 0)).collect(), ..plan(bound) })
}
