//! A threadgroup for each row: SIMD groups reduce, threadgroup memory joins what they found.

use holdall::{Array, Result};

use crate::{Random, difference, floats, kernel};

/// Softmax over the last of two axes.
pub fn softmax(x: &Array, checked: bool) -> Result<Array> {
    let threads = x.dim(1).next_multiple_of(32).min(1024) as u32;
    let call = kernel(include_str!("../../../../docs/book/kernels/softmax.json"))
        .call([x])
        .output(x.shape(), x.dtype())
        .template("T", x.dtype())
        .grid([threads, x.dim(0) as u32, 1])
        .threadgroup([threads, 1, 1])
        .checked(checked);
    Ok(call.build()?.remove(0))
}

pub fn trial(random: &mut Random, checked: bool) -> Result<f64> {
    let shape = [random.from(1, 5), random.from(1, 300)];
    let dtype = random.float_type();
    let x = random.floats(&shape, dtype)?.multiply(8.0)?;
    let rows = floats(&x)?;
    let want: Vec<f64> = rows
        .chunks(shape[1])
        .flat_map(|row| {
            let sum: f64 = row.iter().map(|v| f64::from(*v).exp()).sum();
            row.iter().map(move |v| f64::from(*v).exp() / sum)
        })
        .collect();
    difference(&softmax(&x, checked)?, &want)
}
