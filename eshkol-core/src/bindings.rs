//! Names as they are outside Scheme: in the object (C identifiers) and in Rust.

use std::collections::BTreeMap;

use crate::check::typed::Unit;
use crate::diagnostic::{Diagnostic, Diagnostics, catalogue};
use crate::source::Span;

/// The symbol of a Scheme name in the object: a C identifier, which is what the kernel wants for BTF and what `bpftool` prints.
///
/// `xdp-main` → `xdp_main`, `empty?` → `empty_p`, `count!` → `count`, `a->b` → `a_to_b`; any other character → `_`.
pub fn symbol(name: &str) -> String {
    let name = name.replace("->", "-to-").replace('?', "-p").replace('!', "");
    let mut symbol: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if symbol.is_empty() || symbol.starts_with(|c: char| c.is_ascii_digit()) {
        symbol.insert(0, '_');
    }
    symbol
}

/// The Rust type of a Scheme name: `xdp-firewall` → `XdpFirewall`, `tcp-flags->state` → `TcpFlagsToState`, `HTTP-kind` → `HTTPKind`.
pub fn type_name(name: &str) -> String {
    let name = name.replace("->", "-to-");
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let mut type_name = String::new();
    for part in parts {
        let (first, rest) = part.split_at_checked(1).unwrap_or((part, ""));
        type_name.push_str(&first.to_ascii_uppercase());
        type_name.push_str(rest);
    }
    if type_name.is_empty() || type_name.starts_with(|c: char| c.is_ascii_digit()) {
        type_name.insert(0, '_');
    }
    type_name
}

/// The Rust constant of a Scheme name: `max-entries` → `MAX_ENTRIES`.
pub fn constant_name(name: &str) -> String {
    symbol(name).to_ascii_uppercase()
}

/// Refuses names that are different in Scheme and the same outside it.
pub fn check_names(unit: &Unit, diagnostics: &mut Diagnostics) {
    let mut values = Names::default();
    for map in unit.maps.values().filter(|map| map.hidden.is_none()) {
        values.add(symbol(&map.name), &map.name, Some(map.span), diagnostics);
    }
    for program in unit.programs.iter().filter(|program| program.saves_arguments_of.is_none()) {
        values.add(symbol(&program.entry.name), &program.entry.name, Some(program.entry.name_span), diagnostics);
    }
    for global in unit.globals.values().filter(|global| global.hidden.is_none()) {
        values.add(symbol(&global.name), &global.name, Some(global.span), diagnostics);
    }
    let mut types = Names::default();
    let unit_type = type_name(&unit.name);
    types.add(format!("{unit_type}Loader"), &unit.name, Some(unit.name_span), diagnostics);
    types.add(unit_type, &unit.name, Some(unit.name_span), diagnostics);
    for map in unit.maps.values().filter(|map| map.events.len() > 1) {
        types.add(format!("{}Event", type_name(&map.name)), &map.name, Some(map.span), diagnostics);
    }
    for data in unit.types.enums.values() {
        types.add(type_name(&data.name), &data.name, Some(data.span), diagnostics);
        let mut variants = Names::default();
        for (variant, _) in &data.variants {
            variants.add(type_name(variant), variant, Some(data.span), diagnostics);
        }
    }
    for data in unit.types.structs.values().filter(|data| data.span.is_some()) {
        types.add(type_name(&data.name), &data.name, data.span, diagnostics);
        let mut fields = Names::default();
        for field in &data.fields {
            fields.add(symbol(&field.name), &field.name, field.span.or(data.span), diagnostics);
        }
    }
}

/// Names of one scope outside Scheme, with what they are in Scheme.
#[derive(Default)]
struct Names<'a> {
    known: BTreeMap<String, (&'a str, Span)>,
}

impl<'a> Names<'a> {
    fn add(&mut self, outside: String, name: &'a str, span: Option<Span>, diagnostics: &mut Diagnostics) {
        let Some(span) = span else { return };
        match self.known.get(&outside) {
            Some((other, first)) => {
                let message = format!("both `{other}` and `{name}` are called `{outside}` outside Scheme");
                let diagnostic = Diagnostic::error(catalogue::NAME_CLASH, span, message)
                    .with_note(*first, format!("`{other}` is defined here"))
                    .with_help("rename one of them");
                diagnostics.push(diagnostic);
            }
            None => {
                self.known.insert(outside, (name, span));
            }
        }
    }
}

#[cfg(test)]
mod tests;
