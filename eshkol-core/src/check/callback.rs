//! Procedures that a helper calls: each becomes a function of its own.
//!
//! What it uses of the procedures around it goes through a block of words on the caller's stack. The function takes it out of
//! there when it begins, and puts back what it has set; after the helper, the caller takes that over. So a `set!` of an outer
//! variable means what it says.
//!
//! Nothing of what is known of the outer variables is known in the function but what their types say: the kernel's verifier
//! sees words from memory there. What the function sets is as unknown after the call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::checker::{Checker, Pending, Position};
use super::flow::Flow;
use super::parts::parts;
use super::typed::{
    self, Argument, ExprKind as Typed, Function, FunctionId, Local, LocalId, Part, PartValue, Place, RefTarget,
    RefType, Region, Type,
};
use super::types::{DataType, IntType, Storage};
use super::value::{self, Procedure, Run, Static, Value, full_range};
use crate::arena::Id as _;
use crate::diagnostic::{Diagnostic, catalogue};
use crate::source::Span;
use crate::syntax::Name;

/// A procedure as a helper takes it.
pub(super) struct Callback {
    /// The function.
    pub(super) function: Argument,
    /// What the helper passes on to it.
    pub(super) context: Argument,
    /// What the caller takes over after the call.
    changed: Vec<(LocalId, typed::Expr)>,
}

/// An outer variable that a function uses.
struct Captured {
    local: LocalId,
    ty: Type,
    /// Where it is in the block.
    offset: u32,
    /// Whether the function sets it.
    is_set: bool,
}

impl Captured {
    /// What goes into the block. The verifier goes through the function again and again, until what it finds in the block tells it nothing
    /// new; where a test depends on a number that it knows, and that is another each time, that takes forever.
    fn value(&self, span: Span) -> typed::Expr {
        let value = typed::Expr::new(self.ty.clone(), span, Typed::Local(self.local));
        match &self.ty {
            Type::Scalar(_) if self.is_set => typed::Expr::new(self.ty.clone(), span, Typed::Hidden(Box::new(value))),
            _ => value,
        }
    }
}

/// What a function uses of the variables around it.
#[derive(Default)]
struct Uses {
    /// Each, and where first.
    first: BTreeMap<LocalId, Span>,
    set: BTreeSet<LocalId>,
}

impl Uses {
    /// Looks for variables with numbers below `inner`.
    fn look(&mut self, expr: &typed::Expr, inner: usize) {
        let local = match &expr.kind {
            Typed::Local(local) => Some(*local),
            Typed::Set { local, .. } => {
                if local.index() < inner {
                    self.set.insert(*local);
                }
                Some(*local)
            }
            _ => None,
        };
        if let Some(local) = local.filter(|local| local.index() < inner) {
            self.first.entry(local).or_insert(expr.span);
        }
        parts(expr, &mut |part| self.look(part, inner));
    }
}

impl Checker<'_> {
    /// Makes a procedure a function that returns 0. It takes `parameters`, each with its name, and then its context;
    /// `arguments` makes of them what the procedure is given. `None`, reported, where that can't be.
    pub(super) fn callback(
        &mut self,
        procedure: &Value,
        name: &str,
        parameters: &[(&str, Type)],
        arguments: impl FnOnce(&mut Self, &[LocalId]) -> Vec<Value>,
        span: Span,
    ) -> Option<Callback> {
        let outer = self.function.clone();
        let inner = outer.locals.len();
        let entry = self.callback_entry();
        let flow = std::mem::replace(&mut self.flow, entry);
        let pending = std::mem::take(&mut self.pending);
        let loops = std::mem::take(&mut self.loops);
        let mut locals: Vec<LocalId> =
            parameters.iter().map(|(name, ty)| self.plain_local(name, ty.clone(), span)).collect();
        let context = self.plain_local("captured", Type::Scalar(DataType::Int(IntType::U64)), span);
        let values = arguments(self, &locals);
        locals.push(context);
        let value = self.apply_value(procedure, values, Position::EFFECT, span);
        let refused = matches!(value, Value::Error(_));
        let body = self.effect(value).unwrap_or_else(|| typed::Expr::new(Type::Unit, span, Typed::Unit));
        let body = self.wrap(0, body);
        let mut state = std::mem::replace(&mut self.function, outer);
        self.flow = flow;
        self.pending = pending;
        self.loops = loops;
        if refused {
            return None;
        }
        let mut uses = Uses::default();
        uses.look(&body, inner);
        let captured = self.captured(&uses, span)?;
        let block = block_type(&captured);
        if let Some(block) = &block {
            state.locals.at_mut(context).ty = block.clone();
        }
        let (name, name_span, whole) = self.callback_name(procedure, name, span);
        let function = self.functions.arena.push(Function {
            name,
            name_span,
            span: whole,
            parameters: locals,
            locals: state.locals,
            loops: state.loops,
            body: callback_body(body, context, block.as_ref(), &captured, span),
        });
        Some(self.callback_arguments(function, block, &captured, span))
    }

    /// What is known of the outer variables where a function begins.
    fn callback_entry(&self) -> Flow {
        let mut flow = self.flow.clone();
        for (local, range) in &mut flow.ranges {
            *range = full_range(&self.function.locals.at(*local).ty);
        }
        let mutated = |local: &LocalId| self.function.locals.at(*local).mutated;
        flow.present.retain(|local| !mutated(local));
        flow.nonzero.retain(|local| !mutated(local));
        // The verifier starts anew in a function.
        flow.implied.clear();
        flow.visible.clear();
        flow
    }

    fn plain_local(&mut self, name: &str, ty: Type, span: Span) -> LocalId {
        self.new_local(name, &Run::new(typed::Expr::new(ty, span, Typed::Unit)), false)
    }

    /// What a function is called, where that is, and where its code is.
    fn callback_name(&self, procedure: &Value, otherwise: &str, span: Span) -> (Name, Span, Span) {
        let lambda = match procedure {
            Value::Static(Static::Procedure(procedure @ (Procedure::Closure(_) | Procedure::Defined(_))), _) => {
                self.body_of(procedure).map(|(lambda, _)| lambda)
            }
            _ => None,
        };
        match lambda {
            Some(lambda) => match &lambda.name {
                Some(name) => (name.name.clone(), name.span, lambda.span),
                None => (otherwise.into(), lambda.span, lambda.span),
            },
            None => (otherwise.into(), span, span),
        }
    }

    /// Where each variable that a function uses goes in the block. `None`, reported, where one can't go there.
    fn captured(&mut self, uses: &Uses, span: Span) -> Option<Vec<Captured>> {
        let mut captured = Vec::new();
        let mut offset: u32 = 0;
        let mut complete = true;
        for (local, place) in &uses.first {
            let information = self.function.locals.at(*local).clone();
            let is_set = uses.set.contains(local);
            let Some(size) = captured_size(&information.ty, is_set) else {
                self.report_captured(&information, is_set, *place, span);
                complete = false;
                continue;
            };
            captured.push(Captured { local: *local, ty: information.ty, offset, is_set });
            offset = offset.saturating_add(size);
        }
        complete.then_some(captured)
    }

    fn report_captured(&mut self, local: &Local, is_set: bool, place: Span, call: Span) {
        let name = &local.name;
        let what = value::describe_type(&local.ty, &|data| self.type_name(data));
        let is_packet = matches!(local.ty, Type::Cursor | Type::Context(_))
            || matches!(&local.ty, Type::Ref(reference) | Type::Optional(reference) if reference.region == Region::Packet);
        let message = match &local.ty {
            Type::Context(_) => {
                format!("`{name}` is the context, which can't be reached from a procedure that the kernel calls")
            }
            _ if is_packet => {
                format!("`{name}` is in the packet, which can't be reached from a procedure that the kernel calls")
            }
            _ if is_set => format!("`{name}` is {what}: a procedure that the kernel calls can't set such a variable"),
            _ => format!("`{name}` is {what}, which can't be used in a procedure that the kernel calls"),
        };
        let help = if is_packet {
            "read what is needed before the call, into variables: `(let ((source (ipv4-src-addr ip))) …)`"
        } else {
            "keep numbers in variables, or the data in a map"
        };
        self.push(
            Diagnostic::error(catalogue::NOT_FOR_CALLBACK, place, message)
                .with_note(call, "the kernel calls it from here")
                .with_help(help),
        );
    }

    /// What the helper is given, and what is taken over after it.
    fn callback_arguments(
        &mut self,
        function: FunctionId,
        block: Option<Type>,
        captured: &[Captured],
        span: Span,
    ) -> Callback {
        let function = Argument::Callback(function);
        let Some(block) = block else {
            let context = Argument::Value(value::constant(0, IntType::U64, span));
            return Callback { function, context, changed: Vec::new() };
        };
        let parts = captured
            .iter()
            .map(|captured| {
                let value = captured.value(span);
                Part { offset: captured.offset, value: PartValue::Scalar(block_storage(&captured.ty), value) }
            })
            .collect();
        let data = match &block {
            Type::Ref(RefType { target: RefTarget::Data(data), .. }) => data.clone(),
            _ => DataType::Int(IntType::U64),
        };
        let context = self.plain_local("captured", block.clone(), span);
        let allocated = typed::Expr::new(block.clone(), span, Typed::Allocate { data, parts });
        self.pending.push(Pending::Let(context, allocated));
        let changed = captured.iter().filter(|captured| captured.is_set);
        let changed = changed.map(|captured| (captured.local, word(context, &block, captured, span))).collect();
        let context = Argument::Value(typed::Expr::new(block, span, Typed::Local(context)));
        Callback { function, context, changed }
    }

    /// Takes over what a function has set. The call of the helper comes before.
    pub(super) fn after_callback(&mut self, callback: Callback, span: Span) {
        for (local, value) in callback.changed {
            let kind = Typed::Set { local, value: Box::new(value) };
            self.pending.push(Pending::Effect(typed::Expr::new(Type::Unit, span, kind)));
            let full = full_range(&self.function.locals.at(local).ty);
            if let Some(range) = self.flow.ranges.get_mut(&local) {
                *range = full;
            }
            self.flow.present.remove(&local);
            self.flow.nonzero.remove(&local);
            self.flow.visible.remove(&local);
            self.flow.implied.remove(&local);
        }
    }
}

/// Bytes that a variable takes in the block; `None` where it can't go there.
fn captured_size(ty: &Type, is_set: bool) -> Option<u32> {
    match ty {
        Type::Unit => Some(0),
        Type::Scalar(_) | Type::Verdict(_) => Some(8),
        Type::Kernel(pointer) => (pointer.access == super::kernel_types::Access::Untyped).then_some(8),
        Type::Ipv6 => Some(16),
        // The verifier follows these through the stack; but it lets no function put one into the stack of its caller.
        Type::Ref(reference) | Type::Optional(reference) => {
            let is_followed = matches!(reference.region, Region::MapValue | Region::Global | Region::Stack);
            (is_followed && !is_set).then_some(8)
        }
        Type::Never | Type::Cursor | Type::Context(_) | Type::Values(_) => None,
    }
}

/// A reference to the block; `None` where nothing is in it.
fn block_type(captured: &[Captured]) -> Option<Type> {
    let bytes = captured.last().map(|last| last.offset + captured_size(&last.ty, false).unwrap_or(0))?;
    let data = DataType::Array(Arc::new(DataType::Int(IntType::U64)), bytes / 8);
    (bytes > 0).then_some(Type::Ref(RefType { target: RefTarget::Data(data), region: Region::Stack }))
}

/// How a variable lies in the block.
fn block_storage(ty: &Type) -> Storage {
    match ty {
        Type::Ipv6 => DataType::Ipv6.storage().unwrap_or(Storage::native(IntType::U64)),
        _ => Storage::native(IntType::U64),
    }
}

fn block_place(block: LocalId, ty: &Type, captured: &Captured, span: Span) -> Place {
    let base = Box::new(typed::Expr::new(ty.clone(), span, Typed::Local(block)));
    Place { base, offset: captured.offset, index: None, align: 8 }
}

/// What the block holds of a variable.
fn word(block: LocalId, ty: &Type, captured: &Captured, span: Span) -> typed::Expr {
    let place = block_place(block, ty, captured, span);
    let load = |ty: Type| typed::Expr::new(ty, span, Typed::Load { place, storage: block_storage(&captured.ty) });
    match &captured.ty {
        Type::Unit => typed::Expr::new(Type::Unit, span, Typed::Unit),
        Type::Scalar(_) => {
            // The verifier may not know that a word in memory is no larger than its type.
            let whole = load(Type::Scalar(DataType::Int(IntType::U64)));
            typed::Expr::new(captured.ty.clone(), span, Typed::Cast(Box::new(whole)))
        }
        other => load(other.clone()),
    }
}

/// Takes the variables out of the block, does what the procedure does, puts what it has set back, and returns 0.
fn callback_body(
    body: typed::Expr,
    context: LocalId,
    block: Option<&Type>,
    captured: &[Captured],
    span: Span,
) -> typed::Expr {
    let result = value::constant(0, IntType::I64, span);
    let ty = result.ty.clone();
    let mut items = vec![body];
    if let Some(block) = block {
        for captured in captured.iter().filter(|captured| captured.is_set) {
            let value = captured.value(span);
            let kind = Typed::Store {
                place: block_place(context, block, captured, span),
                storage: block_storage(&captured.ty),
                value: Box::new(value),
            };
            items.push(typed::Expr::new(Type::Unit, span, kind));
        }
    }
    items.push(result);
    let mut whole = typed::Expr::new(ty.clone(), span, Typed::Seq(items));
    if let Some(block) = block {
        for captured in captured.iter().rev() {
            let value = Box::new(word(context, block, captured, span));
            let kind = Typed::Let { local: captured.local, value, body: Box::new(whole) };
            whole = typed::Expr::new(ty.clone(), span, kind);
        }
    }
    whole
}
