//! Indexing by NumPy's rules: numbers, ranges, new axes, an ellipsis, integer arrays.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo};

use smallvec::SmallVec;

use crate::Array;
use crate::error::{Error, Origin, Result};
use crate::ops::{Gather, Scatter, ScatterMode, Slice};
use crate::scalar::Operand;
use crate::shape::{Dims, Strides, broadcast, size_of};

/// One entry of a key, as between the brackets of NumPy.
///
/// Integers and ranges of `i32`, `i64` and `usize` convert into it, `..` is a whole axis, `&Array` an index array:
/// `x.index((.., 1..3, -1))` is `x[:, 1:3, -1]`.
#[derive(Clone, Debug)]
pub enum Index {
    /// One place, counted from the back if negative; the axis goes.
    At(i64),
    /// Places from `start` to `stop` (excluded) in steps of `step`, bounds clamped as Python does.
    Range {
        /// First place; the end that the step starts from if absent.
        start: Option<i64>,
        /// Where to stop; the other end if absent.
        stop: Option<i64>,
        /// Distance, not 0; negative runs backwards.
        step: i64,
    },
    /// A new axis of size 1.
    NewAxis,
    /// As many whole axes as are left: NumPy's `...`.
    Rest,
    /// Places from an array of any integer type; a boolean mask when assigning.
    Array(Array),
}

impl Index {
    /// Every `step`-th place of what `range` names; `Index::stepped(.., -1)` runs backwards.
    #[must_use]
    pub fn stepped(range: impl Into<Self>, step: i64) -> Self {
        match range.into() {
            Self::Range { start, stop, .. } => Self::Range { start, stop, step },
            other => other,
        }
    }
}

impl From<RangeFull> for Index {
    fn from(_: RangeFull) -> Self {
        Self::Range { start: None, stop: None, step: 1 }
    }
}

impl From<&Array> for Index {
    fn from(x: &Array) -> Self {
        Self::Array(x.clone())
    }
}

impl From<Array> for Index {
    fn from(x: Array) -> Self {
        Self::Array(x)
    }
}

impl From<&Self> for Index {
    fn from(x: &Self) -> Self {
        x.clone()
    }
}

/// A place as a signed number; one that does not fit is beyond any axis.
trait Place: Copy {
    fn place(self) -> i64;
}

macro_rules! places {
    ($($t:ty),*) => { $(
        impl Place for $t {
            fn place(self) -> i64 { i64::try_from(self).unwrap_or(i64::MAX) }
        }
        impl From<$t> for Index {
            fn from(i: $t) -> Self { Self::At(i.place()) }
        }
        impl From<Range<$t>> for Index {
            fn from(r: Range<$t>) -> Self {
                Self::Range { start: Some(r.start.place()), stop: Some(r.end.place()), step: 1 }
            }
        }
        impl From<RangeInclusive<$t>> for Index {
            fn from(r: RangeInclusive<$t>) -> Self {
                // An end of -1 is the last place: nothing stops after it.
                let stop = r.end().place().checked_add(1).filter(|stop| *stop != 0);
                Self::Range { start: Some(r.start().place()), stop, step: 1 }
            }
        }
        impl From<RangeFrom<$t>> for Index {
            fn from(r: RangeFrom<$t>) -> Self {
                Self::Range { start: Some(r.start.place()), stop: None, step: 1 }
            }
        }
        impl From<RangeTo<$t>> for Index {
            fn from(r: RangeTo<$t>) -> Self {
                Self::Range { start: None, stop: Some(r.end.place()), step: 1 }
            }
        }
    )* };
}
places!(i32, i64, usize);

/// What names a part of an array: one [`Index`], a tuple of them, or a slice of [`Index`].
pub trait Key {
    /// The entries in order.
    fn entries(self) -> SmallVec<[Index; 4]>;
}

impl<T: Into<Index>> Key for T {
    fn entries(self) -> SmallVec<[Index; 4]> {
        std::iter::once(self.into()).collect()
    }
}

impl Key for &[Index] {
    fn entries(self) -> SmallVec<[Index; 4]> {
        self.iter().cloned().collect()
    }
}

macro_rules! tuples {
    ($(($($t:ident $i:tt),*))*) => { $(
        impl<$($t: Into<Index>),*> Key for ($($t,)*) {
            fn entries(self) -> SmallVec<[Index; 4]> {
                let mut out = SmallVec::new();
                $(out.push(self.$i.into());)*
                out
            }
        }
    )* };
}
tuples! { (A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) (A 0, B 1, C 2, D 3, E 4) (A 0, B 1, C 2, D 3, E 4, F 5) }

/// First place, distance and number of the places of a range over an axis of `n`.
pub(super) fn span(
    op: &'static str,
    start: Option<i64>,
    stop: Option<i64>,
    step: i64,
    n: usize,
) -> Result<(usize, isize, usize)> {
    if step == 0 {
        return Err(Error::argument(op, "the step of a range is 0"));
    }
    let n = n as i64;
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let clamp = |i: i64| (if i < 0 { i.saturating_add(n) } else { i }).clamp(low, high);
    let start = start.map_or(if step > 0 { low } else { high }, clamp);
    let stop = stop.map_or(if step > 0 { high } else { low }, clamp);
    let far = if step > 0 { stop - start } else { start - stop };
    let count = if far <= 0 { 0 } else { (far as u64 - 1) / step.unsigned_abs() + 1 };
    // With at most one place the distance means nothing, and a huge one would overflow products with strides.
    let step = if count > 1 { step as isize } else { 1 };
    Ok((if count == 0 { 0 } else { start as usize }, step, count as usize))
}

/// The slice with these (start, step, count) of each axis.
pub(super) fn slice_of(part: SmallVec<[(usize, isize, usize); 4]>) -> Slice {
    Slice {
        start: part.iter().map(|p| p.0).collect(),
        step: part.iter().map(|p| p.1).collect::<Strides>(),
        shape: part.iter().map(|p| p.2).collect(),
    }
}

/// A key made out against a shape: first a slice, then a gather, then a reshape for axes that come and go.
struct Parsed {
    slice: Slice,
    /// Axes of the sliced array that have index arrays, in order; these have one shape.
    arrays: SmallVec<[(usize, Array); 2]>,
    /// How many axes of the sliced array come before those of the index arrays in the result.
    position: usize,
    /// The shape of what the key names.
    shape: Dims,
}

impl Parsed {
    /// Of the gather's result: the sliced axes with those of the index arrays in between.
    fn gathered(&self) -> Dims {
        let mut sizes = self.sizes();
        let index = self.arrays.first().map_or(&[][..], |a| a.1.shape());
        sizes.insert_many(self.position, index.iter().copied());
        sizes
    }

    fn sizes(&self) -> Dims {
        let mut sizes = self.slice.shape.clone();
        self.arrays.iter().for_each(|(axis, _)| sizes[*axis] = 1);
        sizes
    }

    fn axes(&self) -> SmallVec<[usize; 4]> {
        self.arrays.iter().map(|a| a.0).collect()
    }

    fn is_whole(&self, x: &Array) -> bool {
        self.slice.shape[..] == *x.shape() && self.slice.step.iter().all(|s| *s == 1)
    }
}

fn parse(op: &'static str, x: &Array, entries: &[Index]) -> Result<Parsed> {
    let named = entries.iter().filter(|e| !matches!(e, Index::NewAxis | Index::Rest)).count();
    let rests = entries.iter().filter(|e| matches!(e, Index::Rest)).count();
    let Some(left) = x.ndim().checked_sub(named).filter(|_| rests <= 1) else {
        let what = if rests > 1 { "more than one ellipsis" } else { "too many entries" };
        return Err(Error::argument(
            op,
            format!("{what} in a key of {} for an array of {} dimensions", entries.len(), x.ndim()),
        ));
    };
    let mut entries: SmallVec<[Index; 8]> = entries.iter().cloned().collect();
    match entries.iter().position(|e| matches!(e, Index::Rest)) {
        Some(at) => {
            entries.remove(at);
            entries.insert_many(at, std::iter::repeat_n(Index::from(..), left));
        }
        None => entries.extend(std::iter::repeat_n(Index::from(..), left)),
    }
    let advanced = entries.iter().any(|e| matches!(e, Index::Array(_)));
    let mut index_shape = Dims::new();
    for e in &entries {
        if let Index::Array(a) = e {
            if !a.dtype().is_integer() {
                return Err(Error::dtype(
                    op,
                    format!("wanted an index array of integers, got {}", a.dtype()),
                ));
            }
            index_shape = broadcast(&index_shape, a.shape()).ok_or_else(|| {
                Error::shape(
                    op,
                    format!("index arrays of shapes {index_shape:?} and {:?} do not broadcast", a.shape()),
                )
            })?;
        }
    }
    let mut part = SmallVec::new();
    let mut arrays = SmallVec::new();
    let mut shape = Dims::new();
    // Places, in the key, of index arrays and of numbers beside them: apart, their axes go to the front.
    let mut places: SmallVec<[usize; 4]> = SmallVec::new();
    let mut front = None;
    for (place, entry) in entries.into_iter().enumerate() {
        let axis = part.len();
        match entry {
            Index::NewAxis => {
                shape.push(1);
                continue;
            }
            Index::Range { start, stop, step } => {
                let (first, step, count) = span(op, start, stop, step, x.shape()[axis])?;
                shape.push(count);
                part.push((first, step, count));
            }
            Index::At(i) => {
                let n = x.shape()[axis];
                let at = if i < 0 { i.saturating_add(n as i64) } else { i };
                if at < 0 || at >= n as i64 {
                    return Err(Error::argument(
                        op,
                        format!("index {i} is out of range for axis {axis} of size {n}"),
                    ));
                }
                part.push((at as usize, 1, 1));
                if advanced {
                    places.push(place);
                    front.get_or_insert((axis, shape.len()));
                }
            }
            Index::Array(a) => {
                if x.shape()[axis] == 0 && size_of(&index_shape) > 0 {
                    return Err(Error::argument(
                        op,
                        format!("axis {axis} of size 0 has no element to index"),
                    ));
                }
                part.push((0, 1, x.shape()[axis]));
                arrays.push((axis, a.broadcast_to(&index_shape)?));
                places.push(place);
                front.get_or_insert((axis, shape.len()));
            }
            Index::Rest => unreachable!("replaced above"),
        }
    }
    let together = places.windows(2).all(|w| w[1] == w[0] + 1);
    let (position, at) = front.filter(|_| together).unwrap_or((0, 0));
    shape.insert_many(at, index_shape);
    Ok(Parsed { slice: slice_of(part), arrays, position, shape })
}

impl Array {
    /// The part that `key` names, by NumPy's rules: `x.index((.., 1..3, -1))`.
    ///
    /// Without index arrays the result is a view. Index arrays broadcast together; their axes stand where the first of
    /// them stood, or in front if a range or a new axis is between them. Their negative entries count from the back
    /// once; entries still out of range read the nearest element in range.
    ///
    /// # Errors
    /// When the key has more entries than the array has axes, a number is out of range, a step is 0, or an index array
    /// is not of integers.
    #[track_caller]
    pub fn index(&self, key: impl Key) -> Result<Self> {
        let origin = Origin::caller();
        let parsed = parse("index", self, &key.entries()).map_err(|e| e.at(origin))?;
        let part = self.read_slice(&parsed)?;
        if parsed.arrays.is_empty() {
            return part.reshape_to(&parsed.shape);
        }
        let mut inputs = vec![&part];
        inputs.extend(parsed.arrays.iter().map(|a| &a.1));
        let op = Gather { axes: parsed.axes(), sizes: parsed.sizes(), position: parsed.position };
        Self::apply(op, &inputs)?.reshape_to(&parsed.shape)
    }

    #[track_caller]
    fn read_slice(&self, parsed: &Parsed) -> Result<Self> {
        if parsed.is_whole(self) { Ok(self.clone()) } else { Self::apply(parsed.slice.clone(), &[self]) }
    }

    /// This array with `values` written to the part that `key` names: NumPy's `x[key] = values`.
    ///
    /// The values are converted to the array's type and broadcast to the part. Where index arrays name a place twice,
    /// one of its values stays; places out of range are ignored. A boolean array alone is a mask over the leading axes:
    /// see [`Array::masked_update`]. In place when nobody else needs this array.
    ///
    /// # Errors
    /// As for [`Array::index`], and when the values do not broadcast to the part.
    #[track_caller]
    pub fn index_update(&self, key: impl Key, values: impl Into<Operand>) -> Result<Self> {
        let entries = key.entries();
        if let [Index::Array(mask)] = &entries[..]
            && mask.dtype() == crate::Dtype::Bool
        {
            return self.masked_update(mask, values);
        }
        self.assign(&entries, values.into(), ScatterMode::Set)
    }

    #[track_caller]
    fn assign(&self, entries: &[Index], values: Operand, mode: ScatterMode) -> Result<Self> {
        let op = mode.name();
        let parsed = parse(op, self, entries).map_err(|e| e.at(Origin::caller()))?;
        let values = self.operand(values).fit(op, &parsed.shape)?;
        if parsed.arrays.is_empty() {
            let values = values.reshape_to(&parsed.slice.shape)?;
            let values = match mode {
                ScatterMode::Set => values,
                _ => mode.combine(&self.read_slice(&parsed)?, &values)?.astype(self.dtype()),
            };
            return self.write_slice(&parsed.slice, &values);
        }
        let values = values.reshape_to(&parsed.gathered())?;
        let part = self.read_slice(&parsed)?;
        let mut inputs = vec![&part];
        inputs.extend(parsed.arrays.iter().map(|a| &a.1));
        inputs.push(&values);
        let scatter = Scatter { axes: parsed.axes(), position: parsed.position, mode };
        let updated = Self::apply(scatter, &inputs)?;
        if parsed.is_whole(self) { Ok(updated) } else { self.write_slice(&parsed.slice, &updated) }
    }
}

macro_rules! accumulating {
    ($($(#[$doc:meta])* $name:ident $mode:ident;)*) => { impl Array { $(
        $(#[$doc])*
        ///
        /// The values are converted to the array's type and broadcast to the part. Where index arrays name a place
        /// several times, all its values count; places out of range are ignored. In place when nobody else needs
        /// this array.
        ///
        /// # Errors
        /// As for [`Array::index_update`].
        #[track_caller]
        pub fn $name(&self, key: impl Key, values: impl Into<Operand>) -> Result<Self> {
            self.assign(&key.entries(), values.into(), ScatterMode::$mode)
        }
    )* } };
}
accumulating! {
    /// This array with `values` added to the part that `key` names: MLX's `x.at[key].add(values)`.
    index_add Add;
    /// This array with the part that `key` names multiplied by `values`: `x.at[key].multiply(values)`.
    index_multiply Multiply;
    /// This array with the larger of itself and `values` in the part that `key` names: `x.at[key].maximum(values)`.
    index_maximum Maximum;
    /// This array with the smaller of itself and `values` in the part that `key` names: `x.at[key].minimum(values)`.
    index_minimum Minimum;
}

impl Array {
    /// This array with `values` subtracted from the part that `key` names: `x.at[key].subtract(values)`.
    ///
    /// # Errors
    /// As for [`Array::index_add`]; for bool.
    #[track_caller]
    pub fn index_subtract(&self, key: impl Key, values: impl Into<Operand>) -> Result<Self> {
        let values = self.operand(values.into()).negative()?;
        self.assign(&key.entries(), values.into(), ScatterMode::Add)
    }

    /// This array with the part that `key` names divided by `values`: `x.at[key].divide(values)`. Integers round
    /// towards zero.
    ///
    /// # Errors
    /// As for [`Array::index_add`].
    #[track_caller]
    pub fn index_divide(&self, key: impl Key, values: impl Into<Operand>) -> Result<Self> {
        let divisor = self.ones_like()?.assign(&key.entries(), values.into(), ScatterMode::Multiply)?;
        Ok(self.divide(&divisor)?.astype(self.dtype()))
    }
}
