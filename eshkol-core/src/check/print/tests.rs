use crate::arena::Arena;
use crate::check::typed::{
    Argument, ArithmeticOp, AtomicOp, CompareOp, Expr, ExprKind, Function, Global, GlobalInit, Local, LocalId, Loop,
    Map, Part, PartValue, Place, Program, RefTarget, RefType, Region, Type, Unit,
};
use crate::check::types::{DataType, Enum, Field, IntType, Storage, Struct, Types};
use crate::kernel::{HelperId, KernelVersion, MapKind, ProgramType};
use crate::source::{Sources, Span};

const WORD: Type = Type::Scalar(DataType::Int(IntType::U64));

fn unit() -> Unit {
    let span = Span::new(Sources::new().add("test.esh", ""), 0, 0);
    let expr = |ty: Type, kind| Expr::new(ty, span, kind);
    let boxed = |ty: Type, kind| Box::new(Expr::new(ty, span, kind));
    let mut types = Types::default();
    types.enums.push(Enum {
        name: "way".into(),
        span,
        doc: None,
        variants: vec![("up".into(), 0), ("down".into(), 7)],
    });
    let field = |name: &str, ty, offset| Field { name: name.into(), span: None, doc: None, ty, offset };
    let event = types.structs.push(Struct {
        name: "event".into(),
        span: None,
        doc: None,
        fields: vec![field("ts", DataType::Int(IntType::U64), 0), field("comm", DataType::CharArray(16), 8)],
        size: 24,
        align: 8,
    });
    let mut maps = Arena::new();
    let map = maps.push(Map {
        name: "hits".into(),
        span,
        doc: None,
        kind: MapKind::LpmTrie,
        key: DataType::Ipv4,
        value: DataType::Struct(event),
        max_entries: 16,
        flags: 1,
        pin_by_name: true,
        events: Vec::new(),
        hidden: None,
        histogram: None,
    });
    let mut globals = Arena::new();
    let global = globals.push(Global {
        name: "total".into(),
        span,
        doc: None,
        ty: DataType::BigEndian(IntType::U32),
        init: GlobalInit::Scalar(3),
        mutable: true,
        hidden: None,
    });

    let mut locals: Arena<LocalId, Local> = Arena::new();
    let mut local = |name: &str, ty: &Type| locals.push(Local { name: name.into(), ty: ty.clone(), mutated: false });
    let context = Type::Context(ProgramType::Xdp);
    let header = RefType { target: RefTarget::Header { header: "ipv4".into(), size: 20 }, region: Region::Packet };
    let value = RefType { target: RefTarget::Data(DataType::Struct(event)), region: Region::MapValue };
    let (optional, present) = (Type::Optional(header.clone()), Type::Ref(header));
    let (ctx, ip, i) = (local("ctx", &context), local("ip", &optional), local("i", &WORD));
    let mut loops = Arena::new();
    let id = loops.push(Loop { trips: 8, unroll: true, numbered: None, forgotten: Vec::new(), ways_multiply: false });
    let number = |value| expr(WORD, ExprKind::Constant(value));
    let the = |id, ty: &Type| expr(ty.clone(), ExprKind::Local(id));
    let at = |base: Expr, offset| Place { base: Box::new(base), offset, index: None, align: 4 };

    let parse = expr(
        optional.clone(),
        ExprKind::Parse {
            context: Box::new(the(ctx, &context)),
            cursor: boxed(Type::Cursor, ExprKind::PacketStart(Box::new(the(ctx, &context)))),
            size: 20,
        },
    );
    let source = expr(
        WORD,
        ExprKind::Load {
            place: at(expr(present, ExprKind::Present(Box::new(the(ip, &optional)))), 12),
            storage: Storage { bits: Some((4, 4)), ..Storage::network(4) },
        },
    );
    let lookup = expr(
        Type::Optional(value.clone()),
        ExprKind::Helper {
            helper: HelperId(1),
            arguments: vec![Argument::Map(map), Argument::Spilled(Storage::network(4), source)],
        },
    );
    let count = expr(
        WORD,
        ExprKind::Atomic {
            op: AtomicOp::Add,
            place: Place {
                index: Some((Box::new(the(i, &WORD)), 4)),
                ..at(expr(Type::Ref(value), ExprKind::Global(global)), 0)
            },
            storage: Storage::native(IntType::U32),
            value: Box::new(number(1)),
            fetch: true,
        },
    );
    let event = expr(
        Type::struct_ref(event, Region::Stack),
        ExprKind::Allocate {
            data: DataType::Struct(event),
            parts: vec![
                Part { offset: 0, value: PartValue::Scalar(Storage::native(IntType::U64), number(5)) },
                Part { offset: 8, value: PartValue::Bytes(b"hi".as_slice().into()) },
            ],
        },
    );
    let again = ExprKind::Continue {
        id,
        arguments: vec![expr(
            WORD,
            ExprKind::Arithmetic { op: ArithmeticOp::Add, lhs: Box::new(the(i, &WORD)), rhs: Box::new(number(1)) },
        )],
    };
    let below = ExprKind::Compare { op: CompareOp::Below, lhs: Box::new(the(i, &WORD)), rhs: Box::new(number(8)) };
    let round = expr(
        WORD,
        ExprKind::If {
            test: boxed(Type::Scalar(DataType::Bool), below),
            then: boxed(WORD, ExprKind::Seq(vec![count, event, expr(Type::Never, again)])),
            otherwise: Box::new(number(2)),
        },
    );
    let repeated = expr(WORD, ExprKind::Loop { id, variables: vec![(i, number(0))], body: Box::new(round) });
    let is_present = ExprKind::IsPresent(Box::new(lookup));
    let choice = ExprKind::If {
        test: boxed(Type::Scalar(DataType::Bool), is_present),
        then: boxed(WORD, ExprKind::Cast(Box::new(repeated))),
        otherwise: Box::new(number(1)),
    };
    let body = expr(WORD, ExprKind::Let { local: ip, value: Box::new(parse), body: boxed(WORD, choice) });

    let entry = Function { name: "main".into(), name_span: span, span, parameters: vec![ctx], locals, loops, body };
    let program = Program {
        name: "guard".into(),
        name_span: span,
        doc: None,
        program_type: ProgramType::Xdp,
        attach_points: vec![("eth0".into(), span)],
        sleepable: false,
        frags: true,
        saves_arguments_of: None,
        entry,
    };
    Unit {
        name: "guard".into(),
        name_span: span,
        doc: None,
        license: "GPL".into(),
        min_kernel: KernelVersion::DEFAULT,
        log: Vec::new(),
        types,
        maps,
        globals,
        programs: vec![program],
        functions: Arena::new(),
        kfuncs: Arena::new(),
        facts: Arena::new(),
        constants: Vec::new(),
    }
}

#[test]
fn a_unit_as_text() {
    insta::assert_snapshot!(unit().to_string());
}
