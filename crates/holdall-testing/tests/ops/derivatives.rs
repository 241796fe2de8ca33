//! Derivatives of reductions, scans and sorts: forwards against differences, backwards against forwards.

use holdall::op::{Derivative, Primitive};
use holdall::ops::{Reduce, Reduction, Running, Scan, Sort};
use holdall::{Array, Dtype, Result};
use holdall_testing::random::Random;

fn vector(random: &mut Random, shape: &[usize], low: f64, high: f64) -> Result<Array> {
    let data: Vec<f64> = (0..shape.iter().product()).map(|_| random.between(low, high)).collect();
    Array::from_slice(&data, shape)
}

fn dot(a: &Array, b: &Array) -> Result<f64> {
    a.multiply(b)?.sum(None, false)?.item()
}

/// Tangent and cotangent through an op, by whatever way it declares.
fn through<P: Primitive + Clone>(op: &P, x: &Array, t: &Array, ct: &Array) -> Result<(Array, Array)> {
    let y = Array::apply(op.clone(), &[x])?;
    let one = |v: Vec<Option<Array>>| v.into_iter().next().flatten().expect("a derivative");
    Ok(match op.derivative() {
        Derivative::Multilinear => (
            Array::apply(op.clone(), &[t])?,
            op.transpose(std::slice::from_ref(x), ct, 0)?.expect("a transpose"),
        ),
        Derivative::Custom => {
            let (x, y) = (std::slice::from_ref(x), std::slice::from_ref(&y));
            (one(op.jvp(x, y, &[Some(t.clone())])?), one(op.vjp(x, y, &[Some(ct.clone())])?))
        }
        other => panic!("{op:?} declares {other:?}"),
    })
}

fn check<P: Primitive + Clone>(op: &P, random: &mut Random, shape: &[usize]) -> Result<()> {
    let x = vector(random, shape, 0.2, 2.0)?;
    let t = vector(random, shape, -1.0, 1.0)?;
    let step = 1e-6;
    let moved = |by: f64| Array::apply(op.clone(), &[&x.add(&t.multiply(by)?)?]);
    let difference = moved(step)?.subtract(&moved(-step)?)?.divide(2.0 * step)?;
    let ct = vector(random, difference.shape(), -1.0, 1.0)?;
    let (forwards, backwards) = through(op, &x, &t, &ct)?;
    assert_eq!(forwards.dtype(), Dtype::Float64);
    let error = forwards.subtract(&difference)?.abs()?.max(None, false)?.item::<f64>()?;
    assert!(error < 1e-6, "{op:?} {shape:?}: off by {error}");
    let (a, b) = (dot(&ct, &forwards)?, dot(&backwards, &t)?);
    assert!((a - b).abs() < 1e-9 * (1.0 + a.abs()), "{op:?} {shape:?}: {a} forwards, {b} backwards");
    Ok(())
}

#[test]
fn reductions_have_right_derivatives() -> Result<()> {
    let mut random = Random::new(31);
    for reduction in [Reduction::Sum, Reduction::Prod, Reduction::Max, Reduction::Min] {
        for (shape, axes) in [(&[5][..], &[0][..]), (&[3, 4], &[1]), (&[3, 4, 2], &[0, 2]), (&[3], &[])] {
            check(&Reduce { reduction, axes: axes.into() }, &mut random, shape)?;
        }
    }
    Ok(())
}

#[test]
fn products_with_zeros_have_right_derivatives() -> Result<()> {
    for (data, want) in [([2.0, 0.0, 3.0], [0.0, 6.0, 0.0]), ([0.0, 0.0, 3.0], [0.0; 3])] {
        let op = Reduce { reduction: Reduction::Prod, axes: [0].as_slice().into() };
        let x = Array::from_slice(&data, &[3])?;
        let one = Array::from_slice(&[1.0f64], &[1])?;
        let (_, backwards) = through(&op, &x, &x, &one)?;
        assert_eq!(backwards.to_vec::<f64>()?, want);
    }
    Ok(())
}

#[test]
fn scans_have_right_derivatives() -> Result<()> {
    let mut random = Random::new(32);
    for running in [Running::Sum, Running::Prod, Running::LogSumExp, Running::Max, Running::Min] {
        for reverse in [false, true] {
            for inclusive in [true, false] {
                if !inclusive && !matches!(running, Running::Sum | Running::Prod) {
                    continue; // the first result is infinite
                }
                for (shape, axis) in [(&[6][..], 0), (&[3, 4], 0), (&[2, 5, 3], 1)] {
                    check(&Scan { running, axis, reverse, inclusive }, &mut random, shape)?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn sorts_and_partitions_are_their_decompositions() -> Result<()> {
    // Derivatives go through the decomposition, so its elements must lie as the kernel's.
    let mut random = Random::new(33);
    for kth in [None, Some(0), Some(20), Some(49)] {
        for (shape, axis) in [(&[50][..], 0), (&[60, 3], 0), (&[3, 60, 2], 1), (&[50_000], 0)] {
            let data: Vec<f32> = (0..shape.iter().product()).map(|_| random.below(40) as f32).collect();
            let x = Array::from_slice(&data, shape)?;
            let op = Sort { axis, kth };
            let decomposed = op.decompose(std::slice::from_ref(&x)).expect("sorts decompose")?;
            let sorted = Array::apply(op, &[&x])?;
            assert_eq!(sorted.to_vec::<f32>()?, decomposed[0].to_vec::<f32>()?, "{kth:?} {shape:?}");
        }
    }
    Ok(())
}
