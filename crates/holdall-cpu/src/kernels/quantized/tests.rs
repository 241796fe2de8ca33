//! Products against double precision sums over dequantized weights.

use half::{bf16, f16};

use super::testing::{run_serial, run_team};
use super::{BatchAxis, Dequantize, Float, MatmulShape, Quantize, QuantizedMatmul};
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

/// FNV-1a of codes, scales, biases and dequantized weights, one after another, by type, group size and width, for the
/// matrix of [`weights`]: made with MLX 0.32 on a CPU (`mx.quantize`, `mx.dequantize`).
const GOLDENS: [(Float, usize, [u64; 6]); 9] = [
    (
        Float::F32,
        32,
        [
            0xb124_c777_ccce_97ed,
            0xab7b_81c2_b512_fd44,
            0x0e14_eddf_3b09_bc10,
            0x1bc6_fc49_9b92_2642,
            0xd2a1_70dc_e89c_e6a5,
            0x09df_fdd8_faab_6d1f,
        ],
    ),
    (
        Float::F32,
        64,
        [
            0x576b_4f61_7f2b_7af5,
            0x2497_05b2_cd51_d1dc,
            0x7293_9def_1ba9_e680,
            0x2e9b_6f63_3794_d4ba,
            0xed96_8a3a_7e4d_140e,
            0x703e_3bd2_0a99_2309,
        ],
    ),
    (
        Float::F32,
        128,
        [
            0xe61b_ff5e_083c_81ad,
            0x1ada_2e70_872c_dc47,
            0x9404_a6ba_4bb8_2960,
            0xb79f_2bc7_804c_ed60,
            0x3d4a_728f_e805_2b25,
            0xb364_bb64_8ab3_7433,
        ],
    ),
    (
        Float::F16,
        32,
        [
            0xf5ee_515e_d729_b739,
            0x1abd_1812_2b83_eb77,
            0xa338_1f5a_4d85_29a5,
            0x133d_866b_547a_4886,
            0x0b99_011d_2d7c_06da,
            0x82dc_1a31_f83c_07d4,
        ],
    ),
    (
        Float::F16,
        64,
        [
            0xe157_32db_7c3c_06ce,
            0x4019_e26d_89e5_175a,
            0xf0bd_5dbc_43f1_f6ea,
            0xe62f_9356_9533_98f3,
            0x60e6_3fa5_9755_356d,
            0x0d5d_a619_d0a3_4705,
        ],
    ),
    (
        Float::F16,
        128,
        [
            0xfaac_4011_1a02_095b,
            0x034d_82b8_e1b4_f1bf,
            0xff7f_7b4a_d2f6_347b,
            0x7a2f_3717_cda9_ca50,
            0x2cef_5b58_e586_8889,
            0xc481_1cf3_6a0e_89a4,
        ],
    ),
    (
        Float::Bf16,
        32,
        [
            0x62c4_ef72_0b17_9c95,
            0x5c54_7389_0b9d_ae80,
            0x699a_8aec_44bc_ebd1,
            0x9875_feec_7545_3b81,
            0xb14f_8385_238e_0efa,
            0x0799_b0a0_047b_d03d,
        ],
    ),
    (
        Float::Bf16,
        64,
        [
            0x902d_1665_fe55_a733,
            0x6bfb_773c_0469_4c0d,
            0x1051_b693_653d_427c,
            0x7b90_1b8a_804f_ee36,
            0xd2af_8e44_2c70_fba1,
            0xb030_5004_c729_0c37,
        ],
    ),
    (
        Float::Bf16,
        128,
        [
            0x6b75_c91f_f692_73b3,
            0x6782_a5a2_fe21_f9bd,
            0x2864_abcc_c070_c68f,
            0xe855_62d4_903c_ab49,
            0xac8e_87ef_fe9e_2912,
            0x6764_011b_270b_baff,
        ],
    ),
];

/// Four rows of 256: both signs, one sign, constant groups, many small values.
fn weights() -> Vec<f32> {
    let mut random = Random(7);
    let mut w: Vec<f32> = (0..256).map(|_| random.unit() * 2.0).collect();
    w.extend((0..256).map(|_| random.unit() * 0.125 + 1.0));
    w.extend((0..256).map(|i| if i < 128 { -0.75 } else { 0.0 }));
    w.extend((0..256).map(|_| random.unit()).map(|v| v * (v * v)));
    w
}

fn fnv<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn quantize_and_dequantize_equal_mlx() {
    for isa in Isa::available() {
        for (kind, group_size, hashes) in GOLDENS {
            for (bits, hash) in [2, 3, 4, 5, 6, 8].into_iter().zip(hashes) {
                let mut at = weights().into_iter();
                let mut w = values(kind, 1024, || at.next().unwrap()).bytes;
                let mut codes = vec![0u32; 1024 * bits / 32];
                let mut scales = vec![0u8; 1024 / group_size * kind.bytes()];
                let mut biases = scales.clone();
                let mut back = vec![0u8; 1024 * kind.bytes()];
                let mut scratch = Scratch::default();
                let quantize = Quantize::with_isa(4, 256, bits, group_size, kind, 2, isa).unwrap();
                let memory = [slice(&mut w), slice(&mut codes), slice(&mut scales), slice(&mut biases)];
                // SAFETY: the operands have the kernel's sizes and outlive the call.
                unsafe { run_serial(&quantize, &memory, &mut scratch) };
                let dequantize = Dequantize::with_isa(4, 256, bits, group_size, kind, kind, 2, isa).unwrap();
                let memory = [slice(&mut codes), slice(&mut scales), slice(&mut biases), slice(&mut back)];
                // SAFETY: as above.
                unsafe { run_serial(&dequantize, &memory, &mut scratch) };
                let words: Vec<u8> = codes.iter().flat_map(|word| word.to_le_bytes()).collect();
                let got = fnv(words.iter().chain(&scales).chain(&biases).chain(&back));
                assert_eq!(got, hash, "{kind:?} groups of {group_size}, {bits} bits, {isa:?}");
            }
        }
    }
}

#[test]
fn known_codes() {
    let mut w = weights()[..32].to_vec();
    let (mut codes, mut scale, mut bias) = ([0u32; 4], [0f32], [0f32]);
    let memory = [slice(&mut w), slice(&mut codes), slice(&mut scale), slice(&mut bias)];
    let kernel = Quantize::new(1, 32, 4, 32, Float::F32, 1).unwrap();
    // SAFETY: the operands have the kernel's sizes and outlive the call.
    unsafe { run_serial(&kernel, &memory, &mut Scratch::default()) };
    assert_eq!(codes, [0x3164_4a90, 0x74e5_f1d8, 0x5e29_975a, 0x54e3_c7bb]);
    assert_eq!((scale[0].to_bits(), bias[0].to_bits()), (3_195_831_889, 1_073_514_065));
}

#[test]
fn long_rows_dequantize_to_other_types() {
    // Longer than the part that is computed at once; to single precision, so that nothing is rounded twice.
    let (rows, len, group_size) = (3, 1024 + 96, 32);
    for isa in Isa::available() {
        for bits in [2, 3, 4, 5, 6, 8] {
            let mut random = Random(bits as u64);
            let mut codes: Vec<u32> = (0..rows * len * bits / 32).map(|_| random.bits()).collect();
            let mut scales = values(Float::Bf16, rows * len / group_size, || random.unit());
            let mut biases = values(Float::Bf16, rows * len / group_size, || random.unit());
            let mut out = vec![f32::NAN; rows * len];
            let kernel =
                Dequantize::with_isa(rows, len, bits, group_size, Float::Bf16, Float::F32, 1, isa).unwrap();
            let memory =
                [slice(&mut codes), slice(&mut scales.bytes), slice(&mut biases.bytes), slice(&mut out)];
            // SAFETY: the operands have the kernel's sizes and outlive the call.
            unsafe { run_serial(&kernel, &memory, &mut Scratch::default()) };
            for (i, got) in out.iter().enumerate() {
                let row = &codes[i / len * len * bits / 32..];
                let product = bf16::from_f64(code(row, bits, i % len) * scales.exact[i / group_size]);
                let want = bf16::from_f64(f64::from(product) + biases.exact[i / group_size]);
                assert_eq!(*got, want.to_f32(), "weight {i}, {bits} bits, {isa:?}");
            }
        }
    }
}

#[test]
fn unsupported_codes_are_named() {
    let error = |bits, group_size, len| {
        Quantize::new(1, len, bits, group_size, Float::F32, 1).unwrap_err().to_string()
    };
    assert_eq!(error(7, 32, 64), "quantized codes have 2, 3, 4, 5, 6 or 8 bits, not 7");
    assert_eq!(error(4, 48, 96), "quantized groups have 32, 64 or 128 weights, not 48");
    assert!(error(4, 64, 96).contains("length 96, is not made of whole groups of 64"));
}

#[test]
fn batches_broadcast_and_stride() {
    for isa in Isa::available() {
        for (m, transpose) in [(1, true), (3, true), (20, true), (2, false), (20, false)] {
            let (n, k) = if transpose { (21, 96) } else { (96, 21) };
            let (words, groups) = (n * k * 4 / 32, n * k / 32);
            // w broadcast over the outer axis, x over the middle one.
            let batch = vec![
                BatchAxis { len: 2, x: m * k + 5, w: 0, scales: 0 },
                BatchAxis { len: 3, x: 0, w: words, scales: groups },
            ];
            let shape = MatmulShape {
                m,
                n,
                k,
                x_row: k,
                batch,
                transpose,
                bits: 4,
                group_size: 32,
                x: Float::F16,
                scales: Float::F16,
                out: Float::F16,
            };
            check_product(&shape, isa, 2, 99);
        }
    }
}
