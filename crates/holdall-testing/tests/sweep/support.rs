//! Arrays of float64, and derivatives by differences.

use holdall::transform::{jvp, vjp};
use holdall::{Array, Dtype, Result};
use holdall_testing::random::Random;

pub fn array(data: &[f64], shape: &[usize]) -> Array {
    Array::from_slice(data, shape).unwrap()
}

pub fn values(x: &Array) -> Vec<f64> {
    x.astype(Dtype::Float64).to_vec().unwrap()
}

pub fn random(random: &mut Random, shape: &[usize], (low, high): (f64, f64)) -> Array {
    let n = shape.iter().product();
    let data: Vec<f64> = (0..n).map(|_| random.between(low, high)).collect();
    array(&data, shape)
}

#[track_caller]
pub fn assert_close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let near = (g - w).abs() <= tolerance * (1.0 + w.abs());
        assert!(near || g.is_nan() && w.is_nan(), "{what}: element {i} is {g}, wanted {w}");
    }
}

fn dot(a: &[Array], b: &[Array]) -> f64 {
    a.iter().zip(b).flat_map(|(a, b)| values(a).into_iter().zip(values(b))).map(|(a, b)| a * b).sum()
}

/// A function of arrays, differentiated in several ways.
pub type Function<'a> = &'a dyn Fn(&[Array]) -> Result<Vec<Array>>;

/// `f` moved along `tangents` by `h`.
fn moved(f: Function<'_>, primals: &[Array], tangents: &[Array], h: f64) -> Vec<Vec<f64>> {
    let at: Vec<Array> = primals
        .iter()
        .zip(tangents)
        .map(|(x, t)| if x.dtype().is_inexact() { x + &(t * h) } else { x.clone() })
        .collect();
    f(&at).unwrap().iter().map(values).collect()
}

/// Checks forward mode against central differences, and reverse mode against forward mode, in float64.
///
/// # Panics
/// When they differ.
#[track_caller]
pub fn check(f: Function<'_>, primals: &[Array], seed: &mut Random, what: &str) {
    let tangents: Vec<Array> = primals
        .iter()
        .map(|x| if x.dtype().is_inexact() { random(seed, x.shape(), (-1.0, 1.0)) } else { x.clone() })
        .collect();
    let (outputs, forward) = jvp(f, primals, &tangents).unwrap_or_else(|e| panic!("{what}: {e}"));
    let h = 1e-5;
    let (up, down) = (moved(f, primals, &tangents, h), moved(f, primals, &tangents, -h));
    for (k, t) in forward.iter().enumerate() {
        assert_eq!((t.shape(), t.dtype()), (outputs[k].shape(), outputs[k].dtype()), "{what}");
        let slope: Vec<f64> = up[k].iter().zip(&down[k]).map(|(a, b)| (a - b) / (2.0 * h)).collect();
        assert_close(&values(t), &slope, 2e-7, &format!("jvp of {what}, output {k}"));
    }
    let cotangents: Vec<Array> = outputs.iter().map(|y| random(seed, y.shape(), (-1.0, 1.0))).collect();
    let (_, backward) = vjp(f, primals, &cotangents).unwrap_or_else(|e| panic!("{what}: {e}"));
    for (x, c) in primals.iter().zip(&backward) {
        assert_eq!((x.shape(), x.dtype()), (c.shape(), c.dtype()), "{what}");
    }
    let floating = |all: &[Array]| -> Vec<Array> {
        let is_floating = primals.iter().map(|x| x.dtype().is_inexact());
        all.iter().zip(is_floating).filter(|(_, f)| *f).map(|(x, _)| x.clone()).collect()
    };
    let (ahead, back) = (dot(&forward, &cotangents), dot(&floating(&backward), &floating(&tangents)));
    assert!(
        (ahead - back).abs() <= 1e-10 * (1.0 + ahead.abs()),
        "{what}: vjp is not jvp transposed: {back} {ahead}"
    );
}

/// As [`check`], and the same for the derivative of `f` itself, in both modes.
#[track_caller]
pub fn check_twice(f: Function<'_>, primals: &[Array], seed: &mut Random, what: &str) {
    check(f, primals, seed, what);
    let along: Vec<Array> = primals.iter().map(|x| random(seed, x.shape(), (-1.0, 1.0))).collect();
    let forward = |x: &[Array]| Ok(jvp(f, x, &along)?.1);
    check(&forward, primals, seed, &format!("jvp of {what}"));
    let against: Vec<Array> =
        f(primals).unwrap().iter().map(|y| random(seed, y.shape(), (-1.0, 1.0))).collect();
    let backward = |x: &[Array]| Ok(vjp(f, x, &against)?.1);
    check(&backward, primals, seed, &format!("vjp of {what}"));
}
