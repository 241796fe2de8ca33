//! Medians of single ops and short chains in float32, as JSON lines: what `bench/numpy_compare.py` compares.
//!
//! `cargo run --release -p holdall --example micro -- [REPEAT [NAME...]]`
#![forbid(unsafe_code)]

use std::time::Instant;

use holdall::ops::{AttentionMask, Packing};
use holdall::{Array, Dtype, Result, random};

/// Elements of a long vector; also those of a large matrix.
const LONG: usize = 1 << 24;
const SIDE: usize = 4096;

/// What is measured: the name, how many floating point operations if they count, and the work.
struct Row {
    name: &'static str,
    flops: Option<f64>,
    run: Box<dyn Fn() -> Result<Vec<Array>>>,
}

fn row(name: &'static str, flops: Option<f64>, run: impl Fn() -> Result<Array> + 'static) -> Row {
    Row { name, flops, run: Box::new(move || Ok(vec![run()?])) }
}

/// Numbers between -1 and 1, computed.
fn floats(shape: &[usize]) -> Result<Array> {
    let x = random::uniform(-1.0f32, 1.0f32, shape, Dtype::Float32, None)?;
    x.eval()?;
    Ok(x)
}

fn product(name: &'static str, n: usize) -> Result<Row> {
    let (a, b) = (floats(&[n, n])?, floats(&[n, n])?);
    Ok(row(name, Some(2.0 * (n as f64).powi(3)), move || a.matmul(&b)))
}

/// One row; its inputs are made when it is asked for, and gone after it.
fn make(name: &str) -> Result<Option<Row>> {
    let pair = || -> Result<(Array, Array)> { Ok((floats(&[LONG])?, floats(&[LONG])?)) };
    Ok(Some(match name {
        "matmul_1024" => product("matmul_1024", 1024)?,
        "matmul_4096" => product("matmul_4096", SIDE)?,
        "matvec_4096" => {
            let (a, x) = (floats(&[SIDE, SIDE])?, floats(&[SIDE])?);
            row("matvec_4096", None, move || a.matmul(&x))
        }
        "add_16m" => {
            let (x, y) = pair()?;
            row("add_16m", None, move || x.add(&y))
        }
        "exp_16m" => {
            let x = floats(&[LONG])?;
            row("exp_16m", None, move || x.exp())
        }
        "arithmetic_8_16m" => {
            let (x, y) = pair()?;
            row("arithmetic_8_16m", None, move || {
                let a = x.multiply(&y)?;
                let e = a.add(&x)?.multiply(0.5)?.subtract(&y)?;
                e.multiply(&e)?.add(1.0)?.multiply(&x)?.subtract(&a)
            })
        }
        "transcendental_9_16m" => {
            let (x, y) = pair()?;
            row("transcendental_9_16m", None, move || {
                let a = x.exp()?.multiply(y.sin()?)?.add(&x)?;
                a.tanh()?.multiply(&y)?.abs()?.log1p()?.sqrt()
            })
        }
        "sum_16m" => {
            let x = floats(&[LONG])?;
            row("sum_16m", None, move || x.sum(None, false))
        }
        "softmax_4096" => {
            let x = floats(&[SIDE, SIDE])?;
            row("softmax_4096", None, move || x.softmax(Some(&[-1]), true))
        }
        "sdpa_h32_l1024_d64" => {
            let [q, k, v] =
                [floats(&[1, 32, 1024, 64])?, floats(&[1, 32, 1024, 64])?, floats(&[1, 32, 1024, 64])?];
            let flops = 4.0 * 32.0 * 1024.0 * 1024.0 * 64.0;
            row("sdpa_h32_l1024_d64", Some(flops), move || {
                Array::scaled_dot_product_attention(&q, &k, &v, 0.125, AttentionMask::None, None)
            })
        }
        "rms_norm_4096" => {
            let (x, w) = (floats(&[SIDE, SIDE])?, floats(&[SIDE])?);
            row("rms_norm_4096", None, move || x.rms_norm(Some(&w), 1e-5))
        }
        "quantize_4096" => {
            let w = floats(&[SIDE, SIDE])?;
            let run = move || {
                let (codes, scales, biases) = w.quantize(Packing::DEFAULT)?;
                Ok(vec![codes, scales, biases])
            };
            Row { name: "quantize_4096", flops: None, run: Box::new(run) }
        }
        "quantized_matmul_1" => quantized("quantized_matmul_1", 1)?,
        "quantized_matmul_512" => quantized("quantized_matmul_512", 512)?,
        _ => return Ok(None),
    }))
}

fn quantized(name: &'static str, rows: usize) -> Result<Row> {
    let (codes, scales, biases) = floats(&[SIDE, SIDE])?.quantize(Packing::DEFAULT)?;
    holdall::eval(&[&codes, &scales, &biases])?;
    let x = floats(&[rows, SIDE])?;
    let flops = 2.0 * rows as f64 * (SIDE * SIDE) as f64;
    Ok(row(name, Some(flops), move || x.quantized_matmul(&codes, &scales, &biases, true, Packing::DEFAULT)))
}

const NAMES: &[&str] = &[
    "matmul_1024",
    "matmul_4096",
    "matvec_4096",
    "add_16m",
    "exp_16m",
    "arithmetic_8_16m",
    "transcendental_9_16m",
    "sum_16m",
    "softmax_4096",
    "sdpa_h32_l1024_d64",
    "rms_norm_4096",
    "quantize_4096",
    "quantized_matmul_1",
    "quantized_matmul_512",
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let repeat: usize = arguments.first().and_then(|n| n.parse().ok()).unwrap_or(7);
    let chosen: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
    for name in if chosen.is_empty() { NAMES.to_vec() } else { chosen } {
        let Some(row) = make(name)? else {
            eprintln!("unknown row {name:?}; there are {}", NAMES.join(", "));
            std::process::exit(2);
        };
        let mut times = Vec::new();
        // The first run warms up, and is not counted.
        for round in 0..=repeat.max(1) {
            let start = Instant::now();
            let results = (row.run)()?;
            holdall::eval(&results.iter().collect::<Vec<_>>())?;
            drop(results);
            if round > 0 {
                times.push(start.elapsed().as_secs_f64());
            }
        }
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        let gflops = row.flops.map_or("null".to_owned(), |f| format!("{:.1}", f / median / 1e9));
        println!(
            "{{\"name\": \"{}\", \"ms\": {:.4}, \"min_ms\": {:.4}, \"gflops\": {gflops}}}",
            row.name,
            median * 1e3,
            times[0] * 1e3
        );
    }
    Ok(())
}
