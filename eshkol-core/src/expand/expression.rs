//! Expressions: literals, references, calls, and which special form goes where.

use super::declaration::Sort;
use super::environment::{Denotation, Identifier};
use super::expander::{Expander, Outcome, Refusal, without_aliases};
use super::form::{Expr, ExprKind};
use super::special::Special;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue as codes;
use crate::source::Span;
use crate::syntax::{Datum, DatumKind};

impl Expr {
    /// An expression at a place.
    pub(super) fn new(span: Span, kind: ExprKind) -> Self {
        Self { span, kind }
    }
}

impl Expander<'_> {
    /// Expands an expression.
    pub(super) fn expression(&mut self, datum: &Datum) -> Expr {
        if self.is_too_deep(1, datum.span) {
            return Expr::new(datum.span, ExprKind::Error);
        }
        self.depth += 1;
        let expr = match self.expand_macros(datum) {
            Some(datum) => Expr::new(datum.span, self.core(&datum)),
            None => Expr::new(datum.span, ExprKind::Error),
        };
        self.depth -= 1;
        expr
    }

    /// Expands an expression into a box.
    pub(super) fn boxed(&mut self, datum: &Datum) -> Box<Expr> {
        Box::new(self.expression(datum))
    }

    fn core(&mut self, datum: &Datum) -> ExprKind {
        match &datum.kind {
            DatumKind::Symbol { .. } => self.reference(datum),
            DatumKind::List(items, None) => match items.split_first() {
                Some((head, arguments)) => self.form(datum, head, arguments),
                None => {
                    self.error(
                        codes::EMPTY_APPLICATION,
                        datum.span,
                        "`()` is no expression",
                        "the empty list is written `'()`; an empty body can be `0`",
                    );
                    ExprKind::Error
                }
            },
            DatumKind::List(_, Some(tail)) => {
                self.error(
                    codes::BAD_SYNTAX,
                    tail.span,
                    "a call has no dotted tail",
                    "write `(f a b)`; to quote a pair, write `'(a . b)`",
                );
                ExprKind::Error
            }
            _ => quoted(datum),
        }
    }

    fn form(&mut self, datum: &Datum, head: &Datum, arguments: &[Datum]) -> ExprKind {
        let denotation = Identifier::of(head).map(|identifier| self.environment.resolve(&identifier));
        match denotation {
            Some(Denotation::Special(special)) => {
                // Special forms take more stack than calls, so they count twice.
                if self.is_too_deep(1, datum.span) {
                    return ExprKind::Error;
                }
                self.depth += 1;
                let outcome = self.special(special, datum, arguments);
                self.depth -= 1;
                outcome.unwrap_or_else(|refusal| {
                    self.refuse(special, refusal);
                    ExprKind::Error
                })
            }
            Some(Denotation::Builtin(name)) if &*name == "ringbuf-reserve" => {
                let head = self.expression(head);
                let arguments = arguments.iter().enumerate().map(|(index, argument)| match index {
                    1 => self.struct_name(argument),
                    _ => self.expression(argument),
                });
                let arguments = arguments.collect();
                ExprKind::Call(Box::new(head), arguments)
            }
            _ => {
                let head = self.expression(head);
                let arguments: Vec<Expr> = arguments.iter().map(|argument| self.expression(argument)).collect();
                ExprKind::Call(Box::new(head), arguments)
            }
        }
    }

    /// An argument that names a struct: types have names of their own, so that a map may be called the same.
    fn struct_name(&mut self, datum: &Datum) -> Expr {
        let local = Identifier::of(datum).map(|identifier| self.environment.resolve(&identifier));
        let found = match local {
            Some(Denotation::Variable(_)) | None => None,
            Some(_) => datum.as_symbol().and_then(|name| self.environment.find_type(name)),
        };
        match found {
            Some(declaration) => Expr::new(datum.span, ExprKind::Definition(self.definition(declaration))),
            None => {
                self.type_syntax(datum);
                self.expression(datum)
            }
        }
    }

    fn reference(&mut self, datum: &Datum) -> ExprKind {
        let Some(identifier) = Identifier::of(datum) else { return ExprKind::Error };
        let name = identifier.name.clone();
        match self.environment.resolve(&identifier) {
            Denotation::Variable(variable) => {
                self.uses.push(variable);
                ExprKind::Local(variable)
            }
            Denotation::Definition(declaration) => ExprKind::Definition(self.definition(declaration)),
            Denotation::StructProcedure(declaration, procedure) => {
                ExprKind::StructProcedure { definition: self.definition(declaration), procedure }
            }
            Denotation::EnumVariant(declaration, variant) => {
                ExprKind::EnumVariant { definition: self.definition(declaration), variant }
            }
            Denotation::Program(program) => ExprKind::Program(program),
            Denotation::Builtin(name) => ExprKind::Builtin(name),
            Denotation::Special(special) => {
                self.error(
                    codes::SYNTAX_AS_VALUE,
                    datum.span,
                    format!("`{name}` is syntax, not a value"),
                    format!("it is written `{}`", special.shape()),
                );
                ExprKind::Error
            }
            Denotation::Macro(rules) => {
                let message = format!("`{name}` is a macro, not a value");
                let diagnostic = Diagnostic::error(codes::SYNTAX_AS_VALUE, datum.span, message);
                let help = format!("use it at the head of a list; `(lambda (x) ({name} x))` makes a procedure of it");
                self.report(diagnostic.with_note(rules.span, "the macro").with_help(help));
                ExprKind::Error
            }
            Denotation::Free(_) => {
                self.unknown(datum);
                ExprKind::Error
            }
        }
    }

    fn special(&mut self, special: Special, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        match special {
            Special::Quote => match arguments {
                [datum] => Ok(quoted(&without_aliases(datum))),
                _ => Err(Refusal::malformed(datum.span, "`quote` wants one datum")),
            },
            Special::Quasiquote => self.quasiquote(datum, arguments),
            Special::Lambda => self.lambda_form(datum, arguments),
            Special::If => self.if_form(datum, arguments),
            Special::Cond => self.cond(datum, arguments),
            Special::Case => self.case(datum, arguments),
            Special::When | Special::Unless => self.when(special, datum, arguments),
            Special::And => self.and(datum, arguments),
            Special::Or => self.or(datum, arguments),
            Special::IfLet => self.if_let(datum, arguments),
            Special::WhenLet => self.when_let(datum, arguments),
            Special::Begin => Ok(self.sequence(arguments)),
            Special::Set => self.set(datum, arguments),
            Special::Let => self.let_form(datum, arguments),
            Special::LetStar => self.let_star(datum, arguments),
            Special::Letrec | Special::LetrecStar => self.letrec(datum, arguments),
            Special::LetValues => self.let_values(datum, arguments, false),
            Special::LetStarValues => self.let_values(datum, arguments, true),
            Special::LetSyntax => self.let_syntax(datum, arguments, false),
            Special::LetrecSyntax => self.let_syntax(datum, arguments, true),
            Special::Do => self.do_loop(datum, arguments),
            Special::While => self.while_loop(datum, arguments),
            Special::For => self.for_loop(datum, arguments),
            Special::The => match arguments {
                [ty, value] => {
                    let ty = self.type_syntax(ty);
                    Ok(ExprKind::The(ty, self.boxed(value)))
                }
                _ => Err(Refusal::malformed(datum.span, "`the` wants a type and an expression")),
            },
            Special::SizeOf => match arguments {
                [ty] => Ok(ExprKind::SizeOf(self.type_syntax(ty))),
                _ => Err(Refusal::malformed(datum.span, "`sizeof` wants one type")),
            },
            Special::FieldExists => match arguments {
                [ty, path @ ..] if !path.is_empty() => {
                    let path = path.iter().map(without_aliases).collect();
                    Ok(ExprKind::FieldExists { ty: self.type_syntax(ty), path })
                }
                _ => Err(Refusal::malformed(datum.span, "`field-exists?` wants a struct of the kernel and a field")),
            },
            Special::TypeExists => match arguments {
                [ty] => Ok(ExprKind::TypeExists(self.type_syntax(ty))),
                _ => Err(Refusal::malformed(datum.span, "`type-exists?` wants one struct of the kernel")),
            },
            Special::TracepointField => match arguments {
                [context, field] => Ok(ExprKind::TracepointField(self.boxed(context), without_aliases(field))),
                _ => {
                    Err(Refusal::malformed(datum.span, "`tracepoint-field` wants the context and the name of a field"))
                }
            },
            Special::ParseHeader => self.parse_header(datum, arguments),
            Special::Reserve => match arguments {
                [buffer, event] => {
                    let event = self.type_syntax(event);
                    Ok(ExprKind::Reserve(self.boxed(buffer), event))
                }
                _ => Err(Refusal::malformed(datum.span, "`ringbuf-reserve` wants a ring buffer and a struct")),
            },
            Special::SyntaxRules => {
                self.error(
                    codes::SYNTAX_AS_VALUE,
                    datum.span,
                    "`syntax-rules` makes a macro, not a value",
                    format!("it is written `{}`", Special::DefineSyntax.shape()),
                );
                Err(Refusal::Reported)
            }
            special => {
                self.misplaced_definition(special, datum.span);
                Err(Refusal::Reported)
            }
        }
    }

    /// Reports a definition where an expression is wanted, or a declaration in a body.
    pub(super) fn misplaced_definition(&mut self, special: Special, span: Span) {
        let (message, help) = if special.is_declaration() {
            (format!("`{}` stands only outside procedures", special.name()), "move it out of the procedure")
        } else {
            (
                format!("`{}` stands only at the head of a body or outside procedures", special.name()),
                "move it to the head of the body, or bind the name with `let`",
            )
        };
        self.error(codes::MISPLACED_DEFINITION, span, message, help);
    }

    /// `e …` one after the other.
    pub(super) fn sequence(&mut self, forms: &[Datum]) -> ExprKind {
        let mut exprs: Vec<Expr> = forms.iter().map(|form| self.expression(form)).collect();
        match exprs.len() {
            0 => ExprKind::Unspecified,
            1 => exprs.pop().map_or(ExprKind::Unspecified, |expr| expr.kind),
            _ => ExprKind::Begin(exprs),
        }
    }

    /// The same, with the place of what it is made of.
    pub(super) fn sequence_at(&mut self, forms: &[Datum], span: Span) -> Expr {
        let span = match (forms.first(), forms.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => span,
        };
        let kind = self.sequence(forms);
        Expr::new(span, kind)
    }

    fn set(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let [target, value] = arguments else {
            return Err(Refusal::malformed(datum.span, "`set!` wants a name and a value"));
        };
        let Some(identifier) = Identifier::of(target) else {
            let accessor = target.as_list().and_then(|items| items.first()).and_then(Datum::as_symbol);
            return Err(match accessor {
                Some(name) => {
                    let help = format!("a field is set by its own procedure, like `(set-{name}! x value)`");
                    self.error(
                        codes::BAD_SYNTAX,
                        target.span,
                        "`set!` changes a variable, not what a call gives",
                        help,
                    );
                    Refusal::Reported
                }
                None => Refusal::malformed(target.span, "`set!` changes a variable"),
            });
        };
        let name = identifier.name.clone();
        let (what, note) = match self.environment.resolve(&identifier) {
            Denotation::Variable(variable) => {
                self.uses.push(variable);
                self.unit.variables.at_mut(variable).mutated = true;
                return Ok(ExprKind::SetLocal(variable, self.boxed(value)));
            }
            Denotation::Definition(id) => {
                let declaration = self.declarations.at(id);
                let note = declaration.name.span;
                if declaration.sort == Sort::Global {
                    let definition = self.definition(id);
                    return Ok(ExprKind::SetDefinition(definition, self.boxed(value)));
                }
                (declaration.sort.text(), Some(note))
            }
            Denotation::StructProcedure(id, _) => ("a procedure", Some(self.declarations.at(id).name.span)),
            Denotation::EnumVariant(id, _) => ("a variant of an enum", Some(self.declarations.at(id).name.span)),
            Denotation::Program(_) => ("a program", None),
            Denotation::Builtin(_) => ("a name of the language", None),
            Denotation::Special(_) => ("syntax", None),
            Denotation::Macro(rules) => ("a macro", Some(rules.span)),
            Denotation::Free(_) => {
                self.unknown(target);
                self.expression(value);
                return Err(Refusal::Reported);
            }
        };
        let message = format!("`{name}` is {what}, and can't be changed");
        let diagnostic = Diagnostic::error(codes::SET_OF_CONSTANT, target.span, message);
        let diagnostic = match note {
            Some(note) => diagnostic.with_note(note, "defined here"),
            None => diagnostic,
        };
        let help = format!("use a local variable, or `(define-global ({name} :mutable) u64 0)`");
        self.report(diagnostic.with_help(help));
        self.expression(value);
        Err(Refusal::Reported)
    }

    fn parse_header(&mut self, datum: &Datum, arguments: &[Datum]) -> Outcome<ExprKind> {
        let [name, cursor] = arguments else {
            return Err(Refusal::malformed(datum.span, "`parse-header` wants the name of a header and a cursor"));
        };
        let Some(header) = name.as_symbol().or(name.as_keyword()) else {
            return Err(Refusal::malformed(name.span, "the name of a header is wanted here"));
        };
        let found = self.environment.find_type(header).filter(|id| self.declarations.at(*id).sort == Sort::Header);
        let cursor = self.boxed(cursor);
        match found {
            Some(declaration) => Ok(ExprKind::ParseHeader(self.definition(declaration), cursor)),
            None => {
                let procedure = format!("parse-{header}-header");
                let help = if self.environment.is_builtin(&procedure) {
                    format!("the language knows this one: `({procedure} cursor)`")
                } else {
                    format!("declare it: `(define-header {header} (field be16) …)`")
                };
                self.error(codes::UNKNOWN_HEADER, name.span, format!("no header is called `{header}`"), help);
                Err(Refusal::Reported)
            }
        }
    }
}

/// A datum as a constant expression.
pub(super) fn quoted(datum: &Datum) -> ExprKind {
    match &datum.kind {
        DatumKind::Integer(value) => ExprKind::Integer(*value),
        DatumKind::Float(text) => ExprKind::Float(text.clone()),
        DatumKind::Bool(value) => ExprKind::Bool(*value),
        DatumKind::Char(value) => ExprKind::Char(*value),
        DatumKind::String(text) => ExprKind::String(text.clone()),
        DatumKind::Keyword(name) => ExprKind::Keyword(name.clone()),
        DatumKind::Error => ExprKind::Error,
        DatumKind::List(..) | DatumKind::Vector(_) | DatumKind::Symbol { .. } => {
            ExprKind::Quote(without_aliases(datum))
        }
    }
}
