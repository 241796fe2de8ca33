//! The element types of the machine as the algebras that the elementwise table is written in.
//!
//! Everything here is branch-free where the type has vector instructions, so that loops over it vectorise.

#![expect(clippy::cast_lossless, reason = "macros convert between all pairs of types")]
#![expect(
    clippy::suspicious_arithmetic_impl,
    reason = "+, - and * of truth values are or, exclusive or and and"
)]

use std::ops::{Add, Div, Mul, Neg, Sub};

use holdall_core::pointwise::algebra::{Algebra, Bits, Complex, Float, Logic, Ordered, Real};
use num_complex::Complex32;

use crate::kernels::math;

/// A truth value, in memory one byte of 0 or 1.
#[derive(Clone, Copy, Debug, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(transparent)]
pub struct B(pub u8);

/// float32.
#[derive(Clone, Copy, Debug, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(transparent)]
pub struct F32(pub f32);

/// float64.
#[derive(Clone, Copy, Debug, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(transparent)]
pub struct F64(pub f64);

/// complex64.
#[derive(Clone, Copy, Debug, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(transparent)]
pub struct C32(pub Complex32);

/// An integer.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct I<T>(pub T);

// SAFETY: transparent over a plain integer type.
unsafe impl<T: bytemuck::Zeroable> bytemuck::Zeroable for I<T> {}
// SAFETY: as above.
unsafe impl<T: bytemuck::Pod> bytemuck::Pod for I<T> {}

impl B {
    #[inline(always)]
    fn new(value: bool) -> Self {
        Self(u8::from(value))
    }
}

impl Logic for B {
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    #[inline(always)]
    fn not(self) -> Self {
        Self(self.0 ^ 1)
    }
}

macro_rules! operators {
    ($type:ty $({$($generic:tt)*})?; $($trait:ident $method:ident |$a:ident, $b:ident| $value:expr;)*) => { $(
        impl $trait for $type {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $value
            }
        }
    )* };
}

operators! { B; Add add |a, b| Self(a.0 | b.0); Sub sub |a, b| Self(a.0 ^ b.0); Mul mul |a, b| Self(a.0 & b.0); }
operators! { F32; Add add |a, b| Self(a.0 + b.0); Sub sub |a, b| Self(a.0 - b.0); Mul mul |a, b| Self(a.0 * b.0);
Div div |a, b| Self(a.0 / b.0); }
operators! { F64; Add add |a, b| Self(a.0 + b.0); Sub sub |a, b| Self(a.0 - b.0); Mul mul |a, b| Self(a.0 * b.0);
Div div |a, b| Self(a.0 / b.0); }
operators! { C32; Add add |a, b| Self(a.0 + b.0); Sub sub |a, b| Self(a.0 - b.0); Mul mul |a, b| Self(a.0 * b.0);
Div div |a, b| Self(a.0 / b.0); }

macro_rules! negations {
    ($($type:ty: |$x:ident| $value:expr;)*) => { $(
        impl Neg for $type {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                let $x = self;
                $value
            }
        }
    )* };
}
negations! { B: |x| x; F32: |x| Self(-x.0); F64: |x| Self(-x.0); C32: |x| Self(-x.0); }

impl Algebra for B {
    type Bool = Self;
    #[inline(always)]
    fn lit(&self, value: f64) -> Self {
        Self::new(value != 0.0)
    }
    #[inline(always)]
    fn equal(self, other: Self) -> Self {
        Self(self.0 ^ other.0 ^ 1)
    }
    #[inline(always)]
    fn select(condition: Self, yes: Self, no: Self) -> Self {
        Self(condition.0 & yes.0 | (condition.0 ^ 1) & no.0)
    }
    #[inline(always)]
    fn pow(self, other: Self) -> Self {
        Self(self.0 | other.0 ^ 1)
    }
}

impl Ordered for B {
    #[inline(always)]
    fn less(self, other: Self) -> Self {
        Self((self.0 ^ 1) & other.0)
    }
    #[inline(always)]
    fn floor_divide(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    #[inline(always)]
    fn remainder(self, other: Self) -> Self {
        Self(self.0 & (other.0 ^ 1))
    }
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self
    }
    #[inline(always)]
    fn sign(self) -> Self {
        self
    }
}

impl Bits for B {
    #[inline(always)]
    fn bit_and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    #[inline(always)]
    fn bit_or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    #[inline(always)]
    fn bit_xor(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
    #[inline(always)]
    fn bit_not(self) -> Self {
        Self(self.0 ^ 1)
    }
    #[inline(always)]
    fn shift_left(self, other: Self) -> Self {
        Self(self.0 & (other.0 ^ 1))
    }
    #[inline(always)]
    fn shift_right(self, other: Self) -> Self {
        Self(self.0 & (other.0 ^ 1))
    }
}

macro_rules! integers {
    ($($t:ident $signed:tt),*) => { $(
        operators! { I<$t>; Add add |a, b| Self(a.0.wrapping_add(b.0)); Sub sub |a, b| Self(a.0.wrapping_sub(b.0));
            Mul mul |a, b| Self(a.0.wrapping_mul(b.0)); }
        negations! { I<$t>: |x| Self(x.0.wrapping_neg()); }

        impl Algebra for I<$t> {
            type Bool = B;
            #[inline(always)]
            fn lit(&self, value: f64) -> Self {
                Self(value as $t)
            }
            #[inline(always)]
            fn equal(self, other: Self) -> B {
                B::new(self.0 == other.0)
            }
            #[inline(always)]
            fn select(condition: B, yes: Self, no: Self) -> Self {
                if condition.0 != 0 { yes } else { no }
            }
            #[inline(always)]
            fn pow(self, other: Self) -> Self {
                let (mut base, mut n, mut out) = (self.0, other.0, 1 as $t);
                if is_negative!($signed n) {
                    return Self(0);
                }
                while n != 0 {
                    if n & 1 != 0 {
                        out = out.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    n >>= 1;
                }
                Self(out)
            }
        }

        impl Ordered for I<$t> {
            #[inline(always)]
            fn less(self, other: Self) -> B {
                B::new(self.0 < other.0)
            }
            #[inline(always)]
            fn floor_divide(self, other: Self) -> Self {
                if other.0 == 0 {
                    return Self(0);
                }
                let q = self.0.wrapping_div(other.0);
                let r = self.0.wrapping_rem(other.0);
                Self(if r != 0 && is_negative!($signed (r ^ other.0)) { q.wrapping_sub(1) } else { q })
            }
            #[inline(always)]
            fn remainder(self, other: Self) -> Self {
                if other.0 == 0 {
                    return self;
                }
                let r = self.0.wrapping_rem(other.0);
                Self(if r != 0 && is_negative!($signed (r ^ other.0)) { r.wrapping_add(other.0) } else { r })
            }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                Self(self.0.max(other.0))
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                Self(self.0.min(other.0))
            }
            #[inline(always)]
            fn abs(self) -> Self {
                absolute!($signed self)
            }
            #[inline(always)]
            fn sign(self) -> Self {
                signum!($signed self $t)
            }
        }

        impl Bits for I<$t> {
            #[inline(always)]
            fn bit_and(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
            #[inline(always)]
            fn bit_or(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
            #[inline(always)]
            fn bit_xor(self, other: Self) -> Self {
                Self(self.0 ^ other.0)
            }
            #[inline(always)]
            fn bit_not(self) -> Self {
                Self(!self.0)
            }
            #[inline(always)]
            fn shift_left(self, other: Self) -> Self {
                let inside = (other.0 as u64) < <$t>::BITS as u64;
                Self(if inside { self.0 << (other.0 as u32 & (<$t>::BITS - 1)) } else { 0 })
            }
            #[inline(always)]
            fn shift_right(self, other: Self) -> Self {
                let inside = (other.0 as u64) < <$t>::BITS as u64;
                let n = if inside { other.0 as u32 } else { <$t>::BITS - 1 };
                let shifted = self.0 >> n;
                Self(if inside || is_negative!($signed self.0) { shifted } else { 0 })
            }
        }
    )* };
}
macro_rules! is_negative {
    (signed $x:expr) => {
        $x < 0
    };
    (unsigned $x:expr) => {{
        let _ = $x;
        false
    }};
}
macro_rules! absolute {
    (signed $x:ident) => {
        Self($x.0.wrapping_abs())
    };
    (unsigned $x:ident) => {
        $x
    };
}
macro_rules! signum {
    (signed $x:ident $t:ident) => {
        Self($x.0.signum())
    };
    (unsigned $x:ident $t:ident) => {
        Self(($x.0 != 0) as $t)
    };
}
integers!(i8 signed, i16 signed, i32 signed, i64 signed, u8 unsigned, u16 unsigned, u32 unsigned, u64 unsigned);

macro_rules! float_algebra {
    ($($type:ident $t:ident $pow:expr;)*) => { $(
        impl Algebra for $type {
            type Bool = B;
            #[inline(always)]
            fn lit(&self, value: f64) -> Self {
                Self(value as $t)
            }
            #[inline(always)]
            fn equal(self, other: Self) -> B {
                B::new(self.0 == other.0)
            }
            #[inline(always)]
            fn select(condition: B, yes: Self, no: Self) -> Self {
                if condition.0 != 0 { yes } else { no }
            }
            #[inline(always)]
            fn pow(self, other: Self) -> Self {
                Self($pow(self.0, other.0))
            }
        }

        impl Ordered for $type {
            #[inline(always)]
            fn less(self, other: Self) -> B {
                B::new(self.0 < other.0)
            }
            #[inline(always)]
            fn floor_divide(self, other: Self) -> Self {
                Self((self.0 / other.0).floor())
            }
            #[inline(always)]
            fn remainder(self, other: Self) -> Self {
                let r = self.0 % other.0;
                Self(if r != 0.0 && (r < 0.0) != (other.0 < 0.0) { r + other.0 } else { r })
            }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                let larger = if self.0 > other.0 { self.0 } else { other.0 };
                Self(if self.0.is_nan() { self.0 } else { larger })
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                let smaller = if self.0 < other.0 { self.0 } else { other.0 };
                Self(if self.0.is_nan() { self.0 } else { smaller })
            }
            #[inline(always)]
            fn abs(self) -> Self {
                Self(self.0.abs())
            }
            #[inline(always)]
            fn sign(self) -> Self {
                let sign = (self.0 > 0.0) as u8 as $t - (self.0 < 0.0) as u8 as $t;
                Self(if self.0.is_nan() { self.0 } else { sign })
            }
        }
    )* };
}
float_algebra! { F32 f32 math::pow; F64 f64 f64::powf; }

macro_rules! functions {
    ($trait:ident for $type:ident; $($method:ident $(($other:ident))? = $function:expr;)*) => {
        impl $trait for $type { $(
            #[inline(always)]
            fn $method(self $(, $other: Self)?) -> Self { Self($function(self.0 $(, $other.0)?)) }
        )* }
    };
}
functions! { Float for F32;
    exp = math::exp; log = math::log; log2 = math::log2; log10 = math::log10; log1p = math::log1p; sqrt = math::sqrt;
    rsqrt = math::rsqrt; sin = math::sin; cos = math::cos; tan = math::tan; arcsin = math::asin; arccos = math::acos;
    arctan = math::atan; sinh = math::sinh; cosh = math::cosh; tanh = math::tanh; arcsinh = math::asinh;
    arccosh = math::acosh; arctanh = math::atanh;
}
functions! { Real for F32;
    expm1 = math::expm1; erf = math::erf; erfinv = math::erfinv; sigmoid = math::sigmoid; floor = f32::floor;
    ceil = f32::ceil; round = f32::round_ties_even; trunc = f32::trunc; arctan2(other) = math::atan2;
    logaddexp(other) = |a: f32, b: f32| {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        let sum = high + math::log1p(math::exp(low - high));
        // Equal infinities have no difference.
        if low == high { high + std::f32::consts::LN_2 } else { sum }
    };
}
functions! { Float for F64;
    exp = f64::exp; log = f64::ln; log2 = f64::log2; log10 = f64::log10; log1p = f64::ln_1p; sqrt = f64::sqrt;
    rsqrt = |x: f64| 1.0 / x.sqrt(); sin = f64::sin; cos = f64::cos; tan = f64::tan; arcsin = f64::asin;
    arccos = f64::acos; arctan = f64::atan; sinh = f64::sinh; cosh = f64::cosh; tanh = f64::tanh; arcsinh = f64::asinh;
    arccosh = f64::acosh; arctanh = |x: f64| {
        // Odd, and the logarithm is accurate for positive arguments only.
        let a = x.abs();
        (0.5 * (2.0 * a / (1.0 - a)).ln_1p()).copysign(x)
    };
}
functions! { Real for F64;
    expm1 = f64::exp_m1; erf = libm::erf; erfinv = erfinv64; sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    floor = f64::floor; ceil = f64::ceil; round = f64::round_ties_even; trunc = f64::trunc; arctan2(other) = f64::atan2;
    logaddexp(other) = |a: f64, b: f64| {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        if low == high { high + std::f64::consts::LN_2 } else { high + (low - high).exp().ln_1p() }
    };
}

/// The float32 estimate, refined by Newton's method on `erf`.
fn erfinv64(x: f64) -> f64 {
    let mut y = f64::from(math::erfinv(x as f32));
    if !y.is_finite() && x.abs() < 1.0 {
        y = 5.5f64.copysign(x); // so close to 1 that float32 does not tell the difference
    }
    if y.is_finite() {
        for _ in 0..3 {
            // Where erf is flat, its distance from 1 says more than itself.
            let beyond = if x.abs() < 0.5 {
                libm::erf(y) - x
            } else {
                (1.0 - x.abs() - libm::erfc(y.abs())) * x.signum()
            };
            y -= beyond / (std::f64::consts::FRAC_2_SQRT_PI * (-y * y).exp());
        }
    }
    if x.abs() == 1.0 { f64::INFINITY.copysign(x) } else { y }
}

impl Algebra for C32 {
    type Bool = B;
    #[inline(always)]
    fn lit(&self, value: f64) -> Self {
        Self(Complex32::new(value as f32, 0.0))
    }
    #[inline(always)]
    fn equal(self, other: Self) -> B {
        B::new(self.0 == other.0)
    }
    #[inline(always)]
    fn select(condition: B, yes: Self, no: Self) -> Self {
        if condition.0 != 0 { yes } else { no }
    }
    #[inline(always)]
    fn pow(self, other: Self) -> Self {
        Self(self.0.powc(other.0))
    }
}

functions! { Float for C32;
    exp = |z: Complex32| z.exp(); log = |z: Complex32| z.ln(); log2 = |z: Complex32| z.ln() * std::f32::consts::LOG2_E;
    log10 = |z: Complex32| z.ln() * std::f32::consts::LOG10_E; log1p = |z: Complex32| (z + 1.0).ln();
    sqrt = |z: Complex32| z.sqrt(); rsqrt = |z: Complex32| z.sqrt().inv(); sin = |z: Complex32| z.sin();
    cos = |z: Complex32| z.cos(); tan = |z: Complex32| z.tan(); arcsin = |z: Complex32| z.asin();
    arccos = |z: Complex32| z.acos(); arctan = |z: Complex32| z.atan(); sinh = |z: Complex32| z.sinh();
    cosh = |z: Complex32| z.cosh(); tanh = |z: Complex32| z.tanh(); arcsinh = |z: Complex32| z.asinh();
    arccosh = |z: Complex32| z.acosh(); arctanh = |z: Complex32| z.atanh();
}

impl Complex for C32 {
    type Part = F32;
    #[inline(always)]
    fn real(self) -> F32 {
        F32(self.0.re)
    }
    #[inline(always)]
    fn imag(self) -> F32 {
        F32(self.0.im)
    }
    #[inline(always)]
    fn modulus(self) -> F32 {
        F32(self.0.norm())
    }
    #[inline(always)]
    fn conjugate(self) -> Self {
        Self(self.0.conj())
    }
}
