//! Reads the verifier's log, of kernels old and new.
//!
//! The log is for people and its format is nobody's promise, so nothing here insists: what is not found is `None`.
//!
//! It has a line for each instruction that the verifier walks through, with lines of register states and, where the object has them, of source in
//! between. What is wrong stands behind the last instruction, in front of some statistics. Since 7.3 a report follows, with headed sections.

/// What a log says about a refusal.
#[derive(PartialEq, Eq, Default, Debug)]
pub(super) struct Report {
    /// What is wrong.
    pub(super) message: Option<String>,
    /// The instruction that is to blame.
    pub(super) instruction: Option<u32>,
    /// The source line that the log shows for it.
    pub(super) source: Option<SourceLine>,
    /// The kernel's explanation (since 7.3).
    pub(super) reason: Option<String>,
    /// The kernel's suggestion (since 7.3).
    pub(super) suggestion: Option<String>,
}

/// A line of source in the log: `; (map-lookup m 0) @ firewall.esh:12`, the place since 6.9.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SourceLine {
    pub(super) text: String,
    /// The file's name without its directory, and the line.
    pub(super) place: Option<(String, u32)>,
}

impl Report {
    pub(super) fn read(log: &str) -> Self {
        let mut report = Self::default();
        let mut messages = Vec::new();
        let mut lines = log.lines().map(str::trim_end);
        while let Some(line) = lines.next() {
            if let Some(title) = line.strip_prefix("Verification failed:") {
                if messages.is_empty() {
                    messages.push(title.trim());
                }
                report.read_sections(&mut lines);
            } else if let Some(instruction) = instruction(line) {
                report.instruction = Some(instruction);
                messages.clear();
            } else if !is_beside_the_point(line) {
                messages.push(line);
            }
        }
        if !messages.is_empty() {
            report.blame(&messages.join("; "));
        }
        report.source = report.instruction.and_then(|blamed| source_of(blamed, log));
        report
    }

    /// Reads sections such as `Reason:`, of which the lines that belong to them are indented, to the end of the last one.
    fn read_sections<'a>(&mut self, lines: &mut (impl Iterator<Item = &'a str> + Clone)) {
        let mut heading = "";
        let (mut reason, mut suggestion) = (Vec::new(), Vec::new());
        let mut blamed = None;
        loop {
            let rest = lines.clone();
            let Some(line) = lines.next() else { break };
            if !line.is_empty() && !line.starts_with(' ') {
                if !line.ends_with(':') {
                    *lines = rest;
                    break;
                }
                heading = line;
            }
            let text = line.trim();
            match heading {
                "Reason:" if line.starts_with(' ') => reason.push(text),
                "Suggestion:" if line.starts_with(' ') => suggestion.push(text),
                // `insn 6`, and `>>> 6 | (79) …` in the context below it; those of source lines have no opcode.
                "At:" if blamed.is_none() => {
                    let marked = text.strip_prefix(">>> ").and_then(|rest| rest.split_once(" | ("));
                    let number = marked.map(|(number, _)| number).or(text.strip_prefix("insn "));
                    blamed = number.and_then(|number| number.trim().parse().ok());
                }
                _ => {}
            }
        }
        let paragraph = |lines: &[&str]| (!lines.is_empty()).then(|| lines.join(" "));
        self.reason = paragraph(&reason);
        self.suggestion = paragraph(&suggestion);
        self.instruction = blamed.or(self.instruction);
    }

    /// Takes the message, and what it says about the place.
    fn blame(&mut self, message: &str) {
        const BEFORE_NUMBER: &[&str] = &["alloc_insn=", "at insn ", "from insn ", "unreachable insn "];
        const WHOLE_PROGRAM: &[&str] = &["too large", "Too large", "too complex", "too many", "too deep"];
        if let Some(blamed) = BEFORE_NUMBER.iter().find_map(|before| number_after(message, before)) {
            self.instruction = Some(blamed);
        } else if WHOLE_PROGRAM.iter().any(|part| message.contains(part)) {
            self.instruction = None;
        }
        self.message = Some(message.to_owned());
    }
}

impl SourceLine {
    fn read(comment: &str) -> Self {
        let place = comment.rsplit_once(" @ ").and_then(|(text, place)| {
            let (file, line) = place.rsplit_once(':')?;
            Some((text, (file.to_owned(), line.parse().ok()?)))
        });
        match place {
            Some((text, place)) => Self { text: text.to_owned(), place: Some(place) },
            None => Self { text: comment.to_owned(), place: None },
        }
    }
}

/// The number of an instruction's line: `5: (85) call bpf_map_lookup_elem#1`.
fn instruction(line: &str) -> Option<u32> {
    let (number, rest) = line.split_once(": (")?;
    let (opcode, _) = rest.split_once(')')?;
    (opcode.len() == 2 && opcode.bytes().all(|b| b.is_ascii_hexdigit())).then(|| number.parse().ok()).flatten()
}

/// The source line in force where instruction `blamed` comes last.
fn source_of(blamed: u32, log: &str) -> Option<SourceLine> {
    let (mut current, mut found) = (None, None);
    for line in log.lines().map(str::trim_end) {
        if let Some(comment) = line.strip_prefix("; ") {
            current = Some(comment);
        } else if instruction(line) == Some(blamed) {
            found = current;
        }
    }
    found.map(SourceLine::read)
}

/// Source, states of registers, the verifier's way, statistics: everything that does not say what is wrong.
fn is_beside_the_point(line: &str) -> bool {
    const STARTS: &[&str] = &[
        " ",
        ";",
        "from ",
        "last_idx ",
        "regs=",
        "parent ",
        "mark_precise:",
        "propagating ",
        "Live regs",
        "func#",
        "cur state:",
        "old state:",
        "caller:",
        "callee:",
        "returning from callee:",
        "to caller at ",
        "Validating ",
        "processed ",
        "verification time ",
        "stack depth ",
        "subprog ",
    ];
    // `5: R0=inv2 R10=fp0`, `R0=0 R10=fp0`, `frame1: R1=ctx()`, `9: safe`
    let state = line.split_once(": ").map_or(line, |(_, rest)| rest);
    let (register, value) = state.split_at(state.find(['=', '_', ' ']).unwrap_or(state.len()));
    let is_register = register.strip_prefix('R').is_some_and(|number| number.parse::<u8>().is_ok());
    line.is_empty()
        || (is_register && !value.starts_with(' '))
        || state == "safe"
        || STARTS.iter().any(|start| line.starts_with(start))
}

fn number_after(text: &str, before: &str) -> Option<u32> {
    let (_, rest) = text.split_once(before)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
