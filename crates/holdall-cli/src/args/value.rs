//! What values options take, and what to say of others.

/// A number, neither infinite nor NaN.
fn finite(text: &str, wanted: &str) -> Result<f32, String> {
    text.trim().parse().ok().filter(|value: &f32| value.is_finite()).ok_or_else(|| format!("give {wanted}"))
}

fn checked(text: &str, wanted: &str, fits: impl Fn(f32) -> bool) -> Result<f32, String> {
    let value = finite(text, wanted)?;
    if fits(value) { Ok(value) } else { Err(format!("give {wanted}")) }
}

/// A number of 0 or more.
pub fn at_least_zero(text: &str) -> Result<f32, String> {
    checked(text, "a number of 0 or more, such as 0.7", |value| value >= 0.0)
}

/// A number above 0.
pub fn positive(text: &str) -> Result<f32, String> {
    checked(text, "a number above 0, such as 1.1", |value| value > 0.0)
}

/// A number from 0 to 1.
pub fn unit_interval(text: &str) -> Result<f32, String> {
    checked(text, "a number from 0 to 1, such as 0.9", |value| (0.0..=1.0).contains(&value))
}

/// A whole number from 0 to 2^32 - 1.
pub fn whole_u32(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| format!("give a whole number from 0 to {}", u32::MAX))
}

/// A whole number from 0 to 2^64 - 1.
pub fn whole_u64(text: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| format!("give a whole number from 0 to {}", u64::MAX))
}

/// A count of 1 or more that fits in memory.
pub fn count(text: &str) -> Result<usize, String> {
    const MOST: usize = 1 << 30;
    text.trim()
        .parse()
        .ok()
        .filter(|value| (1..=MOST).contains(value))
        .ok_or_else(|| format!("give a whole number from 1 to {MOST}"))
}

/// A text that says something.
pub fn non_empty(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("give a name, not an empty text".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// A whole number from 0 to 100.
pub fn percent(text: &str) -> Result<usize, String> {
    let value = text.trim().parse().ok().filter(|value| *value <= 100);
    value.ok_or_else(|| "give a whole number from 0 to 100".to_owned())
}
