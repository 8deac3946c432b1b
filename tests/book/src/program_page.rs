//! The page of the program types.

use std::fmt::Write;

use eshkol_core::kernel::program_type::{
    AttachPlace, ContextField, ContextFieldKind, ContextStruct, PacketAccess, ProgramTypeFacts, Results,
};
use eshkol_core::kernel::{KernelVersion, ProgramType};

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
    let ProgramTypeFacts { keyword, since, frags, context, packet, .. } = facts;
    let _ = write!(text, "\n## `:{keyword}`\n\nSince Linux {since}.");
    text.push_str(match packet {
        PacketAccess::None => " There is no packet.",
        PacketAccess::Direct { writable: true } => " The packet can be read and written.",
        PacketAccess::Direct { writable: false } => " The packet can be read.",
        PacketAccess::Copied => " The packet can be read: each header is copied to the stack when it is parsed.",
    });
    if let Some((_, since)) = frags {
        let _ = write!(
            text,
            " With `(frags)`, from {since} on, also packets in several pieces, of which the first can be parsed."
        );
    }
    results(text, facts);
    attach_points(text, facts);
    if !context.note.is_empty() {
        let _ = write!(text, "\nThe context is {}.\n", context.note);
    }
    words(text, context);
    if context.fields.is_empty() {
        return;
    }
    let _ = write!(
        text,
        "\nFields of the context (`struct {}`):\n\n| read with | gives | written with |\n|---|---|---|\n",
        context.name
    );
    for field in context.fields {
        let index = if field.elements > 1 { " i" } else { "" };
        let setter = if field.writable { format!("`(set-ctx-{}! ctx{index} v)`", field.name) } else { String::new() };
        let _ = writeln!(text, "| `(ctx-{} ctx{index})` | {} | {setter} |", field.name, gives(field, *since));
    }
}

fn words(text: &mut String, context: &ContextStruct) {
    if context.words.is_empty() {
        return;
    }
    text.push_str("\nRead as a `:u64`:\n\n| read with | gives |\n|---|---|\n");
    for word in context.words {
        let _ = writeln!(text, "| `(ctx-{} ctx)` | {} |", word.name, word.what);
    }
}

fn results(text: &mut String, facts: &ProgramTypeFacts) {
    match facts.results {
        Results::Names(results) => {
            text.push_str("\n\nIt returns one of these:\n\n| result | number |\n|---|---|\n");
            for result in results {
                let _ = writeln!(text, "| `:{}` | {} |", result.name, result.value);
            }
        }
        Results::Number { what, way_out } => {
            let _ = writeln!(text, " It returns {what}: {way_out}.");
        }
        Results::Ignored => text.push_str(" It returns any number, or nothing: the kernel makes nothing of it.\n"),
    }
}

fn attach_points(text: &mut String, facts: &ProgramTypeFacts) {
    let Some(first) = facts.attach_types.first() else { return };
    let hooks: Vec<String> = facts
        .attach_types
        .iter()
        .map(|hook| match hook.since > facts.since {
            true => format!("`{}` (since {})", hook.name, hook.since),
            false => format!("`{}`", hook.name),
        })
        .collect();
    let example = match first.place {
        AttachPlace::Interface => format!("`(attach-point \"{}:eth0\")`", first.name),
        AttachPlace::Cgroup => {
            format!("`(attach-point \"{}:/sys/fs/cgroup/web\")`, or without the cgroup", first.name)
        }
    };
    let _ = write!(text, "\nHooks: {}; as in {example}.", hooks.join(", "));
    if facts.attach_types.iter().any(|hook| hook.section.is_some()) {
        text.push_str(" A program is for one of them, and must say which.");
    }
    let results = if let Results::Names(results) = facts.results { results } else { &[] };
    for result in results {
        let only = facts.attach_types.iter().filter(|hook| hook.only == Some(result.name));
        let hooks: Vec<String> = only.map(|hook| format!("`{}`", hook.name)).collect();
        if !hooks.is_empty() {
            let _ = write!(text, " At {} it can return nothing but `:{}`.", hooks.join(", "), result.name);
        }
    }
    text.push('\n');
}

/// What reading a field gives, and where that can't be.
fn gives(field: &ContextField, since: KernelVersion) -> String {
    let what = match (field.unreadable, field.kind) {
        (Some(reason), _) => return format!("can't be read: {reason}"),
        (None, ContextFieldKind::Number) => {
            let elements =
                if field.elements > 1 { format!(", `i` from 0 to {}", field.elements - 1) } else { String::new() };
            format!("`:u{}`{elements}", field.bytes * 8)
        }
        (None, ContextFieldKind::NetworkOrder { bytes }) => format!("`:u{}`", bytes * 8),
        (None, ContextFieldKind::PacketLength) => "`:u32`, the length of the whole packet".to_owned(),
        (None, ContextFieldKind::Ipv4) => "`:ipv4-addr`".to_owned(),
        (None, ContextFieldKind::Ipv6) => "`:ipv6-addr`".to_owned(),
        (None, ContextFieldKind::PacketStart) => "the place of the packet's first byte".to_owned(),
        (None, ContextFieldKind::PacketEnd) => "the packet's end, to subtract its first place from".to_owned(),
        (None, ContextFieldKind::PacketMeta) => return "can't be read".to_owned(),
    };
    let mut limits = String::new();
    if field.since > since {
        let _ = write!(limits, ", since Linux {}", field.since);
    }
    if field.writable && field.writable_since > field.since {
        let _ = write!(limits, ", written since {}", field.writable_since);
    }
    if let Some(hooks) = field.attach_types {
        let hooks: Vec<String> = hooks.iter().map(|hook| format!("`{hook}`")).collect();
        let _ = write!(limits, ", at {}", hooks.join(", "));
    }
    what + &limits
}
