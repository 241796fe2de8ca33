//! A product of matrices, tile by tile.

use holdall::{Array, Dtype, Result};

use crate::{Random, difference, floats, kernel};

/// Rows and columns of a tile.
const TILE: usize = 16;

/// `a @ b` of two matrices of one type; sums are kept in `float`.
pub fn matmul(a: &Array, b: &Array, checked: bool) -> Result<Array> {
    let (rows, columns) = (a.dim(0), b.dim(1));
    // Whole tiles, since all threads of a group load them, also those beyond the edge.
    let grid = [columns.next_multiple_of(TILE) as u32, rows.next_multiple_of(TILE) as u32, 1];
    let call = kernel(include_str!("../../../../docs/book/kernels/matmul.json"))
        .call([a, b])
        .output([rows, columns], a.dtype())
        .template("T", a.dtype())
        .template("TILE", TILE as i32)
        .grid(grid)
        .threadgroup([TILE as u32, TILE as u32, 1])
        .checked(checked);
    Ok(call.build()?.remove(0))
}

pub fn trial(random: &mut Random, checked: bool) -> Result<f64> {
    let (m, k, n) = (random.from(1, 50), random.from(1, 70), random.from(1, 50));
    let a = random.floats(&[m, k], Dtype::Float32)?;
    let b = random.floats(&[k, n], Dtype::Float32)?;
    let want: Vec<f64> = floats(&a.matmul(&b)?)?.into_iter().map(f64::from).collect();
    difference(&matmul(&a, &b, checked)?, &want)
}
