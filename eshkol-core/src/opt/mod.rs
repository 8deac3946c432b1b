//! Optimisation: SSA → better SSA. One pass a file; each module's documentation gives its before → after, and says how it
//! keeps what the kernel's verifier can see.

mod above_branches;
mod alias;
mod array_maps;
mod bit_tests;
mod bounds_apart;
mod control_flow;
mod dead_code;
mod dead_stores;
mod early_stores;
mod effects;
mod events_in_place;
mod facts;
mod identical_blocks;
mod known_bits;
mod known_tests;
mod lone_copies;
mod loops;
mod memory;
mod merged_checks;
mod overwritten_stores;
mod pointer_steps;
#[cfg(test)]
mod random_function;
mod simplify;
mod ssa_repair;
#[cfg(test)]
mod testing;
mod thread_jumps;
mod typed_nulls;
mod unroll;
mod uses;
mod value_numbering;
mod verifier_ranges;
mod whole_words;
mod wide_stores;

pub use array_maps::Arrays;

use crate::compile::{Endianness, Optimisation, Options};
use crate::ir::Function;

/// What the kernel needs to accept a program: optional headers are tested where they are found, and nothing is left that
/// can't be reached.
const MINIMAL: &[Pass] = &[
    ("control_flow", |function, _| control_flow::run(function)),
    ("thread_jumps", thread_jumps::run),
    ("dead_code", |function, _| dead_code::run(function)),
];

/// Everything. Simpler operations first, since they decide branches; then ways that are decided, which brings together what
/// belongs together; then what is made or stored twice.
const FULL: &[Pass] = &[
    ("simplify", simplify::run),
    ("control_flow", |function, _| control_flow::run(function)),
    ("known_tests", |function, _| known_tests::run(function)),
    ("thread_jumps", thread_jumps::run),
    ("merged_checks", |function, _| merged_checks::run(function)),
    ("control_flow", |function, _| control_flow::run(function)),
    ("value_numbering", |function, _| value_numbering::run(function)),
    ("memory", memory::run),
    ("dead_stores", |function, _| dead_stores::run(function)),
    ("overwritten_stores", |function, _| overwritten_stores::run(function)),
    ("wide_stores", wide_stores::run),
    ("dead_code", |function, _| dead_code::run(function)),
    ("identical_blocks", |function, _| identical_blocks::run(function)),
];

/// What other passes would undo.
const LAST: &[Pass] = &[
    ("above_branches", |function, _| above_branches::run(function)),
    ("early_stores", |function, _| early_stores::run(function)),
    ("pointer_steps", |function, _| pointer_steps::run(function)),
    ("dead_code", |function, _| dead_code::run(function)),
];

/// Runs the passes that `options` ask for, until they find nothing more to do.
pub fn optimise(function: &mut Function, arrays: &Arrays, options: Options) {
    let passes = match options.optimisation {
        Optimisation::None => MINIMAL,
        Optimisation::Full => FULL,
    };
    run(&("typed_nulls", |function, _| typed_nulls::run(function)), function, options.endianness());
    if options.optimisation == Optimisation::Full {
        array_maps::run(function, arrays);
    }
    until_done(passes, function, options.endianness());
    // Where less is left that is done in between, more can be made in place.
    if run(&("events_in_place", |function, _| events_in_place::run(function)), function, options.endianness()) {
        until_done(passes, function, options.endianness());
    }
    // After all else, since what a loop needs is compared with what its rounds would need.
    if options.optimisation == Optimisation::Full && run(&("unroll", unroll::run), function, options.endianness()) {
        until_done(passes, function, options.endianness());
    }
    // After all that finds values to be the same.
    if options.optimisation == Optimisation::Full
        && run(&("lone_copies", |function, _| lone_copies::run(function)), function, options.endianness())
    {
        until_done(passes, function, options.endianness());
    }
    // Last, since other passes learn more from the tests of single bits.
    if options.optimisation == Optimisation::Full
        && run(&("bit_tests", |function, _| bit_tests::run(function)), function, options.endianness())
    {
        until_done(passes, function, options.endianness());
    }
    run(&("bounds_apart", |function, _| bounds_apart::run(function)), function, options.endianness());
    if options.optimisation == Optimisation::Full {
        for pass in LAST {
            run(pass, function, options.endianness());
        }
    }
}

/// Makes the content of the stack what the verifier can forget, at last: it counts on that nothing reads memory before it is written, which holds of
/// what a program is lowered to.
pub fn settle_stack(function: &mut Function, options: Options) {
    run(&("whole_words", whole_words::run), function, options.endianness());
}

/// Runs passes round and round until none of them changes anything any more.
fn until_done(passes: &[Pass], function: &mut Function, endianness: Endianness) {
    let mut unchanged = 0;
    for pass in passes.iter().cycle().take(ROUNDS * passes.len()) {
        unchanged = if run(pass, function, endianness) { 0 } else { unchanged + 1 };
        if unchanged == passes.len() {
            break;
        }
    }
}

/// How often the passes are run at most; they end earlier when nothing changes any more.
const ROUNDS: usize = 8;

/// A pass and its name.
type Pass = (&'static str, fn(&mut Function, Endianness) -> bool);

#[cfg(not(test))]
fn run((_, pass): &Pass, function: &mut Function, endianness: Endianness) -> bool {
    pass(function, endianness)
}

/// In tests, what every pass gives is checked.
#[cfg(test)]
fn run((name, pass): &Pass, function: &mut Function, endianness: Endianness) -> bool {
    let before = function.to_string();
    let changed = pass(function, endianness);
    if let Err(errors) = crate::ir::check(function) {
        panic!("after {name}: {}\n{function}\nbefore: {before}", errors.join("\n"));
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Architecture;

    #[test]
    fn all_passes_together_change_nothing_the_outside_sees() {
        for optimisation in [Optimisation::None, Optimisation::Full] {
            testing::differential_on(1000..1200, |function, endianness| {
                optimise(
                    function,
                    &Arrays::new(),
                    Options { architecture: Architecture::other(endianness), optimisation, ..Options::default() },
                );
                true
            });
        }
    }
}
