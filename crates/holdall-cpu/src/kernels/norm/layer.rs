//! Layer normalisation.

use super::{row, sum};
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice, span};
use crate::kernels::float::{Element, Float, Widen, with_element};
use crate::kernels::rows::{Rows, shares};
use crate::kernels::vector::{Vector, Work, dispatch};

/// y = (x − mean(x)) / √(var(x) + eps) · weight + bias over the last axis, with the biased variance, in f32 (f64 for
/// f64), rounded once.
///
/// Bindings: x, weight if there is one, bias if there is one, y. y holds the rows densely in row-major order; it may be
/// x itself where x lies so and both have one dtype.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    /// The instructions to use.
    pub isa: Isa,
    /// The dtype of x.
    pub x: Float,
    /// The dtype of the weight and its stride in elements.
    pub weight: Option<(Float, isize)>,
    /// The dtype of the bias and its stride in elements.
    pub bias: Option<(Float, isize)>,
    /// The dtype of y: the promotion of all (F64 if and only if one of them is).
    pub y: Float,
    /// The rows of x.
    pub rows: Rows,
    /// Values in a row.
    pub len: usize,
    /// The stride of x within a row.
    pub step: isize,
    /// What is added to the variance.
    pub eps: f32,
}

impl Kernel for LayerNorm {
    fn items(&self, _phase: usize) -> usize {
        shares(self.rows.count(), 3 * self.rows.count() * self.len)
    }

    unsafe fn run(&self, _phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let rows = span(self.rows.count(), 1, item, self.items(0));
        let x = memory[0].as_ptr::<u8>().cast_const();
        let y = memory[memory.len() - 1];
        let mut bound = memory[1..].iter().map(|slice| slice.as_ptr::<u8>().cast_const());
        let mut next = |operand: Option<(Float, isize)>| {
            operand.and_then(|(float, step)| Some(Factor { float, step, from: bound.next()? }))
        };
        let (weight, bias) = (next(self.weight), next(self.bias));
        if self.y == Float::F64 {
            // SAFETY: the bindings that this kernel was made for.
            return unsafe { self.double(rows, x, weight, bias, y.as_ptr()) };
        }
        let padded = self.len.next_multiple_of(16);
        let buffer = scratch.get::<f32>(3 * padded).as_mut_ptr();
        // SAFETY: the operands have len values; scratch was sized for three rows.
        let (weight, bias) = unsafe {
            (
                Factor::dense(weight, self.isa, self.len, buffer.add(padded)),
                Factor::dense(bias, self.isa, self.len, buffer.add(2 * padded)),
            )
        };
        with_element!(self.y, Y => {
            let work = LayerRows { kernel: self, rows, x, weight, bias, y: y.as_ptr::<Y>(), buffer };
            // SAFETY: `isa` is available, the bindings are those that this kernel was made for.
            unsafe { dispatch(self.isa, work) }
        });
    }
}

/// A weight or bias.
#[derive(Clone, Copy)]
struct Factor {
    float: Float,
    step: isize,
    from: *const u8,
}

impl Factor {
    /// Dense f32 values, where they lie or at `to`; null for none.
    ///
    /// # Safety
    /// The operand has `len` values and `to` has room for them; the machine has `isa`.
    unsafe fn dense(factor: Option<Self>, isa: Isa, len: usize, to: *mut f32) -> *const f32 {
        match factor {
            None => std::ptr::null(),
            Some(Self { float: Float::F32, step: 1, from }) => from.cast(),
            Some(Self { float, step, from }) => {
                // SAFETY: the caller's.
                unsafe { Widen { float, from, step, to, len }.run_on(isa) };
                to
            }
        }
    }

    /// # Safety
    /// There is a value `index`.
    unsafe fn at(self, index: usize) -> f64 {
        // SAFETY: the caller's.
        unsafe { self.float.read_f64(self.from, index as isize * self.step) }
    }
}

struct LayerRows<'a, Y> {
    kernel: &'a LayerNorm,
    rows: std::ops::Range<usize>,
    x: *const u8,
    /// Null for ones.
    weight: *const f32,
    /// Null for zeros.
    bias: *const f32,
    y: *mut Y,
    buffer: *mut f32,
}

impl<Y: Element> Work for LayerRows<'_, Y> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let LayerNorm { x: float, len, step, eps, .. } = *self.kernel;
        for index in self.rows {
            // SAFETY: rows lie where the kernel's parameters say; scratch holds a row.
            unsafe {
                let x = self.x.offset(self.kernel.rows.offset(index) * float.bytes() as isize);
                let x = row(v, float, x, step, self.buffer, len);
                let mean = sum(v, x, len, 0.0, false) / len as f32;
                let variance = sum(v, x, len, mean, true) / len as f32;
                let (mean, factor) = (v.splat(mean), v.splat(1.0 / (variance + eps).sqrt()));
                let y = self.y.add(index * len);
                let mut i = 0;
                while i < len {
                    let part = (len - i).min(V::LANES);
                    let mut value = v.mul(v.sub(v.load_up_to(x.add(i), part), mean), factor);
                    if !self.weight.is_null() {
                        value = v.mul(value, v.load_up_to(self.weight.add(i), part));
                    }
                    if !self.bias.is_null() {
                        value = v.add(value, v.load_up_to(self.bias.add(i), part));
                    }
                    Y::store_up_to(v, y.add(i), value, part);
                    i += part;
                }
            }
        }
    }
}

impl LayerNorm {
    /// The rows in f64.
    ///
    /// # Safety
    /// The addresses are those of the kernel's bindings.
    unsafe fn double(
        &self,
        rows: std::ops::Range<usize>,
        x: *const u8,
        weight: Option<Factor>,
        bias: Option<Factor>,
        y: *mut f64,
    ) {
        let count = self.len as f64;
        for index in rows {
            let base = self.rows.offset(index);
            // SAFETY: rows lie where the kernel's parameters say.
            let at = |i: usize| unsafe { self.x.read_f64(x, base + i as isize * self.step) };
            let mean = (0..self.len).map(at).sum::<f64>() / count;
            let variance = (0..self.len).map(|i| (at(i) - mean).powi(2)).sum::<f64>() / count;
            let factor = 1.0 / (variance + f64::from(self.eps)).sqrt();
            for i in 0..self.len {
                // SAFETY: as above.
                unsafe {
                    let (weight, bias) = (weight.map_or(1.0, |w| w.at(i)), bias.map_or(0.0, |b| b.at(i)));
                    y.add(index * self.len + i).write((at(i) - mean) * factor * weight + bias);
                }
            }
        }
    }
}
