//! Rotary position embedding.

#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use super::float::{Element, Float, narrow, widen, with_element};
use super::math;
use super::rows::shares;
use super::vector::{Vector, Work, dispatch};
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice, span};

/// The frequencies ω of the rotated pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Frequencies {
    /// ωᵢ = base^(−2i / dims).
    Base(f64),
    /// ωᵢ = 1 / fᵢ for a bound f32 array of dims / 2 values with this stride; an infinite fᵢ means no rotation.
    Bound(isize),
}

/// The position of the first row of each sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// The same for all.
    Fixed(i64),
    /// A bound i32 array with this stride from one sequence of the batch to the next (0 for one value).
    Bound(isize),
}

/// Rotates pairs of the first `dims` features by (t + offset) · scale · ωᵢ; copies the others.
///
/// The pair (x₁, x₂) becomes (x₁ cos θ − x₂ sin θ, x₁ sin θ + x₂ cos θ). Angles are formed in f64 and reduced before
/// they are rounded, so positions in the millions keep f32's precision; the rotation is in f32, rounded once.
///
/// Bindings: x, the frequencies if bound (f32), the offsets if bound (i32), y. y is dense [batch, heads, sequence,
/// features]; it may be x itself where x lies so. F64 is not supported: its op decomposes.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// The instructions to use.
    pub isa: Isa,
    /// The dtype of x and y.
    pub float: Float,
    /// Sizes: batch, heads, sequence, features (at least `dims`).
    pub shape: [usize; 4],
    /// The strides of x in elements.
    pub strides: [isize; 4],
    /// Features that rotate; even.
    pub dims: usize,
    /// Pairs (x₂ᵢ, x₂ᵢ₊₁) instead of (xᵢ, xᵢ₊dims/2).
    pub traditional: bool,
    /// Frequencies.
    pub frequencies: Frequencies,
    /// Multiplies positions.
    pub scale: f64,
    /// Where positions start.
    pub offset: Offset,
}

impl Rope {
    /// Blocks of the sequence of one batch entry.
    fn blocks(&self) -> usize {
        let [batch, heads, sequence, features] = self.shape;
        // Angles cost about as much as 16 features.
        let work = sequence * (heads * features + 16 * self.dims);
        shares(sequence, 4 * work * batch.min(16)).div_ceil(batch.clamp(1, 16))
    }
}

impl Kernel for Rope {
    fn items(&self, _phase: usize) -> usize {
        if self.shape.contains(&0) { 0 } else { self.shape[0] * self.blocks() }
    }

    unsafe fn run(&self, _phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let [_, _, sequence, features] = self.shape;
        let (batch, block) = (item / self.blocks(), item % self.blocks());
        let mut bound = memory[1..].iter();
        let mut next = || bound.next().map(Slice::as_ptr::<u8>).unwrap_or(std::ptr::null_mut());
        let frequencies = match self.frequencies {
            Frequencies::Base(_) => std::ptr::null(),
            Frequencies::Bound(_) => next().cast::<f32>().cast_const(),
        };
        let offset = match self.offset {
            Offset::Fixed(offset) => offset,
            Offset::Bound(stride) => {
                // SAFETY: the bound array has a value for this batch entry.
                i64::from(unsafe { next().cast::<i32>().offset(batch as isize * stride).read() })
            }
        };
        let half = self.dims / 2;
        let padded = half.next_multiple_of(16);
        let omegas: SmallVec<[f64; 64]> = (0..half)
            .map(|i| match self.frequencies {
                Frequencies::Base(base) => base.powf(-(i as f64) / half as f64),
                Frequencies::Bound(stride) => {
                    // SAFETY: the bound array has dims / 2 values.
                    1.0 / f64::from(unsafe { frequencies.offset(i as isize * stride).read() })
                }
            })
            .collect();
        let rows = scratch.get::<f32>(2 * padded + 2 * features.next_multiple_of(16));
        let rows = rows.as_mut_ptr();
        with_element!(self.float, E => {
            let work = Rotate {
                kernel: self,
                batch,
                times: span(sequence, 1, block, self.blocks()),
                offset,
                omegas: &omegas,
                x: memory[0].as_ptr::<E>(),
                y: memory[memory.len() - 1].as_ptr::<E>(),
                sin: rows,
                // SAFETY: scratch was sized for these parts.
                cos: unsafe { rows.add(padded) },
                // SAFETY: as above.
                row: unsafe { rows.add(2 * padded) },
            };
            // SAFETY: `isa` is available, the bindings are those that this kernel was made for.
            unsafe { dispatch(self.isa, work) }
        });
    }
}

struct Rotate<'a, E> {
    kernel: &'a Rope,
    batch: usize,
    times: std::ops::Range<usize>,
    offset: i64,
    omegas: &'a [f64],
    x: *const E,
    y: *mut E,
    sin: *mut f32,
    cos: *mut f32,
    /// Two rows of features.
    row: *mut f32,
}

impl<E: Element> Work for Rotate<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let Rope { shape: [_, heads, sequence, features], strides, dims, traditional, scale, .. } =
            *self.kernel;
        let half = dims / 2;
        for time in self.times.clone() {
            // SAFETY: scratch holds half values each, apart from each other.
            let (sin, cos) = unsafe {
                (
                    std::slice::from_raw_parts_mut(self.sin, half),
                    std::slice::from_raw_parts_mut(self.cos, half),
                )
            };
            angles((self.offset + time as i64) as f64 * scale, self.omegas, sin, cos);
            for head in 0..heads {
                let from = self.batch as isize * strides[0]
                    + head as isize * strides[1]
                    + time as isize * strides[2];
                let to = ((self.batch * heads + head) * sequence + time) * features;
                // SAFETY: x and y have this row; scratch holds two.
                unsafe {
                    let (x, rotated) = (self.row, self.row.add(features.next_multiple_of(16)));
                    widen(v, self.x.offset(from), strides[3], x, features);
                    if traditional {
                        pairs(x, rotated, sin, cos);
                    } else {
                        halves(v, x, rotated, sin, cos);
                    }
                    std::ptr::copy_nonoverlapping(x.add(dims), rotated.add(dims), features - dims);
                    narrow(v, rotated, self.y.add(to), 1, features);
                }
            }
        }
    }
}

/// sin and cos of `position` · ω for each ω.
#[inline(always)]
fn angles(position: f64, omegas: &[f64], sin: &mut [f32], cos: &mut [f32]) {
    use super::math::whole;
    for ((omega, sin), cos) in omegas.iter().zip(sin).zip(cos) {
        let turns = position * omega * (0.5 * std::f64::consts::FRAC_1_PI);
        let part = (turns - whole(turns)) * std::f64::consts::TAU;
        (*sin, *cos) = math::sin_cos(part as f32);
    }
}

/// # Safety
/// `x` and `y` hold twice as many values as `sin` and `cos`.
#[inline(always)]
unsafe fn pairs(x: *const f32, y: *mut f32, sin: &[f32], cos: &[f32]) {
    // SAFETY: the caller's; the two do not overlap.
    let (x, y) = unsafe {
        (std::slice::from_raw_parts(x, 2 * sin.len()), std::slice::from_raw_parts_mut(y, 2 * sin.len()))
    };
    for (((x, y), sin), cos) in x.chunks_exact(2).zip(y.chunks_exact_mut(2)).zip(sin).zip(cos) {
        y[0] = x[0] * cos - x[1] * sin;
        y[1] = x[0] * sin + x[1] * cos;
    }
}

/// # Safety
/// As for [`pairs`].
#[inline(always)]
unsafe fn halves<V: Vector>(v: V, x: *const f32, y: *mut f32, sin: &[f32], cos: &[f32]) {
    let half = sin.len();
    let mut i = 0;
    while i < half {
        let part = (half - i).min(V::LANES);
        // SAFETY: part values are left in each half.
        unsafe {
            let (s, c) =
                (v.load_part(sin.as_ptr().add(i), part, 0.0), v.load_part(cos.as_ptr().add(i), part, 0.0));
            let (a, b) = (v.load_part(x.add(i), part, 0.0), v.load_part(x.add(half + i), part, 0.0));
            v.store_part(y.add(i), v.sub(v.mul(a, c), v.mul(b, s)), part);
            v.store_part(y.add(half + i), v.mul_add(a, s, v.mul(b, c)), part);
        }
        i += part;
    }
}
