//! Custom kernels of many sorts, over squares of float32 with elements within ±1.
//!
//! Each is safe whatever its inputs hold, so that a device that gives it the wrong memory sees wrong values and nothing
//! worse. None depends on the order in which its threads run, so results can be compared bit by bit.

use holdall_core::ops::KernelCall;
use holdall_core::{Array, Dtype, MetalKernel, Operand, Result};

use super::step::Step;

/// Makes a square of the step's inputs with one call of a kernel.
pub(super) type Make = fn(&mut Step<'_>) -> Result<Array>;

/// All of them, with their names.
pub(super) const KERNELS: [(&str, Make); 18] = [
    ("mix", mix),
    ("row_tree", row_tree),
    ("row_simd", row_simd),
    ("histogram", histogram),
    ("halves", halves),
    ("three_outputs", three_outputs),
    ("strided", strided),
    ("butterfly", butterfly),
    ("mirror_tile", mirror_tile),
    ("running_mean", running_mean),
    ("row_peak", row_peak),
    ("by_value", by_value),
    ("narrow_types", narrow_types),
    ("far_reads", far_reads),
    ("tiled_product", tiled_product),
    ("private_sort", private_sort),
    ("sparse_writes", sparse_writes),
    ("templates", templates),
];

/// A kernel whose text has the step's salt in it: another salt is another kernel of the same name.
fn kernel(step: &Step<'_>, name: &str, source: &str) -> MetalKernel {
    MetalKernel::new(name, source).header(format!("#define SALT {}\n", step.salt)).outputs(["out"])
}

fn side(step: &Step<'_>) -> u32 {
    step.n as u32
}

/// A call with a square of float32 as its next output, and the side as a constant `N`.
fn square(step: &Step<'_>, call: KernelCall) -> KernelCall {
    call.output([step.n, step.n], Dtype::Float32).template("N", step.n as i32)
}

/// One thread for each element, in groups of a random size.
fn flat(step: &mut Step<'_>, call: KernelCall) -> KernelCall {
    let group = [32, 64, 96, 128, 256, 37][step.random.below(6)];
    call.grid([side(step) * side(step), 1, 1]).threadgroup([group, 1, 1])
}

/// One SIMD group for each row.
fn row_simdgroups(step: &Step<'_>, call: KernelCall) -> KernelCall {
    call.grid([32, side(step), 1]).threadgroup([32, 1, 1])
}

fn one(step: &mut Step<'_>, call: KernelCall) -> Result<Array> {
    Ok(step.call(call)?.swap_remove(0))
}

fn mix(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint i = thread_position_in_grid.x;
        out[i] = 0.5f * x[i] + (0.25f + 0.0625f * float(SALT % 4)) * y[i];";
    let call = kernel(step, "mix", source).inputs(["x", "y"]).call([step.x, step.y]);
    let call = square(step, call);
    let call = flat(step, call);
    one(step, call)
}

fn row_tree(step: &mut Step<'_>) -> Result<Array> {
    let source = "threadgroup float part[64];
        uint t = thread_position_in_threadgroup.x;
        uint row = threadgroup_position_in_grid.x;
        float sum = 0.0f;
        for (uint c = t; c < uint(N); c += 64) sum += abs(x[row * N + c]);
        part[t] = sum;
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint s = 32; s > 0; s >>= 1) {
            if (t < s) part[t] += part[t + s];
            threadgroup_barrier(mem_flags::mem_threadgroup);
        }
        float scale = 1.0f / (1.0f + part[0] / float(N + SALT % 8));
        for (uint c = t; c < uint(N); c += 64) out[row * N + c] = x[row * N + c] * scale;";
    let call = kernel(step, "row_tree", source).inputs(["x"]).call([step.x]);
    let call = square(step, call).grid([64 * side(step), 1, 1]).threadgroup([64, 1, 1]);
    one(step, call)
}

fn row_simd(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint lane = thread_index_in_simdgroup;
        uint row = thread_position_in_grid.y;
        float sum = 0.0f, peak = 0.0f;
        for (uint c = lane; c < uint(N); c += 32) {
            sum += x[row * N + c];
            peak = max(peak, abs(x[row * N + c]));
        }
        sum = simd_sum(sum);
        peak = simd_max(peak);
        for (uint c = lane; c < uint(N); c += 32)
            out[row * N + c] = x[row * N + c] / (1.0f + peak) + 0.25f * sum / float(N + SALT % 8);";
    let call = kernel(step, "row_simd", source).inputs(["x"]).call([step.x]);
    let call = square(step, call);
    let call = row_simdgroups(step, call);
    one(step, call)
}

fn histogram(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint i = thread_position_in_grid.x;
        int bin = clamp(int((x[i] * 0.5f + 0.5f) * float(N)) + SALT % 3, 0, N - 1);
        atomic_fetch_add_explicit(&out[bin], 1, memory_order_relaxed);";
    let call = kernel(step, "histogram", source).inputs(["x"]).atomic_outputs(true).call([step.x]);
    let call = call.output([step.n], Dtype::Int32).template("N", step.n as i32).init_value(0.0);
    let call = flat(step, call);
    let counts = one(step, call)?;
    let share = step.done(Ok(counts.astype(Dtype::Float32)))?;
    let share = step.done(share.multiply(1.0 / (step.n * step.n) as f32))?;
    step.done(step.y.multiply(&share))
}

fn halves(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint i = thread_position_in_grid.x;
        half h = half(x[i]);
        coarse[i] = h;
        fine[i] = x[i] - float(h) + 0.001f * float(SALT % 4);";
    let kernel = kernel(step, "halves", source).inputs(["x"]).outputs(["coarse", "fine"]);
    let shape = [step.n, step.n];
    let call = kernel.call([step.x]).output(shape, Dtype::Float16).output(shape, Dtype::Float32);
    let call = flat(step, call);
    let made = step.call(call)?;
    let coarse = step.done(Ok(made[0].astype(Dtype::Float32)))?;
    let half = step.done(coarse.multiply(0.5f32))?;
    step.done(half.add(&made[1]))
}

fn three_outputs(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint i = thread_position_in_grid.x;
        float v = x[i] * float(3 + SALT % 4);
        int k = int(v);
        whole[i] = k;
        rest[i] = v - float(k);
        below[i] = v < 0.0f;";
    let kernel = kernel(step, "three_outputs", source).inputs(["x"]).outputs(["whole", "rest", "below"]);
    let shape = [step.n, step.n];
    let call = kernel.call([step.x]).output(shape, Dtype::Int32).output(shape, Dtype::Float32);
    let call = call.output(shape, Dtype::Bool);
    let call = flat(step, call);
    let made = step.call(call)?;
    let whole = step.done(made[0].multiply(0.125f32))?;
    step.done(Array::select(&made[2], &made[1], &whole))
}

fn strided(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint i = thread_position_in_grid.x;
        auto at = elem_to_loc(i, x_shape, x_strides, x_ndim);
        out[i] = x[at] * (0.5f + 0.125f * float(SALT % 4)) + 0.0625f * float(x_ndim);";
    let x = step.done(step.x.transpose(&[]))?;
    let call = kernel(step, "strided", source).inputs(["x"]).ensure_row_contiguous(false).call([&x]);
    let call = call.output([step.n, step.n], Dtype::Float32);
    let call = flat(step, call);
    one(step, call)
}

fn butterfly(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint lane = thread_index_in_simdgroup;
        uint row = thread_position_in_grid.y;
        for (uint base = 0; base < uint(N); base += 32) {
            uint c = base + lane;
            float v = c < uint(N) ? x[row * N + c] : 0.0f;
            v = 0.5f * (v + simd_shuffle_xor(v, ushort(1 << (SALT % 5))));
            v = 0.5f * (v + simd_broadcast(v, ushort(SALT % 32)));
            if (c < uint(N)) out[row * N + c] = v;
        }";
    let call = kernel(step, "butterfly", source).inputs(["x"]).call([step.x]);
    let call = square(step, call);
    let call = row_simdgroups(step, call);
    one(step, call)
}

fn mirror_tile(step: &mut Step<'_>) -> Result<Array> {
    let source = "threadgroup float tile[8][9];
        uint2 at = thread_position_in_grid.xy;
        uint2 t = thread_position_in_threadgroup.xy;
        tile[t.y][t.x] = x[at.y * N + at.x];
        threadgroup_barrier(mem_flags::mem_threadgroup);
        float turned = tile[t.y][threads_per_threadgroup.x - 1 - t.x];
        out[at.y * N + at.x] = 0.5f * turned + 0.5f * y[at.x * N + at.y] / float(1 + SALT % 3);";
    let call = kernel(step, "mirror_tile", source).inputs(["x", "y"]).call([step.x, step.y]);
    let call = square(step, call).grid([side(step), side(step), 1]).threadgroup([8, 8, 1]);
    one(step, call)
}

fn running_mean(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint lane = thread_index_in_simdgroup;
        uint row = thread_position_in_grid.y;
        float carry = 0.0f;
        for (uint base = 0; base < uint(N); base += 32) {
            uint c = base + lane;
            float sum = carry + simd_prefix_inclusive_sum(c < uint(N) ? x[row * N + c] : 0.0f);
            if (c < uint(N)) out[row * N + c] = sum / float(c + 1 + SALT % 4);
            carry = simd_broadcast(sum, ushort(31));
        }";
    let call = kernel(step, "running_mean", source).inputs(["x"]).call([step.x]);
    let call = square(step, call);
    let call = row_simdgroups(step, call);
    one(step, call)
}

fn row_peak(step: &mut Step<'_>) -> Result<Array> {
    let source = "threadgroup atomic_int peak;
        uint t = thread_position_in_threadgroup.x;
        uint row = threadgroup_position_in_grid.x;
        if (t == 0) atomic_store_explicit(&peak, SALT % 5, memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        for (uint c = t; c < uint(N); c += 32)
            atomic_fetch_max_explicit(&peak, int(clamp(abs(x[row * N + c]), 0.0f, 1.0f) * 1e6f), memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        float p = float(atomic_load_explicit(&peak, memory_order_relaxed)) * 1e-6f;
        for (uint c = t; c < uint(N); c += 32) out[row * N + c] = x[row * N + c] / (1.0f + p);";
    let call = kernel(step, "row_peak", source).inputs(["x"]).call([step.x]);
    let call = square(step, call).grid([32 * side(step), 1, 1]).threadgroup([32, 1, 1]);
    one(step, call)
}

fn by_value(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint i = thread_position_in_grid.x;
        out[i] = x[i] * factor + shifts[(i + SALT) % 4];";
    let shifts = Array::from_slice(&[0.0f32, 0.125, -0.125, 0.25], &[4])?;
    let factor = 0.25 + 0.125 * step.random.below(4) as f32;
    let inputs = [Operand::from(step.x), factor.into(), (&shifts).into()];
    let call = kernel(step, "by_value", source).inputs(["x", "factor", "shifts"]).call(inputs);
    let call = call.output([step.n, step.n], Dtype::Float32);
    let call = flat(step, call);
    one(step, call)
}

fn narrow_types(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint i = thread_position_in_grid.x;
        out[i] = T(0.5f) * x[i] + T(0.0625f * float(SALT % 4));";
    let dtype = if step.random.below(2) == 0 { Dtype::Bfloat16 } else { Dtype::Float16 };
    let x = step.done(Ok(step.x.astype(dtype)))?;
    let call = kernel(step, "narrow_types", source).inputs(["x"]).call([&x]).template("T", dtype);
    let call = call.output([step.n, step.n], dtype);
    let call = flat(step, call);
    let made = one(step, call)?;
    step.done(Ok(made.astype(Dtype::Float32)))
}

fn far_reads(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint col = thread_position_in_grid.x;
        uint row = thread_position_in_grid.y;
        uint r = (row * 7 + SALT) % N;
        uint c = (col * 3 + 1) % N;
        out[row * N + col] = 0.5f * (x[r * N + c] + y[row * N + col]);";
    let call = kernel(step, "far_reads", source).inputs(["x", "y"]).call([step.x, step.y]);
    let call = square(step, call).grid([side(step), side(step), 1]).threadgroup([16, 5, 1]);
    one(step, call)
}

fn tiled_product(step: &mut Step<'_>) -> Result<Array> {
    let source = "threadgroup float a[8][8];
        threadgroup float b[8][8];
        uint2 at = thread_position_in_grid.xy;
        uint2 t = thread_position_in_threadgroup.xy;
        uint n = N;
        float sum = 0.0f;
        for (uint k = 0; k < n; k += 8) {
            a[t.y][t.x] = at.y < n && k + t.x < n ? x[at.y * n + k + t.x] : 0.0f;
            b[t.y][t.x] = k + t.y < n && at.x < n ? y[(k + t.y) * n + at.x] : 0.0f;
            threadgroup_barrier(mem_flags::mem_threadgroup);
            for (uint j = 0; j < 8; j++) sum += a[t.y][j] * b[j][t.x];
            threadgroup_barrier(mem_flags::mem_threadgroup);
        }
        if (at.x < n && at.y < n) out[at.y * n + at.x] = sum / float(n + SALT % 8);";
    let call = kernel(step, "tiled_product", source).inputs(["x", "y"]).call([step.x, step.y]);
    let whole = side(step).next_multiple_of(8);
    let call = square(step, call).grid([whole, whole, 1]).threadgroup([8, 8, 1]);
    one(step, call)
}

fn private_sort(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint i = thread_position_in_grid.x;
        float w[5];
        for (uint j = 0; j < 5; j++) w[j] = x[(i + j * (N + SALT % 7)) % uint(N * N)];
        for (uint a = 1; a < 5; a++)
            for (uint b = a; b > 0 && w[b - 1] > w[b]; b--) {
                float swapped = w[b];
                w[b] = w[b - 1];
                w[b - 1] = swapped;
            }
        out[i] = w[2];";
    let call = kernel(step, "private_sort", source).inputs(["x"]).call([step.x]);
    let call = square(step, call);
    let call = flat(step, call);
    one(step, call)
}

fn sparse_writes(step: &mut Step<'_>) -> Result<Array> {
    let source = "uint i = thread_position_in_grid.x;
        if (x[i] > 0.03125f * float(SALT % 8)) out[i] = -x[i];";
    let call = kernel(step, "sparse_writes", source).inputs(["x"]).call([step.x]).init_value(0.25);
    let call = call.output([step.n, step.n], Dtype::Float32);
    let call = flat(step, call);
    one(step, call)
}

fn templates(step: &mut Step<'_>) -> Result<Array> {
    let header = format!(
        "template <typename T> struct Pair {{ T a; T b; T mean() const {{ return (a + b) * T(0.5f); }} }};
        template <typename T> T blend(T a, T b, T t) {{ return a + (b - a) * t; }}
        constant constexpr float WEIGHT = {}.0f / 16.0f;\n",
        step.salt % 16
    );
    let source = "uint i = thread_position_in_grid.x;
        Pair<T> pair = {x[i], y[i]};
        switch (i % 3) {
            case 0: out[i] = pair.mean(); break;
            case 1: out[i] = blend<T>(pair.a, pair.b, T(WEIGHT)); break;
            default: out[i] = FLIP ? -pair.b : pair.a;
        }";
    let flip = step.random.below(2) == 0;
    let kernel = MetalKernel::new("templates", source).header(header).inputs(["x", "y"]).outputs(["out"]);
    let call = kernel.call([step.x, step.y]).template("T", Dtype::Float32).template("FLIP", flip);
    let call = call.output([step.n, step.n], Dtype::Float32);
    let call = flat(step, call);
    one(step, call)
}
