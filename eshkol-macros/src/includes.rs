//! Reads the files of a unit, and remembers which, so that changing one builds the crate again.

use std::path::{Component, Path, PathBuf};

use eshkol_core::expand::IncludeLoader;

/// A file that was included.
#[derive(Clone, Debug)]
pub(crate) struct Included {
    /// What messages call it.
    pub(crate) name: String,
    /// The name of the text that includes it.
    pub(crate) from: String,
    /// The path as it is written there.
    pub(crate) path: String,
    /// Where it is, if it was found.
    pub(crate) file: Option<PathBuf>,
}

/// Reads the files that `(include "…")` names, relative to the file that says so.
#[derive(Debug)]
pub(crate) struct Files {
    /// Name and path of the text that the macro was given.
    main: (String, PathBuf),
    /// What was asked for, in order.
    included: Vec<Included>,
}

impl Files {
    /// For a text `name` in the file `path`.
    pub(crate) fn new(name: &str, path: &Path) -> Self {
        Self { main: (name.to_owned(), path.to_owned()), included: Vec::new() }
    }

    /// What was asked for, in order.
    pub(crate) fn into_included(self) -> Vec<Included> {
        self.included
    }

    /// Where the text of this name is.
    fn path_of(&self, name: &str) -> Option<&Path> {
        if self.main.0 == name {
            return Some(&self.main.1);
        }
        self.included.iter().find(|included| included.name == name)?.file.as_deref()
    }
}

impl IncludeLoader for Files {
    fn load(&mut self, from: &str, path: &str) -> Result<(String, String), String> {
        let directory = self.path_of(from).and_then(Path::parent).unwrap_or(Path::new(""));
        let file = without_dots(&directory.join(path));
        let text = read(&file);
        let name = display_name(&file);
        let file = text.is_ok().then_some(file);
        self.included.push(Included { name: name.clone(), from: from.to_owned(), path: path.to_owned(), file });
        text.map(|text| (text, name))
    }
}

/// The text of a file, or why it can't be had.
pub(crate) fn read(file: &Path) -> Result<String, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("can't read {}: {error}", file.display()))?;
    String::from_utf8(bytes).map_err(|error| {
        format!(
            "{} is not UTF-8 text: the byte at offset {} is wrong",
            file.display(),
            error.utf8_error().valid_up_to()
        )
    })
}

/// What messages call a file: its path from where cargo was started, as in rustc's own messages.
pub(crate) fn display_name(file: &Path) -> String {
    let base = std::env::current_dir().ok();
    let short = base.as_deref().and_then(|base| file.strip_prefix(base).ok());
    short.unwrap_or(file).display().to_string()
}

/// The path without `.`, and without `..` where that can be done without asking the file system.
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

    #[test]
    fn dots_are_resolved_by_name() {
        assert_eq!(without_dots(Path::new("/a/./b/../c.esh")), Path::new("/a/c.esh"));
        assert_eq!(without_dots(Path::new("../../a/../b")), Path::new("../../b"));
    }

    #[test]
    fn includes_are_relative_to_the_file_that_names_them() {
        let directory = std::env::temp_dir().join(format!("eshkol-includes-{}", std::process::id()));
        std::fs::create_dir_all(directory.join("inner")).unwrap();
        std::fs::write(directory.join("inner/a.esh"), "a").unwrap();
        std::fs::write(directory.join("inner/b.esh"), "b").unwrap();
        let mut files = Files::new("main", &directory.join("main.rs"));
        let (text, name) = files.load("main", "inner/a.esh").unwrap();
        assert_eq!((text.as_str(), name.ends_with("inner/a.esh")), ("a", true));
        assert_eq!(files.load(&name, "b.esh").unwrap().0, "b");
        assert_eq!(files.load(&name, "../inner/a.esh").unwrap(), (text, name.clone()));
        let refusal = files.load(&name, "missing.esh").unwrap_err();
        assert!(refusal.contains("missing.esh"), "{refusal}");
        let found: Vec<_> = files.into_included().into_iter().map(|included| included.file.is_some()).collect();
        assert_eq!(found, [true, true, true, false]);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
