//! Types as they are written: `u32`, `:u32`, `(array u8 4)`, `:char-array 16`, `:my-struct`.

use std::sync::Arc;

use super::constant;
use super::declare::Declared;
use super::declare::scope::{self, Scope};
use super::types::{DataType, IntType};
use crate::diagnostic::catalogue::{
    ARRAY_LENGTH, FLOAT_TYPE, HEADER_AS_TYPE, KERNEL_TYPE_AS_DATA, MALFORMED_TYPE, TYPE_TOO_LARGE, UNKNOWN_TYPE,
};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::expand::form::ProgramId;
use crate::source::Span;
use crate::syntax::{Datum, DatumKind};

/// Bytes of a type at most: the largest block that the kernel's allocator gives (`KMALLOC_MAX_SIZE`), with a page left for
/// the key and what the kernel keeps beside an element.
pub const MAXIMUM_BYTES: u32 = (4 << 20) - 4096;

/// Arrays in arrays at most.
const MAXIMUM_DEPTH: u32 = 16;

/// Types that need no definition.
const SIMPLE: &[(&str, DataType)] = &[
    ("u8", DataType::Int(IntType::U8)),
    ("u16", DataType::Int(IntType::U16)),
    ("u32", DataType::Int(IntType::U32)),
    ("u64", DataType::Int(IntType::U64)),
    ("i8", DataType::Int(IntType { bits: 8, signed: true })),
    ("i16", DataType::Int(IntType { bits: 16, signed: true })),
    ("i32", DataType::Int(IntType::I32)),
    ("i64", DataType::Int(IntType::I64)),
    ("bool", DataType::Bool),
    ("be16", DataType::BigEndian(IntType::U16)),
    ("be32", DataType::BigEndian(IntType::U32)),
    ("be64", DataType::BigEndian(IntType::U64)),
    ("ipv4-addr", DataType::Ipv4),
    ("ipv6-addr", DataType::Ipv6),
    ("mac-addr", DataType::Mac),
];

/// The struct of the prelude: proposed even where nothing names it, and so it was not read.
const IPV4_TUPLE: &str = "ipv4-tuple";

/// What people write who think of other languages, and what it is here.
const ELSEWHERE: &[(&str, &str)] = &[
    ("int", "i32"),
    ("unsigned", "u32"),
    ("uint", "u32"),
    ("short", "i16"),
    ("long", "i64"),
    ("char", "u8"),
    ("byte", "u8"),
    ("usize", "u64"),
    ("isize", "i64"),
    ("size_t", "u64"),
    ("size-t", "u64"),
    ("unsigned-char", "u8"),
    ("unsigned-short", "u16"),
    ("unsigned-int", "u32"),
    ("unsigned-long", "u64"),
    ("long-long", "i64"),
    ("uint8", "u8"),
    ("uint16", "u16"),
    ("uint32", "u32"),
    ("uint64", "u64"),
    ("int8", "i8"),
    ("int16", "i16"),
    ("int32", "i32"),
    ("int64", "i64"),
    ("uint8_t", "u8"),
    ("uint16_t", "u16"),
    ("uint32_t", "u32"),
    ("uint64_t", "u64"),
    ("int8_t", "i8"),
    ("int16_t", "i16"),
    ("int32_t", "i32"),
    ("int64_t", "i64"),
    ("__u8", "u8"),
    ("__u16", "u16"),
    ("__u32", "u32"),
    ("__u64", "u64"),
    ("__be16", "be16"),
    ("__be32", "be32"),
    ("__be64", "be64"),
    ("s8", "i8"),
    ("s16", "i16"),
    ("s32", "i32"),
    ("s64", "i64"),
    ("boolean", "bool"),
    ("integer", "i64"),
    ("string", "(char-array 16)"),
    ("str", "(char-array 16)"),
    ("ipv4", "ipv4-addr"),
    ("ipv6", "ipv6-addr"),
    ("mac", "mac-addr"),
];

/// Reads a type that stands in `program` (`None` beside all programs). `data` is what follows the name of a field, or is in a clause:
/// one datum, or an array type and its length. `place` is where to complain when there is none. `None`, with a diagnostic, where
/// there is no such type.
pub fn data_type<'u>(
    scope: &mut dyn Scope<'u>,
    program: Option<ProgramId>,
    data: &[Datum],
    place: Span,
) -> Option<DataType> {
    read(scope, program, data, place, 0)
}

fn read<'u>(
    scope: &mut dyn Scope<'u>,
    program: Option<ProgramId>,
    data: &[Datum],
    place: Span,
    depth: u32,
) -> Option<DataType> {
    if depth > MAXIMUM_DEPTH {
        scope.report(Diagnostic::error(MALFORMED_TYPE, place, "arrays are nested too deeply"));
        return None;
    }
    match data {
        [] => {
            scope.report(
                Diagnostic::error(MALFORMED_TYPE, place, "a type is missing").with_help("write one, as in `:u32`"),
            );
            None
        }
        [one] => single(scope, program, one, depth),
        [head, length] => {
            let name = name(head);
            let Some(element) = name.and_then(|name| name.strip_suffix("-array")) else {
                malformed(scope, head.span.to(length.span), "this is not a type");
                return None;
            };
            if element == "char" {
                return Some(DataType::CharArray(array_length(scope, program, length, 1)?));
            }
            let element = named(scope, program, element, head.span)?;
            array(scope, program, element, length)
        }
        [head, .., last] => {
            malformed(scope, head.span.to(last.span), "this is not a type");
            None
        }
    }
}

/// The spelling of a name or keyword.
fn name(datum: &Datum) -> Option<&str> {
    datum.as_symbol().or_else(|| datum.as_keyword()).map(|name| &**name)
}

fn malformed<'u>(scope: &mut dyn Scope<'u>, span: Span, message: &str) {
    scope.report(
        Diagnostic::error(MALFORMED_TYPE, span, message)
            .with_help("a type is a name (`:u32`, `:my-struct`), `(array T n)` or `:char-array n`"),
    );
}

fn single<'u>(scope: &mut dyn Scope<'u>, program: Option<ProgramId>, datum: &Datum, depth: u32) -> Option<DataType> {
    match &datum.kind {
        DatumKind::Symbol { name, .. } | DatumKind::Keyword(name) => named(scope, program, name, datum.span),
        DatumKind::List(items, None) => match items.as_slice() {
            [head, element, length] if name(head) == Some("array") => {
                let element = read(scope, program, std::slice::from_ref(element), element.span, depth + 1)?;
                array(scope, program, element, length)
            }
            [head, _length] if name(head).is_some_and(|name| name.ends_with("-array")) => {
                read(scope, program, items, datum.span, depth + 1)
            }
            [head, ..] if name(head) == Some("array") => {
                malformed(scope, datum.span, "`array` takes a type and a length");
                None
            }
            [head, ..] if name(head) == Some("ref") => {
                malformed(scope, datum.span, "a reference can't be stored");
                None
            }
            [head, ..] if name(head) == Some("bits") => {
                malformed(scope, datum.span, "`bits` is only for fields of `define-header`");
                None
            }
            _ => {
                malformed(scope, datum.span, "this is not a type");
                None
            }
        },
        DatumKind::Error => None,
        _ => {
            malformed(scope, datum.span, "this is not a type");
            None
        }
    }
}

fn named<'u>(scope: &mut dyn Scope<'u>, program: Option<ProgramId>, name: &str, span: Span) -> Option<DataType> {
    if let Some((_, ty)) = SIMPLE.iter().find(|(simple, _)| *simple == name) {
        return Some(ty.clone());
    }
    if let Some(definition) = scope::find_type(scope.unit(), program, name) {
        return match scope.declared(definition, span)? {
            Declared::Struct(id) => Some(DataType::Struct(id)),
            Declared::Enum(id) => Some(DataType::Enum(id)),
            Declared::Alias(ty) => Some(ty),
            Declared::Header(_) => {
                scope.report(
                    Diagnostic::error(HEADER_AS_TYPE, span, format!("`{name}` is a packet header, not a type of data"))
                        .with_help(format!(
                            "define a struct for what is to be kept of it: `(define-struct {name}-data …)`"
                        )),
                );
                None
            }
            Declared::KernelStruct(_) | Declared::KernelEnum(_) => {
                scope.report(
                    Diagnostic::error(
                        KERNEL_TYPE_AS_DATA,
                        span,
                        format!("`{name}` is the kernel's: a program keeps none"),
                    )
                    .with_help("keep the fields that are wanted of it, in a struct of `define-struct`"),
                );
                None
            }
            Declared::Map(_) | Declared::Global(_) | Declared::Kfunc(_) | Declared::Value => None,
        };
    }
    let diagnostic = unknown(scope, program, name, span);
    scope.report(diagnostic);
    None
}

/// The message for a name that is no type.
fn unknown<'u>(scope: &mut dyn Scope<'u>, program: Option<ProgramId>, name: &str, span: Span) -> Diagnostic {
    if matches!(name, "f32" | "f64" | "float" | "double" | "real") {
        return Diagnostic::error(FLOAT_TYPE, span, format!("there is no type `{name}`: eBPF has no floating point"))
            .with_help("count in a smaller unit with an integer, as in nanoseconds with `:u64`");
    }
    if name.ends_with("-array") {
        return Diagnostic::error(MALFORMED_TYPE, span, format!("`{name}` needs a length"))
            .with_help(format!("write it after the type, as in `:{name} 16`"));
    }
    let error = Diagnostic::error(UNKNOWN_TYPE, span, format!("there is no type `{name}`"));
    if let Some((_, ours)) = ELSEWHERE.iter().find(|(theirs, _)| *theirs == name) {
        return error.with_help(format!("its name here is `{ours}`"));
    }
    let known = SIMPLE.iter().map(|(simple, _)| *simple).chain([IPV4_TUPLE]);
    let unit = scope.unit();
    match suggestion::closest(name, known.chain(scope::type_names(unit, program))) {
        Some(close) => error.with_help(format!("did you mean `{close}`?")),
        None => error.with_help(format!("define it: `(define-struct {name} (field :u32) …)`")),
    }
}

fn array<'u>(
    scope: &mut dyn Scope<'u>,
    program: Option<ProgramId>,
    element: DataType,
    length: &Datum,
) -> Option<DataType> {
    let bytes = scope.types().size(&element);
    let count = array_length(scope, program, length, bytes)?;
    Some(DataType::Array(Arc::new(element), count))
}

/// The length of an array whose elements have so many bytes.
pub(super) fn array_length<'u>(
    scope: &mut dyn Scope<'u>,
    program: Option<ProgramId>,
    length: &Datum,
    bytes: u32,
) -> Option<u32> {
    let value = constant::of_datum(scope, program, length)?;
    match u32::try_from(value) {
        Ok(0) | Err(_) if value <= 0 => {
            scope.report(
                Diagnostic::error(ARRAY_LENGTH, length.span, format!("an array can't have {value} elements"))
                    .with_help("give it at least one"),
            );
            None
        }
        Ok(count) if count.checked_mul(bytes).is_some_and(|total| total <= MAXIMUM_BYTES) => Some(count),
        _ => {
            scope.report(
                Diagnostic::error(TYPE_TOO_LARGE, length.span, "this array is too large")
                    .with_label(format!("{value} elements of {bytes} bytes"))
                    .with_help(format!(
                        "a type has at most {MAXIMUM_BYTES} bytes; keep more in the elements of an `:array` map"
                    )),
            );
            None
        }
    }
}
