//! `(attach-point "…")`: what it says, by the type of the program.

use std::sync::Arc;

use super::clause::Clauses;
use super::newer;
use crate::diagnostic::catalogue::{ATTACH_POINT, MISSING_ATTACH_POINT};
use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::expand::form::Ident;
use crate::kernel::program_type::AttachPlace;
use crate::kernel::{KernelVersion, ProgramType};
use crate::source::Span;

/// Every attach point of a program, in order.
pub(super) fn read(clauses: &Clauses<'_>, diagnostics: &mut Diagnostics) -> Vec<(Arc<str>, Span)> {
    let mut points = Vec::new();
    for clause in clauses.all("attach-point") {
        if clause.arguments.is_empty() {
            diagnostics.push(clauses.malformed(clause, "`attach-point` is empty", clause.span));
        }
        for argument in &clause.arguments {
            points.extend(clauses.as_string(clause, argument, diagnostics));
        }
    }
    points
}

/// Checks them against what the program's type has.
pub(super) fn check(
    program: &Ident,
    program_type: ProgramType,
    min_kernel: KernelVersion,
    points: &[(Arc<str>, Span)],
    diagnostics: &mut Diagnostics,
) {
    let hooks = program_type.facts().attach_types;
    if hooks.is_empty() {
        return;
    }
    for (point, span) in points {
        check_one(program_type, min_kernel, point, *span, diagnostics);
    }
    // The loader tells the kernel one hook.
    if hooks.iter().all(|hook| hook.section.is_none()) {
        return;
    }
    let (keyword, example) =
        (program_type.keyword(), hooks.iter().map(|hook| hook.name).find(|name| *name == "connect4"));
    let example = example.unwrap_or_default();
    match points {
        [] => diagnostics.push(
            Diagnostic::error(
                MISSING_ATTACH_POINT,
                program.span,
                format!("the program `{}` does not say which hook it is for", program.name),
            )
            .with_help(format!("add `(attach-point \"{example}\")`, or another of {}", names(program_type))),
        ),
        [(first, first_span), others @ ..] => {
            let hook = program_type.attach_type(first);
            let other = others.iter().find(|(point, _)| program_type.attach_type(point) != hook);
            if let (Some((point, span)), Some(hook)) = (other, hook)
                && program_type.attach_type(point).is_some()
            {
                diagnostics.push(
                    Diagnostic::error(ATTACH_POINT, *span, format!("a `:{keyword}` program is for one hook"))
                        .with_note(*first_span, format!("this one is for `{}`", hook.name))
                        .with_help("write a program for each; they can call the same procedures"),
                );
            }
        }
    }
}

fn check_one(
    program_type: ProgramType,
    min_kernel: KernelVersion,
    point: &str,
    span: Span,
    diagnostics: &mut Diagnostics,
) {
    let keyword = program_type.keyword();
    let Some(hook) = program_type.attach_type(point) else {
        let wrong = point.split(':').next().unwrap_or(point);
        let error = Diagnostic::error(ATTACH_POINT, span, format!("`:{keyword}` programs have no hook `{wrong}`"));
        let known = program_type.facts().attach_types;
        let example = known.first().map(|hook| match hook.place {
            AttachPlace::Interface => format!("{}:{wrong}", hook.name),
            AttachPlace::Cgroup => hook.name.to_owned(),
        });
        let help = match suggestion::closest(wrong, known.iter().map(|hook| hook.name)) {
            Some(close) => format!("did you mean `{close}`?"),
            None => format!(
                "begin with one of {}: `(attach-point \"{}\")`",
                names(program_type),
                example.unwrap_or_default()
            ),
        };
        diagnostics.push(error.with_help(help));
        return;
    };
    let place = point.strip_prefix(hook.name).and_then(|rest| rest.strip_prefix(':'));
    let (message, example) = match (hook.place, place) {
        (AttachPlace::Interface, None | Some("")) => {
            ("this does not say at which network interface".to_owned(), format!("{}:eth0", hook.name))
        }
        (AttachPlace::Cgroup, Some(place)) if !place.starts_with('/') => (
            format!("`{place}` is not the path of a cgroup's directory"),
            format!("{}:/sys/fs/cgroup/{place}", hook.name),
        ),
        _ => {
            if hook.since > min_kernel {
                diagnostics.push(newer(span, &format!("the hook `{}`", hook.name), hook.since, min_kernel));
            }
            return;
        }
    };
    let help = format!("write `(attach-point \"{example}\")`");
    diagnostics.push(Diagnostic::error(ATTACH_POINT, span, message).with_help(help));
}

fn names(program_type: ProgramType) -> String {
    let names: Vec<String> = program_type.facts().attach_types.iter().map(|hook| format!("`{}`", hook.name)).collect();
    names.join(", ")
}
