//! A program's text as a tree, taken apart and put together again.

use std::iter::Peekable;
use std::str::Chars;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Tree {
    Atom(String),
    List(Vec<Tree>),
}

/// An atom.
pub(super) fn atom(text: &str) -> Tree {
    Tree::Atom(text.to_owned())
}

/// A list.
pub(super) fn list(items: impl IntoIterator<Item = Tree>) -> Tree {
    Tree::List(items.into_iter().collect())
}

/// A list that begins with a name.
pub(super) fn form(head: &str, rest: impl IntoIterator<Item = Tree>) -> Tree {
    list([atom(head)].into_iter().chain(rest))
}

/// `(let ((name value)) body)`
pub(super) fn let_one(name: &Tree, value: Tree, body: Tree) -> Tree {
    form("let", [list([list([name.clone(), value])]), body])
}

pub(super) fn read(text: &str) -> Vec<Tree> {
    let mut characters = text.chars().peekable();
    std::iter::from_fn(|| next(&mut characters)).collect()
}

fn next(characters: &mut Peekable<Chars<'_>>) -> Option<Tree> {
    while characters.next_if(|next| next.is_whitespace()).is_some() {}
    match characters.peek()? {
        '(' => {
            characters.next();
            let items: Vec<Tree> = std::iter::from_fn(|| next(characters)).collect();
            characters.next();
            Some(Tree::List(items))
        }
        ')' => None,
        '"' => {
            characters.next();
            let mut string = String::from("\"");
            string.extend(std::iter::from_fn(|| characters.next_if(|next| *next != '"')));
            characters.next();
            Some(Tree::Atom(string + "\""))
        }
        '\'' => {
            characters.next();
            Some(form("quote", [next(characters)?]))
        }
        _ => {
            let ends = |next: &char| next.is_whitespace() || "()\"".contains(*next);
            Some(Tree::Atom(std::iter::from_fn(|| characters.next_if(|next| !ends(next))).collect()))
        }
    }
}

impl Tree {
    pub(super) fn print(&self, text: &mut String) {
        match self {
            Self::Atom(atom) => text.push_str(atom),
            Self::List(items) => {
                text.push('(');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        text.push(' ');
                    }
                    item.print(text);
                }
                text.push(')');
            }
        }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self, Self::Atom(atom) if atom == name)
    }

    pub(super) fn atom(&self) -> Option<&str> {
        match self {
            Self::Atom(atom) => Some(atom),
            Self::List(_) => None,
        }
    }

    pub(super) fn items(&self) -> Option<&[Self]> {
        match self {
            Self::Atom(_) => None,
            Self::List(items) => Some(items),
        }
    }

    /// What a form of this name holds.
    pub(super) fn form(&self, name: &str) -> Option<&[Self]> {
        let (head, rest) = self.items()?.split_first()?;
        head.is(name).then_some(rest)
    }

    /// A number or boolean, as written.
    pub(super) fn is_literal(&self) -> bool {
        self.atom().is_some_and(|atom| {
            atom.starts_with(|first: char| first.is_ascii_digit() || "#\"".contains(first))
                || atom.strip_prefix('-').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        })
    }

    /// Whether it names what a map holds.
    pub(super) fn mentions_entry(&self) -> bool {
        match self {
            Self::Atom(atom) => is_numbered(atom, "e"),
            Self::List(items) => items.iter().any(Self::mentions_entry),
        }
    }

    /// Whether evaluating it changes nothing, and so may be done at another time: it calls nothing whose body is elsewhere.
    pub(super) fn is_pure(&self) -> bool {
        match self {
            Self::Atom(atom) => !atom.contains('!'),
            Self::List(items) => {
                let calls = items.first().and_then(Self::atom).is_some_and(|head| {
                    let is_own = ["p", "x", "loop"].into_iter().any(|prefix| is_numbered(head, prefix));
                    ["map-", "bpf-", "ringbuf-", "update-", "tail-", "perf-"]
                        .iter()
                        .any(|prefix| head.starts_with(prefix))
                        || is_own
                });
                !calls && items.iter().all(Self::is_pure)
            }
        }
    }
}

/// Whether it is a name that the generator numbers.
fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| rest.parse::<u32>().is_ok())
}
