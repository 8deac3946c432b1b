//! The backend: SSA → eBPF machine code, by RFC 9669. Instruction selection per ISA version, register allocation by
//! `regalloc2`, frame and branch layout, encoder, disassembler.

mod allocate;
mod assembly;
mod chain;
mod checkpoints;
pub mod code;
mod disassemble;
mod early_returns;
mod effect;
mod frame;
pub mod instruction;
#[cfg(test)]
pub(crate) mod interpret;
mod layout;
mod length;
mod liveness;
mod loops;
mod machine;
mod merge;
mod order;
mod peephole;
mod select;
mod simplify;
#[cfg(test)]
mod tests;

pub use chain::{ChainFrame, check as check_chain};
pub use code::{Code, Instruction, LineEntry, Relocation, RelocationTarget};
pub use disassemble::{disassemble, instruction_text};
pub use frame::STACK_LIMIT;
pub use length::check as check_length;

use crate::arena::Arena;
use crate::compile::Options;
use crate::diagnostic::{Diagnostic, catalogue};
use crate::ir::{Cfg, Function};
use crate::kernel::IsaVersion;
use crate::source::Span;
use assembly::{Assembly, AssemblyBlock};
use frame::Frame;
use layout::Laid;
use loops::Shape;
use machine::{BlockId, MachineFunction};

/// Why a function has no code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// Slots and spills need more than 512 bytes.
    StackTooLarge {
        /// The function.
        span: Span,
        /// What it needs.
        bytes: u32,
        /// What takes the most of it, largest first: where it is made, and its bytes.
        slots: Vec<(Span, u32)>,
    },
    /// A program and what it calls need more than 512 bytes together, or more than 8 frames.
    ChainTooDeep {
        /// The program.
        span: Span,
        /// What they need.
        bytes: u32,
        /// The program, what it calls, what that calls, and so on.
        frames: Vec<ChainFrame>,
    },
    /// A program and what it calls have more instructions than the oldest kernel takes.
    TooLong {
        /// The program.
        span: Span,
        /// How many they have.
        instructions: usize,
    },
    /// The compiler made something it can't encode.
    Internal {
        /// The function.
        span: Span,
        /// What went wrong.
        reason: String,
    },
}

impl Error {
    /// The error as the user sees it.
    pub fn into_diagnostic(self) -> Diagnostic {
        match self {
            Self::StackTooLarge { span, bytes, slots } => too_large(span, bytes, &slots),
            Self::TooLong { span, instructions } => {
                let (limit, since) = (length::OLD_LIMIT, length::LIFTED_IN);
                let message = format!(
                    "this and what it calls are {instructions} instructions, and a kernel before {since} takes {limit}"
                );
                Diagnostic::error(catalogue::PROGRAM_TOO_LONG, span, message).with_help(format!(
                    "say `(min-kernel \"{since}\")`, and `(min-kernel \"5.3\")` where it is loops that make it long"
                ))
            }
            Self::ChainTooDeep { span, bytes, frames } => too_deep(span, bytes, &frames),
            Self::Internal { span, reason } => Diagnostic::error(catalogue::INTERNAL, span, reason),
        }
    }
}

/// How many of the places where memory is made a message shows.
const SHOWN_SLOTS: usize = 4;

fn too_large(function: Span, bytes: u32, slots: &[(Span, u32)]) -> Diagnostic {
    let error = |span, message| Diagnostic::error(catalogue::STACK_TOO_LARGE, span, message);
    let in_slots: u32 = slots.iter().map(|(_, bytes)| *bytes).sum();
    match slots {
        [(span, largest), rest @ ..] if in_slots >= bytes / 2 => {
            let message = if *largest > STACK_LIMIT {
                format!("this takes {largest} bytes of stack, and eBPF has {STACK_LIMIT}")
            } else {
                format!("this takes {largest} of {bytes} bytes of stack, and eBPF has {STACK_LIMIT}")
            };
            let shown = rest.iter().take(SHOWN_SLOTS - 1).filter(|(_, bytes)| *bytes > 8);
            let diagnostic = shown.fold(error(*span, message), |diagnostic, (span, bytes)| {
                diagnostic.with_note(*span, format!("{bytes} bytes are taken here"))
            });
            diagnostic
                .with_note(function, "in this procedure")
                .with_help("keep large structs in a map value, and large events in room from `ringbuf-reserve`, instead of making them on the stack")
        }
        _ => error(function, format!("this needs {bytes} bytes of stack, and eBPF has {STACK_LIMIT}")).with_help(
            "so many values are in use at the same time: use each as soon as it is known, or keep some in a map",
        ),
    }
}

fn too_deep(span: Span, bytes: u32, frames: &[ChainFrame]) -> Diagnostic {
    let message = if bytes > STACK_LIMIT {
        format!("this and what it calls need {bytes} bytes of stack together, and eBPF has {STACK_LIMIT}")
    } else {
        format!("calls are {} deep here, and eBPF has 8 frames", frames.len())
    };
    let mut diagnostic = Diagnostic::error(catalogue::STACK_TOO_LARGE, span, message);
    for (position, frame) in frames.iter().enumerate() {
        let what = if position == 0 { "" } else { "which calls " };
        diagnostic = diagnostic.with_note(frame.span, format!("{what}`{}`: {} bytes", frame.name, frame.bytes));
    }
    diagnostic.with_help("keep large structs in a map value instead of making them on the stack")
}

/// Generates the code of a function.
pub fn generate(function: &Function, isa: IsaVersion, options: Options) -> Result<Code, Error> {
    let span = function.span;
    let cfg = Cfg::new(function);
    let mut frame = Frame::new(function, &cfg);
    frame.finish()?;
    let machine = in_order(select::select(function, &cfg, &frame, isa, options.endianness()));
    let mut assembly = allocate::allocate(&machine, &mut frame, span, options.check_allocation)?;
    simplify::run(&mut assembly);
    peephole::run(&mut assembly);
    simplify::run(&mut assembly);
    merge::run(&mut assembly);
    simplify::run(&mut assembly);
    // What was computed for a branch that merging took away.
    peephole::run(&mut assembly);
    early_returns::run(&mut assembly);
    let shapes = assembly_shapes(&assembly);
    let order = order::order(&shapes, assembly.entry);
    checkpoints::run(&mut assembly, &shapes);
    let Laid { instructions, relocations, lines } = layout::lay_out(&assembly, &order, isa, span)?;
    let parameters = u32::try_from(function.blocks.at(function.entry).params.len()).unwrap_or(u32::MAX);
    let stack = frame.finish()?;
    Ok(Code { name: function.name.clone(), span, parameters, instructions, relocations, lines, stack })
}

/// The same function with its reachable blocks numbered in the order in which they are likely to be laid out.
fn in_order(mut machine: MachineFunction) -> MachineFunction {
    let shapes =
        machine.blocks.values().map(|block| Shape { successors: block.successors.clone(), size: block.insts.len() });
    let order = order::order(&shapes.collect(), machine.entry);
    let numbers = order::renumber(&mut machine.blocks, &order);
    let number = |block: BlockId| numbers.get(block).copied().flatten().unwrap_or(block);
    for (_, block) in machine.blocks.iter_mut() {
        for successor in &mut block.successors {
            *successor = number(*successor);
        }
    }
    machine.entry = number(machine.entry);
    machine
}

fn assembly_shapes(assembly: &Assembly) -> Arena<BlockId, Shape> {
    let shape = |block: &AssemblyBlock| Shape { successors: block.end.successors().collect(), size: block.insts.len() };
    assembly.blocks.values().map(shape).collect()
}
