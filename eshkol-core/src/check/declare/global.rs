//! Globals: what they hold, and what they start with.

use super::declarer::Declarer;
use super::map::newer;
use super::scope::Scope;
use crate::check::address::{self, Address};
use crate::check::constant;
use crate::check::type_syntax;
use crate::check::typed::{Global, GlobalInit};
use crate::check::types::{DataType, IntType};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue::GLOBAL_VALUE;
use crate::expand::form::{Definition, Expr, ExprKind, StructProcedure};
use crate::kernel::KernelVersion;
use crate::source::Span;
use crate::syntax::Datum;

/// Commit d8eca5bbb2be: maps that a program addresses directly.
const GLOBALS_SINCE: KernelVersion = KernelVersion::new(5, 2);

impl Declarer<'_, '_> {
    /// The global of a definition, for a unit that must load on `min_kernel`.
    pub(super) fn declare_global(
        &mut self,
        definition: &Definition,
        mutable: bool,
        ty: &Datum,
        init: Option<&Expr>,
        min_kernel: KernelVersion,
    ) -> Option<Global> {
        let name = &definition.name;
        if min_kernel < GLOBALS_SINCE {
            self.report(newer(name.span, "globals", GLOBALS_SINCE, min_kernel).with_help(
                "or write `(define …)` for a constant, or keep the value in an `:array` map with one entry",
            ));
        }
        let ty = type_syntax::data_type(self, definition.program, std::slice::from_ref(ty), ty.span)?;
        let init = match init {
            Some(init) => self.initial(definition, &ty, init)?,
            None => GlobalInit::Zero,
        };
        Some(Global {
            name: name.name.clone(),
            span: name.span,
            doc: definition.doc.clone(),
            ty,
            init,
            mutable,
            hidden: None,
        })
    }

    /// What a global of a type starts with.
    fn initial(&mut self, definition: &Definition, ty: &DataType, init: &Expr) -> Option<GlobalInit> {
        if matches!(init.kind, ExprKind::Error) {
            return None;
        }
        if let ExprKind::Call(callee, arguments) = &init.kind {
            match (&callee.kind, arguments.as_slice()) {
                (ExprKind::Builtin(literal), [argument]) if matches!(&**literal, "ipv4" | "ipv6" | "mac") => {
                    return self.address(ty, literal, argument, init.span);
                }
                (ExprKind::StructProcedure { definition: id, procedure: StructProcedure::Make }, []) => {
                    let declared = self.declared(*id, callee.span)?;
                    if matches!((declared, ty), (super::Declared::Struct(made), DataType::Struct(wanted)) if made == *wanted)
                    {
                        return Some(GlobalInit::Zero);
                    }
                }
                _ => {}
            }
        }
        match ty {
            DataType::Int(int) | DataType::BigEndian(int) => {
                let value = constant::of_expression(self, definition.program, init)?;
                self.fitting(*int, value, init.span).map(GlobalInit::Scalar)
            }
            DataType::Bool => match &init.kind {
                ExprKind::Bool(value) => Some(GlobalInit::Scalar(u64::from(*value))),
                _ => self.unsuited(init.span, "a `:bool` starts with `#t` or `#f`"),
            },
            DataType::Enum(id) => match &init.kind {
                ExprKind::EnumVariant { definition: of, variant } => {
                    let declared = self.declared(*of, init.span)?;
                    if declared != super::Declared::Enum(*id) {
                        return self.unsuited(init.span, "this is a variant of another enum");
                    }
                    let value = self.variant(*of, *variant, init.span)?;
                    Some(GlobalInit::Scalar(u64::from(value)))
                }
                _ => self.unsuited(init.span, "an enum starts with one of its variants"),
            },
            DataType::Ipv4 => self.unsuited(init.span, "an IPv4 address is written `(ipv4 \"10.0.0.1\")`"),
            DataType::Ipv6 => self.unsuited(init.span, "an IPv6 address is written `(ipv6 \"::1\")`"),
            DataType::Mac => self.unsuited(init.span, "a MAC address is written `(mac \"02:00:00:00:00:01\")`"),
            DataType::CharArray(length) => match &init.kind {
                ExprKind::String(text) => self.text(*length, text, init.span),
                _ => self.unsuited(init.span, "a `:char-array` starts with a string"),
            },
            DataType::Array(..) => self.unsuited(init.span, "an array starts with zeros: leave the value out"),
            DataType::Struct(_) => {
                self.unsuited(init.span, "a struct starts with zeros: leave the value out, and set it from Rust")
            }
        }
    }

    /// Says what a global can start with.
    fn unsuited<T>(&mut self, span: Span, help: &str) -> Option<T> {
        self.report(Diagnostic::error(GLOBAL_VALUE, span, "the global can't start with this").with_help(help));
        None
    }

    /// A number as a word of the type, where it fits.
    fn fitting(&mut self, int: IntType, value: i128, span: Span) -> Option<u64> {
        let bits = u32::from(int.bits);
        let (least, most) = if int.signed {
            let half = 1_i128 << bits.saturating_sub(1);
            (-half, half - 1)
        } else {
            (0, (1_i128 << bits) - 1)
        };
        if !(least..=most).contains(&value) {
            self.report(
                Diagnostic::error(GLOBAL_VALUE, span, format!("{value} does not fit in a `:{int}`"))
                    .with_help(format!("it holds the numbers from {least} to {most}")),
            );
            return None;
        }
        match i64::try_from(value) {
            Ok(signed) => Some(signed.cast_unsigned()),
            Err(_) => u64::try_from(value).ok(),
        }
    }

    fn address(&mut self, ty: &DataType, literal: &str, text: &Expr, span: Span) -> Option<GlobalInit> {
        let ExprKind::String(written) = &text.kind else {
            return self.unsuited(text.span, "an address is written as a string");
        };
        let Some(address) = address::parse(literal, written) else {
            let example = match literal {
                "ipv4" => "an IPv4 address is written `(ipv4 \"10.0.0.1\")`",
                "ipv6" => "an IPv6 address is written `(ipv6 \"::1\")`",
                _ => "a MAC address is written `(mac \"02:00:00:00:00:01\")`",
            };
            return self.unsuited(text.span, example);
        };
        match (address, ty) {
            (Address::Ipv4(_), DataType::Ipv4)
            | (Address::Ipv6(_), DataType::Ipv6)
            | (Address::Mac(_), DataType::Mac) => Some(GlobalInit::Bytes(address.bytes().to_vec())),
            // An IPv4 address is also a number: the one Rust's `u32::from` makes of it.
            (Address::Ipv4(bytes), DataType::Int(IntType::U32) | DataType::BigEndian(IntType::U32)) => {
                Some(GlobalInit::Scalar(u64::from(u32::from_be_bytes(bytes))))
            }
            _ => self.unsuited(span, "the global holds no such address: change its type or its value"),
        }
    }

    fn text(&mut self, length: u32, text: &str, span: Span) -> Option<GlobalInit> {
        let mut bytes = text.as_bytes().to_vec();
        let space = usize::try_from(length).unwrap_or(usize::MAX);
        if bytes.len() > space {
            let have = bytes.len();
            self.report(
                Diagnostic::error(GLOBAL_VALUE, span, format!("this text has {have} bytes, the global only {length}"))
                    .with_help(format!("make it a `:char-array {have}`")),
            );
            return None;
        }
        bytes.resize(space, 0);
        Some(GlobalInit::Bytes(bytes))
    }
}
