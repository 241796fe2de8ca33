//! Custom kernels as ops: their place in a graph, their arguments, their mistakes.

use holdall::{Array, Dtype, MetalKernel, Stream, device::DeviceId};

use super::support::checks_kernels;

fn floats(n: usize) -> Array {
    let data: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
    Array::from_slice(&data, &[n]).unwrap()
}

fn bits(x: &Array) -> Vec<u32> {
    x.to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

fn double() -> MetalKernel {
    MetalKernel::new("double", "uint i = thread_position_in_grid.x; y[i] = x[i] + x[i];")
        .inputs(["x"])
        .outputs(["y"])
}

fn call(kernel: &MetalKernel, x: &Array) -> Array {
    let n = x.shape().iter().product::<usize>() as u32;
    let call = kernel.call([x]).output(x.shape(), x.dtype()).grid([n, 1, 1]).threadgroup([32, 1, 1]);
    call.build().unwrap().remove(0)
}

#[test]
fn kernels_and_ops_follow_each_other_lazily() {
    let x = floats(1000);
    let mut lazy = x.clone();
    let mut plain = x.to_vec::<f32>().unwrap();
    for _ in 0..50 {
        lazy = call(&double(), &lazy.multiply(0.25).unwrap()).add(0.5).unwrap();
        plain.iter_mut().for_each(|v| *v = (*v * 0.25 + *v * 0.25) + 0.5);
    }
    assert_eq!(lazy.to_vec::<f32>().unwrap(), plain);
}

#[test]
fn exactly_the_threads_of_the_grid_run() {
    for (n, group) in [(1u32, 32u32), (31, 32), (33, 32), (1000, 256), (4097, 1024), (5, 3)] {
        let kernel = MetalKernel::new(
            "position",
            "y[thread_position_in_grid.x] = thread_position_in_grid.x + 1000 * threads_per_threadgroup.x;",
        )
        .outputs(["y"]);
        let out = kernel
            .call(Vec::<Array>::new())
            .output([n as usize + 3], Dtype::Uint32)
            .grid([n, 1, 1])
            .threadgroup([group, 1, 1])
            .init_value(7.0)
            .build()
            .unwrap()
            .remove(0);
        let group = group.min(n);
        let size = |i: u32| group.min(n - i / group * group);
        let want: Vec<u32> = (0..n).map(|i| i + 1000 * size(i)).chain([7; 3]).collect();
        assert_eq!(out.to_vec::<u32>().unwrap(), want, "{n} threads in groups of {group}");
    }
}

#[test]
fn arguments_are_mlxs() {
    let x = floats(24).reshape(&[4, 6]).unwrap();
    let turned = x.transpose(&[]).unwrap();
    // By strides, without a copy: the element at the transposed place.
    let strided = MetalKernel::new(
        "strided",
        "uint i = thread_position_in_grid.x; y[i] = x[elem_to_loc(i, x_shape, x_strides, x_ndim)] * T(factor) + shift;",
    )
    .inputs(["x", "factor", "shift"])
    .outputs(["y"])
    .ensure_row_contiguous(false);
    let shift = Array::from_slice(&[0.5f32], &[]).unwrap();
    let inputs = [holdall::Operand::from(&turned), 3.into(), (&shift).into()];
    let build = |dtype: Dtype| {
        let call = strided.call(inputs.clone()).output([6, 4], Dtype::Float32).template("T", dtype);
        call.grid([24, 1, 1]).threadgroup([8, 1, 1]).build().unwrap().remove(0)
    };
    let want = turned.multiply(3.0).unwrap().add(0.5).unwrap();
    assert_eq!(bits(&build(Dtype::Float32)), bits(&want));
    assert_eq!(bits(&build(Dtype::Int32)), bits(&want));
    // Several outputs, of which one is a half; inputs with gaps are copied.
    let two = MetalKernel::new(
        "two",
        "uint i = thread_position_in_grid.x; a[i] = half(x[i]); b[i] = x_shape[0] * 10 + x_ndim;",
    )
    .inputs(["x"])
    .outputs(["a", "b"]);
    let call = two.call([&turned]).output([24], Dtype::Float16).output([24], Dtype::Int32);
    let out = call.grid([24, 1, 1]).threadgroup([24, 1, 1]).build().unwrap();
    let flat = turned.reshape(&[24]).unwrap().astype(Dtype::Float16).astype(Dtype::Float32);
    assert_eq!(bits(&out[0].astype(Dtype::Float32)), bits(&flat));
    assert_eq!(out[1].to_vec::<i32>().unwrap(), vec![62; 24]);
}

#[test]
fn atomic_outputs_add_up() {
    let n = 10_000;
    let x = Array::from_slice(&(0..n).map(|i| i % 7).collect::<Vec<u32>>(), &[n as usize]).unwrap();
    let kernel = MetalKernel::new(
        "histogram",
        "uint i = thread_position_in_grid.x; atomic_fetch_add_explicit(&counts[x[i]], 1, memory_order_relaxed);",
    )
    .inputs(["x"])
    .outputs(["counts"])
    .atomic_outputs(true);
    let call = kernel.call([&x]).output([7], Dtype::Int32).init_value(0.0);
    let counts = call.grid([n, 1, 1]).threadgroup([256, 1, 1]).build().unwrap().remove(0);
    let want: Vec<i32> = (0..7).map(|k| (0..n).filter(|i| i % 7 == k).count() as i32).collect();
    assert_eq!(counts.to_vec::<i32>().unwrap(), want);
}

#[test]
fn kernels_of_one_name_are_not_mixed_up() {
    let kernel = |factor: u32| {
        MetalKernel::new(
            "same",
            format!("y[thread_position_in_grid.x] = x[thread_position_in_grid.x] * {factor};"),
        )
        .inputs(["x"])
        .outputs(["y"])
    };
    let x = floats(64);
    let many: Vec<Array> = (1..40).map(|i| call(&kernel(i), &x)).collect();
    holdall::eval(&many.iter().collect::<Vec<_>>()).unwrap();
    for (i, y) in many.iter().enumerate() {
        assert_eq!(bits(y), bits(&x.multiply((i + 1) as f32).unwrap()));
    }
}

#[test]
fn kernels_run_on_any_stream() {
    let x = floats(4096);
    let streams: Vec<Stream> = (0..2).map(|_| Stream::new(DeviceId::DEFAULT).unwrap()).collect();
    let mut y = x.clone();
    for i in 0..100 {
        y = streams[i % 2].scope(|| call(&double(), &y).multiply(0.5).unwrap());
    }
    assert_eq!(bits(&y), bits(&x));
}

#[test]
fn mistakes_in_the_text_come_with_their_line() {
    let kernel = MetalKernel::new("wrong", "uint i = thread_position_in_grid.x;\ny[i] = x[i] + nothing;")
        .inputs(["x"])
        .outputs(["y"]);
    let error = call(&kernel, &floats(4)).eval().unwrap_err().to_string();
    for part in
        ["wrong: the kernel does not compile", "unknown name `nothing`", "body:2:15", "metal_kernel.rs"]
    {
        assert!(error.contains(part), "{part} is missing:\n{error}");
    }
    let large = double().call([&floats(4)]).output([4], Dtype::Float32).grid([4, 1, 1]);
    let error = large.threadgroup([2048, 1, 1]).build().unwrap()[0].eval().unwrap_err().to_string();
    assert!(error.contains("more than 1024 threads"), "{error}");
}

#[test]
fn checked_calls_find_the_kernels_own_mistakes() {
    if !checks_kernels() {
        return;
    }
    let beyond = MetalKernel::new("beyond", "uint i = thread_position_in_grid.x;\ny[i] = x[i + 1];")
        .inputs(["x"])
        .outputs(["y"]);
    let x = floats(64);
    let build = |checked: bool| {
        let call = beyond.call([&x]).output([64], Dtype::Float32).grid([64, 1, 1]).threadgroup([32, 1, 1]);
        call.checked(checked && checks_kernels()).build().unwrap().remove(0)
    };
    let error = build(true).eval().unwrap_err().to_string();
    for part in ["out_of_bounds", "body:2:", "[63, 0, 0]"] {
        assert!(error.contains(part), "{part} is missing:\n{error}");
    }
    // Unchecked, what is beyond is 0, and nobody else is harmed.
    let y = build(false);
    assert_eq!(bits(&y)[..63], bits(&x)[1..]);
    assert_eq!(bits(&y)[63], 0);
    // What follows a failed op fails with it; everything else goes on.
    assert!(build(true).add(1.0).unwrap().eval().is_err());
    assert_eq!(bits(&call(&double(), &x)), bits(&x.multiply(2.0).unwrap()));
}

#[test]
fn a_kernel_that_runs_too_long_ends_with_an_error_that_says_which() {
    if !checks_kernels() {
        return;
    }
    let endless = MetalKernel::new("endless", "uint n = 0;\nwhile (x[n % 9] != 7) n++;\ny[0] = n;")
        .inputs(["x"])
        .outputs(["y"]);
    let made = endless.call([&floats(9)]).output([1], Dtype::Uint32);
    let line = line!() - 1;
    let y = made.deadline(std::time::Duration::from_millis(40)).build().unwrap().remove(0);
    let follows = y.add(1).unwrap();
    let error = follows.eval().unwrap_err().to_string();
    let place = format!("metal_kernel.rs:{line}:");
    for part in ["kernel `endless` did not end within 0.04 s", "body:2:", "metal_kernel built at", &place] {
        assert!(error.contains(part), "{part} is missing:\n{error}");
    }
    // The stream goes on.
    assert_eq!(bits(&call(&double(), &floats(4))), bits(&floats(4).multiply(2.0).unwrap()));
}
