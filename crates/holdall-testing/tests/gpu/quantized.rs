//! Quantized weights.

use holdall::Dtype;
use holdall::ops::Packing;

use super::support::{LAYOUTS, same};

#[test]
fn all_widths_and_groups() {
    for bits in [2, 3, 4, 5, 6, 8] {
        for (group_size, dtype) in [(32, Dtype::Float32), (64, Dtype::Bfloat16), (128, Dtype::Float16)] {
            let packing = Packing { group_size, bits };
            same(&format!("{bits} bits of {group_size}, {dtype}"), 16.0, &|make| {
                let layout = LAYOUTS[bits % 5];
                let wide = make.laid(&[36, 256], dtype, layout);
                let (w, scales, biases) = wide.quantize(packing)?;
                let mut all = vec![w.clone(), scales.clone(), biases.clone()];
                all.push(holdall::Array::dequantize(&w, &scales, &biases, packing)?);
                for rows in [1, 3, 40] {
                    let x = make.laid(&[2, rows, 256], dtype, layout);
                    all.push(x.quantized_matmul(&w, &scales, &biases, true, packing)?);
                    let back = make.laid(&[rows, 36], Dtype::Float32, layout);
                    all.push(back.quantized_matmul(&w, &scales, &biases, false, packing)?);
                }
                Ok(all)
            });
        }
    }
}

#[test]
fn batches_of_weights() {
    let packing = Packing::DEFAULT;
    same("batches", 16.0, &|make| {
        let (w, scales, biases) = make.array(&[3, 8, 128], Dtype::Float32).quantize(packing)?;
        let x = make.array(&[2, 1, 5, 128], Dtype::Float16);
        Ok(vec![x.quantized_matmul(&w, &scales, &biases, true, packing)?])
    });
}
