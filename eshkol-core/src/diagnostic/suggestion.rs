//! Which known name was probably meant by an unknown one.

/// The candidate that is the least number of edits (a character inserted, left out, replaced, or swapped with its neighbour)
/// away from `name`, where that is at most a third of its length; the first of several.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = name.chars().collect();
    let limit = (letters.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        // The lengths alone may say that it is too far away.
        if candidate.chars().count().abs_diff(letters.len()) > limit {
            continue;
        }
        let distance = edits(&letters, candidate);
        if distance > 0 && distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The edits between two names: the optimal string alignment distance, row by row.
fn edits(from: &[char], to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX);
    for (i, a) in from.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let replaced = at(&row, j) + usize::from(a != b);
            let mut least = replaced.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let swapped = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    at(&row, to.len())
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn the_closest_name_is_suggested() {
        let names = ["hash", "array", "percpu-hash", "lru-hash"];
        assert_eq!(closest("hsh", names), Some("hash"));
        assert_eq!(closest("ahsh", names), Some("hash"));
        assert_eq!(closest("per-cpu-hash", names), Some("percpu-hash"));
        assert_eq!(closest("aray", names), Some("array"));
        assert_eq!(closest("ringbuf", names), None);
        assert_eq!(closest("hash", names), None);
        assert_eq!(closest("", names), None);
    }
}
