//! Maps: what their clauses say, and whether the kernel makes such a map.

use std::sync::Arc;

use super::clause::{Clauses, Rule};
use super::declarer::Declarer;
use super::scope::Scope;
use crate::check::constant;
use crate::check::type_syntax;
use crate::check::typed::Map;
use crate::check::types::{DataType, IntType};
use crate::diagnostic::catalogue::{
    MAP_FLAG, MAP_KEY, MAP_KIND_NOT_AVAILABLE, MAP_SIZE, MAP_VALUE, MISSING_MAP_CLAUSE, NEEDS_NEWER_KERNEL,
    UNKNOWN_MAP_KIND,
};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::expand::form::{Clause, Definition, Ident};
use crate::kernel::map_flag::{self, FLAGS};
use crate::kernel::map_kind::{KeyRule, ValueRule};
use crate::kernel::{KernelVersion, MapKind};
use crate::source::Span;

static RULES: &[Rule] = &[
    Rule { name: "key-type", example: "(key-type :u32)", repeats: false },
    Rule { name: "value-type", example: "(value-type :u64)", repeats: false },
    Rule { name: "max-entries", example: "(max-entries 1024)", repeats: false },
    Rule { name: "flags", example: "(flags :no-prealloc)", repeats: false },
    Rule { name: "pinning", example: "(pinning :by-name)", repeats: false },
];

static STACK_TRACE_RULES: &[Rule] = &[
    Rule { name: "max-entries", example: "(max-entries 1024)", repeats: false },
    Rule { name: "pinning", example: "(pinning :by-name)", repeats: false },
];

/// Addresses of a stack at most (`PERF_MAX_STACK_DEPTH`, which `kernel.perf_event_max_stack` is unless it is set).
const STACK_DEPTH: u32 = 127;

static RING_BUFFER_RULES: &[Rule] = &[
    Rule { name: "size", example: "(size (* 256 1024))", repeats: false },
    Rule { name: "pinning", example: "(pinning :by-name)", repeats: false },
];

/// Bytes of a ring buffer at least: a page, of the largest that our targets have.
const SMALLEST_RING: u32 = 4096;
/// Bytes of a ring buffer at most: the largest power of two that the kernel takes (`RINGBUF_MAX_DATA_SZ` in `kernel/bpf/ringbuf.c`).
const LARGEST_RING: u32 = 1 << 31;

/// Bytes of a key at most (`MAX_BPF_STACK`: programs hold keys on their stack).
const MAXIMUM_KEY: u32 = 512;
/// Bytes after the prefix length of a trie's key at most (`LPM_DATA_SIZE_MAX` in `kernel/bpf/lpm_trie.c`).
const MAXIMUM_PREFIX: u32 = 256;
/// Bytes of a per-CPU value at most (`PCPU_MIN_UNIT_SIZE`).
const MAXIMUM_PER_CPU: u32 = 32 << 10;

impl Declarer<'_, '_> {
    /// The map of a definition, for a unit that must load on `min_kernel`.
    pub(super) fn declare_map(
        &mut self,
        definition: &Definition,
        kind: &Ident,
        clauses: &[Clause],
        min_kernel: KernelVersion,
    ) -> Option<Map> {
        if *kind.name == *"histogram" {
            return self.declare_histogram(definition, clauses);
        }
        let known = self.map_kind(kind)?;
        if known == MapKind::RingBuf {
            return self.declare_ring_buffer(definition, kind, clauses, min_kernel);
        }
        if known == MapKind::StackTrace {
            return self.declare_stack_trace(definition, clauses);
        }
        let clauses = Clauses::new(clauses, RULES, "a map", self.diagnostics);
        let name = &definition.name;
        if known.since() > min_kernel {
            self.report(newer(kind.span, &format!("`:{}` maps", known.keyword()), known.since(), min_kernel));
        }
        let mut key = self.clause_type(definition, &clauses, "key-type");
        let mut value = self.clause_type(definition, &clauses, "value-type");
        let mut max_entries = self.max_entries(definition, &clauses);
        let mut missing = vec!["key-type", "value-type", "max-entries"];
        missing.retain(|clause| clauses.get(clause).is_none());
        if matches!(known.facts().value, ValueRule::Program | ValueRule::Buffer) {
            // There is no choice.
            missing.retain(|clause| *clause == "max-entries");
            let number = || Some((DataType::Int(IntType::U32), kind.span));
            (key, value) = (key.or_else(number), value.or_else(number));
        }
        if known.facts().value == ValueRule::Buffer && !missing.is_empty() {
            // As many as there are CPUs, which is known only where it is loaded.
            missing.clear();
            max_entries = Some(0);
        }
        if !missing.is_empty() && !clauses.has_unknown() {
            self.report(missing_clauses(name, known, &missing));
        }
        if let (Some((key, span)), rule) = (&key, known.facts().key) {
            self.check_key(known, rule, key, *span);
        }
        if let (Some((value, span)), rule) = (&value, known.facts().value) {
            self.check_value(known, rule, value, *span, min_kernel);
        }
        let flags = self.map_flags(known, &clauses, min_kernel);
        let pin_by_name = self.pinning(&clauses);
        Some(Map {
            name: name.name.clone(),
            span: name.span,
            doc: definition.doc.clone(),
            kind: known,
            key: key?.0,
            value: value?.0,
            max_entries: max_entries?,
            flags,
            pin_by_name,
            events: Vec::new(),
            hidden: None,
            histogram: None,
        })
    }

    /// Its keys are numbers that the kernel gives, its values stacks.
    fn declare_stack_trace(&mut self, definition: &Definition, clauses: &[Clause]) -> Option<Map> {
        let clauses = Clauses::new(clauses, STACK_TRACE_RULES, "a map of stacks", self.diagnostics);
        let name = &definition.name;
        let pin_by_name = self.pinning(&clauses);
        if clauses.get("max-entries").is_none() {
            let message = format!("the map `{}` has no `max-entries`", name.name);
            self.report(
                Diagnostic::error(MISSING_MAP_CLAUSE, name.span, message)
                    .with_help("add `(max-entries 1024)`: how many stacks it keeps"),
            );
            return None;
        }
        Some(Map {
            name: name.name.clone(),
            span: name.span,
            doc: definition.doc.clone(),
            kind: MapKind::StackTrace,
            key: DataType::Int(IntType::U32),
            value: DataType::Array(Arc::new(DataType::Int(IntType::U64)), STACK_DEPTH),
            max_entries: self.max_entries(definition, &clauses)?,
            flags: 0,
            pin_by_name,
            events: Vec::new(),
            hidden: None,
            histogram: None,
        })
    }

    fn declare_ring_buffer(
        &mut self,
        definition: &Definition,
        kind: &Ident,
        clauses: &[Clause],
        min_kernel: KernelVersion,
    ) -> Option<Map> {
        let clauses = Clauses::new(clauses, RING_BUFFER_RULES, "a ring buffer", self.diagnostics);
        let name = &definition.name;
        let since = MapKind::RingBuf.since();
        if since > min_kernel {
            self.report(newer(kind.span, "`:ringbuf` maps", since, min_kernel));
        }
        let pin_by_name = self.pinning(&clauses);
        let Some(clause) = clauses.get("size") else {
            self.report(
                Diagnostic::error(
                    MISSING_MAP_CLAUSE,
                    name.span,
                    format!("the ring buffer `{}` has no `size`", name.name),
                )
                .with_help("add `(size (* 256 1024))`: bytes that may wait for user space"),
            );
            return None;
        };
        let expr = clauses.value(clause, self.diagnostics)?;
        let value = constant::of_expression(self, definition.program, expr)?;
        let size = u32::try_from(value).ok().filter(|size| size.is_power_of_two() && *size >= SMALLEST_RING);
        let Some(size) = size else {
            let near = u32::try_from(value.max(1)).ok().and_then(u32::checked_next_power_of_two);
            let near = near.unwrap_or(LARGEST_RING).max(SMALLEST_RING);
            self.report(
                Diagnostic::error(MAP_SIZE, expr.span, format!("a ring buffer can't have {value} bytes")).with_help(
                    format!("its size is a power of 2, from {SMALLEST_RING} to {LARGEST_RING}: write `(size {near})`"),
                ),
            );
            return None;
        };
        Some(Map {
            name: name.name.clone(),
            span: name.span,
            doc: definition.doc.clone(),
            kind: MapKind::RingBuf,
            key: DataType::NOTHING,
            value: DataType::NOTHING,
            max_entries: size,
            flags: 0,
            pin_by_name,
            events: Vec::new(),
            hidden: None,
            histogram: None,
        })
    }

    fn map_kind(&mut self, kind: &Ident) -> Option<MapKind> {
        let known = MapKind::from_keyword(&kind.name);
        if known.is_none() {
            self.report(if MapKind::is_not_available_yet(&kind.name) {
                Diagnostic::error(
                    MAP_KIND_NOT_AVAILABLE,
                    kind.span,
                    format!("maps of the kind `:{}` are not available yet", kind.name),
                )
                .with_help(format!("there are {}", kinds()))
            } else {
                let error =
                    Diagnostic::error(UNKNOWN_MAP_KIND, kind.span, format!("there is no kind of map `:{}`", kind.name));
                let known = MapKind::all().map(MapKind::keyword).chain(["histogram"]);
                match suggestion::closest(&kind.name, known) {
                    Some(close) => error.with_help(format!("did you mean `:{close}`?")),
                    None => error.with_help(format!("there are {}", kinds())),
                }
            });
        }
        known
    }

    /// The type in a clause, and where it stands.
    pub(super) fn clause_type(
        &mut self,
        definition: &Definition,
        clauses: &Clauses<'_>,
        name: &str,
    ) -> Option<(DataType, Span)> {
        let clause = clauses.get(name)?;
        let (Some(first), Some(last)) = (clause.arguments.first(), clause.arguments.last()) else {
            let error = clauses.malformed(clause, format!("`{name}` is empty"), clause.span);
            self.report(error);
            return None;
        };
        let ty = type_syntax::data_type(self, definition.program, &clause.arguments, clause.span)?;
        Some((ty, first.span.to(last.span)))
    }

    pub(super) fn max_entries(&mut self, definition: &Definition, clauses: &Clauses<'_>) -> Option<u32> {
        let clause = clauses.get("max-entries")?;
        let expr = clauses.value(clause, self.diagnostics)?;
        let value = constant::of_expression(self, definition.program, expr)?;
        match u32::try_from(value) {
            Ok(count) if count > 0 => Some(count),
            _ => {
                self.report(
                    Diagnostic::error(MAP_SIZE, expr.span, format!("a map can't have {value} entries"))
                        .with_help("`max-entries` is from 1 to 4294967295"),
                );
                None
            }
        }
    }

    fn check_key(&mut self, kind: MapKind, rule: KeyRule, key: &DataType, span: Span) {
        let (bytes, align) = self.types.layout(key);
        let keyword = kind.keyword();
        let error = |message: String, help: String| Some(Diagnostic::error(MAP_KEY, span, message).with_help(help));
        let problem = match rule {
            KeyRule::Index | KeyRule::Number if *key != DataType::Int(IntType::U32) => error(
                format!("the keys of a `:{keyword}` map are of type `:u32`"),
                if rule == KeyRule::Index {
                    "they are the numbers from 0 to `max-entries` - 1: write `(key-type :u32)`, or make it a `:hash`"
                        .to_owned()
                } else {
                    "write `(key-type :u32)`".to_owned()
                },
            ),
            KeyRule::Index | KeyRule::Number | KeyRule::None => None,
            KeyRule::Any if bytes > MAXIMUM_KEY => error(
                format!("this key has {bytes} bytes"),
                format!("a key has at most {MAXIMUM_KEY}; take a hash of it, or only what tells entries apart"),
            ),
            KeyRule::Any => None,
            KeyRule::Prefix if bytes > MAXIMUM_PREFIX => error(
                format!("this key has {bytes} bytes"),
                format!("a key of an `:lpm-trie` has at most {MAXIMUM_PREFIX}"),
            ),
            KeyRule::Prefix => match key {
                DataType::Int(int) if int.bits > 8 => error(
                    format!("prefixes of a `:{int}` would be compared in the machine's byte order"),
                    match int.bits {
                        32 => {
                            "take `:ipv4-addr` for addresses, or `:be32` for other numbers: first byte first".to_owned()
                        }
                        bits => format!("take `:be{bits}`: first byte first"),
                    },
                ),
                _ if align > 4 => error(
                    "the kernel keeps this key 4 bytes after a multiple of 8, where it can't be read".to_owned(),
                    "take parts of at most 4 bytes, or `(array u8 8)`".to_owned(),
                ),
                _ => None,
            },
        };
        if let Some(problem) = problem {
            self.report(problem);
        }
    }

    fn check_value(&mut self, kind: MapKind, rule: ValueRule, value: &DataType, span: Span, min_kernel: KernelVersion) {
        let bytes = self.types.size(value);
        let number = *value == DataType::Int(IntType::U32);
        match rule {
            ValueRule::Any if kind.is_per_cpu() && bytes > MAXIMUM_PER_CPU => self.report(
                Diagnostic::error(MAP_VALUE, span, format!("this value has {bytes} bytes"))
                    .with_help(format!("a value for each CPU has at most {MAXIMUM_PER_CPU}")),
            ),
            ValueRule::Any | ValueRule::Stack | ValueRule::None => {}
            ValueRule::Program | ValueRule::Buffer => {
                if !number {
                    let what = if rule == ValueRule::Program { "programs" } else { "buffers of the CPUs" };
                    self.report(
                        Diagnostic::error(
                            MAP_VALUE,
                            span,
                            format!("this can't be the value of a `:{}`", kind.keyword()),
                        )
                        .with_help(format!("leave it out: the values are {what}, which user space puts there")),
                    );
                }
            }
            ValueRule::Device(since) => {
                let with_program = matches!(value, DataType::Struct(_)) && bytes == 8;
                if with_program && since > min_kernel {
                    let what = format!("`:{}` maps whose values hold a program", kind.keyword());
                    self.report(newer(span, &what, since, min_kernel));
                } else if !number && !with_program {
                    self.report(
                        Diagnostic::error(MAP_VALUE, span, format!("this can't be the value of a `:{}`", kind.keyword()))
                            .with_help(match kind {
                                MapKind::CpuMap => {
                                    "write `(value-type :u32)`, the length of a CPU's queue, or a struct of it and a program's descriptor"
                                }
                                _ => {
                                    "write `(value-type :u32)`, the index of an interface, or a struct of it and a program's descriptor"
                                }
                            }),
                    );
                }
            }
            ValueRule::Socket => {
                if !number {
                    self.report(
                        Diagnostic::error(
                            MAP_VALUE,
                            span,
                            format!("this can't be the value of an `:{}`", kind.keyword()),
                        )
                        .with_help("write `(value-type :u32)`: user space puts sockets there"),
                    );
                }
            }
        }
    }

    /// The flags of a map, with those its kind requires.
    fn map_flags(&mut self, kind: MapKind, clauses: &Clauses<'_>, min_kernel: KernelVersion) -> u32 {
        let required = kind.facts().required_flags;
        let Some(clause) = clauses.get("flags") else { return required };
        if clause.arguments.is_empty() {
            let error = clauses.malformed(clause, "`flags` is empty", clause.span);
            self.report(error);
        }
        let mut flags = required;
        for argument in &clause.arguments {
            let Some(name) = argument.as_keyword() else {
                let error = clauses.malformed(clause, "`flags` takes keywords", argument.span);
                self.report(error);
                continue;
            };
            let Some(flag) = map_flag::by_name(name) else {
                let error = Diagnostic::error(MAP_FLAG, argument.span, format!("there is no flag `:{name}`"));
                let names = || FLAGS.iter().map(|flag| flag.name);
                self.report(match suggestion::closest(name, names()) {
                    Some(close) => error.with_help(format!("did you mean `:{close}`?")),
                    None => {
                        let names: Vec<_> = names().map(|name| format!("`:{name}`")).collect();
                        error.with_help(format!("there are {}", names.join(", ")))
                    }
                });
                continue;
            };
            if !flag.kinds.contains(&kind) {
                let takers: Vec<_> = flag.kinds.iter().map(|kind| format!("`:{}`", kind.keyword())).collect();
                self.report(
                    Diagnostic::error(
                        MAP_FLAG,
                        argument.span,
                        format!("a `:{}` map does not take the flag `:{name}`", kind.keyword()),
                    )
                    .with_help(format!("it is for {}", takers.join(", "))),
                );
            } else if flag.since > min_kernel {
                self.report(newer(argument.span, &format!("the flag `:{name}`"), flag.since, min_kernel));
            } else if let Some(other) = excludes(flag.bit, flags) {
                self.report(
                    Diagnostic::error(
                        MAP_FLAG,
                        argument.span,
                        format!("`:{other}` and `:{name}` leave nothing that may be done with the map"),
                    )
                    .with_help("keep one of them"),
                );
            } else {
                flags |= flag.bit;
            }
        }
        flags
    }

    pub(super) fn pinning(&mut self, clauses: &Clauses<'_>) -> bool {
        let Some(clause) = clauses.get("pinning") else { return false };
        let Some(how) = clauses.keyword(clause, self.diagnostics) else { return false };
        if *how.name == *"by-name" {
            return true;
        }
        let error = clauses.malformed(clause, format!("there is no pinning `:{}`", how.name), how.span);
        self.report(error);
        false
    }
}

/// The flag among `flags` that the kernel does not take together with `bit`.
fn excludes(bit: u32, flags: u32) -> Option<&'static str> {
    let other = match bit {
        map_flag::RDONLY => map_flag::WRONLY,
        map_flag::WRONLY => map_flag::RDONLY,
        map_flag::RDONLY_PROG => map_flag::WRONLY_PROG,
        map_flag::WRONLY_PROG => map_flag::RDONLY_PROG,
        _ => return None,
    };
    if flags & other == 0 {
        return None;
    }
    FLAGS.iter().find(|flag| flag.bit == other).map(|flag| flag.name)
}

/// Every kind, for a message.
fn kinds() -> String {
    let kinds = MapKind::all().map(MapKind::keyword).chain(["histogram"]);
    kinds.map(|keyword| format!("`:{keyword}`")).collect::<Vec<_>>().join(", ")
}

fn missing_clauses(name: &Ident, kind: MapKind, missing: &[&str]) -> Diagnostic {
    let list: Vec<_> = missing.iter().map(|clause| format!("`{clause}`")).collect();
    let message = format!("the map `{}` has no {}", name.name, list.join(" and no "));
    missing.iter().fold(Diagnostic::error(MISSING_MAP_CLAUSE, name.span, message), |error, clause| {
        error.with_help(match *clause {
            "key-type" if kind.facts().key == KeyRule::Prefix => "add `(key-type :ipv4-addr)`",
            "key-type" => "add `(key-type :u32)`",
            "value-type" => "add `(value-type :u64)`",
            _ => "add `(max-entries 1024)`",
        })
    })
}

/// The message for something newer than the oldest kernel.
pub(in super::super) fn newer(span: Span, what: &str, since: KernelVersion, min_kernel: KernelVersion) -> Diagnostic {
    Diagnostic::error(NEEDS_NEWER_KERNEL, span, format!("{what} came with Linux {since}"))
        .with_label(format!("but this must load on {min_kernel}"))
        .with_help(format!("write `(min-kernel \"{since}\")`"))
}
