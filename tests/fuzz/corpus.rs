//! Texts to begin with: every language case, and every Scheme example of the book, as whole units.

use std::fs;
use std::path::{Path, PathBuf};

/// All of them, always in the same order.
pub(crate) fn texts() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases = files(&root.join("tests/language"), "esh").into_iter().map(|path| fs::read_to_string(path).unwrap());
    let pages = files(&root.join("docs/src"), "md").into_iter();
    let examples = pages.flat_map(|path| examples(&fs::read_to_string(path).unwrap()));
    let texts: Vec<String> = cases.chain(examples).map(unit).collect();
    assert!(texts.len() > 200, "{} texts", texts.len());
    texts
}

/// What is no whole unit is put into one. A procedure `test` of a case is called with numbers that the compiler does not know.
fn unit(text: String) -> String {
    if text.contains("define-ebpf-program") {
        return text;
    }
    let call = match text.split_once("(define (test").and_then(|(_, rest)| rest.split_once(')')) {
        Some((parameters, _)) => {
            let arguments =
                parameters.split_whitespace().map(|name| if name == "ctx" { " ctx" } else { " (bpf-ktime-get-ns)" });
            format!("(test{})", arguments.collect::<String>())
        }
        None => "(begin)".to_owned(),
    };
    format!(
        "{text}
(define-ebpf-program fuzz (license \"GPL\") (program-type :xdp) (min-kernel \"6.12\") (entry main)
  (define (main ctx) {call} :xdp-pass))"
    )
}

/// The files of a directory and those in it, by name.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let within = |path: PathBuf| match path.is_dir() {
        true => files(&path, extension),
        false if path.extension().is_some_and(|found| found == extension) => vec![path],
        false => vec![],
    };
    paths.into_iter().flat_map(within).collect()
}

fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("```scheme").skip(1);
    let text = |block: &str| Some(block.split_once('\n')?.1.split_once("```")?.0.to_owned());
    blocks.filter_map(text).collect()
}
