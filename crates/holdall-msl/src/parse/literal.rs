//! Numbers.

use crate::scalar::Scalar;

/// The value and type of an integer literal: the first of `int`, `uint` (not for decimals), `long` and `ulong` that
/// holds the value, as C++ has it.
pub(crate) fn integer(text: &str) -> Option<(u64, Scalar)> {
    let text: String = text.chars().filter(|&c| c != '\'').collect();
    let lower = text.to_ascii_lowercase();
    let (digits, radix) = if let Some(rest) = lower.strip_prefix("0x") {
        (rest, 16)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (rest, 2)
    } else if lower.len() > 1 && lower.starts_with('0') && lower.as_bytes()[1].is_ascii_digit() {
        (&lower[1..], 8)
    } else {
        (lower.as_str(), 10)
    };
    let end = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
    let (digits, suffix) = digits.split_at(end);
    let value = u64::from_str_radix(digits, radix).ok()?;
    let (unsigned, long) = match suffix {
        "" => (false, false),
        "u" => (true, false),
        "l" | "ll" | "z" => (false, true),
        "ul" | "lu" | "ull" | "llu" | "uz" | "zu" => (true, true),
        _ => return None,
    };
    let any = unsigned || radix != 10;
    let scalar = if !unsigned && !long && i32::try_from(value).is_ok() {
        Scalar::I32
    } else if any && !long && u32::try_from(value).is_ok() {
        Scalar::U32
    } else if !unsigned && i64::try_from(value).is_ok() {
        Scalar::I64
    } else {
        Scalar::U64
    };
    Some((value, scalar))
}

/// The value and type of a float literal; without a suffix it is a `float`. The flag: it has a suffix of a `double`.
pub(crate) fn float(text: &str) -> Option<(f64, Scalar, bool)> {
    let text: String = text.chars().filter(|&c| c != '\'').collect();
    let lower = text.to_ascii_lowercase();
    let hexadecimal = lower.starts_with("0x");
    let (number, scalar, double) = if let Some(number) = lower.strip_suffix("bf").filter(|_| !hexadecimal) {
        (number, Scalar::BF16, false)
    } else if let Some(number) = lower.strip_suffix('f').filter(|n| !hexadecimal || n.contains('p')) {
        (number, Scalar::F32, false)
    } else if let Some(number) = lower.strip_suffix('h') {
        (number, Scalar::F16, false)
    } else if let Some(number) = lower.strip_suffix('l') {
        (number, Scalar::F32, true)
    } else {
        (lower.as_str(), Scalar::F32, false)
    };
    let value = if hexadecimal { hexadecimal_float(&number[2..])? } else { decimal(number, scalar)? };
    Some((value, scalar, double))
}

/// Rounded once: a `float` literal is not read as a double first.
fn decimal(number: &str, scalar: Scalar) -> Option<f64> {
    let plain = number.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
    if !plain {
        return None;
    }
    if scalar == Scalar::F32 { number.parse::<f32>().ok().map(f64::from) } else { number.parse().ok() }
}

fn hexadecimal_float(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once('p')?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut value = 0.0f64;
    for c in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(c.to_digit(16)?);
    }
    let exponent = exponent.parse::<i32>().ok()?.clamp(-5000, 5000);
    Some(value * 2f64.powi(exponent - 4 * fraction.len().min(1000) as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_have_the_types_of_the_language() {
        assert_eq!(integer("1"), Some((1, Scalar::I32)));
        assert_eq!(integer("0xffffffff"), Some((0xffff_ffff, Scalar::U32)));
        assert_eq!(integer("4294967295"), Some((0xffff_ffff, Scalar::I64)));
        assert_eq!(integer("1'000u"), Some((1000, Scalar::U32)));
        assert_eq!(integer("1ul"), Some((1, Scalar::U64)));
        assert_eq!(integer("0b101"), Some((5, Scalar::I32)));
        assert_eq!(integer("017"), Some((15, Scalar::I32)));
        assert_eq!(integer("1x"), None);
        assert_eq!(float("1e-5"), Some((f64::from(1e-5f32), Scalar::F32, false)));
        assert_eq!(float("0x1p-4f"), Some((0.0625, Scalar::F32, false)));
        assert_eq!(float("0x1.8p1"), Some((3.0, Scalar::F32, false)));
        assert_eq!(float("1.5h"), Some((1.5, Scalar::F16, false)));
        assert_eq!(float(".5"), Some((0.5, Scalar::F32, false)));
        assert_eq!(float("1.5.2"), None);
    }
}
