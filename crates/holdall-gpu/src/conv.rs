//! Convolution along one axis: a thread for each output, or tiles where groups have many channels.

use std::sync::Arc;

use holdall_core::device::{Kernels, Operand, Plan, Request};
use holdall_core::ops::Conv1d;
use holdall_core::{Error, ErrorKind, Result};
use smallvec::SmallVec;

use crate::Library;
use crate::kernel::Kernel;
use crate::library::{extent, groups, is_float, plan, ty};

const NAME: &str = "conv1d";
const FILE: &str = include_str!("../kernels/conv.metal");
static EACH: Kernel = Kernel::new("conv1d_each", FILE);
static TILED: Kernel = Kernel::new("conv1d_tiled", FILE);

/// Rows and channels of a tile.
const TILE: usize = 32;
/// Channels of a group, and numbers that are summed up, from which tiles pay.
const MANY: usize = 16;

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let library = library.clone();
    kernels.register_for(|_: &Conv1d, x| is_float(x), move |op, request| conv1d(op, request, &library));
}

/// Strides, then where the first element is.
fn places(x: &Operand) -> SmallVec<[i64; 4]> {
    let first = extent(x).start.unsigned_abs() / x.spec.dtype.size();
    x.strides().iter().map(|s| *s as i64).chain([first as i64]).collect()
}

fn conv1d(op: &Conv1d, request: &Request<'_>, library: &Library) -> Result<Plan> {
    let (x, w, y) = (&request.inputs[0], &request.inputs[1], &request.outputs[0]);
    if y.size() == 0 {
        return Ok(Plan::nothing());
    }
    let [batch, rows, channels] = [y.shape[0], y.shape[1], y.shape[2]];
    let (taps, in_group, out_group) = (w.shape()[1], w.shape()[2], channels / op.groups);
    let sizes = [batch, x.shape()[1], rows, channels, taps, in_group, out_group];
    let distances = [op.stride, op.padding, op.dilation];
    let mut all = sizes.iter().chain(&distances).chain([&x.shape()[2]]);
    if all.any(|n| *n > i32::MAX as usize) || taps * in_group > i32::MAX as usize {
        let message = format!("sizes {sizes:?} with distances {distances:?} are too large");
        return Err(Error::new(ErrorKind::Kernel, NAME, message));
    }
    let is_tiled = out_group >= MANY && taps * in_group >= MANY;
    let kernel = if is_tiled { &TILED } else { &EACH };
    let call = library
        .call(NAME, kernel, &[ty(NAME, y.dtype)?])?
        .input(0, request)
        .input(1, request)
        .output(0, request)
        .values(&sizes.map(|n| n as u32))
        .values(&distances.map(|n| n as u32))
        .values(&places(x))
        .values(&places(w));
    Ok(plan(if is_tiled {
        let tiles = batch * op.groups * rows.div_ceil(TILE) * out_group.div_ceil(TILE);
        let (grid, threads) = groups(tiles, 256);
        call.run(grid, threads)?
    } else {
        call.each(y.size())?
    }))
}

#[cfg(test)]
mod tests {
    use holdall_msl::{ElementType, TemplateValue};

    use super::*;
    use crate::kernel::compile;

    #[test]
    fn kernels_compile_for_all_types() {
        for element in [ElementType::F16, ElementType::BF16, ElementType::F32] {
            compile(&EACH, &[TemplateValue::Type(element)]);
            compile(&TILED, &[TemplateValue::Type(element)]);
        }
    }
}
