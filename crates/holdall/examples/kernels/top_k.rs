//! The largest elements of rows: arrays of a thread, a struct with an operator, votes of a SIMD group.

use holdall::{Array, Dtype, Result};

use crate::{Random, difference, floats, kernel};

/// The `k` largest elements of each row and their indices, the largest first; of equals, the one that comes first.
pub fn top_k(x: &Array, k: usize, checked: bool) -> Result<(Array, Array)> {
    let rows = x.dim(0);
    let call = kernel(include_str!("../../../../docs/book/kernels/top_k.json"))
        .call([x])
        .output([rows, k], x.dtype())
        .output([rows, k], Dtype::Int32)
        .template("T", x.dtype())
        .template("K", k as i32)
        .grid([32, rows as u32, 1])
        .threadgroup([32, 1, 1])
        .checked(checked);
    let mut outputs = call.build()?;
    let indices = outputs.remove(1);
    Ok((outputs.remove(0), indices))
}

pub fn trial(random: &mut Random, checked: bool) -> Result<f64> {
    let shape = [random.from(1, 4), random.from(8, 200)];
    let k = random.from(1, 8);
    let dtype = random.float_type();
    let x = random.floats(&shape, dtype)?;
    let (mut values, mut indices) = (Vec::new(), Vec::new());
    for row in floats(&x)?.chunks(shape[1]) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        // Sorting keeps the order of equals.
        order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
        values.extend(order[..k].iter().map(|i| f64::from(row[*i])));
        indices.extend(order[..k].iter().map(|i| *i as f64));
    }
    let (largest, places) = top_k(&x, k, checked)?;
    Ok(difference(&largest, &values)?.max(difference(&places, &indices)?))
}
