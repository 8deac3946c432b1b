//! Forms as text, for tests and for `--emit=ast`: Scheme again, with every variable numbered.

use std::fmt::{self, Write};

use super::form::{
    Binding, Definition, DefinitionKind, Expr, ExprKind, FieldSyntax, Lambda, StructProcedure, Unit, VarId,
};
use crate::arena::Id;

/// A unit, written.
impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for program in self.programs.values() {
            write!(f, "(define-ebpf-program {}", program.name.name)?;
            for clause in &program.clauses {
                write!(f, " ({}", clause.name.name)?;
                for argument in &clause.arguments {
                    write!(f, " {argument}")?;
                }
                f.write_str(")")?;
            }
            f.write_str(")\n")?;
        }
        for definition in self.definitions.values() {
            Printer { unit: self, out: f }.definition(definition)?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}

impl Expr {
    /// The expression, written; `unit` knows its names.
    pub fn print(&self, unit: &Unit) -> String {
        let mut out = String::new();
        // Writing to a string can't fail.
        let _ = Printer { unit, out: &mut out }.expr(self);
        out
    }
}

struct Printer<'u, 'o> {
    unit: &'u Unit,
    out: &'o mut dyn Write,
}

impl Printer<'_, '_> {
    fn definition(&mut self, definition: &Definition) -> fmt::Result {
        let name = &definition.name.name;
        match &definition.kind {
            DefinitionKind::Map { kind, clauses } => {
                write!(self.out, "(define-map {name} :{}", kind.name)?;
                for clause in clauses {
                    write!(self.out, " ({}", clause.name.name)?;
                    if clause.values.is_empty() {
                        for argument in &clause.arguments {
                            write!(self.out, " {argument}")?;
                        }
                    }
                    self.all(&clause.values)?;
                    self.out.write_str(")")?;
                }
                self.out.write_str(")")
            }
            DefinitionKind::Struct { fields } => self.fields("define-struct", name, fields),
            DefinitionKind::Header { fields } => self.fields("define-header", name, fields),
            DefinitionKind::KernelStruct { fields } => self.fields("define-kernel-struct", name, fields),
            DefinitionKind::KernelEnum { variants } => {
                write!(self.out, "(define-kernel-enum {name}")?;
                for variant in variants {
                    write!(self.out, " {}", variant.name)?;
                }
                self.out.write_str(")")
            }
            DefinitionKind::Kfunc { parameters, result } => {
                write!(self.out, "(define-kfunc {name}")?;
                for parameter in parameters {
                    write!(self.out, " ({}", parameter.name.name)?;
                    for ty in &parameter.ty {
                        write!(self.out, " {ty}")?;
                    }
                    self.out.write_str(")")?;
                }
                if let Some(result) = result {
                    write!(self.out, " {result}")?;
                }
                self.out.write_str(")")
            }
            DefinitionKind::Enum { variants } => {
                write!(self.out, "(define-enum {name}")?;
                for (variant, value) in variants {
                    match value {
                        Some(value) => {
                            write!(self.out, " ({} ", variant.name)?;
                            self.expr(value)?;
                            self.out.write_str(")")?;
                        }
                        None => write!(self.out, " {}", variant.name)?,
                    }
                }
                self.out.write_str(")")
            }
            DefinitionKind::Global { mutable, ty, init } => {
                match mutable {
                    true => write!(self.out, "(define-global ({name} :mutable) {ty}")?,
                    false => write!(self.out, "(define-global {name} {ty}")?,
                }
                self.all(init.as_slice())?;
                self.out.write_str(")")
            }
            DefinitionKind::Alias { ty } => write!(self.out, "(define-type {name} {ty})"),
            DefinitionKind::Value { annotation, value } => {
                write!(self.out, "(define {name}")?;
                if let Some(annotation) = annotation {
                    write!(self.out, " : {annotation}")?;
                }
                self.all(std::slice::from_ref(value))?;
                self.out.write_str(")")
            }
        }
    }

    fn fields(&mut self, form: &str, name: &str, fields: &[FieldSyntax]) -> fmt::Result {
        write!(self.out, "({form} {name}")?;
        for field in fields {
            write!(self.out, " ({}", field.name.name)?;
            for ty in &field.ty {
                write!(self.out, " {ty}")?;
            }
            self.out.write_str(")")?;
        }
        self.out.write_str(")")
    }

    /// Each with a blank before it.
    fn all(&mut self, exprs: &[Expr]) -> fmt::Result {
        for expr in exprs {
            self.out.write_str(" ")?;
            self.expr(expr)?;
        }
        Ok(())
    }

    fn variable(&mut self, id: VarId) -> fmt::Result {
        let name = self.unit.variables.get(id).map_or("?", |variable| &variable.name);
        write!(self.out, "{name}.{}", id.index())
    }

    fn binder(&mut self, id: VarId) -> fmt::Result {
        match self.unit.variables.get(id).and_then(|variable| variable.annotation.as_ref()) {
            Some(ty) => {
                self.out.write_str("(")?;
                self.variable(id)?;
                write!(self.out, " : {ty})")
            }
            None => self.variable(id),
        }
    }

    fn expr(&mut self, expr: &Expr) -> fmt::Result {
        match &expr.kind {
            ExprKind::Integer(value) => write!(self.out, "{value}"),
            ExprKind::Float(text) => self.out.write_str(text),
            ExprKind::Bool(value) => self.out.write_str(if *value { "#t" } else { "#f" }),
            ExprKind::Char(value) => write!(self.out, "#\\{value}"),
            ExprKind::String(text) => write!(self.out, "{text:?}"),
            ExprKind::Keyword(name) => write!(self.out, ":{name}"),
            ExprKind::Quote(datum) => write!(self.out, "'{datum}"),
            ExprKind::Local(variable) => self.variable(*variable),
            ExprKind::Definition(id) => match self.unit.definitions.get(*id) {
                Some(definition) => self.out.write_str(&definition.name.name),
                None => self.out.write_str("?"),
            },
            ExprKind::StructProcedure { definition, procedure } => {
                let name = self.unit.definitions.get(*definition).map_or("?", |definition| &definition.name.name);
                match procedure {
                    StructProcedure::Make => write!(self.out, "make-{name}"),
                    StructProcedure::Get(field) => write!(self.out, "{name}-#{field}"),
                    StructProcedure::Set(field) => write!(self.out, "set-{name}-#{field}!"),
                    StructProcedure::Payload => write!(self.out, "{name}-payload"),
                }
            }
            ExprKind::EnumVariant { definition, variant } => {
                let name = self.unit.definitions.get(*definition).map_or("?", |definition| &definition.name.name);
                write!(self.out, "{name}/#{variant}")
            }
            ExprKind::Program(id) => {
                self.out.write_str(self.unit.programs.get(*id).map_or("?", |program| &program.name.name))
            }
            ExprKind::Builtin(name) => self.out.write_str(name),
            ExprKind::Lambda(lambda) => self.lambda(lambda),
            ExprKind::If(test, then, otherwise) => {
                self.out.write_str("(if")?;
                for part in [test, then, otherwise] {
                    self.all(std::slice::from_ref(part))?;
                }
                self.out.write_str(")")
            }
            ExprKind::Let(bindings, body) => self.bindings("let*", bindings, body),
            ExprKind::Letrec(bindings, body) => self.bindings("letrec*", bindings, body),
            ExprKind::LetValues { variables, rest, value, body } => {
                self.out.write_str("(let-values ((")?;
                self.formals(variables, *rest)?;
                self.all(std::slice::from_ref(value))?;
                self.out.write_str("))")?;
                self.all(std::slice::from_ref(body))?;
                self.out.write_str(")")
            }
            ExprKind::SetLocal(variable, value) => {
                self.out.write_str("(set! ")?;
                self.variable(*variable)?;
                self.all(std::slice::from_ref(value))?;
                self.out.write_str(")")
            }
            ExprKind::SetDefinition(id, value) => {
                let name = self.unit.definitions.get(*id).map_or("?", |definition| &definition.name.name);
                write!(self.out, "(set! {name}")?;
                self.all(std::slice::from_ref(value))?;
                self.out.write_str(")")
            }
            ExprKind::Begin(exprs) => {
                self.out.write_str("(begin")?;
                self.all(exprs)?;
                self.out.write_str(")")
            }
            ExprKind::Call(callee, arguments) => {
                self.out.write_str("(")?;
                self.expr(callee)?;
                self.all(arguments)?;
                self.out.write_str(")")
            }
            ExprKind::While { test, body } => {
                self.out.write_str("(while")?;
                self.all(std::slice::from_ref(test))?;
                self.all(std::slice::from_ref(body))?;
                self.out.write_str(")")
            }
            ExprKind::For { variable, sequence, body } => {
                self.out.write_str("(for (")?;
                self.binder(*variable)?;
                self.out.write_str(" in")?;
                self.all(std::slice::from_ref(sequence))?;
                self.out.write_str(")")?;
                self.all(std::slice::from_ref(body))?;
                self.out.write_str(")")
            }
            ExprKind::Case { key, clauses, otherwise } => {
                self.out.write_str("(case")?;
                self.all(std::slice::from_ref(key))?;
                for (data, body) in clauses {
                    let data: Vec<String> = data.iter().map(ToString::to_string).collect();
                    write!(self.out, " (({})", data.join(" "))?;
                    self.all(std::slice::from_ref(body))?;
                    self.out.write_str(")")?;
                }
                self.out.write_str(" (else")?;
                self.all(std::slice::from_ref(otherwise))?;
                self.out.write_str("))")
            }
            ExprKind::The(ty, value) => {
                write!(self.out, "(the {ty}")?;
                self.all(std::slice::from_ref(value))?;
                self.out.write_str(")")
            }
            ExprKind::SizeOf(ty) => write!(self.out, "(sizeof {ty})"),
            ExprKind::FieldExists { ty, path } => {
                write!(self.out, "(field-exists? {ty}")?;
                for step in path {
                    write!(self.out, " {step}")?;
                }
                self.out.write_str(")")
            }
            ExprKind::TracepointField(context, field) => {
                self.out.write_str("(tracepoint-field")?;
                self.all(std::slice::from_ref(context))?;
                write!(self.out, " {field})")
            }
            ExprKind::TypeExists(ty) => write!(self.out, "(type-exists? {ty})"),
            ExprKind::ParseHeader(id, cursor) => {
                let name = self.unit.definitions.get(*id).map_or("?", |definition| &definition.name.name);
                write!(self.out, "(parse-header {name}")?;
                self.all(std::slice::from_ref(cursor))?;
                self.out.write_str(")")
            }
            ExprKind::Reserve(buffer, event) => {
                self.out.write_str("(ringbuf-reserve")?;
                self.all(std::slice::from_ref(buffer))?;
                write!(self.out, " {event})")
            }
            ExprKind::Unspecified => self.out.write_str("#<unspecified>"),
            ExprKind::Error => self.out.write_str("#<error>"),
        }
    }

    fn lambda(&mut self, lambda: &Lambda) -> fmt::Result {
        self.out.write_str("(lambda ")?;
        self.formals(&lambda.parameters, lambda.rest)?;
        if let Some(result) = &lambda.result {
            write!(self.out, " : {result}")?;
        }
        self.all(std::slice::from_ref(&lambda.body))?;
        self.out.write_str(")")
    }

    fn formals(&mut self, variables: &[VarId], rest: Option<VarId>) -> fmt::Result {
        self.out.write_str("(")?;
        for (index, variable) in variables.iter().enumerate() {
            if index > 0 {
                self.out.write_str(" ")?;
            }
            self.binder(*variable)?;
        }
        if let Some(rest) = rest {
            self.out.write_str(" . ")?;
            self.binder(rest)?;
        }
        self.out.write_str(")")
    }

    fn bindings(&mut self, form: &str, bindings: &[Binding], body: &Expr) -> fmt::Result {
        write!(self.out, "({form} (")?;
        for (index, Binding { variable, value }) in bindings.iter().enumerate() {
            if index > 0 {
                self.out.write_str(" ")?;
            }
            self.out.write_str("(")?;
            self.variable(*variable)?;
            if let Some(ty) = self.unit.variables.get(*variable).and_then(|variable| variable.annotation.as_ref()) {
                write!(self.out, " : {ty}")?;
            }
            self.all(std::slice::from_ref(value))?;
            self.out.write_str(")")?;
        }
        self.out.write_str(")")?;
        self.all(std::slice::from_ref(body))?;
        self.out.write_str(")")
    }
}
