//! How passes are tested: by example, and by running random functions before and after.

use super::random_function;
use crate::compile::Endianness;
use crate::ir::interpret::{self, Input, mix};
use crate::ir::{Function, check, parse};

/// A pass makes `after` of `before`, both in the text form; how blocks and values are numbered does not matter.
#[track_caller]
pub(super) fn gives(pass: impl Fn(&mut Function) -> bool, before: &str, after: &str) {
    let canonical = |text: &str| parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")).to_string();
    let mut function = parse(&canonical(before)).unwrap();
    let (before, after) = (canonical(before), canonical(after));
    valid(&function, &before);
    let changed = pass(&mut function);
    valid(&function, &before);
    let given = canonical(&function.to_string());
    assert_eq!(given, canonical(&after), "\nfrom {before}\ncame {given}\nnot {after}");
    assert!(changed || given == canonical(&before), "the pass changed something, but says it did not");
}

#[track_caller]
pub(super) fn valid(function: &Function, before: &str) {
    if let Err(errors) = check(function) {
        panic!("{}\n{function}\nfrom {before}", errors.join("\n"));
    }
}

/// A pass changes nothing that the outside sees of random functions.
#[track_caller]
pub(super) fn differential(pass: impl Fn(&mut Function, Endianness) -> bool) {
    differential_on(0..200, pass);
}

/// The same, for the functions of some seeds.
#[track_caller]
pub(super) fn differential_on(seeds: std::ops::Range<u64>, pass: impl Fn(&mut Function, Endianness) -> bool) {
    let mut ran = 0;
    for seed in seeds.clone() {
        let before = random_function::generate(seed);
        let text = before.to_string();
        valid(&before, &text);
        for endianness in [Endianness::Little, Endianness::Big] {
            let mut after = before.clone();
            pass(&mut after, endianness);
            valid(&after, &text);
            for round in 0..6 {
                let input = input(mix(seed) ^ round, endianness);
                let Some(wanted) = interpret::run(&before, &input, 5000) else { continue };
                ran += 1;
                let given = interpret::run(&after, &input, 20_000);
                assert_eq!(given, Some(wanted), "seed {seed}, {input:?}\nfrom {text}\ncame {after}");
            }
        }
    }
    assert!(ran > 6 * (seeds.end - seeds.start), "most functions must come to an end");
}

fn input(seed: u64, endianness: Endianness) -> Input {
    let number = |salt: u64| {
        let random = mix(seed ^ salt);
        if random & 1 == 0 { random >> 8 & 15 } else { mix(random) >> (random >> 8 & 63) }
    };
    let arguments = vec![interpret::CONTEXT, number(1), number(2), interpret::MAP_VALUE];
    Input { arguments, packet_length: number(3) & 63, seed: number(4), endianness }
}
