//! Any groups: a matrix product for each tap, or one for all taps where the rows under them follow each other.

use std::ops::Range;

use gemm::Parallelism;

use super::Conv1d;
use crate::kernel::Scratch;
use crate::kernels::float::{Element, Widen};

/// Operands in one dtype: the first elements of x of this entry, w and y of this entry, with their strides.
struct Operands<'a, T> {
    conv: &'a Conv1d,
    entry: usize,
    x: *const T,
    w: *const T,
    w_strides: [isize; 3],
    /// Row `first` of y, and the stride of rows.
    y: *mut T,
    first: usize,
}

/// Computes `rows` of one entry in their own dtype.
///
/// # Safety
/// The operands are those of the convolution.
pub(super) unsafe fn direct<T: Copy + From<i8> + 'static>(
    conv: &Conv1d,
    entry: usize,
    rows: Range<usize>,
    x: *const T,
    w: *const T,
    y: *mut T,
) {
    // SAFETY: the rows exist.
    unsafe {
        let y = y.add((entry * conv.out_length() + rows.start) * conv.out_channels);
        let operands = Operands { conv, entry, x, w, w_strides: conv.w_strides, y, first: rows.start };
        operands.run(rows);
    }
}

/// Computes `rows` of one entry in f32: converts the rows of x under them and w, rounds y once.
///
/// # Safety
/// The operands are those of the convolution; the machine has its `isa`.
pub(super) unsafe fn widened<E: Element>(
    conv: &Conv1d,
    entry: usize,
    rows: Range<usize>,
    x: *const E,
    w: *const E,
    y: *mut E,
    scratch: &mut Scratch,
) {
    let Conv1d { isa, float, in_channels, out_channels, kernel, .. } = *conv;
    let inner = conv.group().0;
    // The rows of x that these rows of y see.
    let low = (rows.start * conv.stride).saturating_sub(conv.padding).min(conv.length);
    let high = (rows.end - 1) * conv.stride + (kernel.max(1) - 1) * conv.dilation + 1;
    let high = high.saturating_sub(conv.padding).clamp(low, conv.length);
    let sizes = [(high - low) * in_channels, out_channels * kernel * inner, rows.len() * out_channels];
    let buffer = scratch.get::<f32>(sizes.iter().sum()).as_mut_ptr();
    // SAFETY: scratch was sized for the parts; rows and taps exist.
    unsafe {
        let (x_wide, w_wide, y_wide) = (buffer, buffer.add(sizes[0]), buffer.add(sizes[0] + sizes[1]));
        for row in low..high {
            let from = x.offset(entry as isize * conv.x_strides[0] + row as isize * conv.x_strides[1]).cast();
            let to = x_wide.add((row - low) * in_channels);
            Widen { float, from, step: conv.x_strides[2], to, len: in_channels }.run_on(isa);
        }
        for (i, (channel, tap)) in
            (0..out_channels).flat_map(|channel| (0..kernel).map(move |tap| (channel, tap))).enumerate()
        {
            let from =
                w.offset(channel as isize * conv.w_strides[0] + tap as isize * conv.w_strides[1]).cast();
            Widen { float, from, step: conv.w_strides[2], to: w_wide.add(i * inner), len: inner }.run_on(isa);
        }
        // The same convolution over the converted rows: rows of x count from `low`.
        let wide = Conv1d { x_strides: [0, in_channels as isize, 1], ..conv.clone() };
        let operands = Operands {
            conv: &wide,
            entry: 0,
            x: x_wide.cast_const().wrapping_sub(low * in_channels),
            w: w_wide.cast_const(),
            w_strides: [(kernel * inner) as isize, inner as isize, 1],
            y: y_wide,
            first: rows.start,
        };
        operands.run(rows.clone());
        let y = y.add((entry * conv.out_length() + rows.start) * out_channels);
        for i in 0..rows.len() * out_channels {
            y.add(i).write(E::from_f32(y_wide.add(i).read()));
        }
    }
}

impl<T: Copy + From<i8> + 'static> Operands<'_, T> {
    /// # Safety
    /// The operands have what `rows` need.
    unsafe fn run(&self, rows: Range<usize>) {
        let conv = self.conv;
        // SAFETY: y has these rows.
        unsafe { std::slice::from_raw_parts_mut(self.y, rows.len() * conv.out_channels).fill(T::from(0)) };
        let (inner, _) = conv.group();
        // Taps follow each other in x and in w as channels do: then they are one long row of channels.
        let joined = conv.groups == 1
            && conv.kernel > 1
            && conv.dilation as isize * conv.x_strides[1] == inner as isize * conv.x_strides[2]
            && self.w_strides[1] == inner as isize * self.w_strides[2];
        let middle = if joined {
            let (first, last) = (conv.covered(&rows, 0), conv.covered(&rows, conv.kernel - 1));
            first.start.max(last.start)..first.end.min(last.end)
        } else {
            rows.start..rows.start
        };
        // SAFETY: the rows are covered by all taps, or by the tap in question.
        unsafe {
            let middle = if middle.start < middle.end { middle } else { rows.start..rows.start };
            if !middle.is_empty() {
                self.product(middle.clone(), 0, 0, conv.kernel * inner);
            }
            for group in 0..conv.groups {
                for tap in 0..conv.kernel {
                    for part in [rows.start..middle.start, middle.end..rows.end] {
                        let part = conv.covered(&part, tap);
                        if !part.is_empty() {
                            self.product(part, group, tap, inner);
                        }
                    }
                }
            }
        }
    }

    /// Adds x · wᵀ for `depth` channels from tap `tap` on.
    ///
    /// # Safety
    /// The rows lie on x.
    unsafe fn product(&self, rows: Range<usize>, group: usize, tap: usize, depth: usize) {
        let conv = self.conv;
        let (inner, outer) = conv.group();
        // SAFETY: the caller's.
        unsafe {
            let x = self.x.wrapping_offset(
                conv.x_offset(self.entry, rows.start, tap) + (group * inner) as isize * conv.x_strides[2],
            );
            let w = self
                .w
                .offset((group * outer) as isize * self.w_strides[0] + tap as isize * self.w_strides[1]);
            let y = self.y.add((rows.start - self.first) * conv.out_channels + group * outer);
            gemm::gemm(
                rows.len(),
                outer,
                depth,
                y,
                1,
                conv.out_channels as isize,
                true,
                x,
                conv.x_strides[2],
                conv.stride as isize * conv.x_strides[1],
                w,
                self.w_strides[0],
                self.w_strides[2],
                T::from(1),
                T::from(1),
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}
