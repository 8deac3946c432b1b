//! Code generation as a whole: what is selected for small functions, and that random functions do the same as their SSA.

mod outcome;
mod random;

use super::*;
use crate::bpf::disassemble::instruction_text;
use crate::ir::parse;

fn assembly(isa: IsaVersion, text: &str) -> Vec<String> {
    let function = parse(text).unwrap();
    let code = generate(&function, isa, Endianness::Little).unwrap();
    let mut lines = Vec::new();
    let mut slots = code.instructions.iter();
    while let Some(instruction) = slots.next() {
        let high = if instruction.is_wide() { slots.next().copied() } else { None };
        lines.push(instruction_text(*instruction, high));
    }
    lines
}

#[test]
fn a_counter() {
    let text = "
        slot s0 size 4 align 4
        b0(v0: context):
          v1: stack = slot s0
          v2 = const 0
          store.4 v1 + 0, v2
          v3: map = map map0
          v4: map-value = helper 1(v3, v1)
          v9: map-value = const 0
          v8 = const 2
          branch equal v4, v9 -> b1, b2
        b1:
          return v8
        b2:
          v5 = const 1
          atomic-add.8 v4 + 0, v5
          return v8";
    let expected = [
        "*(u32 *)(r10 - 4) = 0",
        "r1 = map[fd:0] ll",
        "r2 = r10",
        "r2 += -4",
        "call 1",
        "if r0 == 0 goto +2",
        "r1 = 1",
        "lock *(u64 *)(r0 + 0) += r1",
        "r0 = 2",
        "exit",
    ];
    assert_eq!(assembly(IsaVersion::V3, text), expected);
}

const ISAS: [IsaVersion; 4] = [IsaVersion::V1, IsaVersion::V2, IsaVersion::V3, IsaVersion::V4];

/// Compiles a random function and runs it on random arguments; gives the instruction slots, those run, and the stack.
fn check_random(seed: u64, size: usize, isa: IsaVersion, endianness: Endianness) -> (usize, usize, u32) {
    let function = random::function(seed, size, isa);
    let code = match generate(&function, isa, endianness) {
        Ok(code) => code,
        Err(Error::StackTooLarge { .. }) => return (0, 0, 0),
        Err(error) => panic!("seed {seed}: {error:?}\n{function}"),
    };
    let mut random = random::Random(seed ^ 0x5eed);
    let mut run = 0;
    for round in 0..3 {
        let mut arguments = vec![outcome::CONTEXT];
        arguments.extend((1..code.parameters).map(|_| random.number()));
        let expected = outcome::of_function(&function, endianness, &arguments, round);
        match outcome::of_code(&code, isa, endianness, &arguments, round) {
            Ok((found, count)) => {
                run += count;
                assert_eq!(found, expected, "seed {seed} {isa:?}\n{function}\n{}", disassemble(&code));
            }
            Err(fault) => panic!("seed {seed} {isa:?}: {fault}\n{function}\n{}", disassemble(&code)),
        }
    }
    (code.instructions.len(), run, code.stack)
}

#[test]
fn random_functions_do_what_their_ssa_does() {
    let mut refused = 0;
    for seed in 0..120 {
        for isa in ISAS {
            let endianness = if seed % 4 == 0 { Endianness::Big } else { Endianness::Little };
            let size = [6, 20, 60, 150][seed as usize % 4];
            let (slots, _, _) = check_random(seed, size, isa, endianness);
            refused += usize::from(slots == 0);
        }
    }
    assert!(refused < 30, "{refused} functions had too large a frame");
}
