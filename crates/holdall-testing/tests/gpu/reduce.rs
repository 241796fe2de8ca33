//! Reductions, and random bits.

use holdall::{Array, Dtype};

use super::support::{LAYOUTS, same};

#[test]
fn reductions_of_all_types() {
    for (i, dtype) in Dtype::ALL.into_iter().filter(|d| *d != Dtype::Float64).enumerate() {
        for layout in [LAYOUTS[i % 5], LAYOUTS[(i + 2) % 5]] {
            same(&format!("{dtype} {layout:?}"), 16.0, &|make| {
                let x = make.laid(&[4, 6, 35], dtype, layout);
                let mut all = Vec::new();
                for axes in [&[2][..], &[0], &[1], &[0, 2], &[0, 1, 2]] {
                    all.push(x.sum(Some(axes), false)?);
                    all.push(x.all(Some(axes), true)?);
                    all.push(x.any(Some(axes), false)?);
                    if dtype != Dtype::Complex64 {
                        all.push(x.max(Some(axes), false)?);
                        all.push(x.min(Some(axes), false)?);
                    }
                }
                let few = x.slice_axis(1, 0, 3)?;
                all.push(few.prod(Some(&[1]), false)?);
                if dtype != Dtype::Complex64 {
                    for axis in [None, Some(0), Some(1), Some(2)] {
                        all.push(x.argmax(axis, false)?);
                        all.push(x.argmin(axis, true)?);
                    }
                }
                Ok(all)
            });
        }
    }
}

#[test]
fn long_rows_are_cut_into_segments() {
    for dtype in [Dtype::Float32, Dtype::Int32, Dtype::Bool] {
        same(&format!("long {dtype}"), 64.0, &|make| {
            let x = make.array(&[2, 5000], dtype);
            Ok(vec![
                x.sum(Some(&[1]), false)?,
                x.sum(None, false)?,
                x.max(Some(&[1]), false)?,
                x.any(Some(&[1]), false)?,
                x.argmax(Some(1), false)?,
                x.swapaxes(0, 1)?.sum(Some(&[0]), false)?,
            ])
        });
    }
}

#[test]
fn nothing_and_nan() {
    same("nothing and NaN", 0.0, &|_| {
        let none = Array::zeros(&[3, 0], Dtype::Float32)?;
        let x = Array::from_slice(&[1.0f32, f32::NAN, 2.0, f32::NEG_INFINITY, -1.0, f32::INFINITY], &[2, 3])?;
        Ok(vec![
            none.sum(Some(&[1]), false)?,
            none.prod(Some(&[1]), false)?,
            none.all(Some(&[1]), false)?,
            none.sum(Some(&[0]), false)?,
            x.max(Some(&[1]), false)?,
            x.min(Some(&[0]), false)?,
            x.argmax(Some(1), false)?,
            x.argmin(Some(1), false)?,
        ])
    });
}

#[test]
fn random_bits_are_equal() {
    same("bits", 0.0, &|_| {
        let key = holdall::random::key(11)?;
        let mut all = Vec::new();
        for n in [1, 2, 3, 7, 1000] {
            for width in [8, 16, 32] {
                all.push(holdall::random::bits(&[n], width, Some(&key))?);
            }
        }
        Ok(all)
    });
}
