//! The types of lanes.

/// `half`, as its bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(transparent)]
pub struct Half(pub u16);

/// `bfloat`, as its bits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(transparent)]
pub struct Bf(pub u16);

impl Half {
    /// Exact. Branch-free, so that loops become vector code.
    #[inline(always)]
    pub fn wide(self) -> f32 {
        let magnitude = u32::from(self.0 & 0x7fff);
        // The exponent is 112 too small after the shift; infinities and NaN get the largest one.
        let scaled = f32::from_bits(magnitude << 13) * f32::from_bits(0x7780_0000);
        let special = if magnitude >= 0x7c00 { 0x7f80_0000 } else { 0 };
        f32::from_bits(scaled.to_bits() | special | u32::from(self.0 & 0x8000) << 16)
    }

    /// Rounded to nearest even.
    #[inline(always)]
    pub fn narrow(x: f32) -> Self {
        let sign = x.to_bits() & 0x8000_0000;
        let bits = x.to_bits() ^ sign;
        let normal = bits.wrapping_add(0xc800_0fff + (bits >> 13 & 1)) >> 13;
        // Adding a half puts the last bit of a subnormal result into the last bit of the sum, which rounds.
        let subnormal = (f32::from_bits(bits) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
        let special = if bits > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
        let finite = if bits < 0x3880_0000 { subnormal } else { normal };
        Self((if bits >= 0x4780_0000 { special } else { finite } | sign >> 16) as u16)
    }
}

impl Bf {
    /// Exact.
    #[inline(always)]
    pub fn wide(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    /// Rounded to nearest even.
    #[inline(always)]
    pub fn narrow(x: f32) -> Self {
        let bits = x.to_bits();
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
        // A NaN must not round to infinity.
        Self(if x.is_nan() { bits >> 16 | 0x40 } else { rounded } as u16)
    }
}

/// A value as it lies in a row and in memory.
pub trait Lane: Copy + Default + PartialEq + Send + Sync + 'static {}

macro_rules! lanes {
    ($($t:ty),*) => { $(impl Lane for $t {})* };
}
lanes!(u8, u16, u32, u64, i8, i16, i32, i64, f32, Half, Bf);

/// What reductions over SIMD groups need.
pub trait Number: Lane {
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// What `min` keeps nothing of.
    const MOST: Self;
    /// What `max` keeps nothing of.
    const LEAST: Self;
    /// The sum.
    fn add(self, other: Self) -> Self;
    /// The product.
    fn mul(self, other: Self) -> Self;
    /// The smaller one; the other one of a NaN.
    fn least(self, other: Self) -> Self;
    /// The larger one; the other one of a NaN.
    fn most(self, other: Self) -> Self;
}

macro_rules! integers {
    ($($t:ty),*) => { $(impl Number for $t {
        const ZERO: Self = 0;
        const ONE: Self = 1;
        const MOST: Self = <$t>::MAX;
        const LEAST: Self = <$t>::MIN;
        #[inline(always)]
        fn add(self, other: Self) -> Self { self.wrapping_add(other) }
        #[inline(always)]
        fn mul(self, other: Self) -> Self { self.wrapping_mul(other) }
        #[inline(always)]
        fn least(self, other: Self) -> Self { self.min(other) }
        #[inline(always)]
        fn most(self, other: Self) -> Self { self.max(other) }
    })* };
}
integers!(u8, u16, u32, u64, i8, i16, i32, i64);

impl Number for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const MOST: Self = Self::INFINITY;
    const LEAST: Self = Self::NEG_INFINITY;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self + other
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self * other
    }
    #[inline(always)]
    fn least(self, other: Self) -> Self {
        self.min(other)
    }
    #[inline(always)]
    fn most(self, other: Self) -> Self {
        self.max(other)
    }
}

macro_rules! short_floats {
    ($($t:ty: $one:literal, $infinity:literal);*) => { $(impl Number for $t {
        const ZERO: Self = Self(0);
        const ONE: Self = Self($one);
        const MOST: Self = Self($infinity);
        const LEAST: Self = Self($infinity | 0x8000);
        #[inline(always)]
        fn add(self, other: Self) -> Self { Self::narrow(self.wide() + other.wide()) }
        #[inline(always)]
        fn mul(self, other: Self) -> Self { Self::narrow(self.wide() * other.wide()) }
        #[inline(always)]
        fn least(self, other: Self) -> Self { Self::narrow(self.wide().min(other.wide())) }
        #[inline(always)]
        fn most(self, other: Self) -> Self { Self::narrow(self.wide().max(other.wide())) }
    })* };
}
short_floats!(Half: 0x3c00, 0x7c00; Bf: 0x3f80, 0x7f80);
