//! Which kernel does attention, and what both are told.

use std::sync::Arc;

use holdall_core::device::{Kernels, Operand, Plan, Request};
use holdall_core::ops::Attention;
use holdall_core::{Dtype, Strides, broadcast_strides};
use smallvec::{SmallVec, smallvec};

use super::zero::Zero;
use super::{
    Gpu, Variants, attention_decode, attention_prefill, element, float, int, is_aligned, long, null,
};
use crate::launch::Parameter;
use crate::module::Loader;

/// Head sizes that the kernels are checked for.
const DIMS: [usize; 5] = [64, 80, 96, 128, 256];

/// Attention of `queries` queries over `keys` keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heads {
    /// The type of all, as `ELEMENT`.
    pub element: i64,
    /// Whether there is a mask of booleans.
    pub is_masked: bool,
    pub is_causal: bool,
    pub batch: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub queries: usize,
    pub keys: usize,
    pub dim: usize,
}

/// Whether rows of elements next to each other begin at multiples of 16 bytes.
fn has_aligned_rows(x: &Operand) -> bool {
    let (dims, strides) = (x.shape(), x.strides());
    let steps = || dims.iter().zip(strides).take(3).filter(|(n, _)| **n != 1).map(|(_, s)| *s);
    is_aligned(x) && strides[3] == 1 && steps().all(|s| s >= 0 && s % 8 == 0)
}

impl Heads {
    /// What can be done with keys and values where they lie.
    fn of(op: &Attention, request: &Request<'_>) -> Option<Self> {
        let [q, k, v, rest @ ..] = request.inputs else { return None };
        let ([batch, heads, queries, dim], [_, kv_heads, keys, _]) = (four(q.shape())?, four(k.shape())?);
        let made = Self {
            element: element(q.spec.dtype).filter(|element| *element != 0)?,
            is_masked: op.has_mask,
            // The last query sees all keys.
            is_causal: op.causal && queries > 1,
            batch,
            heads,
            kv_heads,
            queries,
            keys,
            dim,
        };
        let fits = |n: usize| (1..=i32::MAX as usize).contains(&n);
        let has_sizes = [batch * heads * queries, keys].into_iter().all(fits)
            && DIMS.contains(&dim)
            && v.shape()[3] == dim
            && heads.is_multiple_of(kv_heads)
            // Scores are compared before they are scaled.
            && op.scale() > 0.0
            && op.scale().is_finite();
        // A query without keys gets the average, which the causal kernel does not give.
        if !has_sizes || (made.is_causal && keys < queries) || !has_aligned_rows(k) || !has_aligned_rows(v) {
            return None;
        }
        // Under a mask that is added, rows may be NaN, which the kernels do not give.
        if op.has_mask && rest[0].spec.dtype != Dtype::Bool {
            return None;
        }
        if op.has_sinks && !rest[rest.len() - 1].is_contiguous() {
            return None;
        }
        Some(made)
    }

    /// Query heads for a key head.
    pub fn shared(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Strides of the mask over the scores, if it has the bytes of a row next to each other.
    fn mask_strides(&self, request: &Request<'_>) -> Option<Strides> {
        if !self.is_masked {
            return Some(Strides::from_elem(0, 4));
        }
        let mask = &request.inputs[3];
        let scores = [self.batch, self.heads, self.queries, self.keys];
        let strides = broadcast_strides(mask.shape(), mask.strides(), &scores);
        ((strides[3] == 1 || self.keys == 1) && strides.iter().all(|s| *s >= 0)).then_some(strides)
    }
}

fn four(shape: &[usize]) -> Option<[usize; 4]> {
    shape.try_into().ok()
}

/// q, k, v, sinks, mask and output.
fn pointers(op: &Attention, inputs: usize) -> SmallVec<[Parameter; 32]> {
    let given = |is: bool, i| if is { Parameter::Binding(i) } else { null() };
    let [q, k, v, out] = [0, 1, 2, inputs].map(Parameter::Binding);
    smallvec![q, k, v, given(op.has_sinks, inputs - 1), given(op.has_mask, 3), out]
}

fn steps(strides: &[isize]) -> impl Iterator<Item = Parameter> {
    strides.iter().take(3).map(|s| long(*s))
}

pub(super) fn register(kernels: &mut Kernels, loader: &Arc<Loader>) {
    let gpu = Gpu::of(loader);
    let decode = Variants::new(&attention_decode::ATTENTION_DECODE, loader);
    let prefill = Variants::new(&attention_prefill::ATTENTION_PREFILL, loader);
    let zero = Zero::new(loader);
    kernels.prefer(move |op: &Attention, request| {
        let Some(heads) = Heads::of(op, request) else { return Ok(None) };
        let Some(mask) = heads.mask_strides(request) else { return Ok(None) };
        let inputs = request.inputs;
        let (q, k, v) = (&inputs[0], inputs[1].strides(), inputs[2].strides());
        let mut parameters = pointers(op, inputs.len());
        let sizes = [heads.batch, heads.heads, heads.kv_heads, heads.queries, heads.keys].map(int);
        let [batch, of_queries, of_keys, queries, keys] = sizes;
        if let Some((choice, share)) = attention_decode::choose(&heads, &gpu) {
            if q.is_contiguous() && !is_aligned(q) {
                return Ok(None);
            }
            if let Some(copies) = request.require_contiguous([0]) {
                return Ok(Some(copies));
            }
            let splits = choice.grid[0] as usize;
            let counters = (choice.grid[1] * choice.grid[2]) as usize;
            let temporary = |i| if splits > 1 { Parameter::Binding(inputs.len() + 1 + i) } else { null() };
            parameters.extend([temporary(0), temporary(1)]);
            parameters.extend(steps(k).chain(steps(v)).chain(mask.iter().take(2).map(|s| long(*s))));
            parameters.extend([of_queries, of_keys, int(0), keys, int(share), float(op.scale())]);
            let launch = choice.launch(&decode, &parameters)?;
            if splits == 1 {
                return Ok(Some(Plan::launch(launch, inputs.len(), 1, &[])));
            }
            let workspace = 4 * splits * heads.batch * heads.heads * (heads.dim + 2);
            let mut plan = Plan::launch(launch, inputs.len(), 1, &[workspace, 4 * counters]);
            zero.first(&mut plan, 1, counters)?;
            return Ok(Some(plan));
        }
        let Some(choice) = attention_prefill::choose(&heads, &gpu).filter(|_| has_aligned_rows(q)) else {
            return Ok(None);
        };
        let out = [heads.heads * heads.queries * heads.dim, heads.queries * heads.dim, heads.dim];
        parameters.extend(steps(q.strides()).chain(steps(k)).chain(steps(v)));
        parameters.extend(out.map(|s| long(s as isize)));
        parameters.extend(steps(&mask));
        parameters.extend([batch, of_queries, of_keys, queries, keys, int(0), float(op.scale())]);
        let launch = choice.launch(&prefill, &parameters)?;
        Ok(Some(Plan::launch(launch, inputs.len(), 1, &[])))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const H100: Gpu = Gpu { capability: (9, 0), multiprocessors: 132, shared_bytes: 232_448 };
    const A100: Gpu = Gpu { capability: (8, 0), multiprocessors: 108, shared_bytes: 166_912 };

    fn heads(heads: usize, kv_heads: usize, queries: usize, keys: usize, dim: usize) -> Heads {
        let (is_masked, is_causal) = (false, queries > 1);
        Heads { element: 2, is_masked, is_causal, batch: 1, heads, kv_heads, queries, keys, dim }
    }

    #[test]
    fn one_query_is_split_over_the_device() {
        let of = |of: Heads, gpu| {
            let (choice, share) = attention_decode::choose(&of, gpu).unwrap();
            (choice.grid, share, choice.threads)
        };
        assert_eq!(of(heads(32, 8, 1, 8192, 128), &H100), ([16, 8, 1], 512, 256));
        assert_eq!(of(heads(32, 8, 1, 50, 128), &H100), ([1, 8, 1], 64, 256));
        // Every split has keys.
        assert_eq!(of(heads(32, 8, 1, 1000, 128), &A100), ([13, 8, 1], 80, 256));
        // More batches than multiprocessors.
        let many = Heads { batch: 64, ..heads(32, 8, 1, 1000, 128) };
        assert_eq!(of(many, &A100), ([1, 8, 64], 1008, 256));
        // 48 KiB do not hold the output of eight heads of 256 for eight warps.
        assert_eq!(of(heads(16, 2, 1, 1000, 256), &H100).2, 128);
        assert_eq!(attention_decode::choose(&heads(32, 8, 2, 1000, 128), &H100), None);
    }

    #[test]
    fn many_queries_take_hopper() {
        let of = |of: Heads, gpu| {
            attention_prefill::choose(&of, gpu).map(|choice| (choice.grid, choice.shared_bytes))
        };
        assert_eq!(of(heads(32, 8, 300, 300, 128), &H100), Some(([96, 1, 1], 1024 + 2 * 128 * (128 + 512))));
        assert_eq!(of(heads(2, 1, 300, 300, 256), &H100), Some(([6, 1, 1], 1024 + 4 * 128 * (128 + 256))));
        assert_eq!(of(heads(2, 1, 300, 300, 128), &A100), None);
        assert_eq!(of(heads(2, 1, 8, 300, 128), &H100), None);
    }
}
