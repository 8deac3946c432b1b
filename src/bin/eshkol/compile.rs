//! `eshkol compile`.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use eshkol_core::bpf::disassemble;
use eshkol_core::diagnostic::render::{Style, render};
use eshkol_core::diagnostic::{Diagnostic, Diagnostics, Severity};
use eshkol_core::include::Files;
use eshkol_core::source::{SourceId, Sources};
use eshkol_core::{Architecture, Compilation, Endianness, Optimisation, Options};

use crate::Failure;
use crate::output::Destination;
use crate::summary::Summary;

/// What to compile, and how.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The Scheme file, or - for standard input
    input: PathBuf,
    /// Where the result goes, or - for standard output [default: the input's name with .o; standard output for text]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The byte order of the machine that runs the program; bpf is this machine's
    #[arg(long, default_value = "bpf")]
    target: Target,
    /// The architecture of that machine, for programs that read registers [default: this one, where it has that byte order]
    #[arg(long)]
    arch: Option<Arch>,
    /// How much is done for speed
    #[arg(short = 'O', value_name = "LEVEL", default_value = "2")]
    optimisation: Level,
    /// What to give
    #[arg(long, default_value = "obj")]
    emit: Emit,
    /// Accepted for the sake of old build files: objects always have BTF
    #[arg(long)]
    btf: bool,
    /// Tell what was compiled
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Copy, Clone, ValueEnum)]
enum Target {
    Bpf,
    Bpfel,
    Bpfeb,
}

#[derive(Copy, Clone, ValueEnum)]
#[value(rename_all = "lower")]
enum Arch {
    #[value(name = "x86_64")]
    X86_64,
    Aarch64,
    Riscv64,
    LoongArch64,
    /// Of either byte order
    PowerPc64,
    S390x,
}

impl Arch {
    /// The architecture with this byte order, or with its own where none is asked for.
    fn architecture(self, order: Option<Endianness>) -> Option<Architecture> {
        let architecture = match (self, order) {
            (Self::X86_64, _) => Architecture::X86_64,
            (Self::Aarch64, _) => Architecture::Aarch64,
            (Self::Riscv64, _) => Architecture::Riscv64,
            (Self::LoongArch64, _) => Architecture::LoongArch64,
            (Self::PowerPc64, Some(Endianness::Big)) => Architecture::PowerPc64,
            (Self::PowerPc64, _) => Architecture::PowerPc64Le,
            (Self::S390x, _) => Architecture::S390x,
        };
        order.is_none_or(|order| order == architecture.endianness()).then_some(architecture)
    }
}

#[derive(Copy, Clone, ValueEnum)]
enum Level {
    /// What the kernel needs to accept the program
    #[value(name = "0")]
    None,
    /// Everything
    #[value(name = "2")]
    Full,
}

#[derive(Copy, Clone, PartialEq, Eq, ValueEnum)]
enum Emit {
    /// The object, an ELF file
    Obj,
    /// What is left of the program when every macro is expanded
    Ast,
    /// What the checker made of the program
    Typed,
    /// SSA, after optimisation
    Ir,
    /// eBPF instructions
    Asm,
}

/// Compiles, and shows what there is to say about the program.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let destination = destination(arguments)?;
    let mut files = Files::new(|path| std::fs::read(path), "");
    let mut sources = Sources::new();
    let source = open(&arguments.input, &mut files, &mut sources)?;
    let result = match arguments.emit {
        Emit::Obj | Emit::Asm => whole(arguments, source, &mut files, &mut sources)?,
        Emit::Ast => expanded(source, &mut files, &mut sources)?,
        Emit::Typed | Emit::Ir => front(arguments, source, &mut files, &mut sources)?,
    };
    destination.write(&result)
}

/// Where the result goes.
fn destination(arguments: &Arguments) -> Result<Destination, Failure> {
    match &arguments.output {
        Some(path) => Ok(Destination::new(path)),
        None if arguments.emit != Emit::Obj => Ok(Destination::Standard),
        None => match arguments.input.file_stem().filter(|_| !is_standard(&arguments.input)) {
            Some(stem) => {
                let mut name = stem.to_owned();
                name.push(".o");
                Ok(Destination::File(name.into()))
            }
            None => Err(Failure::Other("the object needs a place: say -o FILE".to_owned())),
        },
    }
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads the text to compile.
fn open(path: &Path, files: &mut Files, sources: &mut Sources) -> Result<SourceId, Failure> {
    if !is_standard(path) {
        let (text, name) = files.open(path).map_err(Failure::Other)?;
        return Ok(sources.add(name, text));
    }
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::Other(format!("can't read standard input: {error}")))?;
    Ok(sources.add("<stdin>", text))
}

/// The machine to compile for.
fn architecture(arguments: &Arguments) -> Result<Architecture, Failure> {
    let order = match arguments.target {
        Target::Bpfel => Some(Endianness::Little),
        Target::Bpfeb => Some(Endianness::Big),
        Target::Bpf => None,
    };
    match arguments.arch {
        Some(arch) => arch.architecture(order).ok_or_else(|| {
            Failure::Other("the byte order of `--target` is not that of `--arch`: leave one of them out".to_owned())
        }),
        None => {
            let own = if cfg!(target_endian = "big") { Endianness::Big } else { Endianness::Little };
            Ok(Architecture::find(std::env::consts::ARCH, order.unwrap_or(own)))
        }
    }
}

fn options(arguments: &Arguments) -> Result<Options, Failure> {
    let optimisation = match arguments.optimisation {
        Level::None => Optimisation::None,
        Level::Full => Optimisation::Full,
    };
    Ok(Options { architecture: architecture(arguments)?, optimisation, check_allocation: true, externs: true })
}

/// Compiles to the end.
fn whole(
    arguments: &Arguments,
    source: SourceId,
    files: &mut Files,
    sources: &mut Sources,
) -> Result<Vec<u8>, Failure> {
    let Compilation { diagnostics, output } = eshkol_core::compile(sources, source, files, options(arguments)?);
    show(&diagnostics, sources);
    let output = output.ok_or_else(|| refusal(&diagnostics))?;
    if arguments.verbose {
        eprint!("{}", Summary(&output));
    }
    Ok(match arguments.emit {
        Emit::Asm => {
            output.programs.iter().chain(&output.functions).map(disassemble).collect::<Vec<_>>().join("\n").into_bytes()
        }
        _ => output.object,
    })
}

/// Reads and expands, and no more.
fn expanded(source: SourceId, files: &mut Files, sources: &mut Sources) -> Result<Vec<u8>, Failure> {
    let mut diagnostics = Diagnostics::new();
    let unit = eshkol_core::expand::expand(sources, source, files, &mut diagnostics);
    let diagnostics = diagnostics.into_sorted();
    show(&diagnostics, sources);
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(Failure::Program);
    }
    Ok(unit.to_string().into_bytes())
}

/// Compiles as far as to SSA: what the back half can't do does not matter.
fn front(
    arguments: &Arguments,
    source: SourceId,
    files: &mut Files,
    sources: &mut Sources,
) -> Result<Vec<u8>, Failure> {
    let checked = eshkol_core::compile::check(sources, source, files, architecture(arguments)?);
    show(&checked.diagnostics, sources);
    let unit = checked.unit.ok_or_else(|| refusal(&checked.diagnostics))?;
    let text = match arguments.emit {
        Emit::Ir => {
            let module = eshkol_core::compile::lower(&unit, options(arguments)?);
            module
                .programs
                .iter()
                .chain(module.functions.values())
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        }
        _ => unit.to_string(),
    };
    Ok(text.into_bytes())
}

/// Why there is no result.
fn refusal(diagnostics: &[Diagnostic]) -> Failure {
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        Failure::Program
    } else {
        Failure::Other("a fault in the compiler: there is no result, and no error either".to_owned())
    }
}

/// Shows messages on standard error.
fn show(diagnostics: &[Diagnostic], sources: &Sources) {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let style = if colours { Style::Coloured } else { Style::Plain };
    for diagnostic in diagnostics {
        eprintln!("{}\n", render(diagnostic, sources, style));
    }
    let errors: Vec<_> = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).collect();
    if let Some(first) = errors.first() {
        let plural = if errors.len() == 1 { "" } else { "s" };
        eprintln!("eshkol: {} error{plural}; for more on the first, run `eshkol explain {}`", errors.len(), first.code);
    }
}
