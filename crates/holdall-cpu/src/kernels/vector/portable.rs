//! Eight lanes in plain code: SSE2 on x86-64, NEON on aarch64.

use half::{bf16, f16};

use super::Vector;

/// Needs nothing.
#[derive(Clone, Copy)]
pub(super) struct Portable;

type Lanes = [f32; 8];

#[inline(always)]
fn zip(a: Lanes, b: Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
    std::array::from_fn(|i| f(a[i], b[i]))
}

/// Fused only where the target surely has the instruction: elsewhere it would be a call.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn fused(a: f32, b: f32, c: f32) -> f32 {
    a.mul_add(b, c)
}

#[cfg(not(target_arch = "aarch64"))]
#[inline(always)]
fn fused(a: f32, b: f32, c: f32) -> f32 {
    a * b + c
}

impl Vector for Portable {
    type F = Lanes;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> Lanes {
        [x; 8]
    }
    #[inline(always)]
    fn add(self, a: Lanes, b: Lanes) -> Lanes {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Lanes, b: Lanes) -> Lanes {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Lanes, b: Lanes) -> Lanes {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn mul_add(self, a: Lanes, b: Lanes, c: Lanes) -> Lanes {
        std::array::from_fn(|i| fused(a[i], b[i], c[i]))
    }
    #[inline(always)]
    fn max(self, a: Lanes, b: Lanes) -> Lanes {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: Lanes, b: Lanes) -> Lanes {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn select_le(self, a: Lanes, b: Lanes, x: Lanes, y: Lanes) -> Lanes {
        std::array::from_fn(|i| if a[i] <= b[i] { x[i] } else { y[i] })
    }
    #[inline(always)]
    fn scale(self, p: Lanes, shifted: Lanes) -> Lanes {
        zip(p, shifted, |p, shifted| {
            let n = (shifted.to_bits() as i32).wrapping_sub(0x4b40_0000);
            let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
            p * power(n >> 1) * power(n.wrapping_sub(n >> 1))
        })
    }
    #[inline(always)]
    fn sum(self, a: Lanes) -> f32 {
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
    #[inline(always)]
    fn transpose(self, rows: [Lanes; 16]) -> [Lanes; 16] {
        std::array::from_fn(|i| if i < 8 { std::array::from_fn(|j| rows[j][i]) } else { rows[i] })
    }
    #[inline(always)]
    fn largest(self, a: Lanes) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Lanes {
        // SAFETY: the caller's; arrays of f32 have its alignment.
        unsafe { p.cast::<Lanes>().read() }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, a: Lanes) {
        // SAFETY: as above.
        unsafe { p.cast::<Lanes>().write(a) }
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const f16) -> Lanes {
        // SAFETY: as above.
        unsafe { p.cast::<[f16; 8]>().read() }.map(f16::to_f32)
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut f16, a: Lanes) {
        // SAFETY: as above.
        unsafe { p.cast::<[f16; 8]>().write(a.map(f16::from_f32)) }
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const bf16) -> Lanes {
        // SAFETY: as above.
        unsafe { p.cast::<[bf16; 8]>().read() }.map(|x| f32::from_bits(u32::from(x.to_bits()) << 16))
    }
    #[inline(always)]
    unsafe fn store_bf16(self, p: *mut bf16, a: Lanes) {
        // SAFETY: as above.
        unsafe { p.cast::<[bf16; 8]>().write(a.map(bf16::from_f32)) }
    }
}
