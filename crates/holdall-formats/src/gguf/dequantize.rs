//! Blocks of quantized values as binary32.
//!
//! Every function takes whole blocks of its encoding and fills one value per element. Products and sums are in the
//! order of the reference (scale times sub-scale first, then times code, then minus minimum), so that results agree
//! bit for bit. The 256-element encodings are in [`super::k_quants`].

use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};

use super::ggml_type::GgmlType;
use super::k_quants;

/// The most elements that one block has.
pub(super) const MAX_BLOCK_ELEMS: usize = 256;

/// Decodes `blocks`, whole blocks of `encoding`, into as many values as they have (at most [`MAX_BLOCK_ELEMS`]).
pub(super) fn dequantize_block(encoding: GgmlType, blocks: &[u8], out: &mut [f32]) {
    match encoding {
        GgmlType::F32 => plain(blocks, out, f32::from_le_bytes),
        GgmlType::F64 => plain(blocks, out, |b| f64::from_le_bytes(b) as f32),
        GgmlType::F16 => halves(blocks, out, |bits, out| {
            bits.reinterpret_cast::<f16>().convert_to_f32_slice(out);
        }),
        GgmlType::BF16 => halves(blocks, out, |bits, out| {
            bits.reinterpret_cast::<bf16>().convert_to_f32_slice(out);
        }),
        GgmlType::I8 => plain(blocks, out, |b| f32::from(i8::from_le_bytes(b))),
        GgmlType::I16 => plain(blocks, out, |b| f32::from(i16::from_le_bytes(b))),
        GgmlType::I32 => plain(blocks, out, |b| i32::from_le_bytes(b) as f32),
        GgmlType::I64 => plain(blocks, out, |b| i64::from_le_bytes(b) as f32),
        GgmlType::Q4_0 => each(blocks, out, q4_0),
        GgmlType::Q4_1 => each(blocks, out, q4_1),
        GgmlType::Q5_0 => each(blocks, out, q5_0),
        GgmlType::Q5_1 => each(blocks, out, q5_1),
        GgmlType::Q8_0 => each(blocks, out, q8_0),
        GgmlType::Iq4Nl => each(blocks, out, iq4_nl),
        GgmlType::Q2K => each(blocks, out, k_quants::q2_k),
        GgmlType::Q3K => each(blocks, out, k_quants::q3_k),
        GgmlType::Q4K => each(blocks, out, k_quants::q4_k),
        GgmlType::Q5K => each(blocks, out, k_quants::q5_k),
        GgmlType::Q6K => each(blocks, out, k_quants::q6_k),
        GgmlType::Q8K => each(blocks, out, k_quants::q8_k),
        GgmlType::Iq4Xs => each(blocks, out, k_quants::iq4_xs),
    }
}

fn plain<const BYTES: usize>(blocks: &[u8], out: &mut [f32], value: impl Fn([u8; BYTES]) -> f32) {
    for (bytes, out) in blocks.as_chunks::<BYTES>().0.iter().zip(out) {
        *out = value(*bytes);
    }
}

fn halves(blocks: &[u8], out: &mut [f32], convert: impl Fn(&[u16], &mut [f32])) {
    let mut bits = [0; MAX_BLOCK_ELEMS];
    let bits = &mut bits[..out.len()];
    for (bits, bytes) in bits.iter_mut().zip(blocks.as_chunks().0) {
        *bits = u16::from_le_bytes(*bytes);
    }
    convert(bits, out);
}

fn each<const BYTES: usize, const ELEMS: usize>(
    blocks: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; BYTES], &mut [f32; ELEMS]),
) {
    for (block, out) in blocks.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
        decode(block, out);
    }
}

/// The binary16 at `at`.
#[inline]
pub(super) fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for j in 0..16 {
        let byte = block[2 + j];
        out[j] = (f32::from(byte & 15) - 8.0) * d;
        out[j + 16] = (f32::from(byte >> 4) - 8.0) * d;
    }
}

fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for j in 0..16 {
        let byte = block[4 + j];
        out[j] = f32::from(byte & 15) * d + m;
        out[j + 16] = f32::from(byte >> 4) * d + m;
    }
}

/// The 5-bit codes of a block: fifth bits as a 32-bit word at `high`, then 16 bytes of halves.
#[inline]
fn five_bits(block: &[u8], high: usize, j: usize) -> (f32, f32) {
    let bits = u32::from_le_bytes([block[high], block[high + 1], block[high + 2], block[high + 3]]);
    let byte = u32::from(block[high + 4 + j]);
    let first = (byte & 15) | (bits >> j & 1) << 4;
    let second = (byte >> 4) | (bits >> (j + 16) & 1) << 4;
    (first as f32, second as f32)
}

fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for j in 0..16 {
        let (first, second) = five_bits(block, 2, j);
        out[j] = (first - 16.0) * d;
        out[j + 16] = (second - 16.0) * d;
    }
}

fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for j in 0..16 {
        let (first, second) = five_bits(block, 4, j);
        out[j] = first * d + m;
        out[j + 16] = second * d + m;
    }
}

fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (out, &code) in out.iter_mut().zip(&block[2..]) {
        *out = f32::from(code.cast_signed()) * d;
    }
}

/// The 16 levels of the non-linear 4-bit encodings.
pub(super) const IQ4_LEVELS: [f32; 16] = [
    -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0,
];

fn iq4_nl(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for j in 0..16 {
        let byte = block[2 + j];
        out[j] = d * IQ4_LEVELS[usize::from(byte & 15)];
        out[j + 16] = d * IQ4_LEVELS[usize::from(byte >> 4)];
    }
}
