//! Typed trees made by hand.

use std::sync::Arc;

use crate::arena::{Arena, Id as _};
use crate::check::typed::{
    Argument, ArithmeticOp, CompareOp, Expr, ExprKind, Function, Global, Local, LocalId, Loop, LoopId, Map, MapId,
    Place, Program, RefTarget, RefType, Region, Type, Unit,
};
use crate::check::types::{DataType, IntType, Storage, Types};
use crate::kernel::{HelperId, KernelVersion, MapKind, ProgramType};
use crate::source::{SourceId, Span};

pub(super) fn span() -> Span {
    Span::new(SourceId::new(0), 0, 0)
}

pub(super) fn expr(ty: Type, kind: ExprKind) -> Expr {
    Expr::new(ty, span(), kind)
}

pub(super) fn boxed(expression: Expr) -> Box<Expr> {
    Box::new(expression)
}

pub(super) fn int(ty: IntType) -> Type {
    Type::Scalar(DataType::Int(ty))
}

pub(super) fn u64_type() -> Type {
    int(IntType::U64)
}

pub(super) fn bool_type() -> Type {
    Type::Scalar(DataType::Bool)
}

pub(super) fn reference(data: DataType, region: Region) -> RefType {
    RefType { target: RefTarget::Data(data), region }
}

pub(super) fn header(size: u32) -> RefType {
    RefType { target: RefTarget::Header { header: "eth".into(), size }, region: Region::Packet }
}

pub(super) fn number(number: u64) -> Expr {
    expr(u64_type(), ExprKind::Constant(number))
}

pub(super) fn truth(truth: bool) -> Expr {
    expr(bool_type(), ExprKind::Constant(truth.into()))
}

pub(super) fn verdict(number: u64) -> Expr {
    expr(Type::Verdict(ProgramType::Xdp), ExprKind::Constant(number))
}

pub(super) fn unit() -> Expr {
    expr(Type::Unit, ExprKind::Unit)
}

pub(super) fn arithmetic(op: ArithmeticOp, lhs: Expr, rhs: Expr) -> Expr {
    expr(u64_type(), ExprKind::Arithmetic { op, lhs: boxed(lhs), rhs: boxed(rhs) })
}

pub(super) fn add(lhs: Expr, rhs: Expr) -> Expr {
    arithmetic(ArithmeticOp::Add, lhs, rhs)
}

pub(super) fn compare(op: CompareOp, lhs: Expr, rhs: Expr) -> Expr {
    expr(bool_type(), ExprKind::Compare { op, lhs: boxed(lhs), rhs: boxed(rhs) })
}

pub(super) fn equal(lhs: Expr, rhs: Expr) -> Expr {
    compare(CompareOp::Equal, lhs, rhs)
}

pub(super) fn not(test: Expr) -> Expr {
    expr(bool_type(), ExprKind::Not(boxed(test)))
}

pub(super) fn choice(test: Expr, then: Expr, otherwise: Expr) -> Expr {
    let ty = if then.ty == Type::Never { otherwise.ty.clone() } else { then.ty.clone() };
    expr(ty, ExprKind::If { test: boxed(test), then: boxed(then), otherwise: boxed(otherwise) })
}

pub(super) fn and(lhs: Expr, rhs: Expr) -> Expr {
    choice(lhs, rhs, truth(false))
}

pub(super) fn or(lhs: Expr, rhs: Expr) -> Expr {
    choice(lhs, truth(true), rhs)
}

pub(super) fn sequence(expressions: Vec<Expr>) -> Expr {
    let ty = expressions.last().unwrap().ty.clone();
    expr(ty, ExprKind::Seq(expressions))
}

pub(super) fn present(optional: Expr) -> Expr {
    let Type::Optional(target) = optional.ty.clone() else { panic!("{optional:?} is no optional") };
    expr(Type::Ref(target), ExprKind::Present(boxed(optional)))
}

pub(super) fn is_present(optional: Expr) -> Expr {
    expr(bool_type(), ExprKind::IsPresent(boxed(optional)))
}

pub(super) fn place(base: Expr, offset: u32, align: u32) -> Place {
    Place { base: boxed(base), offset, index: None, align }
}

pub(super) fn load(place: Place, storage: Storage) -> Expr {
    let ty = match storage.bytes {
        16 => Type::Ipv6,
        6 => Type::Scalar(DataType::Mac),
        bytes => int(IntType { bits: u8::try_from(bytes * 8).unwrap(), signed: storage.signed }),
    };
    expr(ty, ExprKind::Load { place, storage })
}

pub(super) fn store(place: Place, storage: Storage, value: Expr) -> Expr {
    expr(Type::Unit, ExprKind::Store { place, storage, value: boxed(value) })
}

pub(super) fn lookup(map: MapId, storage: Storage, key: Expr, value: DataType) -> Expr {
    let arguments = vec![Argument::Map(map), Argument::Spilled(storage, key)];
    let ty = Type::Optional(reference(value, Region::MapValue));
    expr(ty, ExprKind::Helper { helper: HelperId(1), arguments })
}

pub(super) const NATIVE_U8: Storage = Storage { bytes: 1, big_endian: false, signed: false, bits: None };
pub(super) const NATIVE_U32: Storage = Storage { bytes: 4, big_endian: false, signed: false, bits: None };
pub(super) const NATIVE_U64: Storage = Storage { bytes: 8, big_endian: false, signed: false, bits: None };
pub(super) const MAC: Storage = Storage { bytes: 6, big_endian: false, signed: false, bits: None };
pub(super) const IPV6: Storage = Storage { bytes: 16, big_endian: false, signed: false, bits: None };

/// Makes the locals and loops of a function.
#[derive(Default)]
pub(super) struct Scope {
    locals: Arena<LocalId, Local>,
    loops: Arena<LoopId, Loop>,
    parameters: Vec<LocalId>,
}

impl Scope {
    /// The scope of an entry procedure, and its context.
    pub(super) fn entry() -> (Self, Expr) {
        let mut scope = Self::default();
        let context = scope.parameter(Type::Context(ProgramType::Xdp));
        let context = scope.read(context);
        (scope, context)
    }

    pub(super) fn parameter(&mut self, ty: Type) -> LocalId {
        let local = self.local(ty);
        self.parameters.push(local);
        local
    }

    pub(super) fn local(&mut self, ty: Type) -> LocalId {
        self.locals.push(Local { name: "x".into(), ty, mutated: false })
    }

    pub(super) fn mutated(&mut self, ty: Type) -> LocalId {
        self.locals.push(Local { name: "x".into(), ty, mutated: true })
    }

    pub(super) fn read(&self, local: LocalId) -> Expr {
        expr(self.locals.at(local).ty.clone(), ExprKind::Local(local))
    }

    /// Binds the value of an expression; `body` gets it.
    pub(super) fn bind(&mut self, value: Expr, body: impl FnOnce(&mut Self, Expr) -> Expr) -> Expr {
        let local = self.local(value.ty.clone());
        let read = self.read(local);
        let body = body(self, read);
        Self::bind_as(local, value, body)
    }

    pub(super) fn bind_as(local: LocalId, value: Expr, body: Expr) -> Expr {
        expr(body.ty.clone(), ExprKind::Let { local, value: boxed(value), body: boxed(body) })
    }

    pub(super) fn looped(&mut self, trips: u64, unroll: bool) -> LoopId {
        self.loops.push(Loop { trips, unroll, numbered: None, forgotten: Vec::new(), ways_multiply: false })
    }

    pub(super) fn function(self, body: Expr) -> Function {
        Function {
            name: "test-entry".into(),
            name_span: span(),
            span: span(),
            parameters: self.parameters,
            locals: self.locals,
            loops: self.loops,
            body,
        }
    }
}

/// A unit with these programs' entry procedures.
pub(super) fn unit_of(entry: Function) -> Unit {
    let map = Map {
        name: "map".into(),
        span: span(),
        doc: None,
        kind: MapKind::Hash,
        key: DataType::Int(IntType::U32),
        value: DataType::Int(IntType::U64),
        max_entries: 16,
        flags: 0,
        pin_by_name: false,
        events: Vec::new(),
        hidden: None,
        histogram: None,
    };
    let program = Program {
        name: "test".into(),
        name_span: span(),
        doc: None,
        program_type: ProgramType::Xdp,
        attach_points: Vec::new(),
        sleepable: false,
        frags: false,
        saves_arguments_of: None,
        entry,
    };
    Unit {
        name: "test".into(),
        name_span: span(),
        doc: None,
        license: Arc::from("GPL"),
        min_kernel: KernelVersion::DEFAULT,
        log: Vec::new(),
        types: Types::default(),
        maps: std::iter::once(map).collect(),
        globals: Arena::<_, Global>::new(),
        programs: vec![program],
        functions: Arena::new(),
        kfuncs: Arena::new(),
        facts: Arena::new(),
        constants: Vec::new(),
    }
}
