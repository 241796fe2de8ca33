//! Softmax over one axis.

use super::{largest, row, sum_exp};
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice, span};
use crate::kernels::float::{Element, Float, narrow, widen, with_element};
use crate::kernels::rows::{Rows, shares};
use crate::kernels::vector::{Vector, Work, dispatch};

/// y = eˣ / Σ eˣ over one axis, in f32 (f64 for f64), rounded once; so it is precise for half dtypes too.
///
/// A row of −∞ gives NaN. Bindings: x, y; y may be x itself where both lie alike. Rows that are neighbours in memory,
/// as over an axis other than the last, are taken many at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    /// The instructions to use.
    pub isa: Isa,
    /// The dtype of x and y.
    pub float: Float,
    /// The rows of x: all axes but the one summed over.
    pub x: Rows,
    /// The rows of y, in the same order.
    pub y: Rows,
    /// Values in a row.
    pub len: usize,
    /// The strides of x and y within a row.
    pub steps: [isize; 2],
    /// How many successive rows, from each multiple of it, are successive elements of both x and y (1 if none): the
    /// product of the axes after the one summed over, where these are dense.
    pub inner: usize,
}

/// Columns taken together.
const COLUMNS: usize = 64;

impl Softmax {
    /// Softmax over an axis of `len` values between `outer` and `inner` ones in dense arrays.
    pub fn dense(isa: Isa, float: Float, outer: usize, len: usize, inner: usize) -> Self {
        let rows = Rows::new(&[outer, inner], &[(len * inner) as isize, 1]);
        Self { isa, float, x: rows.clone(), y: rows, len, steps: [inner as isize; 2], inner }
    }

    /// Whether neighbouring rows are taken together, and how many such groups there are.
    fn groups(&self) -> Option<usize> {
        let dense = self.steps == [1, 1] || self.float == Float::F64;
        (!dense && self.inner >= 8).then(|| self.x.count() / self.inner * self.inner.div_ceil(COLUMNS))
    }
}

impl Kernel for Softmax {
    fn items(&self, _phase: usize) -> usize {
        shares(self.groups().unwrap_or(self.x.count()), 8 * self.x.count() * self.len)
    }

    unsafe fn run(&self, _phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let units = span(self.groups().unwrap_or(self.x.count()), 1, item, self.items(0));
        if self.float == Float::F64 {
            // SAFETY: the bindings that this kernel was made for.
            return unsafe { self.double(units, memory[0].as_ptr(), memory[1].as_ptr()) };
        }
        let columns = if self.groups().is_some() { COLUMNS } else { 1 };
        let buffer = scratch.get::<f32>(columns * (self.len + 2)).as_mut_ptr();
        with_element!(self.float, E => {
            let (x, y) = (memory[0].as_ptr::<E>(), memory[1].as_ptr::<E>());
            // SAFETY: `isa` is available, the bindings are those that this kernel was made for.
            unsafe {
                if self.groups().is_some() {
                    dispatch(self.isa, Columns { kernel: self, groups: units, x, y, buffer });
                } else {
                    dispatch(self.isa, SoftRows { kernel: self, rows: units, x, y, buffer });
                }
            }
        });
    }
}

/// Row by row.
struct SoftRows<'a, E> {
    kernel: &'a Softmax,
    rows: std::ops::Range<usize>,
    x: *const E,
    y: *mut E,
    buffer: *mut f32,
}

impl<E: Element> Work for SoftRows<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let Softmax { float, len, steps, .. } = *self.kernel;
        for index in self.rows {
            // SAFETY: rows lie where the kernel's parameters say; scratch holds a row.
            unsafe {
                let x = row(
                    v,
                    float,
                    self.x.offset(self.kernel.x.offset(index)).cast(),
                    steps[0],
                    self.buffer,
                    len,
                );
                let y = self.y.offset(self.kernel.y.offset(index));
                // Dense f32 rows keep their exponentials where the result goes.
                let direct = float == Float::F32 && steps[1] == 1;
                let to = if direct { y.cast::<f32>() } else { self.buffer };
                let top = largest(v, x, len);
                let factor = v.splat(1.0 / sum_exp(v, x, to, len, top));
                let mut i = 0;
                while i < len {
                    let part = (len - i).min(V::LANES);
                    let value = v.mul(v.load_up_to(to.add(i), part), factor);
                    f32::store_up_to(v, to.add(i), value, part);
                    i += part;
                }
                if !direct {
                    narrow(v, to, y, steps[1], len);
                }
            }
        }
    }
}

/// Neighbouring rows together: vectors across them.
struct Columns<'a, E> {
    kernel: &'a Softmax,
    groups: std::ops::Range<usize>,
    x: *const E,
    y: *mut E,
    /// Values [len, COLUMNS], then maxima and sums.
    buffer: *mut f32,
}

impl<E: Element> Work for Columns<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let Softmax { len, steps, inner, .. } = *self.kernel;
        let each = inner.div_ceil(COLUMNS);
        for group in self.groups.clone() {
            let (outer, part) = (group / each, group % each);
            let columns = span(inner, COLUMNS, part, each);
            let (first, width) = (outer * inner + columns.start, columns.len());
            // SAFETY: columns lie where the kernel's parameters say; scratch holds them.
            unsafe {
                let (x, y) =
                    (self.x.offset(self.kernel.x.offset(first)), self.y.offset(self.kernel.y.offset(first)));
                let (tops, sums) = (self.buffer.add(len * COLUMNS), self.buffer.add((len + 1) * COLUMNS));
                std::slice::from_raw_parts_mut(tops, COLUMNS).fill(f32::NEG_INFINITY);
                std::slice::from_raw_parts_mut(sums, COLUMNS).fill(0.0);
                std::slice::from_raw_parts_mut(self.buffer, len * COLUMNS).fill(0.0);
                for i in 0..len {
                    let row = self.buffer.add(i * COLUMNS);
                    widen(v, x.offset(i as isize * steps[0]), 1, row, width);
                    for c in (0..COLUMNS).step_by(V::LANES) {
                        v.store(tops.add(c), v.max(v.load(row.add(c)), v.load(tops.add(c))));
                    }
                }
                for i in 0..len {
                    let row = self.buffer.add(i * COLUMNS);
                    for c in (0..COLUMNS).step_by(V::LANES) {
                        let value = v.exp(v.sub(v.load(row.add(c)), v.load(tops.add(c))));
                        v.store(row.add(c), value);
                        v.store(sums.add(c), v.add(v.load(sums.add(c)), value));
                    }
                }
                for c in 0..COLUMNS {
                    sums.add(c).write(1.0 / sums.add(c).read());
                }
                for i in 0..len {
                    let row = self.buffer.add(i * COLUMNS);
                    for c in (0..COLUMNS).step_by(V::LANES) {
                        v.store(row.add(c), v.mul(v.load(row.add(c)), v.load(sums.add(c))));
                    }
                    narrow(v, row, y.offset(i as isize * steps[1]), 1, width);
                }
            }
        }
    }
}

impl Softmax {
    /// The rows in f64.
    ///
    /// # Safety
    /// The addresses are those of the kernel's bindings.
    unsafe fn double(&self, rows: std::ops::Range<usize>, x: *const f64, y: *mut f64) {
        for index in rows {
            // SAFETY: rows lie where the kernel's parameters say.
            unsafe {
                let (x, y) = (x.offset(self.x.offset(index)), y.offset(self.y.offset(index)));
                let at = |i: usize| x.offset(i as isize * self.steps[0]).read();
                let top = (0..self.len).map(at).fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = (0..self.len).map(|i| (at(i) - top).exp()).sum();
                for i in 0..self.len {
                    y.offset(i as isize * self.steps[1]).write((at(i) - top).exp() / total);
                }
            }
        }
    }
}
