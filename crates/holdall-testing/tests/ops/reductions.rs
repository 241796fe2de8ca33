use holdall::{Array, Dtype, ErrorKind, Result};
use holdall_testing::random::Random;
use holdall_testing::reference::{Reference, any_layout};
use holdall_testing::simt;

/// Shapes whose reductions take every way through the kernels.
const SHAPES: &[&[usize]] = &[
    &[],
    &[1],
    &[7],
    &[70],
    &[5000],
    &[300_000],
    &[3, 5],
    &[300, 2],
    &[2, 300],
    &[130, 65],
    &[5, 3000],
    &[3000, 5],
    &[200_000, 3],
    &[3, 200_000],
    &[2, 3, 4],
    &[17, 2, 33],
    &[1, 40, 1],
    &[2, 3, 4, 5],
    &[0],
    &[0, 3],
    &[3, 0],
];

fn shapes() -> impl Iterator<Item = &'static [usize]> {
    let most = simt::size(usize::MAX, 10_000);
    SHAPES.iter().copied().filter(move |shape| shape.iter().product::<usize>() <= most)
}

/// Values small enough that sums of small shapes are exact in every type, and products do not overflow.
fn draw(dtype: Dtype, random: &mut Random) -> f64 {
    match dtype {
        Dtype::Bool => random.below(2) as f64,
        d if d.is_integer() && !d.is_signed_integer() => random.below(100) as f64,
        d if d.is_integer() => random.below(200) as f64 - 100.0,
        _ => random.between(-2.0, 2.0),
    }
}

/// Of a result that was rounded once from a sum of `n` float32 numbers, in units of `scale`.
fn tolerance(dtype: Dtype, scale: f64) -> f64 {
    let epsilon = match dtype {
        Dtype::Float16 => 0.5f64.powi(11),
        Dtype::Bfloat16 => 0.5f64.powi(8),
        Dtype::Float64 => 0.5f64.powi(44),
        d if d.is_inexact() => 0.5f64.powi(20),
        _ => 0.0,
    };
    epsilon * scale
}

fn random_axes(random: &mut Random, ndim: usize) -> Vec<usize> {
    (0..ndim).filter(|_| random.below(2) == 0).collect()
}

fn wrap(value: f64, dtype: Dtype) -> f64 {
    match dtype {
        Dtype::Int32 => f64::from(value as i64 as i32),
        Dtype::Uint32 => f64::from(value as i64 as u32),
        // Beyond the largest number of the type.
        Dtype::Float16 if value.abs() >= 65520.0 => f64::INFINITY.copysign(value),
        _ => value,
    }
}

#[test]
fn sums_and_extremes_are_those_of_plain_loops() -> Result<()> {
    let mut random = Random::new(1);
    for dtype in Dtype::ALL.into_iter().filter(|d| *d != Dtype::Complex64) {
        for shape in shapes() {
            for _ in 0..3 {
                let (x, layout) = any_layout(&mut random, shape, dtype, |r| draw(dtype, r))?;
                let axes = random_axes(&mut random, shape.len());
                let signed: Vec<i32> = axes.iter().map(|a| *a as i32).collect();
                let want = Reference::of(&x)?;
                let what = format!("{dtype} {shape:?} {layout}, axes {axes:?}");
                let check = |got: Array, f: &dyn Fn(&[f64]) -> f64, exact: bool| -> Result<()> {
                    let want = want.reduce(&axes, f);
                    let got_dtype = got.dtype();
                    let got = Reference::of(&got)?;
                    assert_eq!(got.shape, want.shape, "{what}");
                    let scale = 4.0 * (x.size() / want.data.len().max(1)) as f64;
                    let allowed = if exact { 0.0 } else { tolerance(got_dtype, scale) };
                    for (i, (g, w)) in got.data.iter().zip(&want.data).enumerate() {
                        let w = wrap(*w, got_dtype);
                        let near = *g == w || (g - w).abs() <= allowed || (g.is_nan() && w.is_nan());
                        assert!(near, "{what}: element {i} is {g}, wanted {w}");
                    }
                    Ok(())
                };
                check(x.sum(Some(&signed), true)?, &|v| v.iter().sum(), false)?;
                check(x.all(Some(&signed), true)?, &|v| f64::from(v.iter().all(|x| *x != 0.0)), true)?;
                check(x.any(Some(&signed), true)?, &|v| f64::from(v.iter().any(|x| *x != 0.0)), true)?;
                if axes.iter().all(|a| shape[*a] > 0) {
                    check(
                        x.max(Some(&signed), true)?,
                        &|v| v.iter().copied().fold(f64::MIN, f64::max),
                        true,
                    )?;
                    check(
                        x.min(Some(&signed), true)?,
                        &|v| v.iter().copied().fold(f64::MAX, f64::min),
                        true,
                    )?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn products_are_those_of_plain_loops() -> Result<()> {
    let mut random = Random::new(2);
    for dtype in Dtype::ALL.into_iter().filter(|d| d.is_inexact() && *d != Dtype::Complex64) {
        for shape in [&[][..], &[9], &[100, 3], &[3, 100], &[2, 5, 3], &[0, 2]] {
            let (x, layout) = any_layout(&mut random, shape, dtype, |r| r.between(0.9, 1.1))?;
            let axes = random_axes(&mut random, shape.len());
            let signed: Vec<i32> = axes.iter().map(|a| *a as i32).collect();
            let want = Reference::of(&x)?.reduce(&axes, |v| v.iter().product());
            let got = Reference::of(&x.prod(Some(&signed), true)?)?;
            for (g, w) in got.data.iter().zip(&want.data) {
                let near = (g - w).abs() <= tolerance(dtype, 16.0 * w.abs());
                assert!(near, "{dtype} {shape:?} {layout}, axes {axes:?}: {g}, wanted {w}");
            }
        }
    }
    let x = Array::from_slice(&[3i8, -5, 7, 11], &[2, 2])?;
    assert_eq!(x.prod(None, false)?.item::<i32>()?, -1155);
    assert_eq!(Array::from_slice(&[70000u32; 2], &[2])?.prod(None, false)?.item::<u32>()?, 605_032_704);
    Ok(())
}

#[test]
fn complex_numbers_are_summed_and_multiplied() -> Result<()> {
    use num_complex::Complex32;
    let data: Vec<Complex32> =
        (0..3000).map(|i| Complex32::new((i % 7) as f32 - 3.0, (i % 5) as f32 - 1.0)).collect();
    let x = Array::from_slice(&data, &[3, 1000])?;
    let want: Vec<Complex32> = data.chunks(1000).map(|c| c.iter().sum()).collect();
    assert_eq!(x.sum(Some(&[1]), false)?.to_vec::<Complex32>()?, want);
    let y = Array::from_slice(&[Complex32::new(1.0, 2.0), Complex32::new(3.0, -1.0)], &[2])?;
    assert_eq!(y.prod(None, false)?.item::<Complex32>()?, Complex32::new(5.0, 5.0));
    assert_eq!(y.all(None, false)?.item::<u8>()?, 1);
    Ok(())
}

#[test]
fn nan_propagates_through_extremes() -> Result<()> {
    for n in [3, 100, 10_000, simt::size(400_000, 5_000)] {
        for at in [0, n / 2, n - 1] {
            let mut data = vec![1.0f32; n];
            data[at] = f32::NAN;
            for x in [Array::from_slice(&data, &[n])?, Array::from_slice(&data, &[n, 1])?] {
                for dtype in [Dtype::Float16, Dtype::Bfloat16, Dtype::Float32, Dtype::Float64] {
                    let x = x.astype(dtype);
                    for y in [x.max(Some(&[0]), false)?, x.min(Some(&[0]), false)?, x.sum(Some(&[0]), false)?]
                    {
                        assert!(y.astype(Dtype::Float32).item::<f32>()?.is_nan(), "{n} {at} {dtype}");
                    }
                    assert_eq!(x.argmax(Some(0), false)?.item::<u32>()?, at as u32, "{n} {at} {dtype}");
                    assert_eq!(x.argmin(Some(0), false)?.item::<u32>()?, at as u32, "{n} {at} {dtype}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn long_float32_sums_keep_their_digits() -> Result<()> {
    let mut random = Random::new(3);
    let n = simt::size(4_000_000, 40_000);
    let data: Vec<f32> = (0..n).map(|_| random.between(0.0, 1.0) as f32).collect();
    let want: f64 = data.iter().map(|x| f64::from(*x)).sum();
    for shape in [&[n][..], &[n / 2000, 2000], &[2, n / 4, 2]] {
        let got = f64::from(Array::from_slice(&data, shape)?.sum(None, false)?.item::<f32>()?);
        assert!((got / want - 1.0).abs() < 1e-7, "{shape:?}: {got}, wanted {want}");
    }
    let columns = Array::from_slice(&data, &[n / 4, 4])?.sum(Some(&[0]), false)?.to_vec::<f32>()?;
    for (c, got) in columns.into_iter().enumerate() {
        let want: f64 = data.iter().skip(c).step_by(4).map(|x| f64::from(*x)).sum();
        assert!((f64::from(got) / want - 1.0).abs() < 1e-7, "column {c}: {got}, wanted {want}");
    }
    Ok(())
}

#[test]
fn places_of_extremes_are_the_first() -> Result<()> {
    let mut random = Random::new(4);
    for dtype in Dtype::ALL.into_iter().filter(|d| *d != Dtype::Complex64) {
        for shape in shapes().filter(|s| !s.is_empty() && !s.contains(&0)) {
            // Few values, hence many ties.
            let (x, layout) = any_layout(&mut random, shape, dtype, |r| r.below(20) as f64)?;
            let axis = random.below(shape.len());
            let data = Reference::of(&x)?;
            for largest in [true, false] {
                let want = data.map_lines(axis, 1, |line| {
                    let better = |a: f64, b: f64| if largest { b > a } else { b < a };
                    vec![
                        (1..line.len()).fold(0, |best, i| if better(line[best], line[i]) { i } else { best })
                            as f64,
                    ]
                });
                let axis = Some(axis as i32);
                let got = if largest { x.argmax(axis, true)? } else { x.argmin(axis, true)? };
                assert_eq!(got.dtype(), Dtype::Uint32);
                assert_eq!(Reference::of(&got)?, want, "{dtype} {shape:?} {layout}, axis {axis:?}");
            }
        }
    }
    let x = Array::from_slice(&[1i32, 9, 3, 9], &[2, 2])?;
    assert_eq!(x.argmax(None, false)?.item::<u32>()?, 1);
    assert_eq!(x.argmax(None, true)?.shape(), [1, 1]);
    Ok(())
}

#[test]
fn reductions_refuse_what_they_cannot_do() -> Result<()> {
    let empty = Array::from_slice::<f32>(&[], &[0, 2])?;
    for e in [empty.max(None, false), empty.argmax(Some(0), false), empty.argmin(None, false)] {
        assert_eq!(e.unwrap_err().kind(), ErrorKind::Shape);
    }
    assert_eq!(empty.max(Some(&[1]), false)?.shape(), [0]);
    assert_eq!(empty.sum(None, false)?.item::<f32>()?, 0.0);
    assert_eq!(empty.prod(Some(&[0]), false)?.to_vec::<f32>()?, [1.0, 1.0]);
    assert!(empty.mean(None, false)?.item::<f32>()?.is_nan());
    assert_eq!(empty.sum(Some(&[2]), false).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(empty.argmax(Some(-3), false).unwrap_err().kind(), ErrorKind::Argument);
    Ok(())
}

#[test]
fn statistics_follow_their_formulas() -> Result<()> {
    let x = Array::from_slice(&[1i32, 2, 4, 5, 9, 3], &[2, 3])?;
    assert_eq!(x.mean(None, false)?.item::<f32>()?, 4.0);
    assert_eq!(x.mean(Some(&[1]), true)?.to_vec::<f32>()?, [7.0 / 3.0, 17.0 / 3.0]);
    assert_eq!(x.var(None, false, 0)?.item::<f32>()?, 40.0 / 6.0);
    assert_eq!(x.std(None, false, 1)?.item::<f32>()?, 8.0f32.sqrt());
    assert_eq!(x.median(None, false)?.item::<f32>()?, 3.5);
    assert_eq!(x.median(Some(&[1]), true)?.to_vec::<f32>()?, [2.0, 5.0]);
    assert_eq!(x.median(Some(&[1]), true)?.shape(), [2, 1]);
    assert_eq!(x.greater(3)?.count_nonzero(Some(&[0]), false)?.to_vec::<i32>()?, [1, 1, 1]);
    let nan = Array::from_slice(&[1.0f32, f32::NAN, 3.0], &[3])?;
    assert!(nan.median(None, false)?.item::<f32>()?.is_nan());
    Ok(())
}

#[test]
fn arrays_are_compared_as_wholes() -> Result<()> {
    let inf = f32::INFINITY;
    let a = Array::from_slice(&[1.0f32, inf, f32::NAN, -inf, 100.0], &[5])?;
    let b = Array::from_slice(&[1.000001f32, inf, f32::NAN, inf, 101.0], &[5])?;
    assert_eq!(a.isclose(&b, 1e-5, 1e-8, false)?.to_vec::<u8>()?, [1, 1, 0, 0, 0]);
    assert_eq!(a.isclose(&b, 1e-5, 1e-8, true)?.to_vec::<u8>()?, [1, 1, 1, 0, 0]);
    assert_eq!(a.allclose(&b, 1e-5, 1e-8, true)?.item::<u8>()?, 0);
    assert_eq!(a.array_equal(&a, false)?.item::<u8>()?, 0);
    assert_eq!(a.array_equal(&a, true)?.item::<u8>()?, 1);
    assert_eq!(a.array_equal(&Array::scalar(1.0f32), true)?.item::<u8>()?, 0);
    Ok(())
}

#[test]
fn scans_are_those_of_plain_loops() -> Result<()> {
    let mut random = Random::new(5);
    for dtype in Dtype::ALL.into_iter().filter(|d| !matches!(d, Dtype::Complex64 | Dtype::Bool)) {
        for shape in shapes().filter(|s| !s.is_empty()) {
            // Sums of so many stay exact in float32.
            let (x, layout) = any_layout(&mut random, shape, dtype, |r| r.below(3) as f64)?;
            let axis = random.below(shape.len());
            let (reverse, inclusive) = (random.below(2) == 0, random.below(2) == 0);
            let data = Reference::of(&x)?;
            let n = shape[axis];
            let run = |start: f64, f: &dyn Fn(f64, f64) -> f64| {
                data.map_lines(axis, n, |line| {
                    let (mut sum, mut out) = (start, vec![0.0; line.len()]);
                    for i in 0..line.len() {
                        let i = if reverse { line.len() - 1 - i } else { i };
                        let next = f(sum, line[i]);
                        out[i] = if inclusive { next } else { sum };
                        sum = next;
                    }
                    out
                })
            };
            let what = format!("{dtype} {shape:?} {layout}, axis {axis}, {reverse} {inclusive}");
            let signed = Some(axis as i32);
            let got = x.cumsum(signed, reverse, inclusive)?;
            assert_eq!(got.dtype(), dtype);
            let modulus = if dtype.is_integer() { 256f64.powi(dtype.size() as i32) } else { f64::INFINITY };
            let wrapped = |v: f64| {
                let v = v.rem_euclid(modulus);
                if dtype.is_signed_integer() && v >= modulus / 2.0 { v - modulus } else { v }
            };
            let want = run(0.0, &|a, b| a + b);
            for (g, w) in Reference::of(&got)?.data.iter().zip(&want.data) {
                let w = if modulus.is_finite() { wrapped(*w) } else { *w };
                let allowed = if dtype.is_half() { w * 0.5f64.powi(8) } else { 0.0 };
                assert!(
                    (g - w).abs() <= allowed || *g == f64::INFINITY && w > 65504.0,
                    "{what}: {g}, wanted {w}"
                );
            }
            if inclusive {
                assert_eq!(
                    Reference::of(&x.cummax(signed, reverse, true)?)?,
                    run(f64::MIN, &f64::max),
                    "{what}"
                );
                assert_eq!(
                    Reference::of(&x.cummin(signed, reverse, true)?)?,
                    run(f64::MAX, &f64::min),
                    "{what}"
                );
            }
            if n < 20 && dtype != Dtype::Int8 {
                let small = x.minimum(2)?;
                let got = Reference::of(&small.cumprod(signed, reverse, inclusive)?)?;
                assert_eq!(got, run(1.0, &|a, b| a * b.min(2.0)), "{what}");
            }
        }
    }
    Ok(())
}

#[test]
fn running_log_sums_neither_overflow_nor_lose_infinities() -> Result<()> {
    let x = Array::from_slice(&[1000.0f32, 1000.0, f32::NEG_INFINITY, -5.0, 1001.0], &[5])?;
    let got = x.logcumsumexp(Some(0), false, true)?.to_vec::<f32>()?;
    let ln2 = std::f32::consts::LN_2;
    let want = [1000.0, 1000.0 + ln2, 1000.0 + ln2, 1000.0 + ln2, 1001.0 + (1.0 + 2.0 * (-1f32).exp()).ln()];
    assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-4), "{got:?}, wanted {want:?}");
    let low = Array::from_slice(&[f32::NEG_INFINITY; 3], &[3])?;
    assert_eq!(low.logcumsumexp(Some(0), false, false)?.to_vec::<f32>()?, [f32::NEG_INFINITY; 3]);
    assert_eq!(x.logcumsumexp(None, true, false)?.to_vec::<f32>()?[4], f32::NEG_INFINITY);
    assert!(Array::from_slice(&[0i32], &[1])?.logcumsumexp(None, false, true)?.item::<f32>()? == 0.0);
    Ok(())
}
