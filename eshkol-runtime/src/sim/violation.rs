//! What the simulator says of a program that does what it must not.

use std::error::Error as StdError;
use std::fmt;

use crate::verifier::Location;

/// Why the simulator did not run a program to its end, or could not load it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SimulatorError(Box<Reason>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Reason {
    /// The object is damaged, or holds what the simulator does not have.
    Object(String),
    /// It can't do what it is asked.
    Unable(String),
    /// A program did what it must not.
    Violation { program: String, message: String, location: Option<Location>, instruction: usize },
}

impl SimulatorError {
    pub(super) fn object(message: impl Into<String>) -> Self {
        Self(Box::new(Reason::Object(message.into())))
    }

    pub(crate) fn unable(message: impl Into<String>) -> Self {
        Self(Box::new(Reason::Unable(message.into())))
    }

    pub(super) fn violation(program: &str, message: String, location: Option<Location>, instruction: usize) -> Self {
        Self(Box::new(Reason::Violation { program: program.to_owned(), message, location, instruction }))
    }

    /// Whether a program did what it must not, such as reading past the end of a value.
    pub fn is_violation(&self) -> bool {
        matches!(*self.0, Reason::Violation { .. })
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        match &*self.0 {
            Reason::Object(message) | Reason::Unable(message) | Reason::Violation { message, .. } => message,
        }
    }

    /// The instruction of a violation.
    pub fn instruction(&self) -> Option<usize> {
        match &*self.0 {
            Reason::Violation { instruction, .. } => Some(*instruction),
            Reason::Object(_) | Reason::Unable(_) => None,
        }
    }

    /// Where in the source a violation is, where the object says it.
    pub fn location(&self) -> Option<&Location> {
        match &*self.0 {
            Reason::Violation { location, .. } => location.as_ref(),
            Reason::Object(_) | Reason::Unable(_) => None,
        }
    }
}

impl fmt::Display for SimulatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Reason::Object(message) => write!(f, "the simulator cannot load the object: {message}"),
            Reason::Unable(message) => write!(f, "the simulator cannot {message}"),
            Reason::Violation { program, message, location, instruction } => {
                write!(f, "the simulator stops program `{program}` at instruction {instruction}: it {message}")?;
                match location {
                    Some(location) => location.fmt(f),
                    None => Ok(()),
                }
            }
        }
    }
}

impl StdError for SimulatorError {}
