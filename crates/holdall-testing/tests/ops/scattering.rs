//! Gathers and scatters with index arrays.

use holdall::{Array, Dtype, ErrorKind, Index};
use holdall_testing::simt;

use super::support::{LAYOUTS, Lies, Plain, Rng, check, coords, lay};

fn numbered(shape: &[usize]) -> Plain<i32> {
    let mut n = 0;
    Plain::of(shape, |_| {
        n += 1;
        n
    })
}

/// What a key entry names of its axis, by itself.
#[derive(Clone, Debug)]
enum Entry {
    At(i64),
    Range(i64, i64, i64),
    New,
    Array(Plain<i64>),
}

/// NumPy's rules, element by element: shape of the result, and for each of its places the place in the array.
fn numpy(shape: &[usize], key: &[Entry]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let arrays: Vec<&Plain<i64>> =
        key.iter().filter_map(|e| if let Entry::Array(a) = e { Some(a) } else { None }).collect();
    let ndim = arrays.iter().map(|a| a.shape.len()).max().unwrap_or(0);
    let mut common = vec![1; ndim];
    for a in &arrays {
        let lead = ndim - a.shape.len();
        a.shape.iter().enumerate().for_each(|(i, d)| common[lead + i] = common[lead + i].max(*d));
    }
    let advanced =
        |e: &Entry| matches!(e, Entry::Array(_)) || (matches!(e, Entry::At(_)) && !arrays.is_empty());
    let places: Vec<usize> = (0..key.len()).filter(|i| advanced(&key[*i])).collect();
    let together = places.windows(2).all(|w| w[0] + 1 == w[1]);
    let mut out = vec![];
    let mut insert_at = None;
    let mut axis = 0;
    // For each axis of the array, where its index comes from.
    let mut ranges: Vec<Option<(usize, Vec<usize>)>> = vec![];
    for (i, e) in key.iter().enumerate() {
        if advanced(e) && insert_at.is_none() {
            insert_at = Some(if together { out.len() } else { 0 });
        }
        match e {
            Entry::New => out.push(1),
            Entry::Range(a, b, k) => {
                let list = super::indexing::python_range((*a, *b, *k), shape[axis]);
                ranges.push(Some((out.len(), list.clone())));
                out.push(list.len());
                axis += 1;
            }
            Entry::At(_) | Entry::Array(_) => {
                ranges.push(None);
                axis += 1;
            }
        }
        assert!(i < 10);
    }
    let at = insert_at.unwrap_or(0);
    let mut result = out.clone();
    if insert_at.is_some() {
        result.splice(at..at, common.iter().copied());
    } else {
        common.clear();
    }
    let size: usize = result.iter().product();
    let mut sources = vec![];
    for i in 0..size {
        let mut c = coords(&result, i);
        let index: Vec<usize> = c.splice(at..at + common.len(), []).collect();
        let mut place = vec![];
        let mut axis = 0;
        for e in key {
            let wrap = |i: i64| (if i < 0 { i + shape[axis] as i64 } else { i }) as usize;
            let source = match e {
                Entry::New => continue,
                Entry::At(i) => wrap(*i),
                Entry::Range(..) => {
                    let (from, list) = ranges[axis].as_ref().unwrap();
                    list[c[*from]]
                }
                Entry::Array(a) => {
                    let lead = common.len() - a.shape.len();
                    let own: Vec<usize> = a
                        .shape
                        .iter()
                        .enumerate()
                        .map(|(k, d)| if *d == 1 { 0 } else { index[lead + k] })
                        .collect();
                    wrap(a.at(&own))
                }
            };
            place.push(source);
            axis += 1;
        }
        sources.push(place);
    }
    (result, sources)
}

fn random_key(rng: &mut Rng, shape: &[usize]) -> (Vec<Entry>, Vec<Index>) {
    let dims = rng.below(3);
    let common = rng.shape(dims, 3);
    let mut entries = vec![];
    for d in shape {
        let n = *d as i64;
        if rng.below(6) == 0 {
            entries.push(Entry::New);
        }
        entries.push(match rng.below(4) {
            0 => Entry::At(rng.range(-n, n - 1)),
            1 => Entry::Range(rng.range(-n - 1, n + 1), rng.range(-n - 1, n + 1), [1, 2, -1][rng.below(3)]),
            2 => Entry::Range(0, n, 1),
            _ => {
                let shape: Vec<usize> =
                    common.iter().map(|d| if rng.below(4) == 0 { 1 } else { *d }).collect();
                Entry::Array(Plain::of(&shape, |_| rng.range(-n, n - 1)))
            }
        });
    }
    let key = entries
        .iter()
        .map(|e| match e {
            Entry::At(i) => Index::At(*i),
            Entry::Range(a, b, k) => Index::Range { start: Some(*a), stop: Some(*b), step: *k },
            Entry::New => Index::NewAxis,
            Entry::Array(a) => Index::from(lay(a, LAYOUTS[rng.below(4)])),
        })
        .collect();
    (entries, key)
}

#[test]
fn keys_read_and_write_what_numpys_do() {
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let ndim = 1 + rng.below(4);
        let shape = rng.shape(ndim, 4);
        let x = numbered(&shape);
        let (entries, key) = random_key(&mut rng, &shape);
        let (want, sources) = numpy(&shape, &entries);
        let what = (seed, &shape, &entries);
        let lies = LAYOUTS[rng.below(4)];
        let array = lay(&x, lies);
        let want = Plain { shape: want, data: sources.iter().map(|p| x.at(p)).collect() };
        check(&array.index(&key[..]).unwrap(), &want, &what);

        // All values alike where places repeat: which one stays is not promised.
        let values = Plain { shape: want.shape.clone(), data: sources.iter().map(|p| -x.at(p)).collect() };
        let value_lies = if values.data.is_empty() { Lies::Contiguous } else { LAYOUTS[rng.below(4)] };
        let values = lay(&values, value_lies);
        let mut set = x.clone();
        let mut added = x.clone();
        for p in &sources {
            let flat = x.flat(p);
            set.data[flat] = -x.data[flat];
            added.data[flat] -= x.data[flat];
        }
        check(&array.index_update(&key[..], &values).unwrap(), &set, &what);
        check(&array.index_add(&key[..], &values).unwrap(), &added, &what);
        check(&array, &x, &what);
    }
}

#[test]
fn along_an_axis_each_element_has_its_index() {
    for seed in 0..80 {
        let mut rng = Rng(1000 + seed);
        let ndim = 1 + rng.below(3);
        let shape = rng.shape(ndim, 5);
        let x = numbered(&shape);
        let axis = rng.below(ndim);
        let n = shape[axis] as i64;
        let mut index_shape = shape.clone();
        index_shape[axis] = 1 + rng.below(6);
        let index = Plain::of(&index_shape, |_| rng.range(-n, n - 1) as i32);
        let place = |c: &[usize]| {
            let i = i64::from(index.at(c));
            let mut place = c.to_vec();
            place[axis] = if i < 0 { i + n } else { i } as usize;
            place
        };
        let (lies, other) = (LAYOUTS[rng.below(4)], LAYOUTS[rng.below(4)]);
        let (array, indices) = (lay(&x, lies), lay(&index, other));
        let what = (seed, &shape, axis, &index);
        let want = Plain::of(&index_shape, |c| x.at(&place(c)));
        check(&array.take_along_axis(&indices, Some(axis as i32)).unwrap(), &want, &what);
        let values = Plain::of(&index_shape, |_| rng.range(-50, 50) as i32);
        let (mut put, mut added) = (x.clone(), x.clone());
        for i in 0..values.data.len() {
            let c = coords(&index_shape, i);
            let flat = x.flat(&place(&c));
            added.data[flat] += values.data[i];
        }
        // Of several values for an element the one last along the axis stays.
        for i in 0..values.data.len() {
            let c = coords(&index_shape, i);
            let flat = x.flat(&place(&c));
            put.data[flat] = values.data[i];
        }
        let given = lay(&values, lies);
        check(&array.put_along_axis(&indices, &given, Some(axis as i32)).unwrap(), &put, &what);
        check(&array.scatter_add_axis(&indices, &given, axis as i32).unwrap(), &added, &what);
    }
}

#[test]
fn every_type_scatters() {
    let index = Array::from_slice(&[1u8, 1, 0], &[3]).unwrap();
    for dtype in Dtype::ALL {
        let x = Array::from_slice(&[1i32, 2, 3], &[3]).unwrap().astype(dtype);
        let values = Array::from_slice(&[3i32, 2, 0], &[3]).unwrap().astype(dtype);
        let read = |y: holdall::Result<Array>| {
            let y = y.unwrap();
            assert_eq!(y.dtype(), dtype);
            y.astype(Dtype::Int32).to_vec::<i32>().unwrap()
        };
        let of = |want: [i32; 3]| if dtype == Dtype::Bool { want.map(|i| i.min(1)) } else { want };
        assert_eq!(read(x.index_update(&index, &values)), of([0, 2, 3]), "{dtype}");
        assert_eq!(read(x.index_add(&index, &values)), of([1, 7, 3]), "{dtype}");
        assert_eq!(read(x.index_multiply(&index, &values)), of([0, 12, 3]), "{dtype}");
        if dtype == Dtype::Complex64 {
            assert_eq!(x.index_maximum(&index, &values).unwrap_err().kind(), ErrorKind::Dtype);
            continue;
        }
        assert_eq!(read(x.index_maximum(&index, &values)), of([1, 3, 3]), "{dtype}");
        assert_eq!(read(x.index_minimum(&index, &values)), of([0, 2, 3]), "{dtype}");
        // Indices of every type, and reading by them.
        if dtype.is_integer() {
            let index = index.astype(dtype);
            let part = numbered(&[2, 2]);
            assert_eq!(
                lay(&part, Lies::Transposed).take(&index, Some(0)).unwrap().to_vec::<i32>().unwrap(),
                [3, 4, 3, 4, 1, 2]
            );
        }
    }
}

#[test]
fn large_scatters_share_their_work() {
    // Long parts, short parts, single elements: the three ways in which items share a scatter.
    let part = |n: usize| simt::size(n, n / 40);
    for (rows, columns, n) in
        [(50, part(5000), part(400)), (part(5000), 7, part(20000)), (part(60000), 1, part(90000))]
    {
        let mut rng = Rng(7);
        let index: Vec<i32> = (0..n).map(|_| rng.range(-(rows as i64) - 3, rows as i64 + 2) as i32).collect();
        let mut want = vec![0i64; rows * columns];
        for (k, i) in index.iter().enumerate() {
            let i = if *i < 0 { i64::from(*i) + rows as i64 } else { i64::from(*i) };
            if (0..rows as i64).contains(&i) {
                (0..columns).for_each(|c| want[i as usize * columns + c] += (k + c) as i64);
            }
        }
        let indices = Array::from_slice(&index, &[n]).unwrap();
        let count = |n: usize| Array::arange(0, n as i64, 1, Some(Dtype::Int64)).unwrap();
        let updates = count(n).reshape(&[-1, 1]).unwrap().add(count(columns)).unwrap();
        let zeros = Array::zeros(&[rows, columns], Dtype::Int64).unwrap();
        let got = zeros.index_add(&indices, &updates).unwrap();
        assert_eq!(got.to_vec::<i64>().unwrap(), want, "{rows} x {columns}");
    }
}

#[test]
fn places_out_of_range_touch_nothing() {
    let x = lay(&numbered(&[3, 2]), Lies::Contiguous);
    let index = Array::from_slice(&[5i64, -7, i64::MAX, i64::MIN, 2], &[5]).unwrap();
    assert_eq!(x.take(&index, Some(0)).unwrap().to_vec::<i32>().unwrap(), [5, 6, 1, 2, 5, 6, 1, 2, 5, 6]);
    assert_eq!(x.index_update(&index, 0).unwrap().to_vec::<i32>().unwrap(), [1, 2, 3, 4, 0, 0]);
    let one = Array::from_slice(&[9u64, u64::MAX], &[1, 2]).unwrap();
    assert_eq!(
        x.index(1..2).unwrap().take_along_axis(&one, Some(1)).unwrap().to_vec::<i32>().unwrap(),
        [4, 4]
    );
    assert_eq!(
        x.put_along_axis(&one.broadcast_to(&[3, 2]).unwrap(), 0, Some(1)).unwrap().to_vec::<i32>().unwrap(),
        [1, 2, 3, 4, 5, 6]
    );
}

#[test]
fn windows_are_moved_inside_or_ignored() {
    let x = lay(&numbered(&[6]), Lies::Reversed);
    let starts = Array::from_slice(&[0, 4, 5, -3], &[4]).unwrap();
    let got = x.gather(&[&starts], &[0], &[3]).unwrap();
    assert_eq!(got.to_vec::<i32>().unwrap(), [1, 2, 3, 4, 5, 6, 4, 5, 6, 4, 5, 6]);
    let ones = Array::ones(&[4, 3], Dtype::Int32).unwrap();
    let got = x.scatter_add(&[&starts], &ones, &[0]).unwrap();
    assert_eq!(got.to_vec::<i32>().unwrap(), [2, 3, 4, 5, 6, 7]);
}

#[test]
fn masks_take_values_in_order() {
    let x = lay(&numbered(&[2, 3]), Lies::Transposed);
    let mask = Array::from_slice(&[1i32, 0, 1, 0, 0, 1], &[2, 3]).unwrap().astype(Dtype::Bool);
    let values = Array::from_slice(&[-1.5f32, -2.0, -3.0, -4.0], &[4]).unwrap();
    assert_eq!(x.index_update(&mask, &values).unwrap().to_vec::<i32>().unwrap(), [-1, 2, -2, 4, 5, -3]);
    assert_eq!(x.index_update(&mask, 0).unwrap().to_vec::<i32>().unwrap(), [0, 2, 0, 4, 5, 0]);
    let rows = Array::from_slice(&[0i32, 1], &[2]).unwrap().astype(Dtype::Bool);
    let row = Array::from_slice(&[7i32, 8, 9], &[3]).unwrap();
    assert_eq!(x.index_update(&rows, &row).unwrap().to_vec::<i32>().unwrap(), [1, 2, 3, 7, 8, 9]);
    let many = Array::from_slice(&[7i32, 8, 9, 1, 1, 1], &[2, 3]).unwrap();
    assert_eq!(x.index_update(&rows, &many).unwrap().to_vec::<i32>().unwrap(), [1, 2, 3, 7, 8, 9]);
    assert_eq!(x.masked_update(&row, 0).unwrap_err().kind(), ErrorKind::Dtype);
}
