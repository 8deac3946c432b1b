//! From one type to another: reading through references, storing into narrower places, joining the branches of an `if`.

use super::checker::Checker;
use super::kernel_types::{Access, KernelPointer, KernelType};
use super::range::Range;
use super::typed::{self, ExprKind, Place, RefTarget, RefType, Region, Type};
use super::types::{DataType, IntType, Storage};
use super::value::{Run, Static, Value, scalar_int};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::source::Span;
use crate::syntax::Datum;

impl Checker<'_> {
    /// What is wanted where a number, boolean or address stands: a reference to one is read.
    pub(super) fn scalar(&mut self, value: Value) -> Option<Run> {
        let run = self.run(value)?;
        self.read_through(run)
    }

    /// Reads through a reference to a scalar; anything else stays as it is. An absent-or-there value is an error.
    pub(super) fn read_through(&mut self, run: Run) -> Option<Run> {
        match &run.expr.ty {
            Type::Ref(RefType { target: RefTarget::Data(data), .. }) => match data.storage() {
                Some(storage) => {
                    let data = data.clone();
                    let span = run.expr.span;
                    let align = self.declarations.types.layout(&data).1;
                    let place = Place { base: Box::new(run.expr), offset: 0, index: None, align };
                    Some(self.load(place, storage, &data, span))
                }
                None => Some(run),
            },
            Type::Optional(_) => {
                self.maybe_absent(&run);
                None
            }
            Type::Kernel(_) => self.read_through_kernel(run),
            _ => Some(run),
        }
    }

    /// Reads a scalar from a place.
    pub(super) fn load(&self, place: Place, storage: Storage, data: &DataType, span: Span) -> Run {
        let ty = if *data == DataType::Ipv6 { Type::Ipv6 } else { Type::Scalar(read_type(data)) };
        let run = Run::new(typed::Expr::new(ty, span, ExprKind::Load { place, storage }));
        let run = run.opaque_if(storage.big_endian && storage.bytes > 1);
        match storage.bits {
            Some((_, width)) => run.in_range(Range::new(0, (1_i128 << width) - 1)),
            None => run,
        }
    }

    /// Reports the use of something that may be absent.
    pub(super) fn maybe_absent(&mut self, run: &Run) {
        let (what, name) = match &run.expr.ty {
            Type::Optional(RefType { target: RefTarget::Header { header, .. }, .. }) => {
                (format!("this {header} header may be absent: the packet may be too short"), "header")
            }
            _ => ("this map value may be absent: the key may not be in the map".to_owned(), "value"),
        };
        let name = super::checker::local_of(&run.expr)
            .map_or_else(|| name.to_owned(), |local| self.function.locals.at(local).name.to_string());
        self.push(
            Diagnostic::error(catalogue::MAYBE_ABSENT, run.expr.span, what)
                .with_help(format!(
                    "test it first: `(if {name} … …)` or `(when {name} …)`; inside, it is known to be there"
                ))
                .with_help("or give what to use instead: `(or … 0)`"),
        );
    }

    /// An integer, or an error that says what else it is.
    pub(super) fn int(&mut self, value: Value) -> Option<Run> {
        let run = self.scalar(value)?;
        if run.int_type().is_some() || run.expr.ty == Type::Never {
            return Some(run);
        }
        let what = self.describe(&Value::Run(run.clone()));
        let mut diagnostic = Diagnostic::error(
            catalogue::TYPE_MISMATCH,
            run.expr.span,
            format!("a number is wanted here, and this is {what}"),
        );
        if run.expr.ty == Type::Scalar(DataType::Bool) {
            diagnostic = diagnostic.with_help("write `(if … 1 0)` to make a number of a boolean");
        }
        self.push(diagnostic);
        None
    }

    /// A value as it is stored in a place of this type: the low bits of a number, as in C. Reports what can't be.
    pub(super) fn store_as(&mut self, value: Value, data: &DataType) -> Option<typed::Expr> {
        let run = self.scalar(value)?;
        if run.expr.ty == Type::Never {
            return Some(run.expr);
        }
        let span = run.expr.span;
        let fits = match (data, &run.expr.ty) {
            (DataType::Ipv6, Type::Ipv6) => true,
            (DataType::Bool, Type::Scalar(DataType::Bool)) | (DataType::Mac, Type::Scalar(DataType::Mac)) => true,
            (DataType::Bool | DataType::Mac, _) => false,
            (_, Type::Scalar(from)) => scalar_int(data).is_some() && scalar_int(from).is_some(),
            (DataType::Int(_), Type::Verdict(_)) => true,
            _ => false,
        };
        if !fits {
            let (wanted, what) = (self.type_name(data), self.describe(&Value::Run(run)));
            let mut diagnostic = Diagnostic::error(
                catalogue::TYPE_MISMATCH,
                span,
                format!("`{wanted}` is wanted here, and this is {what}"),
            );
            match data {
                DataType::Bool => diagnostic = diagnostic.with_help("compare it: `(not (= x 0))` is a boolean"),
                DataType::Mac => diagnostic = diagnostic.with_help("write `(mac \"02:00:00:00:00:01\")`"),
                DataType::Ipv6 => diagnostic = diagnostic.with_help("write `(ipv6 \"::1\")`"),
                _ => {}
            }
            self.push(diagnostic);
            return None;
        }
        if let (Some(int), Some(value)) = (scalar_int(data), run.constant()) {
            let bits = u32::from(int.bits);
            let accepted = Range::new(-(1_i128 << (bits - 1)), (1_i128 << bits) - 1);
            if !accepted.contains(value) {
                let wanted = self.type_name(data);
                self.error(catalogue::NUMBER_DOES_NOT_FIT, span, format!("{value} does not fit in `{wanted}`"));
                return None;
            }
        }
        if scalar_int(data).is_some_and(|int| int.bits <= 32) {
            self.keeps_half(&run.expr);
        }
        Some(run.expr)
    }

    /// A value as `(the type e)` and annotations make it: the low bits, with the type's signedness.
    pub(super) fn cast(&mut self, value: Value, data: &DataType, span: Span) -> Value {
        let literal_fits = |run: &Run, int: IntType| run.constant().filter(|value| Range::of(int).contains(*value));
        match data {
            DataType::Int(_) | DataType::BigEndian(_) | DataType::Enum(_) | DataType::Ipv4 => {
                if let (Value::Run(run), DataType::Int(IntType::U64)) = (&value, data)
                    && matches!(run.expr.ty, Type::Kernel(_))
                {
                    return Value::Run(self.kernel_number(run.clone(), span));
                }
                let Some(run) = self.scalar(value) else { return Value::Error(span) };
                let (Some(to), Some(_)) = (scalar_int(data), run.int_type()) else {
                    return self.cast_mismatch(run, data, span);
                };
                let ty = Type::Scalar(read_type(data));
                let range = run.range;
                if let Some(value) = literal_fits(&run, to) {
                    let expr = typed::Expr::new(ty, span, ExprKind::Constant(super::value::low_bits(value)));
                    return Value::Run(Run::new(expr).in_range(Range::exactly(value)));
                }
                if let Some(value) = run.constant() {
                    let value = truncate(value, to);
                    let expr = typed::Expr::new(ty, span, ExprKind::Constant(super::value::low_bits(value)));
                    return Value::Run(Run::new(expr).in_range(Range::exactly(value)));
                }
                let (kept, opaque) = (range.within(Range::of(to)), run.opaque);
                let expr = typed::Expr::new(ty, span, ExprKind::Cast(Box::new(run.expr)));
                let cast = Run::new(expr);
                Value::Run(if kept { cast.in_range(range).opaque_if(opaque) } else { cast })
            }
            DataType::Bool | DataType::Mac | DataType::Ipv6 => {
                let Some(run) = self.scalar(value) else { return Value::Error(span) };
                let same = match &run.expr.ty {
                    Type::Scalar(from) => from == data,
                    Type::Ipv6 => *data == DataType::Ipv6,
                    _ => false,
                };
                if same { Value::Run(run) } else { self.cast_mismatch(run, data, span) }
            }
            DataType::Array(..) | DataType::CharArray(_) | DataType::Struct(_) => {
                let matches = match &value {
                    Value::Run(run) => match &run.expr.ty {
                        Type::Ref(RefType { target: RefTarget::Data(target), .. }) => target == data,
                        _ => false,
                    },
                    Value::Error(_) => true,
                    Value::Static(..) => false,
                };
                if matches {
                    return value;
                }
                let (wanted, what) = (self.type_name(data), self.describe(&value));
                self.error(
                    catalogue::TYPE_MISMATCH,
                    value.span(),
                    format!("`{wanted}` is wanted here, and this is {what}"),
                )
            }
        }
    }

    fn cast_mismatch(&mut self, run: Run, data: &DataType, span: Span) -> Value {
        let (wanted, what) = (self.type_name(data), self.describe(&Value::Run(run)));
        self.error(catalogue::TYPE_MISMATCH, span, format!("`{wanted}` is wanted here, and this is {what}"))
    }

    /// A value as the annotation of a variable, parameter or result asks for.
    pub(super) fn convert_to_annotation(&mut self, value: Value, annotation: &Datum) -> Value {
        if matches!(value, Value::Error(_)) {
            return value;
        }
        let span = value.span();
        self.as_type(value, annotation, span)
    }

    /// A value as a type that is written asks for.
    pub(super) fn as_type(&mut self, value: Value, ty: &Datum, span: Span) -> Value {
        if is_reference(ty) {
            return match self.kernel_type(ty) {
                Some(KernelType::Pointer(target)) => self.kernel_address(value, (*target).clone(), span),
                _ => Value::Error(ty.span),
            };
        }
        match self.data_type(ty) {
            Some(data) => self.cast(value, &data, span),
            None => Value::Error(ty.span),
        }
    }

    /// Reads a type.
    pub(super) fn data_type(&mut self, syntax: &Datum) -> Option<DataType> {
        let program = Some(self.program.id);
        self.declarations.data_type(self.unit, program, std::slice::from_ref(syntax), syntax.span, self.diagnostics)
    }

    /// The one value that an `if` gives, of what its branches give, with each branch converted to it.
    /// `None`, reported, where they don't go together.
    pub(super) fn unify(
        &mut self,
        mut then: Run,
        mut otherwise: Run,
        span: Span,
    ) -> Option<(Type, typed::Expr, typed::Expr)> {
        if then.expr.ty == Type::Never {
            return Some((otherwise.expr.ty.clone(), then.expr, otherwise.expr));
        }
        if otherwise.expr.ty == Type::Never || then.expr.ty == otherwise.expr.ty {
            return Some((then.expr.ty.clone(), then.expr, otherwise.expr));
        }
        if let (Type::Values(a), Type::Values(b)) = (then.expr.ty.clone(), otherwise.expr.ty.clone()) {
            then.expr = self.read_values(then.expr, &b);
            otherwise.expr = self.read_values(otherwise.expr, &a);
            if let (Type::Values(a), Type::Values(b)) = (&then.expr.ty, &otherwise.expr.ty)
                && let Some(parts) = unify_parts(a, b)
            {
                return Some((Type::Values(parts), then.expr, otherwise.expr));
            }
        }
        if let Some((reference, then, otherwise)) = unify_references(&then, &otherwise) {
            return Some((reference, then, otherwise));
        }
        if let (Type::Kernel(a), Type::Kernel(b)) = (&then.expr.ty, &otherwise.expr.ty)
            && a.target == b.target
        {
            let (then, otherwise) = (self.untyped(then.expr), self.untyped(otherwise.expr));
            return Some((then.ty.clone(), then, otherwise));
        }
        if let Some(unified) = unify_kernel_address(&then, &otherwise) {
            return Some(unified);
        }
        if refer_to_others(&then, &otherwise) {
            self.branches_differ(&then, &otherwise, span);
            return None;
        }
        let (Some(then), Some(otherwise)) = (self.read_branch(then, &otherwise), Some(otherwise)) else { return None };
        let otherwise = self.read_branch(otherwise, &then)?;
        if then.expr.ty == otherwise.expr.ty {
            return Some((then.expr.ty.clone(), then.expr, otherwise.expr));
        }
        if let (Some(a), Some(b)) = (then.int_type(), otherwise.int_type()) {
            let int = common_int(&then, a, &otherwise, b);
            return Some((Type::Scalar(DataType::Int(int)), then.expr, otherwise.expr));
        }
        self.branches_differ(&then, &otherwise, span);
        None
    }

    /// Several values, with those read that are a reference here and a number in the other branch.
    fn read_values(&mut self, expr: typed::Expr, other: &[Type]) -> typed::Expr {
        let (span, ty) = (expr.span, expr.ty);
        let kind = match expr.kind {
            ExprKind::Values(parts) if parts.len() == other.len() => {
                let parts = parts.into_iter().zip(other).map(|(part, other)| self.read_beside(part, other)).collect();
                ExprKind::Values(parts)
            }
            ExprKind::Let { local, value, body } => {
                ExprKind::Let { local, value, body: Box::new(self.read_values(*body, other)) }
            }
            ExprKind::LetValues { locals, value, body } => {
                ExprKind::LetValues { locals, value, body: Box::new(self.read_values(*body, other)) }
            }
            ExprKind::Seq(mut items) => {
                if let Some(last) = items.pop() {
                    items.push(self.read_values(last, other));
                }
                ExprKind::Seq(items)
            }
            kind => return typed::Expr::new(ty, span, kind),
        };
        let ty = match &kind {
            ExprKind::Values(parts) => Type::Values(parts.iter().map(|part| part.ty.clone()).collect()),
            ExprKind::Let { body, .. } | ExprKind::LetValues { body, .. } => body.ty.clone(),
            ExprKind::Seq(items) => items.last().map_or(ty, |last| last.ty.clone()),
            _ => ty,
        };
        typed::Expr::new(ty, span, kind)
    }

    fn read_beside(&mut self, expr: typed::Expr, other: &Type) -> typed::Expr {
        let target = match &expr.ty {
            Type::Ref(RefType { target: RefTarget::Data(data), .. }) => data.storage(),
            _ => None,
        };
        if target.is_none() || !matches!(other, Type::Scalar(_) | Type::Ipv6) {
            return expr;
        }
        let unread = expr.clone();
        self.read_through(Run::new(expr)).map_or(unread, |run| run.expr)
    }

    fn branches_differ(&mut self, then: &Run, otherwise: &Run, span: Span) {
        let (one, other) = (self.describe(&Value::Run(then.clone())), self.describe(&Value::Run(otherwise.clone())));
        let diagnostic =
            Diagnostic::error(catalogue::BRANCHES_DIFFER, span, format!("one branch gives {one}, the other {other}"))
                .with_note(then.expr.span, format!("this is {one}"))
                .with_note(otherwise.expr.span, format!("this is {other}"));
        self.push(match refer_to_others(then, otherwise) {
            true => diagnostic
                .with_help("to know only whether there is one, make booleans of them: `(or (and a #t) (and b #t))`"),
            false => diagnostic,
        });
    }

    fn read_branch(&mut self, run: Run, other: &Run) -> Option<Run> {
        match (&run.expr.ty, &other.expr.ty) {
            (Type::Ref(_), _) | (Type::Kernel(_), Type::Scalar(_) | Type::Ipv6) => self.read_through(run),
            (Type::Optional(_), Type::Scalar(_) | Type::Ipv6 | Type::Ref(_)) => {
                self.maybe_absent(&run);
                None
            }
            _ => Some(run),
        }
    }
}

/// Whether a type is written `(ref …)`.
pub(super) fn is_reference(ty: &Datum) -> bool {
    let head = ty.as_list().and_then(<[_]>::first).and_then(Datum::as_symbol);
    head.is_some_and(|name| &**name == "ref")
}

/// The integer type of a value that is one or the other.
pub(super) fn common_int(a: &Run, a_int: IntType, b: &Run, b_int: IntType) -> IntType {
    if a.literal && !b.literal {
        return widen_for(b_int, a);
    }
    if b.literal && !a.literal {
        return widen_for(a_int, b);
    }
    if a_int.signed == b_int.signed { IntType { bits: a_int.bits.max(b_int.bits), ..a_int } } else { IntType::I64 }
}

fn widen_for(int: IntType, literal: &Run) -> IntType {
    if literal.range.within(Range::of(int)) {
        int
    } else if literal.range.low < 0 {
        IntType::I64
    } else {
        IntType { bits: 64, ..int }
    }
}

/// What each of several values is, of what they are in one branch and the other. Numbers need no conversion: each is held
/// extended to a whole word already.
fn unify_parts(a: &[Type], b: &[Type]) -> Option<Vec<Type>> {
    if a.len() != b.len() {
        return None;
    }
    let part = |(a, b): (&Type, &Type)| match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (Type::Scalar(x), Type::Scalar(y)) => {
            let (x, y) = (scalar_int(x)?, scalar_int(y)?);
            let wider = IntType { bits: x.bits.max(y.bits), ..x };
            Some(Type::Scalar(DataType::Int(if x.signed == y.signed { wider } else { IntType::I64 })))
        }
        _ => None,
    };
    a.iter().zip(b).map(part).collect()
}

/// Whether two references or optionals are of headers or structs that are not the same.
fn refer_to_others(one: &Run, other: &Run) -> bool {
    let target = |run: &Run| match &run.expr.ty {
        Type::Ref(reference) | Type::Optional(reference) => Some(reference.target.clone()),
        _ => None,
    };
    let is_whole = |target: &RefTarget| match target {
        RefTarget::Header { .. } => true,
        RefTarget::Data(data) => data.storage().is_none(),
    };
    match (target(one), target(other)) {
        (Some(one), Some(other)) => one != other && (is_whole(&one) || is_whole(&other)),
        _ => false,
    }
}

/// An address in the kernel and `#f`, which is 0, as one.
fn unify_kernel_address(then: &Run, otherwise: &Run) -> Option<(Type, typed::Expr, typed::Expr)> {
    let pointer = match (&then.expr.ty, &otherwise.expr.ty) {
        (Type::Kernel(pointer), _) if is_false(otherwise) => pointer,
        (_, Type::Kernel(pointer)) if is_false(then) => pointer,
        _ => return None,
    };
    let access = match pointer.access {
        Access::Typed | Access::TypedOrNull => Access::TypedOrNull,
        Access::Untyped => Access::Untyped,
        // It is never absent, and its address is no number.
        Access::Context => return None,
    };
    let ty = Type::Kernel(KernelPointer { access, ..pointer.clone() });
    let convert = |run: &Run| match is_false(run) {
        true => typed::Expr::new(ty.clone(), run.expr.span, ExprKind::Absent),
        false => typed::Expr { ty: ty.clone(), ..run.expr.clone() },
    };
    let (then, otherwise) = (convert(then), convert(otherwise));
    Some((ty, then, otherwise))
}

/// Whether a value is `#f`.
fn is_false(run: &Run) -> bool {
    run.expr.ty == Type::Scalar(DataType::Bool) && matches!(run.expr.kind, ExprKind::Constant(0))
}

/// Two references, or optionals, or an optional and `#f`, as one.
fn unify_references(then: &Run, otherwise: &Run) -> Option<(Type, typed::Expr, typed::Expr)> {
    let reference = |run: &Run| match &run.expr.ty {
        Type::Ref(reference) => Some((reference.clone(), false)),
        Type::Optional(reference) => Some((reference.clone(), true)),
        _ => None,
    };
    let (merged, optional) = match (reference(then), reference(otherwise)) {
        (Some((a, a_optional)), Some((b, b_optional))) => {
            if a.target != b.target {
                return None;
            }
            let region = if a.region == b.region { a.region } else { Region::Any };
            (RefType { region, ..a }, a_optional || b_optional)
        }
        (Some((a, _)), None) if is_false(otherwise) => (a, true),
        (None, Some((b, _))) if is_false(then) => (b, true),
        _ => return None,
    };
    let ty = if optional { Type::Optional(merged) } else { Type::Ref(merged) };
    let convert = |run: &Run| {
        let span = run.expr.span;
        match &run.expr.ty {
            Type::Ref(_) if optional => typed::Expr::new(ty.clone(), span, ExprKind::Some(Box::new(run.expr.clone()))),
            Type::Scalar(_) => typed::Expr::new(ty.clone(), span, ExprKind::Absent),
            _ => typed::Expr { ty: ty.clone(), ..run.expr.clone() },
        }
    };
    let (then, otherwise) = (convert(then), convert(otherwise));
    Some((ty, then, otherwise))
}

/// What a place of this type gives when it is read.
pub(super) fn read_type(data: &DataType) -> DataType {
    match data {
        DataType::BigEndian(int) => DataType::Int(*int),
        other => other.clone(),
    }
}

/// The low bits of a number, as a type sees them.
pub(super) fn truncate(value: i128, int: IntType) -> i128 {
    let bits = u32::from(int.bits);
    let low = value & ((1_i128 << bits) - 1);
    if int.signed && low >> (bits - 1) != 0 { low - (1_i128 << bits) } else { low }
}

impl Value {
    /// No value, as an `if` without `else` gives.
    pub(super) fn unspecified(span: Span) -> Self {
        Self::Static(Static::Unspecified, span)
    }
}
