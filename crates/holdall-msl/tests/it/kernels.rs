//! Whole kernels, as people write them: what they compute.

use holdall_msl::{ElementType, TemplateValue};

use crate::samples;
use crate::support::{Kernel, floats, to_floats, to_ints};

fn ramp(n: usize, scale: f32) -> Vec<f32> {
    (0..n).map(|i| ((i * 37 + 11) % 101) as f32 * scale).collect()
}

fn close(got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= 1e-4 * want.abs().max(1.0), "{i}: {got} and {want}");
    }
}

#[test]
fn softmax_of_rows() {
    let (rows, columns) = (3, 70);
    let x = ramp(rows * columns, 0.05);
    let got = Kernel::new(samples::SOFTMAX)
        .input("x", ElementType::F32, floats(&x), vec![rows, columns])
        .output("y", ElementType::F32, rows * columns)
        .template("T", TemplateValue::Type(ElementType::F32))
        .grid(64 * rows as u32, 64)
        .run_floats();
    let want: Vec<f32> = x
        .chunks(columns)
        .flat_map(|row| {
            let top = row.iter().copied().fold(f32::MIN, f32::max);
            let sum: f32 = row.iter().map(|v| (v - top).exp()).sum();
            row.iter().map(move |v| (v - top).exp() / sum)
        })
        .collect();
    close(&got, &want);
}

#[test]
fn givens_rotations_of_pairs() {
    let n = 16;
    let x = ramp(n, 0.1);
    let angles = ramp(n / 2, 0.01);
    let pairs: Vec<i16> = (0..n as i16).rev().collect();
    let bytes = pairs.iter().flat_map(|p| p.to_le_bytes()).collect();
    let got = Kernel::new(samples::GIVENS)
        .header(samples::GIVENS_HEADER)
        .floats("x", &x)
        .floats("theta", &angles)
        .input("pairs", ElementType::I16, bytes, vec![n])
        .output("y", ElementType::F32, n)
        .template("N", TemplateValue::Int(n as i32))
        .grid(n as u32 / 2, 8)
        .run_floats();
    let mut want = x.clone();
    for (i, angle) in angles.iter().enumerate() {
        let (a, b) = (pairs[2 * i] as usize, pairs[2 * i + 1] as usize);
        let (va, vb) = (x[a], x[b]);
        want[a] = va * angle.cos() - vb * angle.sin();
        want[b] = va * angle.sin() + vb * angle.cos();
    }
    close(&got, &want);
}

#[test]
fn gated_delta_step() {
    let (dk, dv) = (64, 4);
    let (k, q, v) = (ramp(dk, 0.01), ramp(dk, 0.02), ramp(dv, 0.03));
    let state = ramp(dk * dv, 0.001);
    let kernel = Kernel::new(samples::GATED_DELTA)
        .floats("q", &q)
        .floats("k", &k)
        .floats("v", &v)
        .floats("gate", &[0.9, 0.5])
        .floats("state_in", &state)
        .output("y", ElementType::F32, dv)
        .output("state_out", ElementType::F32, dk * dv)
        .template("Dk", TemplateValue::Int(dk as i32));
    let kernel = Kernel { grid: [32, dv as u32, 1], group: [32, 2, 1], ..kernel };
    let outputs = kernel.run();
    let (mut y, mut next) = (Vec::new(), Vec::new());
    for (row, v) in state.chunks(dk).zip(&v) {
        let mut row: Vec<f32> = row.iter().map(|s| s * 0.9).collect();
        let memory: f32 = row.iter().zip(&k).map(|(s, k)| s * k).sum();
        let delta = (v - memory) * 0.5;
        row.iter_mut().zip(&k).for_each(|(s, k)| *s += k * delta);
        y.push(row.iter().zip(&q).map(|(s, q)| s * q).sum());
        next.extend(row);
    }
    close(&to_floats(&outputs[0]), &y);
    close(&to_floats(&outputs[1]), &next);
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
    assert_eq!(kernel.run_floats(), [1.5, 1.5, 0.0, 0.5, 8.5, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn prefix_sum_over_simd_groups() {
    let x: Vec<i32> = (0..100).map(|i| i % 7).collect();
    let got = Kernel::new(samples::PREFIX_SUM)
        .ints("x", &x)
        .output("y", ElementType::I32, 100)
        .grid(100, 128)
        .run_ints();
    let mut sum = 0;
    let want: Vec<i32> = x
        .iter()
        .map(|v| {
            sum += v;
            sum
        })
        .collect();
    assert_eq!(got, want);
}

#[test]
fn histogram_by_casting_the_output() {
    let x: Vec<i32> = (0..90).map(|i| (i * i) % 10).collect();
    let got =
        Kernel::new(samples::HISTOGRAM).ints("x", &x).output("y", ElementType::U32, 10).grid(90, 64).run();
    let want: Vec<i32> = (0..10).map(|bin| x.iter().filter(|v| **v == bin).count() as i32).collect();
    assert_eq!(to_ints(&got[0]), want);
}

#[test]
fn tiled_and_matrix_multiplication_agree() {
    let n = 16;
    let (a, b) = (ramp(n * n, 0.01), ramp(n * n, 0.02));
    let want: Vec<f32> =
        (0..n * n).map(|i| (0..n).map(|k| a[i / n * n + k] * b[k * n + i % n]).sum()).collect();
    let base = |body| {
        Kernel::new(body)
            .header(samples::MATMUL_HEADER)
            .input("a", ElementType::F32, floats(&a), vec![n, n])
            .input("b", ElementType::F32, floats(&b), vec![n, n])
            .output("c", ElementType::F32, n * n)
    };
    let tiled = Kernel { grid: [16, 16, 1], group: [8, 8, 1], ..base(samples::MATMUL) };
    close(&tiled.run_floats(), &want);
    let matrices = Kernel { grid: [64, 2, 1], group: [32, 1, 1], ..base(samples::SIMD_MATMUL) };
    close(&matrices.run_floats(), &want);
}

#[test]
fn top_k_of_a_row() {
    let x = ramp(50, 1.0);
    let kernel = Kernel::new(samples::TOP_K)
        .header(samples::TOP_K_HEADER)
        .floats("x", &x)
        .output("values", ElementType::F32, 4)
        .output("indices", ElementType::I32, 4)
        .template("K", TemplateValue::Int(4))
        .grid(32, 32);
    let outputs = kernel.run();
    let mut order: Vec<usize> = (0..50).collect();
    order.sort_by(|a, b| x[*b].total_cmp(&x[*a]));
    let best: Vec<i32> = order[..4].iter().map(|i| *i as i32).collect();
    assert_eq!(to_ints(&outputs[1]), best);
    assert_eq!(to_floats(&outputs[0]), order[..4].iter().map(|i| x[*i]).collect::<Vec<_>>());
}

#[test]
fn strided_exponential() {
    let x = ramp(24, 0.05);
    let got = Kernel::new(samples::STRIDED_EXP)
        .input("x", ElementType::F32, floats(&x), vec![2, 3, 4])
        .output("y", ElementType::F32, 24)
        .template("T", TemplateValue::Type(ElementType::F32))
        .grid(24, 24)
        .run_floats();
    close(&got, &x.iter().map(|v| v.exp()).collect::<Vec<_>>());
}

#[test]
fn bfloat_activation_with_a_type_parameter() {
    let x: Vec<u8> = ramp(32, 0.1).iter().flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect();
    let got = Kernel::new(samples::BF16)
        .header(samples::BF16_HEADER)
        .input("x", ElementType::BF16, x, vec![32])
        .output("y", ElementType::BF16, 32)
        .template("T", TemplateValue::Type(ElementType::BF16))
        .grid(8, 8)
        .run();
    let got: Vec<f32> =
        got[0].chunks_exact(2).map(|c| half::bf16::from_le_bytes([c[0], c[1]]).to_f32()).collect();
    let want: Vec<f32> = ramp(32, 0.1)
        .iter()
        .map(|v| {
            let v = half::bf16::from_f32(*v).to_f32();
            half::bf16::from_f32(v / (1.0 + (-v).exp())).to_f32()
        })
        .collect();
    assert_eq!(got, want);
}

#[test]
fn simd_votes_shuffles_and_early_exits() {
    let body = "uint i = thread_position_in_grid.x; if (i >= 20) return; uint lane = thread_index_in_simdgroup;
        int v = x[i]; y[i] = simd_sum(v); y[20 + i] = simd_shuffle_down(v, 1); y[40 + i] = simd_broadcast(v, 3);
        y[60 + i] = simd_any(v > 18) + 2 * simd_all(v > 18) + 4 * (uint64_t(simd_ballot(v < 2)) == 3);
        y[80 + i] = simd_prefix_exclusive_sum(v); y[100 + i] = lane + threads_per_simdgroup; half2 h = simd_shuffle_xor(half2(v), 1u); y[120 + i] = h.y;
        threadgroup_barrier(mem_flags::mem_threadgroup | mem_flags::mem_device); simdgroup_barrier(mem_flags::mem_none);";
    let x: Vec<i32> = (0..20).collect();
    let y = Kernel::new(body).ints("x", &x).output("y", ElementType::I32, 140).grid(32, 32).run_ints();
    assert!(y[..20].iter().all(|v| *v == 190));
    assert_eq!((y[20], y[38], y[39]), (1, 19, 19));
    assert!(y[40..60].iter().all(|v| *v == 3) && y[60..80].iter().all(|v| *v == 5));
    assert_eq!((y[80], y[83], y[99]), (0, 3, 171));
    assert_eq!((y[105], y[124], y[125]), (37, 5, 4));
}

#[test]
fn atomics_in_threadgroup_memory() {
    let body = "threadgroup atomic_int bins[4]; uint i = thread_position_in_threadgroup.x;
        if (i < 4) atomic_store_explicit(&bins[i], 0, memory_order_relaxed); threadgroup_barrier(mem_flags::mem_threadgroup);
        atomic_fetch_add_explicit(&bins[x[i] % 4], 1, memory_order_relaxed); atomic_fetch_max_explicit((device atomic_int*)&y[4], x[i], memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup); if (i < 4) y[i] = atomic_load_explicit(&bins[i], memory_order_relaxed);
        device atomic_float* f = (device atomic_float*)(y + 5); float old = atomic_load_explicit(f, memory_order_relaxed);
        device atomic_uint* u = (device atomic_uint*)(y + 6); uint seen = atomic_load_explicit(u, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(u, &seen, seen + 2, memory_order_relaxed, memory_order_relaxed)) {}
        atomic_fetch_add_explicit(f, 0.5f + old * 0, memory_order_relaxed);";
    let x: Vec<i32> = (0..10).collect();
    let y = Kernel::new(body).ints("x", &x).output("y", ElementType::I32, 7).grid(10, 10).run_ints();
    assert_eq!(y, [3, 3, 2, 2, 9, 5f32.to_bits() as i32, 20]);
}
