//! Masks, geometry, progress, harm.

use std::sync::Arc;
use std::time::Duration;

use holdall_msl::{ElementType, Input, KernelSource, Output, Signature};

use super::super::cache::Cache;
use super::super::{Launch, LaunchError, Program};
use super::support::{Kernel, run, to_ints};

/// Numbers that look random, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(n)) as u32
    }
}

#[test]
fn every_attribute_over_random_grids() {
    let names: Vec<String> = holdall_msl::ir::Attribute::ALL
        .iter()
        .flat_map(|a| match a.n_components() {
            3 => ["x", "y", "z"].iter().map(|c| format!("{}.{c}", a.name())).collect(),
            _ => vec![a.name().to_owned()],
        })
        .collect();
    let stores: String = names
        .iter()
        .enumerate()
        .map(|(k, name)| format!("y[i * {} + {k}] = {name};\n", names.len()))
        .collect();
    let body = format!(
        "uint i = (thread_position_in_grid.z * threads_per_grid.y + thread_position_in_grid.y) * threads_per_grid.x
           + thread_position_in_grid.x;\n{stores}"
    );
    let mut random = Random(7);
    for round in 0..12 {
        let dims = round % 3;
        let grid = std::array::from_fn(|i| if i <= dims { 1 + random.below([90, 20, 9][i]) } else { 1 });
        let group = std::array::from_fn(|i| if i <= dims { 1 + random.below([40, 8, 3][i]) } else { 1 });
        let n = names.len() * grid.iter().product::<u32>() as usize;
        Kernel::new(&body).output("y", ElementType::U32, n).space(grid, group).near_counts(&names);
    }
}

impl Kernel<'_> {
    /// As [`Kernel::exact`], but for attributes that count the threads of whole groups, which the reference does not know.
    fn near_counts(&self, names: &[String]) {
        let (got, want) = (to_ints(&self.run()[0]), to_ints(&self.reference()[0]));
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let name = &names[i % names.len()];
            assert!(
                got == want || name.starts_with("dispatch_"),
                "{name} of {} over {:?} in {:?}: {got}, {want}",
                i / names.len(),
                self.grid,
                self.group
            );
        }
    }
}

#[test]
fn simd_operations_in_ragged_groups() {
    let body = "uint3 p = thread_position_in_grid; uint3 n = threads_per_grid; uint i = (p.z * n.y + p.y) * n.x + p.x;
        y[4 * i] = simd_sum(int(i)); y[4 * i + 1] = simd_max(int(thread_index_in_threadgroup)); 
        y[4 * i + 2] = simd_shuffle_xor(int(i), 0); if (i % 3 == 0) { y[4 * i + 3] = simd_prefix_inclusive_sum(int(i)); }";
    let mut random = Random(3);
    for _ in 0..10 {
        let grid = [1 + random.below(50), 1 + random.below(9), 1 + random.below(5)];
        let group = [1 + random.below(20), 1 + random.below(5), 1 + random.below(4)];
        let n = 4 * grid.iter().product::<u32>() as usize;
        Kernel::new(body).output("y", ElementType::I32, n).space(grid, group).exact();
    }
}

/// Control flow, on `x` and `y` of 100 integers in groups of 48.
const FLOWS: &[&str] = &[
    "int v = x[i]; if (v % 3 == 0) { v = v * 2; if (v > 40) v -= 7; else v += 1; } else if (v % 3 == 1) v = -v; y[i] = v;",
    "int s = 0; for (int k = 0; k < x[i] % 9; k++) { if (k == 5) break; if (k % 2) continue; s += k * x[i]; } y[i] = s;",
    "int s = 0, k = 0; while (true) { k++; if (k > x[i] % 7) break; for (int j = 0; ; j++) { if (j == k) break; s += j; } } y[i] = s;",
    "int v = x[i]; do { v = v / 2; if (v == 13) return; } while (v > 3); y[i] = v;",
    "switch (x[i] % 5) { case 0: y[i] = 1; case 1: y[i] += 2; break; case 3: y[i] = 7; break; default: y[i] = -1; }",
    "if (i % 7 == 3) return; threadgroup int t[48]; uint l = thread_index_in_threadgroup; t[l] = x[i];
     threadgroup_barrier(mem_flags::mem_threadgroup); int s = 0; for (uint k = 0; k <= l; k++) { if ((i - l + k) % 7 != 3) s += t[k]; } y[i] = s;",
    "int g = 0; for (int k = 0; k < 4; k++) { if (x[i] > 50) { g += k; } else { for (int j = 0; j < 3; j++) g += j * k; } } y[i] = g;",
    "int last = -1; for (int k = 0; k < 10; k++) { int t = k * x[i]; last = t; if (t % 8 == 7) break; } y[i] = last;",
    "int n = 4; int s = 0; for (int k = 0; k < n; k++) { s += k; if (x[i] == 3) n = 2; } y[i] = s * 100 + n;",
    "int a[6]; for (int k = 0; k < 6; k++) a[k] = x[i] + k; int s = 0; for (int k = 0; k < 6; k++) { a[(k + x[i]) % 6] += k; s += a[5 - k]; } y[i] = s;",
    "long v = long(x[i]) << 33; ulong u = ulong(v) * 3; v = v / 7 - long(u % 1000); y[i] = int(v >> 20) ^ int(u >> 40);",
    "short s = short(x[i] * 1000); ushort u = ushort(s); char c = char(x[i] * 3); uchar d = uchar(c); y[i] = s + u * 2 + c * 3 + d;",
    "uint u = uint(x[i]) * 2654435761u; y[i] = int(rotate(u, 7u) ^ clz(u) ^ popcount(u) ^ mulhi(u, 77u) ^ extract_bits(u, 3, 9));",
    "half h = half(x[i]) * 0.37h; half2 p = half2(h, h + 1.0h); p = p * p.yx - 0.5h; y[i] = int(p.x * 10) + int(p.y); bfloat b = bfloat(h); y[i] += int(b * bfloat(3));",
    "threadgroup int t[48]; uint l = thread_index_in_threadgroup; t[l] = x[i]; for (uint d = 1; d < 48; d *= 2) { threadgroup_barrier(mem_flags::mem_threadgroup);
     int v = l >= d ? t[l - d] : 0; threadgroup_barrier(mem_flags::mem_threadgroup); t[l] += v; } y[i] = t[l];",
    "int s = 0; if (i % 2) { s = simd_sum(x[i]); } else { s = -simd_max(x[i]); } y[i] = s;",
    "for (int k = 0; k < 3; k++) { if (x[i] % 4 == k) return; y[i] = simd_sum(1) * 10 + k; }",
    "threadgroup int* p; threadgroup int a[48], b[48]; uint l = thread_index_in_threadgroup; a[l] = l; b[l] = 2 * l; p = x[i] % 2 ? a : b; y[i] = p[l] + 1;",
    "int v[3]; v[0] = x[i]; v[1] = 2; v[2] = 3; thread int* p = v; p += x[i] % 3; *p += 10; y[i] = v[0] + v[1] * v[2];",
    "float f = float(x[i]) / 7.0f; y[i] = int(f * 3.5f) + int(fma(f, 2.0f, 1.0f)) + int(floor(f)) + int(fmod(f, 2.0f) * 4) + (isnan(f) ? 1 : 0) + int(max(f, 3.0f));",
];

#[test]
fn control_flow_and_types() {
    let x: Vec<i32> = (0..100).map(|i| (i * 29 + 5) % 83).collect();
    for flow in FLOWS {
        let body = format!("uint i = thread_position_in_grid.x; {flow}");
        Kernel::new(&body).ints("x", &x).output("y", ElementType::I32, 100).grid(100, 48).exact();
    }
}

#[test]
fn lanes_wait_for_each_other() {
    let waits = [
        // A lock that a lane holds until it has left the loop.
        "device atomic_int* lock = (device atomic_int*)y; int free = 0;
         while (!atomic_compare_exchange_weak_explicit(lock, &free, 1, memory_order_relaxed, memory_order_relaxed)) { free = 0; }
         y[1] += 1; atomic_store_explicit(lock, 0, memory_order_relaxed);",
        // A lane in the other branch, which comes later.
        "device atomic_int* flag = (device atomic_int*)y; uint t = thread_position_in_threadgroup.x;
         if (t != 0) { while (atomic_load_explicit(flag, memory_order_relaxed) == 0) {} }
         else { atomic_store_explicit(flag, 1, memory_order_relaxed); }
         threadgroup_barrier(mem_flags::mem_device); atomic_fetch_add_explicit((device atomic_int*)y + 1, simd_sum(1) > 0, memory_order_relaxed);",
        // A lane after the loop, from inside of two.
        "device atomic_int* turn = (device atomic_int*)y; int t = thread_position_in_grid.x;
         for (int k = 0; k < 2; k++) { while (atomic_load_explicit(turn, memory_order_relaxed) % 40 != t) {}
         y[1] += 1 - k; atomic_fetch_add_explicit(turn, 1, memory_order_relaxed); }",
    ];
    for body in waits {
        let kernel = Kernel::new(body).output("y", ElementType::I32, 2).grid(40, 40);
        assert_eq!(to_ints(&kernel.run()[0])[1], 40, "{body}");
    }
}

#[test]
fn threads_that_loop_differently_meet_again() {
    let body =
        "uint i = thread_position_in_grid.x; device atomic_int* n = (device atomic_int*)y; int mine = 0;
        while (atomic_fetch_add_explicit(n, 1, memory_order_relaxed) < int(i) * 500) { mine++; }
        y[1 + i] = simd_sum(1);";
    let y = Kernel::new(body).output("y", ElementType::I32, 33).grid(32, 32).run();
    assert_eq!(to_ints(&y[0])[1..], [32; 32]);
}

#[test]
fn wild_accesses_do_no_harm() {
    let body = "int i = thread_position_in_grid.x; threadgroup int t[4]; int a[3] = {1, 2, 3}; long far = long(i) << 40;
        y[i * 1000 - 5000] = x[i * 77777 - 3]; y[-far] = x[far]; t[i * 50] = i; t[-i] = a[i * 9]; a[i - 20] = 4;
        y[i] = x[i] + a[1] * 0 + ((device int*)(((device char*)x) + 2))[i * 1000] + t[far]; device int* p = nullptr; if (i == 3) p[i] = 4;
        ((device long*)y)[i * 3] = 7; atomic_fetch_add_explicit((device atomic_int*)y + i * 99, 1, memory_order_relaxed);
        atomic_fetch_add_explicit((device atomic_int*)((device char*)y + 1), 1, memory_order_relaxed);";
    Kernel::new(body).ints("x", &[5; 40]).output("y", ElementType::I32, 40).grid(40, 40).run();
}

#[test]
fn an_endless_loop_ends_with_its_name_and_line() {
    for body in [
        "y[0] = 1;\nwhile (true) { y[0] += 1; }",
        "\nwhile (atomic_load_explicit((device atomic_int*)y, memory_order_relaxed) == 0) {}",
    ] {
        let kernel = Kernel::new(body).output("y", ElementType::I32, 1).grid(64, 64);
        let ir = kernel.compile();
        let mut buffers = kernel.buffers(&ir);
        let program = Arc::new(Program::compile(&ir));
        let launch = Launch::new(program, kernel.grid, kernel.group, Kernel::bindings(&ir, &buffers));
        let launch = launch.expect("a launch").deadline(Duration::from_millis(30));
        let error = run(&launch, &ir, &mut buffers).expect_err("it is endless");
        assert!(error.contains("`test`") && error.contains("body:2:1"), "{error}");
    }
}

#[test]
fn launches_that_cannot_be() {
    let kernel = Kernel::new("y[thread_position_in_grid.x] = 1;").output("y", ElementType::I32, 4);
    let ir = kernel.compile();
    let buffers = kernel.buffers(&ir);
    let program = Arc::new(Program::compile(&ir));
    let bindings = Kernel::bindings(&ir, &buffers);
    let launch = |grid, group| Launch::new(program.clone(), grid, group, bindings.clone());
    // The whole group counts, also where the grid is smaller.
    assert_eq!(launch([4, 1, 1], [1025, 1, 1]).err(), Some(LaunchError::Threads([1025, 1, 1])));
    assert_eq!(launch([4, 1, 1], [u32::MAX; 3]).err(), Some(LaunchError::Threads([u32::MAX; 3])));
    assert_eq!(launch([4, 1, 1], [4, 0, 1]).err(), Some(LaunchError::Empty([4, 0, 1])));
    assert!(launch([4, 1, 1], [1024, 1, 1]).is_ok());
    let nothing = launch([0, 1, 1], [4, 1, 1]).expect("nothing to do");
    let mut none = buffers.clone();
    run(&nothing, &ir, &mut none).expect("nothing to do");
    assert_eq!(none, buffers);
    assert_eq!(launch([u32::MAX; 3], [1, 1, 1]).err(), Some(LaunchError::Grid([u32::MAX; 3])));
    let few = Launch::new(program.clone(), [4, 1, 1], [4, 1, 1], Vec::new());
    assert_eq!(few.err().map(|e| e.to_string()), Some("the kernel has 1 buffers, 0 are bound".to_owned()));
}

#[test]
fn threads_that_want_too_much_memory_are_refused() {
    let body = "uint i = thread_position_in_grid.x; int a[1000000]; a[i] = 1; a[y[i] + 5] = 2; y[i] = a[i];";
    let kernel = Kernel::new(body).output("y", ElementType::I32, 64);
    let ir = kernel.compile();
    let program = Arc::new(Program::compile(&ir));
    let bindings = Kernel::bindings(&ir, &kernel.buffers(&ir));
    let launch = |group| Launch::new(program.clone(), [64, 1, 1], [group, 1, 1], bindings.clone()).err();
    assert_eq!(launch(32), None);
    let error = Launch::new(program.clone(), [256, 1, 1], [256, 1, 1], bindings.clone()).err();
    assert!(matches!(error, Some(LaunchError::Private(bytes)) if bytes > 1_000_000_000), "{error:?}");
}

#[test]
fn the_cache_knows_the_whole_text_and_is_bounded() {
    let cache = Cache::new(3);
    let get = |header: &str, body: &str, element| {
        let input = Input { name: "x", element, ndim: 1, n_elems: 100 };
        let output = Output { name: "y", element };
        let signature = Signature::derive(body, &[input], &[output], false, &[]).expect("a signature");
        let cached = cache.get(&KernelSource { name: "k", header, body }, &signature, false);
        cached.expect("it compiles").program.clone()
    };
    let body = "y[thread_position_in_grid.x] = x[0];";
    let first = get("", body, ElementType::F32);
    assert!(Arc::ptr_eq(&first, &get("", body, ElementType::F32)));
    assert!(!Arc::ptr_eq(&first, &get("", body, ElementType::I32)));
    assert!(!Arc::ptr_eq(&first, &get("#define A", body, ElementType::F32)));
    assert!(Arc::ptr_eq(&first, &get("", body, ElementType::F32)));
    get("#define B", body, ElementType::F32);
    get("#define C", body, ElementType::F32);
    assert_eq!(cache.len(), 3);
    assert!(Arc::ptr_eq(&first, &get("", body, ElementType::F32)), "what was used last stays");
}

#[test]
fn a_program_outlives_its_place_in_the_cache_until_its_last_launch_is_gone() {
    let kernel =
        Kernel::new("y[thread_position_in_grid.x] = 7;").output("y", ElementType::I32, 64).grid(64, 32);
    let cache = Cache::new(1);
    let output = Output { name: "y", element: ElementType::I32 };
    let get = |body: &str| {
        let signature = Signature::derive(body, &[], &[output], false, &[]).expect("a signature");
        cache.get(&KernelSource { name: "k", header: "", body }, &signature, false).expect("it compiles")
    };
    // Recorded, then evicted, then run: as when a kernel is called and many others before it is evaluated.
    let cached = get(kernel.body);
    let (remembered, program) = (Arc::downgrade(&cached), Arc::downgrade(&cached.program));
    let ir = cached.program.ir().clone();
    let mut buffers = kernel.buffers(&ir);
    let bindings = Kernel::bindings(&ir, &buffers);
    let launch = Launch::new(cached.program.clone(), kernel.grid, kernel.group, bindings).expect("a launch");
    drop(cached);
    get("y[thread_position_in_grid.x] = 8;");
    assert_eq!((cache.len(), remembered.strong_count()), (1, 0), "evicted");
    assert_eq!(program.strong_count(), 1, "the launch has it");
    run(&launch, &ir, &mut buffers).expect("it runs");
    assert_eq!(to_ints(&buffers[0]), [7; 64]);
    drop(launch);
    assert_eq!(program.strong_count(), 0, "nobody has it");
}

#[test]
fn a_deadline_is_that_of_the_whole_launch() {
    // Each group's loop is short; together they take long.
    let body = "uint i = thread_position_in_grid.x; float s = x[0]; for (int k = 0; k < 400; k++) s = sin(s); y[i] = s;";
    let kernel = Kernel::new(body).floats("x", &[0.5; 8]).output("y", ElementType::F32, 1 << 16);
    let ir = kernel.compile();
    let mut buffers = kernel.buffers(&ir);
    let program = Arc::new(Program::compile(&ir));
    let launch = |deadline| {
        let bindings = Kernel::bindings(&ir, &buffers);
        let launch = Launch::new(program.clone(), [1 << 16, 1, 1], [1024, 1, 1], bindings);
        launch.expect("a launch").deadline(deadline)
    };
    let (short, long) = (launch(Duration::from_micros(20)), launch(Duration::from_secs(60)));
    let error = run(&short, &ir, &mut buffers).expect_err("it takes longer");
    assert!(error.contains("`test` did not end within 0.00002 s"), "{error}");
    run(&long, &ir, &mut buffers).expect("a minute is enough");
}
