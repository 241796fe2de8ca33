//! When a result is right.

use holdall::{Array, Dtype};

use crate::Outcome;

/// What a type allows: relative to the value, and absolute for values of about 1.
fn tolerance(dtype: Dtype) -> (f64, f64) {
    match dtype {
        // Results are rounded once from float32: half a unit each in the last place, and that of the other side.
        Dtype::Float16 => (1.0e-3, 1.0e-6),
        Dtype::Bfloat16 => (8.0e-3, 1.0e-6),
        // MLX's and NumPy's vector functions are good to a few units in the last place, as ours are.
        Dtype::Float32 | Dtype::Complex64 => (2.0e-6, 4.0e-7),
        Dtype::Float64 => (1.0e-13, 1.0e-14),
        _ => (0.0, 0.0),
    }
}

/// The worst error in units of what is allowed. `scale` is the size of the numbers that were added up.
pub fn close(result: &Array, wanted: &Array, scale: f64, exact: bool) -> Outcome<f64> {
    if result.dtype() != wanted.dtype() {
        return Err(format!("gives {}, wanted {}", result.dtype(), wanted.dtype()).into());
    }
    if result.shape() != wanted.shape() {
        return Err(format!("gives shape {:?}, wanted {:?}", result.shape(), wanted.shape()).into());
    }
    if exact || result.dtype().is_integer() || result.dtype() == Dtype::Bool {
        let (have, want) = (result.to_bytes()?, wanted.to_bytes()?);
        let size = result.dtype().size();
        return match have.chunks(size).zip(want.chunks(size)).position(|(a, b)| a != b) {
            None => Ok(0.0),
            Some(i) => {
                Err(format!("element {i} is {}, wanted {}", element(result, i)?, element(wanted, i)?).into())
            }
        };
    }
    let (relative, absolute) = tolerance(result.dtype());
    let (have, want) = (parts(result)?, parts(wanted)?);
    let mut worst: f64 = 0.0;
    for (i, (have, want)) in have.iter().zip(&want).enumerate() {
        let same = have == want || (have.is_nan() && want.is_nan());
        let error = (have - want).abs() / (relative * want.abs() + absolute * scale);
        if !same && (error.is_nan() || error > 1.0) {
            return Err(format!(
                "element {i} is {have:e}, wanted {want:e}: {error:.1} times what is allowed"
            )
            .into());
        }
        worst = worst.max(if same { 0.0 } else { error });
    }
    Ok(worst)
}

/// The numbers of an array of floats; a complex number is two.
fn parts(x: &Array) -> Outcome<Vec<f64>> {
    if x.dtype() == Dtype::Complex64 {
        let both: Vec<Vec<f64>> = [x.real()?, x.imag()?]
            .iter()
            .map(|part| part.astype(Dtype::Float64).to_vec())
            .collect::<holdall::Result<_>>()?;
        return Ok(both.concat());
    }
    Ok(x.astype(Dtype::Float64).to_vec()?)
}

fn element(x: &Array, i: usize) -> Outcome<i128> {
    let bytes = x.to_bytes()?;
    let size = x.dtype().size();
    let mut wide = [0; 16];
    wide[..size].copy_from_slice(&bytes[i * size..][..size]);
    let bits = i128::from_le_bytes(wide);
    let sign = 1i128 << (8 * size - 1);
    Ok(if x.dtype().is_signed_integer() { (bits ^ sign) - sign } else { bits })
}
