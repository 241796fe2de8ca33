//! Blocks of 32 with a scale as affine groups of 32, bit for bit, without going through floats.
//!
//! The affine form keeps, per group, a binary16 scale and bias, and per row one bit stream of codes, least significant
//! bit first, as 32-bit words; a value is `code · scale + bias`. A GGUF block keeps code `j` and code `j + 16` in the
//! two halves of byte `j`, so 4-bit codes change places; 8-bit codes only change from signed to offset by 128.
//!
//! Nothing is lost: `Q4_0` has bias −8·d and `Q8_0` −128·d, products by a power of two, which binary16 holds exactly
//! (subnormals too) unless they overflow. No quantizer makes such a scale (the weights would exceed 65,504), so
//! overflow, infinity and NaN in a scale that needs multiplying are an error.

use super::ggml_type::GgmlType;

/// The destination of a repacked run of groups: `bits` words, one scale and one bias a group.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    pub(super) weights: &'a mut [u32],
    pub(super) scales: &'a mut [u16],
    pub(super) biases: &'a mut [u16],
}

/// Repacks whole blocks. `false`: a scale or its bias is not finite.
pub(super) fn repack(encoding: GgmlType, blocks: &[u8], out: Groups<'_>) -> bool {
    match encoding {
        GgmlType::Q4_0 => repack_q4_0(blocks, out),
        GgmlType::Q4_1 => repack_q4_1(blocks, out),
        GgmlType::Q8_0 => repack_q8_0(blocks, out),
        _ => false,
    }
}

fn repack_q4_0(blocks: &[u8], out: Groups<'_>) -> bool {
    let mut largest = 0;
    for (((block, w), s), b) in blocks
        .as_chunks::<18>()
        .0
        .iter()
        .zip(out.weights.as_chunks_mut::<4>().0)
        .zip(out.scales)
        .zip(out.biases)
    {
        let [d0, d1, codes @ ..] = block;
        *s = u16::from_le_bytes([*d0, *d1]);
        let magnitude = times_power_of_two(*s, 8.0);
        largest = magnitude.max(largest);
        *b = negated(*s, magnitude);
        *w = nibble_words(codes);
    }
    largest < F16_INFINITY
}

fn repack_q4_1(blocks: &[u8], out: Groups<'_>) -> bool {
    for (((block, w), s), b) in blocks
        .as_chunks::<20>()
        .0
        .iter()
        .zip(out.weights.as_chunks_mut::<4>().0)
        .zip(out.scales)
        .zip(out.biases)
    {
        let [d0, d1, m0, m1, codes @ ..] = block;
        *s = u16::from_le_bytes([*d0, *d1]);
        *b = u16::from_le_bytes([*m0, *m1]);
        *w = nibble_words(codes);
    }
    true
}

fn repack_q8_0(blocks: &[u8], out: Groups<'_>) -> bool {
    let mut largest = 0;
    for (((block, w), s), b) in blocks
        .as_chunks::<34>()
        .0
        .iter()
        .zip(out.weights.as_chunks_mut::<8>().0)
        .zip(out.scales)
        .zip(out.biases)
    {
        let [d0, d1, codes @ ..] = block;
        *s = u16::from_le_bytes([*d0, *d1]);
        let magnitude = times_power_of_two(*s, 128.0);
        largest = magnitude.max(largest);
        *b = negated(*s, magnitude);
        for (word, four) in w.iter_mut().zip(codes.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*four) ^ 0x8080_8080;
        }
    }
    largest < F16_INFINITY
}

const F16_INFINITY: u32 = 0x7c00;

/// The magnitude of binary16 `h` times a power of two, as binary16 bits; `F16_INFINITY` or more on overflow.
///
/// The bits of a binary16 moved up by 13 are a binary32 that is 2^-112 times as large, subnormals to subnormals; so one
/// exact binary32 product does it for every `h` without a branch.
#[inline]
fn times_power_of_two(h: u16, factor: f32) -> u32 {
    (f32::from_bits(u32::from(h & 0x7fff) << 13) * factor).to_bits() >> 13
}

#[inline]
fn negated(h: u16, magnitude: u32) -> u16 {
    (magnitude as u16 & 0x7fff) | (!h & 0x8000)
}

/// The 32 codes of a block in order: low halves of 16 bytes, then high halves.
#[inline]
fn nibble_words(codes: &[u8; 16]) -> [u32; 4] {
    const LOW: u128 = 0x0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f;
    let bytes = u128::from_le_bytes(*codes);
    let (low, high) = (gather_nibbles(bytes & LOW), gather_nibbles((bytes >> 4) & LOW));
    [low as u32, (low >> 32) as u32, high as u32, (high >> 32) as u32]
}

/// Closes the gaps between 16 half bytes.
#[inline]
fn gather_nibbles(bytes: u128) -> u64 {
    let half = |x: u64| {
        let x = (x | (x >> 4)) & 0x00ff_00ff_00ff_00ff;
        let x = (x | (x >> 8)) & 0x0000_ffff_0000_ffff;
        (x | (x >> 16)) & 0xffff_ffff
    };
    half(bytes as u64) | (half((bytes >> 64) as u64) << 32)
}
