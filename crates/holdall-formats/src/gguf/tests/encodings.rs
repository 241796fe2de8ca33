//! Values of every encoding, as floats and in affine form.

use half::{bf16, f16};

use super::{one_tensor, random_blocks};
use crate::ErrorKind;
use crate::gguf::GgmlType;

/// Blocks and the values that the `gguf` package gives them; see `tests/golden/make_blocks.py`.
const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/blocks.bin");

fn golden() -> Vec<(GgmlType, Vec<u8>, Vec<f32>)> {
    let mut rest = GOLDEN;
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at(n);
        rest = tail;
        head.to_vec()
    };
    let mut all = Vec::new();
    let word = |b: Vec<u8>| u32::from_le_bytes(b.try_into().unwrap());
    for _ in 0..15 {
        let encoding = GgmlType::from_code(word(take(4))).unwrap();
        let n = word(take(4)) as usize;
        let data = take(n);
        let n = word(take(4)) as usize;
        let values = take(4 * n).chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        all.push((encoding, data, values));
    }
    assert!(rest.is_empty());
    all
}

#[test]
fn values_equal_those_of_the_gguf_package() {
    for (encoding, data, values) in golden() {
        let t = one_tensor(&[2, values.len() / 2], encoding, &data);
        let mut out = vec![0.0; values.len()];
        t.dequantize_f32(0..2, &mut out).unwrap();
        let differing: Vec<_> = out
            .iter()
            .zip(&values)
            .enumerate()
            .filter(|(_, (a, b))| a.to_bits() != b.to_bits())
            .take(4)
            .collect();
        assert!(differing.is_empty(), "{encoding}: (index, (got, wanted)) {differing:?}");

        // One row alone, in each width.
        let row = &values[values.len() / 2..];
        let mut out = vec![0.0; row.len()];
        t.dequantize_f32(1..2, &mut out).unwrap();
        assert_eq!(out, row, "{encoding}");
        let mut out = vec![0; row.len()];
        t.dequantize_f16(1..2, &mut out).unwrap();
        assert!(out.iter().zip(row).all(|(&a, &b)| a == f16::from_f32(b).to_bits()), "{encoding} in f16");
        t.dequantize_bf16(1..2, &mut out).unwrap();
        assert!(out.iter().zip(row).all(|(&a, &b)| a == bf16::from_f32(b).to_bits()), "{encoding} in bf16");
    }
}

#[test]
fn encodings_without_a_golden_block() {
    let mut q8_k = 0.5_f32.to_le_bytes().to_vec();
    q8_k.extend((0..256).map(|i| i as u8));
    q8_k.extend([0; 32]);
    let mut out = [0.0; 256];
    one_tensor(&[256], GgmlType::Q8K, &q8_k).dequantize_f32(0..1, &mut out).unwrap();
    assert_eq!((out[3], out[127], out[128], out[255]), (1.5, 63.5, -64.0, -0.5));

    let int = |encoding, data: &[u8]| {
        let mut out = [0.0; 2];
        one_tensor(&[2], encoding, data).dequantize_f32(0..1, &mut out).unwrap();
        out
    };
    assert_eq!(int(GgmlType::I8, &[1, 255]), [1.0, -1.0]);
    assert_eq!(int(GgmlType::I16, &[0, 1, 255, 255]), [256.0, -1.0]);
    assert_eq!(int(GgmlType::I32, &[0, 0, 1, 0, 255, 255, 255, 255]), [65536.0, -1.0]);
    assert_eq!(int(GgmlType::I64, &[&[2, 0, 0, 0, 0, 0, 0, 0][..], &[255; 8]].concat()), [2.0, -1.0]);
    assert_eq!(int(GgmlType::F64, &[0.1_f64.to_le_bytes(), (-2.0_f64).to_le_bytes()].concat()), [0.1, -2.0]);
}

/// Code `i` of a row whose codes form one bit stream, least significant bit first.
fn code(words: &[u32], bits: usize, i: usize) -> u32 {
    words[i * bits / 32] >> (i * bits % 32) & ((1 << bits) - 1)
}

#[test]
fn the_affine_form_has_the_same_values() {
    // Rows long enough that the file is read in several chunks, that start and end within rows.
    const ROWS: usize = 7;
    const COLS: usize = 32 * 3001;
    for encoding in [GgmlType::Q4_0, GgmlType::Q4_1, GgmlType::Q8_0] {
        let data = random_blocks(7, encoding, ROWS * COLS / 32);
        let t = one_tensor(&[ROWS, COLS], encoding, &data);
        let layout = t.affine().unwrap();
        assert_eq!(layout.weight_shape, [ROWS, COLS * layout.bits / 32]);
        assert_eq!(layout.scale_shape, [ROWS, COLS / 32]);
        for rows in [0..ROWS, 2..5, 6..7, 3..3] {
            let n = rows.len() * COLS;
            let (mut w, mut s, mut b) = (vec![0; n * layout.bits / 32], vec![0; n / 32], vec![0; n / 32]);
            t.read_affine(rows.clone(), &mut w, &mut s, &mut b).unwrap();
            let mut values = vec![0.0; n];
            t.dequantize_f32(rows.clone(), &mut values).unwrap();
            for (i, &value) in values.iter().enumerate() {
                let (scale, bias) = (f16::from_bits(s[i / 32]).to_f64(), f16::from_bits(b[i / 32]).to_f64());
                let affine = f64::from(code(&w, layout.bits, i)) * scale + bias;
                assert_eq!(affine as f32, value, "{encoding}, rows {rows:?}, element {i}");
            }
        }
    }
}

#[test]
fn biases_are_exact_for_every_scale_or_refused() {
    for (encoding, offset) in [(GgmlType::Q4_0, 8.0), (GgmlType::Q8_0, 128.0)] {
        let mut refused = 0;
        for bits in 0..=u16::MAX {
            let mut block = vec![0; encoding.block_bytes()];
            block[..2].copy_from_slice(&bits.to_le_bytes());
            let wanted = f16::from_f64(f16::from_bits(bits).to_f64() * -offset);
            let (mut w, mut s, mut b) = ([0; 8], [0], [0]);
            let finite = super::super::affine::repack(
                encoding,
                &block,
                super::super::affine::Groups { weights: &mut w, scales: &mut s, biases: &mut b },
            );
            assert_eq!(finite, wanted.is_finite(), "scale {bits:#06x}");
            if finite {
                assert_eq!((s[0], b[0]), (bits, wanted.to_bits()), "scale {bits:#06x}");
                assert_eq!(wanted.to_f64(), f16::from_bits(bits).to_f64() * -offset);
            } else {
                refused += 1;
            }
        }
        assert!(refused > 2048, "infinities and NaN alone are 2048");
    }
}

#[test]
fn a_scale_without_a_finite_bias_is_named() {
    let mut data = random_blocks(1, GgmlType::Q8_0, 12);
    data[7 * 34..7 * 34 + 2].copy_from_slice(&f16::from_f32(600.0).to_le_bytes());
    let t = one_tensor(&[3, 128], GgmlType::Q8_0, &data);
    let (mut w, mut s, mut b) = ([0; 64], [0; 8], [0; 8]);
    let error = t.read_affine(1..3, &mut w, &mut s, &mut b).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert_eq!(
        error.to_string(),
        "one.gguf: tensor \"t\": scale: the scale of row 1, group 3 is not finite or too large for a binary16 bias"
    );
    // The other rows can be read, and so can all as floats.
    t.read_affine(0..1, &mut w[..32], &mut s[..4], &mut b[..4]).unwrap();
    t.dequantize_f32(0..3, &mut [0.0; 384]).unwrap();
}

#[test]
fn wrong_ranges_and_lengths_are_refused() {
    let data = random_blocks(1, GgmlType::Q4_1, 4);
    let t = one_tensor(&[2, 64], GgmlType::Q4_1, &data);
    let (mut w, mut s, mut b) = ([0; 16], [0; 4], [0; 4]);
    let backwards = std::ops::Range { start: 2, end: 1 };
    for (rows, n) in [(0..3, 4), (backwards, 4), (usize::MAX - 1..usize::MAX, 4), (0..1, 4), (0..2, 3)] {
        let error = t.read_affine(rows.clone(), &mut w, &mut s[..n], &mut b).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{rows:?}, {n} scales");
        assert!(t.dequantize_f32(rows, &mut [0.0; 5]).is_err());
    }
    let plain = one_tensor(&[2], GgmlType::F32, &[0; 8]);
    assert!(plain.affine().is_none() && t.plain().is_none());
    assert!(plain.read_affine(0..1, &mut [], &mut [], &mut []).is_err());
    assert_eq!(plain.plain().unwrap().n_bytes(), 8);
}
