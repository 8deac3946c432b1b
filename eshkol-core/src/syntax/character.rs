//! Characters: their names, the escapes of strings, and which ones end a token (R7RS §2.1, §6.6, §6.7).

/// The named characters of R7RS §6.6.
const NAMES: &[(&str, char)] = &[
    ("alarm", '\x07'),
    ("backspace", '\x08'),
    ("delete", '\x7f'),
    ("escape", '\x1b'),
    ("newline", '\n'),
    ("null", '\0'),
    ("return", '\r'),
    ("space", ' '),
    ("tab", '\t'),
];

/// The character that `#\name` means.
pub(super) fn named(name: &str) -> Option<char> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, c)| *c)
}

/// The name of a character that is better not written as itself.
pub(super) fn name(c: char) -> Option<&'static str> {
    NAMES.iter().find(|(_, known)| *known == c).map(|(name, _)| *name)
}

/// What `\c` means in a string or between bars, for the escapes of one character.
pub(super) fn escape(c: char) -> Option<char> {
    Some(match c {
        'a' => '\x07',
        'b' => '\x08',
        't' => '\t',
        'n' => '\n',
        'r' => '\r',
        '"' | '\\' | '|' => c,
        _ => return None,
    })
}

/// The character whose number is written in hexadecimal.
pub(super) fn from_hex(digits: &str) -> Option<char> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)
}

/// Whether a character can't be a part of a bare symbol or number, and so ends it.
pub(super) fn is_delimiter(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | '"' | ';' | '|' | '\'' | '`' | ',')
}
