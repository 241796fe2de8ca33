//! Speed of quantized products: weights read per second for few rows, arithmetic for many.
//!
//! `cargo bench -p holdall-cpu --bench quantized -- [decode|widths|batch|prefill|quantize] [avx512|avx2|portable] [warm]`

use holdall_cpu::isa::Isa;
use holdall_cpu::kernel::{Kernel, Slice};
use holdall_cpu::kernels::quantized::testing::run_team;
use holdall_cpu::kernels::quantized::{Dequantize, Float, MatmulShape, Quantize, QuantizedMatmul};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |word: &str| {
        let named = ["decode", "batch", "prefill", "quantize", "widths"];
        words.iter().all(|w| !named.contains(&w.as_str())) || words.iter().any(|w| w == word)
    };
    let isa = match () {
        () if words.iter().any(|w| w == "portable") => Isa::Portable,
        () if words.iter().any(|w| w == "avx2") => Isa::Avx2,
        () => Isa::get(),
    };
    let smollm2 = [(576, 576), (576, 192), (576, 1536), (1536, 576)];
    if wanted("decode") {
        println!("decode, weights not in cache, {isa:?}");
        for (k, n) in smollm2 {
            decode(isa, 1, k, n, 4, 32, Float::F16);
        }
        decode(isa, 1, 576, 49152, 8, 32, Float::F16);
        decode(isa, 1, 4096, 4096, 4, 64, Float::F32);
        decode(isa, 1, 4096, 4096, 4, 64, Float::F16);
        decode(isa, 1, 4096, 14336, 4, 64, Float::F16);
    }
    if wanted("widths") {
        println!("decode by width, {isa:?}");
        for bits in [2, 3, 4, 5, 6, 8] {
            decode(isa, 1, 4096, 4096, bits, 64, Float::F16);
        }
    }
    if wanted("batch") {
        println!("decode of small batches, {isa:?}");
        for m in [1, 2, 4, 8, 9, 16, 32] {
            decode(isa, m, 576, 1536, 4, 32, Float::F16);
        }
        for m in [1, 2, 4, 8, 9, 16, 32] {
            decode(isa, m, 4096, 1024, 4, 64, Float::F16);
        }
    }
    if wanted("prefill") {
        println!("prefill, {isa:?}");
        for (k, n) in smollm2 {
            prefill(isa, 512, k, n, 4, 32, Float::F16);
        }
        prefill(isa, 512, 576, 4992, 8, 32, Float::F16);
        prefill(isa, 512, 1536, 192, 4, 32, Float::F16);
        prefill(isa, 512, 4096, 192, 4, 64, Float::F16);
        prefill(isa, 512, 4096, 1024, 4, 64, Float::F16);
        for m in [17, 32, 64, 128, 1024] {
            prefill(isa, m, 576, 1536, 4, 32, Float::F16);
        }
    }
    if wanted("quantize") {
        println!("quantize and dequantize, groups of 64, {isa:?}, best of 9");
        for bits in [2, 3, 4, 5, 6, 8] {
            rows(isa, bits);
        }
    }
}

/// Times of a whole matrix.
fn rows(isa: Isa, bits: usize) {
    let (n, k, group) = (4096, 4096, 64);
    let mut w: Vec<f32> = (0..n * k).map(|i| (i * 7919 % 1009) as f32 * 0.001 - 0.5).collect();
    let mut codes = vec![0u32; n * k * bits / 32];
    let (mut scales, mut biases) = (vec![0f32; n * k / group], vec![0f32; n * k / group]);
    fn slice<T>(v: &mut [T]) -> Slice {
        Slice::new(v.as_mut_ptr().cast(), size_of_val(v))
    }
    let (w, codes, scales, biases) =
        (slice(&mut w), slice(&mut codes), slice(&mut scales), slice(&mut biases));
    print!("  [{n}, {k}] bits {bits}:");
    for threads in [1, 2] {
        let quantize = Quantize::with_isa(n, k, bits, group, Float::F32, threads, isa).expect("valid");
        let dequantize =
            Dequantize::with_isa(n, k, bits, group, Float::F32, Float::F32, threads, isa).expect("valid");
        let work: [(&dyn Kernel, Vec<Slice>); 2] =
            [(&quantize, vec![w, codes, scales, biases]), (&dequantize, vec![codes, scales, biases, w])];
        // SAFETY: the operands have the kernels' sizes, and the vectors outlive the call.
        let times: Vec<Vec<f64>> = (0..9).map(|_| unsafe { run_team(threads, &work) }).collect();
        let best = |i: usize| times.iter().map(|t| t[i]).fold(f64::INFINITY, f64::min) * 1e3;
        print!("  {threads} threads: quantize {:6.2} ms, dequantize {:6.2} ms", best(0), best(1));
    }
    println!();
}

/// Operands with plausible random content.
struct Operands {
    x: Vec<f32>,
    /// Codes, scales and biases of all copies, one after another as in a pool's block.
    weights: Vec<u32>,
    copies: usize,
    words: usize,
    scale_words: usize,
    y: Vec<f32>,
}

fn operands(shape: &MatmulShape, copies: usize) -> Operands {
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    let words = shape.n * shape.k * shape.bits / 32;
    let scale_words = shape.n * shape.k / shape.group_size * shape.scales.bytes() / 4;
    let mut weights = Vec::with_capacity(copies * (words + 2 * scale_words));
    for _ in 0..copies {
        weights.extend((0..words).map(|_| random()));
        // As half precision some 0.01, as single precision some 1e-3.
        weights.extend((0..2 * scale_words).map(|_| 0x2100_2100 + (random() & 0x00ff_00ff)));
    }
    let x = (0..shape.m * shape.k).map(|i| (i % 37) as f32 * 0.01 - 0.18).collect();
    Operands { x, weights, copies, words, scale_words, y: vec![0.0; shape.m * shape.n] }
}

fn memory(operands: &Operands, copy: usize) -> Vec<Slice> {
    fn slice<T>(v: &[T]) -> Slice {
        Slice::new(v.as_ptr() as *mut u8, size_of_val(v))
    }
    let weights = &operands.weights[copy * (operands.words + 2 * operands.scale_words)..];
    let (w, rest) = weights.split_at(operands.words);
    let (scales, biases) = rest.split_at(operands.scale_words);
    let biases = &biases[..operands.scale_words];
    vec![slice(&operands.x), slice(w), slice(scales), slice(biases), slice(&operands.y)]
}

fn shape(m: usize, k: usize, n: usize, bits: usize, group_size: usize, scales: Float) -> MatmulShape {
    MatmulShape {
        m,
        n,
        k,
        x_row: k,
        batch: Vec::new(),
        transpose: true,
        bits,
        group_size,
        x: Float::F32,
        scales,
        out: Float::F32,
    }
}

/// Seconds per product, the median and the first decile of several runs over all copies.
fn time(isa: Isa, shape: &MatmulShape, threads: usize, operands: &mut Operands, runs: usize) -> (f64, f64) {
    let kernel = QuantizedMatmul::with_isa(shape.clone(), threads, isa).expect("the shape is valid");
    let mut temporaries: Vec<Vec<u8>> = kernel.temporaries().iter().map(|bytes| vec![0; *bytes]).collect();
    let temporaries: Vec<Slice> =
        temporaries.iter_mut().map(|t| Slice::new(t.as_mut_ptr(), t.len())).collect();
    let copies = operands.copies;
    let mut times = Vec::new();
    for _ in 0..runs {
        let work: Vec<(&dyn Kernel, Vec<Slice>)> = (0..copies)
            .map(|copy| (&kernel as &dyn Kernel, [memory(operands, copy), temporaries.clone()].concat()))
            .collect();
        // SAFETY: the operands have the sizes of the shape, and the vectors outlive the call.
        times.extend(unsafe { run_team(threads, &work) });
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() / 10])
}

fn decode(isa: Isa, m: usize, k: usize, n: usize, bits: usize, group: usize, scales: Float) {
    let shape = shape(m, k, n, bits, group, scales);
    let bytes = n * k * bits / 8 + 2 * n * k / group * scales.bytes();
    let mut operands = operands(
        &shape,
        if std::env::args().any(|word| word == "warm") { 4 } else { (96 << 20) / bytes + 1 },
    );
    print!("  m {m:2} k {k:5} n {n:5} bits {bits} group {group:3} {scales:?}:");
    for threads in [1, 2] {
        let runs = (500 / operands.copies).max(15);
        let (median, best) = time(isa, &shape, threads, &mut operands, runs);
        let rate = |t: f64| bytes as f64 / t / 1e9;
        print!(
            "  {threads} threads {:8.1} us {:5.1} GB/s (best {:5.1})",
            median * 1e6,
            rate(median),
            rate(best)
        );
    }
    println!();
}

fn prefill(isa: Isa, m: usize, k: usize, n: usize, bits: usize, group: usize, scales: Float) {
    let shape = shape(m, k, n, bits, group, scales);
    let flops = 2 * m * n * k;
    let mut operands = operands(&shape, (40_000_000 / flops).max(1));
    print!("  m {m:4} k {k:5} n {n:5} bits {bits} group {group:3}:");
    for threads in [1, 2] {
        let (median, best) = time(isa, &shape, threads, &mut operands, 61);
        let rate = |t: f64| flops as f64 / t / 1e9;
        print!(
            "  {threads} threads {:9.1} us {:6.1} GFLOP/s (best {:6.1})",
            median * 1e6,
            rate(median),
            rate(best)
        );
    }
    println!();
}
