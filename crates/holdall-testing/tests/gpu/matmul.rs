//! Matrix products.

use holdall::Dtype;

use super::support::{LAYOUTS, same};

#[test]
fn products_of_all_layouts() {
    for dtype in [Dtype::Float32, Dtype::Float16, Dtype::Bfloat16, Dtype::Complex64] {
        for (i, one) in LAYOUTS.into_iter().enumerate() {
            let other = LAYOUTS[(i * 3 + 1) % 5];
            for [m, n, k] in [[1, 40, 70], [5, 33, 37], [40, 35, 20], [3, 1, 9]] {
                same(&format!("{dtype} {one:?} {other:?} {m}x{n}x{k}"), 16.0, &|make| {
                    let a = make.laid(&[m, k], dtype, one);
                    let b = make.laid(&[k, n], dtype, other);
                    let t = make.laid(&[n, k], dtype, other).swapaxes(0, 1)?;
                    Ok(vec![a.matmul(&b)?, a.matmul(&t)?])
                });
            }
        }
    }
}

#[test]
fn batches_broadcast() {
    same("batches", 16.0, &|make| {
        let a = make.array(&[2, 1, 3, 5], Dtype::Float32);
        let b = make.array(&[4, 5, 6], Dtype::Float32);
        let c = make.array(&[2, 4, 6, 5], Dtype::Float32).swapaxes(-1, -2)?;
        let (none, nobody) = (make.array(&[3, 0], Dtype::Float32), make.array(&[0, 6], Dtype::Float32));
        Ok(vec![a.matmul(&b)?, a.matmul(&c)?, none.matmul(&nobody)?])
    });
}
