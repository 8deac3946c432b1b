//! `bpf-trace-printk`: lines for the kernel's trace pipe.
//!
//! The kernel looks at a format when it prints, and prints nothing where it does not like it; so it is looked at here.

use super::super::checker::{Checker, Pending};
use super::super::typed::{self, Argument, ExprKind as Typed, Part, PartValue, RefTarget, RefType, Region, Type};
use super::super::types::{DataType, IntType, Storage};
use super::super::value::{self, Static, Value};
use super::{Builtin, Call, MANY, are_given, helper};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::helper::by_id;
use crate::kernel::{HelperId, KernelVersion};
use crate::source::Span;

pub(super) static TABLE: &[Builtin] = &[Builtin { name: "bpf-trace-printk", arity: (1, MANY), check: print }];

const PRINT: HelperId = HelperId(6);
const PRINT_MANY: HelperId = HelperId(177);
/// What a call of the helper has registers for.
const AT_ONCE: usize = 3;
/// A line ends by itself since commit ac5a72ea5c89.
const ENDS_LINES_SINCE: KernelVersion = KernelVersion::new(5, 9);
/// Flags, widths, `%c`, `%X` and several `%s`: commit d9c9e4db186a.
const MORE_FORMATS_SINCE: KernelVersion = KernelVersion::new(5, 13);

/// A part of a format: text, and the conversion behind it, where there is one.
struct Piece {
    text: String,
    conversion: Option<Conversion>,
}

/// `%08x`
struct Conversion {
    /// Flags and width.
    prefix: String,
    /// `d`, `s` …
    kind: char,
}

/// `(bpf-trace-printk format argument …)`; arguments that are lists stand for their elements, as rest arguments are.
fn print(checker: &mut Checker<'_>, mut call: Call<'_>) -> Value {
    let span = call.span;
    let rest = call.values.split_off(1);
    let [format] = call.arguments();
    let (text, place) = match &format {
        Value::Static(Static::String(text), place) => (text.clone(), *place),
        other => {
            let what = checker.describe(other);
            return checker.report(
                Diagnostic::error(
                    catalogue::TYPE_MISMATCH,
                    other.span(),
                    format!("a format is text, and this is {what}"),
                )
                .with_help("write `(bpf-trace-printk \"length %d\" length)`"),
            );
        }
    };
    let mut values = Vec::new();
    for value in rest {
        match value {
            Value::Static(Static::List(elements), _) => values.extend(elements),
            other => values.push(other),
        }
    }
    let Some(pieces) = pieces(checker, &text, place) else { return Value::Error(span) };
    let wanted = pieces.iter().filter(|piece| piece.conversion.is_some()).count();
    if wanted != values.len() {
        let plural = if wanted == 1 { "" } else { "s" };
        let message = format!("this format wants {wanted} argument{plural}, and {}", are_given(values.len()));
        return checker
            .report(Diagnostic::error(catalogue::PRINT_FORMAT, place, message).with_note(span, "they are given here"));
    }
    let Some((pieces, arguments)) = checked_arguments(checker, pieces, values) else { return Value::Error(span) };
    let min_kernel = checker.program.min_kernel;
    let many = by_id(PRINT_MANY).and_then(|known| known.since_in(checker.program.program_type));
    if arguments.len() > AT_ONCE && many.is_some_and(|since| since <= min_kernel) {
        return print_many(checker, &pieces, arguments, span);
    }
    print_few(checker, pieces, arguments, span)
}

/// Cuts a format into pieces, each with the conversion that ends it; reports what the kernel would not print.
fn pieces(checker: &mut Checker<'_>, text: &str, span: Span) -> Option<Vec<Piece>> {
    let min_kernel = checker.program.min_kernel;
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut texts = 0;
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        if next != '%' {
            plain.push(next);
            continue;
        }
        if rest.next_if_eq(&'%').is_some() {
            plain.push_str("%%");
            continue;
        }
        let prefix: String =
            std::iter::from_fn(|| rest.next_if(|c| matches!(c, '0'..='9' | '-' | '+' | ' '))).collect();
        while rest.next_if_eq(&'l').is_some() {}
        let kind = rest.next();
        let Some(kind) = kind.filter(|kind| matches!(kind, 'd' | 'i' | 'u' | 'x' | 'X' | 'c' | 'p' | 's')) else {
            let what = kind.map_or_else(|| "it ends after a `%`".to_owned(), |kind| format!("it has no `%{kind}`"));
            checker.push(
                Diagnostic::error(
                    catalogue::PRINT_FORMAT,
                    span,
                    format!("the kernel prints nothing with this format: {what}"),
                )
                .with_help(
                    "there are `%d` `%i` `%u` `%x` `%X` for numbers, `%c` `%s` `%p`, and `%%` for the sign itself",
                ),
            );
            return None;
        };
        texts += usize::from(kind == 's');
        let new = !prefix.is_empty() || matches!(kind, 'c' | 'X') || texts > 1;
        if new && min_kernel < MORE_FORMATS_SINCE {
            let what = if texts > 1 { "a second `%s`".to_owned() } else { format!("`%{prefix}{kind}`") };
            checker.push(
                Diagnostic::error(
                    catalogue::NEEDS_NEWER_KERNEL,
                    span,
                    format!("{what} needs kernel {MORE_FORMATS_SINCE}, and this program is to load on {min_kernel}"),
                )
                .with_help(format!("print with `%d`, `%u` or `%x`, or say `(min-kernel \"{MORE_FORMATS_SINCE}\")`")),
            );
            return None;
        }
        pieces.push(Piece { text: std::mem::take(&mut plain), conversion: Some(Conversion { prefix, kind }) });
    }
    // Newer kernels end the line themselves, older ones do not.
    while plain.ends_with('\n') {
        plain.pop();
    }
    if min_kernel < ENDS_LINES_SINCE {
        plain.push('\n');
    }
    pieces.push(Piece { text: plain, conversion: None });
    Some(pieces)
}

/// The arguments as the helper takes them, and the pieces as text, with the length of each number.
fn checked_arguments(
    checker: &mut Checker<'_>,
    pieces: Vec<Piece>,
    values: Vec<Value>,
) -> Option<(Vec<String>, Vec<typed::Expr>)> {
    let mut values = values.into_iter();
    let (mut texts, mut arguments) = (Vec::new(), Vec::new());
    let mut complete = true;
    for Piece { mut text, conversion } in pieces {
        if let Some(Conversion { prefix, kind }) = conversion
            && let Some(value) = values.next()
        {
            let argument = if kind == 's' { text_argument(checker, value) } else { number_argument(checker, value) };
            text.push('%');
            text.push_str(&prefix);
            match argument {
                Some((argument, long)) => {
                    if long && matches!(kind, 'd' | 'i' | 'u' | 'x' | 'X') {
                        text.push_str("ll");
                    }
                    arguments.push(argument);
                }
                None => complete = false,
            }
            text.push(kind);
        }
        texts.push(text);
    }
    complete.then_some((texts, arguments))
}

/// A number, and whether it has more than 32 bits.
fn number_argument(checker: &mut Checker<'_>, value: Value) -> Option<(typed::Expr, bool)> {
    let run = checker.int(value)?;
    let long = run.int_type().is_none_or(|int| int.bits > 32) && !(run.literal && fits(run.constant()));
    let run = checker.stable_run(run, "printed");
    Some((run.expr, long))
}

/// Whether a number is the same in 32 bits.
fn fits(number: Option<i128>) -> bool {
    number.is_some_and(|number| i32::try_from(number).is_ok())
}

/// Text in memory.
fn text_argument(checker: &mut Checker<'_>, value: Value) -> Option<(typed::Expr, bool)> {
    let run = checker.run(value)?;
    match &run.expr.ty {
        Type::Ref(RefType { target: RefTarget::Data(DataType::CharArray(_)), region }) if *region != Region::Packet => {
            let run = checker.stable_run(run, "printed");
            Some((run.expr, false))
        }
        Type::Optional(_) => {
            checker.maybe_absent(&run);
            None
        }
        _ => {
            let what = checker.describe(&Value::Run(run.clone()));
            checker.push(
                Diagnostic::error(
                    catalogue::TYPE_MISMATCH,
                    run.expr.span,
                    format!("`%s` prints text, and this is {what}"),
                )
                .with_help("it takes a field of the type `:char-array`, or a number with `%d`"),
            );
            None
        }
    }
}

/// Prints with at most three arguments at a time; each time is a line of its own.
fn print_few(checker: &mut Checker<'_>, pieces: Vec<String>, arguments: Vec<typed::Expr>, span: Span) -> Value {
    if by_id(PRINT).is_none_or(|known| !helper::allowed(checker, known, span)) {
        return Value::Error(span);
    }
    let mut calls = Vec::new();
    let (mut text, mut given) = (String::new(), Vec::new());
    let mut arguments = arguments.into_iter().peekable();
    for piece in pieces {
        text.push_str(&piece);
        given.extend(arguments.next());
        if given.len() == AT_ONCE && arguments.peek().is_some() {
            calls.push((std::mem::take(&mut text), std::mem::take(&mut given)));
        }
    }
    calls.push((text, given));
    let mut result = Value::Error(span);
    for (index, (text, given)) in calls.into_iter().enumerate() {
        if index > 0
            && let Value::Run(before) = result
        {
            checker.pending.push(Pending::Effect(before.expr));
        }
        let (text, size) = format_memory(&text, span);
        let mut all = vec![Argument::Value(text), Argument::Value(size)];
        all.extend(given.into_iter().map(Argument::Value));
        result = printed(PRINT, all, span);
    }
    result
}

/// Prints with any number of arguments, which are in memory.
fn print_many(checker: &mut Checker<'_>, pieces: &[String], arguments: Vec<typed::Expr>, span: Span) -> Value {
    if by_id(PRINT_MANY).is_none_or(|known| !helper::allowed(checker, known, span)) {
        return Value::Error(span);
    }
    let count = u32::try_from(arguments.len()).unwrap_or(u32::MAX);
    let data = DataType::Array(std::sync::Arc::new(DataType::Int(IntType::U64)), count);
    let part = |(index, argument): (u32, typed::Expr)| {
        let value = PartValue::Scalar(Storage::native(IntType::U64), argument);
        Part { offset: index.saturating_mul(8), value }
    };
    let parts = (0..).zip(arguments).map(part).collect();
    let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Stack });
    let memory = typed::Expr::new(ty, span, Typed::Allocate { data, parts });
    let bytes = value::constant(i128::from(count) * 8, IntType::U64, span);
    let (text, size) = format_memory(&pieces.concat(), span);
    printed(PRINT_MANY, [text, size, memory, bytes].map(Argument::Value).into(), span)
}

fn printed(helper: HelperId, arguments: Vec<Argument>, span: Span) -> Value {
    Value::run(Type::Scalar(DataType::Int(IntType::I64)), span, Typed::Helper { helper, arguments })
}

/// A format in memory, with the NUL behind it, and how many bytes it has.
fn format_memory(text: &str, span: Span) -> (typed::Expr, typed::Expr) {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let data = DataType::CharArray(size);
    let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Stack });
    let parts = vec![Part { offset: 0, value: PartValue::Bytes(bytes.into()) }];
    let memory = typed::Expr::new(ty, span, Typed::Allocate { data, parts });
    (memory, value::constant(i128::from(size), IntType::U64, span))
}
