//! The other side: clang's code for the same program, compiled here or as it was recorded.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::programs::{self, Code, Isa, Program};

const OPTIONS: &[&str] = &["-target", "bpfel", "-O2", "-g", "-Wall", "-Werror", "-Wno-unused-const-variable"];
/// Its command.
pub(crate) const CLANG: &str = "clang-19";

/// Where clang's code comes from.
pub(crate) struct Reference {
    pub(crate) source: Source,
    recorded_version: String,
    recorded: Record,
}

/// The size of each program's code, by v3 and by v4.
type Record = Vec<(String, [Code; 2])>;

/// Where it comes from, with clang's version.
pub(crate) enum Source {
    Clang(String),
    Record(String),
}

impl Reference {
    /// The clang that is installed, or else the record.
    pub(crate) fn new() -> Result<Self, String> {
        let (recorded_version, recorded) = read()?;
        let source = match installed() {
            Some(version) => Source::Clang(version),
            None => Source::Record(recorded_version.clone()),
        };
        Ok(Self { source, recorded_version, recorded })
    }

    /// Whether the clang that was recorded is the one that is installed: another may give other code.
    pub(crate) fn is_recorded_version(&self) -> bool {
        matches!(&self.source, Source::Clang(version) if *version == self.recorded_version)
    }

    /// The size of clang's code for a program.
    pub(crate) fn code(&self, program: &Program, isa: Isa) -> Result<Code, String> {
        match self.source {
            Source::Clang(_) => Code::of(&object(program, isa)?),
            Source::Record(_) => {
                self.recorded(program, isa).ok_or_else(|| format!("{} has not been recorded", program.name))
            }
        }
    }

    /// What was recorded of a program.
    pub(crate) fn recorded(&self, program: &Program, isa: Isa) -> Option<Code> {
        let (_, [v3, v4]) = self.recorded.iter().find(|(name, _)| *name == program.name)?;
        Some(match isa {
            Isa::V3 => *v3,
            Isa::V4 => *v4,
        })
    }

    /// Writes the record.
    pub(crate) fn record(&self, counts: &[(Program, [Code; 2])]) -> Result<(), String> {
        let Source::Clang(version) = &self.source else {
            return Err(format!("without {CLANG} there is nothing to record"));
        };
        let mut text = format!("{version}\n");
        for (program, [v3, v4]) in counts {
            let _ =
                writeln!(text, "{} {} {} {} {}", program.name, v3.instructions, v3.stack, v4.instructions, v4.stack);
        }
        let path = path();
        fs::write(&path, text).map_err(|error| format!("can't write {}: {error}", path.display()))
    }
}

/// clang's version, where it is installed.
fn installed() -> Option<String> {
    let output = Command::new(CLANG).arg("--version").output().ok().filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(|line| line.trim().to_owned())
}

/// The object of what makes packets what they were.
pub(crate) fn restore() -> Result<Vec<u8>, String> {
    compile(&programs::directory("clang").join("restore.c"), Isa::V3)
}

/// The object that clang makes.
pub(crate) fn object(program: &Program, isa: Isa) -> Result<Vec<u8>, String> {
    compile(&program.c, isa)
}

fn compile(c: &Path, isa: Isa) -> Result<Vec<u8>, String> {
    let cpu = match isa {
        Isa::V3 => "-mcpu=v3",
        Isa::V4 => "-mcpu=v4",
    };
    let output = Command::new(CLANG).args(OPTIONS).args([cpu, "-c"]).arg(c).args(["-o", "-"]).output();
    let Output { status, stdout, stderr } = output.map_err(|error| format!("can't run {CLANG}: {error}"))?;
    if !status.success() {
        return Err(format!("{}: {}", c.display(), String::from_utf8_lossy(&stderr)));
    }
    Ok(stdout)
}

fn path() -> PathBuf {
    programs::directory("clang").join("counts.txt")
}

/// The record: clang's version, then a line for each program with its instructions and its stack, first by v3 and then by v4.
fn read() -> Result<(String, Record), String> {
    let path = path();
    let text = fs::read_to_string(&path).map_err(|error| format!("can't read {}: {error}", path.display()))?;
    let mut lines = text.lines();
    let version = lines.next().unwrap_or_default().to_owned();
    let parse = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next()?.to_owned();
        let mut number = || words.next()?.parse().ok();
        let mut code = || Some(Code { instructions: number()?, stack: number()? });
        Some((name, [code()?, code()?]))
    };
    let counts = lines.map(|line| parse(line).ok_or_else(|| format!("{}: not a record: {line}", path.display())));
    Ok((version, counts.collect::<Result<_, _>>()?))
}
