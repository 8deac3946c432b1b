//! The checker: forms → [`typed`] tree. Names, types, narrowing, value ranges, proofs of bounds, and the kernel's rules.
//! The only place that says no to a user program.

mod access;
pub mod address;
mod arguments;
mod assignment;
mod branch;
pub mod builtin;
mod call;
mod callback;
mod callback_rounds;
mod checker;
mod comparison;
pub mod constant;
mod convert;
mod cursors;
pub mod declare;
mod definitions;
mod effort;
mod entry;
mod expression;
mod flow;
mod forks;
mod functions;
mod implied;
pub(crate) mod kernel_memory;
mod kernel_questions;
pub mod kernel_types;
mod kfunc;
mod loops;
mod or;
mod parts;
mod print;
mod range;
mod reach;
mod reservations;
mod return_probe;
mod tail_calls;
mod test;
mod two_numbers;
pub mod type_syntax;
pub mod typed;
pub mod types;
mod value;
mod visible;
mod walk;

use crate::diagnostic::Diagnostics;
use crate::expand::form;
use crate::kernel::Architecture;
use crate::source::Sources;
use call::SelfCallTable;
use checker::{Checker, Functions, Given};
use definitions::Definitions;

/// Checks a unit for a machine. `None`, with errors in `diagnostics`, where it is refused.
pub fn check(
    unit: &form::Unit,
    sources: &Sources,
    architecture: Architecture,
    diagnostics: &mut Diagnostics,
) -> Option<typed::Unit> {
    let declarations = declare::declare(unit, diagnostics);
    let self_calls = SelfCallTable::of(unit);
    let given = Given { unit, sources, declarations: &declarations, self_calls: &self_calls, architecture };
    let mut functions = Functions { uses: walk::uses(unit), ..Functions::default() };
    let mut programs = Vec::new();
    for program in &declarations.programs {
        let Some(entry) = entry::find(unit, program, diagnostics) else { continue };
        let mut checker = Checker::new(given, program, diagnostics, &mut functions);
        if let Some(function) = checker.entry(&entry) {
            programs.push(typed::Program {
                name: program.name.name.clone(),
                name_span: program.name.span,
                doc: entry.doc.clone().or_else(|| program.doc.clone()),
                program_type: program.program_type,
                attach_points: program.attach_points.clone(),
                sleepable: program.sleepable,
                frags: program.frags,
                entry: function,
                saves_arguments_of: None,
            });
        }
    }
    let constants = Definitions(given).check(&mut functions, diagnostics);
    if diagnostics.has_errors() {
        return None;
    }
    programs.append(&mut functions.entry_probes);
    let mut maps = declarations.maps;
    for map in std::mem::take(&mut functions.argument_maps) {
        maps.push(map);
    }
    let log = std::mem::take(&mut functions.log);
    for (id, events) in std::mem::take(&mut functions.events) {
        maps.at_mut(id).events = events;
    }
    if let Some(tail_calls) = &declarations.tail_calls {
        let places = tail_calls.programs.iter();
        let place = |id: &form::ProgramId| declarations.programs.iter().position(|program| program.id == *id);
        maps.at_mut(tail_calls.map).hidden = Some(typed::HiddenMap::Programs(places.filter_map(place).collect()));
    }
    let facts = std::mem::take(&mut functions.facts);
    let mut functions = functions::keep_called(&mut programs, functions.arena);
    let moving = cursors::moving(&functions);
    let entries = programs.iter_mut().map(|program| &mut program.entry);
    for function in entries.chain(functions.iter_mut().map(|(_, function)| function)) {
        cursors::even_out(function, &moving);
        reach::shorten(function);
    }
    for program in &programs {
        tail_calls::check(program, declarations.min_kernel, diagnostics);
    }
    for function in programs.iter().map(|program| &program.entry).chain(functions.values()) {
        reservations::check(function, &maps, diagnostics);
    }
    let given = access::Given {
        sources,
        min_kernel: declarations.min_kernel,
        globals: &declarations.globals,
        maps: &maps,
        functions: &functions,
        kfuncs: &declarations.kfuncs,
    };
    for program in &programs {
        access::check(program, given, diagnostics);
        effort::check(program, &functions, declarations.min_kernel, diagnostics);
        callback_rounds::check(program, &functions, diagnostics);
    }
    if diagnostics.has_errors() {
        return None;
    }
    Some(typed::Unit {
        name: declarations.name.name,
        name_span: declarations.name.span,
        doc: declarations.doc,
        license: declarations.license,
        min_kernel: declarations.min_kernel,
        types: declarations.types,
        maps,
        globals: declarations.globals,
        constants,
        programs,
        functions,
        kfuncs: declarations.kfuncs,
        facts,
        log,
    })
}
