//! Products with affine quantized weights, and conversions to and from them.

use holdall_core::device::{Kernels, Plan, Request};
use holdall_core::ops::{Dequantize, Quantize, QuantizedMatmul};
use holdall_core::{Dtype, Error, ErrorKind, Result};

use super::{lead_strides, plan};
use crate::kernels::quantized::{self, BatchAxis, Float, MatmulShape};

pub(super) fn register(kernels: &mut Kernels, threads: usize) {
    kernels.register(move |op: &QuantizedMatmul, request| matmul(op, request, threads));
    kernels.register(move |op: &Dequantize, request| {
        if let Some(copies) = request.require_contiguous([0, 1, 2]) {
            return Ok(copies);
        }
        let (rows, len) = matrix(request.shape());
        let scales = float("dequantize", request.inputs[1].spec.dtype)?;
        let (bits, group) = (op.packing.bits, op.packing.group_size);
        let kernel = quantized::Dequantize::new(rows, len, bits, group, scales, scales, threads);
        Ok(plan(kernel.map_err(|e| unsupported("dequantize", &e))?, 3, 1))
    });
    kernels.register(move |op: &Quantize, request| {
        if let Some(copies) = request.require_contiguous([0]) {
            return Ok(copies);
        }
        let (rows, len) = matrix(request.inputs[0].shape());
        let kind = float("quantize", request.inputs[0].spec.dtype)?;
        let kernel =
            quantized::Quantize::new(rows, len, op.packing.bits, op.packing.group_size, kind, threads);
        Ok(plan(kernel.map_err(|e| unsupported("quantize", &e))?, 1, 3))
    });
}

/// A shape as rows over its last axis.
fn matrix(shape: &[usize]) -> (usize, usize) {
    match shape.split_last() {
        Some((last, lead)) => (lead.iter().product(), *last),
        None => (1, 1),
    }
}

fn unsupported(op: &'static str, e: &quantized::Unsupported) -> Error {
    Error::new(ErrorKind::Kernel, op, e.to_string())
}

fn float(op: &'static str, dtype: Dtype) -> Result<Float> {
    match dtype {
        Dtype::Float16 => Ok(Float::F16),
        Dtype::Bfloat16 => Ok(Float::Bf16),
        Dtype::Float32 => Ok(Float::F32),
        other => Err(Error::new(ErrorKind::Kernel, op, format!("the CPU has no kernel for {other}"))),
    }
}

fn matmul(op: &QuantizedMatmul, request: &Request<'_>, threads: usize) -> Result<Plan> {
    const NAME: &str = "quantized_matmul";
    // Packed rows and their scales are read as they lie; x needs dense rows only.
    if let Some(copies) = request.require_contiguous([1, 2, 3]) {
        return Ok(copies);
    }
    let (x, w, scales) = (&request.inputs[0], &request.inputs[1], &request.inputs[2]);
    let n = x.shape().len();
    let last = x.strides()[n - 1];
    if (last != 1 && x.shape()[n - 1] != 1) || x.strides().iter().any(|s| *s < 0) {
        return Ok(Plan::contiguous([0]));
    }
    let shape = request.shape();
    let lead = &shape[..shape.len() - 2];
    let (xs, ws, ss) = (lead_strides(x, lead), lead_strides(w, lead), lead_strides(scales, lead));
    let (mut m, mut row) = (x.shape()[n - 2], x.strides()[n - 2]);
    let mut batch: Vec<BatchAxis> = (0..lead.len())
        .map(|i| BatchAxis { len: lead[i], x: xs[i] as usize, w: ws[i] as usize, scales: ss[i] as usize })
        .filter(|axis| axis.len != 1)
        .collect();
    // Batches over one weight whose rows follow each other are one taller product.
    while let Some(axis) = batch.last().filter(|a| a.w == 0 && (m == 1 || a.x as isize == row * m as isize)) {
        if m == 1 {
            row = axis.x as isize;
        }
        m *= axis.len;
        batch.pop();
    }
    let kernel = quantized::QuantizedMatmul::new(
        MatmulShape {
            m,
            n: shape[shape.len() - 1],
            k: x.shape()[n - 1],
            x_row: row as usize,
            batch,
            transpose: op.transpose,
            bits: op.packing.bits,
            group_size: op.packing.group_size,
            x: float(NAME, x.spec.dtype)?,
            scales: float(NAME, scales.spec.dtype)?,
            out: float(NAME, request.outputs[0].dtype)?,
        },
        threads,
    )
    .map_err(|e| unsupported(NAME, &e))?;
    Ok(plan(kernel, 4, 1))
}
