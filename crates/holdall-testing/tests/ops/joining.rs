//! Making, cutting, repeating, turning, padding and printing arrays.

use holdall::ops::Padding;
use holdall::{Array, Dtype, ErrorKind};

use super::support::{LAYOUTS, Lies, Plain, Rng, check, lay};

fn numbered(shape: &[usize]) -> Plain<i32> {
    let mut n = 0;
    Plain::of(shape, |_| {
        n += 1;
        n
    })
}

fn ints(x: holdall::Result<Array>) -> Vec<i32> {
    x.unwrap().to_vec().unwrap()
}

#[test]
fn numbers_at_equal_distances() {
    assert_eq!(ints(Array::arange(0, 5, 1, None)), [0, 1, 2, 3, 4]);
    assert_eq!(ints(Array::arange(5, -2, -3, None)), [5, 2, -1]);
    assert_eq!(Array::arange(3, 3, 1, None).unwrap().shape(), [0]);
    assert_eq!(
        Array::arange(0, 1i64 << 40, 1i64 << 39, None).unwrap().to_vec::<i64>().unwrap(),
        [0, 1 << 39]
    );
    let floats = Array::arange(0, 1, 0.25, None).unwrap();
    assert_eq!(
        (floats.dtype(), floats.to_vec::<f32>().unwrap()),
        (Dtype::Float32, vec![0., 0.25, 0.5, 0.75])
    );
    for dtype in Dtype::ALL {
        let got = Array::arange(0, 3, 1, Some(dtype));
        if matches!(dtype, Dtype::Bool | Dtype::Complex64) {
            assert_eq!(got.unwrap_err().kind(), ErrorKind::Dtype);
        } else {
            assert_eq!(ints(Ok(got.unwrap().astype(Dtype::Int32))), [0, 1, 2], "{dtype}");
        }
    }
    assert_eq!(Array::arange(0, 1, 0, None).unwrap_err().kind(), ErrorKind::Argument);
    assert!(Array::arange(0.0, 1e300, 1e-3, None).is_err());
    let line = Array::linspace(1.0, 2.0, 5, Dtype::Float32).unwrap();
    assert_eq!(line.to_vec::<f32>().unwrap(), [1.0, 1.25, 1.5, 1.75, 2.0]);
}

#[test]
fn matrices_of_ones_and_zeros() {
    assert_eq!(ints(Array::eye(2, 3, 1, Dtype::Int32)), [0, 1, 0, 0, 0, 1]);
    assert_eq!(ints(Array::tri(2, 3, 0, Dtype::Int32)), [1, 0, 0, 1, 1, 0]);
    let x = lay(&numbered(&[3, 3]), Lies::Transposed);
    assert_eq!(ints(x.tril(0)), [1, 0, 0, 4, 5, 0, 7, 8, 9]);
    assert_eq!(ints(x.triu(1)), [0, 2, 3, 0, 0, 6, 0, 0, 0]);
    assert_eq!(ints(x.diag(-1)), [4, 8]);
    assert_eq!(ints(x.diagonal(1, 0, 1)), [2, 6]);
    assert_eq!(ints(x.diagonal(5, 0, 1)), [0i32; 0]);
    assert_eq!(ints(x.diag(0).unwrap().diag(1)), [0, 1, 0, 0, 0, 0, 5, 0, 0, 0, 0, 9, 0, 0, 0, 0]);
    assert_eq!(ints(Array::full(&[2, 2], 7, None)), [7; 4]);
}

#[test]
fn cut_and_joined() {
    for lies in LAYOUTS {
        let x = lay(&numbered(&[2, 6]), lies);
        let parts = x.split(3, 1).unwrap();
        assert_eq!(ints(Ok(parts[1].clone())), [3, 4, 9, 10]);
        let back = Array::concatenate(&parts.iter().collect::<Vec<_>>(), Some(1));
        check(&back.unwrap(), &numbered(&[2, 6]), &lies);
        let parts = x.split_at(&[1, -2, 9], -1).unwrap();
        let sizes: Vec<usize> = parts.iter().map(|p| p.shape()[1]).collect();
        assert_eq!(sizes, [1, 3, 2, 0]);
        let rows = x.unstack(0).unwrap();
        check(&Array::stack(&rows.iter().collect::<Vec<_>>(), 0).unwrap(), &numbered(&[2, 6]), &lies);
        assert_eq!(Array::stack(&rows.iter().collect::<Vec<_>>(), -1).unwrap().shape(), [6, 2]);
    }
    let x = lay(&numbered(&[2, 6]), Lies::Contiguous);
    let e = x.split(4, 1).unwrap_err().to_string();
    assert!(e.starts_with("split: axis 1 of size 6 does not divide into 4 equal parts"), "{e}");
    let e = Array::concatenate(&[&x, &x.transpose(&[]).unwrap()], Some(0)).unwrap_err().to_string();
    assert!(e.starts_with("concatenate: shapes [2, 6] and [6, 2] differ beyond axis 0"), "{e}");
    let mixed = Array::concatenate(&[&x, &Array::scalar(0.5f32)], None).unwrap();
    assert_eq!((mixed.dtype(), mixed.shape()), (Dtype::Float32, &[13][..]));
}

#[test]
fn padding_follows_each_mode() {
    let x = lay(&numbered(&[3]), Lies::Reversed);
    let pad = |mode| ints(x.pad(&[(4, 3)], &mode));
    assert_eq!(pad(Padding::Constant(9.into())), [9, 9, 9, 9, 1, 2, 3, 9, 9, 9]);
    assert_eq!(pad(Padding::Edge), [1, 1, 1, 1, 1, 2, 3, 3, 3, 3]);
    assert_eq!(pad(Padding::Reflect), [1, 2, 3, 2, 1, 2, 3, 2, 1, 2]);
    assert_eq!(pad(Padding::Symmetric), [3, 3, 2, 1, 1, 2, 3, 3, 2, 1]);
    assert!(x.pad(&[(usize::MAX, 1)], &Padding::Edge).is_err());
}

#[test]
fn repeated_and_turned() {
    let mut rng = Rng(5);
    for lies in LAYOUTS {
        let x = numbered(&[2, 3, 4]);
        let array = lay(&x, lies);
        for axis in 0..3usize {
            let shift = rng.range(-9, 9);
            let n = x.shape[axis] as i64;
            let want = Plain::of(&x.shape, |c| {
                let mut p = c.to_vec();
                p[axis] = (c[axis] as i64 - shift).rem_euclid(n) as usize;
                x.at(&p)
            });
            check(&array.roll(&[shift], Some(&[axis as i32])).unwrap(), &want, &(shift, axis, lies));
            let want = Plain::of(&x.shape, |c| {
                let mut p = c.to_vec();
                p[axis] = n as usize - 1 - c[axis];
                x.at(&p)
            });
            check(&array.flip(Some(&[axis as i32])).unwrap(), &want, &(axis, lies));
            let mut shape = x.shape.clone();
            shape[axis] *= 3;
            let want = Plain::of(&shape, |c| {
                let mut p = c.to_vec();
                p[axis] /= 3;
                x.at(&p)
            });
            check(&array.repeat(3, Some(axis as i32)).unwrap(), &want, &(axis, lies));
        }
        let want = Plain::of(&[2, 2, 6, 4], |c| x.at(&[c[1], c[2] % 3, c[3]]));
        check(&array.tile(&[2, 1, 2, 1]).unwrap(), &want, &lies);
        check(
            &array.unflatten(-1, &[2, -1]).unwrap(),
            &Plain { shape: vec![2, 3, 2, 2], ..x.clone() },
            &lies,
        );
    }
    let x = lay(&numbered(&[3]), Lies::Contiguous);
    assert_eq!(ints(x.kron(&x)), [1, 2, 3, 2, 4, 6, 3, 6, 9]);
    assert_eq!(ints(x.outer(&x)), [1, 2, 3, 2, 4, 6, 3, 6, 9]);
    assert_eq!(ints(x.as_strided(&[2, 2], &[1, 1], 0)), [1, 2, 2, 3]);
    assert_eq!(ints(x.as_strided(&[3], &[-1], 2)), [3, 2, 1]);
    assert_eq!(x.as_strided(&[2, 2], &[2, 1], 0).unwrap_err().kind(), ErrorKind::Argument);
    let grid = Array::meshgrid(&[&x, &x.index(0..2).unwrap()], false, true).unwrap();
    assert_eq!(grid[0].shape(), [2, 3]);
    assert_eq!(ints(Ok(grid[1].clone())), [1, 1, 1, 2, 2, 2]);
}

#[test]
fn printed_as_mlx_does() {
    let x = lay(&numbered(&[2, 2]), Lies::Transposed);
    assert_eq!(x.to_string(), "array([[1, 2],\n       [3, 4]], dtype=int32)");
    assert_eq!(
        Array::arange(0, 10, 1, None).unwrap().to_string(),
        "array([0, 1, 2, ..., 7, 8, 9], dtype=int32)"
    );
    assert_eq!(Array::scalar(0.1f32).astype(Dtype::Float16).to_string(), "array(0.0999756, dtype=float16)");
    assert_eq!(Array::zeros(&[0, 3], Dtype::Bool).unwrap().to_string(), "array([], dtype=bool)");
    assert_eq!(Array::full(&[2], true, None).unwrap().to_string(), "array([True, True], dtype=bool)");
    assert_eq!(
        lay(&numbered(&[2, 1, 2]), Lies::Contiguous).to_string(),
        "array([[[1, 2]],\n       [[3, 4]]], dtype=int32)"
    );
}
