//! Matrix products, convolution and rotary embedding over plain floats.

use holdall_core::Dtype;
use holdall_core::device::{Kernels, Operand, Plan, Request};
use holdall_core::ops::{Conv1d, Matmul, Rope};

use super::{float, lead_strides, not_double, plan};
use crate::isa::Isa;
use crate::kernels::conv;
use crate::kernels::dense::{self, Number};
use crate::kernels::rope::{self, Frequencies, Offset};
use crate::kernels::rows::Rows;

pub(super) fn register(kernels: &mut Kernels) {
    kernels.register(|op: &Matmul, request| {
        let shape = request.shape();
        let n = shape.len();
        let (a, b) = (&request.inputs[0], &request.inputs[1]);
        let number = match a.spec.dtype {
            Dtype::Complex64 => Number::C64,
            dtype => Number::Real(float(holdall_core::op::Primitive::name(op), dtype)?),
        };
        let operand = |x: &Operand| {
            let lead = &shape[..n - 2];
            let strides = x.strides();
            let k = strides.len();
            dense::Operand {
                batch: Rows::new(lead, &lead_strides(x, lead)),
                row: strides[k - 2],
                column: strides[k - 1],
            }
        };
        let k = a.shape()[a.shape().len() - 1];
        let product = dense::Product::new(number, [shape[n - 2], shape[n - 1], k], operand(a), operand(b));
        Ok(plan(dense::Matmul::new(Isa::get(), product), 2, 1))
    });
    kernels.register(|op: &Conv1d, request| {
        let (x, w) = (&request.inputs[0], &request.inputs[1]);
        let three = |s: &[isize]| [s[0], s[1], s[2]];
        let kernel = conv::Conv1d {
            isa: Isa::get(),
            float: float("conv1d", x.spec.dtype)?,
            batch: x.shape()[0],
            length: x.shape()[1],
            in_channels: x.shape()[2],
            out_channels: w.shape()[0],
            kernel: w.shape()[1],
            groups: op.groups,
            stride: op.stride,
            padding: op.padding,
            dilation: op.dilation,
            x_strides: three(x.strides()),
            w_strides: three(w.strides()),
        };
        Ok(plan(kernel, 2, 1))
    });
    kernels.register_for(not_double::<Rope>, rope);
}

fn rope(op: &Rope, request: &Request<'_>) -> holdall_core::Result<Plan> {
    let x = &request.inputs[0];
    let n = x.shape().len();
    // All axes between batch and sequence are heads.
    let heads = Rows::new(&x.shape()[1..n - 2], &x.strides()[1..n - 2]);
    let Some(head_stride) = heads.stride() else { return Ok(Plan::contiguous([0])) };
    let (shape, strides) = (x.shape(), x.strides());
    let per_batch = request.inputs[1].shape().first().is_some_and(|n| *n > 1);
    let offset = if per_batch { request.inputs[1].strides()[0] } else { 0 };
    let kernel = rope::Rope {
        isa: Isa::get(),
        float: float("rope", x.spec.dtype)?,
        shape: [shape[0], heads.count(), shape[n - 2], shape[n - 1]],
        strides: [strides[0], head_stride, strides[n - 2], strides[n - 1]],
        dims: op.dims,
        traditional: op.traditional,
        frequencies: match op.base() {
            Some(base) => Frequencies::Base(base),
            None => Frequencies::Bound(request.inputs[2].strides()[0]),
        },
        // Turning back is turning at negative positions.
        scale: if op.inverse { -op.scale() } else { op.scale() },
        offset: Offset::Bound(offset),
    };
    let mut made = plan(kernel, request.inputs.len(), 1);
    if op.base().is_none() {
        // The kernel binds periods before offsets.
        made.launches[0].1.swap(1, 2);
    }
    Ok(made)
}
