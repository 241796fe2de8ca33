//! Vectors of 32-bit lanes at one instruction level, and what unpacking needs of them.
//!
//! Codes of `b` bits lie in a row as one little-endian bit stream. [`Simd::spread`] brings it into a form that all
//! widths share: each 32-bit lane holds [`per_lane`] consecutive codes, the first at bit 0. Code `j` of every lane then
//! takes one shift and one look-up or mask, and belongs to weight `per_lane * lane + j`.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use super::Float;
use crate::isa::Isa;

/// Codes that one 32-bit lane holds after [`Simd::spread`].
pub(super) const fn per_lane(bits: usize) -> usize {
    match bits {
        2 => 16,
        3 | 4 => 8,
        _ => 4,
    }
}

/// The most lanes of any level.
pub(super) const MAX_LANES: usize = 16;

/// A vector of 32-bit lanes.
///
/// # Safety
/// Every method needs the machine to have the level's instructions, and pointers valid for the elements it names
/// (no alignment is needed). Only [`dispatch`] names levels.
pub(super) trait Simd: Copy + 'static {
    /// The level.
    const ISA: Isa;
    /// Lanes of a vector, a power of two.
    const LANES: usize;
    /// Rows of the register tile of the matrix product.
    const TILE_ROWS: usize;
    /// Vectors of a row of that tile.
    const TILE_VECTORS: usize;
    /// Numbers of rows of x for which products by rows of w are compiled, ascending.
    const DECODE_ROWS: &'static [usize];
    /// Floats.
    type F: Copy;
    /// Bits.
    type U: Copy;

    /// `v` in all lanes.
    unsafe fn splat(v: f32) -> Self::F;
    /// A full vector.
    unsafe fn load(p: *const f32) -> Self::F;
    /// The first `n` lanes from memory, zero in the others.
    unsafe fn load_first(p: *const f32, n: usize) -> Self::F;
    /// All lanes to memory.
    unsafe fn store(p: *mut f32, v: Self::F);
    /// The first `n` lanes to memory.
    unsafe fn store_first(p: *mut f32, v: Self::F, n: usize);
    /// `a * b + c`.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `a * b`.
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    /// `a + b`.
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`.
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    /// The lesser; `b` where one is not a number.
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F;
    /// The greater; `b` where one is not a number.
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    /// The sum of all lanes.
    unsafe fn sum(v: Self::F) -> f32;
    /// The sums of all lanes of four vectors.
    #[inline(always)]
    unsafe fn sum4(v: [Self::F; 4]) -> [f32; 4] {
        // SAFETY: passed on to the caller.
        v.map(|v| unsafe { Self::sum(v) })
    }
    /// The even and the odd elements of `a` followed by `b`.
    unsafe fn unzip(a: Self::F, b: Self::F) -> (Self::F, Self::F);
    /// `a[0], b[0], a[1], b[1], ...`.
    unsafe fn zip(a: Self::F, b: Self::F) -> (Self::F, Self::F);
    /// `table[index]` for each lane; only the bits of an index that count lanes are looked at.
    unsafe fn pick(table: Self::F, index: Self::U) -> Self::F;
    /// The same bits as floats.
    unsafe fn as_floats(v: Self::U) -> Self::F;
    /// The same bits as integers.
    unsafe fn as_bits(v: Self::F) -> Self::U;
    /// The first `n` words from memory, zero in the others.
    unsafe fn words(p: *const u32, n: usize) -> Self::U;
    /// A block of packed codes, `LANES * per_lane(BITS)` of them, as lanes of `per_lane(BITS)` codes. What lies above a
    /// lane's codes is arbitrary.
    unsafe fn spread<const BITS: usize>(v: Self::U) -> Self::U;
    /// Code `j` of each lane as a float.
    unsafe fn code<const BITS: usize>(v: Self::U, j: usize) -> Self::F;
    /// A full vector of half-precision floats.
    unsafe fn widen_f16(p: *const u16) -> Self::F;
    /// A full vector of bfloat16.
    unsafe fn widen_bf16(p: *const u16) -> Self::F;
    /// Rounds to half precision, to nearest even.
    unsafe fn narrow_f16(p: *mut u16, v: Self::F);
    /// Rounds to bfloat16, to nearest even.
    unsafe fn narrow_bf16(p: *mut u16, v: Self::F);
    /// The value of type `kind` that is nearest, ties to even.
    #[inline(always)]
    unsafe fn round(kind: Float, v: Self::F) -> Self::F {
        let mut halves = [0; MAX_LANES];
        // SAFETY: passed on to the caller; the array has a vector's length.
        unsafe {
            match kind {
                Float::F32 => v,
                Float::F16 => {
                    Self::narrow_f16(halves.as_mut_ptr(), v);
                    Self::widen_f16(halves.as_ptr())
                }
                Float::Bf16 => {
                    Self::narrow_bf16(halves.as_mut_ptr(), v);
                    Self::widen_bf16(halves.as_ptr())
                }
            }
        }
    }
    /// Asks for the cache line at `p`, which need not be valid.
    unsafe fn prefetch(p: *const u8);
}

/// Work that is compiled once for every level. Implementations are `#[inline(always)]`, so that they take on the
/// instructions of the function that [`dispatch`] calls.
pub(super) trait Task {
    /// Does it.
    ///
    /// # Safety
    /// The machine has the level's instructions; further conditions are the task's own.
    unsafe fn run<S: Simd>(self);
}

/// Runs a task at a level.
///
/// # Safety
/// The machine has the level; the task's own conditions hold.
#[inline]
pub(super) unsafe fn dispatch<T: Task>(isa: Isa, task: T) {
    // SAFETY: passed on to the caller.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::call(task),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::call(task),
            _ => portable::call(task),
        }
    }
}

/// What planning needs to know of a level.
pub(super) struct Level {
    /// Columns of the register tile of the matrix product.
    pub tile_columns: usize,
    /// [`Simd::DECODE_ROWS`].
    pub decode_rows: &'static [usize],
}

impl Level {
    /// That of a level.
    pub(super) fn of(isa: Isa) -> Self {
        fn of<S: Simd>() -> Level {
            Level { tile_columns: S::LANES * S::TILE_VECTORS, decode_rows: S::DECODE_ROWS }
        }
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => of::<avx512::Avx512>(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => of::<avx2::Avx2>(),
            _ => of::<portable::Portable>(),
        }
    }
}

/// Splits `n` vectors (a power of two), taken as one array, by index modulo `n`: vector `j` of the result has the
/// elements `j`, `n + j`, `2 n + j`, ... With `n` = lanes this is the transpose.
///
/// Each round puts even elements into the first half and odd ones into the second; the bit that the first round decides
/// ends up lowest in the vector's number, as it is in the element's.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
pub(super) unsafe fn deinterleave<S: Simd>(v: &mut [S::F; MAX_LANES], n: usize) {
    let mut width = 1;
    while width < n {
        let from = *v;
        for i in 0..n / 2 {
            // SAFETY: passed on to the caller.
            (v[i], v[i + n / 2]) = unsafe { S::unzip(from[2 * i], from[2 * i + 1]) };
        }
        width *= 2;
    }
}

/// The inverse of [`deinterleave`].
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
pub(super) unsafe fn interleave<S: Simd>(v: &mut [S::F; MAX_LANES], n: usize) {
    let mut width = 1;
    while width < n {
        let from = *v;
        for i in 0..n / 2 {
            // SAFETY: passed on to the caller.
            (v[2 * i], v[2 * i + 1]) = unsafe { S::zip(from[i], from[i + n / 2]) };
        }
        width *= 2;
    }
}
