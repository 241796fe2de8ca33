//! Host overhead: a chain of scalar adds, built, evaluated and dropped.
//!
//! `cargo run --release -p holdall --example chain -- 100000`
use std::time::Instant;

use holdall::{Array, Result};

fn main() -> Result<()> {
    let n: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    for _ in 0..5 {
        let mut x = Array::from_slice(&[0.0f32], &[])?;
        let start = Instant::now();
        for _ in 0..n {
            x = x.add(1.0)?;
        }
        let built = start.elapsed();
        x.eval()?;
        let evaluated = start.elapsed();
        drop(x);
        let per_op = |t: std::time::Duration| t.as_nanos() as f64 / n as f64;
        println!(
            "{n} adds: build {:.0} ns, evaluate {:.0} ns, drop {:.0} ns an op",
            per_op(built),
            per_op(evaluated - built),
            per_op(start.elapsed() - evaluated)
        );
    }
    Ok(())
}
