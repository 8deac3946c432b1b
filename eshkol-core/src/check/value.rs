//! What an expression turns out to be: a value at run time, or one that exists only while compiling.

use std::sync::Arc;

use super::flow::Epoch;
use super::implied::Implied;
use super::range::Range;
use super::typed::{self, KfuncId, LocalId, MapId, Type};
use super::types::{DataType, IntType};
use crate::expand::form::{self, DefId, Lambda, ProgramId, StructProcedure, VarId};
use crate::source::Span;
use crate::syntax::{Datum, Name};

/// A checked expression.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Computed at run time.
    Run(Run),
    /// Known while compiling, with the place it comes from.
    Static(Static, Span),
    /// Already reported; anything goes.
    Error(Span),
}

/// A run-time value.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// How it is computed.
    pub(super) expr: typed::Expr,
    /// For integers, what is known of it.
    pub(super) range: Range,
    /// An integer written as such, which takes the type of what it meets.
    pub(super) literal: bool,
    /// For what points into the packet: the packet's state it belongs to.
    pub(super) epoch: Option<Epoch>,
    /// The range is true, but the kernel's verifier does not know it: it forgets what it knows of a number at a division, a
    /// byte swap and some other operations. See [`super::visible`].
    pub(super) opaque: bool,
    /// What is there wherever this is there, or true.
    pub(super) implied: Implied,
}

/// A value that exists only while compiling.
#[derive(Clone, Debug)]
pub(super) enum Static {
    /// Something that can be called.
    Procedure(Procedure),
    /// A map.
    Map(MapId),
    /// A program of the unit.
    Program(ProgramId),
    /// `:name` that is no number.
    Keyword(Name),
    /// Text.
    String(Arc<str>),
    /// A quoted symbol or other datum that is no list or number.
    Quote(Datum),
    /// A list or vector; its run-time elements are locals or constants.
    List(Vec<Value>),
    /// `(range from to step)`: integers, as locals or constants; the step is known.
    Range { from: Box<Run>, to: Box<Run>, step: i64 },
    /// `(ctx-data ctx)`
    PacketStart(Box<typed::Expr>, Epoch),
    /// `(ctx-data-end ctx)`
    PacketEnd(Box<typed::Expr>, Epoch),
    /// `(values a b …)`, before it is known where they go.
    Values(Vec<Value>),
    /// No value.
    Unspecified,
}

/// Something that can be called.
#[derive(Clone, Debug)]
pub(super) enum Procedure {
    /// A `lambda` with what it closes over.
    Closure(Closure),
    /// A procedure defined at top level.
    Defined(DefId),
    /// Of the language.
    Builtin(Name),
    /// Of the kernel, as the unit declares it.
    Kfunc(KfuncId),
    /// Of a struct or header.
    Struct(DefId, StructProcedure),
    /// Several, to be applied from the last to the first.
    Composed(Vec<Value>),
}

/// A `lambda` with what it closes over.
#[derive(Clone, Debug)]
pub(super) struct Closure {
    /// The code.
    pub(super) lambda: Arc<Lambda>,
    /// The variables it sees.
    pub(super) environment: Environment,
}

/// What the variables in scope stand for. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment(Option<Arc<Scope>>);

#[derive(Debug)]
struct Scope {
    variable: VarId,
    meaning: Meaning,
    outer: Environment,
}

/// What a variable stands for.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    /// A run-time local.
    Local(LocalId),
    /// Any value that can be repeated: a constant, a compile-time value.
    Value(Value),
    /// A procedure that sees itself, and the other procedures bound with it.
    Recursive(Arc<Lambda>),
}

impl Environment {
    /// This scope with one more variable.
    #[must_use]
    pub(super) fn with(&self, variable: VarId, meaning: Meaning) -> Self {
        Self(Some(Arc::new(Scope { variable, meaning, outer: self.clone() })))
    }

    /// Whether both are one scope, and not only alike.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        }
    }

    /// The scope in which a procedure that sees itself was bound: empty where none was.
    pub(super) fn binding(&self, lambda: &Arc<Lambda>) -> Self {
        let mut next = self;
        while let Some(scope) = &next.0 {
            if matches!(&scope.meaning, Meaning::Recursive(bound) if Arc::ptr_eq(bound, lambda)) {
                break;
            }
            next = &scope.outer;
        }
        next.clone()
    }

    /// What a variable stands for.
    pub(super) fn get(&self, variable: VarId) -> Option<&Meaning> {
        let mut next = self;
        while let Some(scope) = &next.0 {
            if scope.variable == variable {
                return Some(&scope.meaning);
            }
            next = &scope.outer;
        }
        None
    }
}

/// Deep environments are taken apart one by one, so that dropping one needs no deep stack.
impl Drop for Environment {
    fn drop(&mut self) {
        let mut next = self.0.take();
        while let Some(scope) = next {
            match Arc::try_unwrap(scope) {
                Ok(mut scope) => next = scope.outer.0.take(),
                Err(_) => break,
            }
        }
    }
}

impl Run {
    /// A value of which nothing is known but its type.
    pub(super) fn new(expr: typed::Expr) -> Self {
        let range = full_range(&expr.ty);
        Self { expr, range, literal: false, epoch: None, opaque: false, implied: Implied::default() }
    }

    /// The same, with a range.
    #[must_use]
    pub(super) fn in_range(mut self, range: Range) -> Self {
        self.range = range;
        self
    }

    /// The same, with a range that the kernel's verifier may not know.
    #[must_use]
    pub(super) fn opaque_if(mut self, opaque: bool) -> Self {
        self.opaque = opaque;
        self
    }

    /// The same, belonging to a state of the packet.
    #[must_use]
    pub(super) fn in_epoch(mut self, epoch: Epoch) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// The integer type as which this takes part in arithmetic.
    pub(super) fn int_type(&self) -> Option<IntType> {
        match &self.expr.ty {
            Type::Scalar(data) => scalar_int(data),
            _ => None,
        }
    }

    /// The number, where it is known and free of effects to repeat.
    pub(super) fn constant(&self) -> Option<i128> {
        match self.expr.kind {
            typed::ExprKind::Constant(_) if self.int_type().is_some() => self.range.single(),
            _ => None,
        }
    }

    /// Whether it can be evaluated any number of times, anywhere in its scope, at no cost.
    pub(super) fn is_atom(&self) -> bool {
        is_atom(&self.expr)
    }
}

fn is_atom(expr: &typed::Expr) -> bool {
    use typed::ExprKind;
    match &expr.kind {
        ExprKind::Constant(_)
        | ExprKind::Ipv6Constant(_)
        | ExprKind::MacConstant(_)
        | ExprKind::Local(_)
        | ExprKind::Unit
        | ExprKind::Absent
        | ExprKind::Global(_) => true,
        ExprKind::Present(inner) | ExprKind::Some(inner) => is_atom(inner),
        _ => false,
    }
}

/// The integer type as which data takes part in arithmetic: itself, or what an address or enum is as a number.
pub(super) fn scalar_int(data: &DataType) -> Option<IntType> {
    match data {
        DataType::Int(int) | DataType::BigEndian(int) => Some(*int),
        DataType::Enum(_) | DataType::Ipv4 => Some(IntType::U32),
        _ => None,
    }
}

/// All a type's numbers; for what is no number, all 64 bits.
pub(super) fn full_range(ty: &Type) -> Range {
    match ty {
        Type::Scalar(data) => scalar_int(data).map_or(Range::of(IntType::U64), Range::of),
        _ => Range::of(IntType::U64),
    }
}

impl Value {
    /// Where it comes from.
    pub(super) fn span(&self) -> Span {
        match self {
            Self::Run(run) => run.expr.span,
            Self::Static(_, span) | Self::Error(span) => *span,
        }
    }

    /// A value of which nothing is known but its type.
    pub(super) fn run(ty: Type, span: Span, kind: typed::ExprKind) -> Self {
        Self::Run(Run::new(typed::Expr::new(ty, span, kind)))
    }

    /// An integer as written.
    pub(super) fn literal(value: i128, span: Span) -> Self {
        let int = if value < 0 { IntType::I64 } else { IntType::U64 };
        let mut run = Run::new(constant(value, int, span)).in_range(Range::exactly(value));
        run.literal = true;
        Self::Run(run)
    }

    /// A number of a given type.
    pub(super) fn constant(value: i128, int: IntType, span: Span) -> Self {
        Self::Run(Run::new(constant(value, int, span)).in_range(Range::exactly(value)))
    }

    /// A boolean known while compiling.
    pub(super) fn boolean(value: bool, span: Span) -> Self {
        Self::run(Type::Scalar(DataType::Bool), span, typed::ExprKind::Constant(u64::from(value)))
    }
}

/// A constant expression.
pub(super) fn constant(value: i128, int: IntType, span: Span) -> typed::Expr {
    typed::Expr::new(Type::Scalar(DataType::Int(int)), span, typed::ExprKind::Constant(low_bits(value)))
}

/// The low 64 bits of a number.
pub(super) fn low_bits(value: i128) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = value.to_le_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// What a value is called in a message: "a number", "a map" ….
pub(super) fn describe(value: &Value, names: &dyn Fn(&DataType) -> String) -> String {
    match value {
        Value::Run(run) => describe_type(&run.expr.ty, names),
        Value::Static(value, _) => match value {
            Static::Procedure(_) => "a procedure".to_owned(),
            Static::Map(_) => "a map".to_owned(),
            Static::Program(_) => "a program".to_owned(),
            Static::Keyword(name) => format!("the keyword `:{name}`"),
            Static::String(_) => "a string".to_owned(),
            Static::Quote(_) => "quoted data".to_owned(),
            Static::List(_) => "a list".to_owned(),
            Static::Range { .. } => "a range".to_owned(),
            Static::PacketStart(..) => "the start of the packet".to_owned(),
            Static::PacketEnd(..) => "the end of the packet".to_owned(),
            Static::Values(parts) => describe_parts(parts.iter().map(|part| describe(part, names)).collect()),
            Static::Unspecified => "no value".to_owned(),
        },
        Value::Error(_) => "an error".to_owned(),
    }
}

/// What a type is called in a message.
pub(super) fn describe_type(ty: &Type, names: &dyn Fn(&DataType) -> String) -> String {
    let target = |target: &typed::RefTarget| match target {
        typed::RefTarget::Data(data) => names(data),
        typed::RefTarget::Header { header, .. } => format!("{header} header"),
    };
    match ty {
        Type::Unit => "no value".to_owned(),
        Type::Never => "nothing (it does not return)".to_owned(),
        Type::Scalar(data) => format!("`{}`", names(data)),
        Type::Ipv6 => "`:ipv6-addr`".to_owned(),
        Type::Verdict(_) => "a verdict".to_owned(),
        Type::Ref(reference) => format!("a reference to `{}`", target(&reference.target)),
        Type::Optional(reference) => format!("`{}`, which may be absent", target(&reference.target)),
        Type::Cursor => "a place in the packet".to_owned(),
        Type::Context(_) => "the context".to_owned(),
        Type::Kernel(_) => "an address in the kernel".to_owned(),
        Type::Values(parts) => describe_parts(parts.iter().map(|part| describe_type(part, names)).collect()),
    }
}

fn describe_parts(parts: Vec<String>) -> String {
    format!("{} values ({})", parts.len(), parts.join(", "))
}

/// How many expressions a form is made of, up to a limit: the measure by which procedures are inlined.
pub(super) fn weight(expr: &form::Expr, limit: usize) -> usize {
    let mut count = 0;
    let mut pending = vec![expr];
    while let Some(expr) = pending.pop() {
        count += 1;
        if count >= limit {
            return limit;
        }
        super::walk::children(expr, &mut |child| pending.push(child));
    }
    count
}
