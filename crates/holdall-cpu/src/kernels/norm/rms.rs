//! Root-mean-square normalisation.

use super::{row, sum};
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice, span};
use crate::kernels::float::{Element, Float, Widen, with_element};
use crate::kernels::rows::{Rows, shares};
use crate::kernels::vector::{Vector, Work, dispatch};

/// y = x / √(mean(x²) + eps) · weight over the last axis, in f32 (f64 for f64), rounded once.
///
/// Bindings: x, weight if there is one, y. y holds the rows densely in row-major order; it may be x itself where x
/// lies so and both have one dtype.
#[derive(Clone, Debug, PartialEq)]
pub struct RmsNorm {
    /// The instructions to use.
    pub isa: Isa,
    /// The dtype of x.
    pub x: Float,
    /// The dtype of the weight and its stride in elements.
    pub weight: Option<(Float, isize)>,
    /// The dtype of y: the promotion of both (F64 if and only if one of them is).
    pub y: Float,
    /// The rows of x.
    pub rows: Rows,
    /// Values in a row.
    pub len: usize,
    /// The stride of x within a row.
    pub step: isize,
    /// What is added to the mean of squares.
    pub eps: f32,
}

impl Kernel for RmsNorm {
    fn items(&self, _phase: usize) -> usize {
        shares(self.rows.count(), 2 * self.rows.count() * self.len)
    }

    unsafe fn run(&self, _phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let rows = span(self.rows.count(), 1, item, self.items(0));
        let y = memory[memory.len() - 1];
        let weight = self.weight.map(|weight| (weight, memory[1].as_ptr::<u8>().cast_const()));
        if self.y == Float::F64 {
            // SAFETY: the bindings that this kernel was made for.
            return unsafe { self.double(rows, memory[0].as_ptr(), weight, y.as_ptr()) };
        }
        let buffer = scratch.get::<f32>(2 * self.len.next_multiple_of(16));
        let (row, ones) = buffer.split_at_mut(self.len.next_multiple_of(16));
        let weight = match weight {
            Some(((Float::F32, 1), weight)) => weight.cast::<f32>(),
            Some(((float, step), from)) => {
                let to = ones.as_mut_ptr();
                // SAFETY: the weight has len values; scratch was sized above.
                unsafe { Widen { float, from, step, to, len: self.len }.run_on(self.isa) };
                to
            }
            None => std::ptr::null(),
        };
        with_element!(self.y, Y => {
            let (x, y) = (memory[0].as_ptr(), y.as_ptr::<Y>());
            let work = RmsRows { kernel: self, rows, x, weight, y, row: row.as_mut_ptr() };
            // SAFETY: `isa` is available, the bindings are those that this kernel was made for.
            unsafe { dispatch(self.isa, work) }
        });
    }
}

struct RmsRows<'a, Y> {
    kernel: &'a RmsNorm,
    rows: std::ops::Range<usize>,
    x: *const u8,
    /// Null for all ones.
    weight: *const f32,
    y: *mut Y,
    row: *mut f32,
}

impl<Y: Element> Work for RmsRows<'_, Y> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let RmsNorm { x: float, len, step, eps, .. } = *self.kernel;
        for index in self.rows {
            // SAFETY: rows lie where the kernel's parameters say; scratch holds a row.
            unsafe {
                let x = self.x.offset(self.kernel.rows.offset(index) * float.bytes() as isize);
                let x = row(v, float, x, step, self.row, len);
                let squares = sum(v, x, len, 0.0, true);
                let factor = v.splat(1.0 / (squares / len as f32 + eps).sqrt());
                let y = self.y.add(index * len);
                let mut i = 0;
                while i < len {
                    let part = (len - i).min(V::LANES);
                    let mut value = v.mul(v.load_up_to(x.add(i), part), factor);
                    if !self.weight.is_null() {
                        value = v.mul(value, v.load_up_to(self.weight.add(i), part));
                    }
                    Y::store_up_to(v, y.add(i), value, part);
                    i += part;
                }
            }
        }
    }
}

impl RmsNorm {
    /// The rows in f64.
    ///
    /// # Safety
    /// The addresses are those of the kernel's bindings.
    unsafe fn double(
        &self,
        rows: std::ops::Range<usize>,
        x: *const u8,
        weight: Option<((Float, isize), *const u8)>,
        y: *mut f64,
    ) {
        for index in rows {
            let base = self.rows.offset(index);
            // SAFETY: rows lie where the kernel's parameters say.
            let at = |i: usize| unsafe { self.x.read_f64(x, base + i as isize * self.step) };
            let squares: f64 = (0..self.len).map(|i| at(i) * at(i)).sum();
            let factor = 1.0 / (squares / self.len as f64 + f64::from(self.eps)).sqrt();
            for i in 0..self.len {
                // SAFETY: as above.
                unsafe {
                    let weight =
                        weight.map_or(1.0, |((float, step), p)| float.read_f64(p, i as isize * step));
                    y.add(index * self.len + i).write(at(i) * factor * weight);
                }
            }
        }
    }
}
