//! Programs and the unit: what their clauses say, with those of the programs and the object around them.

use std::sync::Arc;

use super::DeclaredProgram;
use super::attach_point;
use super::clause::{Clauses, Rule};
use super::map::newer;
use super::scope;
use crate::arena::Id;
use crate::diagnostic::catalogue::{
    DIFFERENT_LICENSES, KERNEL_TOO_OLD, MALFORMED_KERNEL_VERSION, MISSING_LICENSE, MISSING_PROGRAM_TYPE, NO_PROGRAM,
    ONE_ATTACH_POINT, PROGRAM_FEATURE, PROGRAM_TYPE_NOT_AVAILABLE, SEVERAL_PROGRAMS, UNCLEAR_LICENSE, UNKNOWN_ENTRY,
    UNKNOWN_PROGRAM_TYPE,
};
use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::expand::form::{Clause, DefId, DefinitionKind, ExprKind, Ident, Program, ProgramId, Unit};
use crate::kernel::helper::{GPL_COMPATIBLE, is_gpl_compatible};
use crate::kernel::{KernelVersion, ProgramType};
use crate::source::{SourceId, Span};
use crate::syntax::DatumKind;

static PROGRAM_RULES: &[Rule] = &[
    Rule { name: "license", example: "(license \"GPL\")", repeats: false },
    Rule { name: "program-type", example: "(program-type :xdp)", repeats: false },
    Rule { name: "attach-point", example: "(attach-point \"eth0\")", repeats: true },
    Rule { name: "min-kernel", example: "(min-kernel \"5.10\")", repeats: false },
    Rule { name: "sleepable", example: "(sleepable)", repeats: false },
    Rule { name: "frags", example: "(frags)", repeats: false },
    Rule { name: "entry", example: "(entry main)", repeats: false },
];

static OBJECT_RULES: &[Rule] = &[
    Rule { name: "license", example: "(license \"GPL\")", repeats: false },
    Rule { name: "min-kernel", example: "(min-kernel \"5.10\")", repeats: false },
];

/// What clauses say of a unit and its programs.
pub(super) struct DeclaredUnit {
    pub(super) name: Ident,
    pub(super) doc: Option<Arc<str>>,
    pub(super) license: Arc<str>,
    pub(super) min_kernel: KernelVersion,
    pub(super) programs: Vec<DeclaredProgram>,
}

/// What is passed on from an object or program to what is in it.
#[derive(Clone, Default)]
struct Inherited {
    license: Option<(Arc<str>, Span)>,
    program_type: Option<ProgramType>,
    /// A type is named, but not a usable one: that was said, and is enough.
    wrong_type: bool,
    min_kernel: Option<KernelVersion>,
}

/// Reads the clauses of all programs.
pub(super) fn declare_programs(unit: &Unit, diagnostics: &mut Diagnostics) -> DeclaredUnit {
    let (name, doc) = name_unit(unit, diagnostics);
    let outer = match &unit.object {
        Some(object) => {
            let clauses = Clauses::new(&object.clauses, OBJECT_RULES, "an object", diagnostics);
            inherit(&Inherited::default(), &clauses, diagnostics)
        }
        None => Inherited::default(),
    };
    // Outer programs come before those in them.
    let mut known: Vec<Inherited> = Vec::new();
    let mut license: Option<(Arc<str>, Span)> = outer.license.clone();
    let mut min_kernel = outer.min_kernel;
    let mut programs = Vec::new();
    for (id, program) in unit.programs.iter() {
        let clauses = Clauses::new(&program.clauses, PROGRAM_RULES, "a program", diagnostics);
        let around = program.parent.and_then(|parent| known.get(parent.index())).unwrap_or(&outer);
        let own = inherit(around, &clauses, diagnostics);
        check_license(program, &own, &mut license, diagnostics);
        min_kernel = min_kernel.max(own.min_kernel);
        if let Some(declared) = declare_program(unit, id, &own, &clauses, diagnostics) {
            programs.push(declared);
        }
        known.push(own);
    }
    DeclaredUnit {
        name,
        doc,
        license: license.map_or_else(|| Arc::from(""), |(license, _)| license),
        min_kernel: min_kernel.unwrap_or(KernelVersion::DEFAULT),
        programs,
    }
}

/// What the unit is called.
fn name_unit(unit: &Unit, diagnostics: &mut Diagnostics) -> (Ident, Option<Arc<str>>) {
    let mut top_level = unit.programs.values().filter(|program| program.parent.is_none());
    let first = top_level.next();
    if first.is_none() {
        let span = unit.object.as_ref().map(|object| object.name.span);
        let of_user = || unit.definitions.values().find(|definition| !definition.prelude);
        let span = span.or_else(|| of_user().map(|definition| definition.name.span));
        diagnostics.push(
            Diagnostic::error(NO_PROGRAM, span.unwrap_or_else(nowhere), "there is no program here").with_help(
                "write one: `(define-ebpf-program my-program (license \"GPL\") (program-type :xdp) (define (main ctx) :xdp-pass))`",
            ),
        );
    }
    if let Some(object) = &unit.object {
        return (object.name.clone(), object.doc.clone());
    }
    let Some(first) = first else {
        return (Ident { name: Arc::from("unit"), span: nowhere() }, None);
    };
    if let Some(second) = top_level.next() {
        diagnostics.push(
            Diagnostic::error(
                SEVERAL_PROGRAMS,
                second.name.span,
                format!("there is already a program `{}`", first.name.name),
            )
            .with_note(first.name.span, "the other program")
            .with_help(
                "name what they make together: add `(define-ebpf-object my-object (license \"GPL\"))` before them",
            ),
        );
    }
    (first.name.clone(), first.doc.clone())
}

/// The place of a text with nothing in it.
fn nowhere() -> Span {
    Span::new(SourceId::new(0), 0, 0)
}

/// What the clauses say, or else what is around them.
fn inherit(around: &Inherited, clauses: &Clauses<'_>, diagnostics: &mut Diagnostics) -> Inherited {
    let mut own = around.clone();
    if let Some(clause) = clauses.get("license") {
        let license = clauses.string(clause, diagnostics);
        if let Some((license, span)) = &license {
            warn_of_license(license, *span, diagnostics);
        }
        // A malformed license is there: it need not be asked for.
        own.license = license.or_else(|| Some((Arc::from(""), clause.span)));
    }
    if let Some(clause) = clauses.get("program-type") {
        own.program_type = program_type(clauses, clause, diagnostics);
        own.wrong_type = own.program_type.is_none();
    }
    if let Some(clause) = clauses.get("min-kernel")
        && let Some(version) = min_kernel(clauses, clause, diagnostics)
    {
        own.min_kernel = Some(version);
    }
    own
}

/// Warns of a license that was probably meant to be compatible with the GPL.
fn warn_of_license(license: &str, span: Span, diagnostics: &mut Diagnostics) {
    if !license.to_ascii_lowercase().contains("gpl") || is_gpl_compatible(license) {
        return;
    }
    let names: Vec<_> = GPL_COMPATIBLE.iter().map(|name| format!("`\"{name}\"`")).collect();
    diagnostics.push(
        Diagnostic::warning(
            UNCLEAR_LICENSE,
            span,
            format!("the kernel does not take `{license}` for compatible with the GPL"),
        )
        .with_help(format!("it knows {}", names.join(", "))),
    );
}

fn program_type(clauses: &Clauses<'_>, clause: &Clause, diagnostics: &mut Diagnostics) -> Option<ProgramType> {
    let [argument] = clause.arguments.as_slice() else {
        let message = "`program-type` takes one keyword";
        diagnostics.push(clauses.malformed(clause, message, clause.span));
        return None;
    };
    let Some(name) = argument.as_keyword() else {
        diagnostics.push(clauses.malformed(clause, "`program-type` takes a keyword", argument.span));
        return None;
    };
    let known = ProgramType::from_keyword(name);
    if known.is_none() {
        let available = || {
            let names: Vec<_> = ProgramType::ALL.iter().map(|ty| format!("`:{}`", ty.keyword())).collect();
            format!("there is {}", names.join(", "))
        };
        diagnostics.push(if ProgramType::is_not_available_yet(name) {
            Diagnostic::error(
                PROGRAM_TYPE_NOT_AVAILABLE,
                argument.span,
                format!("programs of the type `:{name}` are not available yet"),
            )
            .with_help(available())
        } else {
            let error =
                Diagnostic::error(UNKNOWN_PROGRAM_TYPE, argument.span, format!("there is no program type `:{name}`"));
            match suggestion::closest(name, ProgramType::ALL.iter().map(|ty| ty.keyword())) {
                Some(close) => error.with_help(format!("did you mean `:{close}`?")),
                None => error.with_help(available()),
            }
        });
    }
    known
}

fn min_kernel(clauses: &Clauses<'_>, clause: &Clause, diagnostics: &mut Diagnostics) -> Option<KernelVersion> {
    if let [argument] = clause.arguments.as_slice()
        && let DatumKind::Float(text) = &argument.kind
    {
        diagnostics.push(
            Diagnostic::error(MALFORMED_KERNEL_VERSION, argument.span, "a kernel version is a string: 5.10 is not 5.1")
                .with_help(format!("write `(min-kernel \"{text}\")`")),
        );
        return None;
    }
    let (text, span) = clauses.string(clause, diagnostics)?;
    let Some(version) = KernelVersion::parse(&text) else {
        diagnostics.push(
            Diagnostic::error(MALFORMED_KERNEL_VERSION, span, format!("`{text}` is not a kernel version"))
                .with_help("write its first two numbers, as in `(min-kernel \"5.10\")`"),
        );
        return None;
    };
    if version < KernelVersion::OLDEST {
        diagnostics.push(
            Diagnostic::error(KERNEL_TOO_OLD, span, format!("Linux {version} is too old"))
                .with_help(format!("the oldest that programs are made for is {}", KernelVersion::OLDEST)),
        );
        return None;
    }
    Some(version)
}

/// Checks that a program has a license, and the same as the others.
fn check_license(
    program: &Program,
    own: &Inherited,
    unit: &mut Option<(Arc<str>, Span)>,
    diagnostics: &mut Diagnostics,
) {
    let name = &program.name;
    match (&own.license, &*unit) {
        (None, _) => diagnostics.push(
            Diagnostic::error(MISSING_LICENSE, name.span, format!("the program `{}` has no license", name.name))
                .with_help("add `(license \"GPL\")`, or the license your program has"),
        ),
        (Some(license), None) => *unit = Some(license.clone()),
        (Some((license, span)), Some((other, other_span))) => {
            // An empty one stands for one that was malformed.
            if license != other && !license.is_empty() && !other.is_empty() {
                diagnostics.push(
                    Diagnostic::error(DIFFERENT_LICENSES, *span, "the programs of a unit have different licenses")
                        .with_note(*other_span, "the other license")
                        .with_help(format!(
                            "they are loaded together, under one license: write `(license \"{other}\")`, or make two units"
                        )),
                );
            }
        }
    }
}

fn declare_program(
    unit: &Unit,
    id: ProgramId,
    own: &Inherited,
    clauses: &Clauses<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<DeclaredProgram> {
    let program = unit.programs.get(id)?;
    let name = &program.name;
    let entry = clauses.get("entry").and_then(|clause| entry(unit, id, clauses, clause, diagnostics));
    let attach_points = attach_point::read(clauses, diagnostics);
    let sleepable = clauses.flag("sleepable", diagnostics);
    let frags = clauses.flag("frags", diagnostics);
    let Some(program_type) = own.program_type else {
        if !own.wrong_type {
            diagnostics.push(
                Diagnostic::error(MISSING_PROGRAM_TYPE, name.span, format!("the program `{}` has no type", name.name))
                    .with_help("add `(program-type :xdp)`"),
            );
        }
        return None;
    };
    let min_kernel = own.min_kernel.unwrap_or(KernelVersion::DEFAULT);
    let facts = program_type.facts();
    if facts.since > min_kernel {
        let what = format!("programs of the type `:{}`", facts.keyword);
        diagnostics.push(newer(name.span, &what, facts.since, min_kernel));
    }
    attach_point::check(name, program_type, min_kernel, &attach_points, diagnostics);
    if program_type.is_given_typed_arguments() && attach_points.len() != 1 {
        let place = attach_points.get(1).map_or(name.span, |(_, span)| *span);
        let message = format!("programs of the type `:{}` have one attach point", facts.keyword);
        diagnostics.push(Diagnostic::error(ONE_ATTACH_POINT, place, message).with_help(
            "the kernel verifies the program against its arguments: write one, as in `(attach-point \"sched_switch\")`",
        ));
    }
    if let Some(clause) = sleepable.filter(|_| !facts.sleepable) {
        let message = format!("programs of the type `:{}` can't sleep", facts.keyword);
        diagnostics.push(Diagnostic::error(PROGRAM_FEATURE, clause.span, message).with_help("leave `(sleepable)` out"));
    }
    if let Some(clause) = frags {
        match facts.frags {
            None => diagnostics.push(
                Diagnostic::error(
                    PROGRAM_FEATURE,
                    clause.span,
                    format!("programs of the type `:{}` get no packets in pieces", facts.keyword),
                )
                .with_help("leave `(frags)` out"),
            ),
            Some((_, since)) if since > min_kernel => {
                diagnostics.push(newer(clause.span, "programs with `(frags)`", since, min_kernel));
            }
            Some(_) => {}
        }
    }
    Some(DeclaredProgram {
        id,
        name: name.clone(),
        doc: program.doc.clone(),
        span: program.span,
        program_type,
        license: own.license.as_ref().map_or_else(|| Arc::from(""), |(license, _)| license.clone()),
        min_kernel,
        attach_points,
        sleepable: sleepable.is_some() && facts.sleepable,
        frags: frags.is_some() && facts.frags.is_some(),
        entry,
    })
}

/// The procedure that `(entry NAME)` names.
fn entry(
    unit: &Unit,
    program: ProgramId,
    clauses: &Clauses<'_>,
    clause: &Clause,
    diagnostics: &mut Diagnostics,
) -> Option<(DefId, Ident)> {
    let argument = clauses.one(clause, diagnostics)?;
    let Some(name) = argument.as_symbol() else {
        diagnostics.push(clauses.malformed(clause, "`entry` takes the name of a procedure", argument.span));
        return None;
    };
    let is_procedure = |kind: &DefinitionKind| matches!(kind, DefinitionKind::Value { value, .. } if matches!(value.kind, ExprKind::Lambda(_)));
    let found = scope::find_value(unit, Some(program), name)
        .filter(|id| unit.definitions.get(*id).is_some_and(|definition| is_procedure(&definition.kind)));
    if let Some(id) = found {
        return Some((id, Ident { name: name.clone(), span: argument.span }));
    }
    let procedures = unit
        .definitions
        .values()
        .filter(|definition| definition.program == Some(program) && is_procedure(&definition.kind));
    let error = Diagnostic::error(UNKNOWN_ENTRY, argument.span, format!("the program has no procedure `{name}`"));
    diagnostics.push(match suggestion::closest(name, procedures.map(|definition| &*definition.name.name)) {
        Some(close) => error.with_help(format!("did you mean `{close}`?")),
        None => error.with_help(format!("define it: `(define ({name} ctx) …)`")),
    });
    None
}
