//! Times of the dense kernels, as medians: `cargo bench -p holdall-cpu --bench dense [FILTER]`.
//!
//! Each row runs on one and on two threads. Inputs are random; every run starts from what the run before left in caches.

use std::time::Instant;

use holdall_cpu::isa::Isa;
use holdall_cpu::kernel::{Kernel, Slice};
use holdall_cpu::kernels::attention::{Attention, Mask, Params};
use holdall_cpu::kernels::conv::Conv1d;
use holdall_cpu::kernels::dense::testing::{Random, Team};
use holdall_cpu::kernels::dense::{Matmul, Number, Operand, Product};
use holdall_cpu::kernels::float::Float;
use holdall_cpu::kernels::math;
use holdall_cpu::kernels::norm::{LayerNorm, LogSumExp, RmsNorm, Softmax};
use holdall_cpu::kernels::rope::{Frequencies, Offset, Rope};
use holdall_cpu::kernels::rows::Rows;

/// The median and the shortest of enough runs of `f` for about a second, in seconds.
fn median(mut f: impl FnMut()) -> (f64, f64) {
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < 5 || (begin.elapsed().as_secs_f64() < 0.7 && times.len() < 2001) {
        let start = Instant::now();
        f();
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0])
}

macro_rules! math_rows {
    ($filter:expr; $($name:ident),*) => {
        let x: Vec<f32> = (0..4096).map(|i| 0.9 * (i as f32 / 2048.0 - 1.0)).collect();
        let mut y = vec![0f32; 4096];
        $(if concat!("math ", stringify!($name)).contains($filter) {
            #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))]
            fn avx512(x: &[f32], y: &mut [f32]) {
                for (x, y) in x.iter().zip(y) {
                    *y = math::$name(*x);
                }
            }
            // SAFETY: this row is for machines with AVX-512, which the caller has made sure of.
            let (t, _) = median(|| unsafe { avx512(&x, &mut y) });
            println!("math {:8} {:.3} ns an element", stringify!($name), t * 1e9 / 4096.0);
            std::hint::black_box(&y);
        })*
    };
}

/// What a row's time is divided by.
enum Per {
    /// Floating-point operations.
    Flops(f64),
    /// Bytes moved.
    Bytes(f64),
}

struct Bench {
    filter: String,
    random: Random,
}

impl Bench {
    /// `len` values of `float` from −1..1, as bytes.
    fn values(&mut self, float: Float, len: usize) -> Vec<u64> {
        let mut bytes = vec![0u64; (len * float.bytes()).div_ceil(8)];
        let p = bytes.as_mut_ptr();
        for i in 0..len {
            let x = self.random.uniform();
            // SAFETY: the vector holds len values.
            unsafe {
                match float {
                    Float::F16 => p.cast::<half::f16>().add(i).write(half::f16::from_f32(x)),
                    Float::Bf16 => p.cast::<half::bf16>().add(i).write(half::bf16::from_f32(x)),
                    Float::F32 => p.cast::<f32>().add(i).write(x),
                    Float::F64 => p.cast::<f64>().add(i).write(x.into()),
                }
            }
        }
        bytes
    }

    fn row(&mut self, name: &str, kernel: &dyn Kernel, operands: &[(Float, usize)], per: &Per) {
        if !name.contains(&self.filter) {
            return;
        }
        let mut memory: Vec<Vec<u64>> =
            operands.iter().map(|&(float, len)| self.values(float, len)).collect();
        let slices: Vec<Slice> =
            memory.iter_mut().map(|m| Slice::new(m.as_mut_ptr().cast(), 8 * m.len())).collect();
        print!("{name:48}");
        for threads in [1, 2] {
            // SAFETY: the operands fit the kernel.
            let (t, best) = Team::with(kernel, &slices, threads, |team| median(|| unsafe { team.run() }));
            let (rate, unit) = match per {
                Per::Flops(n) => (n / t / 1e9, "GFLOP/s"),
                Per::Bytes(n) => (n / t / 1e9, "GB/s"),
            };
            let (t, best) = (t * 1e3, best * 1e3);
            print!("  {threads}: {t:9.4} ms (best {best:9.4}) {rate:6.1} {unit}");
        }
        println!();
    }

    fn matmul(&mut self, float: Float, [m, n, k]: [usize; 3], transposed: bool) {
        let one = || Rows::regular(1, 0);
        let a = Operand { batch: one(), row: k as isize, column: 1 };
        let b = if transposed {
            Operand { batch: one(), row: 1, column: k as isize }
        } else {
            Operand { batch: one(), row: n as isize, column: 1 }
        };
        let kernel = Matmul::new(Isa::get(), Product::new(Number::Real(float), [m, n, k], a, b));
        let name =
            format!("matmul {float:?} [{m},{k}]·[{k},{n}]{}", if transposed { " of [n,k]ᵀ" } else { "" });
        let per = if m.min(n) <= 8 {
            Per::Bytes((float.bytes() * (m * n + m * k + n * k)) as f64)
        } else {
            Per::Flops(2.0 * (m * n * k) as f64)
        };
        self.row(&name, &kernel, &[(float, m * k), (float, n * k), (float, m * n)], &per);
    }

    fn attention(&mut self, float: Float, [heads, key_heads, queries, keys, dim]: [usize; 5], mask: Mask) {
        let strides = |rows: usize| [0, (rows * dim) as isize, dim as isize];
        let params = Params {
            isa: Isa::get(),
            batch: 1,
            query_heads: heads,
            key_heads,
            queries,
            keys,
            dim,
            value_dim: dim,
            floats: [float; 3],
            strides: [strides(queries), strides(keys), strides(keys), strides(queries)],
            scale: 0.125,
            mask,
            sinks: None,
        };
        let name = format!("attention {float:?} H{heads}/{key_heads} L{queries} S{keys} D{dim} {mask:?}");
        let per = if queries < 8 {
            Per::Bytes((2 * key_heads * keys * dim * float.bytes()) as f64)
        } else {
            Per::Flops((4 * heads * queries * keys * dim) as f64)
        };
        let (q, k) = ((float, heads * queries * dim), (float, key_heads * keys * dim));
        self.row(&name, &Attention::new(params), &[q, k, k, q], &per);
    }

    fn rms_norm(&mut self, float: Float, rows: usize, len: usize) {
        let kernel = RmsNorm {
            isa: Isa::get(),
            x: float,
            weight: Some((float, 1)),
            y: float,
            rows: Rows::regular(rows, len as isize),
            len,
            step: 1,
            eps: 1e-5,
        };
        let per = Per::Bytes((2 * rows * len * float.bytes()) as f64);
        let operands = [(float, rows * len), (float, len), (float, rows * len)];
        self.row(&format!("rms_norm {float:?} [{rows},{len}]"), &kernel, &operands, &per);
    }

    /// Softmax, log-sum-exp and layer norm.
    fn norms(&mut self, float: Float, rows: usize, len: usize) {
        let isa = Isa::get();
        let per = Per::Bytes((2 * rows * len * float.bytes()) as f64);
        let x = (float, rows * len);
        self.row(
            &format!("softmax {float:?} [{rows},{len}]"),
            &Softmax::dense(isa, float, rows, len, 1),
            &[x, x],
            &per,
        );
        let first = Softmax::dense(isa, float, 1, rows, len);
        self.row(&format!("softmax {float:?} [{rows},{len}] first axis"), &first, &[x, x], &per);
        let regular = || Rows::regular(rows, len as isize);
        let log = LogSumExp { isa, float, rows: regular(), len, step: 1 };
        self.row(&format!("logsumexp {float:?} [{rows},{len}]"), &log, &[x, (float, rows)], &per);
        let (weight, bias) = (Some((float, 1)), Some((float, 1)));
        let layer =
            LayerNorm { isa, x: float, weight, bias, y: float, rows: regular(), len, step: 1, eps: 1e-5 };
        self.row(
            &format!("layer_norm {float:?} [{rows},{len}]"),
            &layer,
            &[x, (float, len), (float, len), x],
            &per,
        );
    }

    fn conv1d(&mut self, float: Float, [length, channels, kernel, groups]: [usize; 4]) {
        let inner = channels / groups;
        let conv = Conv1d {
            isa: Isa::get(),
            float,
            batch: 1,
            length,
            in_channels: channels,
            out_channels: channels,
            kernel,
            groups,
            stride: 1,
            padding: 0,
            dilation: 1,
            x_strides: [0, channels as isize, 1],
            w_strides: [kernel * inner, inner, 1].map(|s| s as isize),
        };
        let (x, w) = (length * channels, channels * kernel * inner);
        let rows = conv.out_length();
        let per = if groups == channels {
            Per::Bytes((2 * x * float.bytes()) as f64)
        } else {
            Per::Flops((2 * rows * w) as f64)
        };
        let name = format!("conv1d {float:?} [{length},{channels}] K{kernel} groups {groups}");
        self.row(&name, &conv, &[(float, x), (float, w), (float, rows * channels)], &per);
    }

    fn rope(&mut self, float: Float, shape: [usize; 4], traditional: bool) {
        let [_, heads, sequence, features] = shape;
        let kernel = Rope {
            isa: Isa::get(),
            float,
            shape,
            strides: [heads * sequence * features, features, heads * features, 1].map(|s| s as isize),
            dims: features,
            traditional,
            frequencies: Frequencies::Base(10_000.0),
            scale: 1.0,
            offset: Offset::Fixed(1000),
        };
        let len = shape.iter().product();
        let per = Per::Bytes((2 * len * float.bytes()) as f64);
        let name = format!("rope {float:?} {shape:?} traditional {traditional}");
        self.row(&name, &kernel, &[(float, len), (float, len)], &per);
    }
}

fn main() {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let mut bench = Bench { filter: filter.clone(), random: Random::new(1) };
    for float in [Float::F32, Float::Bf16, Float::F16] {
        bench.matmul(float, [1024, 1024, 1024], false);
        bench.matmul(float, [1, 4096, 4096], false);
        bench.matmul(float, [1, 4096, 4096], true);
        bench.matmul(float, [4, 4096, 4096], true);
        bench.matmul(float, [8, 4096, 4096], false);
    }
    bench.matmul(Float::F32, [4096, 4096, 4096], false);
    bench.matmul(Float::F32, [512, 4096, 4096], true);
    bench.matmul(Float::F32, [512, 576, 1536], true);
    bench.matmul(Float::F32, [512, 1536, 576], true);
    bench.matmul(Float::F32, [16, 4096, 4096], true);
    bench.matmul(Float::F32, [32, 4096, 4096], true);
    bench.matmul(Float::F32, [1024, 1024, 1024], true);
    bench.matmul(Float::Bf16, [1024, 1024, 1024], true);
    bench.matmul(Float::F32, [16, 16, 16], false);
    bench.matmul(Float::F32, [1, 576, 576], true);
    for float in [Float::F32, Float::F16] {
        bench.attention(float, [32, 32, 1024, 1024, 64], Mask::None);
        bench.attention(float, [32, 32, 1024, 1024, 64], Mask::Causal);
        bench.attention(float, [2, 2, 1024, 1024, 64], Mask::None);
        bench.attention(float, [9, 3, 512, 512, 64], Mask::Causal);
        bench.attention(float, [9, 3, 1, 128, 64], Mask::None);
        bench.attention(float, [9, 3, 1, 512, 64], Mask::None);
        bench.attention(float, [32, 8, 1, 4096, 128], Mask::None);
        bench.attention(float, [32, 8, 1, 32768, 128], Mask::None);
        bench.attention(float, [32, 8, 4, 4096, 128], Mask::Causal);
    }
    for float in [Float::F32, Float::Bf16] {
        bench.rms_norm(float, 4096, 4096);
        bench.rms_norm(float, 1, 576);
        bench.norms(float, 4096, 4096);
        bench.conv1d(float, [515, 2048, 4, 2048]);
        bench.conv1d(float, [1000, 384, 3, 1]);
        bench.rope(float, [1, 32, 1024, 64], false);
        bench.rope(float, [1, 32, 1024, 64], true);
        bench.rope(float, [1, 9, 1, 64], false);
    }
    if Isa::get() == Isa::Avx512 {
        math_rows!(filter.as_str(); exp, exp2, expm1, log, log2, log1p, sin, cos, tan, sinh, cosh, tanh, asin,
            acos, atan, asinh, acosh, atanh, erf, erfinv, rsqrt, sigmoid);
    }
}
