//! Names that nothing defines: what was probably meant.

use std::collections::BTreeSet;

use super::environment::Identifier;
use super::expander::Expander;
use super::hint::{NOT_AVAILABLE_YET, NOT_IN_EBPF, OTHER_SPELLINGS, find};
use super::special::Special;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue as codes;
use crate::diagnostic::suggestion::closest;
use crate::kernel::{ProgramType, constant, packet_header};
use crate::syntax::{Datum, Name};

/// So many different unknown names get a suggestion; it is a search through all names.
const MAX_SUGGESTIONS: usize = 30;

impl Expander<'_> {
    /// Reports a name that nothing defines.
    pub(super) fn unknown(&mut self, datum: &Datum) {
        let Some(Identifier { name, .. }) = Identifier::of(datum) else { return };
        if self.import_missing || self.has_many_errors() || self.is_missing(&name) {
            // Something that was reported would have defined it, or might have.
            return;
        }
        let span = datum.span;
        if let Some(help) = find(NOT_IN_EBPF, &name) {
            return self.error(codes::NOT_IN_EBPF, span, format!("`{name}` does not exist in eBPF"), help);
        }
        if NOT_AVAILABLE_YET.contains(&&*name) {
            let message = format!("`{name}` is not available yet");
            return self.error(codes::NOT_AVAILABLE_YET, span, message, "leave it out for now");
        }
        if let Some(declaration) = self.environment.find_type(&name) {
            let sort = self.declarations.at(declaration).sort.text();
            let note = self.declarations.at(declaration).name.span;
            let message = format!("`{name}` is {sort}, not a value");
            let diagnostic = Diagnostic::error(codes::SYNTAX_AS_VALUE, span, message);
            let help = format!("a struct is made by `(make-{name} …)`; a type stands in annotations and declarations");
            return self.report(diagnostic.with_note(note, "defined here").with_help(help));
        }
        let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, span, format!("nothing is called `{name}`"));
        let help = self.help_for(&name);
        self.report(diagnostic.with_help(help));
    }

    /// Whether the head of a form outside procedures is meant to be a definition, and no clause; reported.
    pub(super) fn is_unknown_definition(&mut self, form: &Datum) -> bool {
        let head = form.as_list().and_then(<[_]>::first);
        let Some((head, name)) = head.and_then(|head| Some((head, head.as_symbol()?.clone()))) else { return false };
        let is_definition = find(OTHER_SPELLINGS, &name).is_some()
            || find(NOT_IN_EBPF, &name).is_some()
            || self.suggestion(&name).is_some_and(|name| Special::named(&name).is_some_and(Special::is_definition));
        if is_definition {
            self.unknown(head);
        }
        is_definition
    }

    /// Whether something refused or not available would have defined a name.
    fn is_missing(&self, name: &str) -> bool {
        self.missing.iter().any(|missing| {
            let accessor = name.strip_prefix("set-").or_else(|| name.strip_prefix("make-")).unwrap_or(name);
            name == &**missing
                || accessor == &**missing
                || accessor.strip_prefix(&**missing).is_some_and(|rest| rest.starts_with('-'))
        })
    }

    fn help_for(&mut self, name: &Name) -> String {
        if let Some(help) = find(OTHER_SPELLINGS, name) {
            return help.to_owned();
        }
        if let Some(keyword) = kernel_constant(name) {
            return format!("the kernel's constants are keywords: `:{keyword}`");
        }
        if name.split_once("->").is_some_and(|(one, other)| !one.is_empty() && !other.is_empty()) {
            return "a field is read by a procedure: `(eth-type eth)`, or `(s-field x)` of a struct `s`".to_owned();
        }
        if self.environment.is_hidden_definition(name) {
            return format!(
                "a macro defines a `{name}` of its own; give the macro the name as an argument to share it"
            );
        }
        match self.suggestion(name) {
            Some(suggestion) => format!("did you mean `{suggestion}`?"),
            None => fields_help(name).unwrap_or_else(|| format!("define it: `(define {name} …)`")),
        }
    }

    /// The known name that is spelled most like a name.
    fn suggestion(&mut self, name: &Name) -> Option<Name> {
        // What is known depends on the place, but the names are mostly the same.
        if let Some(known) = self.suggestions.get(name) {
            return known.clone();
        }
        if self.suggestions.len() >= MAX_SUGGESTIONS {
            return None;
        }
        let found = nearest(name, &self.environment.names().collect());
        self.suggestions.insert(name.clone(), found.clone());
        found
    }
}

/// What there is to read, for a name that begins as the procedures of a header do: `udp-dest`.
fn fields_help(name: &str) -> Option<String> {
    let header = packet_header::by_name(name.split_once('-')?.0)?;
    let fields: Vec<String> = header.fields.iter().map(|field| format!("`{}-{}`", header.name, field.name)).collect();
    Some(format!("the fields of this header are {}", fields.join(", ")))
}

/// The keyword that C's name of a constant is here: `XDP_PASS` is `:xdp-pass`.
fn kernel_constant(name: &str) -> Option<String> {
    let of_c = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let keyword = Some(fold(name)).filter(|_| name.chars().all(of_c))?;
    let is_result = || ProgramType::ALL.iter().any(|program| program.result(&keyword).is_some());
    (constant::by_name(&keyword).is_some() || is_result()).then_some(keyword)
}

/// The candidate that is spelled most like a name, of those in the order of the alphabet. One that differs only in case or in
/// `_` for `-` comes first.
fn nearest(name: &str, candidates: &BTreeSet<Name>) -> Option<Name> {
    // A name of one letter is like every other.
    name.chars().nth(1)?;
    let folded = fold(name);
    let same = candidates.iter().find(|candidate| ***candidate != *name && fold(candidate) == folded);
    same.cloned().or_else(|| closest(&folded, candidates.iter().map(|name| &**name)).map(Name::from))
}

fn fold(name: &str) -> String {
    name.replace('_', "-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let names = ["map-lookup", "map-update", "+", "bpf-ktime-get-ns"].into_iter().map(Name::from).collect();
        let near = |name: &str| nearest(name, &names).map(|name| name.to_string());
        assert_eq!(near("map-lokup").as_deref(), Some("map-lookup"));
        assert_eq!(near("bpf_ktime_get_ns").as_deref(), Some("bpf-ktime-get-ns"));
        assert_eq!(near("MAP-UPDATE").as_deref(), Some("map-update"));
        assert_eq!(near("b"), None);
        assert_eq!(near("something-else"), None);
    }
}
