//! Times reductions, scans, sorts and random bits on the default device.

use std::time::Instant;

use holdall::{Array, Dtype, Result, eval, random};

fn time(name: &str, f: impl Fn() -> Result<Array>) -> Result<()> {
    let mut times = vec![];
    for _ in 0..9 {
        let start = Instant::now();
        eval(&[&f()?])?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!("{name:<32} {:>9.3} ms best, {:>9.3} ms median", times[0], times[4]);
    Ok(())
}

fn main() -> Result<()> {
    let key = random::key(1)?;
    let uniform = |shape: &[usize]| -> Result<Array> {
        let x = random::uniform(-1.0, 1.0, shape, Dtype::Float32, Some(&key))?;
        x.eval()?;
        Ok(x)
    };
    let x = uniform(&[1 << 24])?;
    let square = x.reshape(&[4096, 4096])?;
    let half = x.astype(Dtype::Bfloat16);
    half.eval()?;
    time("sum 16M float32", || x.sum(None, false))?;
    time("sum 16M bfloat16", || half.sum(None, false))?;
    time("max 16M float32", || x.max(None, false))?;
    time("sum [4096, 4096] last axis", || square.sum(Some(&[1]), false))?;
    time("sum [4096, 4096] first axis", || square.sum(Some(&[0]), false))?;
    time("sum of the transpose, last axis", || square.transpose(&[])?.sum(Some(&[1]), false))?;
    time("argmax 16M", || x.argmax(None, false))?;
    time("argmax [4096, 4096] first axis", || square.argmax(Some(0), false))?;
    time("cumsum 16M", || x.cumsum(Some(0), false, true))?;
    time("cumsum [4096, 4096] last axis", || square.cumsum(Some(1), false, true))?;
    time("cumsum [4096, 4096] first axis", || square.cumsum(Some(0), false, true))?;
    time("random bits 16M uint32", || random::bits(&[1 << 24], 32, Some(&key)))?;
    time("uniform 16M", || random::uniform(0.0, 1.0, &[1 << 24], Dtype::Float32, Some(&key)))?;
    time("normal 16M", || random::normal(&[1 << 24], Dtype::Float32, None, None, Some(&key)))?;
    for n in [49_152, 250_000] {
        let y = uniform(&[1, n])?;
        time(&format!("argmax {n}"), || y.argmax(Some(-1), false))?;
        time(&format!("topk 50 of {n}"), || y.topk(50, Some(-1)))?;
        time(&format!("argpartition {n}"), || y.argpartition(-50, Some(-1)))?;
        time(&format!("argsort {n}"), || y.argsort(Some(-1)))?;
        time(&format!("categorical [1, {n}]"), || random::categorical(&y, -1, None, Some(&key)))?;
    }
    let million = uniform(&[1 << 20])?;
    time("sort 1M float32", || million.sort(None))?;
    time("argsort 1M float32", || million.argsort(None))?;
    Ok(())
}
