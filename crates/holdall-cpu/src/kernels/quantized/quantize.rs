//! `quantize`: weights to codes, scales and biases, bit for bit as MLX computes them on a CPU.

use super::convert::{narrow, widen};
use super::simd::{Simd, Task, dispatch};
use super::{Float, Unsupported, check, row_items, with_bits};
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice, span};

/// Quantizes the rows of a dense matrix.
///
/// Bindings: w `[rows, len]`, codes as words `[rows, len · bits / 32]`, scales and biases `[rows, len / group_size]`,
/// the last two of w's type.
///
/// # Source
/// MLX, affine mode. In f32, for the least value `mn` and the greatest `mx` of a group and `n = 2^bits - 1`: the scale
/// is `max((mx - mn) / n, 1e-7)`, negative unless `|mn| > |mx|`; the end of larger magnitude becomes the bias, after
/// the scale is changed so that zero is a multiple of it (`scale = end / rint(end / scale)`; if that is a division by
/// zero, the bias is zero); a code is `clip(rint((w - bias) / scale), 0, n)`. Ties go to even.
#[derive(Clone, Debug)]
pub struct Quantize {
    rows: usize,
    len: usize,
    bits: usize,
    group: usize,
    kind: Float,
    isa: Isa,
    items: usize,
}

impl Quantize {
    /// A kernel for the best instructions of this machine and a team of `threads`.
    ///
    /// # Errors
    /// [`Unsupported`] if there are no such codes.
    pub fn new(
        rows: usize,
        len: usize,
        bits: usize,
        group_size: usize,
        kind: Float,
        threads: usize,
    ) -> Result<Self, Unsupported> {
        Self::with_isa(rows, len, bits, group_size, kind, threads, Isa::get())
    }

    /// As [`Quantize::new`], for a level; where the machine lacks it, the best one below.
    ///
    /// # Errors
    /// [`Unsupported`] if there are no such codes.
    pub fn with_isa(
        rows: usize,
        len: usize,
        bits: usize,
        group_size: usize,
        kind: Float,
        threads: usize,
        isa: Isa,
    ) -> Result<Self, Unsupported> {
        check(bits, group_size, len)?;
        let items = row_items(rows, len, threads);
        Ok(Self { rows, len, bits, group: group_size, kind, isa: super::level(isa), items })
    }
}

impl Kernel for Quantize {
    fn items(&self, _: usize) -> usize {
        self.items
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], _: &mut Scratch) {
        let row_groups = self.len / self.group;
        let rows = span(self.rows, 1, item, self.items);
        // SAFETY: passed on to the caller; the level was checked when the kernel was made.
        unsafe {
            with_bits!(self.bits, BITS => dispatch(self.isa, Groups::<BITS> {
                kind: self.kind,
                group: self.group,
                first: rows.start * row_groups,
                count: rows.len() * row_groups,
                w: memory[0].as_ptr(),
                codes: memory[1].as_ptr(),
                scales: memory[2].as_ptr(),
                biases: memory[3].as_ptr(),
            }));
        }
    }
}

struct Groups<const BITS: usize> {
    kind: Float,
    group: usize,
    first: usize,
    count: usize,
    w: *const u8,
    codes: *mut u32,
    scales: *mut u8,
    biases: *mut u8,
}

impl<const BITS: usize> Task for Groups<BITS> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut w = [0.0; 128];
        let w = &mut w[..self.group];
        for g in self.first..self.first + self.count {
            // SAFETY: the caller has the groups in all operands.
            unsafe {
                widen::<S>(self.kind, self.w, g * self.group, self.group, w.as_mut_ptr());
                let (scale, bias) = scale_and_bias(w, BITS);
                for (i, w) in w.as_chunks().0.iter().enumerate() {
                    let words = self.codes.add((g * self.group / 32 + i) * BITS);
                    words.cast::<[u32; BITS]>().write(pack::<BITS>(w, scale, bias));
                }
                narrow::<S>(self.kind, &raw const scale, self.scales, g, 1);
                narrow::<S>(self.kind, &raw const bias, self.biases, g, 1);
            }
        }
    }
}

#[inline(always)]
fn scale_and_bias(w: &[f32], bits: usize) -> (f32, f32) {
    // Sixteen at a time: the order does not matter.
    let mut least = [f32::INFINITY; 16];
    let mut most = [f32::NEG_INFINITY; 16];
    for w in w.as_chunks::<16>().0 {
        for i in 0..16 {
            least[i] = if w[i] < least[i] { w[i] } else { least[i] };
            most[i] = if w[i] > most[i] { w[i] } else { most[i] };
        }
    }
    let least = least.iter().fold(f32::INFINITY, |a, b| if *b < a { *b } else { a });
    let most = most.iter().fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
    let n = ((1u32 << bits) - 1) as f32;
    let low = least.abs() > most.abs();
    let scale = ((most - least) / n).max(1e-7);
    let (scale, end) = if low { (scale, least) } else { (-scale, most) };
    let steps = (end / scale).round_ties_even();
    if steps == 0.0 { (scale, 0.0) } else { (end / steps, end) }
}

/// The codes of 32 weights.
#[inline(always)]
fn pack<const BITS: usize>(w: &[f32; 32], scale: f32, bias: f32) -> [u32; BITS] {
    let most = ((1u32 << BITS) - 1) as f32;
    let mut codes = [0u32; 32];
    for (code, w) in codes.iter_mut().zip(w) {
        let v = (w - bias) / scale;
        // Comparisons in this order turn a NaN into zero.
        let v = if v > 0.0 { v } else { 0.0 };
        let v = if v < most { v } else { most };
        // Adding 2^23 leaves the integer, rounded to even, in the lowest bits.
        *code = (v + 8_388_608.0).to_bits() & ((1 << BITS) - 1);
    }
    let mut words = [0u32; BITS];
    for (i, code) in codes.iter().enumerate() {
        let bit = i * BITS;
        words[bit / 32] |= code << (bit % 32);
        if bit % 32 + BITS > 32 {
            words[bit / 32 + 1] |= code >> (32 - bit % 32);
        }
    }
    words
}
