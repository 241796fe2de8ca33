//! A thread for each element.

use holdall::{Array, Dtype, Result};

use crate::{Random, difference, floats, kernel};

/// `exp` of each element; any shape of floats.
pub fn exp(x: &Array, checked: bool) -> Result<Array> {
    let call = kernel(include_str!("../../../../docs/book/kernels/exp.json"))
        .call([x])
        .output(x.shape(), x.dtype())
        .grid([x.size() as u32, 1, 1])
        .threadgroup([256, 1, 1])
        .checked(checked);
    Ok(call.build()?.remove(0))
}

pub fn trial(random: &mut Random, checked: bool) -> Result<f64> {
    let shape = [random.from(1, 40), random.from(1, 60)];
    let x = random.floats(&shape, Dtype::Float32)?;
    let want: Vec<f64> = floats(&x.exp()?)?.into_iter().map(f64::from).collect();
    difference(&exp(&x, checked)?, &want)
}
