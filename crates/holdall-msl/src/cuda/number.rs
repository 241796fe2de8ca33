//! Literals.

use half::{bf16, f16};

use crate::parse::literal;
use crate::scalar::Scalar;

/// Whether a literal is a float of 16 bits.
pub(super) fn is_short(text: &str) -> bool {
    literal::integer(text).is_none()
        && literal::float(text).is_some_and(|(_, scalar, _)| scalar != Scalar::F32)
}

/// What a literal is in CUDA C++, if it is another: floats without a suffix are `float`, and all long integers are
/// `long long`.
pub(super) fn rewrite(text: &str) -> Option<String> {
    if let Some((_, scalar)) = literal::integer(text) {
        let suffix = match scalar {
            Scalar::I64 => "ll",
            Scalar::U64 => "ull",
            _ => return None,
        };
        let digits = text.trim_end_matches(['u', 'U', 'l', 'L', 'z', 'Z']);
        return Some(format!("{digits}{suffix}"));
    }
    let (value, scalar, _) = literal::float(text)?;
    match scalar {
        Scalar::F16 => return Some(format!("half::from_bits({:#06x})", f16::from_f64(value).to_bits())),
        Scalar::BF16 => return Some(format!("bfloat::from_bits({:#06x})", bf16::from_f64(value).to_bits())),
        _ => {}
    }
    let float = value as f32;
    // Text that the other compiler would refuse.
    if float.is_infinite() {
        return Some("__builtin_bit_cast(float, 0x7f800000u)".to_owned());
    }
    if float == 0.0 {
        return Some("0.0f".to_owned());
    }
    let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    let ends = |suffixes: [char; 2]| text.ends_with(suffixes);
    if ends(['f', 'F']) && (!hexadecimal || text.contains(['p', 'P'])) {
        return None;
    }
    let digits = if ends(['l', 'L']) { &text[..text.len() - 1] } else { text };
    Some(format!("{digits}f"))
}

#[cfg(test)]
mod tests {
    use super::rewrite;

    #[test]
    fn literals_get_the_suffix_that_they_mean() {
        let cases = [
            ("1", None),
            ("0x1f", None),
            ("2u", None),
            ("1.0f", None),
            ("0x1p-4f", None),
            ("1e-5", Some("1e-5f")),
            ("1.", Some("1.f")),
            (".5", Some(".5f")),
            ("0x1.8p3", Some("0x1.8p3f")),
            ("1.5L", Some("1.5f")),
            ("1e40", Some("__builtin_bit_cast(float, 0x7f800000u)")),
            ("1e-60", Some("0.0f")),
            ("1.5h", Some("half::from_bits(0x3e00)")),
            ("1.5bf", Some("bfloat::from_bits(0x3fc0)")),
            ("7l", Some("7ll")),
            ("7UL", Some("7ull")),
            ("0xcbf29ce484222325", Some("0xcbf29ce484222325ull")),
            ("10000000000", Some("10000000000ll")),
        ];
        for (text, want) in cases {
            assert_eq!(rewrite(text).as_deref(), want, "{text}");
        }
    }
}
