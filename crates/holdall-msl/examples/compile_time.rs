//! How long compiling takes: `cargo run --release -p holdall-msl --example compile_time`.

use std::time::Instant;

use holdall_msl::ir::Stmt;
use holdall_msl::{ElementType, Input, KernelSource, Output, Signature, compile};

const BODY: &str = "
uint i = thread_position_in_grid.x; uint lane = thread_index_in_simdgroup;
threadgroup float shared[64];
const device float* row = x + i * 16;
float acc[4]; float4 v = float4(row[0], row[1], row[2], row[3]);
for (int k = 0; k < 4; k++) acc[k] = v[k] * 0.5f;
float best = -INFINITY;
for (int k = 0; k < 16; k += 4) {
  float4 w = float4(row[k], row[k + 1], row[k + 2], row[k + 3]);
  v = metal::fma(v, w, float4(1)); best = max(best, dot(v, w));
  if (best > 100.0f) { best *= 0.5f; continue; }
  acc[k / 4] += metal::exp(-best) + helper(w.x, w.y);
}
";

fn n_ops(block: &[Stmt]) -> usize {
    block
        .iter()
        .map(|statement| match statement {
            Stmt::If { then, otherwise, .. } => 1 + n_ops(then) + n_ops(otherwise),
            Stmt::Loop { body, .. } | Stmt::Block { body, .. } => 1 + n_ops(body),
            _ => 1,
        })
        .sum()
}

fn main() {
    let mut body = BODY.to_owned();
    for step in 0..40 {
        body.push_str(&format!("shared[lane] = best + acc[{0}] * helper(v.x, {step}.0f);\n", step % 4));
        body.push_str(
            "threadgroup_barrier(mem_flags::mem_threadgroup); best = simd_sum(shared[lane ^ 1]);\n",
        );
    }
    body.push_str("y[elem_to_loc(i, x_shape, x_strides, x_ndim)] = best;\n");
    let header = "float helper(float a, float b) { if (a < b) return a; return sqrt(a * a + b * b); }";
    let input = Input { name: "x", element: ElementType::F32, ndim: 2, n_elems: 4096 };
    let output = Output { name: "y", element: ElementType::F32 };
    let source = KernelSource { name: "timed", header, body: &body };
    let run = || {
        let signature =
            Signature::derive(&body, &[input], &[output], false, &[]).expect("the signature is sound");
        let start = Instant::now();
        let compiled = compile(&source, &signature).unwrap_or_else(|error| panic!("{error}"));
        (start.elapsed(), compiled)
    };
    let (first, compiled) = run();
    let mut times: Vec<_> = (0..200).map(|_| run().0).collect();
    times.sort();
    let (lines, ops) = (body.lines().count(), n_ops(&compiled.program.body));
    println!(
        "{lines} lines to {ops} statements: first {first:?} with the prelude, then {:?} (median)",
        times[100]
    );
}
