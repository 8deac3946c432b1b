//! Packets: parsing headers, reading and writing their fields, going on to what they carry.

use super::super::access::packet_is_read_only;
use super::super::checker::Checker;
use super::super::declare::Declared;
use super::super::flow::Epoch;
use super::super::range::Range;
use super::super::typed::{self, ArithmeticOp, ExprKind as Typed, Place, RefTarget, RefType, Region, Type};
use super::super::types::{DataType, IntType};
use super::super::value::{self, Run, Static, Value};
use super::{Builtin, Call};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::expand::form::DefId;
use crate::kernel::ProgramType;
use crate::kernel::packet_header::{self, Header, HeaderField, HeaderLength};
use crate::kernel::program_type::{ContextFieldKind, PacketAccess};
use crate::source::Span;

/// No packet is longer than this (`MAX_PACKET_OFF` in `kernel/bpf/verifier.c`).
const LONGEST_PACKET: i128 = 0xffff;
/// The farthest that one step through a packet may go: an IPv6 extension header of the largest length.
const LONGEST_STEP: i128 = 2048;
/// The farthest that a step of the prelude goes: over all extension headers, once in a packet.
const LONGEST_WALK: i128 = 0x3fff;

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "packet-length", arity: (1, 1), check: packet_length },
    Builtin { name: "advance", arity: (2, 2), check: advance },
    Builtin { name: "ipv6-extensions", arity: (1, 1), check: ipv6_extensions },
];

/// What a procedure of a header does.
enum Procedure {
    Parse(&'static Header),
    Payload(&'static Header),
    Get(&'static Header, &'static HeaderField),
    /// Keeps the header's own checksum right.
    Set(&'static Header, &'static HeaderField),
    /// Leaves it alone.
    Initialise(&'static Header, &'static HeaderField),
}

fn procedure(name: &str) -> Option<Procedure> {
    if let Some(header) = name.strip_prefix("parse-").and_then(|name| name.strip_suffix("-header")) {
        return packet_header::by_name(header).map(Procedure::Parse);
    }
    if let Some(header) = name.strip_suffix("-payload").and_then(packet_header::by_name) {
        // What follows an IPv6 header is found by walking its extensions: the prelude does that.
        return (header.name != "ipv6").then_some(Procedure::Payload(header));
    }
    if let Some((header, field)) = packet_header::by_accessor(name) {
        return Some(Procedure::Get(header, field));
    }
    if let Some((header, field)) = packet_header::by_setter(name) {
        return Some(Procedure::Set(header, field));
    }
    let accessor = name.strip_prefix("init-")?.strip_suffix('!')?;
    packet_header::by_accessor(accessor).map(|(header, field)| Procedure::Initialise(header, field))
}

/// Whether a name is that of a procedure of one of the language's headers.
pub(super) fn is_header_procedure(name: &str) -> bool {
    procedure(name).is_some()
}

/// The names of all procedures of the language's headers.
pub(super) fn names() -> impl Iterator<Item = String> {
    packet_header::HEADERS.iter().flat_map(|header| {
        let name = header.name;
        let fields = header.fields.iter().flat_map(move |field| {
            let field = field.name;
            [format!("{name}-{field}"), format!("set-{name}-{field}!"), format!("init-{name}-{field}!")]
        });
        [format!("parse-{name}-header"), format!("{name}-payload")].into_iter().chain(fields)
    })
}

/// Checks a call of such a procedure.
pub(super) fn header_procedure(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let (span, name) = (call.span, call.name.to_owned());
    let Some(procedure) = procedure(&name) else { return Value::Error(span) };
    let (wanted, what) = match procedure {
        Procedure::Parse(_) => (1, "the context, or a place in the packet"),
        Procedure::Payload(_) | Procedure::Get(..) => (1, "the header"),
        Procedure::Set(..) | Procedure::Initialise(..) => (2, "the header and a value"),
    };
    if call.values.len() != wanted {
        return checker.error(catalogue::WRONG_ARITY, span, format!("`{name}` takes {what}"));
    }
    let [first, second] = call.arguments();
    match procedure {
        Procedure::Parse(header) => {
            begins_packet(checker, header, &first, span);
            checker.parse(header.name, header.size, first, span)
        }
        Procedure::Payload(header) => {
            let Some(reference) = checker.header_argument(header.name, first) else { return Value::Error(span) };
            payload(checker, header, reference, span)
        }
        Procedure::Get(header, field) => {
            let Some(reference) = checker.header_argument(header.name, first) else { return Value::Error(span) };
            Value::Run(load_field(checker, &reference, field, span))
        }
        Procedure::Set(header, field) | Procedure::Initialise(header, field) => {
            let keep = matches!(procedure, Procedure::Set(..));
            let Some(reference) = checker.header_argument(header.name, first) else { return Value::Error(span) };
            if !packet_is_writable(checker, span) {
                return Value::Error(span);
            }
            let Some(value) = checker.store_as(second, &field.ty.data_type()) else { return Value::Error(span) };
            if !fits_bits(checker, field, &value, span) {
                return Value::Error(span);
            }
            let place = field_place(&reference, field);
            let store = |place| Typed::Store { place, storage: field.storage, value: Box::new(value.clone()) };
            if keep && header.checksum().is_some_and(|checksum| checksum.name != field.name) {
                return super::checksum::store_and_update(checker, header, field, reference, value, span);
            }
            Value::run(Type::Unit, span, store(place))
        }
    }
}

/// Warns of a header that is not the one that the packet begins with.
fn begins_packet(checker: &mut Checker<'_>, header: &Header, at: &Value, span: Span) {
    let program = checker.program.program_type;
    let firsts = program.facts().first_headers;
    let Some(first) = firsts.first() else { return };
    let at_start = match at {
        Value::Run(run) => matches!(run.expr.ty, Type::Context(_)),
        Value::Static(Static::PacketStart(..), _) => true,
        _ => false,
    };
    if firsts.contains(&header.name) || !at_start || !checker.flow.reachable || checker.has_moved() {
        return;
    }
    let (name, keyword) = (header.name, program.keyword());
    let message = format!(
        "the packet of an `:{keyword}` program begins with its {first} header, not with {} {name} header",
        article(name)
    );
    let diagnostic = Diagnostic::warning(catalogue::PACKET_BEGINS_WITH_ETHERNET, span, message);
    let diagnostic = if *first != "eth" && matches!(header.name, "eth" | "vlan" | "arp") {
        diagnostic.with_help(format!("what carries the packet is not part of it here: begin with `(parse-{first}-header ctx)`; `(ctx-protocol ctx)` says what it is"))
    } else if packet_header::follows_ethernet(header) {
        diagnostic.with_help(format!(
            "parse that first: `(let ((eth (parse-eth-header ctx))) (and eth (parse-{name}-header (eth-payload eth))))`"
        ))
    } else {
        diagnostic.with_help(format!("parse the headers before it first; what an ipv4 header carries is at `(ipv4-payload ip)`: `(parse-{name}-header (ipv4-payload ip))`"))
    };
    checker.push(diagnostic);
}

fn fits_bits(checker: &mut Checker<'_>, field: &HeaderField, value: &typed::Expr, span: Span) -> bool {
    match (field.storage.bits, &value.kind) {
        (Some((_, width)), Typed::Constant(constant)) if *constant >> width != 0 => {
            let message = format!("{constant} does not fit in the {width} bits of `{}`", field.name);
            checker.error(catalogue::NUMBER_DOES_NOT_FIT, span, message);
            false
        }
        _ => true,
    }
}

/// Whether programs of this type can write to the packet; reports it where not.
pub(super) fn packet_is_writable(checker: &mut Checker<'_>, span: Span) -> bool {
    let program = checker.program.program_type;
    let writable = matches!(program.facts().packet, PacketAccess::Direct { writable: true });
    if !writable {
        checker.push(packet_is_read_only(program, span));
    }
    writable
}

/// Where a field lies.
pub(super) fn field_place(reference: &Run, field: &HeaderField) -> Place {
    Place { base: Box::new(reference.expr.clone()), offset: field.offset, index: None, align: 1 }
}

/// Reads a field.
pub(super) fn load_field(checker: &Checker<'_>, reference: &Run, field: &HeaderField, span: Span) -> Run {
    let data = field.ty.data_type();
    checker.load(field_place(reference, field), field.storage, &data, span)
}

/// The place after a header and its options.
fn payload(checker: &mut Checker<'_>, header: &Header, reference: Run, span: Span) -> Value {
    match header.length {
        HeaderLength::Fixed => checker.advance_by(reference, header.size, span),
        HeaderLength::Words { field, maximum } => {
            let Some(field) = header.field(field) else { return Value::Error(span) };
            let reference = checker.stable_run(reference, header.name);
            let words = load_field(checker, &reference, field, span);
            let Value::Run(two) = Value::literal(2, span) else { return Value::Error(span) };
            let bytes = checker.arithmetic(ArithmeticOp::Shl, words, two, span);
            cursor(reference, bytes.expr, maximum, span)
        }
    }
}

fn cursor(from: Run, bytes: typed::Expr, maximum: u32, span: Span) -> Value {
    let epoch = from.epoch;
    let kind = Typed::Advance { from: Box::new(from.expr), bytes: Box::new(bytes), maximum };
    Value::Run(Run { epoch, ..Run::new(typed::Expr::new(Type::Cursor, span, kind)) })
}

/// How much of the packet lies in one piece, where it can be read in place.
pub(super) fn length(checker: &mut Checker<'_>, context: typed::Expr, span: Span) -> Value {
    let kind = Typed::PacketLength(Box::new(context));
    match checker.integer(IntType::U64, Range::new(0, LONGEST_PACKET), span, kind) {
        Value::Run(run) => Value::Run(run.opaque_if(true)),
        other => other,
    }
}

fn packet_length(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [context] = call.arguments();
    let Some(context) = checker.context_argument(context) else { return Value::Error(span) };
    let program = checker.program.program_type;
    if program.facts().packet == PacketAccess::None {
        return no_packet(checker, program, span);
    }
    // The context knows the length of a packet whose pieces lie apart.
    let whole = program.context().fields.iter().find(|field| field.kind == ContextFieldKind::PacketLength);
    let Some(field) = whole else { return length(checker, context, span) };
    let kind = Typed::ContextLoad { context: Box::new(context), offset: field.offset, bytes: field.bytes };
    let length = typed::Expr::new(Type::Scalar(DataType::Int(IntType::U32)), span, kind);
    checker.integer(IntType::U64, Range::of(IntType::U32), span, Typed::Cast(Box::new(length)))
}

fn no_packet(checker: &mut Checker<'_>, program: ProgramType, span: Span) -> Value {
    let message = format!("`:{}` programs have no packet", program.keyword());
    checker.error(catalogue::TYPE_MISMATCH, span, message)
}

/// `(advance cursor n)`: the place `n` bytes further on.
fn advance(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [from, bytes] = call.arguments();
    let (from, bytes) = (checker.run(from), checker.int(bytes));
    let (Some(from), Some(bytes)) = (from, bytes) else { return Value::Error(span) };
    let from = checker.start_of_context(from);
    let in_packet = match &from.expr.ty {
        Type::Cursor => true,
        Type::Ref(reference) => reference.region == Region::Packet,
        _ => false,
    };
    if !in_packet {
        let what = checker.describe(&Value::Run(from.clone()));
        let message = format!("a place in the packet is wanted here, and this is {what}");
        return checker.error(catalogue::TYPE_MISMATCH, from.expr.span, message);
    }
    if !checker.check_epoch(from.epoch, from.expr.span) {
        return Value::Error(span);
    }
    let longest = if checker.is_prelude(bytes.expr.span) { LONGEST_WALK } else { LONGEST_STEP };
    if !bytes.range.within(Range::new(0, longest)) && checker.flow.reachable {
        return checker.report(
            Diagnostic::error(
                catalogue::STEP_TOO_LONG,
                bytes.expr.span,
                format!(
                    "this step may be negative or longer than {LONGEST_STEP} bytes, which the kernel does not follow"
                ),
            )
            .with_help(format!("test it first: `(if (<= n {LONGEST_STEP}) … …)`")),
        );
    }
    let bytes = checker.visible(bytes);
    let maximum = u32::try_from(bytes.range.high).unwrap_or(0);
    cursor(from, bytes.expr, maximum, span)
}

/// `(ipv6-extensions h)`: the place right after the fixed part of an IPv6 header.
fn ipv6_extensions(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [header] = call.arguments();
    let size = packet_header::by_name("ipv6").map_or(0, |header| header.size);
    match checker.header_argument("ipv6", header) {
        Some(header) => checker.advance_by(header, size, span),
        None => Value::Error(span),
    }
}

impl Checker<'_> {
    /// The place a constant number of bytes further on.
    pub(in super::super) fn advance_by(&mut self, from: Run, bytes: u32, span: Span) -> Value {
        let constant = value::constant(i128::from(bytes), IntType::U64, span);
        cursor(from, constant, bytes, span)
    }

    /// The header that a procedure of its fields is given.
    pub(in super::super) fn header_argument(&mut self, wanted: &str, value: Value) -> Option<Run> {
        let run = self.run(value)?;
        let is_wanted =
            |reference: &RefType| matches!(&reference.target, RefTarget::Header { header, .. } if &**header == wanted);
        match &run.expr.ty {
            Type::Ref(reference) if is_wanted(reference) => {
                if !self.check_epoch(run.epoch, run.expr.span) {
                    return None;
                }
                Some(run)
            }
            Type::Optional(reference) if is_wanted(reference) => {
                self.maybe_absent(&run);
                None
            }
            Type::Never => None,
            other => {
                let unproven = matches!(other, Type::Cursor | Type::Context(_));
                let what = self.describe(&Value::Run(run.clone()));
                let (code, message) = if unproven {
                    (
                        catalogue::UNPROVEN_ACCESS,
                        format!("nothing proves that the packet holds {} {wanted} header here", article(wanted)),
                    )
                } else {
                    (
                        catalogue::TYPE_MISMATCH,
                        format!("{} {wanted} header is wanted here, and this is {what}", article(wanted)),
                    )
                };
                let mut diagnostic = Diagnostic::error(code, run.expr.span, message);
                if unproven {
                    diagnostic = diagnostic
                        .with_help(format!("parse it first: `(let ((h (parse-{wanted}-header …))) (if h … …))`"));
                }
                self.push(diagnostic);
                None
            }
        }
    }

    /// Parses a header at the context or a place in the packet.
    pub(in super::super) fn parse(&mut self, header: &str, size: u32, at: Value, span: Span) -> Value {
        let program = self.program.program_type;
        if program.facts().packet == PacketAccess::None {
            return no_packet(self, program, span);
        }
        let Some((cursor, epoch)) = self.cursor_argument(at) else { return Value::Error(span) };
        if !self.check_epoch(Some(epoch), cursor.span) {
            return Value::Error(span);
        }
        let Some(context) = self.context(span) else {
            return self.report(
                Diagnostic::error(
                    catalogue::UNPROVEN_ACCESS,
                    span,
                    "a procedure that parses packets must be given the context",
                )
                .with_help("pass `ctx` to it as an argument"),
            );
        };
        let target = RefTarget::Header { header: header.into(), size };
        let ty = Type::Optional(RefType { target, region: Region::Packet });
        let kind = Typed::Parse { context: Box::new(context), cursor: Box::new(cursor), size };
        Value::Run(Run::new(typed::Expr::new(ty, span, kind)).in_epoch(epoch))
    }

    /// `(parse-header name cursor)`
    pub(in super::super) fn parse_defined_header(&mut self, definition: DefId, at: Value, span: Span) -> Value {
        let Some(Declared::Header(id)) = self.declarations.by_definition.get(&definition) else {
            return Value::Error(span);
        };
        let information = self.declarations.headers.at(*id);
        let (name, size) = (information.name.clone(), information.size);
        self.parse(&name, size, at, span)
    }

    /// The start of the packet, for the context.
    fn start_of_context(&self, run: Run) -> Run {
        if !matches!(run.expr.ty, Type::Context(_)) {
            return run;
        }
        let span = run.expr.span;
        let kind = Typed::PacketStart(Box::new(run.expr));
        Run::new(typed::Expr::new(Type::Cursor, span, kind)).in_epoch(self.flow.epoch)
    }

    fn cursor_argument(&mut self, value: Value) -> Option<(typed::Expr, Epoch)> {
        let span = value.span();
        match value {
            Value::Run(run) => match &run.expr.ty {
                Type::Cursor => {
                    let epoch = run.epoch.unwrap_or(self.flow.epoch);
                    Some((run.expr, epoch))
                }
                Type::Context(_) => Some((self.start_of_context(run).expr, self.flow.epoch)),
                Type::Ref(RefType { target: RefTarget::Header { header, .. }, .. })
                | Type::Optional(RefType { target: RefTarget::Header { header, .. }, .. }) => {
                    let header = header.clone();
                    let message =
                        format!("this is the {header} header itself, and a place in the packet is wanted here");
                    self.push(
                        Diagnostic::error(catalogue::TYPE_MISMATCH, span, message)
                            .with_help(format!("what comes after it is `({header}-payload …)`")),
                    );
                    None
                }
                _ => self.not_a_cursor(&Value::Run(run)),
            },
            Value::Static(Static::PacketStart(context, epoch), span) => {
                Some((typed::Expr::new(Type::Cursor, span, Typed::PacketStart(context)), epoch))
            }
            Value::Error(_) => None,
            other => self.not_a_cursor(&other),
        }
    }

    fn not_a_cursor(&mut self, value: &Value) -> Option<(typed::Expr, Epoch)> {
        let what = self.describe(value);
        self.push(
            Diagnostic::error(
                catalogue::TYPE_MISMATCH,
                value.span(),
                format!("the context or a place in the packet is wanted here, and this is {what}"),
            )
            .with_help(
                "`(parse-eth-header ctx)` parses at the start of the packet, `(eth-payload h)` is where it goes on",
            ),
        );
        None
    }
}

fn article(name: &str) -> &'static str {
    if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// The type of data behind a field that is read as a number of 16 bits in the machine's order.
pub(super) fn half_word() -> DataType {
    DataType::Int(IntType::U16)
}
