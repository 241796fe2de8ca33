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
        let w = w.as_mut_ptr();
        for g in self.first..self.first + self.count {
            // SAFETY: the caller has the groups in all operands; a group has at most 128 weights.
            unsafe {
                widen::<S>(self.kind, self.w, g * self.group, self.group, w);
                let mut least = S::load(w);
                let mut most = least;
                for i in (0..self.group).step_by(S::LANES) {
                    least = S::min(S::load(w.add(i)), least);
                    most = S::max(S::load(w.add(i)), most);
                }
                // Even and odd lanes against each other, until all lanes are the same.
                for _ in 0..S::LANES.ilog2() {
                    let (even, odd) = S::unzip(least, least);
                    least = S::min(even, odd);
                    let (even, odd) = S::unzip(most, most);
                    most = S::max(even, odd);
                }
                let (mut low, mut high) = ([0.0; 1], [0.0; 1]);
                S::store_first(low.as_mut_ptr(), least, 1);
                S::store_first(high.as_mut_ptr(), most, 1);
                let (scale, bias) = scale_and_bias(low[0], high[0], BITS);
                for i in 0..self.group / 32 {
                    let words = self.codes.add((g * self.group / 32 + i) * BITS);
                    let codes = codes::<S, BITS>(w.add(32 * i), scale, bias);
                    words.cast::<[u32; BITS]>().write_unaligned(pack::<BITS>(&codes));
                }
                narrow::<S>(self.kind, &raw const scale, self.scales, g, 1);
                narrow::<S>(self.kind, &raw const bias, self.biases, g, 1);
            }
        }
    }
}

#[inline(always)]
fn scale_and_bias(least: f32, most: f32, bits: usize) -> (f32, f32) {
    let n = ((1u32 << bits) - 1) as f32;
    let low = least.abs() > most.abs();
    let scale = ((most - least) / n).max(1e-7);
    let (scale, end) = if low { (scale, least) } else { (-scale, most) };
    let steps = (end / scale).round_ties_even();
    if steps == 0.0 { (scale, 0.0) } else { (end / steps, end) }
}

/// The codes of 32 weights; zero for what is not a number.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
unsafe fn codes<S: Simd, const BITS: usize>(w: *const f32, scale: f32, bias: f32) -> [u32; 32] {
    let mut codes = [0u32; 32];
    // SAFETY: passed on to the caller; the array has 32 elements.
    unsafe {
        let most = S::splat(((1u32 << BITS) - 1) as f32);
        for i in (0..32).step_by(S::LANES) {
            let v = S::div(S::add(S::load(w.add(i)), S::splat(-bias)), S::splat(scale));
            let v = S::min(S::max(v, S::splat(0.0)), most);
            // Adding 2^23 leaves the integer, rounded to even, in the lowest bits.
            S::store(codes.as_mut_ptr().add(i).cast(), S::add(v, S::splat(8_388_608.0)));
        }
    }
    codes
}

#[inline(always)]
fn pack<const BITS: usize>(codes: &[u32; 32]) -> [u32; BITS] {
    // Word by word, so that each is put together in a register.
    std::array::from_fn(|word| {
        let start = 32 * word;
        let mut bits = 0;
        for (i, code) in codes.iter().enumerate().take((start + 32).div_ceil(BITS)).skip(start / BITS) {
            let code = code & ((1 << BITS) - 1);
            bits |= if i * BITS >= start { code << (i * BITS - start) } else { code >> (start - i * BITS) };
        }
        bits
    })
}
