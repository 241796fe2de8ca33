//! Derivatives of structured ops.

use holdall::{Array, Result};
use holdall_testing::random::Random;

use super::support::{Function, check, check_twice, random};

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
