//! The numbers of kernels in native Rust, independent of the front end's own reference.

use half::{bf16, f16};
use holdall_msl::ElementType;

/// A type of kernels: its name there, its name here.
pub type Named = (&'static str, ElementType);

pub const INTEGERS: &[Named] = &[
    ("char", ElementType::I8),
    ("uchar", ElementType::U8),
    ("short", ElementType::I16),
    ("ushort", ElementType::U16),
    ("int", ElementType::I32),
    ("uint", ElementType::U32),
    ("long", ElementType::I64),
    ("ulong", ElementType::U64),
];
pub const FLOATS: &[Named] =
    &[("float", ElementType::F32), ("half", ElementType::F16), ("bfloat", ElementType::BF16)];

pub fn is_signed(element: ElementType) -> bool {
    matches!(element, ElementType::I8 | ElementType::I16 | ElementType::I32 | ElementType::I64)
}

pub fn is_float(element: ElementType) -> bool {
    FLOATS.iter().any(|(_, float)| *float == element)
}

pub fn bits(element: ElementType) -> u32 {
    element.size() * 8
}

/// An integer as the type holds it.
pub fn wrap(element: ElementType, value: i128) -> i128 {
    let n = bits(element);
    let low = value & ((1i128 << n) - 1);
    if is_signed(element) && low >> (n - 1) != 0 { low - (1 << n) } else { low }
}

/// The least and the largest integer.
pub fn range(element: ElementType) -> (i128, i128) {
    let n = bits(element);
    if is_signed(element) { (-(1i128 << (n - 1)), (1i128 << (n - 1)) - 1) } else { (0, (1i128 << n) - 1) }
}

pub fn integers_to_bytes(element: ElementType, values: &[i128]) -> Vec<u8> {
    let size = element.size() as usize;
    values.iter().flat_map(|v| v.to_le_bytes()[..size].to_vec()).collect()
}

pub fn bytes_to_integers(element: ElementType, bytes: &[u8]) -> Vec<i128> {
    let chunks = bytes.chunks_exact(element.size() as usize);
    let raw = chunks.map(|chunk| chunk.iter().rev().fold(0i128, |v, byte| v << 8 | i128::from(*byte)));
    raw.map(|v| wrap(element, v)).collect()
}

/// The value that is nearest in a float type.
pub fn round(element: ElementType, value: f64) -> f64 {
    match element {
        ElementType::F16 => f16::from_f64(value).to_f64(),
        ElementType::BF16 => bf16::from_f64(value).to_f64(),
        ElementType::F32 => f64::from(value as f32),
        _ => value,
    }
}

pub fn floats_to_bytes(element: ElementType, values: &[f64]) -> Vec<u8> {
    let bytes = |v: f64| match element {
        ElementType::F16 => f16::from_f64(v).to_le_bytes().to_vec(),
        ElementType::BF16 => bf16::from_f64(v).to_le_bytes().to_vec(),
        _ => (v as f32).to_le_bytes().to_vec(),
    };
    values.iter().flat_map(|v| bytes(*v)).collect()
}

pub fn bytes_to_floats(element: ElementType, bytes: &[u8]) -> Vec<f64> {
    let value = |chunk: &[u8]| match element {
        ElementType::F16 => f16::from_le_bytes([chunk[0], chunk[1]]).to_f64(),
        ElementType::BF16 => bf16::from_le_bytes([chunk[0], chunk[1]]).to_f64(),
        _ => f64::from(f32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]])),
    };
    bytes.chunks_exact(element.size() as usize).map(value).collect()
}

/// Small whole numbers as any type, and back.
pub fn whole_to_bytes(element: ElementType, values: &[i64]) -> Vec<u8> {
    if is_float(element) {
        floats_to_bytes(element, &values.iter().map(|v| *v as f64).collect::<Vec<_>>())
    } else {
        integers_to_bytes(element, &values.iter().map(|v| i128::from(*v)).collect::<Vec<_>>())
    }
}

pub fn bytes_to_f64(element: ElementType, bytes: &[u8]) -> Vec<f64> {
    if is_float(element) {
        bytes_to_floats(element, bytes)
    } else {
        bytes_to_integers(element, bytes).into_iter().map(|v| v as f64).collect()
    }
}

/// A whole number as a type holds it.
pub fn held(element: ElementType, value: f64) -> f64 {
    if is_float(element) { round(element, value) } else { wrap(element, value as i128) as f64 }
}

/// Where the threads of a grid stand.
#[derive(Clone, Copy, Debug)]
pub struct Stand {
    /// A number for each SIMD group of the grid.
    pub simd: usize,
    pub lane: usize,
}

/// The places of all threads, the first axis fastest: groups at the edge are smaller, and SIMD groups are of 32 threads
/// by the index over the group's real extents.
pub fn stands(grid: [u32; 3], group: [u32; 3]) -> Vec<Stand> {
    let [w, h, d] = grid.map(|n| n as usize);
    let size: [usize; 3] = std::array::from_fn(|i| group[i].min(grid[i]) as usize);
    let mut list = Vec::with_capacity(w * h * d);
    for i in 0..w * h * d {
        let at = [i % w, i / w % h, i / w / h];
        let of: [usize; 3] = std::array::from_fn(|k| at[k] / size[k]);
        let real: [usize; 3] = std::array::from_fn(|k| size[k].min([w, h, d][k] - of[k] * size[k]));
        let local: [usize; 3] = std::array::from_fn(|k| at[k] - of[k] * size[k]);
        let index = (local[2] * real[1] + local[1]) * real[0] + local[0];
        let id = (of[2] * h + of[1]) * w + of[0];
        list.push(Stand { simd: id * 32 + index / 32, lane: index % 32 });
    }
    list
}

/// The index of a thread in its grid, for bodies of kernels.
pub const INDEX: &str = "uint3 at_ = thread_position_in_grid, n_ = threads_per_grid; uint i = (at_.z * n_.y + at_.y) * n_.x + at_.x;";
