//! Derivatives of every row of the elementwise table.

use holdall::pointwise::{Class, Row, TABLE};
use holdall::transform::{jvp, vjp};
use holdall::{Array, Dtype, ErrorKind};
use holdall_testing::random::Random;
use num_complex::Complex32;

use super::support::{assert_close, check, check_twice, random, values};

fn inputs(row: &Row, shapes: &[&[usize]], seed: &mut Random) -> Vec<Array> {
    let arity = usize::from(row.arity);
    let mut all: Vec<Array> =
        (0..arity).map(|i| random(seed, shapes[i % shapes.len()], row.domain)).collect();
    if row.class == Class::Select {
        all[0] = all[0].greater(0.0).unwrap();
    }
    all
}

fn has_real_derivative(row: &Row) -> bool {
    row.derivative.is_some() && row.types(Dtype::Float64).is_ok_and(|(_, output)| output == Dtype::Float64)
}

#[test]
fn rows_agree_with_differences() {
    let mut seed = Random::new(11);
    let mut rows = 0;
    for row in TABLE.iter().filter(|row| has_real_derivative(row)) {
        let f = |x: &[Array]| Array::elementwise(row, &x.iter().collect::<Vec<_>>());
        let x = inputs(row, &[&[3, 5]], &mut seed);
        check(&f, &x, &mut seed, row.name);
        rows += 1;
    }
    assert!(rows >= 45, "only {rows} rows have a derivative");
}

#[test]
fn second_derivatives_of_rows_agree_with_differences() {
    let mut seed = Random::new(12);
    for row in TABLE.iter().filter(|row| has_real_derivative(row) && row.class != Class::Select) {
        let f = |x: &[Array]| Array::elementwise(row, &x.iter().collect::<Vec<_>>());
        let x = inputs(row, &[&[4]], &mut seed);
        check_twice(&f, &x, &mut seed, row.name);
    }
}

#[test]
fn derivatives_of_broadcast_inputs_are_summed() {
    let mut seed = Random::new(13);
    for row in TABLE.iter().filter(|row| has_real_derivative(row) && row.arity > 1) {
        let f = |x: &[Array]| Array::elementwise(row, &x.iter().collect::<Vec<_>>());
        for shapes in [[&[3, 1][..], &[4]], [&[][..], &[2, 3]], [&[2, 3][..], &[2, 1]]] {
            let x = inputs(row, &shapes, &mut seed);
            check(&f, &x, &mut seed, &format!("{} of {shapes:?}", row.name));
        }
    }
}

#[test]
fn rows_without_a_derivative_refuse() {
    let z = Array::from_slice(&[Complex32::new(1.0, 2.0)], &[1]).unwrap();
    let mut refused = 0;
    for row in TABLE.iter().filter(|row| row.derivative.is_none()) {
        let Ok((_, output)) = row.types(Dtype::Complex64) else { continue };
        if !output.is_inexact() {
            continue;
        }
        let f = |x: &[Array]| Array::elementwise(row, &x.iter().collect::<Vec<_>>());
        let y = f(&[z.clone()]).unwrap().remove(0);
        let error = vjp(f, &[z.clone()], &[y]).unwrap_err();
        assert_eq!((error.kind(), error.op()), (ErrorKind::Gradient, row.name));
        assert!(error.to_string().contains("derivatives.rs"), "{error}");
        let error = jvp(f, &[z.clone()], &[z.clone()]).unwrap_err();
        assert_eq!((error.kind(), error.op()), (ErrorKind::Gradient, row.name));
        refused += 1;
    }
    assert_eq!(refused, 4, "real, imag, modulus, conjugate");
}

/// Along `t` the slope of a holomorphic function is its derivative times `t`, in float32 as far as differences go.
#[test]
fn complex_rows_agree_with_differences() {
    let mut seed = Random::new(14);
    let mut rows = 0;
    for row in TABLE.iter().filter(|row| row.derivative.is_some() && row.class != Class::Select) {
        if row.types(Dtype::Complex64).ok() != Some((Dtype::Complex64, Dtype::Complex64)) {
            continue;
        }
        let mut draw = |low: f64, high: f64| {
            let all: Vec<Complex32> = (0..6)
                .map(|_| Complex32::new(seed.between(low, high) as f32, seed.between(0.3, 0.8) as f32))
                .collect();
            Array::from_slice(&all, &[6]).unwrap()
        };
        let (low, high) = row.domain;
        let x: Vec<Array> = (0..row.arity).map(|_| draw(low, high)).collect();
        let t: Vec<Array> = (0..row.arity).map(|_| draw(-1.0, 1.0)).collect();
        let f = |x: &[Array]| Array::elementwise(row, &x.iter().collect::<Vec<_>>());
        let (y, forward) = jvp(f, &x, &t).unwrap();
        let at = |h: f64| {
            let moved: Vec<Array> = x.iter().zip(&t).map(|(x, t)| x + &(t * h)).collect();
            f(&moved).unwrap().remove(0)
        };
        let h = 4e-3;
        let slope = (at(h) - at(-h)) / (2.0 * h);
        let parts = |z: &Array| [values(&z.real().unwrap()), values(&z.imag().unwrap())].concat();
        assert_close(&parts(&forward[0]), &parts(&slope), 4e-3, row.name);
        // Cotangents are multiplied by the derivative as it is: sum(c * J t) = sum((c * J) * t).
        let c = draw(-1.0, 1.0);
        let (_, backward) = vjp(f, &x, &[c.clone()]).unwrap();
        let total = |z: &Array| z.to_vec::<Complex32>().unwrap().iter().sum::<Complex32>();
        let ahead = total(&(&c * &forward[0]));
        let back: Complex32 = backward.iter().zip(&t).map(|(b, t)| total(&(b * t))).sum();
        assert!((ahead - back).norm() <= 1e-4 * (1.0 + ahead.norm()), "{}: {ahead} {back}", row.name);
        assert_eq!(y[0].dtype(), Dtype::Complex64);
        rows += 1;
    }
    assert!(rows > 25, "only {rows} rows");
}
