//! Products of a few rows.

use smallvec::smallvec;

use super::quantized::Product;
use super::{Choice, Gpu, Handwritten};

pub(super) static QMV_ROWS: Handwritten = Handwritten::new(
    "qmv_rows",
    &[include_str!("common.cuh"), include_str!("codes.cuh"), include_str!("qmv_rows.cu")],
);

/// Rows up to which it is the fastest.
const FEW: usize = 32;
const WARPS: usize = 8;
/// Rows of weights that a block takes at a time.
const TILE: usize = 16;

/// For 2 to 32 rows of 16-bit floats that fit into shared memory.
pub(super) fn choose(product: &Product, gpu: &Gpu) -> Option<Choice> {
    let &Product { element, bits, group, m, n, k } = product;
    if element == 0 || m > FEW {
        return None;
    }
    let steps = if bits > 4 { 2 } else { 4 };
    let shared_bytes = |rows: usize| k.next_multiple_of(128 * steps) * rows * 2 + WARPS * TILE * rows * 4;
    let fits = |rows: &usize| shared_bytes(*rows) <= gpu.shared_bytes as usize;
    let rows = [16, 8].into_iter().find(|rows| (*rows == 8 || m > 8) && fits(rows))?;
    Some(Choice {
        defines: smallvec![
            ("ELEMENT", element),
            ("BITS", bits),
            ("GROUP", group),
            ("ROWS", rows as i64),
            ("WARPS", WARPS as i64),
            ("TILES", 1),
            ("STEPS", steps as i64),
        ],
        grid: [n.div_ceil(TILE).min(gpu.multiprocessors as usize) as u32, m.div_ceil(rows) as u32, 1],
        threads: 32 * WARPS as u32,
        shared_bytes: shared_bytes(rows) as u32,
    })
}
