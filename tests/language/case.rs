//! Cases: a text, and what its comments expect of it.
//!
//! | comment | meaning |
//! |---|---|
//! | `;; error[ESK0701]: text`, `;; warning[…]: text` | the message with this code is at this line, and its text holds `text` |
//! | `;; ^ error[ESK0701]: text` | the same, at the nearest line above that is no such comment |
//! | `;; at 3: error[ESK0104]: text` | the same, at line 3 |
//! | `;; min-kernel: 5.12` | the case needs this kernel; without it, it must run on every kernel from 4.18 on |
//! | `;; architecture: riscv64` | the case is compiled for this little-endian machine, `other` for one that is not known |
//! | `;; program-types: xdp, tc` | the types of programs that the case is put into, `xdp` where it does not say |
//! | `;; fill MAP KEY = VALUE` | what user space puts into a map before the first run, as bytes in hexadecimal |
//! | `;; packet: eth / ipv4 10.0.0.1 10.0.0.2` | the packet of this run ([`crate::packet`]); a small one without it |
//! | `;; given: i64 -7, u64 3` | the arguments of `test` in this run, which the compiler can't know |
//! | `;; returns: 6` | what `test` gives in this run: a number of 64 bits, `true` or `false` |
//! | `;; verdict: xdp-drop` | what the program decides in this run |
//! | `;; leaves: eth / …` | the packet as the program leaves it |
//! | `;; map MAP KEY = VALUE` | the bytes of a map after this run, or `absent` |
//! | `;; events MAP = VALUE, VALUE` | the bytes of each event that this run sent through a ring buffer, or the buffers of the CPUs, in order; nothing where there are none |
//!
//! What a run is given stands before what it gives; the next `packet` or `given` begins another run.
//!
//! A text without `define-ebpf-program` is definitions, among them that of `test`, which takes the context or nothing, and then what is given.
//! It is put into a program that keeps what `test` gives.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use eshkol_core::diagnostic::{Diagnostic, Severity};
use eshkol_core::include::Files;
use eshkol_core::kernel::ProgramType;
use eshkol_core::source::{SourceId, Sources};
use eshkol_core::{Architecture, Compilation, Endianness, Options, compile};

/// A file of `pass/` or `fail/`.
pub(crate) struct Case {
    /// Its name without the extension.
    pub(crate) name: String,
    /// Its text as it stands there.
    pub(crate) text: String,
    /// The messages it expects.
    pub(crate) messages: Vec<Message>,
    /// The oldest kernel that can run it.
    pub(crate) min_kernel: Option<String>,
    /// The machine that it is compiled for, where that is said.
    pub(crate) architecture: Option<Architecture>,
    /// The types of programs that a text without program is put into, or that of its first program.
    pub(crate) program_types: Vec<ProgramType>,
    /// What is put into maps before the first run.
    pub(crate) fill: Vec<Entry>,
    /// Its runs, in this order, with the maps as the run before leaves them.
    pub(crate) runs: Vec<Run>,
}

/// An expected message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Message {
    /// 1-based.
    pub(crate) line: usize,
    /// `error` or `warning`.
    pub(crate) severity: String,
    /// `ESK0701`.
    pub(crate) code: String,
    /// A part of its text.
    pub(crate) text: String,
}

/// An entry of a map, as bytes.
pub(crate) struct Entry {
    pub(crate) map: String,
    pub(crate) key: Vec<u8>,
    /// `None`: there is no such entry.
    pub(crate) value: Option<Vec<u8>>,
}

/// One run and what it gives.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) packet: Option<String>,
    /// Types and bits of the arguments.
    pub(crate) given: Vec<(String, u64)>,
    /// The bits of a number.
    pub(crate) returns: Option<u64>,
    pub(crate) verdict: Option<String>,
    pub(crate) leaves: Option<String>,
    pub(crate) maps: Vec<Entry>,
    /// Of ring buffers: what each was sent.
    pub(crate) events: Vec<(String, Vec<Vec<u8>>)>,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}[{}]: {}", self.line, self.severity, self.code, self.text)
    }
}

/// What a run without a packet runs on.
pub(crate) const SMALL_PACKET: &str = "eth / hex 0102030405060708090a0b0c0d0e0f10";

impl Case {
    /// Whether the text is a whole unit.
    pub(crate) fn is_unit(&self) -> bool {
        self.text.contains("define-ebpf-program")
    }

    /// Whether `test` takes the context.
    fn takes_context(&self) -> bool {
        self.text.contains("(define (test ctx)") || self.text.contains("(define (test ctx ")
    }

    /// Whether what came through a map is this event. Buffers of the CPUs give it filled up, so that with 4 bytes before it, it is a multiple of 8.
    pub(crate) fn is_event(&self, map: &str, given: &[u8], event: &[u8]) -> bool {
        let filled_up = self.text.contains(&format!("(define-map {map} :perf-event-array"));
        let size = if filled_up { (event.len() + 4).next_multiple_of(8) - 4 } else { event.len() };
        given.len() == size && given.starts_with(event)
    }

    /// Whether `test` gives a boolean.
    pub(crate) fn gives_boolean(&self) -> bool {
        self.text.contains(";; returns: true") || self.text.contains(";; returns: false")
    }

    /// The text as it is compiled. The case's own lines stay where they are.
    pub(crate) fn unit(&self, min_kernel: &str, program_type: ProgramType) -> String {
        if self.is_unit() {
            return self.text.clone();
        }
        let value_type = if self.gives_boolean() { "bool" } else { "u64" };
        let context = if self.takes_context() { " ctx" } else { "" };
        let given = self.runs.first().map_or(&[][..], |run| &run.given);
        let arguments: String = (0..)
            .zip(given)
            .map(|(index, (ty, _))| format!(" (the {ty} (or (map-lookup {GIVEN} {index}) 0))"))
            .collect();
        let call = format!("(test{context}{arguments})");
        let keyword = program_type.keyword();
        let verdict = pass(program_type);
        format!(
            "{}
(define-map {GIVEN} :array (key-type u32) (value-type u64) (max-entries 8))
(define-map {RESULT} :array (key-type u32) (value-type {value_type}) (max-entries 1))
(define-ebpf-program language-case
  (license \"GPL\")
  (program-type :{keyword})
  (min-kernel \"{min_kernel}\")
  (define (run-case ctx)
    (map-update {RESULT} 0 {call})
    {verdict}))
",
            self.text
        )
    }
}

/// What a program returns that lets a packet through.
pub(crate) fn pass(program_type: ProgramType) -> &'static str {
    match program_type {
        ProgramType::Xdp => ":xdp-pass",
        ProgramType::Tc => ":tc-act-ok",
        ProgramType::Tcx => ":tcx-pass",
        ProgramType::CgroupSkb => ":allow",
        _ => "-1",
    }
}

/// The map that keeps what `test` gives.
pub(crate) const RESULT: &str = "case-result";

/// The map that holds what `test` is given.
pub(crate) const GIVEN: &str = "case-given";

/// A compiled text, with the texts that its messages point into.
pub(crate) struct Compiled {
    pub(crate) sources: Sources,
    pub(crate) source: SourceId,
    pub(crate) compilation: Compilation,
}

/// Compiles a text that may include files beside it.
pub(crate) fn compile_text(directory: &str, name: &str, text: &str, options: Options) -> Compiled {
    let mut sources = Sources::new();
    let source = sources.add(format!("{name}.esh"), text);
    let mut files = Files::new(|path| fs::read(path), cases(directory));
    files.know(&format!("{name}.esh"), &cases(directory).join(format!("{name}.esh")));
    let compilation = compile(&mut sources, source, &mut files, options);
    Compiled { sources, source, compilation }
}

impl Compiled {
    /// The messages as a case would expect them; those in other texts have line 0.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.compilation.diagnostics.iter().map(|diagnostic| self.message(diagnostic)).collect()
    }

    fn message(&self, diagnostic: &Diagnostic) -> Message {
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let line = if diagnostic.span.source == self.source {
            usize::try_from(self.sources.location(diagnostic.span).line).unwrap()
        } else {
            0
        };
        Message {
            line,
            severity: severity.to_owned(),
            code: diagnostic.code.to_string(),
            text: diagnostic.message.clone(),
        }
    }

    /// What is different from the messages a case expects; nothing where all is as it says.
    pub(crate) fn unlike(&self, expected: &[Message]) -> Vec<String> {
        let mut missing: Vec<&Message> = expected.iter().collect();
        let mut failures = Vec::new();
        for message in self.messages() {
            let matching = missing.iter().position(|expected| {
                (expected.line, &expected.severity, &expected.code) == (message.line, &message.severity, &message.code)
                    && message.text.contains(&expected.text)
            });
            match matching {
                Some(index) => drop(missing.remove(index)),
                None => failures.push(format!("not expected: {message}")),
            }
        }
        failures.extend(missing.iter().map(|message| format!("not given: {message}")));
        failures
    }
}

fn cases(directory: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language").join(directory)
}

/// All cases of a directory, by name.
pub(crate) fn all(directory: &str) -> Vec<Case> {
    let filter = std::env::var("ESHKOL_CASE").unwrap_or_default();
    let entries = fs::read_dir(cases(directory)).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "esh")).collect();
    paths.sort();
    let cases = paths.into_iter().map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        parse(name, text)
    });
    cases.filter(|case| case.name.contains(&filter)).collect()
}

fn parse(name: String, text: String) -> Case {
    let mut case = Case {
        name,
        text: String::new(),
        messages: Vec::new(),
        min_kernel: None,
        architecture: None,
        program_types: program_types(&text, "(program-type :"),
        fill: Vec::new(),
        runs: Vec::new(),
    };
    let mut code_line = 0;
    for (line, content) in (1..).zip(text.lines()) {
        let mut parts = content.split(";; ");
        if parts.next().is_some_and(|code| !code.trim().is_empty()) {
            code_line = line;
        }
        for part in parts {
            case.comment(part.trim(), line, code_line);
        }
    }
    if case.runs.is_empty() {
        case.runs.push(Run::default());
    }
    if case.program_types.is_empty() {
        case.program_types = vec![ProgramType::Xdp];
    }
    case.text = text;
    case
}

/// The type of the first program of a text that has one.
fn program_types(text: &str, clause: &str) -> Vec<ProgramType> {
    let after = text.split(clause).nth(1);
    let keyword = after.and_then(|rest| rest.split(')').next());
    keyword.and_then(ProgramType::from_keyword).into_iter().collect()
}

impl Run {
    /// Whether it is said what it gives.
    fn is_expected(&self) -> bool {
        let more = !self.maps.is_empty() || !self.events.is_empty();
        self.returns.is_some() || self.verdict.is_some() || self.leaves.is_some() || more
    }
}

impl Case {
    fn comment(&mut self, comment: &str, line: usize, code_line: usize) {
        let (line, rest) = match (comment.strip_prefix("^ "), comment.strip_prefix("at ")) {
            (Some(rest), _) => (code_line, rest),
            (_, Some(rest)) => match rest.split_once(": ").map(|(line, rest)| (line.parse(), rest)) {
                Some((Ok(line), rest)) => (line, rest),
                _ => (line, comment),
            },
            _ => (line, comment),
        };
        if let Some(message) = message(line, rest) {
            self.messages.push(message);
            return;
        }
        if let Some(entry) = comment.strip_prefix("fill ") {
            self.fill.push(entry_of(entry));
        } else if let Some(entry) = comment.strip_prefix("map ") {
            self.run().maps.push(entry_of(entry));
        } else if let Some(events) = comment.strip_prefix("events ") {
            let (map, events) = events.split_once('=').expect("MAP = VALUE, …");
            let events = events.split(',').map(bytes).filter(|event| !event.is_empty()).collect();
            self.run().events.push((map.trim().to_owned(), events));
        }
        let Some((key, value)) = comment.split_once(": ") else { return };
        let value = value.trim();
        match key {
            "min-kernel" => self.min_kernel = Some(value.to_owned()),
            "architecture" => self.architecture = Some(Architecture::find(value, Endianness::Little)),
            "program-types" => self.program_types = value.split(", ").filter_map(ProgramType::from_keyword).collect(),
            "packet" => self.next_run().packet = Some(value.to_owned()),
            "given" => self.next_run().given = value.split(", ").map(argument).collect(),
            "returns" => self.run().returns = Some(number(value)),
            "verdict" => self.run().verdict = Some(value.to_owned()),
            "leaves" => self.run().leaves = Some(value.to_owned()),
            _ => {}
        }
    }

    /// The run whose expectations are being read.
    fn run(&mut self) -> &mut Run {
        if self.runs.is_empty() {
            self.runs.push(Run::default());
        }
        self.runs.last_mut().unwrap()
    }

    /// The run whose inputs are being read.
    fn next_run(&mut self) -> &mut Run {
        if self.run().is_expected() {
            self.runs.push(Run::default());
        }
        self.run()
    }
}

/// `error[ESK0701]: text`
fn message(line: usize, comment: &str) -> Option<Message> {
    let (severity, rest) = comment.split_once('[')?;
    let (code, text) = rest.split_once(']')?;
    if !matches!(severity, "error" | "warning") {
        return None;
    }
    let text = text.trim_start_matches(':').trim();
    Some(Message { line, severity: severity.to_owned(), code: code.to_owned(), text: text.to_owned() })
}

/// `MAP KEY = VALUE`
fn entry_of(text: &str) -> Entry {
    let (place, value) = text.split_once('=').expect("MAP KEY = VALUE");
    let (map, key) = place.trim().split_once(' ').expect("MAP KEY = VALUE");
    let value = value.trim();
    Entry { map: map.to_owned(), key: bytes(key), value: (value != "absent").then(|| bytes(value)) }
}

/// Bytes in hexadecimal, blanks between them or not.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|digit| u8::try_from(digit.to_digit(16).expect("a hexadecimal digit")).unwrap())
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte in {text}");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// `i64 -7`
fn argument(text: &str) -> (String, u64) {
    let (ty, value) = text.split_once(' ').expect("TYPE VALUE");
    (ty.to_owned(), number(value))
}

/// The bits of a number, signed or not, or of a boolean.
fn number(text: &str) -> u64 {
    let digits = text.replace('_', "");
    let parsed = match digits.as_str() {
        "true" => Some(1),
        "false" => Some(0),
        digits => match digits.strip_prefix("0x") {
            Some(digits) => i128::from_str_radix(digits, 16).ok(),
            None => digits.parse().ok(),
        },
    };
    let number = parsed.unwrap_or_else(|| panic!("`{text}` is not a number"));
    match i64::try_from(number) {
        Ok(number) => number.cast_unsigned(),
        Err(_) => u64::try_from(number).unwrap_or_else(|_| panic!("`{text}` has more than 64 bits")),
    }
}
