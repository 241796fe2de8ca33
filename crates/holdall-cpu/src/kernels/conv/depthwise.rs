//! One channel in, one channel out: vectors along the channels.

use super::Conv1d;
use crate::kernels::float::Element;
use crate::kernels::vector::{Vector, Work};

/// Some rows of y of one entry of the batch.
pub(super) struct Depthwise<'a, E> {
    pub(super) conv: &'a Conv1d,
    pub(super) entry: usize,
    pub(super) rows: std::ops::Range<usize>,
    pub(super) x: *const E,
    pub(super) w: *const E,
    pub(super) y: *mut E,
    /// Scratch for w as [kernel, channels].
    pub(super) taps: *mut f32,
}

impl<E: Element> Work for Depthwise<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        let Conv1d { kernel, out_channels: channels, w_strides, .. } = *self.conv;
        // SAFETY: operands and scratch are those of the convolution.
        unsafe {
            for channel in 0..channels {
                for tap in 0..kernel {
                    let offset = channel as isize * w_strides[0] + tap as isize * w_strides[1];
                    self.taps.add(tap * channels + channel).write(self.w.offset(offset).read().to_f32());
                }
            }
            for row in self.rows.clone() {
                // Taps on rows of x; successive, for rows grow with taps.
                let on = |tap: &usize| !self.conv.covered(&(row..row + 1), *tap).is_empty();
                let first = (0..kernel).find(on).unwrap_or(kernel);
                let last = (first..kernel).rev().find(on).map_or(first, |tap| tap + 1);
                let y = self.y.add((self.entry * self.conv.out_length() + row) * channels);
                let mut c = 0;
                while c < channels {
                    let part = (channels - c).min(V::LANES);
                    let mut sum = v.splat(0.0);
                    for tap in first..last {
                        let x = self.x.offset(self.conv.x_offset(self.entry, row, tap)).add(c);
                        let x = if part == V::LANES { E::load(v, x) } else { E::load_part(v, x, part, 0.0) };
                        let w = v.load_up_to(self.taps.add(tap * channels + c), part);
                        sum = v.mul_add(x, w, sum);
                    }
                    E::store_up_to(v, y.add(c), sum, part);
                    c += part;
                }
            }
        }
    }
}
