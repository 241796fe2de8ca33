//! Counts in threadgroup memory first, so that few atomic operations go to device memory.

use holdall::{Array, Dtype, Result};

use crate::{Random, difference, floats, kernel};

/// How often each number below `bins` is among the elements, which are such numbers.
pub fn histogram(x: &Array, bins: usize, checked: bool) -> Result<Array> {
    let call = kernel(include_str!("../../../../docs/book/kernels/histogram.json"))
        .call([x])
        .output([bins], Dtype::Uint32)
        .template("BINS", bins as i32)
        .init_value(0.0)
        .grid([x.size() as u32, 1, 1])
        .threadgroup([128, 1, 1])
        .checked(checked);
    Ok(call.build()?.remove(0))
}

pub fn trial(random: &mut Random, checked: bool) -> Result<f64> {
    let (n, bins) = (random.from(1, 3000), random.from(1, 256));
    let dtype = random.one_of(&[Dtype::Uint8, Dtype::Int32, Dtype::Uint16, Dtype::Int64]);
    let x = random.integers(&[n], bins, dtype)?;
    let mut want = vec![0.0; bins];
    for value in floats(&x)? {
        want[value as usize] += 1.0;
    }
    difference(&histogram(&x, bins, checked)?, &want)
}
