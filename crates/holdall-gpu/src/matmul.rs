//! Matrix products of plain numbers.

use std::sync::Arc;

use holdall_core::device::{Kernels, Operand, Plan, Request};
use holdall_core::ops::Matmul;
use holdall_core::{Dtype, Error, ErrorKind, Result, Strides, broadcast_strides};
use holdall_msl::TemplateValue;

use crate::Library;
use crate::kernel::Kernel;
use crate::layout::{merged_some, sizes, steps};
use crate::library::{element, extent, plan};
use crate::reduce::wide;

const FILE: &str = include_str!("../kernels/matmul.metal");
static TILED: Kernel = Kernel::new("matmul_tiled", FILE);
static DOT: Kernel = Kernel::new("matmul_dot", FILE);

/// Rows and columns of a tile.
const TILE: usize = 32;
/// Rows up to which each element has a SIMD group.
const FEW: usize = 8;
/// Matrices of one launch.
const MATRICES: usize = 65535;

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let library = library.clone();
    kernels.register(move |_: &Matmul, request| matmul(request, &library));
}

/// Strides with which an operand's leading axes are read as axes of sizes `lead`, to which they broadcast.
pub(crate) fn lead_strides(x: &Operand, lead: &[usize]) -> Strides {
    let n = x.shape().len() - 2;
    broadcast_strides(&x.shape()[..n], &x.strides()[..n], lead)
}

fn matmul(request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "matmul";
    let (a, b, y) = (&request.inputs[0], &request.inputs[1], &request.outputs[0]);
    if y.size() == 0 {
        return Ok(Plan::nothing());
    }
    let n = y.shape.len();
    let (rows, columns, depth) = (y.shape[n - 2], y.shape[n - 1], a.shape()[a.shape().len() - 1]);
    let lead = &y.shape[..n - 2];
    let (batch, strides) = merged_some(lead, &[&lead_strides(a, lead), &lead_strides(b, lead)]);
    let matrices: usize = batch.iter().product();
    if rows.max(columns).max(depth) > i32::MAX as usize || matrices > MATRICES {
        let message =
            format!("{matrices} matrices of {rows}x{columns} over {depth} are too many or too large");
        return Err(Error::new(ErrorKind::Kernel, NAME, message));
    }
    let last = |x: &Operand| {
        let strides = x.strides();
        let n = strides.len();
        [strides[n - 2] as i64, strides[n - 1] as i64]
    };
    let (a_strides, b_strides) = (last(a), last(b));
    let size = a.spec.dtype.size();
    let first = [a, b].map(|x| (extent(x).start.unsigned_abs() / size) as i64);
    let of = element(NAME, a.spec.dtype)?;
    let (ty, rank) = (TemplateValue::Type, TemplateValue::Int(batch.len() as i32));
    let is_dot =
        rows <= FEW && a.spec.dtype != Dtype::Complex64 && (b_strides[0] == 1 || depth == 1) && columns > 1;
    let call = if is_dot {
        library.call(NAME, &DOT, &[ty(of), rank])?
    } else {
        library.call(NAME, &TILED, &[ty(of), ty(wide(of)), rank])?
    };
    let call = call
        .input(0, request)
        .input(1, request)
        .output(0, request)
        .values(&[rows as u32, columns as u32, depth as u32])
        .values(&a_strides)
        .values(&b_strides)
        .values(&first)
        .values(&sizes(&batch))
        .values(&steps(&strides[0]))
        .values(&steps(&strides[1]));
    let matrices = matrices as u32;
    Ok(plan(if is_dot {
        call.run([columns.div_ceil(4) as u32 * 128, rows as u32, matrices], [128, 1, 1])?
    } else {
        let tiles = |n: usize| n.div_ceil(TILE) as u32;
        call.run([tiles(columns) * 16, tiles(rows) * 16, matrices], [16, 16, 1])?
    }))
}
