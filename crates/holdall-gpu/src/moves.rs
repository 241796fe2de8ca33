//! Ops that move elements from given places to given places, and numbers at equal distances.

use std::ops::Range;
use std::sync::Arc;

use holdall_core::device::{Argument, Bound, Kernels, Operand, Plan, Request};
use holdall_core::op::Spec;
use holdall_core::ops::{Arange, Concatenate, Load, SliceUpdate, Source};
use holdall_core::{Dtype, Result, Scalar, Strides, contiguous_strides};
use holdall_memory::Access;
use holdall_msl::TemplateValue;
use smallvec::SmallVec;

use crate::Library;
use crate::gpu::Extent;
use crate::kernel::Kernel;
use crate::layout::{merged_some, sizes, steps};
use crate::library::{bits, fits_32, index, plan, ty, unchanged};

const FILE: &str = include_str!("../kernels/moves.metal");
static MOVE: Kernel = Kernel::new("move", FILE);
static ARANGE: Kernel = Kernel::new("arange_integer", FILE);

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let its = library.clone();
    kernels.register(move |op: &Concatenate, request| concatenate(op, request, &its));
    let its = library.clone();
    kernels.register(move |op: &SliceUpdate, request| slice_update(op, request, &its));
    let its = library.clone();
    kernels.register(move |op: &Arange, request| arange(op, request, &its));
    let its = library.clone();
    kernels.register(move |op: &Load, _: &Request<'_>| load(&op.source, op.outputs.len(), &its));
}

/// Copies an input into part of an output: to elements `first + i * to`, of a row-major array of that spec.
fn part(
    op: &'static str,
    library: &Library,
    i: usize,
    x: &Operand,
    output: &Spec,
    to: &[isize],
    first: usize,
) -> Result<Bound> {
    let (dims, strides) = merged_some(x.shape(), &[x.strides(), to]);
    let from = Extent::strided(&dims, &strides[0], x.spec.dtype.size());
    let start = from.start.unsigned_abs() / x.spec.dtype.size();
    let template = [bits(x.spec.dtype), index(fits_32([&x.spec])), TemplateValue::Int(dims.len() as i32)];
    let call = library.call(op, &MOVE, &template)?.partial();
    call.memory(Argument::Input(i), Access::Read, from)
        .memory(Argument::Output(0), Access::ReadWrite, Extent::new(output.bytes()))
        .value(x.spec.size() as u64)
        .values(&sizes(&dims))
        .values(&steps(&strides[0]))
        .values(&steps(&strides[1]))
        .values(&[start as i64, first as i64])
        .each(x.spec.size())
}

fn concatenate(op: &Concatenate, request: &Request<'_>, library: &Library) -> Result<Plan> {
    let output = &request.outputs[0];
    let strides = contiguous_strides(&output.shape);
    let mut plan = Plan::nothing();
    let mut place = 0;
    for (i, x) in request.inputs.iter().enumerate() {
        if x.spec.size() > 0 {
            plan.launches.push(part("concatenate", library, i, x, output, &strides, place)?);
        }
        place += x.shape()[op.axis] * strides[op.axis].unsigned_abs();
    }
    Ok(plan)
}

fn slice_update(op: &SliceUpdate, request: &Request<'_>, library: &Library) -> Result<Plan> {
    if let Some(copies) = request.require_contiguous([0]) {
        return Ok(copies);
    }
    let (x, update) = (&request.inputs[0], &request.inputs[1]);
    if update.spec.size() == 0 {
        return Ok(unchanged());
    }
    let strides = contiguous_strides(x.shape());
    let place: usize = strides.iter().zip(&op.start).map(|(s, i)| s.unsigned_abs() * i).sum();
    let to: Strides = strides.iter().zip(&op.step).map(|(s, k)| s * k).collect();
    let bound = part("slice_update", library, 1, update, &request.outputs[0], &to, place)?;
    Ok(Plan { in_place: std::iter::once((0, 0)).collect(), ..plan(bound) })
}

/// The launch of a source.
fn load(source: &Arc<dyn Source>, outputs: usize, library: &Library) -> Result<Plan> {
    Ok(Plan::launch(library.gpu.load(source)?, 0, outputs, &[]))
}

fn arange(op: &Arange, request: &Request<'_>, library: &Library) -> Result<Plan> {
    if op.size == 0 {
        return Ok(Plan::nothing());
    }
    let Some((start, step)) = whole(op) else {
        let source: Arc<dyn Source> = Arc::new(Numbers(op.clone()));
        return load(&source, 1, library);
    };
    let template = [ty("arange", op.dtype)?, index(fits_32(request.outputs))];
    let call = library.call("arange", &ARANGE, &template)?.output(0, request);
    Ok(plan(call.value(op.size as u64).value(start).value(step).each(op.size)?))
}

/// First number and distance, if all numbers are integers that integer arithmetic gives exactly, or as the op wants them.
fn whole(op: &Arange) -> Option<(i64, i64)> {
    if let (Some(start), Some(step)) = (op.start.to_i64(), op.step.to_i64()) {
        return Some((start, step));
    }
    let (start, step) = (op.start.to_f64(), op.step.to_f64());
    let last = start + step * op.size as f64;
    let is_whole = start.fract() == 0.0 && step.fract() == 0.0;
    (is_whole && start.abs().max(last.abs()) < 9e15).then_some((start as i64, step as i64))
}

/// Numbers that float64 arithmetic gives, which is the host's work.
#[derive(Debug)]
struct Numbers(Arange);

/// Numbers of a part.
const PART: usize = 1 << 16;

impl Source for Numbers {
    fn name(&self) -> String {
        "arange".into()
    }

    fn parts(&self) -> usize {
        self.0.size.div_ceil(PART)
    }

    fn ranges(&self, part: usize) -> SmallVec<[Range<usize>; 3]> {
        let size = self.0.dtype.size();
        std::iter::once(part * PART * size..((part + 1) * PART).min(self.0.size) * size).collect()
    }

    fn fill(
        &self,
        part: usize,
        outputs: &mut [&mut [u8]],
    ) -> std::result::Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (start, step, size) = (self.0.start.to_f64(), self.0.step.to_f64(), self.0.dtype.size());
        for (i, to) in outputs.iter_mut().flat_map(|output| output.chunks_exact_mut(size)).enumerate() {
            let value = start + step * (part * PART + i) as f64;
            to.copy_from_slice(&converted(value, self.0.dtype).bytes()[..size]);
        }
        Ok(())
    }
}

/// As the CPU converts: floats truncate, and out of range to the nearest of 64 bits, whose low bits remain.
fn converted(value: f64, dtype: Dtype) -> Scalar {
    match dtype {
        dtype if dtype.is_inexact() => Scalar::from_f64(value, dtype),
        Dtype::Uint64 => Scalar::new(value as i128 as u64),
        dtype => Scalar::from_i64(value as i64, dtype),
    }
}
