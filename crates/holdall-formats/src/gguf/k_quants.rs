//! The 256-element encodings ("K-quants"): groups with small integer scales under one binary16 scale (and minimum).

use super::dequantize::{IQ4_LEVELS, half_at};

/// 16 bytes of scale (low half) and minimum (high half) per 16 elements; 64 of 2-bit codes; scale; minimum.
pub(super) fn q2_k(block: &[u8; 84], out: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    let (scales, codes) = (&block[..16], &block[16..80]);
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = d * f32::from(scales[group] & 15);
        let min = dmin * f32::from(scales[group] >> 4);
        // 128 elements share 32 bytes: a group is one half of those bytes at one of four shifts.
        let (bytes, shift) = two_bit_place(group);
        for (out, byte) in out.iter_mut().zip(&codes[bytes..bytes + 16]) {
            *out = scale * f32::from(byte >> shift & 3) - min;
        }
    }
}

/// First byte and shift of the 2-bit codes of a group of 16.
#[inline]
fn two_bit_place(group: usize) -> (usize, usize) {
    (group / 8 * 32 + group % 2 * 16, group % 8 / 2 * 2)
}

/// 32 bytes of third bits (one bit of each byte per 32 elements); 64 of 2-bit codes; 12 of 6-bit scales; scale.
pub(super) fn q3_k(block: &[u8; 110], out: &mut [f32; 256]) {
    let d = half_at(block, 108);
    let (third, codes, scales) = (&block[..32], &block[32..96], &block[96..108]);
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let low = if group < 8 { scales[group] & 15 } else { scales[group - 8] >> 4 };
        let high = scales[8 + group % 4] >> (group / 4 * 2) & 3;
        let scale = d * (f32::from(low | high << 4) - 32.0);
        let (bytes, shift) = two_bit_place(group);
        let bit = group / 2;
        for (j, out) in out.iter_mut().enumerate() {
            let code = codes[bytes + j] >> shift & 3 | (third[group % 2 * 16 + j] >> bit & 1) << 2;
            *out = scale * (f32::from(code) - 4.0);
        }
    }
}

/// The 6-bit scale and minimum of group `j` (of 8) from 12 bytes: the first four groups lie plainly in the low bits,
/// the others in halves of the last four bytes with their upper bits atop the first eight.
#[inline]
fn scale_min(bytes: &[u8], j: usize) -> (f32, f32) {
    let (scale, min) = if j < 4 {
        (bytes[j] & 63, bytes[j + 4] & 63)
    } else {
        (bytes[j + 4] & 15 | bytes[j - 4] >> 6 << 4, bytes[j + 4] >> 4 | bytes[j] >> 6 << 4)
    };
    (f32::from(scale), f32::from(min))
}

/// Scale; minimum; 12 bytes of scales and minima per 32 elements; 128 of 4-bit codes.
pub(super) fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    let (scales, codes) = (&block[4..16], &block[16..]);
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, min) = scale_min(scales, group);
        let (scale, min) = (d * scale, dmin * min);
        let bytes = &codes[group / 2 * 32..][..32];
        for (out, byte) in out.iter_mut().zip(bytes) {
            *out = scale * f32::from(byte >> (group % 2 * 4) & 15) - min;
        }
    }
}

/// As `q4_k`, with 32 bytes of fifth bits (one bit of each byte per 32 elements) before the codes.
pub(super) fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    let (scales, fifth, codes) = (&block[4..16], &block[16..48], &block[48..]);
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, min) = scale_min(scales, group);
        let (scale, min) = (d * scale, dmin * min);
        let bytes = &codes[group / 2 * 32..][..32];
        for ((out, byte), high) in out.iter_mut().zip(bytes).zip(fifth) {
            let code = byte >> (group % 2 * 4) & 15 | (high >> group & 1) << 4;
            *out = scale * f32::from(code) - min;
        }
    }
}

/// 128 bytes of low 4 bits; 64 of high 2 bits; 16 signed scales, one per 16 elements; scale.
pub(super) fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let d = half_at(block, 208);
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = d * f32::from(scales[group].cast_signed());
        // 128 elements share 64 low and 32 high bytes: four runs of 32, the first two in the low halves of 64 bytes.
        let (part, run, half) = (group / 8, group % 8 / 2, group % 2 * 16);
        let low = &low[part * 64 + run % 2 * 32 + half..][..16];
        let high = &high[part * 32 + half..][..16];
        for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
            let code = low >> (run / 2 * 4) & 15 | (high >> (run * 2) & 3) << 4;
            *out = scale * (f32::from(code) - 32.0);
        }
    }
}

/// A binary32 scale; 256 signed bytes; 16 sums of 16 codes, which only dot products use.
pub(super) fn q8_k(block: &[u8; 292], out: &mut [f32; 256]) {
    let d = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
    for (out, &code) in out.iter_mut().zip(&block[4..260]) {
        *out = d * f32::from(code.cast_signed());
    }
}

/// Scale; the high 2 bits of 8 scales in 16 bits; their low 4 bits in 4 bytes; 128 bytes of table indices.
pub(super) fn iq4_xs(block: &[u8; 136], out: &mut [f32; 256]) {
    let d = half_at(block, 0);
    let high = u16::from_le_bytes([block[2], block[3]]);
    let (low, codes) = (&block[4..8], &block[8..]);
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let low = u16::from(low[group / 2] >> (group % 2 * 4) & 15);
        let scale = d * (f32::from(low | (high >> (group * 2) & 3) << 4) - 32.0);
        for j in 0..16 {
            let byte = codes[group * 16 + j];
            out[j] = scale * IQ4_LEVELS[usize::from(byte & 15)];
            out[j + 16] = scale * IQ4_LEVELS[usize::from(byte >> 4)];
        }
    }
}
