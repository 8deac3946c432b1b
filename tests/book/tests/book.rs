//! The book is up to date, its links lead somewhere, and its examples do what it says.

use std::fs;
use std::path::{Path, PathBuf};

use eshkol_book::example::{self, Example};
use eshkol_book::{generated, root};

fn source() -> PathBuf {
    root().join("docs/src")
}

/// The Markdown files of a folder and those in it.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages.extend(self::pages(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

/// What follows `](` in a page, up to the closing parenthesis.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn generated_pages_are_up_to_date() {
    let write = std::env::var_os("ESHKOL_WRITE_DOCS").is_some_and(|value| !value.is_empty());
    let mut stale = Vec::new();
    for (path, text) in generated::pages() {
        let file = source().join(&path);
        if fs::read_to_string(&file).ok().as_deref() == Some(&text) {
            continue;
        }
        if write {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        } else {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "not up to date: {stale:?}; run `ESHKOL_WRITE_DOCS=1 cargo test -p eshkol-book`");
}

#[test]
fn every_page_is_in_the_summary() {
    let summary = fs::read_to_string(source().join("SUMMARY.md")).unwrap();
    let listed: Vec<_> = links(&summary).map(|link| source().join(link)).collect();
    for page in pages(&source()) {
        assert!(page.ends_with("SUMMARY.md") || listed.contains(&page), "{} is not in SUMMARY.md", page.display());
    }
}

#[test]
fn links_lead_somewhere() {
    let mut all = pages(&source());
    all.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root().join(name)));
    let mut broken = Vec::new();
    for page in all {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let found = match fs::read_to_string(&target) {
                Ok(text) => anchor.is_empty() || has_anchor(&text, anchor),
                Err(_) => target.exists(),
            };
            if !found {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// Whether a page has a heading or a named place of this anchor.
fn has_anchor(text: &str, anchor: &str) -> bool {
    let slug = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    text.contains(&format!("<a id=\"{anchor}\">"))
        || text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == anchor)
}

/// What is wrong with an example.
fn verdict(example: &Example) -> Option<String> {
    let messages = example.messages();
    match example.mark.as_deref() {
        Some("text") => None,
        Some(code) if messages.iter().any(|message| message.starts_with(code)) => None,
        Some(code) => Some(format!("does not give {code}: {messages:#?}")),
        None if messages.is_empty() => None,
        None => Some(format!("{messages:#?}\n{}", example.unit())),
    }
}

#[test]
fn examples_do_what_the_book_says() {
    let mut wrong = Vec::new();
    let mut count = 0;
    // The examples of the error index are parts of programs; `tests/language/catalogue.rs` has them.
    let index = source().join("errors");
    for page in pages(&source()).into_iter().filter(|page| !page.starts_with(&index)) {
        for example in example::examples(&fs::read_to_string(&page).unwrap()) {
            count += 1;
            if let Some(what) = verdict(&example) {
                wrong.push(format!("{}:{}: {what}", page.display(), example.line));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 20, "only {count} examples found");
}

#[test]
fn the_readme_compiles_and_its_error_is_real() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let start = readme.find("(define-ebpf-program").unwrap();
    let unit = readme[start..].split("\n}\n").next().unwrap();
    assert_eq!(example::messages(unit), [""; 0]);
    let test = "(and ip (map-lookup blocklist (ipv4-src ip)))";
    assert!(unit.contains(test));
    let messages = example::messages(&unit.replace(test, "(map-lookup blocklist (ipv4-src ip))"));
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    let (code, message) = message.split_once(": ").unwrap();
    assert!(readme.contains(&format!("error: [{code}] {message}\n")), "{message}");
    // The place that it shows is the one in the example, as a file of its own.
    let program =
        readme.split("```rust,no_run\n").nth(1).unwrap().replace(test, "(map-lookup blocklist (ipv4-src ip))");
    let (line, text) = program.lines().enumerate().find(|(_, line)| line.contains("(map-lookup")).unwrap();
    let column = text.find("ip))").unwrap() + 1;
    assert!(readme.contains(&format!("--> src/main.rs:{}:{column}\n", line + 1)), "{}:{column}", line + 1);
}
