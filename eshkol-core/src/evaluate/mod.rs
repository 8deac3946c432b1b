//! What a program *means*: a direct evaluator of the typed tree ([`crate::check::typed`]), as simple as it can be.
//!
//! It shares no code with lowering, optimisation or code generation, so that what they make of a program can be compared
//! with what the tree says. It guarantees:
//!
//! * Every promise of the typed tree is checked where the program relies on it: accesses stay inside what their base
//!   points to, divisors are not zero, shifts are below 64, an optional taken for present is present, a scalar is a value
//!   of its type, a loop runs no more often than it says. A broken promise is a [`Violation`]: a fault of the checker.
//! * Nothing panics, and every evaluation ends: there is a limit of steps.
//! * The same [`World`] and [`Input`] give the same outcome.
//!
//! Maps are as the kernel's on a machine with one CPU, errno results included; user space takes all events out of them after each run. What the kernel leaves open, such as
//! reading an element of a hash map through a reference after it was deleted, is not guessed at: the [`Outcome`] says that
//! it is [unspecified](Outcome::unspecified).

mod context;
mod expression;
mod helper;
mod map;
mod memory;
mod perf_buffer;
mod ring_buffer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::arena::Id as _;
use crate::check::typed::{FunctionId, GlobalId, GlobalInit, LoopId, MapId, Program, Unit};
use crate::compile::Endianness;
use crate::deep_stack::with_deep_stack;
use crate::kernel::MapKind;
use crate::source::Span;
pub use map::Elements;
use memory::{Memory, Pointer};

/// What outlives a run: the contents of maps and globals, as they lie in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct World {
    /// For each map of the unit, its elements: all of a hash map or trie; of an array those that were ever written or
    /// looked up, the others being zero. Of a map of programs that user space fills, the place of each in [`Unit::programs`].
    pub maps: Vec<Elements>,
    /// For each global of the unit, its bytes.
    pub globals: Vec<Vec<u8>>,
}

/// What one run is given.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Input {
    /// The packet.
    pub packet: Vec<u8>,
    /// Fields of the context, by their offset in the kernel's struct; those that are not here are 0, but for the packet's length.
    pub context: BTreeMap<u32, u64>,
    /// What the next calls for the time give; then 0.
    pub times: Vec<u64>,
    /// What the next calls for a random number give; then 0.
    pub random: Vec<u32>,
}

/// What one run gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What the program returns.
    pub verdict: u64,
    /// The packet as the program left it.
    pub packet: Vec<u8>,
    /// Fields of the context as the program left them, by their offset.
    pub context: BTreeMap<u32, u64>,
    /// For each map of the unit, the events that the run sent through it, in the order in which user space finds them; of those that the
    /// kernel fills up, what the program sent.
    pub events: Vec<Vec<Vec<u8>>>,
    /// The run did something of which the kernel may make one thing or another.
    pub unspecified: bool,
}

/// A broken promise of the typed tree, or something that can't be evaluated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The expression.
    pub span: Span,
    /// What is wrong.
    pub what: String,
}

impl World {
    /// Empty maps, and globals as they start.
    pub fn new(unit: &Unit, endianness: Endianness) -> Self {
        let globals = unit.globals.values().map(|global| {
            let size = unit.types.size(&global.ty) as usize;
            let mut bytes = vec![0; size];
            match (&global.init, global.ty.storage()) {
                (GlobalInit::Scalar(number), Some(storage)) => {
                    let big = storage.big_endian || endianness == Endianness::Big;
                    for (byte, value) in bytes.iter_mut().zip(memory::number_to_bytes(*number, size, big)) {
                        *byte = value;
                    }
                }
                (GlobalInit::Bytes(init), _) => {
                    for (byte, value) in bytes.iter_mut().zip(init) {
                        *byte = *value;
                    }
                }
                (GlobalInit::Zero | GlobalInit::Scalar(_), _) => {}
            }
            bytes
        });
        Self { maps: unit.maps.values().map(|_| Elements::new()).collect(), globals: globals.collect() }
    }
}

/// Runs a program of the unit. With a violation the world stays as it was.
pub fn run(
    unit: &Unit,
    program: &Program,
    endianness: Endianness,
    world: &mut World,
    input: &Input,
) -> Result<Outcome, Violation> {
    // As deep as the expressions of the program.
    with_deep_stack(|| run_here(unit, program, endianness, world, input))
}

fn run_here(
    unit: &Unit,
    program: &Program,
    endianness: Endianness,
    world: &mut World,
    input: &Input,
) -> Result<Outcome, Violation> {
    let big = endianness == Endianness::Big;
    let mut memory = Memory::default();
    let maps = unit
        .maps
        .values()
        .zip(&world.maps)
        .map(|(map, elements)| map::Contents::new(unit, map, elements, big, &mut memory))
        .collect();
    let ring_buffers = unit.maps.iter().filter(|(_, map)| map.kind == MapKind::RingBuf);
    let ring_buffers = ring_buffers.map(|(id, map)| (id, ring_buffer::RingBuffer::new(map.max_entries))).collect();
    let globals = unit
        .globals
        .values()
        .zip(&world.globals)
        .map(|(global, bytes)| memory.add(bytes.clone(), global.mutable))
        .collect();
    let packet = memory.add(input.packet.clone(), true);
    let mut machine = Machine {
        unit,
        big,
        memory,
        maps,
        ring_buffers,
        perf_buffers: BTreeMap::new(),
        globals,
        packet,
        packet_room: PACKET_ROOM,
        context: input.context.clone(),
        times: input.times.iter().copied(),
        random: input.random.iter().copied(),
        unspecified: false,
        steps: STEPS,
        depth: 0,
        tail_calls: 0,
        missed_tail_calls: 0,
    };
    let verdict = machine.program(program)?;
    let verdict = verdict.word().ok_or_else(|| Violation {
        span: program.entry.span,
        what: "the program returns something that is no word".to_owned(),
    })?;
    if machine.ring_buffers.values().any(ring_buffer::RingBuffer::forgets) {
        return Err(violation(program.entry.span, "an event is neither sent nor given up"));
    }
    for (elements, contents) in world.maps.iter_mut().zip(&machine.maps) {
        *elements = contents.elements(&machine.memory);
    }
    for (bytes, object) in world.globals.iter_mut().zip(&machine.globals) {
        *bytes = machine.memory.bytes(*object).to_vec();
    }
    let packet = machine.memory.bytes(machine.packet).to_vec();
    let events = unit.maps.iter().map(|(id, _)| {
        let sent = machine.ring_buffers.get(&id).map(|buffer| buffer.sent(&machine.memory));
        sent.or_else(|| machine.perf_buffers.get(&id).map(|buffer| buffer.events.clone())).unwrap_or_default()
    });
    // A number is seen by the kernel as the 32 bits that it takes.
    Ok(Outcome {
        verdict: verdict & 0xffff_ffff,
        packet,
        events: events.collect(),
        unspecified: machine.unspecified,
        context: machine.context,
    })
}

/// Expressions that are evaluated at most.
const STEPS: u64 = 50_000_000;
/// Functions within functions at most (`MAX_CALL_FRAMES` in `include/linux/bpf_verifier.h`).
const FRAMES: u32 = 8;
/// Tail calls at most (`MAX_TAIL_CALL_CNT` in `include/linux/bpf.h`).
const TAIL_CALLS: u32 = 33;
/// Bytes before a packet that it can grow by (`XDP_PACKET_HEADROOM`).
const PACKET_ROOM: u64 = 256;

/// A run-time value.
#[derive(Clone, PartialEq, Debug)]
enum Value {
    Unit,
    Word(u64),
    Ipv6([u8; 16]),
    /// A reference, a cursor, or an optional that is there.
    Pointer(Pointer),
    /// An optional that is not there.
    Absent,
    Context,
    Values(Vec<Value>),
}

impl Value {
    fn word(&self) -> Option<u64> {
        match self {
            Self::Word(word) => Some(*word),
            _ => None,
        }
    }
}

/// Why an expression gives no value.
enum Stop {
    /// The next round of an enclosing loop.
    Continue(LoopId, Vec<Value>),
    /// A program goes on with this one of the unit.
    TailCall(usize),
    Violation(Violation),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

struct Machine<'u> {
    unit: &'u Unit,
    big: bool,
    memory: Memory,
    maps: Vec<map::Contents>,
    ring_buffers: BTreeMap<MapId, ring_buffer::RingBuffer>,
    perf_buffers: BTreeMap<MapId, perf_buffer::PerfBuffer>,
    globals: Vec<memory::ObjectId>,
    packet: memory::ObjectId,
    packet_room: u64,
    context: BTreeMap<u32, u64>,
    times: std::iter::Copied<std::slice::Iter<'u, u64>>,
    random: std::iter::Copied<std::slice::Iter<'u, u32>>,
    unspecified: bool,
    steps: u64,
    depth: u32,
    tail_calls: u32,
    /// Those that found no program.
    missed_tail_calls: u32,
}

impl<'u> Machine<'u> {
    /// Runs a program, and those that it goes on with.
    fn program(&mut self, program: &'u Program) -> Result<Value, Violation> {
        let unit = self.unit;
        let mut program = program;
        loop {
            match self.function(&program.entry, vec![Value::Context]) {
                Ok(value) => return Ok(value),
                Err(Stop::TailCall(next)) => {
                    let missing = || violation(program.entry.span, "there is no such program to go on with");
                    program = unit.programs.get(next).ok_or_else(missing)?;
                }
                Err(Stop::Violation(violation)) => return Err(violation),
                Err(Stop::Continue(..)) => {
                    return Err(violation(program.entry.span, "a `Continue` is outside of its loop"));
                }
            }
        }
    }

    fn function(&mut self, function: &'u crate::check::typed::Function, arguments: Vec<Value>) -> Result<Value, Stop> {
        if self.depth >= FRAMES {
            return Err(violation(function.span, "functions call each other too deeply").into());
        }
        self.depth += 1;
        let mut frame = expression::Frame::new(function, arguments);
        let result = self.evaluate(&mut frame, &function.body);
        self.depth -= 1;
        match result {
            Err(Stop::Continue(..)) => Err(violation(function.span, "a `Continue` is outside of its loop").into()),
            // There the kernel would come back to the caller.
            Err(Stop::TailCall(_)) if self.depth > 0 => {
                Err(violation(function.span, "a function goes on with a program").into())
            }
            result => result,
        }
    }

    fn function_by_id(&mut self, id: FunctionId, arguments: Vec<Value>, span: Span) -> Result<Value, Stop> {
        let unit = self.unit;
        let Some(function) = unit.functions.get(id) else {
            return Err(violation(span, "there is no such function").into());
        };
        self.function(function, arguments)
    }

    fn global(&self, id: GlobalId, span: Span) -> Result<Pointer, Violation> {
        match self.globals.get(id.index()) {
            Some(object) => Ok(Pointer { object: *object, offset: 0 }),
            None => Err(violation(span, "there is no such global")),
        }
    }

    fn ring_buffer(&mut self, id: MapId, span: Span) -> Result<(&mut ring_buffer::RingBuffer, &mut Memory), Violation> {
        match self.ring_buffers.get_mut(&id) {
            Some(buffer) => Ok((buffer, &mut self.memory)),
            None => Err(violation(span, "there is no such ring buffer")),
        }
    }

    fn map(&mut self, id: MapId, span: Span) -> Result<(&mut map::Contents, &mut Memory), Violation> {
        match self.maps.get_mut(id.index()) {
            Some(contents) => Ok((contents, &mut self.memory)),
            None => Err(violation(span, "there is no such map")),
        }
    }
}

fn violation(span: Span, what: impl Into<String>) -> Violation {
    Violation { span, what: what.into() }
}
