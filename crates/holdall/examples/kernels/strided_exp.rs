//! A view that is read where it lies, instead of being copied first.

use holdall::{Array, Dtype, Result};

use crate::{Random, difference, floats, kernel};

/// `exp` of each element; any shape and strides.
pub fn strided_exp(x: &Array, checked: bool) -> Result<Array> {
    let call = kernel(include_str!("../../../../docs/book/kernels/strided_exp.json"))
        .call([x])
        .output(x.shape(), x.dtype())
        .grid([x.size() as u32, 1, 1])
        .threadgroup([64, 1, 1])
        .checked(checked);
    Ok(call.build()?.remove(0))
}

pub fn trial(random: &mut Random, checked: bool) -> Result<f64> {
    let shape = [random.from(1, 9), random.from(1, 9), random.from(1, 9)];
    let x = random.floats(&shape, Dtype::Float32)?;
    let axes = random.permutation(3);
    let x = x.transpose(&axes.iter().map(|axis| *axis as i32).collect::<Vec<_>>())?;
    let want: Vec<f64> = floats(&x)?.into_iter().map(|v| f64::from(v).exp()).collect();
    difference(&strided_exp(&x, checked)?, &want)
}
