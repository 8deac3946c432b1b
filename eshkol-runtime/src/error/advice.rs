//! What to try, for refusals whose reason the error number gives away.

use std::fmt;
use std::io;

/// What an error number of bpf(2) means whatever was being done, where it means one thing.
pub(super) fn for_errno(error: &io::Error) -> Option<String> {
    let advice = match error.raw_os_error()? {
        libc::ENOSYS => "This kernel is built without bpf(2) (CONFIG_BPF_SYSCALL)",
        libc::ENOMEM => {
            "The kernel has no memory for it: a map may be too big, or, before Linux 5.11, the limit on locked memory too low \
             (`ulimit -l unlimited`)"
        }
        libc::EMFILE => "This process has too many open files (`ulimit -n`)",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// Says which interfaces there are, the likeliest first.
pub(super) fn known_interfaces(f: &mut fmt::Formatter<'_>, wanted: &str, known: &[String]) -> fmt::Result {
    let mut known: Vec<(usize, &String)> = known.iter().map(|name| (distance(wanted, name), name)).collect();
    if known.is_empty() {
        return f.write_str("There is none at all: a network namespace of its own?");
    }
    known.sort();
    let near = usize::from(known[0].0 <= wanted.len().div_ceil(3));
    let (likely, others) = known.split_at(near);
    for (_, name) in likely {
        write!(f, "Did you mean `{name}`?")?;
    }
    const SHOWN: usize = 10;
    let separator = if likely.is_empty() { "There are " } else { " There are also " };
    for (i, (_, name)) in others.iter().take(SHOWN).enumerate() {
        write!(f, "{}`{name}`", if i == 0 { separator } else { ", " })?;
    }
    if others.len() > SHOWN { write!(f, " and {} more", others.len() - SHOWN) } else { Ok(()) }
}

/// Says that the kernel has not got what was asked for, and which of what it has come nearest.
pub(crate) fn suggestions(what: &str, wanted: &str, known: &[String], prefix: &str) -> String {
    const SHOWN: usize = 3;
    let mut near: Vec<(usize, &String)> = known.iter().map(|name| (distance(wanted, name), name)).collect();
    near.retain(|(distance, _)| *distance <= wanted.len().div_ceil(2));
    near.sort();
    let near: Vec<_> = near.iter().take(SHOWN).map(|(_, name)| format!("`{prefix}{name}`")).collect();
    match near.split_last() {
        None => format!("This kernel has no {what}"),
        Some((last, [])) => format!("This kernel has no {what}. Did you mean {last}?"),
        Some((last, rest)) => format!("This kernel has no {what}. Did you mean {} or {last}?", rest.join(", ")),
    }
}

/// Levenshtein's distance: how many characters to insert, delete or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("eth0", "eth0"), 0);
        assert_eq!(distance("eth0", "eth1"), 1);
        assert_eq!(distance("eth", "eth0"), 1);
        assert_eq!(distance("", "lo"), 2);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
