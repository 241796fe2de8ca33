//! Where the rows of a strided operand begin.

use smallvec::SmallVec;

/// Leading axes of an operand: sizes, and strides in elements; rows count in row-major order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rows {
    axes: SmallVec<[(usize, isize); 4]>,
}

impl Rows {
    /// Rows over axes of these sizes and strides, joining those that one stride serves.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn new(shape: &[usize], strides: &[isize]) -> Self {
        assert_eq!(shape.len(), strides.len(), "rows: as many strides as axes");
        let mut axes: SmallVec<[(usize, isize); 4]> = SmallVec::new();
        for (&size, &stride) in shape.iter().zip(strides) {
            match axes.last_mut() {
                _ if size == 1 => {}
                Some(last) if last.1 == stride * size as isize => *last = (last.0 * size, stride),
                _ => axes.push((size, stride)),
            }
        }
        Self { axes }
    }

    /// `count` rows, `stride` elements apart.
    pub fn regular(count: usize, stride: isize) -> Self {
        Self::new(&[count], &[stride])
    }

    /// How many rows.
    pub fn count(&self) -> usize {
        self.axes.iter().map(|axis| axis.0).product()
    }

    /// Elements from the operand's first to the first of row `index`.
    pub fn offset(&self, index: usize) -> isize {
        let (mut rest, mut offset) = (index, 0);
        for &(size, stride) in self.axes.iter().rev() {
            offset += (rest % size) as isize * stride;
            rest /= size;
        }
        offset
    }

    /// Elements from one row to the next, where that is the same for all.
    pub fn stride(&self) -> Option<isize> {
        match self.axes[..] {
            [] => Some(0),
            [(_, stride)] => Some(stride),
            _ => None,
        }
    }
}

/// How many items to cut `work` units into (one unit is roughly an arithmetic operation on one value): about 64, less when small.
pub(crate) fn shares(units: usize, work: usize) -> usize {
    (work / 16_384).clamp(1, 64).min(units.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_follow_strides() {
        let rows = Rows::new(&[2, 1, 3, 4], &[100, 7, 4, 1]);
        assert_eq!(rows.axes.as_slice(), &[(2, 100), (12, 1)]);
        assert_eq!((rows.count(), rows.offset(0), rows.offset(13), rows.stride()), (24, 0, 101, None));
        assert_eq!(Rows::new(&[], &[]).count(), 1);
        assert_eq!(Rows::new(&[3, 0], &[5, 1]).count(), 0);
        assert_eq!(Rows::regular(5, -2).offset(3), -6);
    }
}
