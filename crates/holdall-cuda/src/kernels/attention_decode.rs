//! Attention of one query.

use smallvec::smallvec;

use super::attention::Heads;
use super::{Choice, Gpu, Handwritten};

pub(super) static ATTENTION_DECODE: Handwritten =
    Handwritten::new("attention_decode", &[include_str!("common.cuh"), include_str!("attention_decode.cu")]);

/// Query heads of a block at most.
const MAX_HEADS: usize = 8;
/// Keys of a split at least, and what its keys are a multiple of.
const MIN_SHARE: usize = 64;
const STEP: usize = 16;
/// Floats that each of eight warps has room for in the 48 KiB that a kernel may declare.
const ROOM: usize = 1024;

/// For one query, with the keys of a split.
pub(super) fn choose(heads: &Heads, gpu: &Gpu) -> Option<(Choice, usize)> {
    if heads.queries != 1 || heads.batch > 65_535 {
        return None;
    }
    let per_block = (1..=MAX_HEADS).rev().find(|n| heads.shared().is_multiple_of(*n))?;
    let groups = heads.heads / per_block;
    if groups > 65_535 {
        return None;
    }
    let most = heads.keys.div_ceil(MIN_SHARE);
    let splits = (gpu.multiprocessors as usize / (heads.batch * groups)).clamp(1, most);
    let share = heads.keys.div_ceil(splits).next_multiple_of(STEP);
    let warps = if per_block * heads.dim <= ROOM { 8 } else { 4 };
    let choice = Choice {
        defines: smallvec![
            ("ELEMENT", heads.element),
            ("D", heads.dim as i64),
            ("HEADS", per_block as i64),
            ("WARPS", warps),
            ("BLOCKS_PER_SM", 1),
            ("MASK", i64::from(heads.is_masked)),
        ],
        grid: [heads.keys.div_ceil(share) as u32, groups as u32, heads.batch as u32],
        threads: 32 * warps as u32,
        shared_bytes: 0,
    };
    Some((choice, share))
}
