//! `vmap` gives what a loop over the examples gives.

use holdall::transform::{grad, vmap};
use holdall::{Array, Dtype, MetalKernel, Result};

use super::support::Rng;

type Function = dyn Fn(&[Array]) -> Result<Vec<Array>>;

fn random(rng: &mut Rng, shape: &[usize]) -> Array {
    let n = shape.iter().product();
    let data: Vec<f32> = (0..n).map(|_| rng.range(-1000, 1000) as f32 / 500.0).collect();
    Array::from_slice(&data, shape).unwrap()
}

/// Compares with a loop. Each input is an example's shape, and where the batch of 5 is, if it has one.
fn check(what: &str, f: &Function, inputs: &[(&[usize], Option<i32>)]) {
    let mut rng = Rng(what.len() as u64);
    let n = 5;
    let mut arrays = Vec::new();
    for (shape, axis) in inputs {
        let mut shape = shape.to_vec();
        if let Some(axis) = axis {
            let at = if *axis < 0 { shape.len() as i32 + 1 + axis } else { *axis };
            shape.insert(at as usize, n);
        }
        arrays.push(random(&mut rng, &shape));
    }
    let axes: Vec<Option<i32>> = inputs.iter().map(|(_, axis)| *axis).collect();
    let got = vmap(f, &arrays, &axes).unwrap_or_else(|e| panic!("{what}: {e}"));
    let mut want: Vec<Vec<Array>> = Vec::new();
    for i in 0..n as i64 {
        let example = arrays.iter().zip(&axes).map(|(x, axis)| match axis {
            Some(axis) => x.slice_axis(*axis, i, i + 1).unwrap().squeeze(Some(&[*axis])).unwrap(),
            None => x.clone(),
        });
        want.push(f(&example.collect::<Vec<_>>()).unwrap());
    }
    assert_eq!(got.len(), want[0].len(), "{what}");
    for (k, got) in got.iter().enumerate() {
        let column: Vec<&Array> = want.iter().map(|row| &row[k]).collect();
        let want = Array::stack(&column, 0).unwrap();
        assert_eq!((got.shape(), got.dtype()), (want.shape(), want.dtype()), "{what}, output {k}");
        let (got, want) = (got.astype(Dtype::Float32), want.astype(Dtype::Float32));
        for (got, want) in got.to_vec::<f32>().unwrap().iter().zip(want.to_vec::<f32>().unwrap()) {
            assert!(
                (got - want).abs() <= 1e-5 * want.abs().max(1.0),
                "{what}, output {k}: {got}, wanted {want}"
            );
        }
    }
}

fn one(f: impl Fn(&[Array]) -> Result<Array> + 'static) -> Box<Function> {
    Box::new(move |x| Ok(vec![f(x)?]))
}

#[test]
fn elementwise_ops_broadcast_over_the_batch() {
    let f = one(|x| x[0].multiply(&x[1])?.add(2.0)?.exp()?.subtract(&x[1]));
    check("ranks", &f, &[(&[3, 4], Some(0)), (&[4], Some(0))]);
    check("ranks turned", &f, &[(&[4], Some(-1)), (&[3, 4], Some(1))]);
    check("one of two", &f, &[(&[3, 4], None), (&[], Some(0))]);
    check("the other", &f, &[(&[], Some(0)), (&[3, 4], None)]);
    let f = one(|x| {
        Array::select(&x[0].greater(0.0)?, &x[1], x[0].astype(Dtype::Float16).astype(Dtype::Float32))
    });
    check("select and casts", &f, &[(&[2, 3], Some(1)), (&[3], Some(0))]);
    let f: Box<Function> = Box::new(|x| {
        let (a, b) = x[0].divmod(&x[1].add(5.0)?)?;
        Ok(vec![b, a, x[1].clone(), Array::ones(&[2], Dtype::Int32)?])
    });
    check("several outputs, some as they came, some of none", &f, &[(&[3], Some(0)), (&[3], None)]);
}

#[test]
fn views_reductions_and_products_have_rules() {
    let f = one(|x| {
        x[0].reshape(&[2, -1])?.transpose(&[])?.index((1.., 0))?.expand_dims(&[0])?.broadcast_to(&[3, 5])
    });
    check("views", &f, &[(&[3, 4], Some(1))]);
    let f: Box<Function> = Box::new(|x| {
        Ok(vec![
            x[0].sum(Some(&[0]), false)?,
            x[0].max(None, true)?,
            x[0].softmax(Some(&[-1]), false)?,
            x[0].mean(Some(&[1]), false)?,
        ])
    });
    check("reductions", &f, &[(&[3, 4], Some(-1))]);
    let f = one(|x| x[0].matmul(&x[1]));
    check("both factors", &f, &[(&[3, 4], Some(0)), (&[4, 2], Some(1))]);
    check("the left one", &f, &[(&[3, 4], Some(0)), (&[4, 2], None)]);
    check("the right one", &f, &[(&[3, 4], None), (&[4, 2], Some(2))]);
    check("batches of batches", &f, &[(&[6, 3, 4], Some(0)), (&[4, 2], Some(0))]);
    check("vectors", &f, &[(&[4], Some(0)), (&[4], Some(0))]);
}

#[test]
fn ops_without_a_rule_run_example_by_example() {
    let f: Box<Function> = Box::new(|x| {
        let order = x[0].argsort(Some(-1))?;
        Ok(vec![
            x[0].sort(Some(-1))?,
            x[1].take(&order, Some(0))?,
            Array::concatenate(&[&x[0], &x[1]], Some(0))?,
            order,
        ])
    });
    check("sorted", &f, &[(&[6], Some(0)), (&[6], Some(1))]);
    let f = one(|x| x[0].cumsum(Some(0), false, true)?.slice_update(&x[1], &[1, 0], &[2, 3], &[]));
    check("updates", &f, &[(&[4, 3], Some(0)), (&[3], None)]);
}

#[test]
fn transformations_nest() {
    let loss = |x: &[Array]| x[0].multiply(&x[1])?.sin()?.sum(None, false);
    let f: Box<Function> = Box::new(move |x| grad(loss, &[0, 1])(x));
    check("gradients of each", &f, &[(&[3], Some(0)), (&[3], None)]);
    let f = one(|x| {
        let inner = vmap(|y| Ok(vec![y[0].multiply(&x[1])?.sum(None, false)?]), &[x[0].clone()], &[Some(1)])?;
        inner[0].add(1.0)
    });
    check("batches of batches", &f, &[(&[3, 4], Some(0)), (&[3], Some(0))]);
    // And the gradient of a batch.
    let mut rng = Rng(1);
    let (x, w) = (random(&mut rng, &[5, 3]), random(&mut rng, &[3]));
    let batched = |x: &[Array]| {
        let y = vmap(|x| Ok(vec![x[0].multiply(&x[1])?.sum(None, false)?.square()?]), x, &[Some(0), None])?;
        y[0].sum(None, false)
    };
    let plain = |x: &[Array]| x[0].matmul(&x[1])?.square()?.sum(None, false);
    for (got, want) in grad(batched, &[0, 1])(&[x.clone(), w.clone()])
        .unwrap()
        .iter()
        .zip(grad(plain, &[0, 1])(&[x, w]).unwrap())
    {
        for (got, want) in got.to_vec::<f32>().unwrap().iter().zip(want.to_vec::<f32>().unwrap()) {
            assert!((got - want).abs() < 1e-4, "{got}, wanted {want}");
        }
    }
}

/// `y = x * factor + sum(b)`, for one example of any shape.
fn kernel() -> MetalKernel {
    MetalKernel::new("scaled", "uint i = thread_position_in_grid.x; float s = 0; for (int k = 0; k < b_shape[0]; k++) s += b[k]; y[i] = x[i] * factor + s;")
        .inputs(["x", "b", "factor"])
        .outputs(["y"])
}

fn call(kernel: &MetalKernel, x: &Array, b: &Array) -> Result<Array> {
    let call =
        kernel.call([x.into(), b.into(), holdall::Operand::from(2.0)]).output(x.shape(), Dtype::Float32);
    Ok(call.grid([x.size() as u32, 1, 1]).threadgroup([32, 1, 1]).build()?.remove(0))
}

#[test]
fn kernels_run_example_by_example_or_by_their_rule() {
    let f = one(|x| call(&kernel(), &x[0].add(1.0)?, &x[1])?.multiply(&x[0]));
    check("a kernel", &f, &[(&[3, 4], Some(1)), (&[2], Some(0))]);
    check("a kernel, one input", &f, &[(&[3, 4], Some(0)), (&[2], None)]);
    // The rule: one launch over all examples, as another kernel.
    let wide = MetalKernel::new(
        "scaled_batch",
        "uint2 i = thread_position_in_grid.xy; float s = 0; for (int k = 0; k < b_shape[1]; k++) s += b[i.y * b_shape[1] + k]; \
         uint at = i.y * threads_per_grid.x + i.x; y[at] = x[at] * factor + s;",
    )
    .inputs(["x", "b", "factor"])
    .outputs(["y"]);
    let launches = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = launches.clone();
    let ruled = kernel().vmap(move |inputs, is_batched| {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(is_batched, [true, false, false]);
        let n = inputs[0].dim(0);
        let b = inputs[1].broadcast_to(&[n, inputs[1].dim(0)])?;
        let call = wide.call([&inputs[0], &b, &inputs[2]]).output(inputs[0].shape(), Dtype::Float32);
        call.grid([(inputs[0].size() / n) as u32, n as u32, 1]).threadgroup([16, 2, 1]).build()
    });
    let f = one(move |x| call(&ruled, &x[0].add(1.0)?, &x[1])?.multiply(&x[0]));
    check("a kernel with a rule", &f, &[(&[3, 4], Some(0)), (&[2], None)]);
    assert_eq!(launches.load(std::sync::atomic::Ordering::Relaxed), 1, "the loop calls the kernel itself");
    let wrong = kernel().vmap(|inputs, _| Ok(vec![inputs[0].sum(None, false)?]));
    let x = Array::ones(&[5, 3], Dtype::Float32).unwrap();
    let b = Array::ones(&[2], Dtype::Float32).unwrap();
    let error = vmap(|x| Ok(vec![call(&wrong, &x[0], &x[1])?]), &[x, b], &[Some(0), None]).unwrap_err();
    assert!(
        error.to_string().contains("a batching rule gave [] of float32, wanted a batch of 5 of each of [3]"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_batched_is_an_error() {
    let x = Array::ones(&[5, 3], Dtype::Float32).unwrap();
    let same = |x: &[Array]| Ok(x.to_vec());
    let message = |r: Result<Vec<Array>>| r.unwrap_err().to_string();
    assert!(message(vmap(same, &[x.clone()], &[None])).contains("wanted an input with a batch axis"));
    assert!(message(vmap(same, &[x.clone()], &[])).contains("number of inputs (1)"));
    assert!(message(vmap(same, &[x.clone()], &[Some(2)])).contains("axis 2"));
    let uneven = message(vmap(same, &[x.clone(), x.clone()], &[Some(0), Some(1)]));
    assert!(uneven.contains("input 1 of shape [5, 3] has 3 examples, those before have 5"), "{uneven}");
    let looks = |x: &[Array]| x[0].add(1.0)?.eval().map(|()| x.to_vec());
    assert!(message(vmap(looks, &[x.clone()], &[Some(0)])).contains("has no value to look at"));
    // A batch of none gives none, and an unused input is no obstacle.
    let none = Array::zeros(&[0, 3], Dtype::Float32).unwrap();
    let y = vmap(|x| Ok(vec![x[0].sort(Some(-1))?.sum(None, false)?]), &[none, x], &[Some(0), None]).unwrap();
    assert_eq!(y[0].shape(), [0]);
    y[0].eval().unwrap();
}
