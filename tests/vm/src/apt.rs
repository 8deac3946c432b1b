//! Debian's packages, through apt with a root of its own: the machine's sources stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// A release of Debian, as apt sees it.
pub(crate) struct Apt {
    configuration: PathBuf,
}

/// Runs a command, and gives what it prints.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Apt {
    /// Makes apt's root for a release, unless it is there, and asks which packages there are.
    pub(crate) fn of(release: &str, place: &Path) -> Result<Self> {
        let root = place.join("apt").join(release);
        let apt = Self { configuration: root.join("apt.conf") };
        if apt.configuration.exists() {
            return Ok(apt);
        }
        let failed = |error: std::io::Error| format!("{}: {error}", root.display());
        for directory in ["state/lists/partial", "cache/archives/partial", "sources", "preferences"] {
            fs::create_dir_all(root.join(directory)).map_err(failed)?;
        }
        fs::write(root.join("status"), "").map_err(failed)?;
        fs::write(root.join("sources.list"), sources(release)?).map_err(failed)?;
        let configuration = format!(
            "Dir::State \"{root}/state\"; Dir::State::status \"{root}/status\"; Dir::Cache \"{root}/cache\";\n\
             Dir::Etc::sourcelist \"{root}/sources.list\"; Dir::Etc::sourceparts \"{root}/sources\";\n\
             Dir::Etc::preferences \"{root}/none\"; Dir::Etc::preferencesparts \"{root}/preferences\";\n\
             APT::Architecture \"amd64\"; APT::Architectures {{ \"amd64\"; }}; Acquire::Languages \"none\";\n\
             Acquire::Check-Valid-Until \"false\"; APT::Sandbox::User \"root\";\n",
            root = root.display()
        );
        let unfinished = root.join("apt.conf.new");
        fs::write(&unfinished, configuration).map_err(failed)?;
        let fresh = Self { configuration: unfinished.clone() };
        output(fresh.command("apt-get").args(["-q", "update"]))?;
        fs::rename(&unfinished, &apt.configuration).map_err(failed)?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.configuration).env("LC_ALL", "C");
        command
    }

    /// The names of packages that match a regular expression.
    pub(crate) fn packages(&self, pattern: &str) -> Result<Vec<String>> {
        let found = output(self.command("apt-cache").args(["search", "--names-only", pattern]))?;
        Ok(found.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
    }

    /// Whether a package can be had.
    pub(crate) fn has(&self, package: &str) -> Result<bool> {
        let policy = output(self.command("apt-cache").args(["policy", package]))?;
        Ok(policy.lines().any(|line| line.trim().starts_with("Candidate:") && !line.contains("(none)")))
    }

    /// Unpacks packages into a directory, without installing them.
    pub(crate) fn unpack(&self, packages: &[String], into: &Path) -> Result<()> {
        let downloads = into.join("packages");
        fs::create_dir_all(&downloads).map_err(|error| format!("{}: {error}", downloads.display()))?;
        output(self.command("apt-get").arg("-q").arg("download").args(packages).current_dir(&downloads))?;
        let files = fs::read_dir(&downloads).map_err(|error| format!("{}: {error}", downloads.display()))?;
        for file in files.flatten() {
            output(Command::new("dpkg-deb").arg("-x").arg(file.path()).arg(into))?;
        }
        fs::remove_dir_all(&downloads).map_err(|error| format!("{}: {error}", downloads.display()))
    }
}

/// The sources of a release: from the servers that the machine's own sources name.
fn sources(release: &str) -> Result<String> {
    let named =
        || output(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]));
    let mut servers = named()?;
    if servers.trim().is_empty() {
        output(Command::new("apt-get").args(["-q", "update"]))?;
        servers = named()?;
    }
    let server = |security: bool| servers.lines().find(|line| line.contains("security") == security);
    let main = server(false).ok_or("apt knows no server")?.trim_end_matches('/').to_owned();
    let security = server(true).map_or_else(|| format!("{main}-security"), |url| url.trim_end_matches('/').to_owned());
    let signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
    let mut text = format!("deb {signed} {main} {release} main\ndeb {signed} {security} {release}-security main\n");
    if release != "bullseye" {
        text += &format!("deb {signed} {main} {release}-backports main\n");
    }
    Ok(text)
}
