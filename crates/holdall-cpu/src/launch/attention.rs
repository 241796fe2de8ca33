//! Attention.

use holdall_core::device::{Kernels, Operand, Plan, Request};
use holdall_core::ops::Attention;
use holdall_core::{Dtype, Layout, Result};

use super::{float, not_double, plan};
use crate::isa::Isa;
use crate::kernels::attention::{self, Mask, Params};

pub(super) fn register(kernels: &mut Kernels) {
    kernels.register_for(not_double::<Attention>, sdpa);
}

fn sdpa(op: &Attention, request: &Request<'_>) -> Result<Plan> {
    const NAME: &str = "scaled_dot_product_attention";
    let inputs = request.inputs;
    // Features are read as they lie; all other axes have any strides.
    let scattered: Vec<usize> =
        (0..3).filter(|i| inputs[*i].strides()[3] != 1 && inputs[*i].shape()[3] != 1).collect();
    if !scattered.is_empty() {
        return Ok(Plan::contiguous(scattered));
    }
    let [batch, query_heads, queries, value_dim] = request.shape()[..] else { return Ok(Plan::nothing()) };
    let (key_heads, keys, dim) = (inputs[1].shape()[1], inputs[1].shape()[2], inputs[1].shape()[3]);
    if request.outputs[0].size() == 0 {
        return Ok(Plan::nothing());
    }
    // Positions before heads: the transposition and reshape that follow in every model are then free.
    let row = query_heads * value_dim;
    let out = Layout {
        strides: [queries * row, value_dim, row, 1].iter().map(|s| *s as isize).collect(),
        offset: 0,
    };
    let three = |s: &[isize]| [s[0], s[1], s[2]];
    let of = |x: &Operand| float(NAME, x.spec.dtype);
    let mask = match (op.causal, op.has_mask) {
        (true, _) => Mask::Causal,
        (_, false) => Mask::None,
        (_, true) => {
            let m = &inputs[3];
            let strides =
                holdall_core::broadcast_strides(m.shape(), m.strides(), &[batch, query_heads, queries, keys]);
            let strides = [strides[0], strides[1], strides[2], strides[3]];
            if m.spec.dtype == Dtype::Bool { Mask::Bool(strides) } else { Mask::Additive(of(m)?, strides) }
        }
    };
    let sinks = match inputs.last() {
        Some(sinks) if op.has_sinks => Some((of(sinks)?, sinks.strides()[0])),
        _ => None,
    };
    let kernel = attention::Attention::new(Params {
        isa: Isa::get(),
        batch,
        query_heads,
        key_heads,
        queries,
        keys,
        dim,
        value_dim,
        floats: [of(&inputs[0])?, of(&inputs[1])?, float(NAME, request.outputs[0].dtype)?],
        strides: [
            three(inputs[0].strides()),
            three(inputs[1].strides()),
            three(inputs[2].strides()),
            three(&out.strides),
        ],
        scale: op.scale(),
        mask,
        sinks,
    });
    let mut made = plan(kernel, inputs.len(), 1);
    made.layouts.push(out);
    Ok(made)
}
