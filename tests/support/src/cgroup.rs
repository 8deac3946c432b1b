//! Cgroups, for programs that are attached to one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

/// A cgroup of the test's own, gone with all in it when this is dropped.
#[derive(Debug)]
pub struct Cgroup(PathBuf);

impl Cgroup {
    /// A new one with nobody in it, whose name begins so. Needs root.
    ///
    /// # Panics
    ///
    /// Where there is no cgroup2 file system.
    pub fn new(name: &str) -> Self {
        let root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].into_iter().map(Path::new);
        let mut root = root.filter(|root| root.join("cgroup.procs").exists());
        let path = root.next().expect("a cgroup2 file system").join(format!("{name}-{}", process::id()));
        fs::create_dir(&path).expect("a cgroup can be made");
        Self(path)
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether a shell that is in the cgroup succeeds with a command.
    ///
    /// # Panics
    ///
    /// Where there is no shell.
    pub fn run(&self, command: &str) -> bool {
        let enter = format!("echo $$ > {}/cgroup.procs && {command}", self.0.display());
        Command::new("bash").args(["-c", &enter]).output().expect("a shell").status.success()
    }

    /// Does something in a process that is in the cgroup. What it does is to be system calls alone: other threads of the test may hold locks that nobody
    /// gives back in the copy of the process. Of an error comes back its number.
    pub fn call(&self, mut work: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> io::Result<()> {
        let mut members = File::options().write(true).open(self.0.join("cgroup.procs"))?;
        let enter_and_work = move || {
            // The process that writes.
            members.write_all(b"0")?;
            work()
        };
        let mut process = Command::new("/bin/true");
        // SAFETY: system calls, as the caller is told.
        unsafe { process.pre_exec(enter_and_work) };
        process.status().map(drop)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}
