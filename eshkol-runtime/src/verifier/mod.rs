//! Refusals of the kernel's verifier, told in terms of the Scheme source.

mod advice;
mod log;

use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::spec::ProgramSpec;
use log::{Report, SourceLine};

/// The verifier refused a program.
///
/// `Display` shows the end of the verifier's log, `{:#}` all of it.
#[derive(Debug)]
pub struct VerifierError {
    program: &'static str,
    message: String,
    location: Option<Location>,
    /// What of the running kernel the instruction at fault wants to know, and the kernel does not have.
    missing: Option<String>,
    reason: Option<String>,
    suggestion: Option<String>,
    advice: Option<&'static advice::Advice>,
    log: String,
    source: io::Error,
}

/// A place in the Scheme source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// The file.
    pub file: String,
    /// 1-based.
    pub line: u32,
    /// 1-based, where it is known.
    pub column: Option<u32>,
    /// The text of that line, trimmed.
    pub text: String,
    /// The instruction that came from there.
    pub instruction: u32,
}

/// The place below a message, on lines of its own, as rustc shows it.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, text, .. } = self;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        write!(f, "\n{margin}--> {file}:{line}")?;
        if let Some(column) = column {
            write!(f, ":{column}")?;
        }
        write!(f, "\n{margin} |\n{number} | {text}\n{margin} |")
    }
}

impl VerifierError {
    pub(crate) fn new(program: &'static ProgramSpec, log: String, source: io::Error) -> Self {
        let report = Report::read(&log);
        let location = report.instruction.and_then(|instruction| locate(program, instruction, report.source.as_ref()));
        let advice = report.message.as_deref().and_then(advice::find);
        let missing = report.instruction.filter(|_| report.message.as_deref().is_some_and(is_missing_fact));
        let missing = missing.and_then(|instruction| program.facts.iter().find(|fact| fact.instruction == instruction));
        let missing = missing.map(|fact| format!("the running kernel has no `{}`", fact.subject));
        Self {
            program: program.name,
            message: report.message.unwrap_or_else(|| source.to_string()),
            location,
            missing,
            reason: report.reason,
            suggestion: report.suggestion,
            advice,
            log,
            source,
        }
    }

    /// The program, by its name in the source.
    pub fn program(&self) -> &str {
        self.program
    }

    /// What the verifier says is wrong, in its own words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where in the source that is, where it can be told.
    pub fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }

    /// What the message means: the kernel's own explanation where it gives one (since 7.3), else ours.
    pub fn explanation(&self) -> Option<&str> {
        self.missing.as_deref().or(self.reason.as_deref()).or(self.advice.map(|a| a.meaning))
    }

    /// The verifier's whole log.
    pub fn log(&self) -> &str {
        &self.log
    }
}

/// Whether a message is about an instruction that loaders put where they found nothing to fill in: a call of a function of this number.
fn is_missing_fact(message: &str) -> bool {
    message.contains("unknown#195896080") || message.contains("<invalid CO-RE relocation>")
}

/// The line that an instruction came from. Where the log names a line beside the instruction, that one counts: it also covers procedures that
/// were linked behind the program, which the program's table does not.
fn locate(program: &ProgramSpec, instruction: u32, source: Option<&SourceLine>) -> Option<Location> {
    let from_table = program
        .lines
        .partition_point(|line| line.instruction <= instruction)
        .checked_sub(1)
        .and_then(|i| program.lines.get(i))
        .map(|line| Location {
            file: program.file.to_owned(),
            line: line.line,
            column: Some(line.column),
            text: line.text.to_owned(),
            instruction,
        });
    let Some(SourceLine { text, place: Some((name, line)) }) = source else { return from_table };
    let same_line = |location: &Location| location.line == *line && file_name(&location.file) == name;
    if from_table.as_ref().is_some_and(same_line) {
        return from_table;
    }
    let file = if file_name(program.file) == name { program.file } else { name };
    Some(Location { file: file.to_owned(), line: *line, column: None, text: text.clone(), instruction })
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl fmt::Display for VerifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the kernel's verifier refuses program `{}`: {}", self.program, self.message)?;
        if let Some(location) = &self.location {
            location.fmt(f)?;
        }
        if let Some(explanation) = self.explanation() {
            write!(f, "\n  = it means: {explanation}")?;
        }
        if let Some(advice) = self.suggestion.as_deref().or(self.advice.map(|a| a.remedy)) {
            write!(f, "\n  = try: {advice}")?;
        }
        if self.advice.is_none_or(|a| a.for_the_compiler) {
            f.write_str(
                "\n  = note: Eshkol should have refused this when it was compiled; please report it, with the log",
            )?;
        }
        let lines: Vec<&str> = self.log.lines().filter(|line| !line.trim().is_empty()).collect();
        let shown = if f.alternate() { lines.len() } else { lines.len().min(SHOWN_LINES) };
        if shown > 0 {
            let which = if shown < lines.len() { ", its end (`{:#}` prints all)" } else { "" };
            write!(f, "\n  = the verifier's log{which}:")?;
        }
        for line in &lines[lines.len() - shown..] {
            write!(f, "\n      {line}")?;
        }
        Ok(())
    }
}

/// Lines of the log that are shown when not all are asked for.
const SHOWN_LINES: usize = 12;

impl StdError for VerifierError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests;
