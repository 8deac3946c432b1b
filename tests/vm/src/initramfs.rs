//! What the machine has for a file system: an archive that the kernel unpacks into memory (`Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::kernel::Kernel;
use crate::suites::{DIRECTORIES, Executable, MODULES, PROGRAMS, Suites};
use crate::{Result, apt, guest, modules};

/// Bits of a mode: a directory, a device, a file, and who may do what.
const DIRECTORY: u32 = 0o040_755;
const DEVICE: u32 = 0o020_666;
const EXECUTABLE: u32 = 0o100_755;

/// An archive of the kind `newc`.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    known: BTreeSet<String>,
    number: u32,
}

impl Archive {
    fn entry(&mut self, path: &str, mode: u32, contents: &[u8]) {
        self.entry_of(path, mode, (0, 0), contents);
    }

    /// An entry, of a device with this number where it is one.
    fn entry_of(&mut self, path: &str, mode: u32, (major, minor): (u32, u32), contents: &[u8]) {
        self.number += 1;
        let length = u32::try_from(contents.len()).unwrap_or(u32::MAX);
        let name_length = u32::try_from(path.len() + 1).unwrap_or(u32::MAX);
        let fields = [self.number, mode, 0, 0, 1, 0, length, 0, 0, major, minor, name_length, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(path.bytes().chain([0]));
        self.align();
        self.bytes.extend(contents);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn directory(&mut self, path: &str) {
        let path = path.trim_matches('/');
        if path.is_empty() || self.known.contains(path) {
            return;
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        self.known.insert(path.to_owned());
        self.entry(path, DIRECTORY, &[]);
    }

    fn file(&mut self, path: &str, contents: &[u8]) {
        let path = path.trim_matches('/');
        if !self.known.insert(path.to_owned()) {
            return;
        }
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        self.entry(path, EXECUTABLE, contents);
    }

    /// The files of a directory, where this machine has them.
    fn files(&mut self, directory: &Path) -> Result<()> {
        let failed = |error| format!("{}: {error}", directory.display());
        for entry in fs::read_dir(directory).map_err(failed)?.flatten() {
            let path = entry.path();
            if path.is_file() {
                self.file(&path.to_string_lossy(), &read(&path)?);
            }
        }
        Ok(())
    }

    /// A program of this machine, with the libraries that it is linked with.
    fn program(&mut self, from: &Path, to: &str) -> Result<()> {
        self.file(to, &read(from)?);
        let libraries = apt::output(Command::new("ldd").arg(from)).unwrap_or_default();
        for word in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
            self.file(word, &read(Path::new(word))?);
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The archive for running these tests on a kernel.
pub(crate) fn pack(suites: &Suites, kernel: &Kernel, filter: Option<&str>) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for directory in ["proc", "sys", "dev", "tmp", "run", "root"] {
        archive.directory(directory);
    }
    // The first process is given the console for its input and output.
    archive.entry_of("dev/console", DEVICE, (5, 1), &[]);
    archive.entry_of("dev/null", DEVICE, (1, 3), &[]);
    archive.file("etc/passwd", b"root:x:0:0:root:/:/bin/sh\n");
    archive.file("etc/hosts", b"127.0.0.1 localhost\n");
    let own = std::env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    archive.program(&own, "init")?;
    for program in PROGRAMS {
        archive.program(Path::new(program), program)?;
    }
    for (number, (name, bytes)) in modules::read(&kernel.modules(), MODULES)?.iter().enumerate() {
        archive.file(&format!("{}/{number:02}-{name}.ko", guest::MODULES), bytes);
    }
    for (directory, executables) in [(guest::TESTS, &suites.tests), (guest::EXAMPLES, &suites.examples)] {
        for Executable { name, file } in executables {
            archive.program(file, &format!("{directory}/{name}"))?;
        }
    }
    let project = crate::project()?;
    for directory in DIRECTORIES {
        archive.files(&project.join(directory))?;
    }
    archive.file(guest::PROJECT, project.to_string_lossy().as_bytes());
    archive.file(guest::FILTER, filter.unwrap_or_default().as_bytes());
    let environment = std::env::vars().filter(|(name, _)| name.starts_with("ESHKOL_"));
    let environment: Vec<String> = environment.map(|(name, value)| format!("{name}={value}")).collect();
    archive.file(guest::ENVIRONMENT, environment.join("\n").as_bytes());
    Ok(archive.finish())
}
