//! Every row of the table, conversions, and fused chains.

use holdall::pointwise::{Class, TABLE};
use holdall::{Array, Dtype};

use super::support::{LAYOUTS, Layout, same};

#[test]
fn rows_are_those_of_the_cpu() {
    let mut n = 0;
    for row in TABLE {
        for dtype in Dtype::ALL {
            if dtype == Dtype::Float64 || row.types(dtype).is_err() {
                continue;
            }
            n += 1;
            let (a, b) = (LAYOUTS[n % 5], LAYOUTS[n / 5 % 5]);
            // Near their poles, complex functions multiply errors.
            let ulps = if dtype == Dtype::Complex64 { 64.0 } else { 5.0 };
            same(&format!("{} {dtype} {a:?} {b:?}", row.name), ulps, &|make| {
                let (low, high) = row.domain;
                let mut x: Vec<Array> = Vec::new();
                for i in 0..row.arity {
                    let dtype = if i == 0 && row.class == Class::Select { Dtype::Bool } else { dtype };
                    let is_smooth = dtype.is_inexact();
                    x.push(match (is_smooth, [a, b][usize::from(i) % 2]) {
                        (true, Layout::Plain) => make.within(&[3, 7], dtype, low, high),
                        (true, _) => make.within(&[7, 3], dtype, low, high).swapaxes(0, 1)?,
                        (_, layout) => make.laid(&[3, 7], dtype, layout),
                    });
                }
                Array::elementwise(row, &x.iter().collect::<Vec<_>>())
            });
        }
    }
    assert!(n > 400, "{n} cases");
}

#[test]
fn every_type_converts_to_every_other() {
    for from in Dtype::ALL {
        for to in Dtype::ALL {
            if from != Dtype::Float64 && to != Dtype::Float64 {
                same(&format!("{from} to {to}"), 0.0, &|make| Ok(vec![make.array(&[33], from).astype(to)]));
            }
        }
    }
}

#[test]
fn chains_of_16_bit_floats_are_rounded_at_each_step() {
    for dtype in [Dtype::Float16, Dtype::Bfloat16, Dtype::Float32] {
        for layout in LAYOUTS {
            same(&format!("chain {dtype} {layout:?}"), 0.0, &|make| {
                let x = make.laid(&[5, 9], dtype, layout);
                let row = make.array(&[9], dtype);
                let y = x.multiply(&row)?.add(1.5)?.multiply(&x)?.subtract(&row)?;
                Ok(vec![y.maximum(0.25)?.divide(3.0)?, x.remainder(2.0)?])
            });
        }
    }
}

#[test]
fn many_axes_and_broadcasting() {
    same("axes", 0.0, &|make| {
        let x = make.array(&[2, 1, 3, 2, 1, 2, 3], Dtype::Float32).transpose(&[6, 1, 4, 3, 0, 5, 2])?;
        let y = make.array(&[2, 1, 1, 3], Dtype::Int32);
        Ok(vec![x.add(&y)?, x.broadcast_to(&[3, 2, 5, 2, 2, 2, 3])?.multiply(2.0)?])
    });
}
