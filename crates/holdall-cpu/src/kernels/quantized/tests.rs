//! Products against double precision sums over dequantized weights.

use half::{bf16, f16};

use super::testing::{run_serial, run_team};
use super::{BatchAxis, Float, MatmulShape, QuantizedMatmul};
use crate::isa::Isa;
use crate::kernel::{Kernel, Scratch, Slice};

struct Random(u64);

impl Random {
    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    /// Between -1 and 1.
    fn unit(&mut self) -> f32 {
        self.bits() as i32 as f32 / 2_147_483_648.0
    }
}

/// Elements of a float type, and what they are as f64.
struct Values {
    bytes: Vec<u8>,
    exact: Vec<f64>,
}

fn values(kind: Float, len: usize, mut f: impl FnMut() -> f32) -> Values {
    let mut bytes = Vec::new();
    let mut exact = Vec::new();
    for _ in 0..len {
        let v = f();
        match kind {
            Float::F32 => bytes.extend(v.to_ne_bytes()),
            Float::F16 => bytes.extend(f16::from_f32(v).to_ne_bytes()),
            Float::Bf16 => bytes.extend(bf16::from_f32(v).to_ne_bytes()),
        }
        exact.push(match kind {
            Float::F32 => f64::from(v),
            Float::F16 => f64::from(f16::from_f32(v)),
            Float::Bf16 => f64::from(bf16::from_f32(v)),
        });
    }
    Values { bytes, exact }
}

fn read(kind: Float, bytes: &[u8], i: usize) -> f64 {
    let half = || [bytes[2 * i], bytes[2 * i + 1]];
    match kind {
        Float::F32 => f64::from(f32::from_ne_bytes(bytes[4 * i..4 * i + 4].try_into().unwrap())),
        Float::F16 => f64::from(f16::from_ne_bytes(half())),
        Float::Bf16 => f64::from(bf16::from_ne_bytes(half())),
    }
}

/// Code `i` of a row.
fn code(row: &[u32], bits: usize, i: usize) -> f64 {
    let bit = i * bits;
    let low = u64::from(row[bit / 32]);
    let high = u64::from(*row.get(bit / 32 + 1).unwrap_or(&0));
    (((low | (high << 32)) >> (bit % 32)) & ((1 << bits) - 1)) as f64
}

fn slice<T>(v: &mut [T]) -> Slice {
    Slice::new(v.as_mut_ptr().cast(), size_of_val(v))
}

/// Runs the product and compares every element. The bound is that of any order of `k` additions in f32 on the terms'
/// absolute values, with its constant cut by 16 partial sums, and half a unit of the output's last place.
fn check_product(shape: &MatmulShape, isa: Isa, threads: usize, seed: u64) {
    let MatmulShape { m, n, k, bits, group_size, .. } = *shape;
    let mut random = Random(seed);
    let (rows, len) = if shape.transpose { (n, k) } else { (k, n) };
    let (row_words, groups) = (len * bits / 32, len / group_size);
    let products: usize = shape.batch.iter().map(|a| a.len).product();
    let span = |f: fn(&BatchAxis) -> usize| shape.batch.iter().map(|a| (a.len - 1) * f(a)).sum::<usize>();
    let mut x = values(shape.x, span(|a| a.x) + (m.max(1) - 1) * shape.x_row + k, || random.unit());
    let mut w: Vec<u32> = (0..span(|a| a.w) + rows * row_words).map(|_| random.bits()).collect();
    let scale_len = span(|a| a.scales) + rows * groups;
    let mut scales = values(shape.scales, scale_len, || random.unit() / 8.0);
    let mut biases = values(shape.scales, scale_len, || random.unit());
    // Guard bytes show writes past the end.
    let out_bytes = products * m * n * shape.out.bytes();
    let mut out = vec![0xa5; out_bytes + 64];
    let kernel = QuantizedMatmul::with_isa(shape.clone(), threads, isa).unwrap();
    let mut temporaries: Vec<Vec<u8>> = kernel.temporaries().iter().map(|bytes| vec![0xff; *bytes]).collect();
    let mut memory = vec![
        slice(&mut x.bytes),
        slice(&mut w),
        slice(&mut scales.bytes),
        slice(&mut biases.bytes),
        slice(&mut out),
    ];
    memory.extend(temporaries.iter_mut().map(|t| slice(t)));
    if threads == 1 {
        let mut scratch = Scratch::default();
        // What the last user left must not matter.
        scratch.get::<u32>(1 << 16).fill(0x7fc0_0000);
        // SAFETY: the operands have the shape's sizes and outlive the call.
        unsafe { run_serial(&kernel, &memory, &mut scratch) };
    } else {
        // SAFETY: as above.
        unsafe { run_team(threads, &[(&kernel as &dyn Kernel, memory)]) };
    }
    assert!(out[out_bytes..].iter().all(|b| *b == 0xa5), "wrote past the end: {shape:?} {isa:?}");
    for product in 0..products {
        let (mut rest, mut x0, mut w0, mut s0) = (product, 0, 0, 0);
        for axis in shape.batch.iter().rev() {
            x0 += rest % axis.len * axis.x;
            w0 += rest % axis.len * axis.w;
            s0 += rest % axis.len * axis.scales;
            rest /= axis.len;
        }
        let mut dense = vec![0.0; n * k];
        for r in 0..rows {
            let row = &w[w0 + r * row_words..w0 + (r + 1) * row_words];
            for i in 0..len {
                let g = s0 + r * groups + i / group_size;
                let value = code(row, bits, i) * scales.exact[g] + biases.exact[g];
                dense[if shape.transpose { r * k + i } else { i * k + r }] = value;
            }
        }
        for r in 0..m {
            let x = &x.exact[x0 + r * shape.x_row..][..k];
            for c in 0..n {
                let w = &dense[c * k..(c + 1) * k];
                let want: f64 = x.iter().zip(w).map(|(x, w)| x * w).sum();
                // Codes and biases count by themselves: the kernel may sum them apart.
                let size: f64 = x.iter().zip(w).map(|(x, w)| x.abs() * (w.abs() + 2.0)).sum();
                let rounding = match shape.out {
                    Float::F32 => 2f64.powi(-24),
                    Float::F16 => 2f64.powi(-11),
                    Float::Bf16 => 2f64.powi(-8),
                };
                let tolerance = size * 2f64.powi(-24) * (k as f64 / 16.0 + 8.0) + want.abs() * rounding;
                let got = read(shape.out, &out, (product * m + r) * n + c);
                assert!(
                    (got - want).abs() <= tolerance,
                    "product {product} row {r} column {c}: {got}, not {want} ± {tolerance} (seed {seed}): {shape:?} {isa:?}"
                );
            }
        }
    }
}

#[test]
fn products_match_sums_in_double_precision() {
    let mut seed = 0;
    let floats = [
        (Float::F32, Float::F16),
        (Float::F32, Float::F32),
        (Float::F16, Float::F16),
        (Float::Bf16, Float::Bf16),
    ];
    for isa in Isa::available() {
        for bits in [2, 3, 4, 5, 6, 8] {
            for group_size in [32, 64, 128] {
                for transpose in [true, false] {
                    for m in [1, 2, 5, 17, 64] {
                        let (x, scales) = floats[seed as usize % 4];
                        // Rows of w that end within a block, sides that no tile divides.
                        let long = group_size * [1, 3, 5, 7][seed as usize / 4 % 4];
                        let (n, k) = if transpose { (37, long) } else { (long, 37) };
                        let shape = MatmulShape {
                            m,
                            n,
                            k,
                            x_row: k + seed as usize % 3,
                            batch: Vec::new(),
                            transpose,
                            bits,
                            group_size,
                            x,
                            scales,
                            out: if x == scales { x } else { Float::F32 },
                        };
                        check_product(&shape, isa, 1 + seed as usize % 2, seed);
                        seed += 1;
                    }
                }
            }
        }
    }
}
