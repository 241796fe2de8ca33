//! The floating dtypes of dense kernels and their conversion to and from f32.

use bytemuck::Pod;
use half::{bf16, f16};

use super::vector::{Vector, Work, dispatch};
use crate::isa::Isa;

/// The dtype of a kernel's binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Float {
    /// IEEE half precision.
    F16,
    /// The upper half of an f32.
    Bf16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Float {
    /// Bytes of a value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The value `offset` elements from `p`.
    ///
    /// # Safety
    /// It is readable.
    pub(crate) unsafe fn read_f64(self, p: *const u8, offset: isize) -> f64 {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Self::F16 => p.cast::<f16>().offset(offset).read().to_f64(),
                Self::Bf16 => p.cast::<bf16>().offset(offset).read().to_f64(),
                Self::F32 => f64::from(p.cast::<f32>().offset(offset).read()),
                Self::F64 => p.cast::<f64>().offset(offset).read(),
            }
        }
    }
}

/// A dtype that vector kernels load as f32 and store rounded to nearest even.
pub(crate) trait Element: Pod {
    /// One value.
    fn to_f32(self) -> f32;
    /// One value, rounded.
    fn from_f32(x: f32) -> Self;
    /// # Safety
    /// `V::LANES` values are readable at `p`.
    unsafe fn load<V: Vector>(v: V, p: *const Self) -> V::F;
    /// # Safety
    /// `V::LANES` values are writable at `p`.
    unsafe fn store<V: Vector>(v: V, p: *mut Self, a: V::F);

    /// The first `len` values and `fill` in the lanes after.
    ///
    /// # Safety
    /// `len ≤ LANES` values are readable at `p`.
    #[inline(always)]
    unsafe fn load_part<V: Vector>(v: V, p: *const Self, len: usize, fill: f32) -> V::F {
        let mut lanes = [fill; 16];
        for (i, lane) in lanes.iter_mut().enumerate().take(len) {
            // SAFETY: i < len.
            *lane = unsafe { p.add(i).read() }.to_f32();
        }
        // SAFETY: LANES ≤ 16.
        unsafe { v.load(lanes.as_ptr()) }
    }

    /// Stores the first `len` lanes, by a plain store where these are all.
    ///
    /// # Safety
    /// `len ≤ LANES` values are writable at `p`.
    #[inline(always)]
    unsafe fn store_up_to<V: Vector>(v: V, p: *mut Self, a: V::F, len: usize) {
        // SAFETY: the caller's.
        unsafe { if len == V::LANES { Self::store(v, p, a) } else { Self::store_part(v, p, a, len) } }
    }

    /// Stores the first `len` lanes.
    ///
    /// # Safety
    /// `len ≤ LANES` values are writable at `p`.
    #[inline(always)]
    unsafe fn store_part<V: Vector>(v: V, p: *mut Self, a: V::F, len: usize) {
        let mut lanes = [0.0; 16];
        // SAFETY: LANES ≤ 16, i < len.
        unsafe {
            v.store(lanes.as_mut_ptr(), a);
            for (i, lane) in lanes.iter().enumerate().take(len) {
                p.add(i).write(Self::from_f32(*lane));
            }
        }
    }
}

impl Element for f32 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }
    #[inline(always)]
    fn from_f32(x: f32) -> Self {
        x
    }
    #[inline(always)]
    unsafe fn load<V: Vector>(v: V, p: *const Self) -> V::F {
        // SAFETY: the caller's.
        unsafe { v.load(p) }
    }
    #[inline(always)]
    unsafe fn store<V: Vector>(v: V, p: *mut Self, a: V::F) {
        // SAFETY: the caller's.
        unsafe { v.store(p, a) }
    }
    #[inline(always)]
    unsafe fn load_part<V: Vector>(v: V, p: *const Self, len: usize, fill: f32) -> V::F {
        // SAFETY: the caller's.
        unsafe { v.load_part(p, len, fill) }
    }
    #[inline(always)]
    unsafe fn store_part<V: Vector>(v: V, p: *mut Self, a: V::F, len: usize) {
        // SAFETY: the caller's.
        unsafe { v.store_part(p, a, len) }
    }
}

macro_rules! half_element {
    ($type:ty, $load:ident, $store:ident) => {
        impl Element for $type {
            #[inline(always)]
            fn to_f32(self) -> f32 {
                self.to_f32()
            }
            #[inline(always)]
            fn from_f32(x: f32) -> Self {
                <$type>::from_f32(x)
            }
            #[inline(always)]
            unsafe fn load<V: Vector>(v: V, p: *const Self) -> V::F {
                // SAFETY: the caller's.
                unsafe { v.$load(p) }
            }
            #[inline(always)]
            unsafe fn store<V: Vector>(v: V, p: *mut Self, a: V::F) {
                // SAFETY: the caller's.
                unsafe { v.$store(p, a) }
            }
        }
    };
}
half_element!(f16, load_f16, store_f16);
half_element!(bf16, load_bf16, store_bf16);

/// Runs `$body` with the type alias `$type` for the element type of a [`Float`] other than F64.
macro_rules! with_element {
    ($float:expr, $type:ident => $body:expr) => {
        match $float {
            $crate::kernels::float::Float::F16 => {
                type $type = half::f16;
                $body
            }
            $crate::kernels::float::Float::Bf16 => {
                type $type = half::bf16;
                $body
            }
            $crate::kernels::float::Float::F32 => {
                type $type = f32;
                $body
            }
            $crate::kernels::float::Float::F64 => unreachable!("f64 takes the path in double precision"),
        }
    };
}
pub(crate) use with_element;

/// Copies `len` values, `step` apart at `from`, to f32 at `to`.
///
/// # Safety
/// Both are valid for `len` values and do not overlap.
#[inline(always)]
pub(crate) unsafe fn widen<E: Element, V: Vector>(
    v: V,
    from: *const E,
    step: isize,
    to: *mut f32,
    len: usize,
) {
    // SAFETY: every index is below len.
    unsafe {
        if step != 1 {
            for i in 0..len {
                to.add(i).write(from.offset(i as isize * step).read().to_f32());
            }
            return;
        }
        let mut i = 0;
        while i + V::LANES <= len {
            v.store(to.add(i), E::load(v, from.add(i)));
            i += V::LANES;
        }
        if i < len {
            v.store_part(to.add(i), E::load_part(v, from.add(i), len - i, 0.0), len - i);
        }
    }
}

/// [`widen`] for a dtype known at run time; F64 is rounded.
///
/// # Safety
/// As there.
#[inline(always)]
pub(crate) unsafe fn widen_as<V: Vector>(
    v: V,
    float: Float,
    from: *const u8,
    step: isize,
    to: *mut f32,
    len: usize,
) {
    // SAFETY: the caller's.
    unsafe {
        match float {
            Float::F16 => widen::<f16, V>(v, from.cast(), step, to, len),
            Float::Bf16 => widen::<bf16, V>(v, from.cast(), step, to, len),
            Float::F32 => widen::<f32, V>(v, from.cast(), step, to, len),
            Float::F64 => {
                for i in 0..len {
                    to.add(i).write(from.cast::<f64>().offset(i as isize * step).read() as f32);
                }
            }
        }
    }
}

/// Rounds `len` f32 values at `from` to `E` at `to`, `step` apart.
///
/// # Safety
/// Both are valid for `len` values and do not overlap.
#[inline(always)]
pub(crate) unsafe fn narrow<E: Element, V: Vector>(
    v: V,
    from: *const f32,
    to: *mut E,
    step: isize,
    len: usize,
) {
    // SAFETY: every index is below len.
    unsafe {
        if step != 1 {
            for i in 0..len {
                to.offset(i as isize * step).write(E::from_f32(from.add(i).read()));
            }
            return;
        }
        let mut i = 0;
        while i + V::LANES <= len {
            E::store(v, to.add(i), v.load(from.add(i)));
            i += V::LANES;
        }
        if i < len {
            E::store_part(v, to.add(i), v.load_part(from.add(i), len - i, 0.0), len - i);
        }
    }
}

/// [`widen_as`] as work of its own, for callers that hold no vector.
pub(crate) struct Widen {
    /// The dtype at `from`.
    pub(crate) float: Float,
    /// The first value.
    pub(crate) from: *const u8,
    /// Values from one to the next.
    pub(crate) step: isize,
    /// Where the f32 go.
    pub(crate) to: *mut f32,
    /// How many.
    pub(crate) len: usize,
}

impl Work for Widen {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self, v: V) {
        // SAFETY: the caller's.
        unsafe { widen_as(v, self.float, self.from, self.step, self.to, self.len) }
    }
}

impl Widen {
    /// # Safety
    /// As for [`widen`]; the machine has `isa`.
    pub(crate) unsafe fn run_on(self, isa: Isa) {
        // SAFETY: the caller's.
        unsafe { dispatch(isa, self) }
    }
}
