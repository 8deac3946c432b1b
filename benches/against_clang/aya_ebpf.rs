//! The packet programs once more, in Rust with aya-ebpf, where the toolchain for that is: bpf-linker, and a rustc that has the
//! standard library's source beside it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::programs::{self, Isa, Program};

/// The variable that names the rustc to use, which is otherwise the one that is on the path.
const RUSTC: &str = "ESHKOL_BENCH_RUSTC";
const TARGET: &str = "bpfel-unknown-none";

/// What compiles them.
pub(crate) struct Toolchain {
    rustc: String,
    /// What it consists of, with versions.
    pub(crate) version: String,
}

impl Toolchain {
    /// The one that is installed. The error says what is missing.
    pub(crate) fn find() -> Result<Self, String> {
        let rustc = std::env::var(RUSTC).unwrap_or_else(|_| "rustc".to_owned());
        let rustc_version = first_line(Command::new(&rustc).arg("--version"))
            .ok_or_else(|| format!("`{rustc}` is no rustc that runs"))?;
        let linker_version =
            first_line(Command::new("bpf-linker").arg("--version")).ok_or("there is no bpf-linker here")?;
        let sysroot = first_line(Command::new(&rustc).args(["--print", "sysroot"])).unwrap_or_default();
        let library = PathBuf::from(sysroot).join("lib/rustlib/src/rust/library/core/Cargo.toml");
        if !library.exists() {
            return Err(format!("`{rustc}` has no rust-src beside it, of which the `core` of eBPF would be made"));
        }
        Ok(Self { rustc, version: format!("{rustc_version}, {linker_version}") })
    }

    /// Compiles every program that there is in Rust.
    pub(crate) fn build(&self, isa: Isa) -> Result<Built, String> {
        let cpu = match isa {
            Isa::V3 => "v3",
            Isa::V4 => "v4",
        };
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/aya").join(cpu);
        let output = Command::new("cargo")
            .args(["build", "--release", "-Z", "build-std=core", "--target", TARGET, "--target-dir"])
            .arg(&directory)
            .arg("--manifest-path")
            .arg(programs::directory("aya").join("Cargo.toml"))
            // Building the standard library is not stable; this has a stable compiler do it, too.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC", &self.rustc)
            .env("RUSTFLAGS", format!("-C linker=bpf-linker -C target-cpu={cpu} -C link-arg=--btf"))
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .output()
            .map_err(|error| format!("can't run cargo: {error}"))?;
        if !output.status.success() {
            return Err(format!("the programs in Rust: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(Built { directory: directory.join(TARGET).join("release") })
    }
}

/// The programs, compiled.
pub(crate) struct Built {
    directory: PathBuf,
}

impl Built {
    /// The object of a program; `None` where there is none in Rust.
    pub(crate) fn object(&self, program: &Program) -> Result<Option<Vec<u8>>, String> {
        if !programs::directory("aya").join("src/bin").join(&program.name).with_extension("rs").exists() {
            return Ok(None);
        }
        let path = self.directory.join(&program.name);
        fs::read(&path).map(Some).map_err(|error| format!("can't read {}: {error}", path.display()))
    }
}

/// The first line that a command prints; `None` where it fails.
fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(|line| line.trim().to_owned())
}
