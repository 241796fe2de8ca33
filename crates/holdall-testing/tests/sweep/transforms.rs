//! What transformations promise: nesting, evaluation inside, errors instead of zeros.

use holdall::pointwise::row;
use holdall::transform::{CustomFunction, grad, jvp, stop_gradient, value_and_grad, vjp};
use holdall::{Array, Dtype, Error, ErrorKind, eval};

use super::support::{array, assert_close, values};

fn scalar(x: f64) -> Array {
    Array::scalar(x)
}

fn number(x: &Array) -> f64 {
    assert_eq!(x.shape(), [0usize; 0]);
    values(x)[0]
}

#[test]
fn value_and_grad_gives_both() {
    let f = |x: &[Array]| Ok(vec![x[0].square()?.multiply(&x[1])?, x[0].add(1.0)?]);
    let (value, grads) = value_and_grad(f, &[1, 0])(&[scalar(3.0), scalar(5.0)]).unwrap();
    assert_eq!(value.iter().map(number).collect::<Vec<_>>(), [45.0, 4.0]);
    assert_eq!(grads.iter().map(number).collect::<Vec<_>>(), [9.0, 30.0]);
}

#[test]
fn derivatives_of_derivatives() {
    type Loss = Box<dyn Fn(&[Array]) -> holdall::Result<Array>>;
    let mut f: Loss = Box::new(|x: &[Array]| x[0].sin());
    let x = 0.7f64;
    for want in [x.cos(), -x.sin(), -x.cos(), x.sin()] {
        let slope = grad(f, &[0]);
        f = Box::new(move |x: &[Array]| Ok(slope(x)?.remove(0)));
        assert_close(&[number(&f(&[scalar(x)]).unwrap())], &[want], 1e-14, "sin");
    }
}

/// d/dx x · (d/dy (x + y) at 1) is 1: the tangents of nested transformations are not confused.
#[test]
fn perturbations_are_not_confused() {
    let one = scalar(1.0);
    let outer = |x: &[Array]| {
        let inner = |y: &[Array]| Ok(vec![x[0].add(&y[0])?]);
        let slope = jvp(inner, &[one.clone()], &[one.clone()])?.1.remove(0);
        Ok(vec![x[0].multiply(slope)?])
    };
    assert_eq!(number(&jvp(outer, &[one.clone()], &[one.clone()]).unwrap().1[0]), 1.0);
    assert_eq!(number(&vjp(outer, &[one.clone()], &[one.clone()]).unwrap().1[0]), 1.0);
}

#[test]
fn values_may_be_looked_at_inside() {
    let f = |x: &[Array]| {
        let mut y = x[0].exp()?;
        while number(&y) < 100.0 {
            y = y.square()?; // a branch on data: e^x, e^2x, e^4x, …
        }
        Ok(y)
    };
    let g = grad(f, &[0])(&[scalar(1.0)]).unwrap();
    assert_close(&[number(&g[0])], &[8.0 * 8f64.exp()], 1e-14, "e^8x");
}

/// Evaluated inside of the inner transformation, and after it, where only the outer one runs.
#[test]
fn evaluation_does_not_cut_what_an_outer_transformation_traces() {
    let cube = |x: &[Array]| {
        let y = x[0].square()?;
        eval(&[&y])?;
        y.multiply(&x[0])
    };
    let slope = grad(cube, &[0]);
    let outer = |x: &[Array]| {
        let y = slope(x)?.remove(0);
        eval(&[&y])?;
        let y = y.multiply(2.0)?;
        eval(&[&y])?;
        Ok(y)
    };
    assert_eq!(number(&grad(outer, &[0])(&[scalar(5.0)]).unwrap()[0]), 60.0);
}

#[test]
fn results_of_one_step_are_constants_of_the_next() {
    let mut w = scalar(4.0);
    let step = grad(|x: &[Array]| x[0].square(), &[0]);
    for _ in 0..3 {
        let g = step(&[w.clone()]).unwrap().remove(0);
        w = w - g * 0.25;
        eval(&[&w]).unwrap();
    }
    assert_eq!(number(&w), 0.5);
}

#[test]
fn what_does_not_depend_is_zero_and_integers_have_no_tangents() {
    let n = Array::from_slice(&[1i32, 2], &[2]).unwrap();
    let x = array(&[1.0, 2.0], &[2]);
    let f = |v: &[Array]| Ok(vec![v[0].astype(Dtype::Float64).multiply(3.0)?, v[1].astype(Dtype::Int32)]);
    let (y, t) = jvp(f, &[n.clone(), x.clone()], &[n.clone(), x.clone()]).unwrap();
    assert_eq!((t[0].dtype(), t[1].dtype()), (Dtype::Float64, Dtype::Int32));
    assert_eq!((values(&t[0]), values(&t[1])), (vec![0.0; 2], vec![0.0; 2]));
    let (_, c) = vjp(f, &[n, x], &y).unwrap();
    assert_eq!((c[0].dtype(), c[1].dtype()), (Dtype::Int32, Dtype::Float64));
    assert_eq!((values(&c[0]), values(&c[1])), (vec![0.0; 2], vec![0.0; 2]));
}

#[test]
fn stop_gradient_makes_constant() {
    let f = |x: &[Array]| x[0].multiply(stop_gradient(&x[0].square()?)?);
    assert_eq!(number(&grad(f, &[0])(&[scalar(3.0)]).unwrap()[0]), 9.0);
    // Nothing behind it is asked for a derivative.
    let f = |x: &[Array]| {
        let z = x[0].astype(Dtype::Complex64).real()?.astype(Dtype::Float64);
        x[0].multiply(stop_gradient(&z)?)
    };
    assert_eq!(number(&grad(f, &[0])(&[scalar(3.0)]).unwrap()[0]), 3.0);
}

#[test]
fn several_outputs_and_several_uses_are_summed() {
    let (a, b) = (scalar(7.5), scalar(2.0));
    let f = |x: &[Array]| {
        let (q, r) = x[0].divmod(&x[1])?;
        // r = a - 3 b, q = 3: r² + q r + b
        r.square()?.add(q.multiply(&r)?)?.add(&x[1])
    };
    let g = grad(f, &[0, 1])(&[a, b]).unwrap();
    assert_eq!([number(&g[0]), number(&g[1])], [6.0, -17.0]);
    let f = |x: &[Array]| Ok(vec![x[0].clone(), x[0].clone(), x[0].square()?]);
    let (y, c) = vjp(f, &[scalar(3.0)], &[scalar(1.0), scalar(10.0), scalar(100.0)]).unwrap();
    assert_eq!((number(&y[1]), number(&c[0])), (3.0, 611.0));
}

#[test]
fn half_types_keep_their_type() {
    for dtype in [Dtype::Float16, Dtype::Bfloat16, Dtype::Float32] {
        let x = scalar(3.0).astype(dtype);
        let g = grad(|x: &[Array]| x[0].square()?.astype(Dtype::Float32).multiply(0.5), &[0])(&[x]).unwrap();
        assert_eq!((g[0].dtype(), number(&g[0])), (dtype, 3.0));
    }
}

#[test]
fn a_long_chain_has_a_derivative() {
    const N: usize = 100_000;
    let chain = |x: &[Array]| {
        let mut y = x[0].clone();
        for i in 0..N {
            y = if i % 2 == 0 { y.multiply(1.0001)? } else { y.add(0.5)? };
        }
        Ok(y)
    };
    let want = 1.0001f64.powi(N as i32 / 2);
    let g = grad(chain, &[0])(&[scalar(1.0)]).unwrap();
    assert_close(&[number(&g[0])], &[want], 1e-9, "backwards");
    let (_, t) = jvp(|x| Ok(vec![chain(x)?]), &[scalar(1.0)], &[scalar(1.0)]).unwrap();
    assert_close(&[number(&t[0])], &[want], 1e-9, "forwards");
}

#[test]
fn losses_are_floating_scalars() {
    let x = array(&[1.0, 2.0], &[2]);
    let error = grad(|x: &[Array]| x[0].square(), &[0])(&[x.clone()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gradient);
    assert!(error.to_string().contains("output shape [2] does not match cotangent shape []"), "{error}");
    let error = grad(|x: &[Array]| Ok(x[0].astype(Dtype::Int32)), &[0])(&[scalar(1.0)]).unwrap_err();
    assert!(error.to_string().contains("wanted a floating loss, got int32"), "{error}");
    let error = grad(|x: &[Array]| Ok(x[0].clone()), &[1])(&[scalar(1.0)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
    let error = vjp(|x| Ok(x.to_vec()), &[x.clone()], &[scalar(1.0)]).unwrap_err();
    assert!(error.to_string().contains("output shape [2] does not match cotangent shape []"), "{error}");
    let error = vjp(|x| Ok(x.to_vec()), &[x.clone()], &[]).unwrap_err();
    assert!(
        error.to_string().contains("number of outputs (1) does not match number of cotangents (0)"),
        "{error}"
    );
    let error = jvp(|x| Ok(x.to_vec()), &[x], &[scalar(1.0)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
}

#[test]
fn errors_of_the_function_come_out() {
    let f = |x: &[Array]| x[0].add(array(&[1.0; 3], &[3]));
    let error = grad(f, &[0])(&[array(&[1.0; 2], &[2])]).unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::Shape, "add"));
    let error = vjp(|_| Err(Error::argument("mine", "no")), &[], &[]).unwrap_err();
    assert_eq!(error.op(), "mine");
}

#[test]
fn custom_functions_have_their_own_derivatives() {
    // x ↦ 2x, with other slopes than its own.
    let double = || CustomFunction::new(|x| Ok(vec![x[0].multiply(2.0)?]));
    let slopes = |f: &CustomFunction| {
        let call = |x: &[Array]| f.call(x);
        let (y, t) = jvp(call, &[scalar(3.0)], &[scalar(1.0)]).unwrap();
        let c = vjp(call, &[scalar(3.0)], &[scalar(1.0)]).unwrap().1;
        [number(&y[0]), number(&t[0]), number(&c[0])]
    };
    assert_eq!(slopes(&double()), [6.0, 2.0, 2.0]);
    let back = double().with_vjp(|x, y, c| Ok(vec![x[0].multiply(&y[0])?.multiply(&c[0])?]));
    assert_eq!(slopes(&back), [6.0, 2.0, 18.0]);
    let both = back.with_jvp(|_, _, t| Ok(vec![t[0].multiply(7.0)?]));
    assert_eq!(slopes(&both), [6.0, 7.0, 18.0]);
    let wrong = double().with_vjp(|_, _, _| Ok(vec![]));
    let error = grad(|x: &[Array]| Ok(wrong.call(x)?.remove(0)), &[0])(&[scalar(1.0)]).unwrap_err();
    assert_eq!((error.kind(), error.op()), (ErrorKind::Gradient, "custom_function"));
}

#[test]
fn the_number_of_inputs_is_checked() {
    let error = Array::elementwise(row::add(), &[&scalar(1.0)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Argument);
}

#[test]
fn threads_do_not_confuse_each_other() {
    std::thread::scope(|s| {
        for k in 0..4 {
            s.spawn(move || {
                for i in 0..50 {
                    let x = f64::from(k * 100 + i);
                    let f = |x: &[Array]| {
                        let y = x[0].square()?;
                        eval(&[&y])?;
                        y.multiply(&x[0])
                    };
                    assert_eq!(number(&grad(f, &[0])(&[scalar(x)]).unwrap()[0]), 3.0 * x * x);
                }
            });
        }
    });
}
