//! Constant expressions: the sizes of maps and arrays, the values of enums and globals.
//!
//! They are computed in 128 bits, so that nothing is lost before the result is compared with what its place can hold;
//! what does not even fit there is an error.

use super::declare::scope::{self, Scope};
use super::type_syntax;
use super::types::DataType;
use crate::diagnostic::catalogue::{CONSTANT_ARITHMETIC, CONSTANT_CYCLE, NOT_CONSTANT};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::expand::form::{DefId, DefinitionKind, Expr, ExprKind, ProgramId};
use crate::kernel::constant;
use crate::source::Span;
use crate::syntax::{Datum, DatumKind};

/// Constants that depend on each other at most.
const MAXIMUM_DEPTH: usize = 128;

/// The value of an expression that stands in `program` (`None` beside all programs). `None`, with a diagnostic, where it has
/// none before the program runs.
pub fn of_expression<'u>(scope: &mut dyn Scope<'u>, program: Option<ProgramId>, expr: &Expr) -> Option<i128> {
    match &expr.kind {
        ExprKind::Integer(value) => Some(*value),
        ExprKind::Keyword(name) => keyword(scope, name, expr.span),
        ExprKind::Definition(definition) => defined(scope, *definition, expr.span),
        ExprKind::EnumVariant { definition, variant } => {
            scope.variant(*definition, *variant, expr.span).map(i128::from)
        }
        ExprKind::SizeOf(datum) => size_of(scope, program, datum),
        ExprKind::The(datum, value) => {
            let ty = type_syntax::data_type(scope, program, std::slice::from_ref(datum), datum.span)?;
            let value = of_expression(scope, program, value)?;
            converted(scope, &ty, value, expr.span)
        }
        ExprKind::Call(callee, arguments) => {
            let ExprKind::Builtin(operator) = &callee.kind else {
                not_constant(scope, expr.span, "a call of a procedure is not a constant");
                return None;
            };
            let mut values = Vec::new();
            for argument in arguments {
                values.push(of_expression(scope, program, argument)?);
            }
            apply(scope, operator, &values, expr.span)
        }
        ExprKind::Begin(body) => match body.as_slice() {
            [one] => of_expression(scope, program, one),
            _ => {
                not_constant(scope, expr.span, "this is not a constant");
                None
            }
        },
        ExprKind::Error => None,
        ExprKind::Float(text) => {
            not_constant(scope, expr.span, &format!("`{text}` is not a whole number"));
            None
        }
        ExprKind::Bool(_) | ExprKind::Char(_) | ExprKind::String(_) | ExprKind::Quote(_) => {
            not_constant(scope, expr.span, "this is not a number");
            None
        }
        ExprKind::Builtin(name) => {
            not_constant(scope, expr.span, &format!("`{name}` is not a number"));
            None
        }
        _ => {
            not_constant(scope, expr.span, "this is not known before the program runs");
            None
        }
    }
}

/// The value of a datum in a type, as the `n` of `(array u8 n)`: like that of the expression it would be.
pub fn of_datum<'u>(scope: &mut dyn Scope<'u>, program: Option<ProgramId>, datum: &Datum) -> Option<i128> {
    match &datum.kind {
        DatumKind::Integer(value) => Some(*value),
        DatumKind::Keyword(name) => keyword(scope, name, datum.span),
        DatumKind::Symbol { name, .. } => match scope::find_value(scope.unit(), program, name) {
            Some(definition) => defined(scope, definition, datum.span),
            None => {
                not_constant(scope, datum.span, &format!("`{name}` is not a constant"));
                None
            }
        },
        DatumKind::List(items, None) => match items.split_first() {
            Some((head, arguments)) => match (head.as_symbol().map(|name| &**name), arguments) {
                (Some("sizeof"), [ty]) => size_of(scope, program, ty),
                (Some(operator), _) => {
                    let mut values = Vec::new();
                    for argument in arguments {
                        values.push(of_datum(scope, program, argument)?);
                    }
                    apply(scope, operator, &values, datum.span)
                }
                (None, _) => {
                    not_constant(scope, datum.span, "this is not a constant");
                    None
                }
            },
            None => {
                not_constant(scope, datum.span, "this is not a constant");
                None
            }
        },
        DatumKind::Float(text) => {
            not_constant(scope, datum.span, &format!("`{text}` is not a whole number"));
            None
        }
        DatumKind::Error => None,
        _ => {
            not_constant(scope, datum.span, "this is not a number");
            None
        }
    }
}

fn not_constant<'u>(scope: &mut dyn Scope<'u>, span: Span, message: &str) {
    scope.report(
        Diagnostic::error(NOT_CONSTANT, span, message)
            .with_help("write a number, or arithmetic on numbers and constants, as in `(* 1024 1024)`"),
    );
}

fn keyword<'u>(scope: &mut dyn Scope<'u>, name: &str, span: Span) -> Option<i128> {
    if let Some(constant) = constant::by_name(name) {
        return Some(i128::from(constant.value));
    }
    let error = Diagnostic::error(NOT_CONSTANT, span, format!("there is no constant `:{name}`"));
    scope.report(match suggestion::closest(name, constant::all().map(|constant| constant.name)) {
        Some(close) => error.with_help(format!("did you mean `:{close}`?")),
        None => error.with_help("write the number it stands for"),
    });
    None
}

/// The value of a definition, for a use at `used`.
fn defined<'u>(scope: &mut dyn Scope<'u>, id: DefId, used: Span) -> Option<i128> {
    let definition = scope.unit().definitions.get(id)?;
    let name = &definition.name;
    match &definition.kind {
        DefinitionKind::Value { value, .. } if matches!(value.kind, ExprKind::Lambda(_)) => {
            scope.report(
                Diagnostic::error(NOT_CONSTANT, used, format!("`{}` is a procedure, not a constant", name.name))
                    .with_note(name.span, "it is defined here"),
            );
            None
        }
        DefinitionKind::Value { annotation, value } => {
            if let Some(known) = scope.constants().known.get(&id) {
                return *known;
            }
            let open = &scope.constants().open;
            if open.contains(&id) {
                scope.report(
                    Diagnostic::error(CONSTANT_CYCLE, used, format!("the value of `{}` depends on itself", name.name))
                        .with_note(name.span, "it is defined here")
                        .with_help("break the circle: give one of these constants a number"),
                );
                return None;
            }
            if open.len() >= MAXIMUM_DEPTH {
                not_constant(scope, used, "too many constants depend on each other");
                return None;
            }
            scope.constants().open.push(id);
            let mut result = of_expression(scope, definition.program, value);
            if let (Some(value_found), Some(annotation)) = (result, annotation) {
                let datum = std::slice::from_ref(annotation);
                result = type_syntax::data_type(scope, definition.program, datum, annotation.span)
                    .and_then(|ty| converted(scope, &ty, value_found, value.span));
            }
            scope.constants().open.pop();
            scope.constants().known.insert(id, result);
            result
        }
        DefinitionKind::Global { .. } => {
            scope.report(
                Diagnostic::error(NOT_CONSTANT, used, format!("`{}` is not a constant", name.name))
                    .with_note(name.span, "this global gets its value when the program is loaded")
                    .with_help(format!("where it need not change, write `(define {} …)`", name.name)),
            );
            None
        }
        _ => {
            not_constant(scope, used, &format!("`{}` is not a number", name.name));
            None
        }
    }
}

fn size_of<'u>(scope: &mut dyn Scope<'u>, program: Option<ProgramId>, datum: &Datum) -> Option<i128> {
    let ty = type_syntax::data_type(scope, program, std::slice::from_ref(datum), datum.span)?;
    Some(i128::from(scope.types().size(&ty)))
}

/// The value as one of the type: its low bits.
fn converted<'u>(scope: &mut dyn Scope<'u>, ty: &DataType, value: i128, span: Span) -> Option<i128> {
    let int = match ty {
        DataType::Int(int) | DataType::BigEndian(int) => *int,
        _ => {
            not_constant(scope, span, "a constant of this type is not a number");
            return None;
        }
    };
    let unused = 128_u32.saturating_sub(u32::from(int.bits));
    let high = value.wrapping_shl(unused);
    if int.signed {
        return Some(high.wrapping_shr(unused));
    }
    i128::try_from(high.cast_unsigned().wrapping_shr(unused)).ok()
}

/// What an operator of the language makes of numbers.
fn apply<'u>(scope: &mut dyn Scope<'u>, operator: &str, values: &[i128], span: Span) -> Option<i128> {
    match operate(operator, values) {
        Ok(value) => Some(value),
        Err(Refusal::NotAnOperator) => {
            not_constant(scope, span, &format!("`{operator}` does not give a constant"));
            None
        }
        Err(Refusal::Arity) => {
            let count = values.len();
            scope.report(Diagnostic::error(
                CONSTANT_ARITHMETIC,
                span,
                format!("`{operator}` does not take {count} argument{}", if count == 1 { "" } else { "s" }),
            ));
            None
        }
        Err(Refusal::ZeroDivisor) => {
            scope.report(Diagnostic::error(CONSTANT_ARITHMETIC, span, "this divides by zero"));
            None
        }
        Err(Refusal::TooLarge) => {
            scope.report(
                Diagnostic::error(CONSTANT_ARITHMETIC, span, "this number is too large")
                    .with_help("numbers have at most 64 bits"),
            );
            None
        }
    }
}

/// Why an operator gives no constant.
enum Refusal {
    NotAnOperator,
    Arity,
    ZeroDivisor,
    TooLarge,
}

fn operate(operator: &str, values: &[i128]) -> Result<i128, Refusal> {
    let fold = |start: i128, step: fn(i128, i128) -> Option<i128>| {
        values.iter().try_fold(start, |sum, value| step(sum, *value)).ok_or(Refusal::TooLarge)
    };
    let one = || match values {
        [value] => Ok(*value),
        _ => Err(Refusal::Arity),
    };
    let two = || match values {
        [a, b] => Ok((*a, *b)),
        _ => Err(Refusal::Arity),
    };
    let divide = |step: fn(i128, i128) -> Option<i128>| match two()? {
        (_, 0) => Err(Refusal::ZeroDivisor),
        (a, b) => step(a, b).ok_or(Refusal::TooLarge),
    };
    match operator {
        "+" => fold(0, i128::checked_add),
        "*" => fold(1, i128::checked_mul),
        "-" => match values {
            [] => Err(Refusal::Arity),
            [value] => value.checked_neg().ok_or(Refusal::TooLarge),
            [first, rest @ ..] => {
                rest.iter().try_fold(*first, |sum: i128, value| sum.checked_sub(*value)).ok_or(Refusal::TooLarge)
            }
        },
        "quotient" => divide(i128::checked_div),
        "remainder" => divide(i128::checked_rem),
        // R7RS: the result has the sign of the divisor.
        "modulo" => divide(|a, b| {
            let remainder = a.checked_rem(b)?;
            if remainder != 0 && (remainder < 0) != (b < 0) { remainder.checked_add(b) } else { Some(remainder) }
        }),
        "min" => values.iter().copied().min().ok_or(Refusal::Arity),
        "max" => values.iter().copied().max().ok_or(Refusal::Arity),
        "abs" => one()?.checked_abs().ok_or(Refusal::TooLarge),
        "square" => {
            let value = one()?;
            value.checked_mul(value).ok_or(Refusal::TooLarge)
        }
        "bitwise-and" => fold(-1, |a, b| Some(a & b)),
        "bitwise-ior" => fold(0, |a, b| Some(a | b)),
        "bitwise-xor" => fold(0, |a, b| Some(a ^ b)),
        "bitwise-not" => Ok(!one()?),
        "arithmetic-shift" => {
            let (value, by) = two()?;
            shift(value, by).ok_or(Refusal::TooLarge)
        }
        _ => Err(Refusal::NotAnOperator),
    }
}

/// To the left for a positive count, to the right (down) for a negative one.
fn shift(value: i128, by: i128) -> Option<i128> {
    if by <= 0 {
        // Beyond 127 only the sign is left.
        let by = u32::try_from(by.checked_neg()?).unwrap_or(u32::MAX).min(127);
        return value.checked_shr(by);
    }
    let by = u32::try_from(by).ok().filter(|by| *by < 127)?;
    value.checked_mul(1_i128.checked_shl(by)?)
}
