//! The part of the language that is written in the language.

/// The files, with the names messages call them by.
pub(super) const FILES: &[(&str, &str)] = &[
    ("prelude/ipv6.esh", include_str!("../../prelude/ipv6.esh")),
    ("prelude/process.esh", include_str!("../../prelude/process.esh")),
];
