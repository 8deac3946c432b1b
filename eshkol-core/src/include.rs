//! Finds the files of a unit: which path `(include "…")` means, and what messages call it. Reading them is left to a function that
//! the caller brings, so that the compiler itself touches no file.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::expand::IncludeLoader;

/// A file that was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Included {
    /// What messages call it.
    pub name: String,
    /// The name of the text that includes it.
    pub from: String,
    /// The path as it is written there.
    pub path: String,
    /// Where it is, if it could be read.
    pub file: Option<PathBuf>,
}

/// The files of a unit. `(include "…")` is relative to the file that says so.
#[derive(Debug)]
pub struct Files {
    read: fn(&Path) -> io::Result<Vec<u8>>,
    base: PathBuf,
    opened: Vec<(String, PathBuf)>,
    included: Vec<Included>,
}

impl Files {
    /// Files that `read` reads. Messages call them by their path from `base`.
    pub fn new(read: fn(&Path) -> io::Result<Vec<u8>>, base: impl Into<PathBuf>) -> Self {
        Self { read, base: base.into(), opened: Vec::new(), included: Vec::new() }
    }

    /// The text of a file and what messages call it, or why it can't be had.
    pub fn open(&mut self, path: &Path) -> Result<(String, String), String> {
        let bytes = (self.read)(path).map_err(|error| format!("can't read {}: {error}", path.display()))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            format!("{} is not UTF-8 text: the byte at offset {offset} is wrong", path.display())
        })?;
        let name = path.strip_prefix(&self.base).unwrap_or(path).display().to_string();
        self.know(&name, path);
        Ok((text, name))
    }

    /// Says where the text `name` is, for what it includes.
    pub fn know(&mut self, name: &str, path: &Path) {
        if self.path_of(name).is_none() {
            self.opened.push((name.to_owned(), path.to_owned()));
        }
    }

    /// What was included, in order.
    pub fn into_included(self) -> Vec<Included> {
        self.included
    }

    fn path_of(&self, name: &str) -> Option<&Path> {
        self.opened.iter().find(|(opened, _)| opened == name).map(|(_, path)| path.as_path())
    }
}

impl IncludeLoader for Files {
    fn load(&mut self, from: &str, path: &str) -> Result<(String, String), String> {
        let directory = self.path_of(from).and_then(Path::parent).unwrap_or(Path::new(""));
        let file = without_dots(&directory.join(path));
        let opened = self.open(&file);
        let name = opened.as_ref().map_or_else(|_| path.to_owned(), |(_, name)| name.clone());
        let file = opened.is_ok().then_some(file);
        self.included.push(Included { name, from: from.to_owned(), path: path.to_owned(), file });
        opened
    }
}

/// The path without `.`, and without `..` where that can be done without asking the file system: one file has one name.
fn without_dots(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(result.components().next_back(), Some(Component::Normal(_))) => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system of three files.
    fn read(path: &Path) -> io::Result<Vec<u8>> {
        match path.to_str() {
            Some("/src/inner/a.esh") => Ok(b"a".to_vec()),
            Some("/src/inner/b.esh") => Ok(b"b".to_vec()),
            Some("/other/c.esh") => Ok(vec![b'c', 0xff]),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    fn files() -> Files {
        let mut files = Files::new(read, "/src");
        files.know("main.rs", Path::new("/src/main.rs"));
        files
    }

    #[test]
    fn includes_are_relative_to_the_file_that_names_them() {
        let mut files = files();
        let a = ("a".to_owned(), "inner/a.esh".to_owned());
        assert_eq!(files.load("main.rs", "inner/a.esh"), Ok(a.clone()));
        assert_eq!(files.load("inner/a.esh", "./b.esh"), Ok(("b".to_owned(), "inner/b.esh".to_owned())));
        assert_eq!(files.load("inner/b.esh", "../inner/a.esh"), Ok(a));
        let found: Vec<_> = files.into_included().into_iter().map(|included| included.file).collect();
        let (a, b) = (PathBuf::from("/src/inner/a.esh"), PathBuf::from("/src/inner/b.esh"));
        assert_eq!(found, [Some(a.clone()), Some(b), Some(a)]);
    }

    #[test]
    fn what_can_not_be_read_says_why() {
        let mut files = files();
        let missing = files.load("main.rs", "missing.esh").unwrap_err();
        assert!(missing.starts_with("can't read /src/missing.esh: "), "{missing}");
        let binary = files.load("main.rs", "../other/c.esh").unwrap_err();
        assert_eq!(binary, "/other/c.esh is not UTF-8 text: the byte at offset 1 is wrong");
        assert!(files.into_included().iter().all(|included| included.file.is_none()));
    }

    #[test]
    fn dots_are_resolved_by_name() {
        assert_eq!(without_dots(Path::new("/a/./b/../c.esh")), Path::new("/a/c.esh"));
        assert_eq!(without_dots(Path::new("../../a/../b")), Path::new("../../b"));
    }
}
