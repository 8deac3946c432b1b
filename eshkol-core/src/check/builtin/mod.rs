//! The procedures of the language, one file per subject. Adding one is adding a row to its file's table.

mod address;
mod atomic;
mod checksum;
mod context;
mod event;
mod filled;
mod for_each;
pub(super) mod helper;
mod histogram;
mod integer;
mod log;
mod map;
mod packet;
mod perf_output;
mod registers;
mod ring_buffer;
mod sequence;
mod structure;
mod tail_call;
mod trace_print;
mod tracing;

pub(super) use atomic::takes_place;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::call::are_given;
use super::checker::{Checker, Position};
use super::value::Value;
use crate::diagnostic::catalogue;
use crate::kernel::{self, ProgramType};
use crate::source::Span;
use crate::syntax::Name;

/// A call of a procedure of the language.
pub(super) struct Call<'n> {
    /// Its name: several names may share what checks them.
    name: &'n str,
    values: Vec<Value>,
    position: Position,
    span: Span,
}

/// A procedure of the language.
struct Builtin {
    name: &'static str,
    /// The fewest and the most arguments it takes.
    arity: (usize, usize),
    check: fn(&mut Checker<'_>, Call<'_>) -> Value,
}

/// Any number of arguments.
const MANY: usize = usize::MAX;

static TABLES: &[&[Builtin]] = &[
    integer::TABLE,
    sequence::TABLE,
    map::TABLE,
    histogram::TABLE,
    for_each::TABLE,
    ring_buffer::TABLE,
    perf_output::TABLE,
    tail_call::TABLE,
    trace_print::TABLE,
    log::TABLE,
    tracing::TABLE,
    filled::TABLE,
    registers::TABLE,
    atomic::TABLE,
    packet::TABLE,
    checksum::TABLE,
    address::TABLE,
    structure::TABLE,
];

fn table() -> &'static BTreeMap<&'static str, &'static Builtin> {
    static TABLE: OnceLock<BTreeMap<&'static str, &'static Builtin>> = OnceLock::new();
    TABLE.get_or_init(|| TABLES.iter().copied().flatten().map(|builtin| (builtin.name, builtin)).collect())
}

/// Whether the language has a procedure of this name.
pub fn exists(name: &str) -> bool {
    table().contains_key(name)
        || packet::is_header_procedure(name)
        || context::is_context_procedure(name)
        || kernel::helper::by_name(name).is_some()
        || kernel::helper::names::by_name(name).is_some()
}

/// The names of the language's procedures, for suggestions.
pub fn names() -> impl Iterator<Item = &'static str> {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let contexts = ProgramType::ALL.iter().flat_map(|program| context::names(*program));
        let tables = table().keys().copied().chain(kernel::helper::names()).map(str::to_owned);
        tables.chain(packet::names()).chain(contexts).collect()
    });
    names.iter().map(String::as_str)
}

/// Whether a procedure of this name logs.
pub(super) fn is_log(name: &str) -> bool {
    log::level(name).is_some()
}

/// Whether a procedure of this name gives a boolean that narrows what is known.
pub(super) fn is_test(name: &str) -> bool {
    super::comparison::Comparison::by_name(name).is_some()
        || matches!(name, "zero?" | "positive?" | "negative?" | "even?" | "odd?")
}

impl Checker<'_> {
    /// Applies a procedure of the language.
    pub(super) fn apply_builtin(&mut self, name: &Name, values: Vec<Value>, position: Position, span: Span) -> Value {
        if values.iter().any(|value| matches!(value, Value::Error(_))) {
            return Value::Error(span);
        }
        let call = Call { name, values, position, span };
        if let Some(builtin) = table().get(&**name) {
            let (least, most) = builtin.arity;
            if call.values.len() < least || call.values.len() > most {
                return self.wrong_arity(&call, least, most);
            }
            return (builtin.check)(self, call);
        }
        if packet::is_header_procedure(name) {
            return packet::header_procedure(self, call);
        }
        if context::is_context_procedure(name) {
            return context::context_procedure(self, call);
        }
        helper::call(self, call)
    }

    fn wrong_arity(&mut self, call: &Call<'_>, least: usize, most: usize) -> Value {
        let wanted = match (least, most) {
            (least, MANY) => format!("at least {least}"),
            (least, most) if least == most => least.to_string(),
            (least, most) => format!("{least} to {most}"),
        };
        let plural = if wanted == "1" { "" } else { "s" };
        let message = format!("`{}` takes {wanted} argument{plural}, and {}", call.name, are_given(call.values.len()));
        self.error(catalogue::WRONG_ARITY, call.span, message)
    }
}

impl Call<'_> {
    /// The arguments, of which there are `N`.
    fn arguments<const N: usize>(self) -> [Value; N] {
        let span = self.span;
        let mut values = self.values.into_iter();
        std::array::from_fn(|_| values.next().unwrap_or(Value::Error(span)))
    }

    /// Takes the argument at a position out of the call, if it is given.
    fn take(&mut self, index: usize) -> Option<Value> {
        let span = self.span;
        self.values.get_mut(index).map(|value| std::mem::replace(value, Value::Error(span)))
    }
}
