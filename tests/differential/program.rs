//! Programs, written at random: a packet header of every kind of field, structs, maps, globals and procedures, and a body
//! that uses them all.

mod body;
mod definition;
mod equivalent;

use std::fmt::Write as _;

use crate::choices::Choices;
use definition::Definitions;
pub(crate) use equivalent::equivalent;

/// The program's name, and its entry's.
pub(crate) const NAME: &str = "xdp_main";

/// What a program may use, by the oldest kernel that it is for.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Level {
    /// No loops but those written out, no globals; 64-bit jumps only.
    V4_18,
    /// 32-bit jumps.
    V5_10,
    /// Everything.
    V6_12,
}

impl Level {
    pub(crate) const ALL: [Self; 3] = [Self::V4_18, Self::V5_10, Self::V6_12];

    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V4_18 => "4.18",
            Self::V5_10 => "5.10",
            Self::V6_12 => "6.12",
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
    definitions: String,
}

impl Program {
    pub(crate) fn generate(choices: &mut Choices, size: Size) -> Self {
        let level = Level::ALL[[2, 1, 0][choices.below(3)]];
        let definitions = Definitions::generate(choices, level, size);
        let mut text = definitions.text();
        let mut body = body::Writer::new(choices, &definitions, level, size);
        body.procedures(&mut text);
        body.entry(&mut text);
        Self { level, definitions: text }
    }

    /// Its text, for this oldest kernel.
    pub(crate) fn text(&self, level: Level) -> String {
        let mut text = String::new();
        let version = level.version();
        let _ = writeln!(
            text,
            "(define-ebpf-program fuzz (license \"GPL\") (program-type :xdp) (min-kernel \"{version}\") (entry {NAME})"
        );
        text.push_str(&self.definitions);
        text.push(')');
        text
    }
}
