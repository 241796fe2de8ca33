//! Sorting and searching.

use holdall::Dtype;

use super::support::{LAYOUTS, same};

#[test]
fn lines_of_all_types_are_sorted() {
    for (k, dtype) in Dtype::ALL.into_iter().enumerate() {
        if matches!(dtype, Dtype::Float64 | Dtype::Complex64) {
            continue;
        }
        same(&format!("sorted {dtype}"), 0.0, &|make| {
            let x = make.laid(&[3, 40, 5], dtype, LAYOUTS[k % 5]);
            let values = make.laid(&[4, 6], dtype, LAYOUTS[(k + 1) % 5]);
            let sorted = make.array(&[50], dtype).sort(None)?;
            Ok(vec![
                x.sort(Some(1))?,
                x.argsort(Some(-1))?,
                // Which order a partition leaves is nobody's promise; the element at its place is.
                x.partition(2, Some(1))?.slice_axis(1, 2, 3)?,
                x.take_along_axis(&x.argpartition(2, Some(0))?, Some(0))?.slice_axis(0, 2, 3)?,
                x.topk(7, Some(1))?.sort(Some(1))?,
                sorted.searchsorted(&values, false)?,
                sorted.searchsorted(&values, true)?,
            ])
        });
    }
}

#[test]
fn long_lines_are_merged_from_blocks() {
    for dtype in [Dtype::Float32, Dtype::Float16, Dtype::Int8, Dtype::Uint64] {
        same(&format!("merged {dtype}"), 0.0, &|make| {
            let x = make.array(&[2, 4500], dtype);
            Ok(vec![x.sort(Some(1))?, x.argsort(Some(1))?, x.partition(9, Some(1))?.slice_axis(1, 9, 10)?])
        });
    }
}
