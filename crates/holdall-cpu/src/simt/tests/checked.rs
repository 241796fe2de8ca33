//! Kernels with one mistake each, and what checked mode says of them and of the same kernels without it.

use std::sync::Arc;

use holdall_msl::{ElementType, TemplateValue};

use super::super::{Finding, FindingKind, Findings, Launch, Program};
use super::samples;
use super::support::{Kernel, floats, run};

impl Kernel<'_> {
    /// What checked mode finds.
    pub fn findings(&self, initialised: bool) -> Vec<Finding> {
        let ir = self.compile();
        let mut buffers = self.buffers(&ir);
        let findings = Arc::new(Findings::default());
        let program = Arc::new(Program::compile_checked(&ir));
        let bindings = Self::bindings(&ir, &buffers);
        let launch = Launch::checked(program, self.grid, self.group, bindings, findings.clone());
        let launch = launch.expect("a launch");
        let launch = if initialised { launch.initialised() } else { launch };
        run(&launch, &ir, &mut buffers).expect("it ends");
        findings.list()
    }
}

fn kernel(body: &str) -> Kernel<'_> {
    Kernel::new(body).ints("x", &(0..64).collect::<Vec<_>>()).output("y", ElementType::I32, 64).grid(64, 64)
}

/// The kernels work on `x` and `y` of 64 integers with 64 threads of one group; the mistake is in line 2.
const BUGS: &[(FindingKind, &str, &str)] = {
    use FindingKind::*;
    &[
        (
            OutOfBounds,
            "uint i = thread_position_in_grid.x;\ny[i] = x[i + 1];",
            "uint i = thread_position_in_grid.x;\ny[i] = x[i];",
        ),
        (
            OutOfBounds,
            "uint i = thread_position_in_grid.x; y[i] = 0; threadgroup_barrier(mem_flags::mem_device);\ny[i * 2] = 1;",
            "uint i = thread_position_in_grid.x; y[i] = 0;\nif (i > 0) y[i] = 1;",
        ),
        (
            OutOfBounds,
            "int i = thread_position_in_grid.x; y[i] = 1;\nif (i == 0) y[i - 1] = 1;",
            "int i = thread_position_in_grid.x; y[i] = 1;\nif (i == 0) y[i] = 1;",
        ),
        (
            OutOfBounds,
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = 1;\ny[i] = t[i + 64];",
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = 1;\ny[i] = t[i];",
        ),
        (
            OutOfBounds,
            "uint i = thread_position_in_grid.x; int a[4] = {1, 2, 3, 4};\ny[i] = a[i % 5];",
            "uint i = thread_position_in_grid.x; int a[4] = {1, 2, 3, 4};\ny[i] = a[i % 4];",
        ),
        (
            OutOfBounds,
            "uint i = thread_position_in_grid.x; y[i] = 0;\nint4 v = ((device int4*)x)[i];\ny[i] = v.x;",
            "uint i = thread_position_in_grid.x; y[i] = 0;\nint4 v = ((device int4*)x)[i / 4];\ny[i] = v.x;",
        ),
        (
            DataRace,
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = x[i];\ny[i] = t[63 - i];",
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = x[i]; threadgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = t[63 - i];",
        ),
        (
            DataRace,
            "uint i = thread_position_in_grid.x; y[i] = 0; threadgroup int t[1];\nt[0] = i;",
            "uint i = thread_position_in_grid.x; y[i] = 0; threadgroup int t[1];\nif (i == 0) t[0] = i;",
        ),
        (
            DataRace,
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = x[i]; simdgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = t[63 - i];",
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = x[i]; simdgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = t[i ^ 1];",
        ),
        (
            DataRace,
            "uint i = thread_position_in_grid.x; y[i] = 1; threadgroup_barrier(mem_flags::mem_device);\ny[i / 2] = i;",
            "uint i = thread_position_in_grid.x; y[i] = 1; threadgroup_barrier(mem_flags::mem_device);\nif (i % 2 == 0) y[i / 2] = i;",
        ),
        (
            DataRace,
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = 0; for (int k = 0; k < 3; k++) { threadgroup_barrier(mem_flags::mem_threadgroup);\nt[i] += t[(i + 1) % 64];\n} y[i] = t[i];",
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = 0; for (int k = 0; k < 3; k++) { threadgroup_barrier(mem_flags::mem_threadgroup);\nint v = t[(i + 1) % 64]; threadgroup_barrier(mem_flags::mem_threadgroup); t[i] += v;\n} y[i] = t[i];",
        ),
        (
            Uninitialized,
            "uint i = thread_position_in_grid.x; int v; if (i > 3) v = 2;\ny[i] = v;",
            "uint i = thread_position_in_grid.x; int v = 0; if (i > 3) v = 2;\ny[i] = v;",
        ),
        (
            Uninitialized,
            "uint i = thread_position_in_grid.x; int a[4]; for (int k = 0; k < 3; k++) a[k] = k;\ny[i] = a[i % 4];",
            "uint i = thread_position_in_grid.x; int a[4]; for (int k = 0; k < 4; k++) a[k] = k;\ny[i] = a[i % 4];",
        ),
        (
            Uninitialized,
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; if (i < 32) t[i] = 1; threadgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = t[i];",
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = 1; threadgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = t[i];",
        ),
        (
            Uninitialized,
            "uint i = thread_position_in_grid.x;\ny[i] += x[i];",
            "uint i = thread_position_in_grid.x;\ny[i] = x[i];",
        ),
        (
            Uninitialized,
            "uint i = thread_position_in_grid.x; int2 v; v.x = 1;\ny[i] = v.x + v.y;",
            "uint i = thread_position_in_grid.x; int2 v; v.x = 1; v.y = 2;\ny[i] = v.x + v.y;",
        ),
        (
            DivergentBarrier,
            "uint i = thread_position_in_grid.x; y[i] = 1; if (i < 32) {\nthreadgroup_barrier(mem_flags::mem_threadgroup); }",
            "uint i = thread_position_in_grid.x; y[i] = 1; if (i < 64) {\nthreadgroup_barrier(mem_flags::mem_threadgroup); }",
        ),
        (
            DivergentBarrier,
            "uint i = thread_position_in_grid.x; y[i] = 1; for (uint k = 0; k < i; k++) {\nthreadgroup_barrier(mem_flags::mem_threadgroup); }",
            "uint i = thread_position_in_grid.x; y[i] = 1; for (uint k = 0; k < 5; k++) {\nthreadgroup_barrier(mem_flags::mem_threadgroup); }",
        ),
        (
            DivergentBarrier,
            "uint i = thread_position_in_grid.x; y[i] = 1; if (i % 2) {\nsimdgroup_barrier(mem_flags::mem_none); }",
            "uint i = thread_position_in_grid.x; y[i] = 1; if (i < 32) {\nsimdgroup_barrier(mem_flags::mem_none); }",
        ),
        (
            DivergentBarrier,
            "uint i = thread_position_in_grid.x; y[i] = 1; if (i != 7) {\nthreadgroup_barrier(mem_flags::mem_threadgroup); }",
            "uint i = thread_position_in_grid.x; y[i] = 1; if (i == 7) return;\nthreadgroup_barrier(mem_flags::mem_threadgroup);",
        ),
        (
            DivisionByZero,
            "uint i = thread_position_in_grid.x;\ny[i] = 5 / x[i];",
            "uint i = thread_position_in_grid.x;\ny[i] = 5 / (x[i] + 1);",
        ),
        (
            DivisionByZero,
            "uint i = thread_position_in_grid.x;\ny[i] = 5 % x[i];",
            "uint i = thread_position_in_grid.x;\ny[i] = x[i] ? 5 % x[i] : 0;",
        ),
        (
            DivisionByZero,
            "uint i = thread_position_in_grid.x; uint n = x[0];\ny[i] = i / n;",
            "uint i = thread_position_in_grid.x; uint n = x[1];\ny[i] = i / n;",
        ),
        (
            Misaligned,
            "uint i = thread_position_in_grid.x; y[i] = 0; if (i < 15) {\nint4 v = *(device int4*)(x + i);\ny[i] = v.w; }",
            "uint i = thread_position_in_grid.x; y[i] = 0; if (i < 15) {\nint4 v = *(device int4*)(x + 4 * i);\ny[i] = v.w; }",
        ),
        (
            Misaligned,
            "uint i = thread_position_in_grid.x; y[i] = 0; if (i < 15) {\nfloat v = *(device float*)((device char*)x + i);\ny[i] = v; }",
            "uint i = thread_position_in_grid.x; y[i] = 0; if (i < 15) {\nfloat v = *(device float*)((device char*)x + 4 * i);\ny[i] = v; }",
        ),
        (
            OutOfBounds,
            "uint i = thread_position_in_grid.x; int a[4]; for (int k = 0; k < 4; k++) a[k] = k; int s = 0; for (int k = 0; k <= 4; k++) {\ns += a[k];\n} y[i] = s;",
            "uint i = thread_position_in_grid.x; int a[4]; for (int k = 0; k < 4; k++) a[k] = k; int s = 0; for (int k = 0; k < 4; k++) {\ns += a[k];\n} y[i] = s;",
        ),
        (
            OutOfBounds,
            "uint i = thread_position_in_grid.x; constexpr int table[3] = {1, 2, 3};\ny[i] = table[i % 4];",
            "uint i = thread_position_in_grid.x; constexpr int table[3] = {1, 2, 3};\ny[i] = table[i % 3];",
        ),
        (
            OutOfBounds,
            "uint i = thread_position_in_grid.x; y[i] = 0; threadgroup atomic_int n[2]; if (i < 2) atomic_store_explicit(&n[i], 0, memory_order_relaxed); threadgroup_barrier(mem_flags::mem_threadgroup);\natomic_fetch_add_explicit(&n[i % 3], 1, memory_order_relaxed);",
            "uint i = thread_position_in_grid.x; y[i] = 0; threadgroup atomic_int n[2]; if (i < 2) atomic_store_explicit(&n[i], 0, memory_order_relaxed); threadgroup_barrier(mem_flags::mem_threadgroup);\natomic_fetch_add_explicit(&n[i % 2], 1, memory_order_relaxed);",
        ),
        (
            OutOfBounds,
            "uint i = thread_position_in_grid.x; const device int* p = x + i; p += 1;\ny[i] = *p;",
            "uint i = thread_position_in_grid.x; const device int* p = x + i; p += 0;\ny[i] = *p;",
        ),
        (
            DataRace,
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = x[i]; threadgroup_barrier(mem_flags::mem_device);\ny[i] = t[63 - i];",
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = x[i]; threadgroup_barrier(mem_flags::mem_threadgroup);\ny[i] = t[63 - i];",
        ),
        (
            DataRace,
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = x[i]; for (uint d = 32; d > 0; d /= 2) { threadgroup_barrier(mem_flags::mem_threadgroup); if (i <= d && i + d < 64) {\nt[i] += t[i + d];\n} } y[i] = 0;",
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = x[i]; for (uint d = 32; d > 0; d /= 2) { threadgroup_barrier(mem_flags::mem_threadgroup); if (i < d) {\nt[i] += t[i + d];\n} } y[i] = 0;",
        ),
        (
            DataRace,
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; threadgroup atomic_int* a = (threadgroup atomic_int*)t; t[i] = 0; threadgroup_barrier(mem_flags::mem_threadgroup); atomic_fetch_add_explicit(a + i / 2, 1, memory_order_relaxed);\ny[i] = t[i / 2];",
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; threadgroup atomic_int* a = (threadgroup atomic_int*)t; t[i] = 0; threadgroup_barrier(mem_flags::mem_threadgroup); atomic_fetch_add_explicit(a + i / 2, 1, memory_order_relaxed);\ny[i] = atomic_load_explicit(a + i / 2, memory_order_relaxed);",
        ),
        (
            Uninitialized,
            "uint i = thread_position_in_grid.x; struct P { int a; int b; }; P p; p.a = 1; P q = p;\ny[i] = q.a + q.b;",
            "uint i = thread_position_in_grid.x; struct P { int a; int b; }; P p; p.a = 1; P q = p;\ny[i] = q.a;",
        ),
        (
            Uninitialized,
            "uint i = thread_position_in_grid.x; int v; if (i != 40) v = 1;\ny[i] = simd_sum(v);",
            "uint i = thread_position_in_grid.x; int v; if (i < 64) v = 1;\ny[i] = simd_sum(v);",
        ),
        (
            Uninitialized,
            "uint i = thread_position_in_grid.x; y[i] = 0; int k; if (i > 0) k = 1;\nif (k > 0) y[i] = 1;",
            "uint i = thread_position_in_grid.x; y[i] = 0; int k = 0; if (i > 0) k = 1;\nif (k > 0) y[i] = 1;",
        ),
        (
            DivergentBarrier,
            "uint i = thread_position_in_grid.x; y[i] = 1; for (int k = 0; k < 4; k++) { if (x[i] == k) break;\nthreadgroup_barrier(mem_flags::mem_threadgroup); }",
            "uint i = thread_position_in_grid.x; y[i] = 1; for (int k = 0; k < 4; k++) { if (x[0] == k - 2) break;\nthreadgroup_barrier(mem_flags::mem_threadgroup); }",
        ),
        (
            DivisionByZero,
            "uint i = thread_position_in_grid.x; long d = long(x[i]) - 5;\ny[i] = int(100 / d);",
            "uint i = thread_position_in_grid.x; long d = long(x[i]) - 500;\ny[i] = int(100 / d);",
        ),
        (
            Misaligned,
            "uint i = thread_position_in_grid.x; y[i] = 0; threadgroup float t[64]; t[i] = 1; threadgroup_barrier(mem_flags::mem_threadgroup); if (i < 63) {\nfloat2 v = *(threadgroup float2*)(t + i);\ny[i] = v.x; }",
            "uint i = thread_position_in_grid.x; y[i] = 0; threadgroup float t[64]; t[i] = 1; threadgroup_barrier(mem_flags::mem_threadgroup); if (i < 63) {\nfloat2 v = *(threadgroup float2*)(t + i / 2 * 2);\ny[i] = v.x; }",
        ),
        (
            OutOfBounds,
            "uint i = thread_position_in_grid.x; y[i] = 0;\nint v = x[i + 1];",
            "uint i = thread_position_in_grid.x; y[i] = 0;\nint v = x[i];",
        ),
        (
            OutOfBounds,
            "uint i = thread_position_in_grid.x; int a[4] = {1, 2, 3, 4}; y[i] = 0;\nif (i > 2) { int v = a[i]; }",
            "uint i = thread_position_in_grid.x; int a[4] = {1, 2, 3, 4}; y[i] = 0;\nif (i > 2) { int v = a[i % 4]; }",
        ),
        (
            DataRace,
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = 0; y[i] = 0;\nint v = t[63 - i];",
            "uint i = thread_position_in_grid.x; threadgroup int t[64]; t[i] = 0; y[i] = 0;\nint v = t[i];",
        ),
        (
            DivisionByZero,
            "uint i = thread_position_in_grid.x; y[i] = 0;\nint v = 7 / x[i];",
            "uint i = thread_position_in_grid.x; y[i] = 0;\nint v = 7 / (x[i] + 1);",
        ),
        (
            Uninitialized,
            "uint i = thread_position_in_grid.x; struct P { int a; int b; }; threadgroup P t[64]; t[i].a = 1; P p = t[i];\ny[i] = p.a + t[i].b;",
            "uint i = thread_position_in_grid.x; struct P { int a; int b; }; threadgroup P t[64]; t[i].a = 1; P p = t[i];\ny[i] = p.a;",
        ),
        (
            UnwrittenOutput,
            "uint i = thread_position_in_grid.x; if (x[i] % 9 == 4) return;\ny[i] = 1;",
            "uint i = thread_position_in_grid.x; if (x[i] % 9 == 14) return;\ny[i] = 1;",
        ),
        (
            UnwrittenOutput,
            "uint i = thread_position_in_grid.x;\nif (i < 60) y[i] = 1;",
            "uint i = thread_position_in_grid.x;\ny[i] = 1;",
        ),
        (
            UnwrittenOutput,
            "uint i = thread_position_in_grid.x;\nif (i > 0) y[i] = 1;",
            "uint i = thread_position_in_grid.x;\nif (i >= 0) y[i] = 1;",
        ),
    ]
};

#[test]
fn planted_mistakes_are_found_where_they_are() {
    let mut wrongs = Vec::new();
    for (kind, wrong, right) in BUGS {
        let found = kernel(wrong).findings(false);
        let line = (*kind != FindingKind::UnwrittenOutput).then_some(2);
        let hit = found.iter().any(|f| f.kind == *kind && f.position.map(|at| at.line) == line);
        if !hit || found.iter().any(|f| f.kind != *kind) {
            wrongs.push(format!("{kind:?} in\n{wrong}\nfound\n{}", text(&found)));
        }
        let found = kernel(right).findings(false);
        if !found.is_empty() {
            wrongs.push(format!("nothing is wrong in\n{right}\nfound\n{}", text(&found)));
        }
    }
    assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
}

fn text(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn groups_race_through_device_memory() {
    let body = "uint i = thread_position_in_grid.x;\ny[i % 32] = i;\ny[32 + i % 32] = 0;";
    let found = kernel(body).grid(64, 32).findings(false);
    let lines: Vec<_> = found.iter().map(|f| (f.kind, f.position.expect("a place").line)).collect();
    assert_eq!(lines, [(FindingKind::DataRace, 2), (FindingKind::DataRace, 3)]);
    let race = &found[0];
    assert_eq!((race.thread, race.group, race.count), (Some([32, 0, 0]), Some([1, 0, 0]), 32));
    assert_eq!(race.others.len(), 1);
    let text = race.to_string();
    assert!(text.contains("error[data_race]") && text.contains("2 | y[i % 32] = i;"), "{text}");
    let body = "uint i = thread_position_in_grid.x;\natomic_fetch_add_explicit(&y[i % 32], 1, memory_order_relaxed);";
    let mut atomic = kernel(body).grid(64, 32);
    atomic.atomic = true;
    assert_eq!(atomic.findings(true), []);
    assert_eq!(atomic.findings(false)[0].kind, FindingKind::Uninitialized);
}

#[test]
fn a_value_handed_over_with_fences_is_no_race() {
    let body = "uint i = thread_position_in_grid.x; device atomic_int* n = (device atomic_int*)(y + 63);
        if (i % 32 == 0) { y[i / 32] = i; atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst, thread_scope_device);
          int seen = atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
          if (seen == 1) { atomic_thread_fence(mem_flags::mem_device, memory_order_seq_cst, thread_scope_device); y[2] = y[0] + y[1]; } }";
    assert_eq!(kernel(body).grid(64, 32).findings(true), []);
}

#[test]
fn samples_have_no_findings() {
    let ramp = |n: usize| (0..n).map(|i| (i * 37 % 101) as f32 * 0.01).collect::<Vec<_>>();
    let float = TemplateValue::Type(ElementType::F32);
    let matmul = |body| {
        Kernel::new(body)
            .header(samples::MATMUL_HEADER)
            .input("a", ElementType::F32, floats(&ramp(256)), vec![16, 16])
            .input("b", ElementType::F32, floats(&ramp(256)), vec![16, 16])
            .output("c", ElementType::F32, 256)
    };
    let kernels = [
        Kernel::new(samples::SOFTMAX)
            .input("x", ElementType::F32, floats(&ramp(210)), vec![3, 70])
            .output("y", ElementType::F32, 210)
            .template("T", float)
            .grid(192, 64),
        Kernel::new(samples::GATED_DELTA)
            .floats("q", &ramp(64))
            .floats("k", &ramp(64))
            .floats("v", &ramp(4))
            .floats("gate", &[0.9, 0.5])
            .floats("state_in", &ramp(256))
            .output("y", ElementType::F32, 4)
            .output("state_out", ElementType::F32, 256)
            .template("Dk", TemplateValue::Int(64))
            .space([32, 4, 1], [32, 2, 1]),
        Kernel::new(samples::PREFIX_SUM)
            .ints("x", &[1; 100])
            .output("y", ElementType::I32, 100)
            .grid(100, 128),
        matmul(samples::MATMUL).space([16, 16, 1], [8, 8, 1]),
        matmul(samples::SIMD_MATMUL).space([64, 2, 1], [32, 1, 1]),
        Kernel::new(samples::TOP_K)
            .header(samples::TOP_K_HEADER)
            .floats("x", &ramp(50))
            .output("values", ElementType::F32, 4)
            .output("indices", ElementType::I32, 4)
            .template("K", TemplateValue::Int(4))
            .grid(32, 32),
        Kernel::new(samples::STRIDED_EXP)
            .input("x", ElementType::F32, floats(&ramp(24)), vec![2, 3, 4])
            .output("y", ElementType::F32, 24)
            .template("T", float)
            .grid(24, 24),
    ];
    for kernel in kernels {
        assert_eq!(kernel.findings(false), [], "{}", kernel.body);
    }
}
