//! Parts of the merge of two sorted slices.

use std::ops::Range;

/// How many of the first `n` merged elements come from `a`; equal elements of `a` come first.
fn from_first<T: Ord>(a: &[T], b: &[T], n: usize) -> usize {
    let (mut low, mut high) = (n.saturating_sub(b.len()), n.min(a.len()));
    while low < high {
        let i = low + (high - low) / 2;
        // With i from a and n - i from b: a[i] belongs here too if it does not exceed the last that b gives.
        if a[i] <= b[n - i - 1] { low = i + 1 } else { high = i }
    }
    low
}

/// Gives elements `range` of the merge of two sorted slices to `take`, in order.
pub fn part<T: Ord + Copy>(a: &[T], b: &[T], range: Range<usize>, mut take: impl FnMut(T)) {
    let mut i = from_first(a, b, range.start);
    let mut j = range.start - i;
    for _ in range {
        let from_a = j == b.len() || (i < a.len() && a[i] <= b[j]);
        if from_a {
            take(a[i]);
            i += 1;
        } else {
            take(b[j]);
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn parts_make_up_the_merge() {
        let a = [1, 3, 3, 5, 9];
        let b = [2, 3, 4, 4, 10, 11, 12];
        let mut whole: Vec<i32> = a.iter().chain(&b).copied().collect();
        whole.sort_unstable();
        for start in 0..=whole.len() {
            for end in start..=whole.len() {
                let mut got = vec![];
                part(&a, &b, start..end, |x| got.push(x));
                assert_eq!(got, whole[start..end], "{start}..{end}");
            }
        }
        let mut got = vec![];
        part(&[], &b, 0..b.len(), |x| got.push(x));
        assert_eq!(got, b);
    }
}
