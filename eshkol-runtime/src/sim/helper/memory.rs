//! Helpers that copy and read memory (`kernel/trace/bpf_trace.c`, `kernel/bpf/helpers.c`).

use super::{Arguments, Errno, Fault, Helper, Run, negated, size};

pub(super) static HELPERS: &[Helper] = &[
    Helper { number: 4, name: "bpf_probe_read", arguments: 3, call: probe_read },
    Helper { number: 45, name: "bpf_probe_read_str", arguments: 3, call: probe_read_string },
    Helper { number: 105, name: "bpf_strtol", arguments: 4, call: |run, arguments| parse(run, arguments, true) },
    Helper { number: 106, name: "bpf_strtoul", arguments: 4, call: |run, arguments| parse(run, arguments, false) },
    Helper { number: 112, name: "bpf_probe_read_user", arguments: 3, call: no_user_memory },
    Helper { number: 113, name: "bpf_probe_read_kernel", arguments: 3, call: probe_kernel },
    Helper { number: 114, name: "bpf_probe_read_user_str", arguments: 3, call: no_user_memory },
    Helper { number: 115, name: "bpf_probe_read_kernel_str", arguments: 3, call: probe_kernel_string },
];

/// Copies from an address that need not be one; the buffer is zero where it is not.
fn probe_read(run: &mut Run<'_>, [buffer, length, from, ..]: Arguments) -> Result<u64, Fault> {
    match run.world.memory.bytes(from, size(length)).map(<[u8]>::to_vec) {
        Ok(bytes) => {
            run.write_all(buffer, &bytes, bytes.len())?;
            Ok(0)
        }
        Err(_) => bad_address(run, buffer, length, libc::EFAULT),
    }
}

/// The same up to a NUL; gives the length with it.
fn probe_read_string(run: &mut Run<'_>, [buffer, length, from, ..]: Arguments) -> Result<u64, Fault> {
    let mut text = Vec::new();
    for at in 0..length {
        match run.world.memory.bytes(from.wrapping_add(at), 1) {
            Ok(byte) if byte[0] != 0 => text.push(byte[0]),
            Ok(_) => break,
            Err(_) => return bad_address(run, buffer, length, libc::EFAULT),
        }
    }
    if length == 0 {
        return Ok(0);
    }
    text.truncate(size(length) - 1);
    text.push(0);
    run.world.memory.fill(buffer, &text)?;
    Ok(text.len() as u64)
}

/// The same from the kernel's memory, where no address of a process is (`copy_from_kernel_nofault_allowed` in
/// `arch/x86/mm/maccess.c`).
fn probe_kernel(run: &mut Run<'_>, arguments @ [buffer, length, from, ..]: Arguments) -> Result<u64, Fault> {
    if is_of_process(from) { bad_address(run, buffer, length, libc::ERANGE) } else { probe_read(run, arguments) }
}

fn probe_kernel_string(run: &mut Run<'_>, arguments @ [buffer, length, from, ..]: Arguments) -> Result<u64, Fault> {
    if is_of_process(from) && length != 0 {
        return bad_address(run, buffer, length, libc::ERANGE);
    }
    probe_read_string(run, arguments)
}

/// Addresses of the kernel are negative as numbers with a sign.
fn is_of_process(address: u64) -> bool {
    address >> 63 == 0
}

/// The simulated process has no memory.
fn no_user_memory(run: &mut Run<'_>, [buffer, length, ..]: Arguments) -> Result<u64, Fault> {
    if length == 0 { Ok(0) } else { bad_address(run, buffer, length, libc::EFAULT) }
}

fn bad_address(run: &mut Run<'_>, buffer: u64, length: u64, errno: i32) -> Result<u64, Fault> {
    run.write_all(buffer, &[], size(length))?;
    Ok(negated(Errno(errno)))
}

/// Reads a number from text into memory; gives how many bytes of the text it took.
fn parse(run: &mut Run<'_>, [text, length, flags, result, _]: Arguments, signed: bool) -> Result<u64, Fault> {
    let text = run.world.memory.bytes(text, size(length))?.to_vec();
    let parsed = number(&text, flags, signed);
    match parsed {
        Ok((value, taken)) => {
            run.write_all(result, &value.to_ne_bytes(), 8)?;
            Ok(taken as u64)
        }
        Err(errno) => {
            run.write_all(result, &[], 8)?;
            Ok(negated(errno))
        }
    }
}

/// The number that a text begins with, and how many bytes it takes. `flags` is the base, or 0 for that of C's prefixes.
fn number(text: &[u8], flags: u64, signed: bool) -> Result<(u64, usize), Errno> {
    if text.is_empty() || ![0, 8, 10, 16].contains(&flags) {
        return Err(Errno(libc::EINVAL));
    }
    let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let negative = text.get(blanks) == Some(&b'-');
    let mut taken = blanks + usize::from(negative);
    // Where the base is left open, the prefix wants a digit behind it; where it is 16, it is skipped whatever comes (`_parse_integer_fixup_radix`).
    let prefixed = matches!(text[taken..], [b'0', b'x' | b'X', ..]);
    let base = match flags {
        0 if prefixed && text.get(taken + 2).is_some_and(u8::is_ascii_hexdigit) => 16,
        0 if text.get(taken) == Some(&b'0') => 8,
        0 => 10,
        base => base,
    };
    if base == 16 && prefixed {
        taken += 2;
    }
    let start = taken;
    let mut value: u64 = 0;
    for byte in &text[start..] {
        let digit = char::from(*byte).to_digit(16).map(u64::from).filter(|digit| *digit < base);
        let Some(digit) = digit else { break };
        value = value.checked_mul(base).and_then(|value| value.checked_add(digit)).ok_or(Errno(libc::ERANGE))?;
        taken += 1;
    }
    if taken == start || (negative && !signed) {
        return Err(Errno(libc::EINVAL));
    }
    if signed {
        let limit = if negative { 1 << 63 } else { (1 << 63) - 1 };
        if value > limit {
            return Err(Errno(libc::ERANGE));
        }
    }
    Ok((if negative { value.wrapping_neg() } else { value }, taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_kernel_reads_them() {
        assert_eq!(number(b"123x", 10, true), Ok((123, 3)));
        assert_eq!(number(b" -0x1f", 0, true), Ok(((-31_i64).cast_unsigned(), 6)));
        assert_eq!(number(b"017", 0, false), Ok((15, 3)));
        assert_eq!(number(b"-1", 10, false), Err(Errno(libc::EINVAL)));
        assert_eq!(number(b"z", 10, false), Err(Errno(libc::EINVAL)));
        assert_eq!(number(b"9223372036854775808", 10, true), Err(Errno(libc::ERANGE)));
        assert_eq!(number(b"18446744073709551615", 10, false), Ok((u64::MAX, 20)));
    }
}
