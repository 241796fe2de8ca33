//! What MLX's `fast.metal_kernel` means, point by point:
//!
//! 1. counts of inputs and outputs are checked when a call is built
//! 2. numbers are arrays without axes; nothing is promoted
//! 3. inputs are values, constant or device pointers, by size, call by call
//! 4. shapes, strides and numbers of axes are there when the source mentions them
//! 5. outputs are pointers, or pointers to atomics
//! 6. attributes are there when the source mentions them
//! 7. header and body may use MLX's helpers; the header comes first
//! 8. template parameters are types, bools and ints
//! 9. neither the name nor the types of an earlier call decide what runs
//! 10. exactly the threads of the grid run, in groups that are cut to it
//! 11. inputs are made contiguous or passed as they are; outputs are fresh
//! 12. `verbose` prints the source
//! 13. kernels run on the current stream
//! 14. mistakes in the text come out at evaluation
//! 15. without rules of its own, a kernel has no derivative
//! 16. several outputs, shapes and no attribute go together

use std::collections::HashMap;

use holdall::transform::grad;
use holdall::{Array, Dtype, Error, ErrorKind, MetalKernel, Operand, Stream, device::DeviceId, eval};

use super::support::Rng;

fn floats(n: usize) -> Array {
    let data: Vec<f32> = (0..n).map(|i| i as f32 * 0.5 - 3.0).collect();
    Array::from_slice(&data, &[n]).unwrap()
}

/// The output of a kernel that one thread runs over `inputs`, of `n` floats.
fn once(kernel: &MetalKernel, inputs: &[Operand], n: usize) -> Result<Vec<f32>, Error> {
    kernel.call(inputs).output([n], Dtype::Float32).build()?[0].to_vec()
}

fn kernel<'a>(source: &str, inputs: impl IntoIterator<Item = &'a str>) -> MetalKernel {
    MetalKernel::new("rule", source).inputs(inputs).outputs(["y"])
}

#[test]
fn rule_1_counts_are_checked_when_a_call_is_built() {
    let add = kernel("y[0] = a + b;", ["a", "b"]);
    let error = |call: holdall::ops::KernelCall| {
        let error = call.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument);
        error.to_string()
    };
    assert!(error(add.call([1]).output([1], Dtype::Int32)).contains("an input for each of [a, b], got 1"));
    assert!(error(add.call([1, 2])).contains("an output for each of [y], got 0"));
    let nameless = MetalKernel::new("rule", "").inputs(["a"]);
    assert!(error(nameless.call([1])).contains("at least one output"));
}

#[test]
fn rule_2_numbers_are_arrays_without_axes() {
    let sizes = kernel(
        "y[0] = sizeof(a); y[1] = sizeof(b); y[2] = sizeof(c); y[3] = sizeof(d); y[4] = sizeof(e[0]); \
         y[5] = a; y[6] = b; y[7] = c == 1099511627776; y[8] = d; y[9] = int8_t(e[0] + 100);",
        ["a", "b", "c", "d", "e"],
    );
    let small = Array::from_slice(&[100i8], &[1]).unwrap();
    let inputs = [true.into(), 7.into(), (1i64 << 40).into(), 0.5.into(), (&small).into()];
    assert_eq!(once(&sizes, &inputs, 10).unwrap(), [1., 4., 8., 4., 1., 1., 7., 1., 0.5, -56.]);
}

#[test]
fn rule_3_inputs_are_passed_by_size() {
    let value = kernel("y[0] = x * 2;", ["x"]);
    assert_eq!(once(&value, &[1.5.into()], 1).unwrap(), [3.0]);
    assert!(once(&value, &[floats(1).into()], 1).is_err(), "one element with an axis is behind a pointer");
    // One kernel, called on either side of the limit.
    let constant = kernel("const constant float* p = x; y[0] = p[1];", ["x"]);
    let device = kernel("const device float* p = x; y[0] = p[1];", ["x"]);
    for (n, is_small) in [(2, true), (7, true), (8, false), (9, false), (7, true)] {
        let x = [floats(n).into()];
        assert_eq!(once(&constant, &x, 1).is_ok(), is_small, "{n} elements in constant memory");
        assert_eq!(once(&device, &x, 1).is_ok(), !is_small, "{n} elements in device memory");
    }
}

#[test]
fn rule_4_shapes_are_there_when_mentioned() {
    let facts = kernel(
        "y[0] = x_ndim; for (int i = 0; i < x_ndim; i++) { y[1 + i] = x_shape[i]; y[4 + i] = x_strides[i]; }",
        ["x"],
    )
    .ensure_row_contiguous(false);
    let x = floats(24).reshape(&[2, 3, 4]).unwrap();
    let turned = x.transpose(&[2, 0, 1]).unwrap();
    let wide = floats(3).reshape(&[1, 3, 1]).unwrap().broadcast_to(&[2, 3, 4]).unwrap();
    let shapes = |x: &Array| once(&facts, &[x.into()], 7).unwrap();
    assert_eq!(shapes(&x), [3., 2., 3., 4., 12., 4., 1.]);
    assert_eq!(shapes(&turned), [3., 4., 2., 3., 1., 12., 4.]);
    assert_eq!(shapes(&wide), [3., 2., 3., 4., 0., 1., 0.]);
    // The tail of a longer name is a mention, and so is a comment; the header is not looked at.
    let tail = kernel("int max_shape = 5; y[0] = max_shape; // x_strides, x_ndim", ["x"]);
    assert_eq!(once(&tail, &[(&x).into()], 1).unwrap(), [5.0]);
    let header = kernel("y[0] = AXES;", ["x"]).header("#define AXES x_ndim");
    assert!(once(&header, &[(&x).into()], 1).unwrap_err().to_string().contains("x_ndim"));
    let both = kernel("y[0] = AXES; // x_ndim", ["x"]).header("#define AXES x_ndim");
    assert_eq!(once(&both, &[(&x).into()], 1).unwrap(), [3.0]);
}

#[test]
fn rule_5_outputs_may_be_atomic() {
    let plain = kernel("device float* p = y; p[0] = 2;", []);
    assert_eq!(once(&plain, &[], 1).unwrap(), [2.0]);
    let source = "atomic_fetch_add_explicit(&y[0], 0.5f, memory_order_relaxed);";
    let call = |kernel: &MetalKernel, dtype| {
        let call = kernel.call(Vec::<Array>::new()).output([1], dtype).init_value(1.0);
        call.grid([100, 1, 1]).threadgroup([32, 1, 1]).build().unwrap().remove(0)
    };
    let atomic = kernel(source, []).atomic_outputs(true);
    assert_eq!(call(&atomic, Dtype::Float32).to_vec::<f32>().unwrap(), [51.0]);
    let error = call(&atomic, Dtype::Float16).eval().unwrap_err().to_string();
    assert!(error.contains("there is no atomic `float16_t`"), "{error}");
    assert!(call(&kernel(source, []), Dtype::Float32).eval().is_err(), "a plain output is no atomic");
}

#[test]
fn rule_6_attributes_are_there_when_mentioned() {
    // All twenty at once, in the last group of a ragged grid.
    let triples = [
        "dispatch_threads_per_threadgroup",
        "grid_origin",
        "grid_size",
        "thread_position_in_grid",
        "thread_position_in_threadgroup",
        "threadgroup_position_in_grid",
        "threadgroups_per_grid",
        "threads_per_grid",
        "threads_per_threadgroup",
    ];
    let singles = [
        "dispatch_quadgroups_per_threadgroup",
        "dispatch_simdgroups_per_threadgroup",
        "quadgroup_index_in_threadgroup",
        "quadgroups_per_threadgroup",
        "simdgroup_index_in_threadgroup",
        "simdgroups_per_threadgroup",
        "thread_execution_width",
        "thread_index_in_quadgroup",
        "thread_index_in_simdgroup",
        "thread_index_in_threadgroup",
        "threads_per_simdgroup",
    ];
    let mut source =
        "bool last = all(thread_position_in_grid == uint3(69, 4, 0)); if (!last) return;\n".to_owned();
    for (i, name) in triples.iter().enumerate() {
        source += &format!("for (int k = 0; k < 3; k++) y[{} + k] = {name}[k];\n", 3 * i);
    }
    for (i, name) in singles.iter().enumerate() {
        source += &format!("y[{}] = {name};\n", 27 + i);
    }
    let call = kernel(&source, []).call(Vec::<Array>::new()).output([38], Dtype::Uint32);
    let y = call.grid([70, 5, 1]).threadgroup([32, 4, 1]).build().unwrap().remove(0);
    let want = [
        [32, 4, 1],
        [0, 0, 0],
        [70, 5, 1],
        [69, 4, 0],
        [5, 0, 0],
        [2, 1, 0],
        [3, 2, 1],
        [70, 5, 1],
        [6, 1, 1],
    ];
    let mut want: Vec<u32> = want.concat();
    want.extend([32, 4, 1, 2, 0, 1, 32, 1, 5, 5, 32]);
    assert_eq!(y.to_vec::<u32>().unwrap(), want);
    // A function of the header has them as arguments, and only so.
    let passed =
        kernel("y[0] = twice(threads_per_simdgroup);", []).header("uint twice(uint n) { return 2 * n; }");
    assert_eq!(once(&passed, &[], 1).unwrap(), [64.0]);
    let taken = kernel("y[0] = twice();", []).header("uint twice() { return 2 * threads_per_simdgroup; }");
    assert!(once(&taken, &[], 1).unwrap_err().to_string().contains("header:1:"));
}

#[test]
fn rule_7_helpers_of_mlx_are_there() {
    let header = "float half_of(float16_t x) { return float(x) / 2; }\n#define FOUR ceildiv(13, 4)";
    let x = floats(6).reshape(&[2, 3]).unwrap().transpose(&[]).unwrap();
    let helpers = kernel(
        "y[0] = half_of(float16_t(3)); y[1] = FOUR; y[2] = Limits<uint8_t>::max; \
         y[3] = x[elem_to_loc(1, x_shape, x_strides, x_ndim)]; y[4] = metal::exp(0.0f); y[5] = float(bfloat16_t(1.0));",
        ["x"],
    );
    let helpers = helpers.header(header).ensure_row_contiguous(false);
    assert_eq!(once(&helpers, &[x.into()], 6).unwrap(), [1.5, 4.0, 255.0, -1.5, 1.0, 1.0]);
}

#[test]
fn rule_8_template_parameters_are_types_bools_and_ints() {
    let templated = kernel("y[0] = sizeof(T); y[1] = N; if (FLAG) y[2] = T(2.75f); else y[2] = T(-1);", []);
    let call = |dtype: Dtype, n: i32, flag: bool| {
        let call = templated.call(Vec::<Array>::new()).output([3], Dtype::Float32);
        let call = call.template("T", dtype).template("N", n).template("FLAG", flag);
        call.build().unwrap()[0].to_vec::<f32>().unwrap()
    };
    assert_eq!(call(Dtype::Float16, 3, true), [2.0, 3.0, 2.75]);
    assert_eq!(call(Dtype::Int64, -7, true), [8.0, -7.0, 2.0], "a negative number compiles");
    assert_eq!(call(Dtype::Int64, -7, false), [8.0, -7.0, -1.0]);
    let double =
        templated.call(Vec::<Array>::new()).output([3], Dtype::Float32).template("T", Dtype::Float64);
    assert!(double.build().unwrap_err().to_string().contains("template parameter T is float64"));
    // They are the kernel's own: functions of the header have none.
    let header = kernel("y[0] = size();", []).header("int size() { return sizeof(T); }");
    let call = header.call(Vec::<Array>::new()).output([1], Dtype::Float32).template("T", Dtype::Int32);
    assert!(call.build().unwrap()[0].eval().is_err());
}

#[test]
fn rule_9_earlier_calls_decide_nothing() {
    let sources = ["y[0] = x[0];", "y[0] = x[1];"].map(|source| kernel(source, ["x"]));
    let same = kernel("y[0] = sizeof(x[0]);", ["x"]);
    for _ in 0..3 {
        let x: Operand = Array::from_slice(&[3f32, 4.0], &[2]).unwrap().into();
        assert_eq!(once(&sources[0], std::slice::from_ref(&x), 1).unwrap(), [3.0]);
        assert_eq!(once(&sources[1], std::slice::from_ref(&x), 1).unwrap(), [4.0]);
        for (dtype, size) in
            [(Dtype::Float16, 2.0), (Dtype::Float32, 4.0), (Dtype::Int64, 8.0), (Dtype::Bool, 1.0)]
        {
            let x = floats(9).astype(dtype);
            assert_eq!(once(&same, &[x.into()], 1).unwrap(), [size]);
        }
    }
}

/// Sums over SIMD groups, votes and prefixes of each thread, over groups that are cut at the edges.
#[test]
fn rule_10_exactly_the_threads_of_the_grid_run() {
    let source = "
        uint3 p = thread_position_in_grid; uint3 n = threads_per_grid;
        uint i = (p.z * n.y + p.y) * n.x + p.x;
        uint v = i * 7 % 11;
        sum[i] = simd_sum(v); before[i] = simd_prefix_exclusive_sum(v); next[i] = simd_shuffle_down(v, 1);
        extent[i] = threads_per_threadgroup.x + 100 * threads_per_threadgroup.y + 10000 * threads_per_threadgroup.z;
        threadgroup atomic_uint shared;
        if (thread_index_in_threadgroup == 0) atomic_store_explicit(&shared, 0, memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        atomic_fetch_add_explicit(&shared, v, memory_order_relaxed);
        threadgroup_barrier(mem_flags::mem_threadgroup);
        all_of[i] = atomic_load_explicit(&shared, memory_order_relaxed);";
    let kernel = MetalKernel::new("ragged", source).outputs(["sum", "before", "next", "extent", "all_of"]);
    let mut rng = Rng(10);
    let mut cases = vec![
        ([100, 1, 1], [64, 1, 1]),
        ([33, 5, 1], [32, 4, 1]),
        ([7, 9, 11], [4, 4, 4]),
        ([3, 2, 1], [1024, 1, 1]),
        ([1, 1, 70], [1, 1, 64]),
    ];
    for _ in 0..12 {
        let grid = [0; 3].map(|_: u32| 1 + rng.below(20) as u32);
        let group = [0; 3].map(|_: u32| 1 + rng.below(10) as u32);
        cases.push((grid, group));
    }
    for (grid, group) in cases {
        let n = grid.iter().product::<u32>() as usize;
        let mut call = kernel.call(Vec::<Array>::new()).grid(grid).threadgroup(group);
        for _ in 0..5 {
            call = call.output([n + 1], Dtype::Uint32);
        }
        let out: Vec<Vec<u32>> =
            call.init_value(7.0).build().unwrap().iter().map(|y| y.to_vec().unwrap()).collect();
        let nominal: [u32; 3] = std::array::from_fn(|k| group[k].min(grid[k]));
        // The threads of each SIMD group, in order.
        let mut simd: HashMap<([u32; 3], u32), Vec<u32>> = HashMap::new();
        let mut total: HashMap<[u32; 3], u32> = HashMap::new();
        let place = |i: u32| {
            let p = [i % grid[0], i / grid[0] % grid[1], i / (grid[0] * grid[1])];
            let at: [u32; 3] = std::array::from_fn(|k| p[k] / nominal[k]);
            let real: [u32; 3] = std::array::from_fn(|k| nominal[k].min(grid[k] - at[k] * nominal[k]));
            let local: [u32; 3] = std::array::from_fn(|k| p[k] - at[k] * nominal[k]);
            let index = (local[2] * real[1] + local[1]) * real[0] + local[0];
            (at, real, index)
        };
        for i in 0..n as u32 {
            let (at, _, index) = place(i);
            let lanes = simd.entry((at, index / 32)).or_insert_with(|| vec![0; 32]);
            lanes[index as usize % 32] = i * 7 % 11;
            *total.entry(at).or_default() += i * 7 % 11;
        }
        for i in 0..n as u32 {
            let (at, real, index) = place(i);
            let (lanes, lane) = (&simd[&(at, index / 32)], index as usize % 32);
            let is_last = index + 1 == real.iter().product::<u32>() || lane == 31;
            let got: Vec<u32> = out.iter().map(|y| y[i as usize]).collect();
            let what = format!("thread {i} of {grid:?} in groups of {group:?}");
            assert_eq!(got[0], lanes.iter().sum::<u32>(), "sum, {what}");
            assert_eq!(got[1], lanes[..lane].iter().sum::<u32>(), "prefix, {what}");
            // What comes from a lane that is not there means nothing.
            assert!(is_last || got[2] == lanes[lane + 1], "shuffle, {what}");
            assert_eq!(got[3], real[0] + 100 * real[1] + 10000 * real[2], "extent, {what}");
            assert_eq!(got[4], total[&at], "group, {what}");
        }
        assert!(out.iter().all(|y| y[n] == 7), "nobody else runs: {grid:?} in groups of {group:?}");
    }
    // The group counts as it was given, not as it is cut.
    let call = kernel.call(Vec::<Array>::new()).grid([4, 1, 1]).threadgroup([1025, 1, 1]);
    let call = (0..5).fold(call, |call, _| call.output([4], Dtype::Uint32));
    let error = call.build().unwrap()[0].eval().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    assert!(error.to_string().contains("[1025, 1, 1] has more than 1024 threads"), "{error}");
}

#[test]
fn rule_11_inputs_are_made_contiguous_and_outputs_are_fresh() {
    let source = "uint i = thread_position_in_grid.x; y[i] = x[i];";
    let run = |kernel: &MetalKernel, x: &Array, dtype: Dtype, init: Option<f64>| {
        let call = kernel.call([x]).output([7], dtype).grid([6, 1, 1]).threadgroup([6, 1, 1]);
        let call = if let Some(init) = init { call.init_value(init) } else { call };
        call.build().unwrap().remove(0)
    };
    let x = floats(12);
    let data = x.to_vec::<f32>().unwrap();
    let turned = x.reshape(&[4, 3]).unwrap().transpose(&[]).unwrap().index((.., 1..3)).unwrap();
    let flat: Vec<f32> = turned.to_vec().unwrap();
    let copied = run(&kernel(source, ["x"]), &turned, Dtype::Float32, None);
    assert_eq!(copied.to_vec::<f32>().unwrap()[..6], flat);
    // As it is, from its first element on: that is element 3 of the whole.
    let passed = run(&kernel(source, ["x"]).ensure_row_contiguous(false), &turned, Dtype::Float32, None);
    assert_eq!(passed.to_vec::<f32>().unwrap()[..6], data[3..9]);
    // Backwards, there is nothing before the first element.
    let key: Vec<holdall::Index> = vec![holdall::Index::stepped(.., -1)];
    let back = run(
        &kernel(source, ["x"]).ensure_row_contiguous(false),
        &x.index(&key[..]).unwrap(),
        Dtype::Float32,
        None,
    );
    assert_eq!(back.to_vec::<f32>().unwrap()[..6], [2.5, 2.0, 1.5, 1.0, 0.5, 0.0]);
    // What is filled is cast to each type; nobody's memory is taken.
    let filled = run(&kernel(source, ["x"]), &x, Dtype::Int32, Some(-2.9));
    assert_eq!(filled.to_vec::<i32>().unwrap(), [-3, -2, -2, -1, -1, 0, -2]);
    assert_eq!(x.to_vec::<f32>().unwrap(), data);
}

#[test]
fn rule_12_verbose_prints_the_source() {
    let marker = "RULE_12_CHILD";
    if std::env::var_os(marker).is_some() {
        let verbose = kernel("y[0] = x[0] + T(thread_position_in_grid.x); // x_shape", ["x"]);
        let call = verbose.header("// the header").call([floats(9)]).output([1], Dtype::Float16);
        drop(call.template("T", Dtype::Int32).verbose(true).build().unwrap());
        return;
    }
    let program = std::env::current_exe().unwrap();
    let args = ["--exact", "ops::kernel_rules::rule_12_verbose_prints_the_source", "--nocapture"];
    let out = std::process::Command::new(program).args(args).env(marker, "1").output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let mut at = 0;
    for part in [
        "Generated source code for `rule`:",
        "// the header",
        "void custom_kernel_rule(",
        "// T = int32_t",
        "const device float* x [[buffer(0)]]",
        "const constant int32_t* x_shape [[buffer(1)]]",
        "device float16_t* y [[buffer(2)]]",
        "uint3 thread_position_in_grid [[thread_position_in_grid]]",
        "y[0] = x[0] + T(thread_position_in_grid.x); // x_shape",
    ] {
        at +=
            text[at..].find(part).unwrap_or_else(|| panic!("{part} is missing or not in its place:\n{text}"));
    }
}

#[test]
fn rule_13_kernels_run_on_the_current_stream() {
    let double = kernel("uint i = thread_position_in_grid.x; y[i] = x[i] * 2;", ["x"]);
    let streams = [Stream::default_of(DeviceId::DEFAULT).unwrap(), Stream::new(DeviceId::DEFAULT).unwrap()];
    let mut x = floats(1000);
    let want: Vec<f32> = x.to_vec::<f32>().unwrap().iter().map(|v| v * 16.0).collect();
    for i in 0..4 {
        let call =
            double.call([&x]).output([1000], Dtype::Float32).grid([1000, 1, 1]).threadgroup([64, 1, 1]);
        x = streams[i % 2].scope(|| call.build()).unwrap().remove(0);
    }
    assert_eq!(x.to_vec::<f32>().unwrap(), want);
}

#[test]
fn rule_14_mistakes_in_the_text_come_out_at_evaluation() {
    let wrong = kernel("y[0] = 1;\ny[1] = nothing;", []);
    let built = wrong.call(Vec::<Array>::new()).output([2], Dtype::Float32).build().unwrap().remove(0);
    let follows = built.add(1.0).unwrap();
    let error = follows.eval().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kernel);
    for part in ["rule: the kernel does not compile", "body:2:8", "y[1] = nothing;", "kernel_rules.rs"] {
        assert!(error.to_string().contains(part), "{part} is missing:\n{error}");
    }
    // Whoever does not need it goes on.
    eval(&[&floats(3).add(1.0).unwrap()]).unwrap();
}

#[test]
fn rule_15_a_kernel_has_no_derivative_of_its_own() {
    let double = kernel("y[0] = x[0] * 2;", ["x"]);
    let loss = |x: &[Array]| {
        let y = double.call([&x[0]]).output([1], Dtype::Float32).build()?.remove(0);
        y.sum(None, false)
    };
    let error = grad(loss, &[0])(&[floats(1)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gradient);
    for part in ["rule: has no derivative backwards", "MetalKernel::vjp", "kernel_rules.rs"] {
        assert!(error.to_string().contains(part), "{part} is missing: {error}");
    }
}

#[test]
fn rule_16_several_outputs_shapes_and_no_attribute_go_together() {
    let two = MetalKernel::new("rule", "a[0] = x_shape[0]; b[0] = x_ndim; b[1] = x_strides[0];")
        .inputs(["x"])
        .outputs(["a", "b"]);
    let x = floats(12).reshape(&[3, 4]).unwrap();
    let out = two.call([&x]).output([1], Dtype::Int32).output([2], Dtype::Float32).build().unwrap();
    assert_eq!(out[0].to_vec::<i32>().unwrap(), [3]);
    assert_eq!(out[1].to_vec::<f32>().unwrap(), [2.0, 4.0]);
}
