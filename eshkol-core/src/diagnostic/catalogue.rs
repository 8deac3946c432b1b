//! Every message the compiler can give, by code. The error index in `docs/` is generated from here.
//!
//! `ESK01xx` reading, `02xx` names and expansion, `03xx` declarations, `04xx` types and values, `05xx` loops and
//! procedures, `06xx` maps, `07xx` packets and memory, `08xx` the kernel's rules, `09xx` internal.

mod declaration;
mod expansion;
mod internal;
mod kernel_rule;
mod map;
mod memory;
mod procedure;
mod reading;
mod typing;

pub use declaration::*;
pub use expansion::*;
pub use internal::*;
pub use kernel_rule::*;
pub use map::*;
pub use memory::*;
pub use procedure::*;
pub use reading::*;
pub use typing::*;

use std::fmt;

/// A message of the catalogue.
#[derive(Copy, Clone)]
pub struct Code(&'static Entry);

/// What the error index says of a message.
#[derive(Debug)]
pub struct Entry {
    /// The number after `ESK`, four digits.
    pub number: u16,
    /// A short title, in lower case.
    pub title: &'static str,
    /// A page in Markdown: what it means, an example that gives it, how to mend it.
    pub explanation: &'static str,
}

impl Code {
    /// The number after `ESK`.
    pub fn number(self) -> u16 {
        self.0.number
    }

    /// A short title.
    pub fn title(self) -> &'static str {
        self.0.title
    }

    /// The page of the error index, in Markdown.
    pub fn explanation(self) -> &'static str {
        self.0.explanation
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.0.number == other.0.number
    }
}

impl Eq for Code {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ESK{:04}", self.0.number)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Declares the codes of one file, and `CODES`-style list of them. The explanation is Markdown.
macro_rules! codes {
    ($list:ident: $($name:ident = $number:literal, $title:literal, $explanation:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: $crate::diagnostic::Code = $crate::diagnostic::catalogue::entry(&$crate::diagnostic::catalogue::Entry {
                number: $number,
                title: $title,
                explanation: $explanation,
            });
        )*
        pub(crate) const $list: &[$crate::diagnostic::Code] = &[$($name),*];
    };
}
pub(crate) use codes;

const fn entry(entry: &'static Entry) -> Code {
    Code(entry)
}

/// Whether a text with this error ends, or some of its lists do, elsewhere than was meant.
pub(crate) fn ends_too_early(code: Code) -> bool {
    [UNCLOSED_LIST, STRAY_CLOSER, WRONG_CLOSER, UNTERMINATED_STRING, UNTERMINATED_COMMENT].contains(&code)
}

/// Every code, by number.
pub fn all() -> Vec<Code> {
    let mut codes: Vec<Code> = [
        ALL_READING,
        ALL_EXPANSION,
        ALL_DECLARATION,
        ALL_TYPING,
        ALL_PROCEDURE,
        ALL_MAP,
        ALL_MEMORY,
        ALL_KERNEL_RULE,
        ALL_INTERNAL,
    ]
    .concat();
    codes.sort_by_key(|code| code.number());
    codes
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_unique_and_pages_are_not_empty() {
        let codes = super::all();
        for pair in codes.windows(2) {
            assert_ne!(pair[0].number(), pair[1].number(), "{:?}", pair[0]);
        }
        for code in codes {
            assert!(code.explanation().len() > 40, "{code} has no page");
        }
    }
}
