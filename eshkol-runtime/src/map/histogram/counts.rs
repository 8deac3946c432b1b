//! What a histogram has counted: its buckets, quantiles, and a drawing.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// What a histogram had counted when it was read.
///
/// Printed, it is drawn as bars, a line for each bucket between the smallest and the largest that has counted anything: 80 columns wide, or
/// as wide as asked for (`{counts:120}`); with `{counts:#}` of ASCII alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Numbers that each bucket counts; `None`: those of as many bits.
    step: Option<u64>,
    /// The bucket that counts all that is past it, too.
    last: Option<u64>,
    /// By the bucket's number; none that is 0.
    counts: BTreeMap<u64, u64>,
}

/// A bucket of a histogram.
#[derive(Copy, Clone, PartialEq, Eq, Hash, Debug)]
pub struct Bucket {
    /// The smallest number that it counts.
    pub first: u64,
    /// The largest number that it counts.
    pub last: u64,
    /// How many there were.
    pub count: u64,
}

/// Columns of a drawing where nothing else is asked for.
const WIDTH: usize = 80;
/// Empty buckets that are drawn between others; of more, only that they are there.
const EMPTY: u64 = 16;
/// Blocks of one to eight eighths of a column.
const BLOCKS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

impl Counts {
    pub(super) fn new(step: Option<u64>, last: Option<u64>, mut counts: BTreeMap<u64, u64>) -> Self {
        counts.retain(|_, count| *count > 0);
        Self { step, last, counts }
    }

    /// The buckets that have counted anything, from the smallest numbers to the largest.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> {
        self.counts.iter().map(|(number, count)| self.bucket(*number, *count))
    }

    /// How many numbers were counted.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// About how large the number is below which this part of all lies: `quantile(0.5)` is the median, `quantile(0.99)` what one of a hundred
    /// reaches. Within a bucket the numbers are taken to lie evenly. `None` where nothing was counted.
    pub fn quantile(&self, part: f64) -> Option<u64> {
        let wanted = part.clamp(0.0, 1.0) * self.total() as f64;
        let mut below = 0.0;
        let mut result = None;
        for bucket in self.buckets() {
            let count = bucket.count as f64;
            let within = ((wanted - below) / count).clamp(0.0, 1.0);
            result = Some(bucket.first + ((bucket.last - bucket.first) as f64 * within) as u64);
            below += count;
            if below >= wanted {
                break;
            }
        }
        result
    }

    /// Adds what another has counted, in buckets alike.
    pub fn add(&mut self, other: &Self) {
        for (number, count) in &other.counts {
            *self.counts.entry(*number).or_default() += count;
        }
    }

    fn bucket(&self, number: u64, count: u64) -> Bucket {
        let (first, last) = match (self.step, number) {
            (None, 0) => (0, 0),
            (None, bits) => {
                let first = 1_u64.checked_shl(u32::try_from(bits - 1).unwrap_or(u32::MAX)).unwrap_or(u64::MAX);
                (first, first.saturating_add(first - 1))
            }
            (Some(step), number) => {
                let first = number.saturating_mul(step);
                (first, first.saturating_add(step - 1))
            }
        };
        let last = if Some(number) == self.last { u64::MAX } else { last };
        Bucket { first, last, count }
    }

    /// The lines of a drawing; `None` stands for empty buckets that are left out.
    fn lines(&self) -> Vec<Option<Bucket>> {
        let mut lines = Vec::new();
        let mut next = None;
        for (number, count) in &self.counts {
            match next {
                Some(next) if number - next > EMPTY => lines.push(None),
                Some(next) => lines.extend((next..*number).map(|number| Some(self.bucket(number, 0)))),
                None => {}
            }
            lines.push(Some(self.bucket(*number, *count)));
            next = number.checked_add(1);
        }
        lines
    }
}

/// How a bucket is called.
fn label(bucket: &Bucket) -> String {
    match (bucket.first, bucket.last) {
        (first, last) if first == last => first.to_string(),
        (first, u64::MAX) => format!("{first} or more"),
        (first, last) => format!("{first} - {last}"),
    }
}

/// A bar of `eighths` of a column.
fn bar(eighths: usize, ascii: bool) -> String {
    if ascii {
        return "#".repeat(eighths.div_ceil(8));
    }
    let mut bar = "█".repeat(eighths / 8);
    bar.extend((eighths % 8).checked_sub(1).map(|rest| BLOCKS[rest]));
    bar
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = f.width().unwrap_or(WIDTH);
        let lines = self.lines();
        let labels: Vec<String> =
            lines.iter().map(|line| line.as_ref().map_or_else(|| "...".to_owned(), label)).collect();
        let most = self.counts.values().copied().max().unwrap_or(0);
        let label_width = labels.iter().map(String::len).max().unwrap_or(0);
        let count_width = most.to_string().len();
        // Two columns after the label, one before the bar.
        let columns = width.saturating_sub(label_width + count_width + 3);
        for (line, label) in lines.iter().zip(&labels) {
            let mut text = format!("{label:>label_width$}  ");
            if let Some(bucket) = line {
                let full = u128::try_from(columns * 8).unwrap_or(0);
                let eighths = (u128::from(bucket.count) * full).div_ceil(u128::from(most.max(1)));
                let eighths = usize::try_from(eighths).unwrap_or(0);
                write!(text, "{:>count_width$} {}", bucket.count, bar(eighths, f.alternate()))?;
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(step: Option<u64>, last: Option<u64>, counts: &[(u64, u64)]) -> Counts {
        Counts::new(step, last, counts.iter().copied().collect())
    }

    #[test]
    fn buckets_are_those_of_as_many_bits_or_of_as_many_numbers() {
        let log2 = counts(None, Some(64), &[(0, 1), (1, 2), (2, 3), (3, 0), (63, 1), (64, 9)]);
        let ranges: Vec<_> = log2.buckets().map(|bucket| (bucket.first, bucket.last)).collect();
        assert_eq!(ranges, [(0, 0), (1, 1), (2, 3), (1 << 62, (1 << 63) - 1), (1 << 63, u64::MAX)]);
        assert_eq!(log2.total(), 16);
        let linear = counts(Some(10), Some(3), &[(0, 1), (2, 1), (3, 1)]);
        let ranges: Vec<_> = linear.buckets().map(|bucket| (bucket.first, bucket.last)).collect();
        assert_eq!(ranges, [(0, 9), (20, 29), (30, u64::MAX)]);
    }

    #[test]
    fn quantiles_lie_in_their_buckets() {
        let linear = counts(Some(10), None, &[(0, 50), (5, 50)]);
        assert_eq!(linear.quantile(0.25), Some(4));
        assert_eq!(linear.quantile(0.75), Some(54));
        assert_eq!(linear.quantile(1.0), Some(59));
        assert_eq!(linear.quantile(0.0), Some(0));
        assert_eq!(counts(None, None, &[]).quantile(0.5), None);
    }

    #[test]
    fn bars_are_as_wide_as_asked_for() {
        let log2 = counts(None, Some(64), &[(1, 1), (3, 40), (4, 20), (40, 1)]);
        let drawn = format!("{log2:#40}");
        let expected = "                          1   1 #
                      2 - 3   0
                      4 - 7  40 #######
                     8 - 15  20 ####
                        ...
549755813888 - 1099511627775   1 #
";
        let without_indent = |text: &str| text.lines().map(|line| line.trim_start().to_owned()).collect::<Vec<_>>();
        assert_eq!(without_indent(&drawn), without_indent(expected));
        assert!(drawn.lines().all(|line| line.chars().count() <= 40));
        let wide = format!("{log2:200}");
        let longest = wide.lines().map(|line| line.chars().count()).max();
        assert_eq!(longest, Some(200));
        assert!(wide.contains('█'));
        // There is no room for bars; there is still something to read.
        assert!(format!("{log2:3}").contains("4 - 7  40"));
        assert_eq!(counts(None, None, &[]).to_string(), "");
    }

    #[test]
    fn counts_add_up() {
        let mut one = counts(None, None, &[(1, 1), (2, 2)]);
        one.add(&counts(None, None, &[(2, 3), (9, 1)]));
        assert_eq!(one, counts(None, None, &[(1, 1), (2, 5), (9, 1)]));
    }
}
