//! Reading and writing parts of arrays.

use holdall::{Array, Dtype, Index, eval};

use super::support::{LAYOUTS, Lies, Plain, Rng, check, lay};

fn numbered(shape: &[usize]) -> Plain<i32> {
    let mut n = 0;
    Plain::of(shape, |_| {
        n += 1;
        n
    })
}

#[test]
fn take_is_an_element_at_a_time() {
    let mut rng = Rng(1);
    for round in 0..60 {
        let ndim = 1 + rng.below(3);
        let shape = rng.shape(ndim, 5);
        let x = numbered(&shape);
        let axis = rng.below(ndim);
        let index_ndim = rng.below(3);
        let index_shape = rng.shape(index_ndim, 4);
        let n = shape[axis] as i64;
        let index = Plain::of(&index_shape, |_| rng.range(-n, n - 1));
        let mut want = shape.clone();
        want.splice(axis..=axis, index_shape.iter().copied());
        let want = Plain::of(&want, |c| {
            let i = index.at(&c[axis..axis + index_ndim]);
            let mut place = c.to_vec();
            place.splice(axis..axis + index_ndim, [if i < 0 { i + n } else { i } as usize]);
            x.at(&place)
        });
        for lies in LAYOUTS {
            let indices = lay(&index, LAYOUTS[round % 4]);
            let got = lay(&x, lies).take(&indices, Some(axis as i32)).unwrap();
            check(&got, &want, &(round, &shape, axis, &index, lies));
        }
    }
}

#[test]
fn concatenate_puts_one_after_another() {
    let mut rng = Rng(2);
    for round in 0..40 {
        let ndim = 1 + rng.below(3);
        let shape = rng.shape(ndim, 4);
        let axis = rng.below(ndim);
        let parts: Vec<Plain<i32>> = (0..1 + rng.below(4))
            .map(|k| {
                let mut s = shape.clone();
                s[axis] = rng.below(4);
                let mut n = 1000 * k as i32;
                Plain::of(&s, |_| {
                    n += 1;
                    n
                })
            })
            .collect();
        let mut want = shape.clone();
        want[axis] = parts.iter().map(|p| p.shape[axis]).sum();
        let want = Plain::of(&want, |c| {
            let mut place = c.to_vec();
            let part = parts.iter().find(|p| {
                let inside = place[axis] < p.shape[axis];
                place[axis] = if inside { place[axis] } else { place[axis] - p.shape[axis] };
                inside
            });
            part.unwrap().at(&place)
        });
        let arrays: Vec<Array> = parts
            .iter()
            .map(|p| {
                let lies = if p.data.is_empty() { Lies::Contiguous } else { LAYOUTS[rng.below(4)] };
                lay(p, lies)
            })
            .collect();
        let got = Array::concatenate(&arrays.iter().collect::<Vec<_>>(), Some(axis as i32)).unwrap();
        check(&got, &want, &(round, axis, &parts));
    }
}

#[test]
fn slice_update_writes_the_slice_only() {
    let mut rng = Rng(3);
    for round in 0..60 {
        let ndim = 1 + rng.below(3);
        let shape = rng.shape(ndim, 6);
        let x = numbered(&shape);
        let key: Vec<(i64, i64, i64)> = shape
            .iter()
            .map(|d| {
                let d = *d as i64;
                let step = [1, 1, 2, -1, -2][rng.below(5)];
                (rng.range(-d - 1, d + 1), rng.range(-d - 1, d + 1), step)
            })
            .collect();
        let places: Vec<Vec<usize>> = key.iter().zip(&shape).map(|(k, d)| python_range(*k, *d)).collect();
        let sizes: Vec<usize> = places.iter().map(Vec::len).collect();
        let update = Plain::of(&sizes, |_| -(rng.below(1000) as i32));
        let mut want = x.clone();
        for i in 0..update.data.len() {
            let c = super::support::coords(&sizes, i);
            let place: Vec<usize> = c.iter().zip(&places).map(|(c, p)| p[*c]).collect();
            let flat = want.flat(&place);
            want.data[flat] = update.at(&c);
        }
        let (start, stop, step): (Vec<i64>, Vec<i64>, Vec<i64>) = (
            key.iter().map(|k| k.0).collect(),
            key.iter().map(|k| k.1).collect(),
            key.iter().map(|k| k.2).collect(),
        );
        for lies in LAYOUTS {
            let values = lay(&update, if update.data.is_empty() { Lies::Contiguous } else { lies });
            let before = lay(&x, lies);
            let got = before.slice_update(&values, &start, &stop, &step).unwrap();
            check(&got, &want, &(round, &shape, &key, lies));
            check(&before, &x, &"the array itself must not change");
            let read: Vec<Index> =
                key.iter().map(|k| Index::Range { start: Some(k.0), stop: Some(k.1), step: k.2 }).collect();
            check(&got.index(&read[..]).unwrap(), &update, &(round, "read back"));
        }
    }
}

/// What Python's `range(n)[a:b:c]` names.
fn python_range((start, stop, step): (i64, i64, i64), n: usize) -> Vec<usize> {
    let n = n as i64;
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let clamp = |i: i64| (if i < 0 { i + n } else { i }).clamp(low, high);
    let (mut i, stop) = (clamp(start), clamp(stop));
    let mut out = vec![];
    while (step > 0 && i < stop) || (step < 0 && i > stop) {
        out.push(i as usize);
        i += step;
    }
    out
}

#[test]
fn a_thousand_appends_take_no_memory() {
    let pool = holdall::device::DeviceId::DEFAULT.get().unwrap().pool().clone();
    // 64 MB: 8 heads, 8192 places, 256 numbers.
    let mut cache = Array::zeros(&[8, 8192, 256], Dtype::Float32).unwrap().contiguous();
    let token = Array::ones(&[8, 1, 256], Dtype::Float32).unwrap().contiguous();
    eval(&[&cache, &token]).unwrap();
    pool.reset_peak();
    let before = pool.peak_bytes();
    for i in 0..1000 {
        cache = cache.slice_update(&token, &[0, i, 0], &[8, i + 1, 256], &[]).unwrap();
        if i % 3 == 0 {
            eval(&[&cache]).unwrap();
        }
    }
    eval(&[&cache]).unwrap();
    let rise = pool.peak_bytes() - before;
    assert!(rise < 1 << 20, "appending raised the peak by {rise} bytes");
    let ones = cache.index((.., 998..1002, 0)).unwrap();
    assert_eq!(ones.to_vec::<f32>().unwrap(), [1., 1., 0., 0.].repeat(8));
}

#[test]
fn a_reader_of_the_old_value_keeps_it() {
    let x = numbered(&[4, 3]);
    let old = lay(&x, Lies::Contiguous);
    let view = old.index(1..3).unwrap();
    eval(&[&view]).unwrap();
    let new = old.index_update((1, ..), 0).unwrap();
    drop(old);
    eval(&[&new]).unwrap();
    assert_eq!(view.to_vec::<i32>().unwrap(), [4, 5, 6, 7, 8, 9]);
    assert_eq!(new.to_vec::<i32>().unwrap(), [1, 2, 3, 0, 0, 0, 7, 8, 9, 10, 11, 12]);
}

#[test]
fn an_update_of_repeated_zeros_has_memory_of_its_own() {
    // The input is one element repeated by strides of 0: writing in place would change all of it.
    for shape in [vec![5], vec![2, 3], vec![1, 1], vec![]] {
        let zeros = Array::zeros(&shape, Dtype::Int32).unwrap();
        let key: Vec<Index> = shape.iter().map(|_| Index::from(0..1)).collect();
        let got = zeros.index_update(&key[..], 7).unwrap().to_vec::<i32>().unwrap();
        assert_eq!((got[0], got[1..].iter().sum::<i32>()), (7, 0), "{shape:?}");
        assert_eq!(zeros.to_vec::<i32>().unwrap(), vec![0; got.len()]);
    }
}
