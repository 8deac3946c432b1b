//! Reads the verifier's log, of kernels old and new.
//!
//! The log is for people and its format is nobody's promise, so nothing here insists: what is not found is `None`.

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
    pub(super) place: Option<(String, u32)>,
}

impl Report {
    pub(super) fn read(log: &str) -> Self {
        let mut report = Self::default();
        let mut source = None;
        let mut lines = log.lines().map(str::trim_end);
        for line in lines.by_ref() {
            if line.starts_with(VERIFICATION_FAILED) {
                report.read_sections(line, log);
                break;
            } else if let Some(instruction) = instruction(line) {
                report.instruction = Some(instruction);
                report.source.clone_from(&source);
            } else if let Some(comment) = line.strip_prefix("; ") {
                source = Some(SourceLine::read(comment));
            } else if is_statistics(line) {
                // Statistics end the log, except that those of the program's size do not precede the message.
                continue;
            } else if !is_state(line) && !line.is_empty() {
                report.message = Some(line.to_owned());
            }
        }
        if let Some(message) = &report.message {
            if let Some(blamed) = instruction_in_message(message) {
                if report.instruction != Some(blamed) {
                    report.instruction = Some(blamed);
                    report.source = source_of(blamed, log);
                }
            } else if names_no_instruction(message) {
                report.instruction = None;
                report.source = None;
            }
        }
        report
    }

    /// The headed sections of 7.3 and later, from the line `first` on.
    fn read_sections(&mut self, first: &str, log: &str) {
        let mut heading = "";
        let mut sections: [(&str, Vec<&str>); 3] = [("Reason:", vec![]), ("At:", vec![]), ("Suggestion:", vec![])];
        let lines = log.lines().skip_while(|line| line.trim_end() != first).skip(1).map(str::trim_end);
        for line in lines.take_while(|line| !is_statistics(line)) {
            if line.ends_with(':') && !line.starts_with(' ') {
                heading = line;
            } else if let Some((_, body)) = sections.iter_mut().find(|(name, _)| *name == heading) {
                body.push(line.trim());
            }
        }
        let [(_, reason), (_, at), (_, suggestion)] = sections;
        self.reason = paragraph(&reason);
        self.suggestion = paragraph(&suggestion);
        if let Some(blamed) = at.iter().find_map(|line| number_after(line, "insn "))
            && self.instruction != Some(blamed)
        {
            self.instruction = Some(blamed);
            self.source = source_of(blamed, log);
        }
        if self.message.is_none() {
            self.message = first.strip_prefix(VERIFICATION_FAILED).map(|m| m.trim().to_owned());
        }
    }
}

const VERIFICATION_FAILED: &str = "Verification failed:";

impl SourceLine {
    fn read(comment: &str) -> Self {
        if let Some((text, place)) = comment.rsplit_once(" @ ")
            && let Some((file, line)) = place.rsplit_once(':')
            && let Ok(line) = line.parse()
        {
            return Self { text: text.to_owned(), place: Some((file.to_owned(), line)) };
        }
        Self { text: comment.to_owned(), place: None }
    }
}

fn paragraph(lines: &[&str]) -> Option<String> {
    let text = lines.iter().filter(|line| !line.is_empty()).copied().collect::<Vec<_>>().join(" ");
    (!text.is_empty()).then_some(text)
}

/// The number of an instruction's line: `5: (85) call bpf_map_lookup_elem#1`.
fn instruction(line: &str) -> Option<u32> {
    let (number, rest) = line.split_once(": (")?;
    let (opcode, _) = rest.split_once(") ").or_else(|| rest.split_once(')'))?;
    (opcode.len() == 2 && opcode.bytes().all(|b| b.is_ascii_hexdigit())).then(|| number.parse().ok()).flatten()
}

/// The source line in force at the last line of instruction `blamed`.
fn source_of(blamed: u32, log: &str) -> Option<SourceLine> {
    let mut source = None;
    let mut found = None;
    for line in log.lines() {
        if instruction(line) == Some(blamed) {
            found.clone_from(&source);
        } else if let Some(comment) = line.strip_prefix("; ") {
            source = Some(SourceLine::read(comment.trim_end()));
        }
    }
    found
}

/// Lines about registers and about the verifier's way, not about what is wrong.
fn is_state(line: &str) -> bool {
    const STARTS: &[&str] = &[
        "from ",
        "last_idx ",
        "parent ",
        "regs=",
        "mark_precise:",
        "propagating ",
        "func#",
        "Func#",
        "Live regs",
        "caller:",
        "callee:",
        "frame ",
        "returning from",
        "to caller at",
        "Validating ",
        "processed_insns",
        "arg#",
        "R0=",
        "R1=",
        "reg type unsupported for arg#",
        "math between fp",
    ];
    // `5: R0=inv2 R10=fp0`, ` R0=inv2 R10=fp0`, `5: safe`, `frame1: R1=...`
    let after_number = line
        .split_once(':')
        .filter(|(number, _)| number.strip_prefix("frame").unwrap_or(number).parse::<u32>().is_ok());
    if let Some((_, rest)) = after_number {
        let rest = rest.trim_start();
        return rest.is_empty()
            || rest.starts_with('R')
            || rest.starts_with("frame")
            || rest.starts_with("safe")
            || rest.starts_with('(');
    }
    if line.starts_with("arg#") || line.starts_with("reg type") || line.starts_with("math between") {
        return false;
    }
    STARTS.iter().any(|start| line.starts_with(start)) || line.starts_with(" R") || line.starts_with(' ')
}

/// The figures at the end.
fn is_statistics(line: &str) -> bool {
    ["processed ", "verification time ", "stack depth ", "mark_precise ", "max_states_per_insn ", "insns processed"]
        .iter()
        .any(|start| line.starts_with(start))
}

/// Where the message itself names the instruction to blame.
fn instruction_in_message(message: &str) -> Option<u32> {
    ["at insn ", "from insn ", "unreachable insn ", "alloc_insn=", "on insn "]
        .iter()
        .find_map(|before| number_after(message, before))
}

/// Messages about the program as a whole.
fn names_no_instruction(message: &str) -> bool {
    ["too large", "too complex", "too many", "Too large", "is too deep"].iter().any(|part| message.contains(part))
}

fn number_after(text: &str, before: &str) -> Option<u32> {
    let (_, rest) = text.split_once(before)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
