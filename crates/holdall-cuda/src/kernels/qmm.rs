//! Products of many rows.

use smallvec::smallvec;

use super::quantized::Product;
use super::{Choice, Gpu, Handwritten};

pub(super) static QMM: Handwritten =
    Handwritten::new("qmm", &[include_str!("common.cuh"), include_str!("wgmma.cuh"), include_str!("qmm.cu")]);

const WARPGROUPS: usize = 2;
const STAGES: usize = 5;
/// Rows of weights of a tile.
const WIDE: usize = 64 * WARPGROUPS;

/// For any rows of 16-bit floats, on Hopper.
pub(super) fn choose(product: &Product, gpu: &Gpu) -> Option<Choice> {
    let &Product { element, bits, group, m, n, .. } = product;
    if element == 0 || !gpu.is_hopper() {
        return None;
    }
    let rows = if m > 128 { 256 } else { 128 };
    let tiles = n.div_ceil(WIDE) * m.div_ceil(rows);
    // A cluster of two shares a tile where each would leave half of the multiprocessors without work.
    let split = if 2 * tiles <= gpu.multiprocessors as usize { 2 } else { 1 };
    let stages = STAGES * (rows * 128 + 512 * WARPGROUPS * bits as usize);
    Some(Choice {
        defines: smallvec![
            ("ELEMENT", element),
            ("BITS", bits),
            ("GROUP", group),
            ("WARPGROUPS", WARPGROUPS as i64),
            ("ROWS", rows as i64),
            ("STAGES", STAGES as i64),
            ("SPLIT", split),
        ],
        grid: [u32::try_from(split as usize * tiles).ok()?, 1, 1],
        threads: 128 * WARPGROUPS as u32,
        shared_bytes: (1040 + stages.max(rows * (128 * WARPGROUPS + 16))) as u32,
    })
}
