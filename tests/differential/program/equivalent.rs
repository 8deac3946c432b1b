//! A program, said in other words: forms that mean the same in place of those written.
//!
//! The evaluator takes the checker's word for what a program means. Where the checker reads a form wrongly, the program and its
//! double differ.

use std::iter::Peekable;
use std::str::Chars;

use crate::choices::Random;

#[derive(Clone)]
enum Tree {
    Atom(String),
    List(Vec<Tree>),
}

/// The same program, with about half of its comparisons and choices in other words.
pub(crate) fn equivalent(text: &str, seed: u64) -> String {
    let mut random = Random::new(seed);
    let mut characters = text.chars().peekable();
    let mut whole = String::new();
    while let Some(tree) = read(&mut characters) {
        print(&rewritten(tree, &mut random), &mut whole);
    }
    whole
}

fn read(characters: &mut Peekable<Chars<'_>>) -> Option<Tree> {
    while characters.next_if(|next| next.is_whitespace()).is_some() {}
    match characters.peek()? {
        '(' => {
            characters.next();
            let mut items = vec![];
            while let Some(item) = read(characters) {
                items.push(item);
            }
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
        _ => {
            let ends = |next: &char| next.is_whitespace() || "()\"".contains(*next);
            Some(Tree::Atom(std::iter::from_fn(|| characters.next_if(|next| !ends(next))).collect()))
        }
    }
}

fn print(tree: &Tree, text: &mut String) {
    match tree {
        Tree::Atom(atom) => text.push_str(atom),
        Tree::List(items) => {
            text.push('(');
            for item in items {
                print(item, text);
                text.push(' ');
            }
            text.push(')');
        }
    }
}

fn rewritten(tree: Tree, random: &mut Random) -> Tree {
    let Tree::List(items) = tree else { return tree };
    if matches!(items.first(), Some(Tree::Atom(head)) if head == "define-syntax") {
        return Tree::List(items);
    }
    let items: Vec<Tree> = items.into_iter().map(|item| rewritten(item, random)).collect();
    let [Tree::Atom(head), rest @ ..] = items.as_slice() else { return Tree::List(items) };
    let atom = |text: &str| Tree::Atom(text.to_owned());
    let form = |head: &str, rest: &[Tree]| Tree::List([&[atom(head)], rest].concat());
    let not = |tree: Tree| form("not", &[tree]);
    let way = random.below(6);
    match (head.as_str(), rest) {
        ("=", [a, b]) => match way {
            0 => not(not(form("=", rest))),
            // Each is read twice.
            1 if is_atom(a) && is_atom(b) => form("and", &[form("<=", rest), form(">=", rest)]),
            2 => form("if", &[form("=", rest), atom("#t"), atom("#f")]),
            _ => Tree::List(items),
        },
        ("<" | ">" | "<=" | ">=", [a, b]) => {
            let (opposite, mirrored) = match head.as_str() {
                "<" => (">=", ">"),
                ">" => ("<=", "<"),
                "<=" => (">", ">="),
                _ => ("<", "<="),
            };
            match way {
                0 => not(form(opposite, rest)),
                // The order in which they are computed must not change.
                1 if is_atom(a) || is_atom(b) => form(mirrored, &[b.clone(), a.clone()]),
                2 => not(not(form(head, rest))),
                _ => Tree::List(items),
            }
        }
        ("if", [test, then, otherwise]) => match way {
            0 => form("if", &[not(test.clone()), otherwise.clone(), then.clone()]),
            1 => form(
                "cond",
                &[Tree::List(vec![test.clone(), then.clone()]), form("else", std::slice::from_ref(otherwise))],
            ),
            2 => form("begin", &[form("if", rest)]),
            _ => Tree::List(items),
        },
        _ => Tree::List(items),
    }
}

fn is_atom(tree: &Tree) -> bool {
    matches!(tree, Tree::Atom(_))
}
