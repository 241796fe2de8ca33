//! Shapes, strides and what can be said of them without data.

use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::short::Short;

/// Sizes of the axes, outermost first; empty for a scalar. Four axes need no allocation.
pub type Dims = Short<usize>;

/// Elements between neighbours along each axis; 0 repeats, negative runs backwards.
pub type Strides = Short<isize>;

/// The number of elements of a shape: 1 for a scalar.
///
/// # Panics
/// Never for the shape of an array: `checked_size` ran when it was made.
pub fn size_of(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// The number of elements, or nothing when it (or its bytes) would not fit in memory.
pub fn checked_size(shape: &[usize], element_bytes: usize) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    let n = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d))?;
    n.checked_mul(element_bytes).filter(|b| *b <= isize::MAX as usize)?;
    Some(n)
}

/// How the elements of an array lie in its block.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// Elements between neighbours, an entry an axis.
    pub strides: Strides,
    /// Elements from the start of the block to element `[0, 0, …]`.
    pub offset: usize,
}

impl Layout {
    /// Row-major without gaps.
    pub fn contiguous(shape: &[usize]) -> Self {
        Self { strides: contiguous_strides(shape), offset: 0 }
    }

    /// Whether the elements lie row-major without gaps, wherever they start. Axes of size 1 may have any stride.
    pub fn is_contiguous(&self, shape: &[usize]) -> bool {
        let mut expected = 1isize;
        for (d, s) in shape.iter().zip(&self.strides).rev() {
            if *d == 0 {
                return true;
            }
            if *d != 1 {
                if *s != expected {
                    return false;
                }
                expected *= *d as isize;
            }
        }
        true
    }

    /// The same elements seen through another shape, where strides can express it.
    pub fn reshaped(&self, from: &[usize], to: &[usize]) -> Option<Self> {
        if size_of(from) == 0 || self.is_contiguous(from) {
            return Some(Self { strides: contiguous_strides(to), offset: self.offset });
        }
        // Runs of axes that are contiguous among themselves can be regrouped freely.
        let old: SmallVec<[(usize, isize); 4]> =
            from.iter().zip(&self.strides).filter(|(d, _)| **d != 1).map(|(d, s)| (*d, *s)).collect();
        let mut strides = Strides::from_elem(0, to.len());
        let (mut i, mut j) = (0, 0);
        while i < old.len() {
            while j < to.len() && to[j] == 1 {
                j += 1;
            }
            let (mut i_end, mut j_end) = (i + 1, j + 1);
            let (mut n_old, mut n_new) = (old[i].0, *to.get(j)?);
            while n_old != n_new {
                if n_old < n_new {
                    n_old *= old.get(i_end)?.0;
                    i_end += 1;
                } else {
                    n_new *= *to.get(j_end)?;
                    j_end += 1;
                }
            }
            for k in i..i_end - 1 {
                if old[k].1 != old[k + 1].0 as isize * old[k + 1].1 {
                    return None;
                }
            }
            let mut stride = old[i_end - 1].1;
            for k in (j..j_end).rev() {
                strides[k] = stride;
                stride *= to[k] as isize;
            }
            (i, j) = (i_end, j_end);
        }
        Some(Self { strides, offset: self.offset })
    }
}

/// Strides of a row-major array without gaps.
pub fn contiguous_strides(shape: &[usize]) -> Strides {
    let mut strides = Strides::from_elem(1, shape.len());
    let mut n = 1isize;
    for (s, d) in strides.iter_mut().zip(shape).rev() {
        *s = n;
        n *= (*d).max(1) as isize;
    }
    strides
}

/// The shape to which `a` and `b` broadcast, or nothing.
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Dims> {
    let n = a.len().max(b.len());
    let mut out = Dims::from_elem(1, n);
    for (i, d) in out.iter_mut().enumerate() {
        let of = |s: &[usize]| (i + s.len()).checked_sub(n).map_or(1, |k| s[k]);
        *d = match (of(a), of(b)) {
            (x, y) if x == y => x,
            (1, y) => y,
            (x, 1) => x,
            _ => return None,
        };
    }
    Some(out)
}

/// Strides with which an array of `shape` is read as one of `to`; the caller has checked that it broadcasts.
pub fn broadcast_strides(shape: &[usize], strides: &[isize], to: &[usize]) -> Strides {
    let lead = to.len() - shape.len();
    (0..to.len())
        .map(|i| if i < lead || (shape[i - lead] == 1 && to[i] != 1) { 0 } else { strides[i - lead] })
        .collect()
}

/// The axis as an index, from one counted from the front or (negative) from the back.
///
/// # Errors
/// When there is no such axis.
pub fn axis_index(op: &'static str, axis: i32, ndim: usize) -> Result<usize> {
    let at = if axis < 0 { i64::from(axis) + ndim as i64 } else { i64::from(axis) };
    if at < 0 || at >= ndim as i64 {
        return Err(Error::argument(
            op,
            format!("axis {axis} is out of range for an array of {ndim} dimensions"),
        ));
    }
    Ok(at as usize)
}

/// Axes as sorted indices without repetition; all of them when none are given.
///
/// # Errors
/// When an axis does not exist or is named twice.
pub fn axes_indices(op: &'static str, axes: Option<&[i32]>, ndim: usize) -> Result<SmallVec<[usize; 4]>> {
    let Some(axes) = axes else { return Ok((0..ndim).collect()) };
    let mut out: SmallVec<[usize; 4]> =
        axes.iter().map(|a| axis_index(op, *a, ndim)).collect::<Result<_>>()?;
    out.sort_unstable();
    if out.windows(2).any(|w| w[0] == w[1]) {
        return Err(Error::argument(op, format!("axes {axes:?} name one axis twice")));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_is_numpys() {
        assert_eq!(broadcast(&[2, 1], &[3]).unwrap()[..], [2, 3]);
        assert_eq!(broadcast(&[], &[3]).unwrap()[..], [3]);
        assert_eq!(broadcast(&[0], &[1]).unwrap()[..], [0]);
        assert!(broadcast(&[2], &[3]).is_none());
        assert_eq!(broadcast_strides(&[3, 1], &[1, 1], &[2, 3, 4])[..], [0, 1, 0]);
    }

    #[test]
    fn reshape_of_views_keeps_what_strides_can_say() {
        let column = Layout { strides: Strides::from_slice(&[1, 4]), offset: 0 }; // a 3x4 block seen as 4x3
        assert!(column.reshaped(&[4, 3], &[12]).is_none());
        assert_eq!(column.reshaped(&[4, 3], &[2, 2, 3]).unwrap().strides[..], [2, 1, 4]);
        let part = Layout { strides: Strides::from_slice(&[100, 10, 1]), offset: 5 }; // gaps after each matrix
        assert_eq!(part.reshaped(&[2, 3, 10], &[2, 30]).unwrap().strides[..], [100, 1]);
        assert!(part.reshaped(&[2, 3, 10], &[60]).is_none());
        assert_eq!(part.reshaped(&[2, 3, 10], &[2, 1, 3, 5, 2]).unwrap().offset, 5);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert_eq!(checked_size(&[usize::MAX, 2], 1), None);
        assert_eq!(checked_size(&[usize::MAX, 0], 8), Some(0));
        assert_eq!(checked_size(&[], 8), Some(1));
    }
}
