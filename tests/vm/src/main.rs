//! Runs the kernel tests on other kernels than the machine's: in virtual machines, on kernels that Debian has packages of.
//!
//! ```sh
//! cargo run -p eshkol-vm                    # the oldest and the newest kernel
//! cargo run -p eshkol-vm -- 6.1 6.12        # these
//! cargo run -p eshkol-vm -- 5.10 --test probes --filter within
//! ESHKOL_PROGRAMS=500 cargo run -p eshkol-vm -- 5.10 --release --test differential
//! ```
//!
//! The tests are given what of the environment begins with `ESHKOL_`.
//!
//! It wants root (for apt), `qemu-system-x86_64`, `xz`, `zstd` and `lz4`, and keeps what it fetches under `target/vm`. In the machine the same program is the
//! first process (`guest`): it brings the machine up, runs the tests, and says how they ended.

mod apt;
mod guest;
mod initramfs;
mod kernel;
mod machine;
mod modules;
mod report;
mod suites;
mod vmlinux;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// What can go wrong is told to whoever called the command.
type Result<T, E = String> = std::result::Result<T, E>;

/// What is to be done.
struct Arguments {
    kernels: Vec<String>,
    /// Of the tests' executables, those with these names.
    tests: Vec<String>,
    /// Of their tests, those whose names hold this.
    filter: Option<String>,
    /// Whether the tests are built for speed.
    release: bool,
    /// How long they may take on each kernel.
    limit: Duration,
}

fn main() -> ExitCode {
    if std::process::id() == 1 {
        guest::run();
    }
    match arguments().and_then(|arguments| run(&arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("eshkol-vm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments> {
    let mut arguments =
        Arguments { kernels: Vec::new(), tests: Vec::new(), filter: None, release: false, limit: machine::LIMIT };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--test" => arguments.tests.push(value()?),
            "--filter" => arguments.filter = Some(value()?),
            "--minutes" => {
                let text = value()?;
                let minutes: u64 = text.parse().map_err(|_| format!("{text} is no number of minutes"))?;
                arguments.limit = Duration::from_secs(minutes * 60);
            }
            "--release" => arguments.release = true,
            _ if word.starts_with('-') => {
                return Err(format!(
                    "there is no option {word}: eshkol-vm [KERNEL…] [--test NAME]… [--filter TEXT] [--release] \
                     [--minutes NUMBER]"
                ));
            }
            _ => arguments.kernels.push(word),
        }
    }
    if arguments.kernels.is_empty() {
        arguments.kernels = kernel::DEFAULT.map(str::to_owned).to_vec();
    }
    Ok(arguments)
}

/// Whether all tests passed on all kernels.
fn run(arguments: &Arguments) -> Result<bool> {
    let place = place();
    let suites = suites::build(&arguments.tests, arguments.release)?;
    let mut reports = Vec::new();
    for version in &arguments.kernels {
        let kernel = kernel::find(version, &place)?;
        println!("=== Linux {}", kernel.name());
        let image = initramfs::pack(&suites, &kernel, arguments.filter.as_deref())?;
        let output = machine::run(&kernel, &image, &place, arguments.limit)?;
        reports.push(report::read(kernel.name(), &output, suites.tests.len()));
    }
    println!("\n=== summary");
    for report in &reports {
        println!("{report}");
    }
    Ok(reports.iter().all(report::Report::is_good))
}

/// Where kernels and working files are.
fn place() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => Path::new(&target).join("vm"),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/vm"),
    }
}

/// The directory of the project.
fn project() -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))
}
