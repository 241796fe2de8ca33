//! Kernels that move elements: strided copies, gathers and scatters.
//!
//! Moving is done by the size of an element and not by its type; only scatters that compute know types.

mod along;
mod combine;
mod gather;
mod moves;
mod places;
mod scatter;

pub use along::{GatherAlong, ScatterAlong};
pub use combine::combine;
pub use gather::GatherKernel;
pub use moves::{Move, Moves};
pub use places::Places;
pub use scatter::ScatterKernel;

use std::ops::Range;

use smallvec::SmallVec;

/// Bytes of work that are worth a thread's attention.
const GRAIN_BYTES: usize = 64 << 10;

/// Items for `bytes` of work.
pub(crate) fn items(bytes: usize, threads: usize) -> usize {
    (bytes / GRAIN_BYTES).clamp(1, 8 * threads)
}

/// Cuts the elements `range`, counted row-major over `dims`, into runs along the last axis: `f` gets the coordinates of
/// each run's first element and the run's length. `dims` has at least one axis and no empty one.
fn runs(dims: &[usize], range: Range<usize>, mut f: impl FnMut(&[usize], usize)) {
    let mut coords: SmallVec<[usize; 8]> = SmallVec::from_elem(0, dims.len());
    let mut rest = range.start;
    for (c, d) in coords.iter_mut().zip(dims).rev() {
        *c = rest % d;
        rest /= d;
    }
    let last = dims.len() - 1;
    let mut left = range.len();
    while left > 0 {
        let n = (dims[last] - coords[last]).min(left);
        f(&coords, n);
        left -= n;
        coords[last] = 0;
        for axis in (0..last).rev() {
            coords[axis] += 1;
            if coords[axis] < dims[axis] {
                break;
            }
            coords[axis] = 0;
        }
    }
}

/// Elements from the first to the one at these coordinates.
fn offset(coords: &[usize], strides: &[isize]) -> isize {
    coords.iter().zip(strides).map(|(c, s)| *c as isize * s).sum()
}
