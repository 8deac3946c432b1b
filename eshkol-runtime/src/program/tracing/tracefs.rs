//! What tracefs tells of the kernel's tracepoints.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Error, Need, Result, suggestions};

/// Where tracefs is mounted, or where older systems have it.
const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The directory of all tracepoints.
pub(super) fn events(action: impl Fn() -> String) -> Result<&'static Path> {
    let known =
        TRACEFS.iter().map(|directory| Path::new(*directory)).find(|directory| directory.join("events").is_dir());
    known.ok_or_else(|| {
        Error::with_advice(
            action(),
            "The kernel tells of its tracepoints through tracefs, which is not mounted, or not readable for this user: as root, \
             `mount -t tracefs tracefs /sys/kernel/tracing`",
            io::Error::new(io::ErrorKind::NotFound, "/sys/kernel/tracing/events is not there"),
        )
    })
}

/// The names of what is in a directory.
pub(super) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().is_dir()).filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The number of a tracepoint, `category:name`.
pub(super) fn tracepoint_id(tracepoint: &str, action: &impl Fn() -> String) -> Result<u64> {
    let root = events(action)?.join("events");
    let malformed = || {
        let error = io::Error::from(io::ErrorKind::InvalidInput);
        Error::with_advice(
            action(),
            "A tracepoint is written `category:name`, as in `syscalls:sys_enter_openat`",
            error,
        )
    };
    let (category, name) =
        tracepoint.split_once(':').filter(|(c, n)| !c.is_empty() && !n.contains(':')).ok_or_else(malformed)?;
    let unknown = |what: &str, wanted: &str, directory: &Path, prefix: &str| {
        let advice = suggestions(&format!("{what} `{wanted}`"), wanted, &names(directory), prefix);
        Error::with_advice(action(), advice, io::Error::from_raw_os_error(libc::ENOENT))
    };
    let directory = root.join(category);
    if category.contains('/') || !directory.is_dir() {
        return Err(unknown("category of tracepoints", category, &root, ""));
    }
    let path = directory.join(name).join("id");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            let error = io::Error::new(io::ErrorKind::InvalidData, format!("`{}`", text.trim()));
            Error::with_advice(action(), format!("{} has no number in it", path.display()), error)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound || name.contains('/') => {
            Err(unknown("tracepoint", name, &directory, &format!("{category}:")))
        }
        Err(error) => Err(Error::system(action(), Need::Tracing, error)),
    }
}

/// The name of a tracepoint without its category.
pub(crate) fn tracepoint_name(tracepoint: &str) -> &str {
    tracepoint.rsplit_once(':').map_or(tracepoint, |(_, name)| name)
}

/// What to say where the kernel has no tracepoint of a name.
pub(crate) fn near_tracepoints(tracepoint: &str, action: impl Fn() -> String) -> String {
    match events(action) {
        Ok(root) => {
            let root = root.join("events");
            let known: Vec<_> = names(&root).iter().flat_map(|category| names(&root.join(category))).collect();
            suggestions("tracepoint of this name", tracepoint, &known, "")
        }
        Err(_) => "This kernel has no tracepoint of this name".to_owned(),
    }
}
