//! Products of one row.

use smallvec::smallvec;

use super::quantized::Product;
use super::{Choice, Handwritten};

pub(super) static QMV: Handwritten =
    Handwritten::new("qmv", &[include_str!("common.cuh"), include_str!("codes.cuh"), include_str!("qmv.cu")]);

/// Rows of float32 that are taken one after the other; each reads the weights again, as the portable kernel's do.
const FLOAT32_ROWS: usize = 8;

/// For one row, or a few of float32.
pub(super) fn choose(product: &Product) -> Option<Choice> {
    let &Product { element, bits, group, m, n, k } = product;
    if m > if element == 0 { FLOAT32_ROWS } else { 1 } {
        return None;
    }
    let halves = if bits == 8 || n <= 2048 { 1 } else { 2 };
    let warps = if n > 4096 || (bits == 8 && n == 4096) { 4 } else { 8 };
    let chunk = if group == 32 { 256 } else { 512 };
    Some(Choice {
        defines: smallvec![
            ("ELEMENT", element),
            ("BITS", bits),
            ("GROUP", group),
            ("WARPS", warps),
            ("HALVES", halves),
            ("EXACT", i64::from(k % chunk == 0)),
        ],
        grid: [n.div_ceil(8 * halves as usize) as u32, m as u32, 1],
        threads: 32 * warps as u32,
        shared_bytes: 0,
    })
}
