//! Lists a GGUF file and times how fast its weights are read: `cargo run --release -p holdall-formats --example
//! gguf_load -- model.gguf [threads]`.

use std::time::Instant;

use holdall_formats::Result;
use holdall_formats::gguf::{Gguf, GgufTensor};

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_default();
    let n_threads: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(1);

    let start = Instant::now();
    let file = Gguf::open(path)?;
    let header = start.elapsed();
    for (key, value) in file.metadata().iter() {
        println!("{key}: {}", value.type_name());
    }
    for t in file.tensors() {
        println!("{} {:?} {}", t.name(), t.shape(), t.encoding());
    }

    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = Instant::now();
        for t in file.tensors() {
            read(t, n_threads)?;
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let bytes: u64 = file.tensors().iter().map(|t| t.data().len()).sum();
    println!(
        "header {:.1} ms; {:.1} MB of tensors in {:.1} ms, {:.2} GB/s on {n_threads} thread(s)",
        header.as_secs_f64() * 1e3,
        bytes as f64 / 1e6,
        best * 1e3,
        bytes as f64 / 1e9 / best
    );
    Ok(())
}

/// Reads one tensor in affine form if it has one, else as floats; rows are shared among threads.
fn read(t: &GgufTensor, n_threads: usize) -> Result<()> {
    let rows_each = t.n_rows().div_ceil(n_threads).max(1);
    let Some(affine) = t.affine() else {
        let mut out = vec![0.0; t.n_rows() * t.n_cols()];
        return t.dequantize_f32(0..t.n_rows(), &mut out);
    };
    let n_groups = t.n_rows() * t.n_cols() / affine.group_size;
    let (mut weights, mut scales, mut biases) =
        (vec![0; n_groups * affine.bits], vec![0; n_groups], vec![0; n_groups]);
    let groups_each = rows_each * t.n_cols() / affine.group_size;
    std::thread::scope(|scope| {
        let parts = weights.chunks_mut(groups_each * affine.bits);
        let parts = parts.zip(scales.chunks_mut(groups_each)).zip(biases.chunks_mut(groups_each)).enumerate();
        let workers: Vec<_> = parts
            .map(|(i, ((w, s), b))| {
                let rows = i * rows_each..((i + 1) * rows_each).min(t.n_rows());
                scope.spawn(move || t.read_affine(rows, w, s, b))
            })
            .collect();
        workers.into_iter().try_for_each(|w| w.join().expect("no reader panics"))
    })
}
