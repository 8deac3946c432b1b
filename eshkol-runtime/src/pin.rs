//! Pins: files in a `bpf` file system that keep maps, programs and links alive without a process.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Need, Result};
use crate::spec::MapSpec;
use crate::sys::{self, MapFd, MapInfo, kind};

/// Where maps that are `(pinning :by-name)` go when nothing else is said; libbpf's choice too.
pub(crate) const DEFAULT_DIRECTORY: &str = "/sys/fs/bpf";

/// `BPF_FS_MAGIC` in include/uapi/linux/magic.h.
const BPF_FS_MAGIC: i128 = 0xcafe_4a11;

/// Makes sure that things can be pinned in `directory`, creating it where its file system is the right one.
pub(crate) fn prepare_directory(directory: &Path) -> Result<()> {
    let action = || format!("pin in {}", directory.display());
    let existing = directory.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if !is_bpf_file_system(existing).map_err(|e| Error::system(action(), Need::Maps, e))? {
        return Err(Error::with_advice(
            action(),
            "Pins live in a file system of type bpf, which is usually mounted at /sys/fs/bpf (`mount -t bpf bpf /sys/fs/bpf`)",
            io::Error::other(format!("{} is not in a bpf file system", existing.display())),
        ));
    }
    fs::create_dir_all(directory).map_err(|e| Error::system(action(), Need::Maps, e))
}

/// Pins an object at `path`, creating the directories on the way.
pub(crate) fn pin(fd: BorrowedFd<'_>, path: &Path, what: impl Fn() -> String) -> Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    prepare_directory(directory)?;
    sys::object_pin(fd, path).map_err(|error| {
        let action = format!("pin {} at {}", what(), path.display());
        match error.raw_os_error() {
            Some(libc::EEXIST) => {
                let advice = format!(
                    "Something is pinned there already: take it up with `from_pin`, or remove it (`rm {}`)",
                    path.display()
                );
                Error::with_advice(action, advice, error)
            }
            _ => Error::system(action, Need::Maps, error),
        }
    })
}

fn is_bpf_file_system(path: &Path) -> io::Result<bool> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let mut facts = std::mem::MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: a NUL-terminated path and room for the result, both alive for the call.
    if unsafe { libc::statfs(path.as_ptr(), facts.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zero is a value of this struct of integers, and the kernel has written it.
    let facts = unsafe { facts.assume_init() };
    // The field's type is another one on each architecture, and may have the sign extended.
    Ok(i128::from(facts.f_type) & 0xffff_ffff == BPF_FS_MAGIC)
}

/// Whether a map is pinned at `path`; an error when it is not one that `spec` declares, with `max_entries` elements.
pub(crate) fn check(path: &Path, spec: &MapSpec, max_entries: u32) -> Result<bool> {
    let pinned = MapFd::from_pin(path)
        .map_err(|e| Error::system(format!("take up map `{}` from {}", spec.name, path.display()), Need::Maps, e))?;
    let Some(pinned) = pinned else { return Ok(false) };
    let differences = differences(pinned.info(), spec, max_entries);
    if differences.is_empty() {
        return Ok(true);
    }
    Err(Error::IncompatiblePin { map: spec.name.into(), path: path.to_owned(), differences })
}

fn differences(pinned: &MapInfo, spec: &MapSpec, max_entries: u32) -> Vec<String> {
    // The kernel adds BPF_F_RDONLY_PROG to these by itself.
    const RDONLY_PROG: u32 = 1 << 7;
    let implied = if [kind::DEVMAP, kind::DEVMAP_HASH].contains(&spec.kind) { RDONLY_PROG } else { 0 };
    // Where the kernel can run a program on redirected packets, aya makes room for its descriptor in the value.
    let redirects = [kind::DEVMAP, kind::DEVMAP_HASH, kind::CPUMAP].contains(&spec.kind);
    let value_size = if redirects && pinned.value_size == 8 { 8 } else { spec.value_size };
    let facts = [
        ("kind", pinned.kind, spec.kind),
        ("bytes of a key", pinned.key_size, spec.key_size),
        ("bytes of a value", pinned.value_size, value_size),
        ("max-entries", pinned.max_entries, max_entries),
        ("flags", pinned.flags & !implied, spec.flags & !implied),
    ];
    facts
        .iter()
        .filter(|(_, there, wanted)| there != wanted)
        .map(|(what, there, wanted)| format!("{what} ({there} there, {wanted} here)"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: MapSpec = MapSpec {
        name: "m",
        symbol: "m",
        kind: kind::HASH,
        key_size: 4,
        value_size: 8,
        max_entries: 16,
        flags: 0,
        pin_by_name: true,
        programs: &[],
    };

    #[test]
    fn says_all_differences() {
        let same = MapInfo { kind: kind::HASH, id: 7, key_size: 4, value_size: 8, max_entries: 16, flags: 0 };
        assert_eq!(differences(&same, &SPEC, 16), Vec::<String>::new());
        let other = MapInfo { value_size: 4, flags: 1, ..same };
        assert_eq!(
            differences(&other, &SPEC, 32),
            ["bytes of a value (4 there, 8 here)", "max-entries (16 there, 32 here)", "flags (1 there, 0 here)"]
        );
    }

    #[test]
    fn other_file_systems_are_refused_before_anything_is_created() {
        let directory = std::env::temp_dir().join("eshkol-no-bpf-file-system/deeper");
        let error = prepare_directory(&directory).unwrap_err();
        assert!(error.to_string().contains("mount -t bpf"), "{error}");
        assert!(!directory.exists());
    }
}
