use holdall::{Array, Dtype, ErrorKind, Result};
use holdall_testing::random::Random;
use holdall_testing::reference::{Reference, any_layout};
use holdall_testing::simt;

const SHAPES: &[&[usize]] = &[
    &[1],
    &[2],
    &[50],
    &[3000],
    &[2, 4500],
    &[70_000],
    &[40_001, 2],
    &[2, 40_001],
    &[6, 5],
    &[5, 1, 6],
    &[30, 20, 10],
    &[0],
    &[2, 0, 3],
];

fn shapes() -> impl Iterator<Item = &'static [usize]> {
    let most = simt::size(usize::MAX, 10_000);
    SHAPES.iter().copied().filter(move |shape| shape.iter().product::<usize>() <= most)
}

fn types() -> impl Iterator<Item = Dtype> {
    Dtype::ALL.into_iter().filter(|d| *d != Dtype::Complex64)
}

/// Values with ties and, for floats, NaN and infinities.
fn draw(dtype: Dtype, random: &mut Random) -> f64 {
    if dtype.is_inexact() {
        match random.below(20) {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => f64::NEG_INFINITY,
            _ => random.below(60) as f64 - 30.0,
        }
    } else {
        random.below(100) as f64
    }
}

/// NaN last, ties as they come.
fn order(a: &f64, b: &f64) -> std::cmp::Ordering {
    a.is_nan().cmp(&b.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
}

/// Bits, so that NaN compare equal.
fn bits(x: &Reference) -> Vec<u64> {
    x.data.iter().map(|v| if v.is_nan() { u64::MAX } else { (v + 0.0).to_bits() }).collect()
}

#[test]
fn sorting_is_stable_and_puts_nan_last() -> Result<()> {
    let mut random = Random::new(11);
    for dtype in types() {
        for shape in shapes() {
            let (x, layout) = any_layout(&mut random, shape, dtype, |r| draw(dtype, r))?;
            let axis = random.below(shape.len());
            let data = Reference::of(&x)?;
            let n = shape[axis];
            let what = format!("{dtype} {shape:?} {layout}, axis {axis}");
            let sorted = data.map_lines(axis, n, |line| {
                let mut line = line.to_vec();
                line.sort_by(order);
                line
            });
            let places = data.map_lines(axis, n, |line| {
                let mut at: Vec<usize> = (0..n).collect();
                at.sort_by(|a, b| order(&line[*a], &line[*b]));
                at.into_iter().map(|i| i as f64).collect()
            });
            let axis = Some(axis as i32);
            assert_eq!(bits(&Reference::of(&x.sort(axis)?)?), bits(&sorted), "{what}");
            assert_eq!(Reference::of(&x.argsort(axis)?)?, places, "{what}");
        }
    }
    Ok(())
}

#[test]
fn partitions_put_one_element_in_its_place() -> Result<()> {
    let mut random = Random::new(12);
    for dtype in types() {
        for shape in shapes().filter(|s| !s.contains(&0)) {
            let (x, layout) = any_layout(&mut random, shape, dtype, |r| draw(dtype, r))?;
            let axis = random.below(shape.len());
            let n = shape[axis];
            let k = random.below(n);
            let data = Reference::of(&x)?;
            let what = format!("{dtype} {shape:?} {layout}, axis {axis}, element {k}");
            let signed = Some(axis as i32);
            let kth = if random.below(2) == 0 { k as i32 } else { k as i32 - n as i32 };
            let values = Reference::of(&x.partition(kth, signed)?)?;
            let places = Reference::of(&x.argpartition(kth, signed)?)?;
            let mut lines = vec![];
            data.lines(axis, |line, _, _| lines.push(line));
            let mut at = 0;
            let check = |line: &[f64], got: &[f64]| {
                let mut sorted = line.to_vec();
                sorted.sort_by(order);
                let mut all = got.to_vec();
                assert!(
                    order(&got[k], &sorted[k]).is_eq(),
                    "{what}: {} is there, wanted {}",
                    got[k],
                    sorted[k]
                );
                assert!(got[..k].iter().all(|v| order(v, &got[k]).is_le()), "{what}");
                assert!(got[k..].iter().all(|v| order(v, &got[k]).is_ge()), "{what}");
                all.sort_by(order);
                assert!(
                    all.iter().zip(&sorted).all(|(a, b)| order(a, b).is_eq()),
                    "{what}: elements changed"
                );
            };
            values.lines(axis, |got, _, _| {
                check(&lines[at], &got);
                at += 1;
            });
            at = 0;
            places.lines(axis, |got, _, _| {
                let mut once = vec![false; n];
                got.iter().for_each(|i| once[*i as usize] = true);
                assert!(once.iter().all(|o| *o), "{what}: an index is missing");
                check(&lines[at], &got.iter().map(|i| lines[at][*i as usize]).collect::<Vec<_>>());
                at += 1;
            });
            let top = Reference::of(&x.topk(n - k, signed)?)?;
            assert_eq!(top.shape[axis], n - k, "{what}");
        }
    }
    let x = Array::from_slice(&[5i32, 1, 4, 2, 3, 9], &[2, 3])?;
    let mut top = x.topk(2, None)?.to_vec::<i32>()?;
    top.sort_unstable();
    assert_eq!(top, [5, 9]);
    assert_eq!(x.topk(0, Some(1))?.shape(), [2, 0]);
    Ok(())
}

#[test]
fn searching_finds_the_place_to_insert() -> Result<()> {
    let mut random = Random::new(13);
    for dtype in types() {
        let (sorted, _) = any_layout(&mut random, &[500], dtype, |r| draw(dtype, r))?;
        let sorted = sorted.sort(None)?;
        let (values, layout) = any_layout(&mut random, &[70, 80], dtype, |r| draw(dtype, r))?;
        let (line, wanted) = (Reference::of(&sorted)?.data, Reference::of(&values)?.data);
        for right in [false, true] {
            let got = sorted.searchsorted(&values, right)?;
            assert_eq!((got.dtype(), got.shape()), (Dtype::Uint32, values.shape()));
            for (got, v) in got.to_vec::<u32>()?.into_iter().zip(&wanted) {
                let want =
                    line.partition_point(|x| if right { order(x, v).is_le() } else { order(x, v).is_lt() });
                assert_eq!(got as usize, want, "{dtype} {layout} {v} {right}");
            }
        }
    }
    Ok(())
}

#[test]
fn sorting_refuses_what_it_cannot_do() -> Result<()> {
    let x = Array::from_slice(&[1.0f32, 2.0], &[2])?;
    assert_eq!(x.sort(Some(1)).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(x.partition(2, Some(0)).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(x.topk(3, None).unwrap_err().kind(), ErrorKind::Argument);
    assert_eq!(x.astype(Dtype::Complex64).sort(None).unwrap_err().kind(), ErrorKind::Dtype);
    assert_eq!(x.reshape(&[2, 1])?.searchsorted(&x, false).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(Array::scalar(3i32).sort(None)?.to_vec::<i32>()?, [3]);
    Ok(())
}
