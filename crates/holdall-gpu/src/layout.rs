//! Shapes and strides as kernels get them.

use holdall_core::{Dims, Strides};
use smallvec::SmallVec;

/// The same elements with as few axes as can be: neighbours that every array walks as one are one, axes of size 1 are left
/// out. There may be no axes left.
pub(crate) fn merged(shape: &[usize], strides: &[&[isize]]) -> (Dims, SmallVec<[Strides; 4]>) {
    let mut dims = Dims::new();
    let mut out: SmallVec<[Strides; 4]> = SmallVec::from_elem(Strides::new(), strides.len());
    for (i, d) in shape.iter().enumerate().filter(|(_, d)| **d != 1) {
        let follows =
            !dims.is_empty() && strides.iter().zip(&out).all(|(s, o)| o[o.len() - 1] == s[i] * *d as isize);
        if follows {
            let last = dims.len() - 1;
            dims[last] *= d;
            out.iter_mut().zip(strides).for_each(|(o, s)| o[last] = s[i]);
        } else {
            dims.push(*d);
            out.iter_mut().zip(strides).for_each(|(o, s)| o.push(s[i]));
        }
    }
    (dims, out)
}

/// As [`merged`], with one axis at least.
pub(crate) fn merged_some(shape: &[usize], strides: &[&[isize]]) -> (Dims, SmallVec<[Strides; 4]>) {
    let (mut dims, mut out) = merged(shape, strides);
    if dims.is_empty() {
        dims.push(1);
        out.iter_mut().for_each(|strides| strides.push(0));
    }
    (dims, out)
}

/// Sizes for a kernel.
pub(crate) fn sizes(dims: &[usize]) -> SmallVec<[u64; 8]> {
    dims.iter().map(|d| *d as u64).collect()
}

/// Strides for a kernel.
pub(crate) fn steps(strides: &[isize]) -> SmallVec<[i64; 8]> {
    strides.iter().map(|s| *s as i64).collect()
}

/// Sizes before, of and after an axis of a row-major array.
pub(crate) fn folded(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_that_all_arrays_walk_as_one_are_one() {
        let (dims, strides) = merged(&[2, 1, 3, 4], &[&[12, 7, 4, 1], &[24, 0, 8, 2]]);
        assert_eq!((&dims[..], &strides[0][..], &strides[1][..]), (&[24][..], &[1][..], &[2][..]));
        let (dims, strides) = merged(&[2, 3, 4], &[&[12, 4, 1], &[0, 4, 1]]);
        assert_eq!((&dims[..], &strides[0][..], &strides[1][..]), (&[2, 12][..], &[12, 1][..], &[0, 1][..]));
        assert_eq!(merged_some(&[1, 1], &[&[5, 5]]).0[..], [1]);
    }
}
