//! The logarithm of a sum of exponentials.

use super::{largest, row, sum_exp};
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice, span};
use crate::kernels::float::{Element, Float, with_element};
use crate::kernels::math;
use crate::kernels::rows::{Rows, shares};
use crate::kernels::vector::{Vector, Work, dispatch};

/// y = ln Σ eˣ over one axis, without overflow, in f32 (f64 for f64), rounded once.
///
/// A row of −∞ gives −∞, one with +∞ gives +∞, one with NaN gives NaN. Bindings: x, y. y is dense, one value a row.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSumExp {
    /// The instructions to use.
    pub isa: Isa,
    /// The dtype of x and y.
    pub float: Float,
    /// The rows of x: all axes but the one summed over.
    pub rows: Rows,
    /// Values in a row.
    pub len: usize,
    /// The stride of x within a row.
    pub step: isize,
}

impl Kernel for LogSumExp {
    fn items(&self, _phase: usize) -> usize {
        shares(self.rows.count(), 8 * self.rows.count() * self.len)
    }

    unsafe fn run(&self, _phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let rows = span(self.rows.count(), 1, item, self.items(0));
        let (x, y) = (memory[0].as_ptr::<u8>().cast_const(), memory[1]);
        if self.float == Float::F64 {
            for index in rows {
                let base = self.rows.offset(index);
                // SAFETY: the bindings that this kernel was made for.
                unsafe {
                    let at = |i: usize| self.float.read_f64(x, base + i as isize * self.step);
                    let top = (0..self.len).map(at).fold(f64::NEG_INFINITY, f64::max);
                    let nan = (0..self.len).any(|i| at(i).is_nan());
                    let value = if top.is_infinite() {
                        top
                    } else {
                        top + (0..self.len).map(|i| (at(i) - top).exp()).sum::<f64>().ln()
                    };
                    y.as_ptr::<f64>().add(index).write(if nan { f64::NAN } else { value });
                }
            }
            return;
        }
        let buffer = scratch.get::<f32>(self.len).as_mut_ptr();
        with_element!(self.float, E => {
            let work = LogRows { kernel: self, rows, x, y: y.as_ptr::<E>(), buffer };
            // SAFETY: `isa` is available, the bindings are those that this kernel was made for.
            unsafe { dispatch(self.isa, work) }
        });
    }
}

struct LogRows<'a, E> {
    kernel: &'a LogSumExp,
    rows: std::ops::Range<usize>,
    x: *const u8,
    y: *mut E,
    buffer: *mut f32,
}

impl<E: Element> Work for LogRows<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let LogSumExp { float, len, step, .. } = *self.kernel;
        for index in self.rows {
            // SAFETY: rows lie where the kernel's parameters say; scratch holds a row.
            unsafe {
                let x = self.x.offset(self.kernel.rows.offset(index) * float.bytes() as isize);
                let x = row(v, float, x, step, self.buffer, len);
                let top = largest(v, x, len);
                let value = if top.is_infinite() {
                    // NaN hides from the maximum, and from a sum whose terms are ∞ − ∞.
                    let nan = std::slice::from_raw_parts(x, len).iter().any(|x| x.is_nan());
                    if nan { f32::NAN } else { top }
                } else {
                    top + math::log(sum_exp(v, x, std::ptr::null_mut(), len, top))
                };
                self.y.add(index).write(E::from_f32(value));
            }
        }
    }
}
