//! Updates that reuse memory: measured on the pool of the process, so these tests are a program of their own.

use std::sync::Mutex;

use holdall::{Array, Dtype, eval};

/// Held while the pool is measured: the tests of a program share it.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn a_thousand_appends_take_no_memory() {
    let _alone = ALONE.lock();
    let pool = holdall::device::DeviceId::DEFAULT.get().unwrap().pool().clone();
    // 64 MB: 8 heads, 8192 places, 256 numbers.
    let mut cache = Array::zeros(&[8, 8192, 256], Dtype::Float32).unwrap().contiguous();
    let token = Array::ones(&[8, 1, 256], Dtype::Float32).unwrap().contiguous();
    eval(&[&cache, &token]).unwrap();
    pool.reset_peak();
    let before = pool.peak_bytes();
    for i in 0..1000 {
        cache = cache.slice_update(&token, &[0, i, 0], &[8, i + 1, 256], &[]).unwrap();
        if i % 3 == 0 {
            eval(&[&cache]).unwrap();
        }
    }
    eval(&[&cache]).unwrap();
    let rise = pool.peak_bytes() - before;
    assert!(rise < 1 << 20, "appending raised the peak by {rise} bytes");
    let ones = cache.index((.., 998..1002, 0)).unwrap();
    assert_eq!(ones.to_vec::<f32>().unwrap(), [1., 1., 0., 0.].repeat(8));
}

#[test]
fn readers_of_one_graph_go_before_the_writer() {
    let _alone = ALONE.lock();
    let pool = holdall::device::DeviceId::DEFAULT.get().unwrap().pool().clone();
    let x = Array::zeros(&[48 << 20], Dtype::Uint8).unwrap().contiguous();
    eval(&[&x]).unwrap();
    pool.reset_peak();
    let before = pool.peak_bytes();
    let new = x.index_update(0..1, 1).unwrap();
    let old = x.index(0..4).unwrap().contiguous();
    drop(x);
    eval(&[&new, &old]).unwrap();
    let rise = pool.peak_bytes() - before;
    assert_eq!(old.to_vec::<u8>().unwrap(), [0; 4]);
    assert_eq!(new.index(0..2).unwrap().to_vec::<u8>().unwrap(), [1, 0]);
    assert!(rise < 1 << 20, "the peak rose by {rise} bytes");
    // A reader that needs both values forces a copy, and both are right.
    let x = new;
    let new = x.index_update(1..2, 2).unwrap();
    let both = x.add(&new).unwrap().index(0..2).unwrap();
    drop(x);
    eval(&[&new, &both]).unwrap();
    assert_eq!(both.to_vec::<u8>().unwrap(), [2, 2]);
}

/// A state of 64 MB that a kernel reads and writes, with an output of its own that is kept.
#[test]
fn a_thousand_steps_of_a_kernel_take_no_memory() {
    let _alone = ALONE.lock();
    let pool = holdall::device::DeviceId::DEFAULT.get().unwrap().pool().clone();
    let step = holdall::MetalKernel::new(
        "step",
        "uint i = thread_position_in_grid.x; state[i * 1024] += x[0] + i; y[i] = state[i * 1024];",
    )
    .inputs(["x", "state"])
    .outputs(["y"])
    .read_write(["state"]);
    let x = Array::from_slice(&[0.5f32], &[1]).unwrap();
    let mut state = Array::zeros(&[64, 1 << 18], Dtype::Float32).unwrap().contiguous();
    eval(&[&state]).unwrap();
    pool.reset_peak();
    let before = pool.peak_bytes();
    let mut kept: Vec<Array> = Vec::new();
    for i in 0..1000 {
        let call =
            step.call([&x, &state]).output([32], Dtype::Float32).grid([32, 1, 1]).threadgroup([32, 1, 1]);
        let mut out = call.build().unwrap();
        state = out.remove(1);
        // What else the kernel gives may live on, computed or not.
        kept.push(out.remove(0));
        if i % 3 == 0 {
            eval(&[&state]).unwrap();
        }
        if i % 10 == 9 {
            let sum = kept[i - 9..].iter().fold(kept[i - 9].clone(), |a, b| a.add(b).unwrap());
            eval(&[&sum]).unwrap();
        }
    }
    eval(&kept.iter().chain([&state]).collect::<Vec<_>>()).unwrap();
    let rise = pool.peak_bytes() - before;
    assert!(rise < 1 << 20, "a thousand steps raised the peak by {rise} bytes");
    let first = state.reshape(&[1 << 14, 1024]).unwrap().index((0..3, 0)).unwrap();
    assert_eq!(first.to_vec::<f32>().unwrap(), [500.0, 1500.0, 2500.0]);
    assert_eq!(kept[999].index(0..2).unwrap().to_vec::<f32>().unwrap(), [500.0, 1500.0]);
    // Somebody else who needs it gets a copy.
    let old = state.clone();
    let call = step.call([&x, &state]).output([32], Dtype::Float32).grid([32, 1, 1]).threadgroup([32, 1, 1]);
    state = call.build().unwrap().remove(1);
    eval(&[&state]).unwrap();
    let one = |x: &Array| x.index((0, 0)).unwrap().item::<f32>().unwrap();
    assert_eq!((one(&old), one(&state)), (500.0, 500.5));
    assert!(pool.peak_bytes() - before >= 64 << 20);
}
