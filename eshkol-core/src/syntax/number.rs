//! Number literals: R7RS integers, Rust's `0x 0b 0o` and `_`, and floats (recognised so that their refusal can be clear).

/// What a token that looks like a number is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Number {
    /// An integer between `i64::MIN` and `u64::MAX`.
    Integer(i128),
    /// A number with a fraction or an exponent.
    Float,
    /// An integer that no 64-bit type holds.
    TooLarge,
    /// Begins like a number, and is none.
    Malformed,
}

/// The number a token without `#` prefix writes; `None` where the token does not look like a number at all.
pub(super) fn parse(token: &str) -> Option<Number> {
    if matches!(token, "+inf.0" | "-inf.0" | "+nan.0" | "-nan.0") {
        return Some(Number::Float);
    }
    let (negative, body) = sign(token);
    let mut bytes = body.bytes();
    match (bytes.next(), bytes.next()) {
        (Some(b'0'..=b'9'), _) => {}
        (Some(b'.'), Some(b'0'..=b'9')) => return Some(if is_float(body) { Number::Float } else { Number::Malformed }),
        _ => return None,
    }
    for (prefix, radix) in [("0x", 16), ("0X", 16), ("0b", 2), ("0B", 2), ("0o", 8), ("0O", 8)] {
        if let Some(digits) = body.strip_prefix(prefix) {
            return Some(integer(negative, digits, radix));
        }
    }
    Some(match integer(negative, body, 10) {
        Number::Malformed if is_float(body) => Number::Float,
        number => number,
    })
}

/// The number that follows a radix prefix like `#x`.
pub(super) fn parse_radix(text: &str, radix: u32) -> Number {
    let (negative, digits) = sign(text);
    integer(negative, digits, radix)
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn integer(negative: bool, digits: &str, radix: u32) -> Number {
    if !digits.starts_with(|c: char| c.is_digit(radix)) {
        return Number::Malformed;
    }
    let mut value = Some(0_i128);
    for c in digits.chars().filter(|c| *c != '_') {
        let Some(digit) = c.to_digit(radix) else { return Number::Malformed };
        value = value.and_then(|value| value.checked_mul(i128::from(radix))?.checked_add(i128::from(digit)));
    }
    let value = value.map(|value| if negative { -value } else { value });
    match value {
        Some(value) if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value) => Number::Integer(value),
        _ => Number::TooLarge,
    }
}

/// `digits [. digits] [e [sign] digits]`, with at least a point or an exponent; the sign is off already.
fn is_float(body: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(sign(exponent).1)),
        None => (body, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    (fraction.is_some() || exponent.is_some())
        && digits(whole)
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

#[cfg(test)]
mod tests {
    use super::Number::{Float, Integer, Malformed, TooLarge};
    use super::*;

    #[test]
    fn numbers_of_every_spelling() {
        for (text, number) in [
            ("0", Some(Integer(0))),
            ("-1", Some(Integer(-1))),
            ("+7", Some(Integer(7))),
            ("1_000_000", Some(Integer(1_000_000))),
            ("0xFf", Some(Integer(255))),
            ("-0b1010", Some(Integer(-10))),
            ("0o17", Some(Integer(15))),
            ("18446744073709551615", Some(Integer(u64::MAX.into()))),
            ("18446744073709551616", Some(TooLarge)),
            ("-9223372036854775808", Some(Integer(i64::MIN.into()))),
            ("-9223372036854775809", Some(TooLarge)),
            ("99999999999999999999999999999999999999999999999", Some(TooLarge)),
            ("1.5", Some(Float)),
            ("1.", Some(Float)),
            (".5", Some(Float)),
            ("-1e-9", Some(Float)),
            ("+inf.0", Some(Float)),
            ("10abc", Some(Malformed)),
            ("10.0.0.1", Some(Malformed)),
            ("0b2", Some(Malformed)),
            ("0x", Some(Malformed)),
            ("1+", Some(Malformed)),
            ("1/2", Some(Malformed)),
            ("1e", Some(Malformed)),
            ("-", None),
            ("...", None),
            ("+x", None),
            ("->x", None),
            ("", None),
        ] {
            assert_eq!(parse(text), number, "{text}");
        }
        assert_eq!(parse_radix("-ff", 16), Integer(-255));
        assert_eq!(parse_radix("", 2), Malformed);
    }
}
