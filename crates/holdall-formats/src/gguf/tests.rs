mod damaged;
mod encodings;
mod roundtrip;

use super::{GgmlType, Gguf, GgufTensor, GgufWriter};
use crate::Source;

/// A file of one tensor named `t`.
fn one_tensor(shape: &[usize], encoding: GgmlType, data: &[u8]) -> GgufTensor {
    let mut writer = GgufWriter::new();
    writer.add("t", shape, encoding, data).unwrap();
    let file = Gguf::from_source(Source::from_bytes("one.gguf", writer.to_bytes().unwrap())).unwrap();
    file.tensor("t").unwrap().clone()
}

/// Reproducible bytes.
fn random_bytes(seed: u64, n: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as u8
    };
    std::iter::repeat_with(next).take(n).collect()
}

/// Reproducible blocks whose binary16 scale (and minimum, for `Q4_1`) are small normal numbers.
fn random_blocks(seed: u64, encoding: GgmlType, n: usize) -> Vec<u8> {
    let mut data = random_bytes(seed, n * encoding.block_bytes());
    for block in data.chunks_exact_mut(encoding.block_bytes()) {
        let halves = if encoding == GgmlType::Q4_1 { 2 } else { 1 };
        for high in (0..halves).map(|i| 2 * i + 1) {
            block[high] = block[high] & 0x83 | 0x24;
        }
    }
    data
}
