//! Reductions and the places of extremes.

use std::sync::Arc;

use holdall_core::device::{Argument, Bound, Kernels, Operand, Plan, Request};
use holdall_core::op::Primitive;
use holdall_core::ops::{ArgReduce, Reduce, Reduction};
use holdall_core::{Dims, Result, Strides};
use holdall_memory::Access;
use holdall_msl::{ElementType, TemplateValue};

use crate::Library;
use crate::gpu::Extent;
use crate::kernel::Kernel;
use crate::layout::{merged_some, sizes, steps};
use crate::library::{element, extent, fits_32, groups, index, plan};

const FILE: &str = include_str!("../kernels/reduce.metal");
static EACH: Kernel = Kernel::new("reduce_each", FILE);
static GROUP: Kernel = Kernel::new("reduce_group", FILE);
static ARG: Kernel = Kernel::new("arg_reduce", FILE);

/// Elements of a row that one thread takes alone.
const SHORT: usize = 16;
/// Elements of a segment at least, where a row is cut into several.
const SEGMENT: usize = 1024;

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let its = library.clone();
    kernels.register(move |op: &Reduce, request| reduce(op, request, &its));
    let its = library.clone();
    kernels.register(move |op: &ArgReduce, request| arg_reduce(op, request, &its));
}

/// An array's axes in two parts, with where its first element is in its buffer.
struct Parts {
    kept: (Dims, Strides),
    gone: (Dims, Strides),
    first: i64,
}

impl Parts {
    fn new(x: &Operand, axes: &[usize]) -> Self {
        let part = |is_gone: bool| {
            let axes = (0..x.shape().len()).filter(|i| axes.contains(i) == is_gone);
            let (dims, strides): (Vec<usize>, Vec<isize>) =
                axes.map(|i| (x.shape()[i], x.strides()[i])).unzip();
            let (dims, mut strides) = merged_some(&dims, &[&strides]);
            (dims, strides.remove(0))
        };
        let first = extent(x).start.unsigned_abs() / x.spec.dtype.size();
        Self { kept: part(false), gone: part(true), first: first as i64 }
    }
}

/// What is accumulated for elements of a type: its own, but float32 for 16-bit floats.
pub(crate) fn wide(element: ElementType) -> ElementType {
    match element {
        ElementType::F16 | ElementType::BF16 => ElementType::F32,
        other => other,
    }
}

/// Threads of a group for rows of so many elements.
pub(crate) fn group_size(length: usize) -> u32 {
    match length {
        0..=64 => 32,
        65..=512 => 128,
        _ => 256,
    }
}

fn reduce(op: &Reduce, request: &Request<'_>, library: &Library) -> Result<Plan> {
    let (x, y) = (&request.inputs[0], &request.outputs[0]);
    if y.size() == 0 {
        return Ok(Plan::nothing());
    }
    let name = op.name();
    let (from, to) = (element(name, x.spec.dtype)?, element(name, y.dtype)?);
    let is_truth = matches!(op.reduction, Reduction::All | Reduction::Any);
    let sum = if is_truth { ElementType::Bool } else { wide(to) };
    let parts = Parts::new(x, &op.axes);
    let length: usize = parts.gone.0.iter().product();
    let length = if x.spec.size() == 0 { 0 } else { length };
    let memory = Memory { op: name, reduction: op.reduction, outputs: y.size(), length, parts: &parts };
    let many = library.facts().cores as usize * 512;
    let is_column = parts.gone.1.last().is_some_and(|s| s.abs() != 1);
    let source = (Argument::Input(0), extent(x), from);
    let target = (Argument::Output(0), Extent::new(y.bytes()), to);
    if length <= SHORT || is_column && y.size() >= many {
        return Ok(plan(memory.run(library, source, sum, target, None, fits_32([&x.spec]))?));
    }
    let wanted = (library.facts().cores as usize * 4).div_ceil(y.size());
    let segments = length.div_ceil(SEGMENT).min(wanted).max(1);
    if segments == 1 {
        return Ok(plan(memory.run(library, source, sum, target, Some(1), fits_32([&x.spec]))?));
    }
    let per_segment = length.div_ceil(segments);
    let segments = length.div_ceil(per_segment);
    let bytes = y.size() * segments * sum.size() as usize;
    let partial = Extent::new(bytes);
    let first = memory.run(
        library,
        source,
        sum,
        (Argument::Temporary(0), partial, sum),
        Some(segments),
        fits_32([&x.spec]),
    )?;
    let rows = Parts {
        kept: (Dims::from([y.size()]), Strides::from([segments as isize])),
        gone: (Dims::from([segments]), Strides::from([1])),
        first: 0,
    };
    let second = Memory { length: segments, parts: &rows, ..memory };
    let source = (Argument::Temporary(0), partial, sum);
    let second = second.run(library, source, sum, target, Some(1), true)?;
    Ok(Plan {
        temporaries: std::iter::once(bytes).collect(),
        launches: [first, second].into_iter().collect(),
        ..Plan::default()
    })
}

type Place = (Argument, Extent, ElementType);

/// A pass of a reduction.
struct Memory<'a> {
    op: &'static str,
    reduction: Reduction,
    outputs: usize,
    length: usize,
    parts: &'a Parts,
}

impl Memory<'_> {
    /// One thread for an output without `segments`, else groups.
    fn run(
        &self,
        library: &Library,
        from: Place,
        sum: ElementType,
        to: Place,
        segments: Option<usize>,
        is_small: bool,
    ) -> Result<Bound> {
        let Parts { kept, gone, first } = self.parts;
        let ty = TemplateValue::Type;
        let int = |n: usize| TemplateValue::Int(n as i32);
        let reduction = TemplateValue::Int(match self.reduction {
            Reduction::Sum => 0,
            Reduction::Prod => 1,
            Reduction::Max => 2,
            Reduction::Min => 3,
            Reduction::All => 4,
            Reduction::Any => 5,
        });
        let (k, q) = (int(kept.0.len()), int(gone.0.len()));
        let group = group_size(self.length / segments.unwrap_or(1));
        let size = TemplateValue::Int(group as i32);
        let template = [ty(from.2), ty(sum), ty(to.2), reduction, index(is_small), k, q, size];
        let (kernel, template) =
            if segments.is_some() { (&GROUP, &template[..]) } else { (&EACH, &template[..7]) };
        let mut call = library
            .call(self.op, kernel, template)?
            .memory(from.0, Access::Read, from.1)
            .memory(to.0, Access::Write, to.1)
            .value(self.outputs as u64)
            .value(self.length as u64)
            .value(*first);
        if let Some(segments) = segments {
            call = call.value(segments as u64).value(self.length.div_ceil(segments).max(1) as u64);
        }
        let call = call.values(&sizes(&kept.0)).values(&steps(&kept.1));
        let call = call.values(&sizes(&gone.0)).values(&steps(&gone.1));
        match segments {
            Some(segments) => {
                let (grid, threads) = groups(self.outputs * segments, group);
                call.run(grid, threads)
            }
            None => call.each(self.outputs),
        }
    }
}

fn arg_reduce(op: &ArgReduce, request: &Request<'_>, library: &Library) -> Result<Plan> {
    let (x, outputs) = (&request.inputs[0], request.outputs[0].size());
    if outputs == 0 {
        return Ok(Plan::nothing());
    }
    let name = op.name();
    let from = element(name, x.spec.dtype)?;
    let parts = Parts::new(x, &[op.axis]);
    let length = x.shape()[op.axis];
    // Rows of a vocabulary are long and few.
    let group = if length > 4096 { library.facts().max_threads.min(1024) } else { group_size(length) };
    let template = [
        TemplateValue::Type(from),
        TemplateValue::Type(wide(from)),
        TemplateValue::Bool(op.largest),
        TemplateValue::Int(parts.kept.0.len() as i32),
        TemplateValue::Int(group as i32),
    ];
    let call = library.call(name, &ARG, &template)?.input(0, request).output(0, request);
    let call = call.value(outputs as u32).value(length as u32).value(parts.first);
    let call = call.value(x.strides()[op.axis] as i64);
    let (grid, threads) = groups(outputs, group);
    Ok(plan(call.values(&sizes(&parts.kept.0)).values(&steps(&parts.kept.1)).run(grid, threads)?))
}
