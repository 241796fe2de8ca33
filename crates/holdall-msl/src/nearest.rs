//! "Did you mean": the name that is nearest to a mistyped one.

/// The candidate that takes the fewest edits, if they are few for the length of the name.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    let allowed = match name.chars().count() {
        0..=2 => 0,
        3..=4 => 1,
        5..=8 => 2,
        9..=64 => 3,
        _ => return None,
    };
    let scored = candidates
        .filter(|other| other.len().abs_diff(name.len()) <= allowed && *other != name)
        .map(|other| (distance(name, other), other))
        .filter(|(edits, _)| *edits <= allowed);
    scored.min().map(|(_, other)| other.to_owned())
}

/// Insertions, deletions and replacements; swapping neighbours is one edit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(!a[i - 1].eq_ignore_ascii_case(&b[j - 1]));
            row[j] = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_mistakes_are_found() {
        let names = ["thread_position_in_grid", "simd_sum", "floor"];
        let near = |name| nearest(name, names.into_iter());
        assert_eq!(near("thread_postion_in_grid").as_deref(), Some("thread_position_in_grid"));
        assert_eq!(near("sidm_sum").as_deref(), Some("simd_sum"));
        assert_eq!(near("zzz"), None);
    }
}
