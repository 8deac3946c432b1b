//! The page of the program types.

use std::fmt::Write;

use eshkol_core::kernel::ProgramType;
use eshkol_core::kernel::program_type::{ContextFieldKind, PacketAccess, ProgramTypeFacts};

/// The whole page.
pub(crate) fn text() -> String {
    let mut text = String::from(
        "# Program types\n\nA program type says where in the kernel a program runs, what it is called with, what it may return, and which \
         [helpers](helpers.md) it may call.\n",
    );
    for program in ProgramType::ALL {
        section(&mut text, program.facts());
    }
    text
}

fn section(text: &mut String, facts: &ProgramTypeFacts) {
    let ProgramTypeFacts { keyword, since, frags, context, results, packet, .. } = facts;
    let _ = write!(text, "\n## `:{keyword}`\n\nSince Linux {since}.");
    text.push_str(match packet {
        PacketAccess::None => " There is no packet.",
        PacketAccess::Direct { writable: true } => " The packet can be read and written.",
        PacketAccess::Direct { writable: false } => " The packet can be read.",
    });
    if let Some((_, since)) = frags {
        let _ = write!(
            text,
            " With `(frags)`, from {since} on, also packets in several pieces, of which the first can be parsed."
        );
    }
    if let Some(results) = results {
        text.push_str("\n\nIt returns one of these:\n\n| result | number |\n|---|---|\n");
        for result in *results {
            let _ = writeln!(text, "| `:{}` | {} |", result.name, result.value);
        }
    }
    if results.is_none() {
        text.push_str(" It returns any number, or nothing: the kernel makes nothing of it.\n");
    }
    if !context.note.is_empty() {
        let _ = write!(text, "\nThe context is {}.\n", context.note);
    }
    if context.fields.is_empty() {
        return;
    }
    let _ = write!(text, "\nFields of the context (`struct {}`):\n\n| read with | gives |\n|---|---|\n", context.name);
    for field in context.fields {
        let gives = match (field.unreadable, field.kind) {
            (Some(reason), _) => format!("can't be read: {reason}"),
            (None, ContextFieldKind::Number) => format!("`:u{}`", field.bytes * 8),
            (None, ContextFieldKind::PacketStart) => "the place of the packet's first byte".to_owned(),
            (None, ContextFieldKind::PacketEnd) => "the packet's end, to subtract its first place from".to_owned(),
            (None, ContextFieldKind::PacketMeta) => "can't be read".to_owned(),
        };
        let _ = writeln!(text, "| `(ctx-{} ctx)` | {gives} |", field.name);
    }
}
