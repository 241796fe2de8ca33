//! Plain arrays of eight, which the compiler turns into what the target guarantees (NEON on aarch64).

use half::{bf16, f16};

use super::{Simd, Task, per_lane};
use crate::isa::Isa;

#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// Runs a task compiled for this level.
///
/// # Safety
/// The task's own conditions hold.
#[inline(never)]
pub(super) unsafe fn call<T: Task>(task: T) {
    // SAFETY: passed on to the caller.
    unsafe { task.run::<Portable>() }
}

type F = [f32; 8];
type U = [u32; 8];

/// Fused only where the target has it: elsewhere it would be a call of a library function.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn map(f: impl Fn(usize) -> f32) -> F {
    let mut v = [0.0; 8];
    for (i, v) in v.iter_mut().enumerate() {
        *v = f(i);
    }
    v
}

impl Simd for Portable {
    const ISA: Isa = Isa::Portable;
    const LANES: usize = 8;
    const TILE_ROWS: usize = 4;
    const TILE_VECTORS: usize = if cfg!(target_arch = "aarch64") { 2 } else { 1 };
    const DECODE_ROWS: &'static [usize] = &[1, 4];
    type F = F;
    type U = U;

    #[inline(always)]
    unsafe fn splat(v: f32) -> F {
        [v; 8]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> F {
        // SAFETY: the caller has eight floats there.
        unsafe { p.cast::<F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_first(p: *const f32, n: usize) -> F {
        // SAFETY: the caller has `n` floats there.
        map(|i| if i < n { unsafe { *p.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: F) {
        // SAFETY: the caller has room for eight floats.
        unsafe { p.cast::<F>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn store_first(p: *mut f32, v: F, n: usize) {
        for (i, v) in v.iter().enumerate().take(n) {
            // SAFETY: the caller has room for `n` floats.
            unsafe { *p.add(i) = *v }
        }
    }
    #[inline(always)]
    unsafe fn fma(a: F, b: F, c: F) -> F {
        map(|i| multiply_add(a[i], b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn mul(a: F, b: F) -> F {
        map(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn add(a: F, b: F) -> F {
        map(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn div(a: F, b: F) -> F {
        map(|i| a[i] / b[i])
    }
    #[inline(always)]
    unsafe fn min(a: F, b: F) -> F {
        map(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn max(a: F, b: F) -> F {
        map(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn sum(v: F) -> f32 {
        let v: [f32; 4] = std::array::from_fn(|i| v[i] + v[i + 4]);
        (v[0] + v[2]) + (v[1] + v[3])
    }
    #[inline(always)]
    unsafe fn unzip(a: F, b: F) -> (F, F) {
        let at = |i: usize| if i < 8 { a[i] } else { b[i - 8] };
        (map(|i| at(2 * i)), map(|i| at(2 * i + 1)))
    }
    #[inline(always)]
    unsafe fn zip(a: F, b: F) -> (F, F) {
        let at = |i: usize| if i.is_multiple_of(2) { a[i / 2] } else { b[i / 2] };
        (map(at), map(|i| at(i + 8)))
    }
    #[inline(always)]
    unsafe fn pick(table: F, index: U) -> F {
        map(|i| table[index[i] as usize % 8])
    }
    #[inline(always)]
    unsafe fn as_floats(v: U) -> F {
        map(|i| f32::from_bits(v[i]))
    }
    #[inline(always)]
    unsafe fn as_bits(v: F) -> U {
        v.map(f32::to_bits)
    }
    #[inline(always)]
    unsafe fn words(p: *const u32, n: usize) -> U {
        if n == 8 {
            // SAFETY: the caller has eight words there.
            unsafe { p.cast::<U>().read_unaligned() }
        } else {
            // SAFETY: the caller has `n` words there.
            std::array::from_fn(|i| if i < n { unsafe { *p.add(i) } } else { 0 })
        }
    }
    #[inline(always)]
    unsafe fn spread<const BITS: usize>(v: U) -> U {
        if matches!(BITS, 2 | 4 | 8) {
            return v;
        }
        let width = per_lane(BITS) * BITS;
        std::array::from_fn(|lane| {
            let bit = lane * width;
            let low = u64::from(v[bit / 32]);
            let high = u64::from(v[(bit / 32 + 1) % 8]);
            ((low | (high << 32)) >> (bit % 32)) as u32
        })
    }
    #[inline(always)]
    unsafe fn code<const BITS: usize>(v: U, j: usize) -> F {
        // Codes are small: through i32 the conversion is one instruction everywhere.
        map(|i| ((v[i] >> (j * BITS)) & ((1 << BITS) - 1)) as i32 as f32)
    }
    #[inline(always)]
    unsafe fn widen_f16(p: *const u16) -> F {
        // SAFETY: the caller has eight halves there.
        map(|i| f16::from_bits(unsafe { *p.add(i) }).to_f32())
    }
    #[inline(always)]
    unsafe fn widen_bf16(p: *const u16) -> F {
        // SAFETY: the caller has eight halves there.
        map(|i| f32::from_bits(u32::from(unsafe { *p.add(i) }) << 16))
    }
    #[inline(always)]
    unsafe fn narrow_f16(p: *mut u16, v: F) {
        for (i, v) in v.iter().enumerate() {
            // SAFETY: the caller has room for eight halves.
            unsafe { *p.add(i) = f16::from_f32(*v).to_bits() }
        }
    }
    #[inline(always)]
    unsafe fn narrow_bf16(p: *mut u16, v: F) {
        for (i, v) in v.iter().enumerate() {
            // SAFETY: the caller has room for eight halves.
            unsafe { *p.add(i) = bf16::from_f32(*v).to_bits() }
        }
    }
    #[inline(always)]
    unsafe fn prefetch(_: *const u8) {}
}
