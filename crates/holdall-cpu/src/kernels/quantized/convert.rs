//! Rows of any float type to and from f32.

use super::Float;
use super::simd::{MAX_LANES, Simd, Task};

/// Elements `start .. start + len` of `from` as f32.
///
/// # Safety
/// As [`Simd`]; `from` holds the elements, `to` has room for `len`, and they do not overlap.
#[inline(always)]
pub(super) unsafe fn widen<S: Simd>(kind: Float, from: *const u8, start: usize, len: usize, to: *mut f32) {
    // SAFETY: passed on to the caller; a short rest goes through an array of full length.
    unsafe {
        match kind {
            Float::F32 => std::ptr::copy_nonoverlapping(from.cast::<f32>().add(start), to, len),
            Float::F16 => halves::<S>(from.cast::<u16>().add(start), len, to, |p| S::widen_f16(p)),
            Float::Bf16 => halves::<S>(from.cast::<u16>().add(start), len, to, |p| S::widen_bf16(p)),
        }
    }
}

/// # Safety
/// As [`widen`].
#[inline(always)]
unsafe fn halves<S: Simd>(from: *const u16, len: usize, to: *mut f32, load: impl Fn(*const u16) -> S::F) {
    let full = len - len % S::LANES;
    // SAFETY: passed on to the caller.
    unsafe {
        for i in (0..full).step_by(S::LANES) {
            S::store(to.add(i), load(from.add(i)));
        }
        if full < len {
            let mut rest = [0; MAX_LANES];
            std::ptr::copy_nonoverlapping(from.add(full), rest.as_mut_ptr(), len - full);
            S::store_first(to.add(full), load(rest.as_ptr()), len - full);
        }
    }
}

/// Rounds `len` values to elements `start .. start + len` of `to`.
///
/// # Safety
/// As [`widen`], with the roles exchanged.
#[inline(always)]
pub(super) unsafe fn narrow<S: Simd>(kind: Float, from: *const f32, to: *mut u8, start: usize, len: usize) {
    let full = len - len % S::LANES;
    // SAFETY: passed on to the caller; a short rest goes through an array of full length.
    unsafe {
        if kind == Float::F32 {
            std::ptr::copy_nonoverlapping(from, to.cast::<f32>().add(start), len);
            return;
        }
        let to = to.cast::<u16>().add(start);
        let store = |p: *mut u16, v: S::F| match kind {
            Float::F16 => S::narrow_f16(p, v),
            _ => S::narrow_bf16(p, v),
        };
        for i in (0..full).step_by(S::LANES) {
            store(to.add(i), S::load(from.add(i)));
        }
        if full < len {
            let mut rest = [0; MAX_LANES];
            store(rest.as_mut_ptr(), S::load_first(from.add(full), len - full));
            std::ptr::copy_nonoverlapping(rest.as_ptr(), to.add(full), len - full);
        }
    }
}

/// Widens scales and biases.
pub(super) struct WidenScales {
    pub kind: Float,
    pub from: [*const u8; 2],
    pub start: usize,
    pub len: usize,
    pub to: [*mut f32; 2],
}

impl Task for WidenScales {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (from, to) in self.from.into_iter().zip(self.to) {
            // SAFETY: passed on to the caller.
            unsafe {
                let bytes = self.len * self.kind.bytes();
                let next = from.add(self.start * self.kind.bytes()).wrapping_add(bytes);
                for at in (0..bytes).step_by(64) {
                    S::prefetch(next.wrapping_add(at));
                }
                widen::<S>(self.kind, from, self.start, self.len, to);
            }
        }
    }
}

/// Widens one row.
pub(super) struct WidenRow {
    pub kind: Float,
    pub from: *const u8,
    pub start: usize,
    pub len: usize,
    pub to: *mut f32,
}

impl Task for WidenRow {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { kind, from, start, len, to } = self;
        // SAFETY: passed on to the caller.
        unsafe { widen::<S>(kind, from, start, len, to) };
    }
}
