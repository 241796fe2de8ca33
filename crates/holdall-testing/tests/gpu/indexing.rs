//! Gathers, scatters, and ops that move elements.

use holdall::{Array, Dtype, Index};

use super::support::{LAYOUTS, same};

#[test]
fn elements_are_taken() {
    let types = [Dtype::Float32, Dtype::Bfloat16, Dtype::Int64, Dtype::Bool, Dtype::Complex64];
    let indices = [Dtype::Int32, Dtype::Uint8, Dtype::Int64, Dtype::Uint32, Dtype::Int8];
    for (k, layout) in LAYOUTS.into_iter().enumerate() {
        let (dtype, index) = (types[k], indices[k]);
        same(&format!("take {dtype} {index} {layout:?}"), 0.0, &|make| {
            let x = make.laid(&[4, 5, 6], dtype, layout);
            let mut all = Vec::new();
            for axis in 0..3 {
                let i = make.indices(&[2, 3], x.shape()[axis], index);
                all.push(x.take(&i, Some(axis as i32))?);
                let mut shape = x.shape().to_vec();
                shape[axis] = 3;
                let along = make.indices(&shape, x.shape()[axis], index);
                all.push(x.take_along_axis(&along, Some(axis as i32))?);
            }
            let (i, j) = (make.indices(&[3, 1], 4, index), make.indices(&[2], 6, index));
            all.push(x.index((Index::from(&i), Index::from(..), Index::from(&j)))?);
            Ok(all)
        });
    }
}

#[test]
fn elements_are_put() {
    let types = [Dtype::Float32, Dtype::Bfloat16, Dtype::Int64, Dtype::Uint8, Dtype::Complex64];
    for (k, layout) in LAYOUTS.into_iter().enumerate() {
        let dtype = types[k];
        same(&format!("put {dtype} {layout:?}"), 4.0, &|make| {
            let x = make.laid(&[4, 5, 6], dtype, layout);
            // Several updates meet one element: the last one counts.
            let i = make.indices(&[9], 4, Dtype::Int32);
            let updates = make.laid(&[9, 5, 6], dtype, layout);
            let along = make.indices(&[4, 7, 6], 5, Dtype::Int32);
            let line = make.laid(&[4, 7, 6], dtype, layout);
            let j = make.indices(&[9], 6, Dtype::Int64);
            let both = (Index::from(&i), Index::from(..), Index::from(&j));
            let mut all = vec![
                x.index_update(&i, &updates)?,
                x.index_add(&i, &updates)?,
                x.index_multiply(&i, &updates)?,
                x.index_add(both, make.array(&[9, 5], dtype))?,
                x.put_along_axis(&along, &line, Some(1))?,
                x.scatter_add_axis(&along, &line, 1)?,
            ];
            if dtype != Dtype::Complex64 {
                all.push(x.index_maximum(&i, &updates)?);
                all.push(x.index_minimum(&i, &updates)?);
            }
            Ok(all)
        });
    }
}

#[test]
fn parts_are_joined_and_written() {
    for (k, layout) in LAYOUTS.into_iter().enumerate() {
        let dtype = [Dtype::Float32, Dtype::Int8, Dtype::Float16, Dtype::Complex64, Dtype::Uint64][k];
        same(&format!("joined {dtype} {layout:?}"), 0.0, &|make| {
            let x = make.laid(&[3, 4, 5], dtype, layout);
            let y = make.array(&[3, 2, 5], dtype);
            let update = make.laid(&[2, 2, 2], dtype, layout);
            let reversed = x.slice_update(&update, &[2, 3, 4], &[0, 1, 0], &[-1, -1, -2])?;
            Ok(vec![
                Array::concatenate(&[&x, &y, &x], Some(1))?,
                x.slice_update(&update, &[0, 1, 1], &[2, 3, 5], &[1, 1, 2])?,
                reversed,
            ])
        });
    }
}

#[test]
fn numbers_at_equal_distances() {
    same("arange", 0.0, &|_| {
        let mut all = Vec::new();
        for dtype in Dtype::ALL {
            if matches!(dtype, Dtype::Bool | Dtype::Complex64 | Dtype::Float64) {
                continue;
            }
            all.push(Array::arange(3, 100, 7, Some(dtype))?);
            all.push(Array::arange(0.0, 1.0, 0.1, Some(dtype))?);
            all.push(Array::arange(10.0, -3.0, -1.5, Some(dtype))?);
        }
        Ok(all)
    });
}
