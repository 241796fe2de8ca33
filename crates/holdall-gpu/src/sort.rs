//! Sorting, partitioning (which sorts), searching.

use std::sync::Arc;

use holdall_core::Result;
use holdall_core::device::{Argument, Kernels, Operand, Plan, Request};
use holdall_core::op::Primitive;
use holdall_core::ops::{ArgSort, SearchSorted, Sort};
use holdall_memory::Access;
use holdall_msl::{ElementType, TemplateValue};

use crate::Library;
use crate::gpu::Extent;
use crate::kernel::Kernel;
use crate::layout::{merged_some, sizes, steps};
use crate::library::{element, extent, groups, plan};
use crate::lines::Lines;

const FILE: &str = include_str!("../kernels/sort.metal");
static LINES: Kernel = Kernel::new("sort_lines", FILE);
static BLOCKS: Kernel = Kernel::new("sort_blocks", FILE);
static MERGE: Kernel = Kernel::new("sort_merge", FILE);
static RESULTS: Kernel = Kernel::new("sort_results", FILE);
static SEARCH: Kernel = Kernel::new("search_sorted", FILE);

/// Elements that are sorted in threadgroup memory, at least and at most.
const BLOCK: (usize, usize) = (64, 2048);
/// Threads of a group at most.
const THREADS: usize = 256;
/// Elements that a thread merges.
const ITEMS: usize = 8;

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let its = library.clone();
    kernels.register(move |op: &Sort, request| {
        // Partitions leave elements in the order in which they leave indices.
        let what = if op.kth.is_some() { Wanted::Picks } else { Wanted::Values };
        sort(op.name(), op.axis, what, request, &its)
    });
    let its = library.clone();
    kernels.register(move |op: &ArgSort, request| sort(op.name(), op.axis, Wanted::Indices, request, &its));
    let its = library.clone();
    kernels.register(move |op: &SearchSorted, request| search(op, request, &its));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Sorted elements.
    Values,
    /// Their indices; equal elements stay in order.
    Indices,
    /// Elements in the order of the indices.
    Picks,
}

/// Keys are as `sort.metal` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Values = 0,
    Packed = 1,
    Apart = 2,
}

fn int(n: usize) -> TemplateValue {
    TemplateValue::Int(n as i32)
}

fn sort(
    op: &'static str,
    axis: usize,
    wanted: Wanted,
    request: &Request<'_>,
    library: &Library,
) -> Result<Plan> {
    let (x, y) = (&request.inputs[0], &request.outputs[0]);
    if y.size() == 0 {
        return Ok(Plan::nothing());
    }
    let ty = TemplateValue::Type;
    let (from, to) = (element(op, x.spec.dtype)?, element(op, y.dtype)?);
    let kind = match (wanted, from.size()) {
        (Wanted::Values, _) => Kind::Values,
        (_, 8) => Kind::Apart,
        _ => Kind::Packed,
    };
    let key = if from.size() == 8 || kind == Kind::Packed { ElementType::U64 } else { ElementType::U32 };
    let lines = Lines::new(x, axis);
    let block = lines.length.next_power_of_two().clamp(BLOCK.0, BLOCK.1);
    let threads = (block / 2).min(THREADS);
    let (rank, kind_value) = (int(lines.rank()), int(kind as usize));
    let pick = TemplateValue::Bool(wanted == Wanted::Picks);
    if lines.length <= BLOCK.1 {
        let template = [ty(from), ty(key), ty(to), kind_value, pick, rank, int(block), int(threads)];
        let call = library.call(op, &LINES, &template)?.input(0, request).output(0, request);
        let (grid, group) = groups(lines.count, threads as u32);
        return Ok(plan(lines.add(call).run(grid, group)?));
    }
    let size = x.spec.size();
    let is_apart = kind == Kind::Apart;
    // Two buffers of keys, two of indices; where these are part of the keys something has to be bound.
    let bytes = [size * key.size() as usize, if is_apart { size * 4 } else { 4 }];
    let keys = |i: usize| (Argument::Temporary(2 * i), Extent::new(bytes[0]));
    let indices = |i: usize| (Argument::Temporary(2 * i + 1), Extent::new(bytes[1]));
    let mut made = Plan { temporaries: [bytes, bytes].into_iter().flatten().collect(), ..Plan::default() };
    let template = [ty(from), ty(key), kind_value, rank, int(block), int(threads)];
    let call = library.call(op, &BLOCKS, &template)?;
    let call = if is_apart { call } else { call.partial() };
    let call = call.input(0, request).memory(keys(0).0, Access::Write, keys(0).1).memory(
        indices(0).0,
        Access::Write,
        indices(0).1,
    );
    let (grid, group) = groups(lines.count * lines.length.div_ceil(block), threads as u32);
    made.launches.push(lines.add(call).run(grid, group)?);
    let (mut run, mut at) = (block, 0);
    while run < lines.length {
        let call = library.call(op, &MERGE, &[ty(key), TemplateValue::Bool(is_apart)])?;
        let call = if is_apart { call } else { call.partial() };
        let call = call
            .memory(keys(at).0, Access::Read, keys(at).1)
            .memory(indices(at).0, Access::Read, indices(at).1)
            .memory(keys(1 - at).0, Access::Write, keys(1 - at).1)
            .memory(indices(1 - at).0, Access::Write, indices(1 - at).1)
            .value(lines.count as u64)
            .value(lines.length as u64)
            .value(run as u64);
        made.launches.push(call.each(lines.count * lines.length.div_ceil(ITEMS))?);
        (run, at) = (2 * run, 1 - at);
    }
    let template = [ty(from), ty(key), ty(to), kind_value, pick, rank];
    let call = library
        .call(op, &RESULTS, &template)?
        .input(0, request)
        .memory(keys(at).0, Access::Read, keys(at).1)
        .memory(indices(at).0, Access::Read, indices(at).1)
        .output(0, request);
    made.launches.push(lines.add(call).each(size)?);
    Ok(made)
}

/// Where an operand's first element is in its buffer.
fn first(x: &Operand) -> i64 {
    (extent(x).start.unsigned_abs() / x.spec.dtype.size()) as i64
}

fn search(op: &SearchSorted, request: &Request<'_>, library: &Library) -> Result<Plan> {
    let (sorted, values) = (&request.inputs[0], &request.inputs[1]);
    let size = values.spec.size();
    if size == 0 {
        return Ok(Plan::nothing());
    }
    let name = op.name();
    let (dims, strides) = merged_some(values.shape(), &[values.strides()]);
    let ty = TemplateValue::Type(element(name, values.spec.dtype)?);
    let template = [ty, TemplateValue::Bool(op.right), int(dims.len())];
    let call = library.call(name, &SEARCH, &template)?.input(0, request).input(1, request).output(0, request);
    let call = call
        .value(size as u64)
        .values(&[sorted.shape()[0] as i64, first(sorted), sorted.strides()[0] as i64])
        .value(first(values));
    Ok(plan(call.values(&sizes(&dims)).values(&steps(&strides[0])).each(size)?))
}

#[cfg(test)]
mod tests {
    use holdall_core::Dtype;

    use super::*;
    use crate::kernel::compile;

    #[test]
    fn kernels_compile_for_all_types() {
        let (ty, flag) = (TemplateValue::Type, TemplateValue::Bool);
        let index = ty(ElementType::U32);
        for dtype in Dtype::ALL.into_iter().filter(|d| !matches!(d, Dtype::Float64 | Dtype::Complex64)) {
            let x = element("sort", dtype).unwrap();
            let is_long = x.size() == 8;
            let key = ty(if is_long { ElementType::U64 } else { ElementType::U32 });
            let (apart, long) = (if is_long { 2 } else { 1 }, ty(ElementType::U64));
            for (kind, key, to, pick) in
                [(0, key, ty(x), false), (apart, long, index, false), (apart, long, ty(x), true)]
            {
                let (kind, pick, rank) = (int(kind), flag(pick), int(2));
                compile(&LINES, &[ty(x), key, to, kind, pick, rank, int(64), int(32)]);
                compile(&BLOCKS, &[ty(x), key, kind, rank, int(2048), int(256)]);
                compile(&RESULTS, &[ty(x), key, to, kind, pick, rank]);
            }
            compile(&SEARCH, &[ty(x), flag(true), int(1)]);
        }
        for key in [ElementType::U32, ElementType::U64] {
            compile(&MERGE, &[ty(key), flag(key == ElementType::U64)]);
        }
    }
}
