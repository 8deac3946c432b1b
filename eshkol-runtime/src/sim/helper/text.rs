//! The formats of `bpf_trace_printk`, of which the kernel takes a few (`bpf_bprintf_prepare` in `kernel/bpf/helpers.c`).

use crate::sim::memory::Memory;

/// The text that a format and its arguments give; `None` where the kernel takes no such format.
pub(super) fn format(memory: &Memory, format: &[u8], arguments: &[u64]) -> Option<String> {
    let end = format.iter().position(|byte| *byte == 0)?;
    let format = String::from_utf8_lossy(&format[..end]).into_owned();
    let mut arguments = arguments.iter().copied();
    let mut text = String::new();
    let mut rest = format.chars().peekable();
    while let Some(next) = rest.next() {
        if next != '%' {
            text.push(next);
            continue;
        }
        if rest.next_if_eq(&'%').is_some() {
            text.push('%');
            continue;
        }
        let zeros = rest.peek() == Some(&'0');
        let mut width = String::new();
        while let Some(digit) = rest.next_if(char::is_ascii_digit) {
            width.push(digit);
        }
        let width: usize = if width.is_empty() { 0 } else { width.parse().ok()? };
        let mut longs = 0;
        while rest.next_if_eq(&'l').is_some() {
            longs += 1;
        }
        let argument = arguments.next()?;
        let wide = longs > 0;
        let number = if wide { argument } else { argument & u64::from(u32::MAX) };
        let shown = match rest.next()? {
            'd' | 'i' if wide => number.cast_signed().to_string(),
            'd' | 'i' => crate::sim::alu::low(number).cast_signed().to_string(),
            'u' => number.to_string(),
            'x' => format!("{number:x}"),
            'X' => format!("{number:X}"),
            'c' => char::from(argument.to_le_bytes()[0]).to_string(),
            'p' => {
                // `%px`, `%pK`: as it is, or hidden. There is nothing to hide here.
                rest.next_if(|kind| matches!(kind, 'x' | 'K'));
                format!("{argument:016x}")
            }
            's' => string(memory, argument),
            _ => return None,
        };
        let missing = width.saturating_sub(shown.len());
        text.extend(std::iter::repeat_n(if zeros { '0' } else { ' ' }, missing));
        text.push_str(&shown);
    }
    Some(text)
}

/// The text at an address, up to its NUL or to where memory ends.
fn string(memory: &Memory, address: u64) -> String {
    let bytes = (0..).map_while(|at| memory.bytes(address.wrapping_add(at), 1).ok().map(|byte| byte[0]));
    let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_the_kernels() {
        let memory = Memory::default();
        let given = |text: &str, arguments: &[u64]| format(&memory, &[text.as_bytes(), b"\0"].concat(), arguments);
        assert_eq!(given("%d of %llu\n", &[u64::MAX, u64::MAX]).unwrap(), "-1 of 18446744073709551615\n");
        assert_eq!(given("%08x|%4d|%x%%", &[0xbeef, 7, 1 << 32]).unwrap(), "0000beef|   7|0%");
        assert_eq!(given("%q", &[0]), None);
        assert_eq!(given("%d", &[]), None);
        assert_eq!(format(&memory, b"not ended", &[]), None);
    }
}
