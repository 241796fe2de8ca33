//! Kernels of the kinds that people write.

use holdall_msl::{ElementType, TemplateValue};

use super::samples;
use super::support::{Kernel, floats, to_floats, to_ints};

fn ramp(n: usize, step: f32) -> Vec<f32> {
    (0..n).map(|i| ((i * 37 + 11) % 101) as f32 * step - 1.0).collect()
}

#[test]
fn exponential() {
    let x = ramp(1000, 0.05);
    let body = "uint i = thread_position_in_grid.x; y[i] = metal::exp(x[i]);";
    let y = Kernel::new(body).floats("x", &x).output("y", ElementType::F32, 1000).grid(1000, 256).near();
    assert!((to_floats(&y[0])[5] - x[5].exp()).abs() < 1e-5);
}

#[test]
fn softmax_of_rows() {
    let (rows, columns) = (3, 70);
    Kernel::new(samples::SOFTMAX)
        .input("x", ElementType::F32, floats(&ramp(rows * columns, 0.05)), vec![rows, columns])
        .output("y", ElementType::F32, rows * columns)
        .template("T", TemplateValue::Type(ElementType::F32))
        .grid(64 * rows as u32, 64)
        .near();
}

#[test]
fn givens_rotations_of_pairs() {
    let n = 16;
    let pairs = (0..n as i16).rev().flat_map(i16::to_le_bytes).collect();
    Kernel::new(samples::GIVENS)
        .header(samples::GIVENS_HEADER)
        .floats("x", &ramp(n, 0.1))
        .floats("theta", &ramp(n / 2, 0.01))
        .input("pairs", ElementType::I16, pairs, vec![n])
        .output("y", ElementType::F32, n)
        .template("N", TemplateValue::Int(n as i32))
        .grid(n as u32 / 2, 8)
        .near();
}

#[test]
fn gated_delta_step() {
    let (dk, dv) = (64, 4);
    Kernel::new(samples::GATED_DELTA)
        .floats("q", &ramp(dk, 0.02))
        .floats("k", &ramp(dk, 0.01))
        .floats("v", &ramp(dv, 0.03))
        .floats("gate", &[0.9, 0.5])
        .floats("state_in", &ramp(dk * dv, 0.001))
        .output("y", ElementType::F32, dv)
        .output("state_out", ElementType::F32, dk * dv)
        .template("Dk", TemplateValue::Int(dk as i32))
        .space([32, dv as u32, 1], [32, 2, 1])
        .near();
}

#[test]
fn grid_sample_gradient_with_atomics() {
    let mut kernel = Kernel::new(samples::GRID_SAMPLE)
        .floats("position", &[0.5, 0.25, 1.0, 1.0])
        .floats("cotangent", &[4.0, 8.0])
        .output("y", ElementType::F32, 9)
        .template("W", TemplateValue::Int(3))
        .grid(2, 2);
    kernel.atomic = true;
    kernel.exact();
}

#[test]
fn prefix_sum_over_simd_groups() {
    let x: Vec<i32> = (0..100).map(|i| i % 7).collect();
    Kernel::new(samples::PREFIX_SUM).ints("x", &x).output("y", ElementType::I32, 100).grid(100, 128).exact();
}

#[test]
fn histogram_by_casting_the_output() {
    let x: Vec<i32> = (0..90).map(|i| (i * i) % 10).collect();
    Kernel::new(samples::HISTOGRAM).ints("x", &x).output("y", ElementType::U32, 10).grid(90, 64).exact();
}

#[test]
fn tiled_and_matrix_multiplication() {
    let n = 16;
    let base = |body| {
        Kernel::new(body)
            .header(samples::MATMUL_HEADER)
            .input("a", ElementType::F32, floats(&ramp(n * n, 0.01)), vec![n, n])
            .input("b", ElementType::F32, floats(&ramp(n * n, 0.02)), vec![n, n])
            .output("c", ElementType::F32, n * n)
    };
    base(samples::MATMUL).space([16, 16, 1], [8, 8, 1]).near();
    base(samples::SIMD_MATMUL).space([64, 2, 1], [32, 1, 1]).near();
}

#[test]
fn top_k_of_a_row() {
    Kernel::new(samples::TOP_K)
        .header(samples::TOP_K_HEADER)
        .floats("x", &(0..50).map(|i| (i * 37 % 101) as f32).collect::<Vec<_>>())
        .output("values", ElementType::F32, 4)
        .output("indices", ElementType::I32, 4)
        .template("K", TemplateValue::Int(4))
        .grid(32, 32)
        .exact();
}

#[test]
fn strided_exponential() {
    Kernel::new(samples::STRIDED_EXP)
        .input("x", ElementType::F32, floats(&ramp(24, 0.05)), vec![2, 3, 4])
        .output("y", ElementType::F32, 24)
        .template("T", TemplateValue::Type(ElementType::F32))
        .grid(24, 24)
        .near();
}

#[test]
fn short_float_activation_with_a_type_parameter() {
    for element in [ElementType::BF16, ElementType::F16] {
        let bits = |v: f32| match element {
            ElementType::BF16 => half::bf16::from_f32(v).to_le_bytes(),
            _ => half::f16::from_f32(v).to_le_bytes(),
        };
        let x: Vec<u8> = ramp(32, 0.1).into_iter().flat_map(bits).collect();
        Kernel::new(samples::BF16)
            .header(samples::BF16_HEADER)
            .input("x", element, x, vec![32])
            .output("y", element, 32)
            .template("T", TemplateValue::Type(element))
            .grid(8, 8)
            .exact();
    }
}

#[test]
fn simd_votes_shuffles_and_early_exits() {
    let body = "uint i = thread_position_in_grid.x; if (i >= 20) return; uint lane = thread_index_in_simdgroup;
        int v = x[i]; y[i] = simd_sum(v); y[20 + i] = simd_shuffle_down(v, 1); y[40 + i] = simd_broadcast(v, 3);
        y[60 + i] = simd_any(v > 18) + 2 * simd_all(v > 18) + 4 * (uint64_t(simd_ballot(v < 2)) == 3);
        y[80 + i] = simd_prefix_exclusive_sum(v); y[100 + i] = lane + threads_per_simdgroup; half2 h = simd_shuffle_xor(half2(v), 1u); y[120 + i] = h.y;
        threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device); simdgroup_barrier(mem_flags::mem_none);";
    let x: Vec<i32> = (0..20).collect();
    let y = Kernel::new(body).ints("x", &x).output("y", ElementType::I32, 140).grid(32, 32).run();
    let y = to_ints(&y[0]);
    assert!(y[..20].iter().all(|v| *v == 190), "{y:?}");
    assert_eq!((y[20], y[38]), (1, 19));
    assert!(y[40..60].iter().all(|v| *v == 3) && y[60..80].iter().all(|v| *v == 5));
    assert_eq!((y[80], y[83], y[99]), (0, 3, 171));
    assert_eq!((y[105], y[124], y[125]), (37, 5, 4));
}

#[test]
fn atomics_in_threadgroup_memory_and_exchange_loops() {
    let body = "threadgroup atomic_int bins[4]; uint i = thread_position_in_threadgroup.x;
        if (i < 4) atomic_store_explicit(&bins[i], 0, memory_order_relaxed); threadgroup_barrier(mem_flags::mem_threadgroup);
        atomic_fetch_add_explicit(&bins[x[i] % 4], 1, memory_order_relaxed); atomic_fetch_max_explicit((device atomic_int*)&y[4], x[i], memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup); if (i < 4) y[i] = atomic_load_explicit(&bins[i], memory_order_relaxed);
        device atomic_float* f = (device atomic_float*)(y + 5); float old = atomic_load_explicit(f, memory_order_relaxed);
        device atomic_uint* u = (device atomic_uint*)(y + 6); uint seen = atomic_load_explicit(u, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(u, &seen, seen + 2, memory_order_relaxed, memory_order_relaxed)) {}
        atomic_fetch_add_explicit(f, 0.5f + old * 0, memory_order_relaxed);";
    let x: Vec<i32> = (0..10).collect();
    let y = Kernel::new(body).ints("x", &x).output("y", ElementType::I32, 7).grid(10, 10).run();
    assert_eq!(to_ints(&y[0]), [3, 3, 2, 2, 9, 5f32.to_bits() as i32, 20]);
}
