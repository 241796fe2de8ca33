//! Derivatives of structured ops.

use holdall::{Array, Result};
use holdall_testing::random::Random;

use super::support::{Function, check, check_twice, random, values};

const SPREAD: (f64, f64) = (-2.0, 2.0);

#[test]
fn views_agree_with_differences() {
    let mut seed = Random::new(21);
    let x = random(&mut seed, &[2, 3, 4], SPREAD);
    let views: [(&str, Function<'_>); 5] = [
        ("reshape", &|x| Ok(vec![x[0].reshape(&[4, -1])?])),
        ("transpose", &|x| Ok(vec![x[0].transpose(&[2, 0, 1])?])),
        ("broadcast_to", &|x| Ok(vec![x[0].broadcast_to(&[5, 2, 3, 4])?])),
        ("broadcast of ones", &|x| Ok(vec![x[0].expand_dims(&[1])?.broadcast_to(&[2, 6, 3, 4])?])),
        ("slice", &|x| Ok(vec![x[0].slice_axis(2, 1, 3)?])),
    ];
    for (name, f) in views {
        check(f, &[x.clone()], &mut seed, name);
    }
}

#[test]
fn matmul_agrees_with_differences() {
    let mut seed = Random::new(22);
    let shapes: [(&[usize], &[usize]); 7] = [
        (&[3, 4], &[4, 2]),
        (&[4], &[4]),
        (&[2, 4], &[4]),
        (&[4], &[4, 3]),
        (&[5, 2, 3], &[3, 4]),
        (&[2, 1, 2, 3], &[4, 3, 2]),
        (&[0, 3], &[3, 2]),
    ];
    for (a, b) in shapes {
        let x = [random(&mut seed, a, SPREAD), random(&mut seed, b, SPREAD)];
        let f = |x: &[Array]| Ok(vec![x[0].matmul(&x[1])?]);
        check(&f, &x, &mut seed, &format!("matmul of {a:?} and {b:?}"));
    }
    let x = [random(&mut seed, &[2, 3], SPREAD), random(&mut seed, &[3, 2], SPREAD)];
    check_twice(&|x| Ok(vec![x[0].matmul(&x[1])?.matmul(&x[0])?]), &x, &mut seed, "matmul twice");
}

fn one(y: Result<Array>) -> Result<Vec<Array>> {
    Ok(vec![y?])
}

#[test]
fn reductions_agree_with_differences() {
    let mut seed = Random::new(23);
    let x = random(&mut seed, &[2, 3, 4], SPREAD);
    for axes in [None, Some(&[1][..]), Some(&[0, -1][..]), Some(&[][..])] {
        for keepdims in [false, true] {
            let all: [(&str, Function<'_>); 6] = [
                ("sum", &|x| one(x[0].sum(axes, keepdims))),
                ("prod", &|x| one(x[0].prod(axes, keepdims))),
                ("max", &|x| one(x[0].max(axes, keepdims))),
                ("min", &|x| one(x[0].min(axes, keepdims))),
                ("mean", &|x| one(x[0].mean(axes, keepdims))),
                ("var", &|x| one(x[0].var(axes, keepdims, 0))),
            ];
            for (name, f) in all {
                check(f, &[x.clone()], &mut seed, &format!("{name} over {axes:?}"));
            }
        }
    }
    check_twice(&|x| one(x[0].prod(Some(&[1]), false)), &[x], &mut seed, "prod");
}

#[test]
fn products_with_zeros_and_extremes_with_ties() {
    let grad_of = |f: Function<'_>, data: &[f64]| {
        let x = Array::from_slice(data, &[data.len()]).unwrap();
        let one = Array::scalar(1f64);
        values(&holdall::transform::vjp(f, &[x], &[one]).unwrap().1[0])
    };
    let prod: Function<'_> = &|x| one(x[0].prod(None, false));
    assert_eq!(grad_of(prod, &[2.0, 0.0, 5.0]), [0.0, 10.0, 0.0]);
    assert_eq!(grad_of(prod, &[0.0, 0.0, 5.0]), [0.0; 3]);
    assert_eq!(grad_of(prod, &[2.0, 3.0, 5.0]), [15.0, 10.0, 6.0]);
    assert_eq!(grad_of(&|x| one(x[0].max(None, false)), &[3.0, 1.0, 3.0]), [0.5, 0.0, 0.5]);
    assert_eq!(grad_of(&|x| one(x[0].min(None, false)), &[3.0, 1.0, 3.0]), [0.0, 1.0, 0.0]);
}

#[test]
fn softmax_and_norms_agree_with_differences() {
    let mut seed = Random::new(24);
    let x = [
        random(&mut seed, &[3, 4], SPREAD),
        random(&mut seed, &[4], SPREAD),
        random(&mut seed, &[4], SPREAD),
    ];
    let all: [(&str, Function<'_>); 6] = [
        ("softmax", &|x| one(x[0].softmax(Some(&[-1]), false))),
        ("softmax over both", &|x| one(x[0].softmax(None, true))),
        ("logsumexp", &|x| one(x[0].logsumexp(Some(&[0]), false))),
        ("rms_norm", &|x| one(x[0].rms_norm(Some(&x[1]), 1e-3))),
        ("layer_norm", &|x| one(x[0].layer_norm(Some(&x[1]), Some(&x[2]), 1e-3))),
        ("layer_norm alone", &|x| one(x[0].layer_norm(None, None, 1e-3))),
    ];
    for (name, f) in all {
        check_twice(f, &x, &mut seed, name);
    }
}

/// Also where the value was looked at before, by a kernel or by the decomposition.
#[test]
fn evaluation_does_not_change_derivatives() {
    let mut seed = Random::new(25);
    let x = [random(&mut seed, &[2, 5], SPREAD)];
    let all: [(&str, Function<'_>); 4] = [
        ("softmax", &|x| one(x[0].softmax(Some(&[-1]), false))),
        ("logsumexp", &|x| one(x[0].logsumexp(Some(&[-1]), false))),
        ("rms_norm", &|x| one(x[0].rms_norm(None, 1e-3))),
        ("prod", &|x| one(x[0].prod(Some(&[0]), false))),
    ];
    for (name, f) in all {
        let evaluated = |x: &[Array]| {
            let y = f(x)?;
            y[0].eval()?;
            Ok(y)
        };
        check(&evaluated, &x, &mut seed, name);
    }
}

#[test]
fn indexing_agrees_with_differences() {
    let mut seed = Random::new(26);
    let x = [random(&mut seed, &[4, 3], SPREAD), random(&mut seed, &[2, 3], SPREAD)];
    let index = Array::from_slice(&[2i32, 0, 2], &[3]).unwrap();
    let all: [(&str, Function<'_>); 4] = [
        ("take", &|x| one(x[0].take(&index, Some(0)))),
        ("concatenate", &|x| one(Array::concatenate(&[&x[0], &x[1]], Some(0)))),
        ("cumsum", &|x| one(x[0].cumsum(Some(1), false, true))),
        ("cumprod", &|x| one(x[0].cumprod(Some(0), false, true))),
    ];
    for (name, f) in all {
        check(f, &x, &mut seed, name);
    }
}
