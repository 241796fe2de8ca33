//! Attention of many queries.

use smallvec::smallvec;

use super::attention::Heads;
use super::{Choice, Gpu, Handwritten};

pub(super) static ATTENTION_PREFILL: Handwritten = Handwritten::new(
    "attention_prefill",
    &[include_str!("common.cuh"), include_str!("wgmma.cuh"), include_str!("attention_prefill.cu")],
);

/// Queries from which a tile is worth it.
const MANY: usize = 32;
const WARPGROUPS: usize = 2;

/// For many queries, on Hopper.
pub(super) fn choose(heads: &Heads, gpu: &Gpu) -> Option<Choice> {
    if heads.queries < MANY || !gpu.is_hopper() {
        return None;
    }
    let queries = 64 * WARPGROUPS;
    let keys = if heads.dim > 128 || heads.is_masked { 64 } else { 128 };
    let blocks = heads.batch * heads.heads * heads.queries.div_ceil(queries);
    Some(Choice {
        defines: smallvec![
            ("ELEMENT", heads.element),
            ("D", heads.dim as i64),
            ("CAUSAL", i64::from(heads.is_causal)),
            ("MASK", i64::from(heads.is_masked)),
            ("WARPGROUPS", WARPGROUPS as i64),
            ("KEYS", keys as i64),
        ],
        grid: [blocks as u32, 1, 1],
        threads: 128 * (WARPGROUPS as u32 + 1),
        shared_bytes: (1024 + heads.dim.div_ceil(64) * 128 * (queries + 4 * keys)) as u32,
    })
}
