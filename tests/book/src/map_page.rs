//! The page of the kinds of maps.

use std::fmt::Write;

use eshkol_core::kernel::map_flag::FLAGS;
use eshkol_core::kernel::map_kind::{KeyRule, ValueRule};
use eshkol_core::kernel::{KernelVersion, MapKind};

/// The whole page.
pub(crate) fn text() -> String {
    let mut text = String::from(
        "# Kinds of maps\n\nWhat a program can do with each kind, and since which kernel the kind is there. What Rust can do is with \
         the [handles](../rust.md#maps).\n\n\
         | kind | since | keys | values | `map-lookup` | `map-update` | `map-delete` | `map-increment!` | `map-for-each` | `redirect` |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for kind in MapKind::all() {
        let facts = kind.facts();
        let yes = |since: Option<KernelVersion>| match since {
            None => String::new(),
            Some(since) if since > facts.since => format!("{since}"),
            Some(_) => "yes".to_owned(),
        };
        let increments = if kind.has_update() { "yes" } else { "" };
        let for_each = if kind.has_for_each() { "5.13" } else { "" };
        let _ = writeln!(
            text,
            "| `:{}` | {} | {} | {} | {} | {} | {} | {increments} | {for_each} | {} |",
            facts.keyword,
            facts.since,
            keys(facts.key),
            values(facts.value, facts.per_cpu),
            yes(facts.lookup),
            yes(facts.update),
            yes(facts.delete),
            yes(facts.redirect),
        );
    }
    text.push_str(
        "\nA version in a column is the first kernel with that operation, where it came later than the kind. \
         `map-increment!` wants values that are numbers of 4 or 8 bytes.\n\n\
         ## Flags\n\n`(flags :no-prealloc …)` takes these, the kernel's `BPF_F_…`:\n\n| flag | since | kinds |\n|---|---|---|\n",
    );
    for flag in FLAGS {
        let kinds: Vec<_> = flag.kinds.iter().map(|kind| format!("`:{}`", kind.keyword())).collect();
        let _ = writeln!(text, "| `:{}` | {} | {} |", flag.name, flag.since, kinds.join(" "));
    }
    text.push_str(
        "\nAn `:lpm-trie` always has `:no-prealloc`; it need not be said. `:rdonly` and `:wronly` limit user space, `:rdonly-prog` and \
         `:wronly-prog` limit programs; the two of a pair exclude each other.\n",
    );
    text
}

fn keys(rule: KeyRule) -> &'static str {
    match rule {
        KeyRule::Any => "any, 512 bytes at most",
        KeyRule::Index => "`:u32` below `max-entries`",
        KeyRule::Number => "`:u32`",
        KeyRule::Prefix => "network order, 256 bytes at most",
        KeyRule::None => "none",
    }
}

fn values(rule: ValueRule, per_cpu: bool) -> String {
    match rule {
        ValueRule::Any if per_cpu => "any, one for each CPU".to_owned(),
        ValueRule::Any => "any".to_owned(),
        ValueRule::Device(since) => format!("`:u32`; with a program since {since}"),
        ValueRule::Socket => "`:u32`".to_owned(),
        ValueRule::Program => "programs, by `tail-call`".to_owned(),
        ValueRule::Stack => "stacks, by `stack-id`".to_owned(),
        ValueRule::Buffer => "events, by `perf-output`".to_owned(),
        ValueRule::None => "events, by `ringbuf-submit`".to_owned(),
    }
}
