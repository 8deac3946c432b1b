//! The kernel's functions that read text (`bpf_str…` in `kernel/bpf/helpers.c`).

use crate::sim::memory::{Fault, Memory};

/// `XATTR_SIZE_MAX`: no text is looked at further.
const LONGEST: u64 = 65536;

/// Calls a function, if it is one of them.
pub(super) fn call(memory: &Memory, symbol: &str, arguments: &[u64]) -> Option<Result<u64, Fault>> {
    let result = match (symbol, arguments) {
        ("bpf_strlen", [text]) => length(memory, *text, LONGEST),
        ("bpf_strnlen", [text, most]) => length(memory, *text, *most),
        ("bpf_strcmp", [left, right]) => compare(memory, *left, *right),
        ("bpf_strstr", [text, part]) => find(memory, *text, LONGEST, *part),
        ("bpf_strnstr", [text, part, most]) => find(memory, *text, *most, *part),
        _ => return None,
    };
    Some(result.map(i64::cast_unsigned))
}

fn character(memory: &Memory, text: u64, index: u64) -> Result<u8, Fault> {
    Ok(memory.bytes(text.wrapping_add(index), 1)?[0])
}

/// A text without its NUL, or so many of its bytes where it is longer.
pub(super) fn read(memory: &Memory, text: u64, most: u64) -> Result<Vec<u8>, Fault> {
    let bytes = (0..most.min(LONGEST)).map(|index| character(memory, text, index));
    bytes.take_while(|byte| !matches!(byte, Ok(0))).collect()
}

fn length(memory: &Memory, text: u64, most: u64) -> Result<i64, Fault> {
    let bytes = read(memory, text, most)?.len();
    Ok(i64::try_from(bytes).ok().filter(|bytes| bytes.cast_unsigned() < LONGEST).unwrap_or((-libc::E2BIG).into()))
}

fn compare(memory: &Memory, left: u64, right: u64) -> Result<i64, Fault> {
    for index in 0..LONGEST {
        let (left, right) = (character(memory, left, index)?, character(memory, right, index)?);
        if left != right {
            return Ok(if left < right { -1 } else { 1 });
        }
        if left == 0 {
            return Ok(0);
        }
    }
    Ok((-libc::E2BIG).into())
}

/// Where a text is in the first bytes of another.
fn find(memory: &Memory, text: u64, most: u64, part: u64) -> Result<i64, Fault> {
    let (text, part) = (read(memory, text, most)?, read(memory, part, LONGEST)?);
    let place = (0..=text.len()).find(|start| text[*start..].starts_with(&part));
    Ok(place.and_then(|place| i64::try_from(place).ok()).unwrap_or((-libc::ENOENT).into()))
}
