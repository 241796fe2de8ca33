//! `dequantize`: codes, scales and biases to weights, bit for bit as MLX computes them on a CPU.

use super::convert::{narrow, widen};
use super::panel::decode_row;
use super::simd::{MAX_LANES, Simd, Task, dispatch};
use super::{Float, Unsupported, check, row_items, with_bits};
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice, span};

/// Dequantizes the rows of a matrix.
///
/// Bindings: codes as words `[rows, len · bits / 32]`, scales and biases `[rows, len / group_size]`, weights
/// `[rows, len]`. A weight is `code · scale + bias`, with product and sum each rounded to the scales' type.
#[derive(Clone, Debug)]
pub struct Dequantize {
    rows: usize,
    len: usize,
    bits: usize,
    group: usize,
    scales: Float,
    out: Float,
    isa: Isa,
    items: usize,
}

impl Dequantize {
    /// A kernel for the best instructions of this machine and a team of `threads`.
    ///
    /// # Errors
    /// [`Unsupported`] if there are no such codes.
    pub fn new(
        rows: usize,
        len: usize,
        bits: usize,
        group_size: usize,
        scales: Float,
        out: Float,
        threads: usize,
    ) -> Result<Self, Unsupported> {
        Self::with_isa(rows, len, bits, group_size, scales, out, threads, Isa::get())
    }

    /// As [`Dequantize::new`], for a level; where the machine lacks it, the best one below.
    ///
    /// # Errors
    /// [`Unsupported`] if there are no such codes.
    pub fn with_isa(
        rows: usize,
        len: usize,
        bits: usize,
        group_size: usize,
        scales: Float,
        out: Float,
        threads: usize,
        isa: Isa,
    ) -> Result<Self, Unsupported> {
        check(bits, group_size, len)?;
        let items = row_items(rows, len, threads);
        Ok(Self { rows, len, bits, group: group_size, scales, out, isa: super::level(isa), items })
    }
}

impl Kernel for Dequantize {
    fn items(&self, _: usize) -> usize {
        self.items
    }

    unsafe fn run(&self, _: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        for row in span(self.rows, 1, item, self.items) {
            // SAFETY: passed on to the caller; the level was checked when the kernel was made.
            unsafe {
                with_bits!(self.bits, BITS => dispatch(self.isa, Row::<BITS> {
                    kernel: self,
                    row,
                    memory,
                    scratch: &mut *scratch,
                }));
            }
        }
    }
}

struct Row<'a, const BITS: usize> {
    kernel: &'a Dequantize,
    row: usize,
    memory: &'a [Slice],
    scratch: &'a mut Scratch,
}

/// Weights that are computed before they are rounded and written: a multiple of all blocks and groups.
const PART: usize = 1024;

impl<const BITS: usize> Task for Row<'_, BITS> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Dequantize { len, group, scales: kind, out, .. } = *self.kernel;
        let groups = len / group;
        let room = self.scratch.get::<f32>(PART + 2 * (PART / 32 + MAX_LANES)).as_mut_ptr();
        // SAFETY: the parts lie one after another in the room; the operands hold the row.
        unsafe {
            let (scales, biases) = (room.add(PART), room.add(PART + PART / 32 + MAX_LANES));
            std::ptr::write_bytes(scales, 0, 2 * (PART / 32 + MAX_LANES));
            for start in (0..len).step_by(PART) {
                let part = PART.min(len - start);
                let (first, count) = (self.row * groups + start / group, part / group);
                widen::<S>(kind, self.memory[1].as_ptr(), first, count, scales);
                widen::<S>(kind, self.memory[2].as_ptr(), first, count, biases);
                let w = self.memory[0].as_ptr::<u32>().add((self.row * len + start) * BITS / 32);
                decode_row::<S, BITS>(w, scales, biases, group, part, room, |q, scale, bias| {
                    S::round(kind, S::add(S::round(kind, S::mul(q, scale)), bias))
                });
                narrow::<S>(out, room, self.memory[3].as_ptr(), self.row * len + start, part);
            }
        }
    }
}
