//! What stands outside procedures: programs, their clauses, and every definition, in any order.
//!
//! First everything is found and named; bodies are expanded after, when all names are known.

use super::declaration::Sort;
use super::environment::{ContainerId, Denotation, Global, Identifier};
use super::expander::{Expander, Outcome, Refusal, ident};
use super::form::{ObjectHeader, Program, ProgramId};
use super::special::Special;
use crate::diagnostic::catalogue as codes;
use crate::syntax::Datum;

/// The clauses of programs, which are no calls even where a procedure has the same name.
const PROGRAM_CLAUSES: &[&str] =
    &["license", "program-type", "attach-point", "min-kernel", "sleepable", "frags", "entry"];

impl Expander<'_> {
    /// Finds and names all that the forms of the current container define. `program` is the one that holds them.
    pub(super) fn collect(&mut self, forms: Vec<Datum>, program: Option<ProgramId>) {
        // Macros first: a use may stand above its definition.
        let mut rest = Vec::new();
        for form in forms {
            let is_macro = matches!(self.head(&form), Some(Denotation::Special(Special::DefineSyntax)));
            if is_macro { self.top_level_form(&form, program) } else { rest.push(form) }
        }
        for form in &rest {
            self.top_level_form(form, program);
        }
    }

    fn top_level_form(&mut self, form: &Datum, program: Option<ProgramId>) {
        let Some(form) = self.expand_macros(form) else { return };
        let arguments = form.as_list().and_then(|items| items.get(1..)).unwrap_or(&[]);
        let special = match self.head(&form) {
            Some(Denotation::Special(special)) => special,
            head => return self.clause_or_expression(&form, head, program),
        };
        let outcome = match special {
            Special::Begin => {
                if self.is_too_deep(1, form.span) {
                    return;
                }
                self.depth += 1;
                for argument in arguments {
                    self.top_level_form(argument, program);
                }
                self.depth -= 1;
                Ok(())
            }
            Special::Define => self.declare_value(&form, arguments),
            Special::DefineValues => self.declare_values(&form, arguments),
            Special::DefineSyntax => self.declare_macro(&form, arguments),
            Special::Signature => self.body_signature(&form, arguments).map(|signature| {
                self.environment.current().signatures.push(signature);
            }),
            Special::DefineMap => self.declare_map(&form, arguments),
            Special::DefineStruct => self.declare_struct(&form, arguments, Sort::Struct),
            Special::DefineHeader => self.declare_struct(&form, arguments, Sort::Header),
            Special::DefineEnum => self.declare_enum(&form, arguments, Sort::Enum),
            Special::DefineGlobal => self.declare_global(&form, arguments),
            Special::DefineType => self.declare_type(&form, arguments),
            Special::DefineProgram => self.declare_program(&form, arguments, program),
            Special::DefineObject => self.declare_object(&form, arguments, program),
            Special::Include => self.include(&form, arguments, program),
            Special::DefineKernelStruct => self.declare_struct(&form, arguments, Sort::KernelStruct),
            Special::DefineKernelEnum => self.declare_enum(&form, arguments, Sort::KernelEnum),
            Special::DefineKfunc => self.declare_kfunc(&form, arguments),
            Special::Import => {
                self.not_available(special, &form, arguments);
                Ok(())
            }
            _ => {
                self.expression_outside(&form, program);
                Ok(())
            }
        };
        if let Err(refusal) = outcome {
            self.refuse(special, refusal);
            self.expect_nothing_of(arguments);
        }
    }

    fn clause_or_expression(&mut self, form: &Datum, head: Option<Denotation>, program: Option<ProgramId>) {
        let name = form.as_list().and_then(<[_]>::first).and_then(Datum::as_symbol);
        let is_clause = match (name, head) {
            (Some(name), _) if PROGRAM_CLAUSES.contains(&&**name) => true,
            // Probably a clause that is not known; the checker says so, for it knows them all.
            (Some(_), Some(Denotation::Free(_))) => {
                if self.is_unknown_definition(form) {
                    return;
                }
                true
            }
            _ => false,
        };
        match program {
            Some(program) if is_clause => {
                let clause = self.clause(form, false);
                self.unit.programs.at_mut(program).clauses.extend(clause);
            }
            _ => self.expression_outside(form, program),
        }
    }

    fn expression_outside(&mut self, form: &Datum, program: Option<ProgramId>) {
        let (message, help) = if program.is_some() {
            (
                "a program holds only clauses and definitions",
                "put it in a procedure; the entry point runs each time the program does",
            )
        } else {
            ("only definitions stand outside procedures", "put it in a procedure of a program")
        };
        self.error(codes::EXPRESSION_AT_TOP_LEVEL, form.span, message, help);
    }

    fn declare_macro(&mut self, form: &Datum, arguments: &[Datum]) -> Outcome<()> {
        let [name, rules] = arguments else {
            return Err(Refusal::malformed(form.span, "`define-syntax` wants a name and a `syntax-rules`"));
        };
        let (identifier, rules) = self.compile_macro(name, rules, form.span)?;
        self.bind_global(identifier, Global::Macro(rules), name.span);
        Ok(())
    }

    fn declare_program(&mut self, form: &Datum, arguments: &[Datum], parent: Option<ProgramId>) -> Outcome<()> {
        let Some((name, items)) = arguments.split_first() else {
            return Err(Refusal::malformed(form.span, "a program has a name"));
        };
        let (Some(identifier), Some(ident)) = (Identifier::of(name), ident(name)) else {
            return Err(Refusal::malformed(name.span, "the name of the program is wanted here"));
        };
        let program = self.unit.programs.push(Program {
            name: ident,
            span: form.span,
            clauses: Vec::new(),
            parent,
            doc: form.doc.clone(),
        });
        self.bind_global(identifier, Global::Program(program), name.span);
        let container: ContainerId = self.environment.add_container(Some(program));
        if self.is_too_deep(1, form.span) {
            return Err(Refusal::Reported);
        }
        self.depth += 1;
        self.within(container, |expander| {
            expander.collect(items.to_vec(), Some(program));
            expander.apply_signatures();
        });
        self.depth -= 1;
        Ok(())
    }

    fn declare_object(&mut self, form: &Datum, arguments: &[Datum], program: Option<ProgramId>) -> Outcome<()> {
        let Some((name, clauses)) = arguments.split_first() else {
            return Err(Refusal::malformed(form.span, "the object has a name"));
        };
        let Some(name) = ident(name) else {
            return Err(Refusal::malformed(name.span, "the name of the object is wanted here"));
        };
        if program.is_some() {
            self.error(
                codes::MISPLACED_DEFINITION,
                form.span,
                "`define-ebpf-object` stands beside the programs, not within one",
                "move it out of the program",
            );
            return Err(Refusal::Reported);
        }
        if let Some(first) = &self.unit.object {
            let first = first.name.span;
            self.duplicate_definition(&name.name, name.span, first);
            return Err(Refusal::Reported);
        }
        let clauses = clauses.iter().filter_map(|clause| self.clause(clause, false)).collect();
        self.unit.object = Some(ObjectHeader { name, clauses, doc: form.doc.clone() });
        Ok(())
    }

    fn include(&mut self, form: &Datum, arguments: &[Datum], program: Option<ProgramId>) -> Outcome<()> {
        if arguments.is_empty() {
            return Err(Refusal::malformed(form.span, "`include` wants the name of a file"));
        }
        for argument in arguments {
            let Some(path) = argument.as_string() else {
                return Err(Refusal::malformed(argument.span, "the name of a file is a string"));
            };
            let from = self.sources.get(argument.span.source).name.clone();
            let (text, name) = match self.includes.load(&from, path) {
                Ok(found) => found,
                Err(why) => {
                    self.error(
                        codes::INCLUDE_FAILED,
                        argument.span,
                        format!("`{path}` can't be included: {why}"),
                        "the path is relative to the file that includes it",
                    );
                    continue;
                }
            };
            if self.including.contains(&name) || self.including.len() > 64 {
                self.error(
                    codes::INCLUDE_FAILED,
                    argument.span,
                    format!("`{path}` includes itself"),
                    "move what both files need to a third one",
                );
                continue;
            }
            let source = self.sources.add(name.clone(), text);
            let forms = self.read(source);
            self.including.push(name);
            self.collect(forms, program);
            self.including.pop();
        }
        Ok(())
    }

    fn not_available(&mut self, special: Special, form: &Datum, arguments: &[Datum]) {
        let message = format!("`{}` is not available yet", special.name());
        self.error(codes::NOT_AVAILABLE_YET, form.span, message, "leave it out for now");
        match (special, arguments.first().and_then(Datum::as_symbol)) {
            (Special::Import, _) => self.import_missing = true,
            (_, Some(name)) => self.missing.push(name.clone()),
            _ => {}
        }
    }

    /// Gives `(: name type)` to the definitions beside them.
    pub(super) fn apply_signatures(&mut self) {
        for (identifier, span, ty) in std::mem::take(&mut self.environment.current().signatures) {
            let found = match self.environment.defined_here(&identifier) {
                Some(Global::Definition(declaration)) => *declaration,
                _ => {
                    self.lost_signature(&identifier.name, span);
                    continue;
                }
            };
            let declaration = self.declarations.at_mut(found);
            let first = declaration.name.span;
            let takes_one = matches!(declaration.sort, Sort::Procedure | Sort::Constant);
            if takes_one && declaration.signature.is_none() && !declaration.is_annotated() {
                declaration.signature = Some(ty);
            } else {
                self.second_signature(&identifier.name, span, first);
            }
        }
    }
}
