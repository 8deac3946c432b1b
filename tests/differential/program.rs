//! Programs, written at random, of every type: a packet header of every kind of field, structs, maps, globals and procedures, and a body that uses
//! them all.

mod attachment;
mod body;
mod definition;
mod equivalent;

use std::fmt::Write as _;

use eshkol_core::kernel::program_type::PacketAccess;
use eshkol_core::kernel::{KernelVersion, ProgramType};

use crate::choices::Choices;
use attachment::Attachment;
pub(crate) use attachment::{TYPED_TRACEPOINT, machine};
use definition::Definitions;
pub(crate) use equivalent::equivalent;

/// The name of the entry of the program that runs.
pub(crate) const NAME: &str = "start";
/// That of the entry of the one that it may go on with.
const NEXT: &str = "next";

/// Whether programs of a type are called with a packet that they can write.
fn writes_packet(program_type: ProgramType) -> bool {
    program_type.facts().packet == PacketAccess::Direct { writable: true }
}

/// Whether programs of a type are called with a packet.
pub(crate) fn has_packet(program_type: ProgramType) -> bool {
    program_type.facts().packet != PacketAccess::None
}

/// What a program may use, by the oldest kernel that it is for.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Level {
    /// No loops but those written out, no globals; 64-bit jumps only.
    V4_18,
    /// 32-bit jumps.
    V5_10,
    /// Everything.
    V6_1,
}

impl Level {
    const ALL: [Self; 3] = [Self::V4_18, Self::V5_10, Self::V6_1];

    /// The oldest kernel that has all of it.
    pub(crate) fn kernel(self) -> KernelVersion {
        match self {
            Self::V4_18 => KernelVersion::new(4, 18),
            Self::V5_10 => KernelVersion::new(5, 10),
            Self::V6_1 => KernelVersion::new(6, 1),
        }
    }
}

/// How much there is in a program.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    Small,
    Large,
}

/// A program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The oldest kernel it is for.
    pub(crate) level: Level,
    attachment: Attachment,
    definitions: String,
    /// The entry, and that of another program of the unit where there is one.
    entries: Vec<(&'static str, String)>,
}

impl Program {
    pub(crate) fn generate(choices: &mut Choices, size: Size) -> Self {
        let level = Level::ALL[[2, 1, 0][choices.below(3)]];
        let attachment = Attachment::generate(choices, level);
        let definitions = Definitions::generate(choices, attachment.program_type, level, size);
        let mut text = definitions.text();
        let names = if choices.below(5) == 4 { vec![NAME, NEXT] } else { vec![NAME] };
        let mut body = body::Writer::new(choices, &definitions, &attachment, level, size);
        // Kernels before 5.10 know no tail calls in programs with functions of their own.
        if names.len() == 1 || level >= Level::V5_10 {
            body.procedures(&mut text);
        }
        let mut entries = vec![];
        for name in &names {
            let others = if names.len() == 1 { vec![] } else { names.clone() };
            entries.push((*name, body.entry(name, others)));
        }
        Self { level, attachment, definitions: text, entries }
    }

    /// Its text, for this oldest kernel.
    pub(crate) fn text(&self, kernel: KernelVersion) -> String {
        let clauses = format!("(license \"GPL\") (min-kernel \"{kernel}\")");
        let own = self.attachment.clauses();
        let definitions = &self.definitions;
        if let [(name, entry)] = self.entries.as_slice() {
            return format!("(define-ebpf-program fuzz {clauses} {own} (entry {name})\n{definitions}{entry})");
        }
        let mut text = format!("(define-ebpf-object fuzz {clauses})\n{definitions}");
        for (name, entry) in &self.entries {
            let _ = write!(text, "(define-ebpf-program {}\n  {own} (entry {name})\n{entry})\n", program_of(name));
        }
        text
    }
}

/// The name of the program with an entry, among several.
fn program_of(entry: &str) -> String {
    format!("{entry}-program")
}
