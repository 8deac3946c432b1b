//! What the compiler tells the user: errors and warnings with a code, a place, and a way out.

pub mod catalogue;
#[cfg(feature = "render")]
pub mod render;
pub mod suggestion;

use crate::source::Span;
pub use catalogue::Code;

/// How bad it is.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Severity {
    /// Nothing is compiled.
    Error,
    /// It compiles, but probably does not do what was meant.
    Warning,
}

/// One message about the user's text.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// Which message this is.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The token to look at first.
    pub span: Span,
    /// One sentence, in lower case, without a full stop.
    pub message: String,
    /// What to write at `span`, under the source line; empty for nothing.
    pub label: String,
    /// Other places that matter.
    pub labels: Vec<(Span, String)>,
    /// The ways out, one sentence each.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            span,
            message: message.into(),
            label: String::new(),
            labels: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// Adds what to write under the main place.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn with_note(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push((span, text.into()));
        self
    }

    /// Adds a way out.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// The messages of one compilation, in the order they were found; the same message is kept once.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// No messages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a message, unless the same code already stands at the same place (a procedure is checked once per call).
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let known = self.items.iter().any(|item| item.code == diagnostic.code && item.span == diagnostic.span);
        if !known {
            self.items.push(diagnostic);
        }
    }

    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.severity == Severity::Error)
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Forgets all messages after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.items.truncate(len);
    }

    /// The messages.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.items.iter()
    }

    /// The messages, by source and place.
    pub fn into_sorted(mut self) -> Vec<Diagnostic> {
        self.items.sort_by_key(|item| item.span);
        self.items
    }
}
