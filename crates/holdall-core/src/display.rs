//! Arrays as text, the way that MLX prints them.

use std::fmt::{self, Write};

use num_complex::Complex32;

use crate::Array;
use crate::dtype::Dtype;
use crate::error::Result;

/// Elements shown at each end of an axis that is too long.
const ENDS: usize = 3;

/// Prints `array([[1, 2], …], dtype=int32)`, computing the array if need be. Of axes longer than six the first and
/// last three elements are shown. If the array cannot be computed, the reason is printed in place of the elements.
impl fmt::Display for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("array(")?;
        match texts(self) {
            Ok(texts) => write(f, &mut texts.iter(), self.shape(), 0)?,
            Err(e) => write!(f, "<{e}>")?,
        }
        write!(f, ", dtype={})", self.dtype())
    }
}

/// The elements that are shown, in order.
fn texts(x: &Array) -> Result<Vec<String>> {
    let mut x = x.clone();
    for axis in 0..x.ndim() {
        let n = x.shape()[axis];
        if n > 2 * ENDS {
            let ends = |start, stop| x.slice_axis(axis as i32, start as i64, stop as i64);
            x = Array::concatenate(&[&ends(0, ENDS)?, &ends(n - ENDS, n)?], Some(axis as i32))?;
        }
    }
    Ok(match x.dtype() {
        Dtype::Bool => {
            let name = |b: &u8| if *b == 0 { "False" } else { "True" }.to_owned();
            x.to_vec::<u8>()?.iter().map(name).collect()
        }
        Dtype::Uint64 => x.to_vec::<u64>()?.iter().map(u64::to_string).collect(),
        Dtype::Float64 => x.to_vec::<f64>()?.into_iter().map(float).collect(),
        Dtype::Complex64 => x.to_vec::<Complex32>()?.into_iter().map(complex).collect(),
        d if d.is_floating() => {
            x.astype(Dtype::Float32).to_vec::<f32>()?.into_iter().map(|v| float(f64::from(v))).collect()
        }
        _ => x.astype(Dtype::Int64).to_vec::<i64>()?.iter().map(i64::to_string).collect(),
    })
}

fn write<'a>(
    f: &mut fmt::Formatter<'_>,
    texts: &mut impl Iterator<Item = &'a String>,
    shape: &[usize],
    depth: usize,
) -> fmt::Result {
    let Some((n, rest)) = shape.split_first() else {
        return texts.next().map_or(Ok(()), |text| f.write_str(text));
    };
    // Rows stand below each other, behind `array(` and the brackets that are open.
    let separator = match rest.len() {
        0 => ", ".to_owned(),
        _ => format!(",\n{:1$}", "", "array(".len() + depth + 1),
    };
    f.write_char('[')?;
    for i in 0..(*n).min(2 * ENDS) {
        if i > 0 {
            f.write_str(&separator)?;
        }
        if *n > 2 * ENDS && i == ENDS {
            f.write_str("...")?;
            f.write_str(&separator)?;
        }
        write(f, texts, rest, depth + 1)?;
    }
    f.write_char(']')
}

fn complex(value: Complex32) -> String {
    let imaginary = float(f64::from(value.im));
    let sign = if imaginary.starts_with('-') { "" } else { "+" };
    format!("{}{sign}{imaginary}j", float(f64::from(value.re)))
}

/// Six significant digits without trailing zeros; an exponent where the number is large or small.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf".into() } else { "-inf".into() };
    }
    let scientific = format!("{value:.5e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| {
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
        text.to_owned()
    };
    if (-4..6).contains(&exponent) {
        return trimmed(&format!("{value:.*}", (5 - exponent) as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::float;

    #[test]
    fn floats_have_six_digits() {
        for (value, want) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.333333"),
            (-2.5, "-2.5"),
            (123456.0, "123456"),
            (1234567.0, "1.23457e+06"),
            (999999.9, "1e+06"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (0.0, "0"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(float(value), want);
        }
    }
}
