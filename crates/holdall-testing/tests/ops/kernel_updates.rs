//! Kernels that read and write an input.

use holdall::{Array, Dtype, ErrorKind, MetalKernel, Operand, eval};

use super::support::{LAYOUTS, Plain, checks_kernels, lay};

/// `state += x`, and `y` is twice what comes out.
fn step() -> MetalKernel {
    MetalKernel::new(
        "step",
        "uint i = thread_position_in_grid.x; state[i] += x[i % x_shape[0]]; y[i] = state[i] * 2;",
    )
    .inputs(["state", "x"])
    .outputs(["y"])
    .read_write(["state"])
}

fn call(kernel: &MetalKernel, state: &Array, x: &Array, checked: bool) -> (Array, Array) {
    let n = state.size() as u32;
    let call = kernel.call([state, x]).output([state.size()], state.dtype());
    let out =
        call.grid([n, 1, 1]).threadgroup([64, 1, 1]).checked(checked && checks_kernels()).build().unwrap();
    assert_eq!(out.len(), 2);
    (out[0].clone(), out[1].clone())
}

fn vec(x: &Array) -> Vec<f32> {
    x.to_vec().unwrap()
}

#[test]
fn the_updated_array_is_another_output() {
    let (state, x) =
        (Array::from_slice(&[1f32; 100], &[100]).unwrap(), Array::from_slice(&[0.5f32; 9], &[9]).unwrap());
    for checked in [false, true] {
        let (y, new) = call(&step(), &state, &x, checked);
        assert_eq!(vec(&new), [1.5; 100], "checked: {checked}");
        assert_eq!(vec(&y), [3.0; 100]);
        assert_eq!(vec(&state), [1.0; 100], "what was passed stays what it is");
    }
}

#[test]
fn steps_follow_each_other_lazily_and_keep_all_that_is_asked_for() {
    let x = Array::from_slice(&[1f32, 2.0, 3.0], &[3]).unwrap();
    let mut state = Array::zeros(&[60], Dtype::Float32).unwrap();
    let (mut ys, mut kept) = (Vec::new(), Vec::new());
    for i in 0..100 {
        let (y, new) = call(&step(), &state, &x.multiply(1.0).unwrap(), i % 10 == 0);
        ys.push(y);
        if i % 7 == 0 {
            kept.push((i, new.clone()));
        }
        state = if i % 5 == 0 { new.add(1.0).unwrap() } else { new };
    }
    let sum = ys.iter().skip(1).fold(ys[0].clone(), |a, b| a.add(b).unwrap());
    eval(&[&state, &sum]).unwrap();
    let value = |i: usize, k: usize| (i + 1) as f32 * (k % 3 + 1) as f32 + i.div_ceil(5) as f32;
    for (i, new) in &kept {
        let want: Vec<f32> = (0..60).map(|k| value(*i, k)).collect();
        assert_eq!(vec(new), want, "after step {i}");
    }
    let want: Vec<f32> = (0..60).map(|k| (0..100).map(|i| 2.0 * value(i, k)).sum()).collect();
    assert_eq!(vec(&sum), want);
    assert_eq!(vec(&ys[99])[0], 2.0 * value(99, 0));
}

#[test]
fn any_layout_may_be_updated() {
    let plain = Plain::of(&[6, 5], |c| (c[0] * 5 + c[1]) as f32);
    let x = Array::from_slice(&[10f32; 3], &[3]).unwrap();
    let want: Vec<f32> = plain.data.iter().map(|v| v + 10.0).collect();
    for lies in LAYOUTS {
        for ensure in [true, false] {
            let state = lay(&plain, lies);
            let (_, new) = call(&step().ensure_row_contiguous(ensure), &state, &x, true);
            assert_eq!((new.shape(), vec(&new)), (&[6, 5][..], want.clone()), "{lies:?}");
            assert_eq!(vec(&state), plain.data, "{lies:?}");
        }
    }
    // A part of what others have, and a broadcast one, which has fewer elements in memory than it has.
    let whole = Array::from_slice(&plain.data, &[30]).unwrap();
    let (_, new) = call(&step(), &whole.index(10..20).unwrap(), &x, true);
    assert_eq!(vec(&new), want[10..20]);
    assert_eq!(vec(&whole), plain.data);
    let wide = Array::from_slice(&[1f32], &[1]).unwrap().broadcast_to(&[40]).unwrap();
    assert_eq!(vec(&call(&step(), &wide, &x, false).1), [11.0; 40]);
}

#[test]
fn small_arrays_and_numbers_may_be_updated() {
    let count = MetalKernel::new("count", "a[0] += 1; b[0] += b[1]; c[0] = !c[0];")
        .inputs(["a", "b", "c"])
        .read_write(["a", "b", "c"]);
    let b = Array::from_slice(&[5i32, 6], &[2]).unwrap();
    let mut inputs: Vec<Operand> = vec![41.into(), (&b).into(), false.into()];
    for round in 1..4 {
        let out =
            count.call(&inputs).init_value(-1.0).checked(round == 2 && checks_kernels()).build().unwrap();
        assert_eq!(out[0].shape(), [0usize; 0]);
        assert_eq!(out[0].item::<i32>().unwrap(), 41 + round);
        assert_eq!(out[1].to_vec::<i32>().unwrap(), [5 + 6 * round, 6]);
        assert_eq!(out[2].to_vec::<u8>().unwrap(), [round as u8 % 2]);
        inputs = out.iter().map(Into::into).collect();
    }
    assert_eq!(b.to_vec::<i32>().unwrap(), [5, 6]);
}

#[test]
fn one_array_may_be_passed_twice() {
    let swap = MetalKernel::new("swap", "uint i = thread_position_in_grid.x; a[i] += 1; b[i] += c[i];")
        .inputs(["a", "b", "c"])
        .read_write(["b", "a"]);
    for held in [false, true] {
        let x = Array::from_slice(&[2f32; 10], &[10]).unwrap();
        let keep = held.then(|| x.clone());
        let build =
            |x: Array| swap.call([&x, &x, &x]).grid([10, 1, 1]).threadgroup([10, 1, 1]).build().unwrap();
        let out = build(x);
        assert_eq!(vec(&out[0]), [3.0; 10]);
        assert_eq!(vec(&out[1]), [4.0; 10]);
        assert!(keep.is_none_or(|x| vec(&x) == [2.0; 10]));
    }
}

#[test]
fn updated_inputs_may_be_atomic() {
    let count = MetalKernel::new(
        "count",
        "atomic_fetch_add_explicit(&counts[thread_position_in_grid.x % 3], 1, memory_order_relaxed);",
    )
    .inputs(["counts"])
    .read_write(["counts"])
    .atomic_outputs(true);
    let mut counts = Array::from_slice(&[0i32, 10, 20], &[3]).unwrap();
    for _ in 0..5 {
        counts = count.call([&counts]).grid([3000, 1, 1]).threadgroup([256, 1, 1]).build().unwrap().remove(0);
    }
    assert_eq!(counts.to_vec::<i32>().unwrap(), [5000, 5010, 5020]);
}

#[test]
fn writing_what_was_not_declared_is_an_error_that_says_what_to_do() {
    let sly = MetalKernel::new("sly", "y[0] = 1; ((device float*)x)[0] = 2;").inputs(["x"]).outputs(["y"]);
    let x = Array::from_slice(&[1f32; 9], &[9]).unwrap();
    let error = sly.call([&x]).output([1], Dtype::Float32).build().unwrap()[0].eval().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Kernel);
    for part in ["sly: writes its input x", "read_write([\"x\"])", "kernel_updates.rs"] {
        assert!(error.to_string().contains(part), "{part} is missing: {error}");
    }
    let said = sly.read_write(["x"]).call([&x]).output([1], Dtype::Float32).build().unwrap();
    assert_eq!(vec(&said[1])[..2], [2.0, 1.0]);
    assert_eq!(vec(&x), [1.0; 9]);
}

#[test]
fn checked_mode_asks_for_named_outputs_alone_to_be_written() {
    if !checks_kernels() {
        return;
    }
    let half = MetalKernel::new(
        "half",
        "uint i = thread_position_in_grid.x; if (i < 5) { s[i] += 1; y[i] = s[i + 5]; }",
    )
    .inputs(["s"])
    .outputs(["y"])
    .read_write(["s"]);
    let s = Array::from_slice(&[1f32; 10], &[10]).unwrap();
    let run = |n: usize| {
        let call = half.call([&s]).output([n], Dtype::Float32).grid([10, 1, 1]).threadgroup([10, 1, 1]);
        call.checked(true).build().unwrap().remove(1).to_vec::<f32>()
    };
    assert_eq!(run(5).unwrap(), [2., 2., 2., 2., 2., 1., 1., 1., 1., 1.]);
    let error = run(6).unwrap_err().to_string();
    assert!(error.contains("unwritten_output") && error.contains("1 elements of `y`"), "{error}");
}
