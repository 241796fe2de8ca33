//! Convolution along one axis.

mod depthwise;
mod grouped;
#[cfg(test)]
mod tests;

use super::float::{Float, with_element};
use super::rows::shares;
use super::vector::dispatch;
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice, span};

/// y[n, l, o] = Σₖ Σ꜀ x[n, l · stride + k · dilation − padding, g c₀ + c] · w[o, k, c], the cross-correlation, where x is 0
/// outside its length, g is the group of o and c₀ the channels of a group; in f32 (f64 for f64), rounded once.
///
/// x is [batch, length, in_channels], w is [out_channels, kernel, in_channels / groups], with any strides; y is dense
/// [batch, [`out_length`](Self::out_length), out_channels]. Bindings: x, w, y.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv1d {
    /// The instructions to use.
    pub isa: Isa,
    /// The dtype of x, w and y.
    pub float: Float,
    /// Entries of the batch.
    pub batch: usize,
    /// Rows of x.
    pub length: usize,
    /// Channels of x; a multiple of `groups`.
    pub in_channels: usize,
    /// Channels of y; a multiple of `groups`.
    pub out_channels: usize,
    /// Taps of w.
    pub kernel: usize,
    /// Groups of channels that do not mix.
    pub groups: usize,
    /// Rows of x from one row of y to the next.
    pub stride: usize,
    /// Rows of zeros before and after x.
    pub padding: usize,
    /// Rows of x from one tap to the next.
    pub dilation: usize,
    /// Strides of x in elements.
    pub x_strides: [isize; 3],
    /// Strides of w in elements.
    pub w_strides: [isize; 3],
}

impl Conv1d {
    /// Rows of y: (length + 2 padding − dilation (kernel − 1) − 1) / stride + 1, or 0 where the taps do not fit.
    pub fn out_length(&self) -> usize {
        let taps = self.dilation * self.kernel.saturating_sub(1) + 1;
        match (self.length + 2 * self.padding).checked_sub(taps) {
            Some(room) => room / self.stride + 1,
            None => 0,
        }
    }

    /// Channels of x in a group, channels of y in a group.
    fn group(&self) -> (usize, usize) {
        (self.in_channels / self.groups, self.out_channels / self.groups)
    }

    /// Whether each channel of y comes from one of x, which lies densely.
    fn is_depthwise(&self) -> bool {
        self.group() == (1, 1) && self.float != Float::F64 && self.x_strides[2] == 1
    }

    /// The rows of y among `rows` whose tap `tap` falls on a row of x.
    fn covered(&self, rows: &std::ops::Range<usize>, tap: usize) -> std::ops::Range<usize> {
        let shift = tap * self.dilation;
        let first = self.padding.saturating_sub(shift).div_ceil(self.stride);
        let last = (self.length + self.padding).saturating_sub(shift).div_ceil(self.stride);
        let start = first.clamp(rows.start, rows.end);
        start..last.clamp(start, rows.end)
    }

    /// Elements from the first of x to the row under tap `tap` of row `row` of y, which must be covered.
    fn x_offset(&self, entry: usize, row: usize, tap: usize) -> isize {
        let at = (row * self.stride + tap * self.dilation) as isize - self.padding as isize;
        entry as isize * self.x_strides[0] + at * self.x_strides[1]
    }

    /// Blocks of rows of y for each entry of the batch.
    fn blocks(&self) -> usize {
        let rows = self.out_length();
        let work = rows * self.out_channels * self.kernel * self.group().0;
        let grain = if self.is_depthwise() { 1 } else { 64 };
        shares(rows.div_ceil(grain), self.batch.min(64) * work).div_ceil(self.batch.clamp(1, 64))
    }
}

impl Kernel for Conv1d {
    fn items(&self, _phase: usize) -> usize {
        if self.out_length() * self.out_channels == 0 { 0 } else { self.batch * self.blocks() }
    }

    unsafe fn run(&self, _phase: usize, item: usize, memory: &[Slice], scratch: &mut Scratch) {
        let (entry, block) = (item / self.blocks(), item % self.blocks());
        let rows = span(self.out_length(), 1, block, self.blocks());
        let (x, w, y) = (memory[0], memory[1], memory[2]);
        // SAFETY: `isa` is available, the bindings are those that this kernel was made for.
        unsafe {
            if self.is_depthwise() {
                let taps = scratch.get::<f32>(self.kernel * self.out_channels).as_mut_ptr();
                with_element!(self.float, E => {
                    let (x, w, y) = (x.as_ptr::<E>(), w.as_ptr::<E>(), y.as_ptr::<E>());
                    dispatch(self.isa, depthwise::Depthwise { conv: self, entry, rows, x, w, y, taps });
                });
                return;
            }
            match self.float {
                Float::F32 => grouped::direct::<f32>(self, entry, rows, x.as_ptr(), w.as_ptr(), y.as_ptr()),
                Float::F64 => grouped::direct::<f64>(self, entry, rows, x.as_ptr(), w.as_ptr(), y.as_ptr()),
                half => with_element!(half, E => {
                    let (x, w, y) = (x.as_ptr::<E>(), w.as_ptr::<E>(), y.as_ptr::<E>());
                    grouped::widened(self, entry, rows, x, w, y, scratch);
                }),
            }
        }
    }
}
