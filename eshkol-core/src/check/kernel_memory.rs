//! Reading the kernel's memory: fields of its structs, through addresses that it gives.
//!
//! An address in the kernel may be 0, or lead nowhere: what is read there is 0 then, as `bpf_probe_read_kernel` and the verifier's
//! checked loads have it. So such an address is no optional, and can be used without a test; but it can be tested.

use std::sync::Arc;

use super::builtin::helper::allowed;
use super::checker::Checker;
use super::convert::is_reference;
use super::kernel_types::{Access, FactKind, KernelPointer, KernelStructId, KernelType, Subject, kernel_symbol};
use super::range::Range;
use super::typed::{
    self, ArithmeticOp, BitField, CompareOp, ExprKind as Typed, KernelOp, RefTarget, RefType, Region, Type,
};
use super::types::{DataType, IntType, Storage};
use super::value::{Run, Value};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::{KernelVersion, ProgramType, helper};
use crate::source::Span;
use crate::syntax::Datum;

/// A place in the kernel: so many members on from an address.
struct Place {
    /// Where the way begins.
    base: typed::Expr,
    pointer: KernelPointer,
    /// The struct there and the way from its start, where there is one.
    way: Option<(KernelStructId, Vec<u32>)>,
    /// What is at its end.
    ty: KernelType,
}

/// The helper that reads the kernel's memory. Since commit 6ae08ae3dea2 (5.5) there is one for the kernel alone.
pub(crate) fn reader(min_kernel: KernelVersion) -> &'static str {
    if min_kernel >= KernelVersion::new(5, 5) { "bpf-probe-read-kernel" } else { "bpf-probe-read" }
}

impl Checker<'_> {
    /// Applies the accessor of a field.
    pub(super) fn kernel_field(&mut self, id: KernelStructId, index: usize, values: Vec<Value>, span: Span) -> Value {
        let information = self.declarations.types.kernel_structs.at(id);
        let Some(field) = information.fields.get(index).cloned() else { return Value::Error(span) };
        let mut values = values.into_iter();
        let (Some(base), element, None) = (values.next(), values.next(), values.next()) else {
            let message =
                format!("`{}` takes the address of the struct, and an index where the field is an array", field.name);
            return self.error(catalogue::WRONG_ARITY, span, message);
        };
        let Some(mut place) = self.struct_at(id, base) else { return Value::Error(span) };
        if let Some((_, way)) = &mut place.way {
            way.extend(u32::try_from(index));
        }
        place.ty = field.ty;
        match element {
            None => self.read_kernel(place, span),
            Some(index) => self.kernel_element(place, index, span),
        }
    }

    /// The struct that an accessor is given.
    fn struct_at(&mut self, id: KernelStructId, value: Value) -> Option<Place> {
        let run = self.run(value)?;
        let ty = KernelType::Struct(id);
        let Type::Kernel(pointer) = &run.expr.ty else {
            if run.expr.ty != Type::Never {
                let (name, what) = (self.declarations.types.kernel_name(&ty), self.describe(&Value::Run(run.clone())));
                let message = format!("the address of a `{name}` is wanted here, and this is {what}");
                let mut diagnostic = Diagnostic::error(catalogue::TYPE_MISMATCH, run.expr.span, message);
                if run.int_type().is_some() {
                    diagnostic = diagnostic.with_help(format!("say what is at this address: `(the (ref {name}) …)`"));
                }
                self.push(diagnostic);
            }
            return None;
        };
        if pointer.target != ty {
            let types = &self.declarations.types;
            let (name, other) = (types.kernel_name(&ty), types.kernel_name(&pointer.target));
            let message = format!("the address of a `{name}` is wanted here, and this is that of a `{other}`");
            let diagnostic = Diagnostic::error(catalogue::TYPE_MISMATCH, run.expr.span, message)
                .with_help(format!("if it is one after all: `(the (ref {name}) …)`"));
            self.push(diagnostic);
            return None;
        }
        // A struct in a struct: one way from the outer one's start.
        if let Typed::Kernel(KernelOp::Part { base, offset }) = &run.expr.kind
            && let Type::Kernel(outer) = &base.ty
            && let Subject::Struct(root, way) = self.functions.facts.at(*offset).subject.clone()
        {
            return Some(Place { base: (**base).clone(), pointer: outer.clone(), way: Some((root, way)), ty });
        }
        let pointer = pointer.clone();
        Some(Place { base: run.expr, pointer, way: Some((id, Vec::new())), ty })
    }

    /// Reads an element of an array.
    fn kernel_element(&mut self, mut place: Place, index: Value, span: Span) -> Value {
        let Some((element, count)) = place.ty.element() else {
            return self.error(catalogue::WRONG_ARITY, span, "this field is no array: it takes no index");
        };
        let Some(index) = self.int(index) else { return Value::Error(span) };
        if !index.range.within(Range::new(0, i128::from(count) - 1)) && self.flow.reachable {
            let last = count.saturating_sub(1);
            let message = match index.constant() {
                Some(number) => format!("the elements are counted from 0 to {last}, and this is {number}"),
                None => format!("the elements are counted from 0 to {last}, and this may be another number"),
            };
            return self.report(
                Diagnostic::error(catalogue::INDEX_OUT_OF_RANGE, index.expr.span, message)
                    .with_help(format!("test it first: `(when (< i {count}) …)`")),
            );
        }
        if let (Some(number), Some((_, way))) = (index.constant().and_then(|n| u32::try_from(n).ok()), &mut place.way) {
            way.push(number);
            place.ty = element;
            return self.read_kernel(place, span);
        }
        let index = self.stable_run(index, "index");
        let scale = match &element {
            KernelType::Struct(id) => {
                let fact = self.size_fact(*id);
                typed::Expr::new(Type::Scalar(DataType::Int(IntType::U64)), span, Typed::Kernel(KernelOp::Fact(fact)))
            }
            other => {
                let bytes = self.declarations.types.kernel_layout(other).0;
                super::value::constant(i128::from(bytes), IntType::U64, span)
            }
        };
        let kind = Typed::Arithmetic { op: ArithmeticOp::Mul, lhs: Box::new(index.expr), rhs: Box::new(scale) };
        let bytes = Box::new(typed::Expr::new(Type::Scalar(DataType::Int(IntType::U64)), span, kind));
        let start = self.address_of(place, span);
        // The verifier lets no unknown number be added to an address whose type it knows.
        let start = self.untyped(start);
        let pointer = KernelPointer { target: element.clone(), access: Access::Untyped };
        let kind = Typed::Kernel(KernelOp::Element { base: Box::new(start), bytes });
        let base = typed::Expr::new(Type::Kernel(pointer.clone()), span, kind);
        self.read_kernel(Place { base, pointer, way: None, ty: element }, span)
    }

    /// The address of a place.
    fn address_of(&mut self, place: Place, span: Span) -> typed::Expr {
        let Some((root, way)) = place.way.filter(|(_, way)| !way.is_empty()) else { return place.base };
        let offset = self.field_fact(FactKind::ByteOffset, root, &way);
        let pointer = KernelPointer { target: place.ty, access: place.pointer.access };
        let kind = Typed::Kernel(KernelOp::Part { base: Box::new(place.base), offset });
        typed::Expr::new(Type::Kernel(pointer), span, kind)
    }

    /// The same address, of which the verifier knows nothing.
    pub(super) fn untyped(&mut self, expr: typed::Expr) -> typed::Expr {
        let Type::Kernel(pointer) = &expr.ty else { return expr };
        if pointer.access == Access::Untyped {
            return expr;
        }
        let span = expr.span;
        let untyped = Type::Kernel(KernelPointer { access: Access::Untyped, ..pointer.clone() });
        self.can_read_kernel(span);
        let number = Typed::Kernel(KernelOp::Number(Box::new(expr)));
        let number = typed::Expr::new(Type::Scalar(DataType::Int(IntType::U64)), span, number);
        typed::Expr::new(untyped, span, Typed::Kernel(KernelOp::Pointer(Box::new(number))))
    }

    /// What is at a place: a number, a copy of an array on the stack, or an address.
    fn read_kernel(&mut self, place: Place, span: Span) -> Value {
        // Of a context, only numbers are loaded.
        let is_number = place.ty.as_data().is_some_and(|data| {
            data.storage().is_some_and(|storage| storage.bytes.is_power_of_two() && storage.bytes <= 8)
        });
        let is_bits = matches!(place.ty, KernelType::Bits(_));
        if place.pointer.access == Access::Context && (!is_number || is_bits) {
            let base = self.untyped(place.base);
            let pointer = KernelPointer { access: Access::Untyped, ..place.pointer };
            return self.read_kernel(Place { base, pointer, ..place }, span);
        }
        let access = place.pointer.access;
        let way = place.way.clone().filter(|(_, way)| !way.is_empty());
        let offset = way.as_ref().map(|(root, way)| self.field_fact(FactKind::ByteOffset, *root, way));
        let base = Box::new(place.base.clone());
        match &place.ty {
            KernelType::Struct(_) => Value::Run(Run::new(self.address_of(place, span))),
            KernelType::Array(..) => {
                let message = "this is an array of what can't be copied";
                self.report(
                    Diagnostic::error(catalogue::TYPE_MISMATCH, span, message)
                        .with_help("say which element: the accessor takes an index after the struct"),
                )
            }
            KernelType::Pointer(target) => {
                if !self.can_load(access, span) {
                    return Value::Error(span);
                }
                // Of an address of data the verifier keeps no type.
                let is_typed = access != Access::Untyped && matches!(**target, KernelType::Struct(_));
                let access = if is_typed { Access::TypedOrNull } else { Access::Untyped };
                let ty = Type::Kernel(KernelPointer { target: (**target).clone(), access });
                let storage = Storage::native(IntType::U64);
                Value::run(ty, span, Typed::Kernel(KernelOp::Load { base, offset, storage }))
            }
            KernelType::Bits(int) => {
                let Some((root, way)) = way else { return Value::Error(span) };
                if !self.can_read_kernel(span) {
                    return Value::Error(span);
                }
                let facts = BitField {
                    offset: self.field_fact(FactKind::ByteOffset, root, &way),
                    size: self.field_fact(FactKind::ByteSize, root, &way),
                    left: self.field_fact(FactKind::LeftShift, root, &way),
                    right: self.field_fact(FactKind::RightShift, root, &way),
                    signed: int.signed,
                };
                let wide = IntType { bits: 64, signed: int.signed };
                let kind = Typed::Kernel(KernelOp::Bits { base, facts: Arc::new(facts) });
                let bits = typed::Expr::new(Type::Scalar(DataType::Int(wide)), span, kind);
                Value::run(Type::Scalar(DataType::Int(*int)), span, Typed::Cast(Box::new(bits)))
            }
            KernelType::Data(_) | KernelType::Enum(_) => {
                let Some(data) = place.ty.as_data() else { return Value::Error(span) };
                let Some(storage) = data.storage() else {
                    if !self.can_read_kernel(span) {
                        return Value::Error(span);
                    }
                    let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Stack });
                    return Value::run(ty, span, Typed::Kernel(KernelOp::Copy { base, offset, data }));
                };
                if !self.can_load(access, span) {
                    return Value::Error(span);
                }
                let ty = match &data {
                    DataType::Ipv6 => Type::Ipv6,
                    other => Type::Scalar(super::convert::read_type(other)),
                };
                let load =
                    Run::new(typed::Expr::new(ty, span, Typed::Kernel(KernelOp::Load { base, offset, storage })));
                Value::Run(load.opaque_if(storage.big_endian && storage.bytes > 1))
            }
        }
    }

    /// Reads through an address of data, where a number is wanted.
    pub(super) fn read_through_kernel(&mut self, run: Run) -> Option<Run> {
        let Type::Kernel(pointer) = &run.expr.ty else { return Some(run) };
        let is_scalar = pointer.target.as_data().is_some_and(|data| data.storage().is_some());
        if !is_scalar {
            return Some(run);
        }
        let (span, pointer) = (run.expr.span, pointer.clone());
        let place = Place { ty: pointer.target.clone(), pointer, base: run.expr, way: None };
        match self.read_kernel(place, span) {
            Value::Run(run) => Some(run),
            Value::Static(..) | Value::Error(_) => None,
        }
    }

    /// Whether the program may read through an address; reports it where not.
    fn can_load(&mut self, access: Access, span: Span) -> bool {
        match access {
            Access::Untyped => return self.can_read_kernel(span),
            Access::Context => return true,
            Access::Typed | Access::TypedOrNull => {}
        }
        // `check_ptr_to_btf_access` in `kernel/bpf/verifier.c`: commit 69fd337a975c.
        if helper::is_gpl_compatible(&self.program.license) {
            return true;
        }
        let message = "only programs under a license compatible with the GPL may read the kernel's structs";
        let diagnostic = Diagnostic::error(catalogue::GPL_ONLY_HELPER, span, message);
        self.push(diagnostic.with_help("say `(license \"GPL\")`, or `(license \"Dual MIT/GPL\")`"));
        false
    }

    /// Whether the program may call the helper that reads the kernel's memory; reports it where not.
    fn can_read_kernel(&mut self, span: Span) -> bool {
        helper::by_name(reader(self.program.min_kernel)).is_some_and(|helper| allowed(self, helper, span))
    }

    /// `(the (ref T) e)`: an address as that of a `T`.
    pub(super) fn kernel_address(&mut self, value: Value, target: KernelType, span: Span) -> Value {
        let Some(run) = self.run(value) else { return Value::Error(span) };
        match &run.expr.ty {
            Type::Kernel(pointer) if pointer.target == target => Value::Run(run),
            // The record of an event.
            Type::Context(_) => {
                let ty = Type::Kernel(KernelPointer { target, access: Access::Context });
                Value::run(ty, span, Typed::Kernel(KernelOp::Pointer(Box::new(run.expr))))
            }
            Type::Kernel(_) => {
                let untyped = self.untyped(run.expr);
                let ty = Type::Kernel(KernelPointer { target, access: Access::Untyped });
                Value::Run(Run::new(typed::Expr { ty, ..untyped }))
            }
            Type::Never => Value::Run(run),
            _ => {
                let Some(number) = self.int(Value::Run(run)) else { return Value::Error(span) };
                let ty = Type::Kernel(KernelPointer { target, access: Access::Untyped });
                Value::run(ty, span, Typed::Kernel(KernelOp::Pointer(Box::new(number.expr))))
            }
        }
    }

    /// `(the u64 e)` of an address: the address itself, as a number.
    pub(super) fn kernel_number(&mut self, run: Run, span: Span) -> Run {
        let untyped = self.untyped(run.expr);
        let kind = Typed::Kernel(KernelOp::Number(Box::new(untyped)));
        Run::new(typed::Expr::new(Type::Scalar(DataType::Int(IntType::U64)), span, kind))
    }

    /// The struct that the program declares for one of the kernel of this name; `None`, reported, where it declares none.
    pub(super) fn kernel_struct(&mut self, name: &str, span: Span) -> Option<KernelStructId> {
        let found = self.find_kernel_struct(name);
        if found.is_none() {
            let ours = name.replace('_', "-");
            let message = format!("this gives the kernel's `{name}`, which is not declared");
            self.push(Diagnostic::error(catalogue::NOT_A_KERNEL_TYPE, span, message).with_help(format!(
                "declare it, with the fields that are read: `(define-kernel-struct {ours} (pid :i32))`"
            )));
        }
        found
    }

    fn find_kernel_struct(&self, name: &str) -> Option<KernelStructId> {
        let is_wanted = |own: &str| kernel_symbol(own).is_some_and(|symbol| symbol.split("___").next() == Some(name));
        let structs = &self.declarations.types.kernel_structs;
        structs.iter().find(|(_, data)| is_wanted(&data.name)).map(|(id, _)| id)
    }

    /// An argument of what the program is attached to, of which the kernel knows the type.
    pub(super) fn typed_argument(
        &mut self,
        context: &typed::Expr,
        index: u32,
        annotation: &Datum,
        span: Span,
    ) -> Value {
        let kind = Typed::ContextLoad { context: Box::new(context.clone()), offset: index.saturating_mul(8), bytes: 8 };
        if is_reference(annotation) {
            let Some(KernelType::Pointer(target)) = self.kernel_type(annotation) else { return Value::Error(span) };
            let is_struct = matches!(*target, KernelType::Struct(_));
            // Some may be 0, and the verifier of newer kernels knows which (`raw_tp_null_args` in `kernel/bpf/btf.c`). It drops the
            // test of the others.
            let access = if is_struct { Access::TypedOrNull } else { Access::Untyped };
            return Value::run(Type::Kernel(KernelPointer { target: (*target).clone(), access }), span, kind);
        }
        let word = typed::Expr::new(Type::Scalar(DataType::Int(IntType::U64)), span, kind);
        match self.data_type(annotation) {
            Some(DataType::Bool) => {
                let low = typed::Expr::new(Type::Scalar(DataType::Int(IntType::U8)), span, Typed::Cast(Box::new(word)));
                let zero = super::value::constant(0, IntType::U8, span);
                let kind = Typed::Compare { op: CompareOp::NotEqual, lhs: Box::new(low), rhs: Box::new(zero) };
                Value::run(Type::Scalar(DataType::Bool), span, kind)
            }
            Some(_) => Value::Run(Run::new(word)),
            None => Value::Error(span),
        }
    }

    /// `(tracepoint-field ctx f)`: a field of the record, of the struct that the program declares for its tracepoint.
    pub(super) fn tracepoint_field(&mut self, context: Value, field: &Datum, span: Span) -> Value {
        if self.program.program_type != ProgramType::Tracepoint {
            let message = "`tracepoint-field` is for programs at tracepoints";
            return self.report(
                Diagnostic::error(catalogue::NOT_AT_SUCH_A_POINT, span, message)
                    .with_help("say `(program-type :tracepoint)`"),
            );
        }
        let Some(context) = self.context_argument(context) else { return Value::Error(span) };
        let Some(id) = self.record_struct(span) else { return Value::Error(span) };
        let information = self.declarations.types.kernel_structs.at(id);
        let names: Vec<String> = information.fields.iter().map(|field| field.name.to_string()).collect();
        let name = information.name.to_string();
        let Some(position) = self.position(field, &names, &name) else { return Value::Error(span) };
        let record = self.kernel_address(Value::Run(Run::new(context)), KernelType::Struct(id), span);
        self.kernel_field(id, usize::try_from(position).unwrap_or(usize::MAX), vec![record], span)
    }

    /// The struct of the record: `trace_event_raw_` and the tracepoint's name, or the only one that is named like a record.
    fn record_struct(&mut self, span: Span) -> Option<KernelStructId> {
        let points = &self.program.attach_points;
        let events = points.iter().filter_map(|(point, _)| Some(point.rsplit_once(':')?.1));
        let mut wanted = events.map(|event| format!("trace_event_raw_{event}"));
        let wanted = wanted.next();
        if let Some(id) = wanted.as_ref().and_then(|name| self.find_kernel_struct(name)) {
            return Some(id);
        }
        let is_record = |name: &str| kernel_symbol(name).is_some_and(|symbol| symbol.starts_with("trace_event_raw_"));
        let mut records = self.declarations.types.kernel_structs.iter().filter(|(_, data)| is_record(&data.name));
        if let (Some((id, _)), None) = (records.next(), records.next()) {
            return Some(id);
        }
        let name = wanted.unwrap_or_else(|| "trace_event_raw_sched_switch".to_owned()).replace('_', "-");
        self.push(
            Diagnostic::error(catalogue::NOT_A_KERNEL_TYPE, span, "the record of this tracepoint is not declared")
                .with_help(format!(
                    "declare it, with the fields that are read: `(define-kernel-struct {name} (pid :i32))`"
                ))
                .with_help(
                    "`bpftool btf dump file /sys/kernel/btf/vmlinux | grep trace_event_raw` shows which there are",
                ),
        );
        None
    }
}
