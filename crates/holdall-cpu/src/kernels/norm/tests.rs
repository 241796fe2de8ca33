//! Normalisations against f64 over random shapes, strides and dtypes.

use half::{bf16, f16};

use super::*;
use crate::isa::Isa;
use crate::kernel::{Kernel, Slice};
use crate::kernels::dense::testing::{Random, run_team};
use crate::kernels::float::Element;
use crate::kernels::rows::Rows;

fn slice<E>(x: &mut [E]) -> Slice {
    Slice::new(x.as_mut_ptr().cast(), size_of_val(x))
}

fn values<E: Element>(random: &mut Random, len: usize, size: f32) -> Vec<E> {
    (0..len).map(|_| E::from_f32(size * random.uniform())).collect()
}

fn run<E: Element>(kernel: &dyn Kernel, inputs: &mut [Slice], len: usize) -> Vec<f64> {
    let mut y = vec![E::from_f32(9.0); len + 1];
    let mut memory = inputs.to_vec();
    memory.push(slice(&mut y));
    // SAFETY: the callers' bindings fit their kernels.
    unsafe { run_team(kernel, &memory, 2) };
    assert_eq!(y.pop().map(E::to_f32), Some(9.0), "wrote past the end");
    y.into_iter().map(|y| f64::from(y.to_f32())).collect()
}

fn compare(got: &[f64], want: &[f64], tolerance: f64, what: &dyn std::fmt::Debug) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let ok = (got - want).abs() <= tolerance * (1.0 + want.abs())
            || got == want
            || got.is_nan() && want.is_nan();
        assert!(ok, "at {i}: {got} for {want}, {what:?}");
    }
}

/// x with rows of `len` in a [outer, middle] batch of some layout, and its rows as f64.
struct Strided<E> {
    x: Vec<E>,
    rows: Rows,
    len: usize,
    step: isize,
    wide: Vec<Vec<f64>>,
}

impl<E: Element> Strided<E> {
    fn new(random: &mut Random) -> Self {
        let (outer, middle, len) = (1 + random.below(4), random.below(6), 1 + random.below(90));
        let (strides, step) = *random.pick(&[
            ([middle * len, len], 1),
            ([len, outer * len], 1),
            ([middle * len * 2, len * 2], 2),
            ([0, len + 3], 1),
        ]);
        let x: Vec<E> = values(random, outer * middle * len * 3 + len + 30, 4.0);
        let rows = Rows::new(&[outer, middle], &strides.map(|s| s as isize));
        let wide = (0..rows.count())
            .map(|row| {
                (0..len).map(|i| f64::from(x[rows.offset(row) as usize + i * step].to_f32())).collect()
            })
            .collect();
        Self { x, rows, len, step: step as isize, wide }
    }
}

fn check_norms<X: Element, Y: Element>(x_float: Float, y_float: Float, tolerance: f64, seed: u64) {
    let mut random = Random::new(seed);
    for _ in 0..40 {
        let mut x = Strided::<X>::new(&mut random);
        let (len, isa) = (x.len, *random.pick(&Isa::available()));
        let (mut weight, mut bias) =
            (values::<Y>(&mut random, 2 * len, 1.0), values::<Y>(&mut random, 2 * len, 1.0));
        let (weighted, biased, step) = (random.below(3) > 0, random.below(3) > 0, 1 + random.below(2));
        let operand = |used: bool| used.then_some((y_float, step as isize));
        let at = |used: bool, x: &[Y], i: usize, other: f64| {
            if used { f64::from(x[i * step].to_f32()) } else { other }
        };
        let (mut rms, mut layer) = (Vec::new(), Vec::new());
        for row in &x.wide {
            let n = len as f64;
            let (mean, squares) = (row.iter().sum::<f64>() / n, row.iter().map(|x| x * x).sum::<f64>() / n);
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            for (i, x) in row.iter().enumerate() {
                let (weight, bias) = (at(weighted, &weight, i, 1.0), at(biased, &bias, i, 0.0));
                rms.push(x / (squares + 1e-3).sqrt() * weight);
                layer.push((x - mean) / (variance + 1e-3).sqrt() * weight + bias);
            }
        }
        // A dtype of its own only where there is a weight to promote to.
        if !weighted && X::from_f32(1.0 / 3.0).to_f32() != Y::from_f32(1.0 / 3.0).to_f32() {
            continue;
        }
        let kernel = RmsNorm {
            isa,
            x: x_float,
            weight: operand(weighted),
            y: y_float,
            rows: x.rows.clone(),
            len,
            step: x.step,
            eps: 1e-3,
        };
        let mut inputs = vec![slice(&mut x.x)];
        if weighted {
            inputs.push(slice(&mut weight));
        }
        compare(&run::<Y>(&kernel, &mut inputs, rms.len()), &rms, tolerance, &kernel);
        if biased {
            inputs.push(slice(&mut bias));
        }
        let kernel = LayerNorm {
            isa,
            x: x_float,
            weight: operand(weighted),
            bias: operand(biased),
            y: y_float,
            rows: x.rows.clone(),
            len,
            step: x.step,
            eps: 1e-3,
        };
        compare(&run::<Y>(&kernel, &mut inputs, layer.len()), &layer, tolerance, &kernel);
    }
}

/// A rounding of the dtype, and for layer norm of differences that cancel.
#[test]
fn norms() {
    check_norms::<f32, f32>(Float::F32, Float::F32, 1e-5, 1);
    check_norms::<f16, f16>(Float::F16, Float::F16, 1e-3, 2);
    check_norms::<bf16, bf16>(Float::Bf16, Float::Bf16, 8e-3, 3);
    check_norms::<f16, f32>(Float::F16, Float::F32, 1e-5, 4);
    check_norms::<bf16, f32>(Float::Bf16, Float::F32, 1e-5, 5);
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = row.iter().map(|x| (x - top).exp()).sum();
    row.iter().map(|x| (x - top).exp() / total).collect()
}

fn check_softmax<E: Element>(float: Float, tolerance: f64, seed: u64) {
    let mut random = Random::new(seed);
    for _ in 0..40 {
        let isa = *random.pick(&Isa::available());
        let mut x = Strided::<E>::new(&mut random);
        let y = Rows::regular(x.rows.count(), x.len as isize);
        let want: Vec<f64> = x.wide.iter().flat_map(|row| softmax(row)).collect();
        let kernel = Softmax { isa, float, x: x.rows.clone(), y, len: x.len, steps: [x.step, 1], inner: 1 };
        compare(&run::<E>(&kernel, &mut [slice(&mut x.x)], want.len()), &want, tolerance, &kernel);

        let want: Vec<f64> = x.wide.iter().map(|row| row.iter().map(|x| x.exp()).sum::<f64>().ln()).collect();
        let kernel = LogSumExp { isa, float, rows: x.rows.clone(), len: x.len, step: x.step };
        compare(&run::<E>(&kernel, &mut [slice(&mut x.x)], want.len()), &want, tolerance, &kernel);

        let [outer, len, inner] = [1 + random.below(3), 1 + random.below(20), 1 + random.below(150)];
        let mut x: Vec<E> = values(&mut random, outer * len * inner, 9.0);
        let mut want = vec![0.0; x.len()];
        for (o, i) in (0..outer).flat_map(|o| (0..inner).map(move |i| (o, i))) {
            let at = |k: usize| (o * len + k) * inner + i;
            let row: Vec<f64> = (0..len).map(|k| f64::from(x[at(k)].to_f32())).collect();
            for (k, y) in softmax(&row).into_iter().enumerate() {
                want[at(k)] = y;
            }
        }
        let kernel = Softmax::dense(isa, float, outer, len, inner);
        compare(&run::<E>(&kernel, &mut [slice(&mut x)], want.len()), &want, tolerance, &kernel);
    }
}

#[test]
fn softmaxes() {
    check_softmax::<f32>(Float::F32, 2e-6, 6);
    check_softmax::<f16>(Float::F16, 1e-3, 7);
    check_softmax::<bf16>(Float::Bf16, 8e-3, 8);
}

#[test]
fn infinities_and_nan() {
    const INF: f32 = f32::INFINITY;
    for isa in Isa::available() {
        let mut x = [-INF, -INF, -INF, INF, 0.0, 1.0, f32::NAN, 0.0, INF, -INF, 0.0, 0.0];
        let rows = || Rows::regular(4, 3);
        let log = LogSumExp { isa, float: Float::F32, rows: rows(), len: 3, step: 1 };
        let got = run::<f32>(&log, &mut [slice(&mut x)], 4);
        compare(&got, &[f64::NEG_INFINITY, f64::INFINITY, f64::NAN, 2f64.ln()], 1e-6, &isa);
        let soft = Softmax { isa, float: Float::F32, x: rows(), y: rows(), len: 3, steps: [1, 1], inner: 1 };
        let got = run::<f32>(&soft, &mut [slice(&mut x)], 12);
        assert!(got[..9].iter().filter(|x| x.is_nan()).count() >= 7, "{got:?}");
        assert!(got[0].is_nan() && got[6].is_nan() && got[3].is_nan());
        compare(&got[9..], &[0.0, 0.5, 0.5], 1e-6, &isa);
    }
}

/// Three dtypes in f64, where the reference is the definition.
#[test]
fn double_precision() {
    let mut x: Vec<f64> = (0..12).map(|i| f64::from(i * i % 7) - 2.5).collect();
    let (isa, float) = (Isa::get(), Float::F64);
    let mut y = vec![0.0f64; 12];
    let memory = [slice(&mut x), slice(&mut y)];
    // SAFETY: the bindings fit the kernels.
    unsafe { run_team(&Softmax::dense(isa, float, 3, 4, 1), &memory, 1) };
    for (x, y) in x.chunks(4).zip(y.chunks(4)) {
        compare(y, &softmax(x), 1e-15, &"softmax");
    }
    let rows = Rows::regular(3, 4);
    let norm =
        RmsNorm { isa, x: float, weight: None, y: float, rows: rows.clone(), len: 4, step: 1, eps: 0.0 };
    // SAFETY: as above.
    unsafe { run_team(&norm, &memory, 1) };
    assert!((y.iter().map(|y| y * y).sum::<f64>() - 12.0).abs() < 1e-12);
    let norm =
        LayerNorm { isa, x: float, weight: None, bias: None, y: float, rows, len: 4, step: 1, eps: 0.0 };
    // SAFETY: as above.
    unsafe { run_team(&norm, &memory, 1) };
    assert!(y.chunks(4).all(|y| y.iter().sum::<f64>().abs() < 1e-12));
    assert!((y.iter().map(|y| y * y).sum::<f64>() - 12.0).abs() < 1e-12);
}
