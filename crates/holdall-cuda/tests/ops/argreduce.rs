//! The largest and smallest of long rows.

use holdall_core::{Array, Dtype};

use crate::{Numbers, array, compare, streams};

#[test]
fn extremes_of_long_rows_are_found() {
    let Some(streams) = streams() else { return };
    for dtype in [Dtype::Float32, Dtype::Float16, Dtype::Bfloat16] {
        for (rows, n) in [(1, 248_320), (7, 10_001), (3, 4096), (300, 5000), (2, 151_936)] {
            let data = || {
                let mut data = Numbers::new(n as u64).floats(rows * n);
                if rows == 7 {
                    data[n + 900] = f32::NAN;
                    data[n + 5] = f32::NAN;
                    data[2 * n..3 * n].fill(0.0);
                    data[2 * n + 77] = -0.0;
                    data[3 * n..4 * n].fill(f32::NEG_INFINITY);
                }
                data
            };
            let x = || array(&data(), &[rows, n], dtype);
            compare(streams, &format!("argmax of {rows} by {n} {dtype}"), 0.0, || {
                x().argmax(Some(-1), false).unwrap()
            });
            compare(streams, &format!("argmin of {rows} by {n} {dtype}"), 0.0, || {
                x().argmin(Some(-1), false).unwrap()
            });
        }
    }
    // By columns, and from an odd element: left to others.
    let x = || array(&Numbers::new(3).floats(10_000 * 4), &[10_000, 4], Dtype::Float16);
    compare(streams, "columns", 0.0, || x().argmax(Some(0), false).unwrap());
    let odd = |x: Array| {
        x.reshape(&[-1]).unwrap().slice_axis(0, 1, 20_001).unwrap().argmax(Some(0), false).unwrap()
    };
    compare(streams, "from an odd element", 0.0, || odd(x()));
}
