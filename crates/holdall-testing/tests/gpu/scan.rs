//! Running sums, products and extremes, and assignment by masks.

use holdall::{Array, Dtype, Result};

use super::support::{LAYOUTS, Layout, same};

/// All four ways to scan.
fn ways(f: impl Fn(bool, bool) -> Result<Array>) -> Result<Vec<Array>> {
    [(false, true), (false, false), (true, true), (true, false)].into_iter().map(|(r, i)| f(r, i)).collect()
}

#[test]
fn scans_of_all_types() {
    for (k, dtype) in Dtype::ALL.into_iter().filter(|d| *d != Dtype::Float64).enumerate() {
        // One thread a line, then one group a line.
        for (shape, axis) in [([3, 9, 5], 1), ([2, 3, 40], 2)] {
            same(&format!("scans {dtype} {shape:?}"), 16.0, &|make| {
                let x = make.laid(&shape, dtype, LAYOUTS[k % 5]);
                let mut all = ways(|reverse, inclusive| x.cumsum(Some(axis), reverse, inclusive))?;
                let few = x.slice_axis(axis, 0, 9)?;
                all.extend(ways(|reverse, inclusive| few.cumprod(Some(axis), reverse, inclusive))?);
                if dtype != Dtype::Complex64 {
                    all.extend(ways(|reverse, inclusive| x.cummax(Some(axis), reverse, inclusive))?);
                    all.extend(ways(|reverse, inclusive| x.cummin(Some(axis), reverse, inclusive))?);
                    all.push(x.logcumsumexp(Some(axis), k % 2 == 0, true)?);
                }
                Ok(all)
            });
        }
    }
}

#[test]
fn tiles_of_a_segment_carry_over() {
    // So many lines that each is one segment, and so long that it is two tiles.
    let shape = [16, 1100];
    for dtype in [Dtype::Float32, Dtype::Bfloat16, Dtype::Int32] {
        same(&format!("tiles of ones, {dtype}"), 0.0, &|_| {
            let ones = Array::ones(&shape, dtype)?;
            ways(|reverse, inclusive| ones.cumsum(Some(1), reverse, inclusive))
        });
    }
    same("tiles", 64.0, &|make| {
        let (x, n) = (make.array(&shape, Dtype::Float32), make.array(&shape, Dtype::Int32));
        let mut all = ways(|reverse, inclusive| x.cumsum(Some(1), reverse, inclusive))?;
        all.extend(ways(|reverse, inclusive| n.cumsum(Some(1), reverse, inclusive))?);
        all.extend(ways(|reverse, inclusive| x.cummax(Some(1), reverse, inclusive))?);
        all.extend(ways(|reverse, inclusive| x.logcumsumexp(Some(1), reverse, inclusive))?);
        Ok(all)
    });
}

#[test]
fn long_lines_are_cut_into_segments() {
    for dtype in [Dtype::Float32, Dtype::Float16, Dtype::Int64, Dtype::Complex64] {
        same(&format!("segments {dtype}"), 64.0, &|make| {
            let x = make.within(&[2, 5000], dtype, 0.0, 1.0);
            ways(|reverse, inclusive| x.cumsum(Some(1), reverse, inclusive))
        });
    }
}

#[test]
fn masks_say_where_parts_are_written() {
    for (k, dtype) in Dtype::ALL.into_iter().filter(|d| *d != Dtype::Float64).enumerate() {
        same(&format!("masked {dtype}"), 0.0, &|make| {
            let mut all = Vec::new();
            for (places, part) in [(7, 3), (3000, 1)] {
                let x = make.laid(&[places, part], dtype, LAYOUTS[k % 5]);
                let mask = make.laid(&[places], Dtype::Bool, Layout::Plain);
                all.push(x.masked_update(&mask, make.array(&[places / 3, part], dtype))?);
                all.push(x.masked_update(&mask, 1.0)?);
            }
            Ok(all)
        });
    }
}
