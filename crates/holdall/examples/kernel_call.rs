//! What a call of a custom kernel costs the host: `cargo run --release -p holdall --example kernel_call`.
//!
//! *build* makes the op, *record* is its share of an evaluation that does not wait, both for a kernel that was called before.
//! *first call* has 100 lines that nobody has seen, and is all there is until its result can be read.

use std::time::{Duration, Instant};

use holdall::{Array, Dtype, MetalKernel, async_eval, eval};

/// Calls of one evaluation: few enough that recording never waits for the device.
const CALLS: usize = 500;

fn rotation() -> MetalKernel {
    let source = "
        uint i = thread_position_in_grid.x;
        for (int k = 0; k < N; k++) { T a = x[2 * i], b = x[2 * i + 1]; y[2 * i] = a * c[k] - b * s[k]; y[2 * i + 1] = a * s[k] + b * c[k]; }
        z[i] = x_shape[0];";
    MetalKernel::new("rotation", source).inputs(["x", "c", "s", "offset"]).outputs(["y", "z"])
}

fn call(kernel: &MetalKernel, inputs: &[Array; 3]) -> holdall::Result<Vec<Array>> {
    let [x, c, s] = inputs;
    let inputs = [x.into(), c.into(), s.into(), holdall::Operand::from(1)];
    let call = kernel.call(inputs).output([16], Dtype::Float32).output([8], Dtype::Int32);
    call.template("T", Dtype::Float32).template("N", 2).grid([8, 1, 1]).threadgroup([8, 1, 1]).build()
}

/// A hundred lines, different each time.
fn long(seed: usize) -> MetalKernel {
    let mut source = "uint i = thread_position_in_grid.x;\nfloat a = x[i], b = 1;\n".to_owned();
    for line in 0..97 {
        source += &match line % 4 {
            0 => {
                format!("if (a > {line}.5f) {{ a = metal::exp(-a) + b; }} else {{ b += a * {seed}.25f; }}\n")
            }
            1 => format!("for (int k = 0; k < {}; k++) {{ b = fma(a, b, x[k]); }}\n", line % 7 + 2),
            2 => "a += simd_sum(b) * 0.5f;\n".to_owned(),
            _ => format!("float t{line} = a * b; a = max(t{line}, b) - {line};\n"),
        };
    }
    MetalKernel::new("long", source + "y[i] = a + b;").inputs(["x"]).outputs(["y"])
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() -> holdall::Result<()> {
    let x = Array::arange(0.0, 16.0, 1.0, Some(Dtype::Float32))?;
    let factors = Array::from_slice(&[0.6f32, 0.8], &[2])?;
    let inputs = [x.contiguous(), factors.clone(), factors];
    eval(&inputs.iter().collect::<Vec<_>>())?;
    let kernel = rotation();
    eval(&[&call(&kernel, &inputs)?[0]])?;
    let (mut build, mut record) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        let start = Instant::now();
        let made: Vec<Array> =
            (0..CALLS).map(|_| Ok(call(&kernel, &inputs)?.swap_remove(0))).collect::<holdall::Result<_>>()?;
        build.push(start.elapsed());
        let all: Vec<&Array> = made.iter().collect();
        let start = Instant::now();
        async_eval(&all)?;
        record.push(start.elapsed());
        eval(&all)?;
    }
    let each = |times| median(times).as_nanos() / CALLS as u128;
    let (build, record) = (each(build), each(record));
    println!("a cached call: {build} ns to build, {record} ns to record, {} ns together", build + record);
    let mut first = Vec::new();
    for seed in 0..100 {
        let (kernel, start) = (long(seed), Instant::now());
        let y =
            kernel.call([&inputs[0]]).output([16], Dtype::Float32).grid([16, 1, 1]).threadgroup([16, 1, 1]);
        eval(&[&y.build()?[0]])?;
        first.push(start.elapsed());
    }
    println!("a first call of 100 lines: {:?} until it has run", median(first));
    Ok(())
}
