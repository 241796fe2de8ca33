//! Index arrays: from numbers to offsets.

use std::ops::Range;

use holdall_core::Dtype;
use holdall_core::{Dims, Strides};
use smallvec::SmallVec;

use super::{offset, runs};
use crate::kernel::Slice;

/// The offset of what an index out of range names, where that shall be ignored.
pub(super) const NOWHERE: isize = isize::MIN;

/// Index arrays of one shape, each for an axis of an array.
#[derive(Debug)]
pub struct Places {
    /// Their shape: at least one axis.
    dims: Dims,
    arrays: SmallVec<[Axis; 2]>,
}

#[derive(Debug)]
struct Axis {
    /// The index array's strides.
    strides: Strides,
    bytes: usize,
    add: Add,
    /// Size of the indexed axis, the last index in range, and the distance of its elements.
    axis: (i64, i64, isize),
}

/// Adds `place * stride` of `out.len()` indices from `pointer`, `step` apart, to `out`.
type Add =
    unsafe fn(pointer: *const u8, step: isize, axis: (i64, i64, isize), clamp: bool, out: &mut [isize]);

impl Places {
    /// Index arrays of `shape`. For each: its type and strides; the size of the axis that it indexes, of the part
    /// taken there, and the distance of its elements.
    pub fn new(
        shape: &[usize],
        arrays: impl IntoIterator<Item = (Dtype, Strides, usize, usize, isize)>,
    ) -> Self {
        let mut dims: Dims = shape.into();
        if dims.is_empty() {
            dims.push(1);
        }
        let arrays = arrays
            .into_iter()
            .map(|(dtype, mut strides, size, part, stride)| {
                if strides.is_empty() {
                    strides.push(0);
                }
                let axis = (size as i64, size as i64 - part as i64, stride);
                Axis { strides, bytes: dtype.size(), add: adder(dtype), axis }
            })
            .collect();
        Self { dims, arrays }
    }

    /// How many places there are.
    pub fn size(&self) -> usize {
        self.dims.iter().product()
    }

    /// How many index arrays there are.
    pub fn arrays(&self) -> usize {
        self.arrays.len()
    }

    /// Writes the offsets, in elements, of what the places `range` name. Indices out of range are moved inside if
    /// `clamp`, else their offset is `NOWHERE`.
    ///
    /// # Safety
    /// `memory` are the index arrays, and nothing writes to them.
    pub unsafe fn offsets(&self, range: Range<usize>, memory: &[Slice], clamp: bool, out: &mut [isize]) {
        out.fill(0);
        let last = self.dims.len() - 1;
        for (array, slice) in self.arrays.iter().zip(memory) {
            let mut done = 0;
            runs(&self.dims, range.clone(), |coords, n| {
                let at = offset(coords, &array.strides) * array.bytes as isize;
                let pointer = slice.as_ptr::<u8>().wrapping_offset(at);
                // SAFETY: the run is part of the index array.
                unsafe {
                    (array.add)(pointer, array.strides[last], array.axis, clamp, &mut out[done..done + n]);
                }
                done += n;
            });
        }
    }
}

/// An integer as an index: what does not fit is out of any range.
trait Number: Copy {
    fn index(self) -> i64;
}

macro_rules! numbers {
    ($($t:ty => $d:ident),*) => {
        $(impl Number for $t {
            fn index(self) -> i64 { i64::try_from(self).unwrap_or(i64::MAX) }
        })*

        fn adder(dtype: Dtype) -> Add {
            match dtype {
                $(Dtype::$d => add::<$t>,)*
                // Ops take indices of integer types only.
                _ => add::<u8>,
            }
        }
    };
}
numbers!(u8 => Uint8, u16 => Uint16, u32 => Uint32, u64 => Uint64, i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64);

unsafe fn add<T: Number>(
    pointer: *const u8,
    step: isize,
    (size, last, stride): (i64, i64, isize),
    clamp: bool,
    out: &mut [isize],
) {
    let pointer = pointer.cast::<T>();
    for (i, out) in out.iter_mut().enumerate() {
        // SAFETY: the caller's indices.
        let index = unsafe { *pointer.offset(i as isize * step) }.index();
        let place = if index < 0 { index.saturating_add(size) } else { index };
        if clamp {
            *out += place.clamp(0, last.max(0)) as isize * stride;
        } else if place < 0 || place > last || *out == NOWHERE {
            *out = NOWHERE;
        } else {
            *out += place as isize * stride;
        }
    }
}
