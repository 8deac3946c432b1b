//! The entry of a program: which procedure the kernel calls, and what it must take and give.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::checker::{Checker, Position};
use super::declare::DeclaredProgram;
use super::flow::Flow;
use super::typed::{self, ExprKind as Typed, Function, Type};
use super::types::IntType;
use super::value::{Environment, Run, Static, Value};
use super::walk;
use crate::diagnostic::{Diagnostic, Diagnostics, catalogue, suggestion};
use crate::expand::form::{DefId, Definition, DefinitionKind, Expr, ExprKind, Ident, Lambda, ProgramId, Unit, VarId};
use crate::kernel::ProgramType;
use crate::kernel::program_type::{PacketAccess, Results};
use crate::source::Span;

/// The procedure that the kernel calls.
pub(super) struct Entry {
    name: Ident,
    lambda: Arc<Lambda>,
    /// `;;;` text.
    pub(super) doc: Option<Arc<str>>,
}

/// What an entry procedure takes.
#[derive(Copy, Clone, PartialEq, Eq)]
enum Takes {
    Context,
    /// The arguments of what the program is attached to.
    Arguments,
}

fn lambda_of(definition: &Definition) -> Option<&Arc<Lambda>> {
    match &definition.kind {
        DefinitionKind::Value { value: Expr { kind: ExprKind::Lambda(lambda), .. }, .. } => Some(lambda),
        _ => None,
    }
}

/// Finds the entry: what `(entry …)` names, or the procedure that no other procedure of the program names.
pub(super) fn find(unit: &Unit, program: &DeclaredProgram, diagnostics: &mut Diagnostics) -> Option<Entry> {
    let entry = |id: DefId| {
        let definition = unit.definitions.at(id);
        let lambda = lambda_of(definition)?.clone();
        Some(Entry { name: definition.name.clone(), lambda, doc: definition.doc.clone() })
    };
    if let Some((id, _)) = &program.entry {
        return entry(*id);
    }
    let procedures: Vec<(DefId, &Definition)> = unit
        .definitions
        .iter()
        .filter(|(_, definition)| definition.program == Some(program.id) && lambda_of(definition).is_some())
        .collect();
    let mut called = BTreeSet::new();
    for (id, definition) in unit.definitions.iter() {
        if !is_inside(unit, definition.program, program.id) {
            continue;
        }
        if let DefinitionKind::Value { value, .. } = &definition.kind {
            walk::definitions(value, &mut |named| {
                if named != id {
                    called.insert(named);
                }
            });
        }
    }
    let uncalled: Vec<_> = procedures.iter().filter(|(id, _)| !called.contains(id)).collect();
    match uncalled.as_slice() {
        [(id, _)] => entry(*id),
        [] => {
            let message = format!("`{}` has no procedure that the kernel could call", program.name.name);
            diagnostics.push(
                Diagnostic::error(catalogue::NO_ENTRY, program.name.span, message)
                    .with_help("define one that takes the context: `(define (main ctx) …)`"),
            );
            None
        }
        [(_, first), rest @ ..] => {
            let names: Vec<String> =
                uncalled.iter().map(|(_, definition)| format!("`{}`", definition.name.name)).collect();
            let message =
                format!("which of {} does the kernel call? None of them is called by another", names.join(", "));
            let likeliest = uncalled
                .iter()
                .rev()
                .max_by_key(|(_, definition)| likelihood(unit, definition))
                .map_or(*first, |(_, it)| it);
            let mut diagnostic = Diagnostic::error(catalogue::SEVERAL_ENTRIES, first.name.span, message)
                .with_help(format!("name it: `(entry {})`", likeliest.name.name))
                .with_help("or remove the procedure that nothing calls");
            for (_, definition) in rest {
                diagnostic = diagnostic.with_note(definition.name.span, "or this one?");
            }
            diagnostics.push(diagnostic);
            None
        }
    }
}

/// How much a procedure looks like one that the kernel calls: with the context alone.
fn likelihood(unit: &Unit, definition: &Definition) -> (bool, bool, bool) {
    let parameters = lambda_of(definition).map_or(&[][..], |lambda| lambda.parameters.as_slice());
    let is_context = |name: &str| matches!(name, "ctx" | "context");
    let takes_context = parameters.first().is_some_and(|parameter| is_context(&unit.variables.at(*parameter).name));
    (parameters.len() == 1, takes_context, &*definition.name.name == "main")
}

/// Whether a program is another, or nested in it.
fn is_inside(unit: &Unit, inner: Option<ProgramId>, outer: ProgramId) -> bool {
    let mut next = inner;
    while let Some(id) = next {
        if id == outer {
            return true;
        }
        next = unit.programs.at(id).parent;
    }
    false
}

impl Checker<'_> {
    /// Checks the entry of the program.
    pub(super) fn entry(&mut self, entry: &Entry) -> Option<Function> {
        let program_type = self.program.program_type;
        let lambda = &entry.lambda;
        let takes = self.takes(entry)?;
        self.flow = Flow::new();
        let context = Run::new(typed::Expr::new(Type::Context(program_type), entry.name.span, Typed::Unit));
        let name = match (takes, lambda.parameters.as_slice()) {
            (Takes::Context, [parameter]) => self.unit.variables.at(*parameter).name.clone(),
            _ => "ctx".into(),
        };
        let local = self.new_local(&name, &context, false);
        self.function.context = Some(local);
        if program_type == ProgramType::Kretprobe {
            self.expect_arguments(entry.name.span);
        }
        let context = self.read_local(local, entry.name.span);
        let arguments = match takes {
            Takes::Context => vec![Value::Run(context)],
            Takes::Arguments => self.entry_arguments(lambda, &context.expr),
        };
        let result = self.enter(lambda, entry.name.span, |checker| {
            checker.in_environment(Environment::default(), |checker| {
                if !checker.bind_parameters(lambda, arguments, entry.name.span) {
                    return Value::Error(lambda.span);
                }
                checker.check(&lambda.body, Position::VALUE)
            })
        });
        let result = self.close(0, result);
        let mut body = self.verdict(result, &lambda.body)?;
        if program_type == ProgramType::Kretprobe {
            body = self.with_arguments(body, local, &entry.name.name, entry.name.span);
        }
        let state = std::mem::take(&mut self.function);
        Some(Function {
            name: entry.name.name.clone(),
            name_span: entry.name.span,
            span: lambda.span,
            parameters: vec![local],
            locals: state.locals,
            loops: state.loops,
            body,
        })
    }

    /// What the entry procedure takes; `None`, reported, where it can't take anything of the kind.
    fn takes(&mut self, entry: &Entry) -> Option<Takes> {
        let parameters = entry.lambda.parameters.as_slice();
        let has_type = |parameter: &VarId| self.unit.variables.at(*parameter).annotation.is_some();
        let program_type = self.program.program_type;
        // Where a function of a process returns, nobody has kept its arguments.
        let has_arguments = program_type != ProgramType::Uretprobe;
        let may_name = (program_type.is_probe() || program_type.is_given_typed_arguments()) && has_arguments;
        if may_name && entry.lambda.rest.is_none() && !parameters.is_empty() && parameters.iter().all(has_type) {
            return Some(Takes::Arguments);
        }
        if matches!(parameters, [_]) {
            return Some(Takes::Context);
        }
        let name = &entry.name.name;
        let message = format!("the kernel calls `{name}` with one argument, the context");
        let mut error = Diagnostic::error(catalogue::WRONG_ARITY, entry.name.span, message)
            .with_help(format!("write `(define ({name} ctx) …)`"));
        if may_name {
            error = error.with_help(format!(
                "or give each a type, for the arguments of what it is attached to: `(define ({name} (first : u64) (second : u32)) …)`"
            ));
        }
        self.report(error);
        None
    }

    /// The arguments of what the program is attached to, as many as the entry procedure names.
    fn entry_arguments(&mut self, lambda: &Lambda, context: &typed::Expr) -> Vec<Value> {
        (0_u32..)
            .zip(&lambda.parameters)
            .map(|(index, parameter)| {
                let variable = self.unit.variables.at(*parameter);
                let span = variable.span;
                match &variable.annotation {
                    Some(annotation) if self.program.program_type.is_given_typed_arguments() => {
                        self.typed_argument(context, index, annotation, span)
                    }
                    _ => {
                        let index = Value::constant(i128::from(index), IntType::U64, span);
                        self.function_argument(context, index, "the entry procedure", span)
                    }
                }
            })
            .collect()
    }

    /// What the program returns, if it is what its type may return.
    fn verdict(&mut self, result: Value, body: &Expr) -> Option<typed::Expr> {
        let program_type = self.program.program_type;
        let span = result.span();
        let run = match result {
            Value::Error(_) => return None,
            Value::Run(run) => run,
            other => {
                let what = self.describe(&other);
                let keyword = match &other {
                    Value::Static(Static::Keyword(name), _) => Some(&**name),
                    _ => None,
                };
                let help = keyword.and_then(|name| self.meant_result(name));
                self.wrong_return(&what, last_expression(body), help);
                return None;
            }
        };
        if run.expr.ty == Type::Verdict(program_type) || run.expr.ty == Type::Never {
            return Some(run.expr);
        }
        match program_type.facts().results {
            Results::Names(_) => {}
            Results::Ignored => return self.any_number(run, body),
            Results::Number { .. } if run.expr.ty != Type::Unit => return self.any_number(run, body),
            Results::Number { .. } => {}
        }
        let what = self.describe(&Value::Run(run.clone()));
        let place = match run.expr.ty {
            Type::Unit => valueless(body).unwrap_or_else(|| last_expression(body)),
            _ => span,
        };
        let nothing = run.expr.ty == Type::Unit;
        let what = if nothing { "nothing on some path".to_owned() } else { what };
        let help =
            "where their tests fail, `when`, an `if` without a second branch and a `cond` without `else` give nothing";
        self.wrong_return(&what, place, nothing.then(|| help.to_owned()));
        None
    }

    /// What was probably meant by a keyword that is no result.
    fn meant_result(&self, keyword: &str) -> Option<String> {
        let results = self.program.program_type.results();
        let meant = suggestion::closest(keyword, results.iter().map(|result| result.name))?;
        Some(format!("did you mean `:{meant}`?"))
    }

    /// What a program returns that may return any number: 0 where there is none.
    fn any_number(&mut self, run: Run, body: &Expr) -> Option<typed::Expr> {
        let ty = Type::Verdict(self.program.program_type);
        let span = run.expr.span;
        if run.expr.ty == Type::Unit {
            let zero = typed::Expr::new(ty.clone(), span, Typed::Constant(0));
            return Some(typed::Expr::new(ty, span, Typed::Seq(vec![run.expr, zero])));
        }
        let run = self.read_through(run)?;
        if run.int_type().is_some() {
            // The kernel looks at the lowest 32 bits.
            return Some(typed::Expr::new(ty, span, Typed::Cast(Box::new(run.expr))));
        }
        let what = self.describe(&Value::Run(run));
        self.wrong_return(&what, last_expression(body), None);
        None
    }

    fn wrong_return(&mut self, what: &str, place: Span, help: Option<String>) {
        let program_type = self.program.program_type;
        let keyword = program_type.keyword();
        let (wanted, way_out) = match program_type.facts().results {
            Results::Names(results) => {
                let names: Vec<String> = results.iter().map(|result| format!("`:{}`", result.name)).collect();
                let wanted = if program_type.facts().packet == PacketAccess::None {
                    "a decision"
                } else {
                    "what to do with the packet"
                };
                (wanted, format!("end every path with one of {}", names.join(", ")))
            }
            Results::Number { what, way_out } => (what, way_out.to_owned()),
            Results::Ignored => ("a number", "end it with `0`: the kernel makes nothing of it".to_owned()),
        };
        let message = format!("a `:{keyword}` program returns {wanted}, and this gives {what}");
        let diagnostic = Diagnostic::error(catalogue::WRONG_RETURN, place, message);
        let diagnostic = help.into_iter().fold(diagnostic, Diagnostic::with_help);
        self.push(diagnostic.with_help(way_out));
    }
}

/// The expression that gives the value of another.
fn last_expression(expr: &Expr) -> Span {
    match &expr.kind {
        ExprKind::Let(_, body) | ExprKind::Letrec(_, body) | ExprKind::LetValues { body, .. } => last_expression(body),
        ExprKind::Begin(items) => items.last().map_or(expr.span, last_expression),
        _ => expr.span,
    }
}

/// The first `if` in tail position that lacks a branch.
fn valueless(expr: &Expr) -> Option<Span> {
    match &expr.kind {
        ExprKind::If(_, then, otherwise) => {
            if matches!(otherwise.kind, ExprKind::Unspecified) || matches!(then.kind, ExprKind::Unspecified) {
                return Some(expr.span);
            }
            valueless(then).or_else(|| valueless(otherwise))
        }
        ExprKind::Let(_, body) | ExprKind::Letrec(_, body) | ExprKind::LetValues { body, .. } => valueless(body),
        ExprKind::Begin(items) => items.last().and_then(valueless),
        ExprKind::Case { clauses, otherwise, .. } => {
            clauses.iter().find_map(|(_, body)| valueless(body)).or_else(|| match otherwise.kind {
                ExprKind::Unspecified => Some(expr.span),
                _ => valueless(otherwise),
            })
        }
        _ => None,
    }
}
