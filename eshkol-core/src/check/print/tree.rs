//! Nested lists as text, broken into lines where they are long.

use std::fmt;

/// As long as a line gets, where the text can be broken at all.
const WIDTH: usize = 110;

/// What is written in parentheses, or is one word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Tree {
    Atom(String),
    List(Vec<Tree>),
}

/// A list of trees.
macro_rules! list {
    ($($item:expr),* $(,)?) => { $crate::check::print::tree::Tree::List(vec![$($item),*]) };
}
pub(super) use list;

impl Tree {
    /// One word.
    pub(super) fn atom(word: impl fmt::Display) -> Self {
        Self::Atom(word.to_string())
    }

    /// A string in quotation marks.
    pub(super) fn text(text: &str) -> Self {
        Self::Atom(format!("{text:?}"))
    }

    /// Bytes in hexadecimal digits.
    pub(super) fn bytes(bytes: &[u8]) -> Self {
        let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
        Self::Atom(std::iter::once("#x".to_owned()).chain(digits).collect())
    }

    /// The characters it takes on one line, or `None` if they are more than `limit`.
    fn width(&self, limit: usize) -> Option<usize> {
        match self {
            Self::Atom(word) => Some(word.chars().count()).filter(|width| *width <= limit),
            Self::List(items) => {
                let gaps = items.len().saturating_sub(1);
                let start = Some(2 + gaps).filter(|width| *width <= limit)?;
                items.iter().try_fold(start, |width, item| Some(width + item.width(limit.checked_sub(width)?)?))
            }
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        let items = match self {
            Self::Atom(word) => return f.write_str(word),
            Self::List(items) => items,
        };
        f.write_str("(")?;
        let fits = self.width(WIDTH.saturating_sub(indent)).is_some();
        // The words that a long list begins with stay on its first line.
        let mut on_first_line = true;
        for (position, item) in items.iter().enumerate() {
            on_first_line &= position == 0 || fits || matches!(item, Self::Atom(_)) || is_head(items, position);
            if position > 0 && on_first_line {
                f.write_str(" ")?;
            } else if position > 0 {
                write!(f, "\n{:indent$}", "", indent = indent + 2)?;
            }
            item.write(f, indent + 2)?;
        }
        f.write_str(")")
    }
}

/// Whether the list at `position` belongs to the first line of a long form: what is defined or bound, and a type.
fn is_head(items: &[Tree], position: usize) -> bool {
    let word = |at: usize| match items.get(at) {
        Some(Tree::Atom(word)) => word.as_str(),
        _ => "",
    };
    let is_type = position.checked_sub(1).is_some_and(|before| word(before) == ":");
    is_type || (position == 1 && matches!(word(0), "define" | "let" | "let-values" | "if" | "loop"))
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lists_stay_on_a_line() {
        assert_eq!(list![Tree::atom("a"), list![Tree::atom(1)], list![]].to_string(), "(a (1) ())");
        assert_eq!(list![Tree::text("x\"y"), Tree::bytes(&[1, 0xab])].to_string(), "(\"x\\\"y\" #x01ab)");
    }

    #[test]
    fn long_lists_are_broken() {
        let long = Tree::atom("x".repeat(60));
        let tree = list![Tree::atom("seq"), Tree::atom("a"), list![long.clone()], list![long.clone()], Tree::atom("b")];
        let x = "x".repeat(60);
        assert_eq!(tree.to_string(), format!("(seq a\n  ({x})\n  ({x})\n  b)"));
        let tree = list![Tree::atom("if"), list![long.clone()], list![long]];
        assert_eq!(tree.to_string(), format!("(if ({x})\n  ({x}))"));
    }
}
