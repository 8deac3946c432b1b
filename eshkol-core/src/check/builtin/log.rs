//! `log-error` … `log-trace`: lines for Rust's `log`.
//!
//! A program sends the number of the line and the values in it; the text stays in user space.

use std::sync::Arc;

use super::super::checker::{Checker, Position};
use super::super::comparison::Comparison;
use super::super::typed::{
    self, ExprKind as Typed, LogKind, LogLine, LogPart, Part, PartValue, Place, RefTarget, RefType, Region, Type,
};
use super::super::types::{DataType, IntType, Storage};
use super::super::value::{self, Run, Static, Value};
use super::event::is_allowed;
use super::{Builtin, Call, MANY, are_given};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::helper::RINGBUF_OUTPUT;
use crate::source::Span;

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "log-error", arity: (1, MANY), check: log },
    Builtin { name: "log-warn", arity: (1, MANY), check: log },
    Builtin { name: "log-info", arity: (1, MANY), check: log },
    Builtin { name: "log-debug", arity: (1, MANY), check: log },
    Builtin { name: "log-trace", arity: (1, MANY), check: log },
];

/// The level of such a procedure, as `log::Level` counts.
pub(super) fn level(name: &str) -> Option<u8> {
    Some(match name {
        "log-error" => 1,
        "log-warn" => 2,
        "log-info" => 3,
        "log-debug" => 4,
        "log-trace" => 5,
        _ => return None,
    })
}

/// How a place in a format is to be written.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Style {
    Plain,
    Hex,
    Ip,
    Mac,
}

enum Piece {
    Text(String),
    Place(Style),
}

/// `(log-info "format" value …)`
fn log(checker: &mut Checker<'_>, mut call: Call<'_>) -> Value {
    let (span, name) = (call.span, call.name.to_owned());
    let rest = call.values.split_off(1);
    let [format] = call.arguments();
    let Value::Static(Static::String(text), place) = &format else {
        let what = checker.describe(&format);
        return checker.report(
            Diagnostic::error(catalogue::TYPE_MISMATCH, format.span(), format!("a format is text, and this is {what}"))
                .with_help(format!("write `({name} \"length {{}}\" length)`")),
        );
    };
    let (Some(log), Some(level)) = (checker.declarations.log, level(&name)) else { return Value::Error(span) };
    if !is_allowed(checker, RINGBUF_OUTPUT, span) {
        return Value::Error(span);
    }
    let mut values = Vec::new();
    for value in rest {
        match value {
            Value::Static(Static::List(elements), _) => values.extend(elements),
            other => values.push(other),
        }
    }
    let Some(pieces) = pieces(checker, text, *place) else { return Value::Error(span) };
    let wanted = pieces.iter().filter(|piece| matches!(piece, Piece::Place(_))).count();
    if wanted != values.len() {
        let plural = if wanted == 1 { "" } else { "s" };
        let message = format!("this format has {wanted} place{plural}, and {}", are_given(values.len()));
        return checker
            .report(Diagnostic::error(catalogue::LOG_FORMAT, *place, message).with_note(span, "they are given here"));
    }
    let Some(record) = record(checker, pieces, values, level, span) else { return Value::Error(span) };
    let enabled = checker.is_enabled(log.level, level, span);
    let sent = checker.choose(
        enabled,
        Position::EFFECT,
        span,
        |checker| {
            let mark = checker.pending.len();
            let Record { event, size } = record;
            let sent = checker.send(log.map, event, size, span);
            checker.close(mark, sent)
        },
        |_| Value::unspecified(span),
    );
    checker.do_before(sent);
    Value::unspecified(span)
}

/// Cuts a format into pieces, as `format!` does.
fn pieces(checker: &mut Checker<'_>, text: &str, span: Span) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        if matches!(next, '{' | '}') && rest.next_if_eq(&next).is_some() {
            plain.push(next);
            continue;
        }
        if next == '}' {
            return wrong_format(checker, span, "this format has a `}` without a `{`; the sign itself is written `}}`");
        }
        if next != '{' {
            plain.push(next);
            continue;
        }
        let inner: String = std::iter::from_fn(|| rest.next_if(|c| *c != '}')).collect();
        if rest.next().is_none() {
            return wrong_format(checker, span, "this format has a `{` without a `}`; the sign itself is written `{{`");
        }
        let style = match &*inner {
            "" => Style::Plain,
            ":x" => Style::Hex,
            ":ip" => Style::Ip,
            ":mac" => Style::Mac,
            other => {
                let message =
                    format!("a place in a format is `{{}}`, `{{:x}}`, `{{:ip}}` or `{{:mac}}`, and not `{{{other}}}`");
                return wrong_format(checker, span, &message);
            }
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(Piece::Place(style));
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Some(pieces)
}

fn wrong_format<T>(checker: &mut Checker<'_>, span: Span, message: &str) -> Option<T> {
    checker.error(catalogue::LOG_FORMAT, span, message);
    None
}

/// What is sent: a reference, and how many bytes.
struct Record {
    event: typed::Expr,
    size: u32,
}

/// The record of a line, and the line itself for user space.
fn record(checker: &mut Checker<'_>, pieces: Vec<Piece>, values: Vec<Value>, level: u8, span: Span) -> Option<Record> {
    let mut values = values.into_iter();
    let (mut parts, mut memory) = (Vec::new(), Vec::new());
    // The number of the line, and 4 bytes of zero.
    let mut size = 8;
    let mut complete = true;
    for piece in pieces {
        let style = match piece {
            Piece::Text(text) => {
                parts.push(LogPart::Text(text));
                continue;
            }
            Piece::Place(style) => style,
        };
        let Some(value) = values.next() else { continue };
        let Some((kind, value, bytes)) = checker.logged(value, style) else {
            complete = false;
            continue;
        };
        parts.push(LogPart::Value { kind, offset: size });
        memory.push(Part { offset: size, value });
        size = size.saturating_add(bytes.next_multiple_of(8));
    }
    if !complete {
        return None;
    }
    let line = LogLine { level, span, parts };
    let known = checker.functions.log.iter().position(|known| *known == line);
    let number = known.unwrap_or_else(|| {
        checker.functions.log.push(line);
        checker.functions.log.len() - 1
    });
    let number = value::constant(i128::try_from(number).unwrap_or(0), IntType::U32, span);
    memory.insert(0, Part { offset: 0, value: PartValue::Scalar(Storage::native(IntType::U32), number) });
    let data = DataType::Array(Arc::new(DataType::Int(IntType::U64)), size / 8);
    let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Stack });
    Some(Record { event: typed::Expr::new(ty, span, Typed::Allocate { data, parts: memory }), size })
}

impl Checker<'_> {
    /// Whether a level is logged: a test of a number that is constant once the program is loaded.
    fn is_enabled(&mut self, global: typed::GlobalId, level: u8, span: Span) -> super::super::test::Test {
        let data = DataType::Int(IntType::U32);
        let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Global });
        let base = Box::new(typed::Expr::new(ty, span, Typed::Global(global)));
        let place = Place { base, offset: 0, index: None, align: 4 };
        let enabled = self.load(place, Storage::native(IntType::U32), &data, span);
        let level = Value::constant(i128::from(level), IntType::U32, span);
        self.compare(Comparison::GreaterEqual, Value::Run(enabled), level, span)
    }

    /// How a value is logged, what of it goes into the record, and how many bytes that are.
    fn logged(&mut self, value: Value, style: Style) -> Option<(LogKind, PartValue, u32)> {
        let run = self.run(value)?;
        if let Type::Optional(_) = run.expr.ty {
            self.maybe_absent(&run);
            return None;
        }
        if let Type::Ref(RefType { target: RefTarget::Data(DataType::CharArray(size)), .. }) = run.expr.ty
            && style == Style::Plain
        {
            let run = self.stable_run(run, "logged");
            return Some((LogKind::Text(size), PartValue::Copy(run.expr, size), size));
        }
        let run = self.read_through(run)?;
        let number = PartValue::Scalar;
        let word = Storage::native(IntType::U64);
        let (kind, storage, bytes) = match (&run.expr.ty, style) {
            (Type::Ipv6, Style::Plain | Style::Ip) => (LogKind::Ipv6, DataType::Ipv6.storage()?, 16),
            (Type::Scalar(DataType::Mac), Style::Plain | Style::Mac) => (LogKind::Mac, DataType::Mac.storage()?, 6),
            (Type::Scalar(DataType::Ipv4), Style::Plain | Style::Ip) => (LogKind::Ipv4, word, 8),
            (Type::Scalar(DataType::Bool), Style::Plain) => (LogKind::Bool, word, 8),
            (_, Style::Ip) if run.int_type().is_some_and(|int| int.bits <= 32 || run.literal) => {
                (LogKind::Ipv4, word, 8)
            }
            (_, Style::Hex) if run.int_type().is_some() => (LogKind::Hex, word, 8),
            (_, Style::Plain) if run.int_type().is_some() => {
                let signed = run.int_type().is_some_and(|int| int.signed);
                (if signed { LogKind::Signed } else { LogKind::Unsigned }, word, 8)
            }
            _ => {
                self.not_loggable(&run, style);
                return None;
            }
        };
        let run = self.stable_run(run, "logged");
        Some((kind, number(storage, run.expr), bytes))
    }

    fn not_loggable(&mut self, run: &Run, style: Style) {
        let wanted = match style {
            Style::Plain => "`{}` writes a number, a boolean, an address or a `:char-array`",
            Style::Hex => "`{:x}` writes a number",
            Style::Ip => "`{:ip}` writes an IP address, or a number of 32 bits as one",
            Style::Mac => "`{:mac}` writes a MAC address",
        };
        let what = self.describe(&Value::Run(run.clone()));
        let message = format!("{wanted}, and this is {what}");
        self.error(catalogue::TYPE_MISMATCH, run.expr.span, message);
    }
}
