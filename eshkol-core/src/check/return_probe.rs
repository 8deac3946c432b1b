//! What a function was called with, where it has returned: nothing of it is left in the registers. So a program that no text defines runs where the
//! function is entered, and saves the arguments that are asked for; the return probe takes them out again.
//!
//! They are kept under the function's frame: a register that no two calls under way have in common (`Registers::frame`). So each call, also one
//! within another or on another CPU, has its own; and where one was missed (the kernel has only so many return probes at hand), what it left is
//! overwritten by the next call at the same place of a stack. The map drops what was used least recently when it is full, so that nothing of the
//! kind can fill it up. Where no arguments were saved, the return probe does nothing.

use super::checker::Checker;
use super::declare::DeclaredProgram;
use super::parts::parts;
use super::typed::{
    self, Argument, ArithmeticOp, ExprKind as Typed, Function, HiddenMap, Local, LocalId, Map, MapId, Part, PartValue,
    Place, Program, RefTarget, RefType, Region, Type,
};
use super::types::{DataType, IntType, Storage};
use super::value::{self, Run};
use crate::arena::{Arena, Id as _};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::kernel::architecture::Frame;
use crate::kernel::{HelperId, MapKind, ProgramType};
use crate::source::Span;

const LOOKUP: HelperId = HelperId(1);
const UPDATE: HelperId = HelperId(2);
const DELETE: HelperId = HelperId(3);

/// Calls of which arguments are kept: many more than return probes wait at a time (`register_kretprobe` in `kernel/kprobes.c`), since each CPU
/// keeps a stock of free entries of such maps (`LOCAL_FREE_TARGET` in `kernel/bpf/bpf_lru_list.c`).
const CALLS: u32 = 16_384;

/// An argument that is saved.
struct Saved {
    /// The register that it comes in.
    register: u32,
    /// Where it is in the map's value.
    offset: u32,
    /// The variable that the return probe has it in.
    local: LocalId,
}

impl Checker<'_> {
    /// Makes the variables that hold what the function was called with, before the body of a return probe is checked.
    pub(super) fn expect_arguments(&mut self, span: Span) {
        let Some(registers) = self.architecture.registers().filter(|registers| registers.frame.is_some()) else {
            return;
        };
        let unknown = Run::new(typed::Expr::new(Type::Scalar(DataType::Int(IntType::U64)), span, Typed::Unit));
        self.function.called_with =
            registers.arguments.iter().map(|_| self.new_local("argument", &unknown, false)).collect();
    }

    /// Gives a return probe the arguments that it asks for, and makes the program that saves them.
    pub(super) fn with_arguments(
        &mut self,
        body: typed::Expr,
        context: LocalId,
        name: &str,
        span: Span,
    ) -> typed::Expr {
        let Some(registers) = self.architecture.registers() else { return body };
        let Some(frame) = &registers.frame else { return body };
        let mut used = Vec::new();
        locals(&body, &mut used);
        let saved: Vec<Saved> = registers
            .arguments
            .iter()
            .zip(&self.function.called_with)
            .filter(|(_, local)| used.contains(local))
            .zip((0..).step_by(8))
            .map(|((register, local), offset)| Saved { register: *register, offset, local: *local })
            .collect();
        if saved.is_empty() {
            return body;
        }
        let map = self.arguments_map(&saved, name);
        let entry = entry(&saved, frame, map, name, span);
        self.functions.entry_probes.push(entry_program(self.program, entry, name));
        self.take_arguments(body, &saved, frame, map, context, span)
    }

    /// The map that keeps them.
    fn arguments_map(&mut self, saved: &[Saved], name: &str) -> MapId {
        let id = MapId::new(self.declarations.maps.len().saturating_add(self.functions.argument_maps.len()));
        self.functions.argument_maps.push(Map {
            name: format!("eshkol-args-{name}").into(),
            span: self.program.name.span,
            doc: None,
            kind: MapKind::LruHash,
            key: DataType::Int(IntType::U64),
            value: words(saved),
            max_entries: CALLS,
            flags: 0,
            pin_by_name: false,
            events: Vec::new(),
            hidden: Some(HiddenMap::Arguments),
            histogram: None,
        });
        id
    }

    /// The body, with its arguments before it.
    fn take_arguments(
        &mut self,
        body: typed::Expr,
        saved: &[Saved],
        frame: &Frame,
        map: MapId,
        context: LocalId,
        span: Span,
    ) -> typed::Expr {
        let int = Type::Scalar(DataType::Int(IntType::U64));
        let verdict = body.ty.clone();
        let place = RefType { target: RefTarget::Data(words(saved)), region: Region::MapValue };
        let optional = Type::Optional(place.clone());
        let local = |checker: &mut Self, name: &str, ty: &Type| {
            checker.function.locals.push(Local { name: name.into(), ty: ty.clone(), mutated: false })
        };
        let (key, found) = (local(self, "frame", &int), local(self, "arguments", &optional));
        let read = |local: LocalId, ty: &Type| typed::Expr::new(ty.clone(), span, Typed::Local(local));
        let keyed = |helper, ty: Type| {
            let arguments = vec![Argument::Map(map), Argument::Spilled(Storage::native(IntType::U64), read(key, &int))];
            typed::Expr::new(ty, span, Typed::Helper { helper, arguments })
        };
        let delete = keyed(DELETE, Type::Scalar(DataType::Int(IntType::I64)));
        let mut there = typed::Expr::new(verdict.clone(), span, Typed::Seq(vec![delete, body]));
        for saved in saved.iter().rev() {
            let base = Typed::Present(Box::new(read(found, &optional)));
            let base = Box::new(typed::Expr::new(Type::Ref(place.clone()), span, base));
            let place = Place { base, offset: saved.offset, index: None, align: 8 };
            let word = Typed::Load { place, storage: Storage::native(IntType::U64) };
            let value = Box::new(typed::Expr::new(int.clone(), span, word));
            let kind = Typed::Let { local: saved.local, value, body: Box::new(there) };
            there = typed::Expr::new(verdict.clone(), span, kind);
        }
        let test = Typed::IsPresent(Box::new(read(found, &optional)));
        let choice = Typed::If {
            test: Box::new(typed::Expr::new(Type::Scalar(DataType::Bool), span, test)),
            then: Box::new(there),
            otherwise: Box::new(typed::Expr::new(verdict.clone(), span, Typed::Constant(0))),
        };
        let choice = typed::Expr::new(verdict.clone(), span, choice);
        let looked_up = Box::new(keyed(LOOKUP, optional));
        let choice = Typed::Let { local: found, value: looked_up, body: Box::new(choice) };
        let choice = typed::Expr::new(verdict.clone(), span, choice);
        let entered = returned_frame(frame, context, span);
        let kind = Typed::Let { local: key, value: Box::new(entered), body: Box::new(choice) };
        typed::Expr::new(verdict, span, kind)
    }

    /// Says why a return probe can't know what the function was called with, where it asks for it in vain.
    pub(super) fn report_no_frame(&mut self, span: Span) {
        self.push(
            Diagnostic::error(
                catalogue::UNKNOWN_REGISTERS,
                span,
                "on the machine that this is compiled for, a return probe can't tell which call returns",
            )
            .with_help("save the arguments in a `:kprobe` program, in a map under `(current-tid)`"),
        );
    }
}

/// The values that are saved of a call.
fn words(saved: &[Saved]) -> DataType {
    let count = u32::try_from(saved.len()).unwrap_or(u32::MAX);
    DataType::Array(std::sync::Arc::new(DataType::Int(IntType::U64)), count)
}

/// A register, as the context holds it.
fn register(offset: u32, context: LocalId, program_type: ProgramType, span: Span) -> typed::Expr {
    let context = Box::new(typed::Expr::new(Type::Context(program_type), span, Typed::Local(context)));
    let kind = Typed::ContextLoad { context, offset, bytes: 8 };
    typed::Expr::new(Type::Scalar(DataType::Int(IntType::U64)), span, kind)
}

/// The frame that a function had which has returned.
fn returned_frame(frame: &Frame, context: LocalId, span: Span) -> typed::Expr {
    let now = register(frame.register, context, ProgramType::Kretprobe, span);
    if frame.returned == 0 {
        return now;
    }
    let ty = now.ty.clone();
    let rhs = Box::new(value::constant(i128::from(frame.returned), IntType::U64, span));
    typed::Expr::new(ty, span, Typed::Arithmetic { op: ArithmeticOp::Sub, lhs: Box::new(now), rhs })
}

/// The procedure that runs where the function is entered.
fn entry(saved: &[Saved], frame: &Frame, map: MapId, name: &str, span: Span) -> Function {
    let mut variables = Arena::new();
    let context = variables.push(Local { name: "ctx".into(), ty: Type::Context(ProgramType::Kprobe), mutated: false });
    let read = |offset| register(offset, context, ProgramType::Kprobe, span);
    let word = Storage::native(IntType::U64);
    let parts = saved
        .iter()
        .map(|saved| Part { offset: saved.offset, value: PartValue::Scalar(word, read(saved.register)) })
        .collect();
    let data = words(saved);
    let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Stack });
    let arguments = vec![
        Argument::Map(map),
        Argument::Spilled(word, read(frame.register)),
        Argument::Value(typed::Expr::new(ty, span, Typed::Allocate { data, parts })),
        Argument::Value(value::constant(0, IntType::U64, span)),
    ];
    let updated =
        typed::Expr::new(Type::Scalar(DataType::Int(IntType::I64)), span, Typed::Helper { helper: UPDATE, arguments });
    let verdict = Type::Verdict(ProgramType::Kprobe);
    let zero = typed::Expr::new(verdict.clone(), span, Typed::Constant(0));
    Function {
        name: format!("eshkol-entry-{name}").into(),
        name_span: span,
        span,
        parameters: vec![context],
        locals: variables,
        loops: Arena::new(),
        body: typed::Expr::new(verdict, span, Typed::Seq(vec![updated, zero])),
    }
}

/// The program that runs there.
fn entry_program(program: &DeclaredProgram, entry: Function, name: &str) -> Program {
    Program {
        name: program.name.name.clone(),
        name_span: program.name.span,
        doc: None,
        program_type: ProgramType::Kprobe,
        attach_points: program.attach_points.clone(),
        sleepable: false,
        frags: false,
        entry,
        saves_arguments_of: Some(name.into()),
    }
}

/// The locals that an expression reads.
fn locals(expr: &typed::Expr, found: &mut Vec<LocalId>) {
    if let Typed::Local(local) = &expr.kind {
        found.push(*local);
    }
    parts(expr, &mut |part| locals(part, found));
}
