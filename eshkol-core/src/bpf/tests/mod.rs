//! Code generation as a whole: what is selected for small functions, and that random functions do the same as their SSA.

mod control_flow;
mod outcome;
mod random;
mod selected;

use super::*;
use crate::Endianness;
use crate::bpf::disassemble::instruction_text;
use crate::compile::Architecture;
use crate::ir::parse;

const ISAS: [IsaVersion; 4] = [IsaVersion::V1, IsaVersion::V2, IsaVersion::V3, IsaVersion::V4];

/// The code of a function in text form.
fn code(isa: IsaVersion, endianness: Endianness, text: &str) -> Code {
    let function = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    generate(&function, isa, Options { architecture: Architecture::other(endianness), ..Options::default() })
        .unwrap_or_else(|error| panic!("{error:?}\n{text}"))
}

fn lines(code: &Code) -> Vec<String> {
    let mut lines = Vec::new();
    let mut slots = code.instructions.iter();
    while let Some(instruction) = slots.next() {
        let high = if instruction.is_wide() { slots.next().copied() } else { None };
        lines.push(instruction_text(*instruction, high));
    }
    lines
}

/// Compiles a random function and runs it on random arguments; gives the number of instruction slots, 0 for a function
/// with too large a frame.
fn check_random(seed: u64, size: usize, isa: IsaVersion, endianness: Endianness) -> usize {
    let function = random::function(seed, size, isa);
    let code =
        match generate(&function, isa, Options { architecture: Architecture::other(endianness), ..Options::default() })
        {
            Ok(code) => code,
            Err(Error::StackTooLarge { .. }) => return 0,
            Err(error) => panic!("seed {seed}: {error:?}\n{function}"),
        };
    assert_eq!(control_flow::falls_back(&code), None, "seed {seed} {isa:?}\n{}", disassemble(&code));
    let mut random = random::Random(seed ^ 0x5eed);
    for round in 0..3 {
        let mut arguments = vec![outcome::CONTEXT];
        arguments.extend((1..code.parameters).map(|_| random.number()));
        let expected = outcome::of_function(&function, endianness, &arguments, round);
        match outcome::of_code(&code, isa, endianness, &arguments, round) {
            Ok(found) => assert_eq!(found, expected, "seed {seed} {isa:?}\n{function}\n{}", disassemble(&code)),
            Err(fault) => panic!("seed {seed} {isa:?}: {fault}\n{function}\n{}", disassemble(&code)),
        }
    }
    code.instructions.len()
}

#[test]
fn random_functions_do_what_their_ssa_does() {
    let mut refused = 0;
    for seed in 0..120 {
        for isa in ISAS {
            let endianness = if seed % 4 == 0 { Endianness::Big } else { Endianness::Little };
            let size = [6, 20, 60, 150][seed as usize % 4];
            refused += usize::from(check_random(seed, size, isa, endianness) == 0);
        }
    }
    assert!(refused < 30, "{refused} functions had too large a frame");
}

#[test]
fn the_same_function_gives_the_same_code() {
    for seed in [3, 7, 11] {
        let function = random::function(seed, 150, IsaVersion::V3);
        let generate = || generate(&function, IsaVersion::V3, Options::default()).unwrap();
        assert_eq!(generate(), generate());
    }
}

#[test]
fn a_frame_of_more_than_512_bytes_is_an_error() {
    let function = |size: u32| {
        let text = format!(
            "slot s0 size {size} align 8
             b0(v0: context):
               v1: stack = slot s0
               v2 = helper 1(v1)
               return v2"
        );
        generate(&parse(&text).unwrap(), IsaVersion::V3, Options::default())
    };
    assert_eq!(function(505).map(|code| code.stack), Ok(512));
    let Err(Error::StackTooLarge { bytes: 520, slots, .. }) = function(513) else { panic!("it fits") };
    assert_eq!(slots.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>(), [513]);
}

#[test]
fn slots_that_nothing_uses_take_no_stack() {
    let text = "
        slot s0 size 400 align 8
        slot s1 size 3 align 1
        slot s2 size 8 align 8
        b0(v0: context):
          v1: stack = slot s1
          v2: stack = slot s2
          v3 = helper 1000(v1, v2)
          return v3";
    let code = code(IsaVersion::V3, Endianness::Little, text);
    assert_eq!(code.stack, 16);
    assert_eq!(lines(&code), ["r1 = r10", "r1 += -11", "r2 = r10", "r2 += -8", "call 1000", "exit"]);
}

#[test]
fn lines_begin_where_the_source_changes() {
    let text = "b0(v0: context):
  v1 = load.4 v0 + 0
  v2 = const 7
  v3 = mul v1, v2
  v4 = helper 1000(v3)
  return v4";
    let code = code(IsaVersion::V3, Endianness::Little, text);
    let expected = ["r1 = *(u32 *)(r1 + 0)", "r1 *= 7", "call 1000", "exit"];
    assert_eq!(lines(&code), expected);
    let line = |entry: &LineEntry| text[..entry.span.start as usize].lines().count();
    let found: Vec<_> = code.lines.iter().map(|entry| (entry.instruction, line(entry))).collect();
    assert_eq!(found, [(0, 1), (1, 3), (2, 4), (3, 5)]);
}

#[test]
fn jumps_of_more_than_16_bits() {
    // A test, 40,000 stores, and the way out that jumps over them.
    let mut text = "b0(v0: context):
        v1 = load.8 v0 + 0
        v2 = load.8 v0 + 8
        branch below v1, v2 -> b1, b2
        b1:\n"
        .to_owned();
    for _ in 0..40_000 {
        text += "store.8 v0 + 16, v1\n";
    }
    text += "jump b2\n b2:\n store.8 v0 + 24, v2\n return v1";
    let function = parse(&text).unwrap();
    let far = code(IsaVersion::V4, Endianness::Little, &text);
    let found = lines(&far);
    assert!(found[..6].contains(&"gotol +40000".to_owned()), "{:?}", &found[..6]);
    for seed in 0..4 {
        let expected = outcome::of_function(&function, Endianness::Little, &[outcome::CONTEXT], seed);
        let run = outcome::of_code(&far, IsaVersion::V4, Endianness::Little, &[outcome::CONTEXT], seed);
        assert_eq!(run, Ok(expected));
    }
    let refused = generate(&function, IsaVersion::V3, Options::default());
    assert!(matches!(refused, Err(Error::Internal { .. })));
}
