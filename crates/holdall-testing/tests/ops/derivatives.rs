//! Derivatives of reductions, scans and sorts: forwards against differences, backwards against forwards.

use holdall::op::Primitive;
use holdall::ops::{Conv1d, Reduce, Reduction, Running, Scan, Sort};
use holdall::transform::{jvp, vjp};
use holdall::{Array, Dtype, Result};
use holdall_testing::random::Random;

fn vector(random: &mut Random, shape: &[usize], low: f64, high: f64) -> Result<Array> {
    let data: Vec<f64> = (0..shape.iter().product()).map(|_| random.between(low, high)).collect();
    Array::from_slice(&data, shape)
}

fn dot(a: &Array, b: &Array) -> Result<f64> {
    a.multiply(b)?.sum(None, false)?.item()
}

/// Tangent and cotangent through an op.
fn through<P: Primitive + Clone>(op: &P, x: &Array, t: &Array, ct: &Array) -> Result<(Array, Array)> {
    let f = |x: &[Array]| Ok(vec![Array::apply(op.clone(), &[&x[0]])?]);
    let (_, mut forwards) = jvp(f, std::slice::from_ref(x), std::slice::from_ref(t))?;
    let (_, mut backwards) = vjp(f, std::slice::from_ref(x), std::slice::from_ref(ct))?;
    Ok((forwards.remove(0), backwards.remove(0)))
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
fn running_products_with_zeros_have_right_derivatives() -> Result<()> {
    // Each is the sum over the products that the element is in of the product of the others.
    for (data, reverse, want) in [
        ([2.0, 0.0, 3.0], false, [1.0, 2.0 + 6.0, 0.0]),
        ([2.0, 0.0, 3.0], true, [0.0, 3.0 + 6.0, 1.0]),
        ([0.0, 0.0, 3.0], false, [1.0, 0.0, 0.0]),
    ] {
        let op = Scan { running: Running::Prod, axis: 0, reverse, inclusive: true };
        let x = Array::from_slice(&data, &[3])?;
        let one = Array::from_slice(&[1.0f64; 3], &[3])?;
        let (_, backwards) = through(&op, &x, &one, &one)?;
        assert_eq!(backwards.to_vec::<f64>()?, want, "{data:?} {reverse}");
    }
    Ok(())
}

#[test]
fn running_products_are_their_decompositions() -> Result<()> {
    let mut random = Random::new(34);
    for dtype in [Dtype::Float32, Dtype::Bfloat16, Dtype::Int32] {
        for (shape, axis) in [(&[7][..], 0), (&[4, 8, 3], 1), (&[0], 0), (&[1, 2], 0)] {
            for (reverse, inclusive) in [(false, true), (true, true), (false, false), (true, false)] {
                let x = vector(&mut random, shape, 1.0, 3.0)?.astype(dtype);
                let op = Scan { running: Running::Prod, axis, reverse, inclusive };
                let decomposed =
                    op.decompose(std::slice::from_ref(&x)).expect("products decompose")?.remove(0);
                let y = Array::apply(op, &[&x])?;
                assert_eq!(decomposed.dtype(), dtype);
                let (a, b) = (
                    y.astype(Dtype::Float32).to_vec::<f32>()?,
                    decomposed.astype(Dtype::Float32).to_vec::<f32>()?,
                );
                let close = |(a, b): (&f32, &f32)| {
                    (a - b).abs() <= a.abs() * if dtype.is_half() { 1e-2 } else { 1e-5 }
                };
                assert!(a.iter().zip(&b).all(close), "{dtype} {shape:?}: {a:?} and {b:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn convolutions_have_right_derivatives() -> Result<()> {
    let mut random = Random::new(35);
    for (stride, padding, dilation, groups) in [(1, 0, 1, 1), (2, 1, 1, 2), (1, 2, 2, 4), (3, 0, 2, 1)] {
        let x = vector(&mut random, &[2, 9, 4], -1.0, 1.0)?;
        let w = vector(&mut random, &[8, 3, 4 / groups], -1.0, 1.0)?;
        let op = Conv1d { stride, padding, dilation, groups };
        let f = |v: &[Array]| Ok(vec![Array::apply(op.clone(), &[&v[0], &v[1]])?]);
        let primals = [x.clone(), w.clone()];
        let y = f(&primals)?.remove(0);
        let decomposed = op.decompose(&primals).expect("convolutions decompose")?.remove(0);
        assert_eq!(decomposed.shape(), y.shape());
        let error = decomposed.subtract(&y)?.abs()?.max(None, false)?.item::<f64>()?;
        assert!(error < 1e-12, "{op:?}: the decomposition is off by {error}");
        let tangents =
            [vector(&mut random, x.shape(), -1.0, 1.0)?, vector(&mut random, w.shape(), -1.0, 1.0)?];
        let ct = vector(&mut random, y.shape(), -1.0, 1.0)?;
        // Linear in each: differences are as exact as the arithmetic.
        let first = f(&[tangents[0].clone(), w.clone()])?.remove(0);
        let want = first.add(&f(&[x.clone(), tangents[1].clone()])?[0])?;
        let forwards = jvp(f, &primals, &tangents)?.1.remove(0);
        let error = forwards.subtract(&want)?.abs()?.max(None, false)?.item::<f64>()?;
        assert!(error < 1e-12, "{op:?}: forwards off by {error}");
        let backwards = vjp(f, &primals, std::slice::from_ref(&ct))?.1;
        let b = dot(&backwards[0], &tangents[0])? + dot(&backwards[1], &tangents[1])?;
        let a = dot(&ct, &forwards)?;
        assert!((a - b).abs() < 1e-10 * (1.0 + a.abs()), "{op:?}: {a} forwards, {b} backwards");
    }
    Ok(())
}

#[test]
fn shifts_of_bools_are_uint8() -> Result<()> {
    let x = Array::from_slice(&[1u8, 0], &[2])?.astype(Dtype::Bool);
    let y = x.left_shift(&x)?;
    assert_eq!((y.dtype(), y.to_vec::<u8>()?), (Dtype::Uint8, vec![2, 0]));
    assert_eq!(x.right_shift(&x)?.to_vec::<u8>()?, [0, 0]);
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
