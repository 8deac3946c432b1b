//! Where results go: a file that is there completely or not at all, or standard output.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::Failure;

/// Where a result goes.
pub(crate) enum Destination {
    /// Standard output.
    Standard,
    /// A file.
    File(PathBuf),
}

impl Destination {
    /// What `-o` says: a path, or `-`.
    pub(crate) fn new(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Standard } else { Self::File(path.to_owned()) }
    }

    /// Puts a result there.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Standard => to_standard(bytes),
            Self::File(path) => {
                to_file(path, bytes).map_err(|error| Failure::Other(format!("can't write {}: {error}", path.display())))
            }
        }
    }
}

fn to_standard(bytes: &[u8]) -> Result<(), Failure> {
    let mut standard = io::stdout().lock();
    match standard.write_all(bytes).and_then(|()| standard.flush()) {
        // Who reads has seen enough, as `head` does.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| Failure::Other(format!("can't write to standard output: {error}"))),
    }
}

/// Writes a new file beside the old one and then puts it in its place, so that nobody sees half of it.
fn to_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link is followed, and a device is not replaced by a file.
    let path = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => fs::canonicalize(path)?,
        Ok(_) => return fs::write(path, bytes),
        Err(_) => path.to_owned(),
    };
    let name = path.file_name().ok_or_else(|| io::Error::from(ErrorKind::InvalidFilename))?;
    let mut unfinished_name = OsString::from(".");
    unfinished_name.push(name);
    unfinished_name.push(format!(".{}", std::process::id()));
    let unfinished = path.with_file_name(unfinished_name);
    let result = fs::write(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, &path));
    if result.is_err() {
        // The first error says more than one about what is left over.
        let _ = fs::remove_file(&unfinished);
    }
    result
}
