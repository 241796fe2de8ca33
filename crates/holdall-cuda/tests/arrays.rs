//! Arrays on a GPU, from the graph to the result. What is tested op by op and type by type is in `holdall-testing`, with
//! `HOLDALL_DEVICE=cuda:0`; this is what has to do with the backend.

use std::time::Instant;

use holdall_core::{Array, Dtype, MetalKernel, Stream, async_eval, device, eval, settings};
use holdall_cuda as _;

fn has_gpu() -> bool {
    let wanted = settings::device().unwrap().is_some_and(|name| name.starts_with("cuda"));
    match device::all() {
        Ok(_) => true,
        Err(e) if wanted => panic!("{e}"),
        Err(e) => {
            eprintln!("nothing was tested: {e}");
            false
        }
    }
}

fn floats(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * 0.37).sin()).collect()
}

#[test]
fn fused_elementwise_ops_run() {
    if !has_gpu() {
        return;
    }
    let data = floats(100_001);
    let x = Array::from_slice(&data, &[100_001]).unwrap();
    let y = x.multiply(2.0).unwrap().add(1.0).unwrap().abs().unwrap();
    let wanted: Vec<f32> = data.iter().map(|x| (x * 2.0 + 1.0).abs()).collect();
    assert_eq!(y.to_vec::<f32>().unwrap(), wanted);
    // By strides, and between types.
    let x = Array::from_slice(&data[..600], &[20, 30]).unwrap();
    let y = x.transpose(&[1, 0]).unwrap().astype(Dtype::Float16).astype(Dtype::Float32);
    let got = y.to_vec::<f32>().unwrap();
    for (i, got) in got.iter().enumerate() {
        let wanted = data[i % 20 * 30 + i / 20];
        assert!((got - wanted).abs() <= 5e-4, "{i}: {got} for {wanted}");
    }
}

#[test]
fn a_chain_of_custom_kernels_and_ops_runs() {
    if !has_gpu() {
        return;
    }
    let kernel = MetalKernel::new("double", "uint i = thread_position_in_grid.x; y[i] = x[i] + x[i];")
        .inputs(["x"])
        .outputs(["y"]);
    let mut plain = floats(1000);
    let mut lazy = Array::from_slice(&plain, &[1000]).unwrap();
    for _ in 0..100 {
        let quarter = lazy.multiply(0.25).unwrap();
        let call = kernel.call([&quarter]).output([1000], Dtype::Float32).grid([1000, 1, 1]);
        lazy = call.threadgroup([96, 1, 1]).build().unwrap().remove(0).add(0.5).unwrap();
        plain.iter_mut().for_each(|v| *v = (*v * 0.25 + *v * 0.25) + 0.5);
    }
    assert_eq!(lazy.to_vec::<f32>().unwrap(), plain);
}

#[test]
fn mistakes_in_custom_kernels_name_the_line() {
    if !has_gpu() {
        return;
    }
    let kernel =
        MetalKernel::new("wrong", "uint i = thread_position_in_grid.x;\ny[i] = no_such_name;").outputs(["y"]);
    let call = kernel.call(Vec::<Array>::new()).output([4], Dtype::Float32).grid([4, 1, 1]);
    let error = call.build().and_then(|made| made[0].to_vec::<f32>()).unwrap_err().to_string();
    assert!(error.contains("no_such_name") && error.contains("wrong"), "{error}");
    // Nothing is the worse for it.
    assert_eq!(Array::from_slice(&[1.0f32], &[1]).unwrap().add(1.0).unwrap().to_vec::<f32>().unwrap(), [2.0]);
}

#[test]
fn sums_and_products_of_matrices_run() {
    if !has_gpu() {
        return;
    }
    let (a, b) = (floats(64 * 96), floats(96 * 32));
    let (x, y) = (Array::from_slice(&a, &[64, 96]).unwrap(), Array::from_slice(&b, &[96, 32]).unwrap());
    let product = x.matmul(&y).unwrap().to_vec::<f32>().unwrap();
    let sums = x.sum(Some(&[1]), false).unwrap().to_vec::<f32>().unwrap();
    for i in 0..64 {
        let row = &a[i * 96..][..96];
        let sum: f64 = row.iter().map(|x| f64::from(*x)).sum();
        assert!((f64::from(sums[i]) - sum).abs() < 1e-4, "row {i}");
        for j in 0..32 {
            let wanted: f64 = (0..96).map(|k| f64::from(row[k]) * f64::from(b[k * 32 + j])).sum();
            assert!((f64::from(product[i * 32 + j]) - wanted).abs() < 1e-3, "{i}, {j}");
        }
    }
}

#[test]
fn streams_exchange_arrays_at_random() {
    if !has_gpu() {
        return;
    }
    let second = Stream::new(device::DeviceId::DEFAULT).unwrap();
    for seed in 0..1000u64 {
        let run = |two: bool| {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut next = |n: usize| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 33) as usize % n
            };
            let mut held: Vec<Array> =
                (0..3).map(|i| Array::full(&[4096], i as f32, None).unwrap()).collect();
            for _ in 0..12 {
                let (a, b, scale) = (next(held.len()), next(held.len()), next(7) as f32 * 0.125);
                let other = next(2) == 1;
                let made = || held[a].multiply(scale).unwrap().add(&held[b]).unwrap();
                let made = if other && two { second.scope(made) } else { made() };
                if next(3) == 0 {
                    async_eval(&[&made]).unwrap();
                }
                let at = next(held.len() + 1);
                if at < held.len() { held[at] = made } else { held.push(made) }
            }
            held.iter().flat_map(|x| x.to_vec::<f32>().unwrap()).map(f32::to_bits).collect::<Vec<u32>>()
        };
        assert!(run(true) == run(false), "seed {seed}");
    }
}

#[test]
fn long_chains_take_little_memory() {
    if !has_gpu() {
        return;
    }
    let n = 1 << 20;
    let mut x = Array::full(&[n], 0.0f32, None).unwrap();
    eval(&[&x]).unwrap();
    let pool = device::all().unwrap()[0].pool().clone();
    pool.reset_peak();
    let before = pool.active_bytes();
    for i in 0..10_000 {
        // A sum between, so that it is no one kernel.
        let one = x.add(1.0).unwrap();
        x = if i % 64 == 63 { one.minimum(&one.sum(None, true).unwrap()).unwrap() } else { one };
    }
    x.to_vec::<f32>().unwrap();
    let peak = pool.peak_bytes() - before;
    assert!(peak <= 3 * 4 * n, "{peak} bytes");
}

/// Prints how long the host takes to evaluate a repeated graph of 500 ops.
#[test]
fn repeated_graphs_cost_the_host_little() {
    if !has_gpu() {
        return;
    }
    let x = Array::full(&[1024], 1.0f32, None).unwrap();
    let w = Array::full(&[1024], 0.5f32, None).unwrap();
    eval(&[&x, &w]).unwrap();
    let mut best = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..50 {
        let start = Instant::now();
        let mut y = x.clone();
        for i in 0..500 {
            // Every other one ends a kernel, since its value is held.
            y = if i % 2 == 0 { y.add(&w).unwrap() } else { y.multiply(&w).unwrap() };
            if i % 10 == 9 {
                y = y.sum(None, true).unwrap().add(&x).unwrap();
            }
        }
        let built = start.elapsed().as_secs_f64();
        async_eval(&[&y]).unwrap();
        let scheduled = start.elapsed().as_secs_f64();
        eval(&[&y]).unwrap();
        let done = start.elapsed().as_secs_f64();
        if done < best.2 {
            best = (built, scheduled - built, done);
        }
    }
    println!(
        "500 ops: built in {:.0} us, scheduled in {:.0} us, done after {:.0} us",
        best.0 * 1e6,
        best.1 * 1e6,
        best.2 * 1e6
    );
    assert!(best.2 < 1.0);
}

#[test]
fn the_backend_says_what_it_found() {
    let found = holdall_core::diagnosis::diagnose();
    let cuda = found.iter().find(|found| found.backend == "cuda").unwrap();
    println!("{cuda:#?}");
    for library in &cuda.libraries {
        assert!(library.path.is_some() != library.problem.is_some(), "{library:?}");
    }
    // Without devices it is said why, and the other way round.
    assert!(
        cuda.devices.is_empty() <= cuda.libraries.iter().any(|l| l.problem.is_some())
            || cuda.problem.is_some()
    );
    assert_eq!(cuda.libraries.len(), 3);
}
