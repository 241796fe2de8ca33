//! Running sums, products and extremes.

use std::sync::Arc;

use holdall_core::Result;
use holdall_core::device::{Argument, Bound, Kernels, Plan, Request};
use holdall_core::op::Primitive;
use holdall_core::ops::{Running, Scan};
use holdall_memory::Access;
use holdall_msl::{ElementType, TemplateValue};
use smallvec::SmallVec;

use crate::Library;
use crate::gpu::Extent;
use crate::kernel::Kernel;
use crate::library::{element, extent, groups};
use crate::lines::Lines;
use crate::reduce::wide;

const FILE: &str = include_str!("../kernels/scan.metal");
static EACH: Kernel = Kernel::new("scan_each", FILE);
static TOTALS: Kernel = Kernel::new("scan_totals", FILE);
static GROUP: Kernel = Kernel::new("scan_group", FILE);

/// Elements of a line that one thread takes alone.
const SHORT: usize = 16;
/// Threads of a group.
const THREADS: u32 = 256;
/// Elements of a tile; segments are of whole tiles.
const TILE: usize = 1024;

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let library = library.clone();
    kernels.register(move |op: &Scan, request| scan(op, request, &library));
}

/// Memory of elements.
pub(crate) type Place = (Argument, Extent, ElementType);

/// A scan of lines.
pub(crate) struct Scanned<'a> {
    /// For whom.
    pub op: &'static str,
    /// What runs.
    pub running: Running,
    /// From the last element to the first.
    pub reverse: bool,
    /// Whether the element itself is included.
    pub inclusive: bool,
    /// Lines of both arrays.
    pub lines: &'a Lines,
    /// What is combined.
    pub sum: ElementType,
}

impl Scanned<'_> {
    /// The launches, and the bytes of the temporary, number `temporary`, that they need, which may be none.
    pub fn launches(
        &self,
        library: &Library,
        from: Place,
        to: Place,
        temporary: usize,
    ) -> Result<(SmallVec<[Bound; 2]>, usize)> {
        let lines = self.lines;
        let (ty, int, flag) = (TemplateValue::Type, TemplateValue::Int, TemplateValue::Bool);
        let running = int(match self.running {
            Running::Sum => 0,
            Running::Prod => 1,
            Running::Max => 2,
            Running::Min => 3,
            Running::LogSumExp => 4,
        });
        let rank = int(lines.rank() as i32);
        let cores = library.facts().cores as usize;
        let mut out = SmallVec::new();
        // Threads that take neighbouring lines read what lies together where a line's elements do not.
        let is_column = lines.step.abs() != 1 && lines.count >= cores * 512;
        if lines.length <= SHORT || is_column {
            let template =
                [ty(from.2), ty(self.sum), ty(to.2), running, flag(self.reverse), flag(self.inclusive), rank];
            let call = library.call(self.op, &EACH, &template)?;
            let call = call.memory(from.0, Access::Read, from.1).memory(to.0, Access::Write, to.1);
            out.push(lines.add(call).each(lines.count)?);
            return Ok((out, 0));
        }
        let wanted = (cores * 4).div_ceil(lines.count);
        let per_segment = lines.length.div_ceil(wanted).next_multiple_of(TILE);
        let segments = lines.length.div_ceil(per_segment);
        let group = int(THREADS as i32);
        let (grid, threads) = groups(lines.count * segments, THREADS);
        let bytes = if segments > 1 { lines.count * segments * self.sum.size() as usize } else { 0 };
        let totals = (Argument::Temporary(temporary), Extent::new(bytes));
        if segments > 1 {
            let template = [ty(from.2), ty(self.sum), running, flag(self.reverse), rank, group];
            let call = library
                .call(self.op, &TOTALS, &template)?
                .memory(from.0, Access::Read, from.1)
                .memory(totals.0, Access::Write, totals.1)
                .value(segments as u64)
                .value(per_segment as u64);
            out.push(lines.add(call).run(grid, threads)?);
        }
        // Something has to be bound.
        let before = if segments > 1 { (totals.0, totals.1, self.sum) } else { from };
        let template = [
            ty(from.2),
            ty(self.sum),
            ty(before.2),
            ty(to.2),
            running,
            flag(self.reverse),
            flag(self.inclusive),
            flag(segments > 1),
            rank,
            group,
        ];
        let call = library
            .call(self.op, &GROUP, &template)?
            .memory(from.0, Access::Read, from.1)
            .memory(before.0, Access::Read, before.1)
            .memory(to.0, Access::Write, to.1)
            .value(segments as u64)
            .value(per_segment as u64);
        out.push(lines.add(call).run(grid, threads)?);
        Ok((out, bytes))
    }
}

fn scan(op: &Scan, request: &Request<'_>, library: &Library) -> Result<Plan> {
    let (x, y) = (&request.inputs[0], &request.outputs[0]);
    if y.size() == 0 {
        return Ok(Plan::nothing());
    }
    let name = op.name();
    let (from, to) = (element(name, x.spec.dtype)?, element(name, y.dtype)?);
    let sum = if op.running == Running::LogSumExp { ElementType::Complex64 } else { wide(to) };
    let lines = Lines::new(x, op.axis);
    let scanned = Scanned {
        op: name,
        running: op.running,
        reverse: op.reverse,
        inclusive: op.inclusive,
        lines: &lines,
        sum,
    };
    let source = (Argument::Input(0), extent(x), from);
    let target = (Argument::Output(0), Extent::new(y.bytes()), to);
    let (launches, bytes) = scanned.launches(library, source, target, 0)?;
    let temporaries = (bytes > 0).then_some(bytes).into_iter().collect();
    Ok(Plan { temporaries, launches: launches.into_iter().collect(), ..Plan::default() })
}

#[cfg(test)]
mod tests {
    use holdall_core::Dtype;

    use super::*;
    use crate::kernel::compile;

    #[test]
    fn kernels_compile_for_all_types() {
        let (ty, flag, int) = (TemplateValue::Type, TemplateValue::Bool, TemplateValue::Int);
        for dtype in Dtype::ALL.into_iter().filter(|dtype| *dtype != Dtype::Float64) {
            let x = element("scan", dtype).unwrap();
            let is_float = matches!(x, ElementType::F16 | ElementType::BF16 | ElementType::F32);
            for running in (0..5).filter(|op| (*op < 2 || dtype != Dtype::Complex64) && (*op < 4 || is_float))
            {
                let sum = ty(if running == 4 { ElementType::Complex64 } else { wide(x) });
                let op = int(running);
                compile(&EACH, &[ty(x), sum, ty(x), op, flag(true), flag(false), int(2)]);
                compile(&TOTALS, &[ty(x), sum, op, flag(false), int(1), int(256)]);
                let group =
                    [ty(x), sum, sum, ty(x), op, flag(false), flag(true), flag(true), int(3), int(256)];
                compile(&GROUP, &group);
                let group =
                    [ty(x), sum, ty(x), ty(x), op, flag(true), flag(false), flag(false), int(1), int(256)];
                compile(&GROUP, &group);
            }
        }
    }
}
