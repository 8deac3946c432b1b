//! Addresses as literals: `(ipv4 "10.0.0.1")`, `(ipv6 "::1")`, `(mac "02:00:00:00:00:01")`.

use super::super::address::{self, Address};
use super::super::checker::Checker;
use super::super::range::Range;
use super::super::typed::{self, ExprKind as Typed, Type};
use super::super::types::DataType;
use super::super::value::{Run, Static, Value};
use super::{Builtin, Call};
use crate::diagnostic::{Diagnostic, catalogue};

pub(super) static TABLE: &[Builtin] = &[
    Builtin { name: "ipv4", arity: (1, 1), check: ipv4 },
    Builtin { name: "ipv6", arity: (1, 1), check: ipv6 },
    Builtin { name: "mac", arity: (1, 1), check: mac },
];

/// The address that the text of a literal is.
fn parsed(checker: &mut Checker<'_>, call: Call<'_>, example: &str) -> Option<Address> {
    let name = call.name.to_owned();
    let [value] = call.arguments();
    let Value::Static(Static::String(text), place) = &value else {
        let what = checker.describe(&value);
        let message = format!("`{name}` takes an address as text, and this is {what}");
        checker.push(
            Diagnostic::error(catalogue::BAD_ADDRESS, value.span(), message)
                .with_help(format!("write `({name} \"{example}\")`")),
        );
        return None;
    };
    let parsed = address::parse(&name, text);
    if parsed.is_none() {
        checker.push(
            Diagnostic::error(catalogue::BAD_ADDRESS, *place, format!("`{text}` is no {name} address"))
                .with_help(format!("write it like \"{example}\"")),
        );
    }
    parsed
}

fn ipv4(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let Some(Address::Ipv4(bytes)) = parsed(checker, call, "10.0.0.1") else { return Value::Error(span) };
    let number = u32::from_be_bytes(bytes);
    let expr = typed::Expr::new(Type::Scalar(DataType::Ipv4), span, Typed::Constant(u64::from(number)));
    Value::Run(Run::new(expr).in_range(Range::exactly(i128::from(number))))
}

fn ipv6(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let Some(Address::Ipv6(bytes)) = parsed(checker, call, "2001:db8::1") else { return Value::Error(span) };
    Value::run(Type::Ipv6, span, Typed::Ipv6Constant(bytes))
}

fn mac(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let Some(Address::Mac(bytes)) = parsed(checker, call, "02:00:00:00:00:01") else { return Value::Error(span) };
    Value::run(Type::Scalar(DataType::Mac), span, Typed::MacConstant(bytes))
}
