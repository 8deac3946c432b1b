//! Modules of a kernel: a few, with what they need, in the order in which they are loaded.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::apt;

/// A module's name and contents.
pub(crate) type Module = (String, Vec<u8>);

/// The modules with these names and those that they need, each after what it needs. Those that are built in, or that the kernel has not, are left out.
pub(crate) fn read(directory: &Path, names: &[&str]) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    collect(&directory.join("kernel"), &mut files)?;
    let mut modules = Vec::new();
    for name in names {
        add(name, &files, &mut modules)?;
    }
    Ok(modules)
}

fn add(name: &str, files: &BTreeMap<String, PathBuf>, modules: &mut Vec<Module>) -> Result<()> {
    let name = name.replace('-', "_");
    let Some(file) = files.get(&name) else { return Ok(()) };
    if modules.iter().any(|(known, _)| *known == name) {
        return Ok(());
    }
    let bytes = contents(file)?;
    for needed in needs(&bytes) {
        add(&needed, files, modules)?;
    }
    modules.push((name, bytes));
    Ok(())
}

/// Every module under a directory, by its name as the kernel has it.
fn collect(directory: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if let Some((name, _)) = entry.file_name().to_str().and_then(|name| name.split_once(".ko")) {
            files.insert(name.replace('-', "_"), path);
        }
    }
    Ok(())
}

fn contents(file: &Path) -> Result<Vec<u8>> {
    let program = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return fs::read(file).map_err(|error| format!("{}: {error}", file.display())),
    };
    let unpacked = file.with_extension("");
    if !unpacked.exists() {
        apt::output(Command::new(program).args(["-d", "-k", "-q"]).arg(file))?;
    }
    fs::read(&unpacked).map_err(|error| format!("{}: {error}", unpacked.display()))
}

/// The modules that a module needs: `depends=a,b` in its section `.modinfo`.
fn needs(bytes: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = bytes.windows(KEY.len()).position(|window| window == KEY) else { return Vec::new() };
    let list = bytes[at + KEY.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let list = String::from_utf8_lossy(list);
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
