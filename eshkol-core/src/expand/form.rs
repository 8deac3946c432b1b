//! Core forms: what is left when macros and derived forms are expanded and every name is resolved.

use std::sync::Arc;

use crate::arena::{Arena, ids};
use crate::source::Span;
use crate::syntax::{Datum, Name};

ids! {
    /// A local variable; unique in the unit, so no two bindings can be confused.
    VarId = "var";
    /// A definition of the unit or of one of its programs.
    DefId = "def";
    /// A program of the unit.
    ProgramId = "program";
}

/// A name and where it stands.
#[derive(Clone, Debug)]
pub struct Ident {
    /// Its spelling.
    pub name: Name,
    /// The token.
    pub span: Span,
}

/// One `eshkol!` block or one file.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// `(define-ebpf-object NAME clause …)`, where there is one.
    pub object: Option<ObjectHeader>,
    /// Every program, outer ones before those nested in them.
    pub programs: Arena<ProgramId, Program>,
    /// Every definition of the unit and of its programs.
    pub definitions: Arena<DefId, Definition>,
    /// Every local variable.
    pub variables: Arena<VarId, Variable>,
}

/// `(define-ebpf-object NAME clause …)`.
#[derive(Clone, Debug)]
pub struct ObjectHeader {
    /// The unit's name.
    pub name: Ident,
    /// Clauses that hold for every program.
    pub clauses: Vec<Clause>,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
}

/// `(define-ebpf-program NAME clause … definition …)`.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name.
    pub name: Ident,
    /// The whole form.
    pub span: Span,
    /// `(license …)`, `(program-type …)` …, as written.
    pub clauses: Vec<Clause>,
    /// The program in which this one is nested.
    pub parent: Option<ProgramId>,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
}

/// `(name argument …)` in a program or map.
#[derive(Clone, Debug)]
pub struct Clause {
    /// What it says: `license`, `key-type` ….
    pub name: Ident,
    /// The whole clause.
    pub span: Span,
    /// The arguments as written (macro aliases undone).
    pub arguments: Vec<Datum>,
    /// The arguments as expressions, for `max-entries` and `size`; else empty.
    pub values: Vec<Expr>,
}

/// A definition outside procedures.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The defined name.
    pub name: Ident,
    /// The whole form.
    pub span: Span,
    /// The program that holds it; `None` beside the programs.
    pub program: Option<ProgramId>,
    /// Whether it is the prelude's.
    pub prelude: bool,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
    /// What is defined.
    pub kind: DefinitionKind,
}

/// What a definition defines.
#[derive(Clone, Debug)]
pub enum DefinitionKind {
    /// `(define-map name :kind clause …)`.
    Map { kind: Ident, clauses: Vec<Clause> },
    /// `(define-struct name (field type …) …)`.
    Struct { fields: Vec<FieldSyntax> },
    /// `(define-header name (field type …) …)`.
    Header { fields: Vec<FieldSyntax> },
    /// `(define-enum name variant …)`, each `name` or `(name value)`.
    Enum { variants: Vec<(Ident, Option<Expr>)> },
    /// `(define-kernel-struct name (field type …) …)`.
    KernelStruct { fields: Vec<FieldSyntax> },
    /// `(define-kernel-enum name variant …)`.
    KernelEnum { variants: Vec<Ident> },
    /// `(define-kfunc name (parameter type) … result)`; the result is missing where nothing is given.
    Kfunc { parameters: Vec<FieldSyntax>, result: Option<Datum> },
    /// `(define-global name type init)` or `(define-global (name :mutable) type init)`.
    Global { mutable: bool, ty: Datum, init: Option<Expr> },
    /// `(define-type name type)`.
    Alias { ty: Datum },
    /// `(define name expr)`, `(define (name …) body …)`: a constant, or a procedure where `value` is a lambda.
    Value { annotation: Option<Datum>, value: Expr },
}

/// `(name type …)` of a struct or header.
#[derive(Clone, Debug)]
pub struct FieldSyntax {
    /// The field's name.
    pub name: Ident,
    /// The rest: `:u32`, or `:char-array 16`, or `(array u8 4)`, or `(bits 4)` in a header.
    pub ty: Vec<Datum>,
    /// The whole field.
    pub span: Span,
    /// `;;;` text.
    pub doc: Option<Arc<str>>,
}

/// What is known of a local variable from its binding alone.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its spelling, for messages.
    pub name: Name,
    /// The binding token.
    pub span: Span,
    /// Whether some `set!` changes it.
    pub mutated: bool,
    /// `(x : type)`.
    pub annotation: Option<Datum>,
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Its place (of the macro use that made it, for what a macro's template brought in).
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// An expression without its place.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// An integer literal.
    Integer(i128),
    /// A float literal; always refused later.
    Float(Arc<str>),
    /// `#t`, `#f`.
    Bool(bool),
    /// A character.
    Char(char),
    /// A string.
    String(Arc<str>),
    /// `:name`.
    Keyword(Name),
    /// Quoted data.
    Quote(Datum),
    /// A local variable.
    Local(VarId),
    /// A definition of the unit: a map, a constant, a procedure or a global.
    Definition(DefId),
    /// `make-s`, `s-f`, `set-s-f!`, of a struct or header definition.
    StructProcedure { definition: DefId, procedure: StructProcedure },
    /// A variant of an enum, by its position.
    EnumVariant { definition: DefId, variant: usize },
    /// A program of the unit, by its name: `(tail-call ctx other-program)`.
    Program(ProgramId),
    /// A name of the language, not redefined by the user: `+`, `map-lookup`, `bpf-ktime-get-ns` ….
    Builtin(Name),
    /// `(lambda …)`.
    Lambda(Arc<Lambda>),
    /// `(if test then else)`; a missing `else` is [`ExprKind::Unspecified`].
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Bindings made one after the other (the names are resolved already).
    Let(Vec<Binding>, Box<Expr>),
    /// Bindings made in order, that see each other: named `let`, `do`, internal definitions, `letrec`. The expander makes a
    /// [`Self::Let`] wherever no binding refers to itself or to a later one.
    Letrec(Vec<Binding>, Box<Expr>),
    /// `(let-values (((a b . rest) e)) body)`; one clause.
    LetValues { variables: Vec<VarId>, rest: Option<VarId>, value: Box<Expr>, body: Box<Expr> },
    /// `(set! x e)`.
    SetLocal(VarId, Box<Expr>),
    /// `(set! g e)` of a mutable global.
    SetDefinition(DefId, Box<Expr>),
    /// One after the other; the last one's value. Never empty.
    Begin(Vec<Expr>),
    /// A call. `(values a b)` is a call of the builtin `values`.
    Call(Box<Expr>, Vec<Expr>),
    /// `(while test body …)`.
    While { test: Box<Expr>, body: Box<Expr> },
    /// `(for (x in seq) body …)`.
    For { variable: VarId, sequence: Box<Expr>, body: Box<Expr> },
    /// `(case key ((datum …) e …) … (else e …))`: the key is evaluated once.
    Case { key: Box<Expr>, clauses: Vec<(Vec<Datum>, Expr)>, otherwise: Box<Expr> },
    /// `(the type e)`.
    The(Datum, Box<Expr>),
    /// `(sizeof type)`.
    SizeOf(Datum),
    /// `(field-exists? struct field …)` or `(field-exists? enum variant)`.
    FieldExists { ty: Datum, path: Vec<Datum> },
    /// `(type-exists? struct)`.
    TypeExists(Datum),
    /// `(tracepoint-field ctx field)`.
    TracepointField(Box<Expr>, Datum),
    /// `(parse-header name cursor)`, with the definition of the header.
    ParseHeader(DefId, Box<Expr>),
    /// `(ringbuf-reserve buffer struct)`.
    Reserve(Box<Expr>, Datum),
    /// No value: `(begin)`, a missing `else`.
    Unspecified,
    /// Something already reported.
    Error,
}

/// A binding of `let` and its kin.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The variable.
    pub variable: VarId,
    /// Its value.
    pub value: Expr,
}

/// Which of a struct's procedures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StructProcedure {
    /// `(make-s v …)`.
    Make,
    /// `(s-f x)`, `(s-f x i)`: the field's position.
    Get(usize),
    /// `(set-s-f! x v)`, `(set-s-f! x i v)`: the field's position.
    Set(usize),
    /// `(s-payload h)`: the cursor after a header of `define-header`.
    Payload,
}

/// `(lambda (a (b : type) . rest) : type body …)`.
#[derive(Clone, Debug)]
pub struct Lambda {
    /// The name it was defined under, for messages and for BTF.
    pub name: Option<Ident>,
    /// Required parameters; annotations are in [`Variable`].
    pub parameters: Vec<VarId>,
    /// The rest parameter.
    pub rest: Option<VarId>,
    /// `: type` after the parameters.
    pub result: Option<Datum>,
    /// The body.
    pub body: Expr,
    /// The whole form.
    pub span: Span,
}
