//! Sums over all elements before: SIMD groups, then groups of them, then one part of a row after the other.

use holdall::{Array, Dtype, Result};

use crate::{Random, difference, floats, kernel};

/// Inclusive sums along the last of two axes.
pub fn prefix_sum(x: &Array, threads: u32, checked: bool) -> Result<Array> {
    let call = kernel(include_str!("../../../../docs/book/kernels/prefix_sum.json"))
        .call([x])
        .output(x.shape(), x.dtype())
        .template("T", x.dtype())
        .grid([threads, x.dim(0) as u32, 1])
        .threadgroup([threads, 1, 1])
        .checked(checked);
    Ok(call.build()?.remove(0))
}

pub fn trial(random: &mut Random, checked: bool) -> Result<f64> {
    let shape = [random.from(1, 4), random.from(1, 700)];
    let x = match random.below(2) {
        0 => random.integers(&shape, 100, Dtype::Int32)?,
        _ => random.floats(&shape, Dtype::Float32)?,
    };
    let want: Vec<f64> = floats(&x)?
        .chunks(shape[1])
        .flat_map(|row| {
            row.iter().scan(0.0, |sum, v| {
                *sum += f64::from(*v);
                Some(*sum)
            })
        })
        .collect();
    // Any number of threads does, also one that is no multiple of 32.
    let threads = random.one_of(&[1, 20, 32, 96, 100, 256]);
    difference(&prefix_sum(&x, threads, checked)?, &want)
}
