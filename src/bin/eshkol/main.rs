//! The `eshkol` command: compiles Scheme files to eBPF objects without a Rust crate around them.
//!
//! Exit status: 0 done, 1 the program has errors, 2 the command itself was wrong or a file could not be read or written.

mod compile;
mod explain;
mod output;
mod summary;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use eshkol_core::deep_stack::with_deep_stack;

/// Compiles Scheme to eBPF.
#[derive(Parser)]
#[command(name = "eshkol", version)]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Compile a program to an eBPF object that bpftool, libbpf and aya load
    Compile(compile::Arguments),
    /// Explain an error or warning
    Explain(explain::Arguments),
}

/// Why the command did not do what it was asked.
enum Failure {
    /// The program has errors; they have been shown.
    Program,
    /// Something around it: one sentence.
    Other(String),
}

fn main() -> ExitCode {
    let command = Command::parse();
    let result = with_deep_stack(|| match &command.task {
        Task::Compile(arguments) => compile::run(arguments),
        Task::Explain(arguments) => explain::run(arguments),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Program) => ExitCode::from(1),
        Err(Failure::Other(reason)) => {
            eprintln!("eshkol: {reason}");
            ExitCode::from(2)
        }
    }
}
