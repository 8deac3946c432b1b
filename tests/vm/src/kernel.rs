//! Kernels: which Debian has, and fetching one.

use std::fs;
use std::path::{Path, PathBuf};

use crate::apt::Apt;
use crate::{Result, vmlinux};

/// The oldest and the newest.
pub(crate) const DEFAULT: [&str; 2] = ["5.10", "7.3"];

/// Which release of Debian has which kernels.
const RELEASES: &[(&str, &[&str])] = &[("bullseye", &["5.10"]), ("bookworm", &["6.1"])];
/// The release that has all others, by its backports.
const NEWEST_RELEASE: &str = "trixie";
/// The flavour that boots fastest: drivers for virtual machines alone.
const FLAVOUR: &str = "cloud-amd64";

/// A kernel, fetched.
pub(crate) struct Kernel {
    directory: PathBuf,
}

impl Kernel {
    /// Its full version, as `uname -r` says.
    pub(crate) fn name(&self) -> &str {
        self.directory.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// The kernel itself, an ELF file.
    pub(crate) fn vmlinux(&self) -> PathBuf {
        self.directory.join("vmlinux")
    }

    /// The directory of its modules.
    pub(crate) fn modules(&self) -> PathBuf {
        self.directory.join("modules")
    }
}

/// The kernel of a version such as `6.12`: one that is there already, else the newest that Debian has.
pub(crate) fn find(version: &str, place: &Path) -> Result<Kernel> {
    let kernels = place.join("kernels");
    let matches = |name: &str| {
        name.strip_prefix(version).is_some_and(|rest| rest.starts_with(['.', '-', '+']) || rest.is_empty())
    };
    let known = fs::read_dir(&kernels).into_iter().flatten().flatten();
    let mut known: Vec<_> = known
        .filter(|entry| entry.file_name().to_str().is_some_and(matches) && entry.path().join("vmlinux").exists())
        .map(|entry| entry.path())
        .collect();
    known.sort();
    match known.pop() {
        Some(directory) => Ok(Kernel { directory }),
        None => fetch(version, &kernels, place),
    }
}

fn fetch(version: &str, kernels: &Path, place: &Path) -> Result<Kernel> {
    let release = RELEASES.iter().find(|(_, versions)| versions.contains(&version));
    let apt = Apt::of(release.map_or(NEWEST_RELEASE, |(release, _)| release), place)?;
    let pattern = format!("^linux-image-{}[.-].*-{FLAVOUR}$", version.replace('.', "\\."));
    let mut images = apt.packages(&pattern)?;
    // `linux-image-cloud-amd64` and its like stand for whichever is the latest.
    images.retain(|image| image.split('-').nth(2).is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit())));
    images.sort_by_key(|image| numbers(image));
    for image in images.iter().rev() {
        let name = image.trim_start_matches("linux-image-").to_owned();
        // Since 6.16 the modules are a package of their own, of which not every version is kept.
        let mut packages = vec![image.clone()];
        for part in ["binary", "modules", "base"] {
            let package = format!("linux-{part}-{name}");
            if apt.has(&package)? {
                packages.push(package);
            }
        }
        let unpacked = kernels.join(format!("{name}.new"));
        let _ = fs::remove_dir_all(&unpacked);
        apt.unpack(&packages, &unpacked)?;
        let Some(modules) = modules_of(&unpacked, &name) else { continue };
        let directory = kernels.join(&name);
        let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).map_err(failed)?;
        fs::rename(modules, directory.join("modules")).map_err(failed)?;
        // New packages have the image among the modules.
        let places = [unpacked.join(format!("boot/vmlinuz-{name}")), directory.join("modules/vmlinuz")];
        let image = places.iter().find(|place| place.exists());
        let image = image.ok_or_else(|| format!("the packages of {name} have no image of the kernel"))?;
        vmlinux::extract(image, &directory.join("vmlinux"))?;
        fs::remove_dir_all(&unpacked).map_err(failed)?;
        return Ok(Kernel { directory });
    }
    Err(format!("Debian has no kernel {version}, or no modules for it any more"))
}

/// The directory of modules in an unpacked package.
fn modules_of(unpacked: &Path, name: &str) -> Option<PathBuf> {
    let places = ["lib/modules", "usr/lib/modules"].map(|place| unpacked.join(place).join(name));
    places.into_iter().find(|place| place.join("kernel").is_dir())
}

/// The numbers in a name, for sorting.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}
