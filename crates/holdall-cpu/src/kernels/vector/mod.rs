//! Vectors of f32 for each [`Isa`], and how a kernel is compiled once for each of them.
//!
//! A kernel's inner loop is a [`Work`]: generic code over a [`Vector`], which [`dispatch`] inlines into a function
//! compiled for that level. A `Vector` value is the proof that the machine has the instructions: only `dispatch`
//! makes one, after [`Isa`] found them. So arithmetic is safe; loads and stores are not, for they take addresses.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
#[cfg(test)]
mod tests;

use half::{bf16, f16};

use crate::isa::Isa;

/// A level of vector instructions and its operations on vectors of [`LANES`](Self::LANES) f32.
pub(crate) trait Vector: Copy {
    /// The vector.
    type F: Copy;
    /// Values in a vector.
    const LANES: usize;

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::F;
    /// `a + b`.
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a − b`.
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b`.
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b + c`, rounded once where the level has such an instruction.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// The larger; `b` where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The smaller; `b` where either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// `x` where `a ≤ b`, else `y`.
    fn select_le(self, a: Self::F, b: Self::F, x: Self::F, y: Self::F) -> Self::F;
    /// `p · 2ⁿ`, rounded once, where `shifted` is 1.5 · 2²³ + n for n in −252..=254.
    fn scale(self, p: Self::F, shifted: Self::F) -> Self::F;
    /// The sum of all lanes.
    fn sum(self, a: Self::F) -> f32;
    /// The sums of four vectors.
    #[inline(always)]
    fn sum4(self, a: [Self::F; 4]) -> [f32; 4] {
        [self.sum(a[0]), self.sum(a[1]), self.sum(a[2]), self.sum(a[3])]
    }
    /// Swaps rows and lanes of the first `LANES` vectors.
    fn transpose(self, rows: [Self::F; 16]) -> [Self::F; 16];
    /// Asks for the cache line at `p`, which need not be readable.
    #[inline(always)]
    fn prefetch<T>(self, p: *const T) {
        let _ = p;
    }
    /// The largest lane; NaN lanes may be passed over.
    fn largest(self, a: Self::F) -> f32;

    /// # Safety
    /// `LANES` values are readable at `p`.
    unsafe fn load(self, p: *const f32) -> Self::F;
    /// # Safety
    /// `LANES` values are writable at `p`.
    unsafe fn store(self, p: *mut f32, a: Self::F);
    /// # Safety
    /// `LANES` values are readable at `p`.
    unsafe fn load_f16(self, p: *const f16) -> Self::F;
    /// # Safety
    /// `LANES` values are writable at `p`.
    unsafe fn store_f16(self, p: *mut f16, a: Self::F);
    /// # Safety
    /// `LANES` values are readable at `p`.
    unsafe fn load_bf16(self, p: *const bf16) -> Self::F;
    /// # Safety
    /// `LANES` values are writable at `p`.
    unsafe fn store_bf16(self, p: *mut bf16, a: Self::F);

    /// eˣ in every lane, within 1 unit in the last place with fused operations and 1.5 without.
    ///
    /// # Source
    /// The reduction and polynomial of [`math::exp`](super::math::exp).
    #[inline(always)]
    fn exp(self, x: Self::F) -> Self::F {
        let s = |x| self.splat(x);
        let x = self.min(s(89.0), self.max(s(-104.0), x));
        let shifted = self.mul_add(x, s(std::f32::consts::LOG2_E), s(12_582_912.0));
        let n = self.sub(shifted, s(12_582_912.0));
        let r = self.mul_add(n, s(-0.693_115_23), x);
        let r = self.mul_add(n, s(-3.194_618_3e-5), r);
        let q = self.mul_add(r, s(0.001_392_626_8), s(0.008_363_247));
        let q = self.mul_add(r, q, s(0.041_666_552));
        let q = self.mul_add(r, q, s(0.166_665_76));
        let q = self.mul_add(r, q, s(0.5));
        let m = self.mul_add(self.mul(r, r), q, r);
        self.scale(self.add(m, s(1.0)), shifted)
    }

    /// The first `len` values at `p` and `fill` in the lanes after.
    ///
    /// # Safety
    /// `len ≤ LANES` values are readable at `p`.
    #[inline(always)]
    unsafe fn load_part(self, p: *const f32, len: usize, fill: f32) -> Self::F {
        let mut lanes = [fill; 16];
        // SAFETY: the caller's `len` values; `lanes` holds LANES ≤ 16.
        unsafe {
            std::ptr::copy_nonoverlapping(p, lanes.as_mut_ptr(), len);
            self.load(lanes.as_ptr())
        }
    }

    /// The first `len` values at `p` and zeros, by a plain load where it is a whole vector.
    ///
    /// # Safety
    /// `len ≤ LANES` values are readable at `p`.
    #[inline(always)]
    unsafe fn load_up_to(self, p: *const f32, len: usize) -> Self::F {
        // SAFETY: the caller's.
        unsafe { if len == Self::LANES { self.load(p) } else { self.load_part(p, len, 0.0) } }
    }

    /// Stores the first `len` lanes.
    ///
    /// # Safety
    /// `len ≤ LANES` values are writable at `p`.
    #[inline(always)]
    unsafe fn store_part(self, p: *mut f32, a: Self::F, len: usize) {
        let mut lanes = [0.0; 16];
        // SAFETY: as above.
        unsafe {
            self.store(lanes.as_mut_ptr(), a);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), p, len);
        }
    }
}

/// A piece of work to be compiled for every level.
pub(crate) trait Work {
    /// What it returns.
    type Output;

    /// Does it. Implementations are `#[inline(always)]`, and so is all they call with a `Vector`.
    ///
    /// # Safety
    /// Whatever the work asks of its addresses.
    unsafe fn run<V: Vector>(self, v: V) -> Self::Output;
}

/// Runs `work` compiled for `isa`.
///
/// # Safety
/// The machine has `isa`, and what `work` asks holds.
pub(crate) unsafe fn dispatch<W: Work>(isa: Isa, work: W) -> W::Output {
    // SAFETY: the caller keeps both.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::run(work),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::run(work),
            _ => work.run(portable::Portable),
        }
    }
}
