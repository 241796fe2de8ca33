//! Attention: tiles of rows and keys, and for few rows parts of the keys whose results are merged.

use std::sync::Arc;

use holdall_core::device::{Argument, Kernels, Operand, Plan, Request};
use holdall_core::op::Spec;
use holdall_core::ops::Attention;
use holdall_core::{Dtype, Error, ErrorKind, Layout, Result, broadcast_strides};
use holdall_memory::Access;
use holdall_msl::{ElementType, TemplateValue};
use smallvec::SmallVec;

use crate::Library;
use crate::gpu::Extent;
use crate::kernel::Kernel;
use crate::library::{extent, groups, is_float, plan, ty};

const NAME: &str = "scaled_dot_product_attention";
const FILE: &str = include_str!("../kernels/attention.metal");
static TILE: Kernel = Kernel::new("attention_tile", FILE);
static DECODE: Kernel = Kernel::new("attention_decode", FILE);
static MERGE: Kernel = Kernel::new("attention_merge", FILE);

/// Features of keys and values at most.
const FEATURES: usize = 256;
/// Rows of a tile, and of a block of few rows.
const TILE_ROWS: usize = 32;
const FEW: usize = 8;
/// Keys of a part at least.
const PART: usize = 256;
/// Threads of a group, of tiles and of few rows.
const TILE_THREADS: u32 = 128;
const DECODE_THREADS: u32 = 256;

pub(crate) fn register(kernels: &mut Kernels, library: &Arc<Library>) {
    let library = library.clone();
    kernels.register_for(takes, move |op, request| attention(op, request, &library));
}

fn takes(op: &Attention, inputs: &[&Spec]) -> bool {
    let mask = usize::from(op.has_mask && inputs.get(3).is_some_and(|mask| mask.dtype == Dtype::Bool));
    is_float(&inputs[..3])
        && is_float(&inputs[3 + mask..])
        && inputs[..3].iter().all(|x| x.shape.last().is_some_and(|d| *d <= FEATURES))
}

/// What all kernels of one call get.
struct Sizes {
    batch: usize,
    heads: usize,
    /// Query heads for one key head.
    shared: usize,
    queries: usize,
    keys: usize,
    dim: usize,
    value_dim: usize,
}

impl Sizes {
    fn values(&self) -> Result<SmallVec<[u32; 8]>> {
        let all = [self.batch, self.heads, self.shared, self.queries, self.keys, self.dim, self.value_dim];
        // Indices of rows and keys are sums of these.
        let fits = |n: usize| n <= i32::MAX as usize;
        if !all.iter().all(|n| fits(*n)) || !fits(self.batch * self.heads * self.queries) {
            let message = format!("sizes {all:?} are too large");
            return Err(Error::new(ErrorKind::Kernel, NAME, message));
        }
        Ok(all.iter().map(|n| *n as u32).collect())
    }

    fn rows(&self) -> usize {
        self.shared * self.queries
    }

    fn key_heads(&self) -> usize {
        self.batch * self.heads / self.shared
    }
}

/// How few rows are done.
struct Decode {
    /// Rows of a block.
    rows: usize,
    /// Parts of the keys.
    parts: usize,
    /// Keys of a part.
    keys: usize,
}

impl Decode {
    /// Where rows are few, or so few that tiles would leave most cores without work.
    fn new(sizes: &Sizes, cores: usize) -> Option<Self> {
        let tiles = sizes.key_heads() * sizes.rows().div_ceil(TILE_ROWS);
        if sizes.rows() > FEW && (sizes.queries > FEW || tiles * 2 > cores) {
            return None;
        }
        let rows = sizes.rows().next_power_of_two().min(FEW);
        let groups = sizes.key_heads() * sizes.rows().div_ceil(rows);
        let parts = sizes.keys.div_ceil(PART).min((4 * cores).div_ceil(groups)).max(1);
        let keys = sizes.keys.div_ceil(parts).max(1);
        Some(Self { rows, parts: sizes.keys.div_ceil(keys).max(1), keys })
    }

    fn groups(&self, sizes: &Sizes) -> usize {
        sizes.key_heads() * sizes.rows().div_ceil(self.rows) * self.parts
    }

    /// Bytes of all parts' outputs, each with its largest score and the sum of its weights.
    fn bytes(&self, sizes: &Sizes) -> usize {
        4 * sizes.batch * sizes.heads * sizes.queries * self.parts * (sizes.value_dim + 2)
    }
}

fn int(n: usize) -> TemplateValue {
    TemplateValue::Int(n as i32)
}

fn first(x: &Operand) -> i64 {
    (extent(x).start.unsigned_abs() / x.spec.dtype.size()) as i64
}

/// Strides, then where the first element is.
fn places(strides: &[isize], x: &Operand) -> SmallVec<[i64; 5]> {
    strides.iter().map(|s| *s as i64).chain([first(x)]).collect()
}

fn attention(op: &Attention, request: &Request<'_>, library: &Library) -> Result<Plan> {
    let (inputs, y) = (request.inputs, &request.outputs[0]);
    if y.size() == 0 {
        return Ok(Plan::nothing());
    }
    let sizes = Sizes {
        batch: y.shape[0],
        heads: y.shape[1],
        shared: y.shape[1] / inputs[1].shape()[1],
        queries: y.shape[2],
        keys: inputs[1].shape()[2],
        dim: inputs[1].shape()[3],
        value_dim: y.shape[3],
    };
    let values = sizes.values()?;
    let t = ty(NAME, y.dtype)?;
    // Something has to be bound where there is no mask, or are no sinks.
    let mask = if op.has_mask { 3 } else { 0 };
    let sinks = if op.has_sinks { inputs.len() - 1 } else { 0 };
    let kind = TemplateValue::Int(match (op.causal, op.has_mask) {
        (true, _) => 1,
        (_, false) => 0,
        _ if inputs[mask].spec.dtype == Dtype::Bool => 2,
        _ => 3,
    });
    let mask_strides = if op.has_mask {
        let m = &inputs[mask];
        broadcast_strides(m.shape(), m.strides(), &[sizes.batch, sizes.heads, sizes.queries, sizes.keys])
    } else {
        [0; 4][..].into()
    };
    let sink_strides = [if op.has_sinks { inputs[sinks].strides()[0] } else { 0 }];
    let decode = Decode::new(&sizes, library.facts().cores as usize);
    let is_part = decode.as_ref().is_some_and(|decode| decode.parts > 1);
    let o = if is_part { TemplateValue::Type(ElementType::F32) } else { t };
    let mask_type = ty(NAME, inputs[mask].spec.dtype)?;
    let has_sinks = TemplateValue::Bool(op.has_sinks);
    let [dim, value_dim] = [sizes.dim, sizes.value_dim].map(|n| int(n.div_ceil(32).max(1)));
    let call = match &decode {
        Some(decode) => {
            let (part, rows) = (TemplateValue::Bool(is_part), int(decode.rows));
            let template = [t, mask_type, o, kind, has_sinks, part, dim, value_dim, rows];
            library.call(NAME, &DECODE, &template)?
        }
        None => library.call(NAME, &TILE, &[t, mask_type, kind, has_sinks, value_dim])?,
    };
    let call = call.input(0, request).input(1, request).input(2, request);
    let call = call.input(mask, request).input(sinks, request);
    let bytes = decode.as_ref().map_or(0, |decode| decode.bytes(&sizes));
    let call = if is_part {
        call.memory(Argument::Temporary(0), Access::Write, Extent::new(bytes))
    } else {
        call.output(0, request)
    };
    let call = call.values(&values);
    let call = match &decode {
        Some(decode) => call.values(&[decode.parts as u32, decode.keys as u32]),
        None => call,
    };
    let call = call
        .value(op.scale())
        .values(&places(inputs[0].strides(), &inputs[0]))
        .values(&places(inputs[1].strides(), &inputs[1]))
        .values(&places(inputs[2].strides(), &inputs[2]))
        .values(&places(&mask_strides, &inputs[mask]))
        .values(&places(&sink_strides, &inputs[sinks]));
    let (grid, threads) = match &decode {
        Some(decode) => groups(decode.groups(&sizes), DECODE_THREADS),
        None => groups(sizes.key_heads() * sizes.rows().div_ceil(TILE_ROWS), TILE_THREADS),
    };
    let mut made = plan(call.run(grid, threads)?);
    if let Some(decode) = decode.filter(|_| is_part) {
        let call = library
            .call(NAME, &MERGE, &[t])?
            .memory(Argument::Temporary(0), Access::Read, Extent::new(bytes))
            .output(0, request);
        made.temporaries.push(bytes);
        made.launches.push(call.values(&values).value(decode.parts as u32).each(y.size())?);
    }
    // Positions before heads: the transposition and reshape that follow in every model are then free.
    let row = sizes.heads * sizes.value_dim;
    let strides = [sizes.queries * row, sizes.value_dim, row, 1].map(|s| s as isize);
    made.layouts.push(Layout { strides: strides[..].into(), offset: 0 });
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::compile;

    #[test]
    fn kernels_compile_for_all_types_and_masks() {
        let flag = TemplateValue::Bool;
        for element in [ElementType::F16, ElementType::BF16, ElementType::F32] {
            let t = TemplateValue::Type(element);
            let float = TemplateValue::Type(ElementType::F32);
            for (kind, mask) in [(0, element), (1, element), (2, ElementType::Bool), (3, element)] {
                let (kind, m) = (int(kind), TemplateValue::Type(mask));
                compile(&TILE, &[t, m, kind, flag(true), int(3)]);
                compile(&DECODE, &[t, m, float, kind, flag(false), flag(true), int(2), int(8), int(4)]);
                compile(&DECODE, &[t, m, t, kind, flag(true), flag(false), int(8), int(1), int(1)]);
            }
            compile(&MERGE, &[t]);
        }
    }

    #[test]
    fn few_rows_share_long_caches() {
        let sizes = |shared, queries, keys| Sizes {
            batch: 1,
            heads: 2 * shared,
            shared,
            queries,
            keys,
            dim: 64,
            value_dim: 64,
        };
        let few = Decode::new(&sizes(4, 1, 8192), 100).unwrap();
        assert_eq!((few.rows, few.parts, few.keys), (4, 32, 256));
        assert_eq!(few.bytes(&sizes(4, 1, 8192)), 4 * 8 * 32 * 66);
        let few = Decode::new(&sizes(3, 2, 700), 2).unwrap();
        assert_eq!((few.rows, few.parts, few.keys), (8, 3, 234));
        let few = Decode::new(&sizes(1, 1, 0), 4).unwrap();
        assert_eq!((few.rows, few.parts), (1, 1));
        assert!(Decode::new(&sizes(4, 64, 8192), 100).is_none());
        // Tiles are for those that fill the device; else many heads go through few rows.
        assert!(Decode::new(&sizes(16, 1, 8192), 100).is_some());
        assert!(Decode::new(&sizes(16, 1, 8192), 1).is_none());
    }
}
