//! The page of the kernel's helpers.

use std::fmt::Write;

use eshkol_core::kernel::helper::{self, Helper, Licence};
use eshkol_core::kernel::{ArgumentKind, ProgramType, ResultKind};

/// The whole page.
pub(crate) fn text() -> String {
    let mut text = String::from(
        "# Helpers\n\nThe kernel's helpers have their names here with `-` for `_`: `bpf_ktime_get_ns` is `(bpf-ktime-get-ns)`. A call is \
         checked against the program type, `min-kernel` and the license. Memory is a struct, an array field, a header or a text; its size \
         is checked against what is there. A helper that *moves the packet* ends every header and place that was parsed before.\n",
    );
    for program in ProgramType::ALL {
        let mut helpers: Vec<&Helper> = helper::all().filter(|helper| helper.since_in(*program).is_some()).collect();
        helpers.sort_by_key(|helper| helper.name);
        let _ = write!(
            text,
            "\n## In `:{}` programs\n\n| call | gives | since | GPL | |\n|---|---|---|---|---|\n",
            program.keyword()
        );
        // What has a form of its own is not called by its name.
        for helper in helpers.into_iter().filter(|helper| helper.own_form().is_none()) {
            let Some(since) = helper.since_in(*program) else { continue };
            let moves = if helper.changes_packet_data { "; *moves the packet*" } else { "" };
            let _ = writeln!(
                text,
                "| `{}` | {} | {since} | {} | {}{moves} |",
                call(helper),
                result(helper.result),
                licence(helper.licence),
                helper.note
            );
        }
    }
    text.push_str(
        "\nThe prelude has these on top; each is as new as the helper it uses:\n\n| call | gives |\n|---|---|\n\
         | `(current-pid)` | the process id, as user space counts |\n\
         | `(current-tid)` | the thread id |\n\
         | `(current-uid)` | the user id |\n\
         | `(current-gid)` | the group id |\n\
         | `(current-comm)` | the name of the task, as a `:char-array` of 16 bytes |\n\
         | `(cpu-id)` | the number of the CPU |\n\
         | `(time-ns)` | nanoseconds since the machine started, without the time it slept |\n\
         | `(random-u32)` | a random number |\n\
         | `(probe-read buffer address)` | 0 or -errno; fills a struct or an array from an address of the kernel, with `:user` after it of the \
         current process |\n\
         | `(probe-read-str buffer address)` | the length with the final NUL, or -errno; the same with text |\n\
         | `(tcp-flags->state tcp)` | the state that a segment brings its sender to: `:tcp-syn-sent`, `:tcp-syn-recv`, \
         `:tcp-established`, `:tcp-fin-wait1` or `:tcp-close` |\n",
    );
    text
}

fn call(helper: &Helper) -> String {
    if helper.variadic {
        return format!("({} text n …)", helper.name);
    }
    let mut call = format!("({}", helper.name);
    for argument in helper.arguments {
        call.push(' ');
        call.push_str(&name(*argument));
    }
    call.push(')');
    call
}

fn name(argument: ArgumentKind) -> String {
    match argument {
        ArgumentKind::Context => "ctx".to_owned(),
        ArgumentKind::Map(_) => "map".to_owned(),
        ArgumentKind::MapKey => "key".to_owned(),
        ArgumentKind::MapValue => "value".to_owned(),
        ArgumentKind::Int(int) | ArgumentKind::NetworkInt(int) => int.to_string(),
        ArgumentKind::Memory => "memory".to_owned(),
        ArgumentKind::MemoryOrNull => "memory-or-0".to_owned(),
        ArgumentKind::MemoryOut => "buffer".to_owned(),
        ArgumentKind::MemoryInOut => "memory!".to_owned(),
        ArgumentKind::FixedMemory(bytes) => format!("memory[{bytes}]"),
        ArgumentKind::IntInOut(int) => format!("{int}!"),
        ArgumentKind::IntOut(int) => format!("{int}-buffer"),
        ArgumentKind::Size | ArgumentKind::SizeOrZero => "size".to_owned(),
        ArgumentKind::Callback => "procedure".to_owned(),
        ArgumentKind::Record => "event".to_owned(),
        ArgumentKind::CallbackContext => "variables".to_owned(),
    }
}

fn result(result: ResultKind) -> String {
    match result {
        ResultKind::Int(int) => format!("`:{int}`"),
        ResultKind::Errno => "0 or -errno".to_owned(),
        ResultKind::OptionalMapValue => "a value, or nothing".to_owned(),
        ResultKind::OptionalRecord => "an event, or nothing".to_owned(),
        ResultKind::KernelStruct(name) => format!("`(ref {})`", name.replace('_', "-")),
        ResultKind::Verdict => "a verdict".to_owned(),
        ResultKind::Unit => String::new(),
    }
}

fn licence(licence: Licence) -> String {
    match licence {
        Licence::Any => String::new(),
        Licence::Gpl => "yes".to_owned(),
        Licence::GplBefore(version) => format!("before {version}"),
    }
}
