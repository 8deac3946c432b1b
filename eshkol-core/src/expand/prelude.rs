//! The part of the language that is written in the language.
//!
//! A file of it is read once a text names something that it defines: most texts name nothing, and reading all of it for
//! each of them would take a third of the compiler's time.

use super::environment::ContainerId;
use super::expander::Expander;
use crate::syntax::{Datum, DatumKind};

/// A file of the prelude.
#[derive(Debug)]
pub(super) struct File {
    /// What messages call it.
    pub(super) name: &'static str,
    /// What it defines.
    pub(super) defines: &'static [&'static str],
    pub(super) text: &'static str,
}

pub(super) const FILES: &[File] = &[
    File {
        name: "prelude/ipv6.esh",
        defines: &[
            "ipv6-extension",
            "ipv6-fragment",
            "ipv6-extension-limit",
            "ipv6-extensions-mask",
            "ipv6-upper-layer",
            "ipv6-extension?",
            "ipv6-protocol",
            "ipv6-payload",
        ],
        text: include_str!("../../prelude/ipv6.esh"),
    },
    File {
        name: "prelude/process.esh",
        defines: &["current-pid", "current-tid", "current-uid", "current-gid", "cpu-id", "time-ns", "random-u32"],
        text: include_str!("../../prelude/process.esh"),
    },
    File { name: "prelude/tcp.esh", defines: &["tcp-flags->state"], text: include_str!("../../prelude/tcp.esh") },
    File {
        name: "prelude/tuple.esh",
        defines: &[
            "ipv4-tuple",
            "make-ipv4-tuple",
            "ipv4-tuple-src-ip",
            "ipv4-tuple-dst-ip",
            "ipv4-tuple-src-port",
            "ipv4-tuple-dst-port",
            "set-ipv4-tuple-src-ip!",
            "set-ipv4-tuple-dst-ip!",
            "set-ipv4-tuple-src-port!",
            "set-ipv4-tuple-dst-port!",
        ],
        text: include_str!("../../prelude/tuple.esh"),
    },
];

/// All that the prelude defines.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().flat_map(|file| file.defines).copied()
}

impl Expander<'_> {
    /// Adds the files of the prelude that define what is named in a text, and were not added yet.
    pub(super) fn add_prelude_for(&mut self, text: &[Datum]) {
        let mut rest: Vec<&Datum> = text.iter().collect();
        while let Some(datum) = rest.pop() {
            match &datum.kind {
                DatumKind::List(items, tail) => rest.extend(items.iter().chain(tail.as_deref())),
                DatumKind::Vector(items) => rest.extend(items),
                DatumKind::Symbol { name, .. } | DatumKind::Keyword(name) => {
                    let element = name.strip_suffix("-array").unwrap_or(name);
                    let file = FILES.iter().find(|file| file.defines.contains(&element));
                    if let Some(file) = file.filter(|file| !self.prelude.contains(&file.name)) {
                        self.prelude.push(file.name);
                        self.add_file(file);
                    }
                }
                _ => {}
            }
        }
    }

    fn add_file(&mut self, file: &File) {
        let here = std::mem::replace(&mut self.environment.container, ContainerId::PRELUDE);
        let id = self.sources.add_prelude(file.name, file.text);
        let forms = self.read(id);
        self.collect(forms, None);
        self.apply_signatures();
        self.environment.container = here;
    }
}
