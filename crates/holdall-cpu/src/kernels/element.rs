//! Half types and truth values as they lie in memory, with conversions that vectorise.

/// float16.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(transparent)]
pub struct Half(pub u16);

/// bfloat16.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(transparent)]
pub struct Brain(pub u16);

/// A truth value: a byte of 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(transparent)]
pub struct Truth(pub u8);

impl Half {
    /// The value, exactly.
    #[inline(always)]
    pub fn widen(self) -> f32 {
        let magnitude = u32::from(self.0 & 0x7fff) << 13;
        // Exponents are biased by 15 here and by 127 there; multiplying also makes subnormal numbers normal.
        let finite = f32::from_bits(magnitude) * f32::from_bits(0x7780_0000);
        let bits = if magnitude >= 0x0f80_0000 { magnitude | 0x7f80_0000 } else { finite.to_bits() };
        f32::from_bits(bits | u32::from(self.0 & 0x8000) << 16)
    }

    /// The nearest value, ties to even.
    #[inline(always)]
    pub fn narrow(x: f64) -> Self {
        Self(half::f16::from_f64(x).to_bits())
    }
}

impl Brain {
    /// The value, exactly.
    #[inline(always)]
    pub fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }

    /// The nearest value, ties to even.
    #[inline(always)]
    pub fn narrow(x: f64) -> Self {
        Self(half::bf16::from_f64(x).to_bits())
    }
}
