//! Products with affine quantized weights, and conversions to and from them.

use std::sync::Arc;

use holdall_core::device::{Kernels, Plan, Request};
use holdall_core::ops::{Dequantize, Packing, Quantize, QuantizedMatmul};
use holdall_core::{Error, ErrorKind, Result, Strides};
use holdall_msl::TemplateValue;

use crate::Library;
use crate::kernel::Kernel;
use crate::layout::{merged_some, sizes, steps};
use crate::library::{groups, plan, ty};
use crate::matmul::lead_strides;

const FILE: &str = include_str!("../kernels/quantized.metal");
static DEQUANTIZE: Kernel = Kernel::new("dequantize", FILE);
static QUANTIZE: Kernel = Kernel::new("quantize", FILE);
static DOT: Kernel = Kernel::new("quantized_dot", FILE);
static TILED: Kernel = Kernel::new("quantized_tiled", FILE);

/// Rows and columns of a tile.
const TILE: usize = 32;
/// Rows up to which each output has a SIMD group.
const FEW: usize = 8;
/// Groups along z of a grid.
const MATRICES: usize = 65535;

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let its = library.clone();
    kernels.register(move |op: &QuantizedMatmul, request| matmul(op, request, &its));
    let its = library.clone();
    kernels.register(move |op: &Dequantize, request| dequantize(op, request, &its));
    let its = library.clone();
    kernels.register(move |op: &Quantize, request| quantize(op, request, &its));
}

/// Bits and group size as template arguments.
fn packed(packing: Packing) -> [TemplateValue; 2] {
    [TemplateValue::Int(packing.bits as i32), TemplateValue::Int(packing.group_size as i32)]
}

fn dequantize(op: &Dequantize, request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "dequantize";
    let y = &request.outputs[0];
    if y.size() == 0 {
        return Ok(Plan::nothing());
    }
    if let Some(copies) = request.require_contiguous([0, 1, 2]) {
        return Ok(copies);
    }
    let [bits, group] = packed(op.packing);
    let call = library
        .call(NAME, &DEQUANTIZE, &[ty(NAME, y.dtype)?, bits, group])?
        .input(0, request)
        .input(1, request)
        .input(2, request)
        .output(0, request)
        .value(y.size() as u64)
        .value(y.shape[y.shape.len() - 1] as u32);
    Ok(plan(call.each(y.size())?))
}

fn quantize(op: &Quantize, request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "quantize";
    let x = &request.inputs[0];
    if x.spec.size() == 0 {
        return Ok(Plan::nothing());
    }
    if let Some(copies) = request.require_contiguous([0]) {
        return Ok(copies);
    }
    let [bits, group] = packed(op.packing);
    let count = x.spec.size() / op.packing.group_size;
    let call = library
        .call(NAME, &QUANTIZE, &[ty(NAME, x.spec.dtype)?, bits, group])?
        .input(0, request)
        .output(0, request)
        .output(1, request)
        .output(2, request)
        .value(count as u64);
    let (grid, threads) = groups(count.div_ceil(4), 128);
    Ok(plan(call.run(grid, threads)?))
}

fn matmul(op: &QuantizedMatmul, request: &Request<'_>, library: &Library) -> Result<Plan> {
    const NAME: &str = "quantized_matmul";
    let y = &request.outputs[0];
    if y.size() == 0 {
        return Ok(Plan::nothing());
    }
    if let Some(copies) = request.require_contiguous(0..4) {
        return Ok(copies);
    }
    let (x, w, scales) = (&request.inputs[0], &request.inputs[1], &request.inputs[2]);
    let n = y.shape.len();
    let (mut rows, outputs) = (y.shape[n - 2], y.shape[n - 1]);
    let length = x.shape()[x.shape().len() - 1];
    let lead = &y.shape[..n - 2];
    let mut strides = [x, w, scales].map(|x| lead_strides(x, lead));
    let mut batch: Vec<usize> = lead.to_vec();
    // Rows of a batch over one weight follow each other.
    while batch.last().is_some_and(|d| {
        let at = batch.len() - 1;
        *d == 1 || strides[1][at] == 0 && strides[0][at] == (rows * length) as isize
    }) {
        rows *= batch.pop().unwrap_or(1);
        strides.iter_mut().for_each(|strides: &mut Strides| strides.truncate(batch.len()));
    }
    let (batch, strides) = merged_some(&batch, &[&strides[0], &strides[1], &strides[2]]);
    let matrices: usize = batch.iter().product();
    if rows.max(outputs).max(length) > i32::MAX as usize || matrices > MATRICES {
        let message =
            format!("{matrices} products of {rows}x{outputs} over {length} are too many or too large");
        return Err(Error::new(ErrorKind::Kernel, NAME, message));
    }
    let [bits, group] = packed(op.packing);
    let (t, s, o) = (ty(NAME, x.spec.dtype)?, ty(NAME, scales.spec.dtype)?, ty(NAME, y.dtype)?);
    let rank = TemplateValue::Int(batch.len() as i32);
    let is_dot = op.transpose && rows <= FEW;
    let call = if is_dot {
        library.call(NAME, &DOT, &[t, s, o, bits, group, rank])?
    } else {
        let transposed = TemplateValue::Bool(op.transpose);
        library.call(NAME, &TILED, &[t, s, o, bits, group, transposed, rank])?
    };
    let call = call
        .input(0, request)
        .input(1, request)
        .input(2, request)
        .input(3, request)
        .output(0, request)
        .values(&[rows as u32, outputs as u32, length as u32])
        .values(&sizes(&batch))
        .values(&steps(&strides[0]))
        .values(&steps(&strides[1]))
        .values(&steps(&strides[2]));
    let matrices = matrices as u32;
    Ok(plan(if is_dot {
        call.run([outputs.div_ceil(4) as u32 * 128, rows as u32, matrices], [128, 1, 1])?
    } else {
        let tiles = |n: usize| n.div_ceil(TILE) as u32;
        call.run([tiles(outputs) * 16, tiles(rows) * 16, matrices], [16, 16, 1])?
    }))
}
