//! The ten kernels of the book's chapter "Write a kernel" (`docs/book/write-a-kernel.md`), each beside plain Rust or the
//! op that does the same.
//!
//! `cargo run -p holdall --example kernels` runs them all, `-- softmax rotate` those two; with `--checked`, in checked
//! mode.

mod exp;
mod gated_delta;
mod grid_sample;
mod histogram;
mod matmul;
mod prefix_sum;
mod random;
mod rotate;
mod softmax;
mod strided_exp;
mod top_k;

use holdall::{Array, Dtype, MetalKernel, Result};
use random::Random;
use serde_json::Value;

/// Runs a kernel on random arrays of random shapes and returns its largest error.
type Trial = fn(&mut Random, bool) -> Result<f64>;

/// The kernels, and which error is rounding.
const KERNELS: &[(&str, Trial, f64)] = &[
    ("exp", exp::trial, 2e-6),
    ("strided_exp", strided_exp::trial, 2e-6),
    ("softmax", softmax::trial, 5e-3),
    ("grid_sample", grid_sample::trial, 2e-5),
    ("rotate", rotate::trial, 5e-3),
    ("gated_delta", gated_delta::trial, 1e-2),
    ("prefix_sum", prefix_sum::trial, 1e-5),
    ("histogram", histogram::trial, 0.0),
    ("matmul", matmul::trial, 1e-5),
    ("top_k", top_k::trial, 0.0),
];

/// The kernel of a file in `docs/book/kernels`.
fn kernel(json: &str) -> MetalKernel {
    // The files are part of this program, and its tests read each of them.
    let file: Value = serde_json::from_str(json).expect("a file with a kernel");
    let text = |key: &str| file[key].as_str().unwrap_or_default().to_owned();
    let names = |key: &str| -> Vec<String> {
        let list = file[key].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    MetalKernel::new(text("name"), text("source"))
        .header(text("header"))
        .inputs(names("input_names"))
        .outputs(names("output_names"))
        .ensure_row_contiguous(file["ensure_row_contiguous"].as_bool().unwrap_or(true))
        .atomic_outputs(file["atomic_outputs"].as_bool().unwrap_or(false))
}

/// The elements as `float32`.
fn floats(x: &Array) -> Result<Vec<f32>> {
    x.astype(Dtype::Float32).to_vec()
}

/// The largest difference, relative to what is wanted where that is more than 1.
fn difference(got: &Array, want: &[f64]) -> Result<f64> {
    let got = floats(got)?;
    if got.len() != want.len() {
        return Ok(f64::INFINITY);
    }
    let errors = got.iter().zip(want).map(|(got, want)| {
        let error = (f64::from(*got) - want).abs() / want.abs().max(1.0);
        if error.is_nan() { f64::INFINITY } else { error }
    });
    Ok(errors.fold(0.0, f64::max))
}

fn main() -> Result<()> {
    let (options, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let checked = options.iter().any(|option| option == "--checked");
    for (name, trial, rounding) in KERNELS {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            let error = trial(&mut Random::new(1), checked)?;
            println!("{name}: largest error {error:.1e}, rounding explains {rounding:.1e}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{KERNELS, Random};

    #[test]
    fn kernels_do_what_plain_code_does() {
        for (name, trial, rounding) in KERNELS {
            for seed in 0..16 {
                for checked in [false, true] {
                    let error = trial(&mut Random::new(seed), checked);
                    let error = error.unwrap_or_else(|e| panic!("{name}, seed {seed}: {e}"));
                    assert!(error <= *rounding, "{name}, seed {seed}, checked {checked}: error {error:e}");
                }
            }
        }
    }
}
