//! Key/value caches.

use holdall::{Array, Dtype, Result, Scalar};

/// Positions that a cache grows by, at least.
const STEP: usize = 256;

/// Keys and values of one layer, `[batch, heads, positions, features]`.
///
/// The buffers have room for more positions than are used, and new ones are written in place: nobody else holds the
/// buffers when the next step is recorded, since readers take slices that are recorded before.
#[derive(Clone, Debug, Default)]
pub struct KvCache {
    buffers: Option<(Array, Array)>,
    offset: usize,
    /// Positions that will be needed, as far as is known.
    expected: usize,
}

impl KvCache {
    /// Positions in use.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Says that so many positions will be needed in all: buffers that have to grow then grow once.
    pub fn expect(&mut self, positions: usize) {
        self.expected = positions;
    }

    /// Appends keys and values and returns all of them.
    ///
    /// # Errors
    /// When the shapes differ from those before in more than the number of positions.
    pub fn update(&mut self, keys: &Array, values: &Array) -> Result<(Array, Array)> {
        let added = keys.dim(2);
        let end = self.offset + added;
        let (k, v) = match self.buffers.take() {
            Some((k, v)) if k.dim(2) >= end => (k, v),
            old => {
                let (old_keys, old_values) = old.unzip();
                // By a quarter, so that what is copied in all is a few times what there is.
                let capacity =
                    end.max(self.expected).max(self.offset + self.offset / 4).next_multiple_of(STEP);
                let grow = |x: &Array, old: Option<Array>| grown(x, old, self.offset, capacity);
                (grow(keys, old_keys)?, grow(values, old_values)?)
            }
        };
        let (k, v) = (write(k, keys, self.offset)?, write(v, values, self.offset)?);
        self.offset = end;
        let seen = |x: &Array| x.slice_axis(2, 0, end as i64);
        let all = (seen(&k)?, seen(&v)?);
        self.buffers = Some((k, v));
        Ok(all)
    }

    /// Forgets all positions from `length` on.
    pub fn truncate(&mut self, length: usize) {
        self.offset = self.offset.min(length);
    }

    /// The buffers, for evaluation.
    pub fn arrays(&self) -> impl Iterator<Item = &Array> {
        self.buffers.iter().flat_map(|(k, v)| [k, v])
    }
}

/// A buffer like `x` with room for `capacity` positions that begins with the first `used` of `old`.
fn grown(x: &Array, old: Option<Array>, used: usize, capacity: usize) -> Result<Array> {
    let mut shape: Vec<usize> = x.shape().to_vec();
    shape[2] = capacity;
    let zero = Array::constant(Scalar::from_f64(0.0, x.dtype()));
    let empty = zero.broadcast_to(&shape)?.contiguous();
    match old {
        Some(old) if used > 0 => write(empty, &old.slice_axis(2, 0, used as i64)?, 0),
        _ => Ok(empty),
    }
}

/// `buffer` with `x` written from position `start` on; in place, since the buffer is given away.
fn write(buffer: Array, x: &Array, start: usize) -> Result<Array> {
    let mut stop: Vec<i64> = x.shape().iter().map(|n| *n as i64).collect();
    stop[2] += start as i64;
    buffer.slice_update(x, &[0, 0, start as i64, 0], &stop, &[])
}

/// A position as rotary embeddings take it.
pub(crate) fn position(offset: usize) -> Result<Array> {
    debug_assert_eq!(<i32 as holdall::Element>::DTYPE, Dtype::Int32);
    Array::from_slice(&[offset as i32], &[1])
}
