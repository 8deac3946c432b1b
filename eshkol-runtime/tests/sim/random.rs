//! Whatever bytes come as a program: it is refused, stopped or ends, and the simulator stays whole.

use eshkol_runtime::sim::Machine;
use eshkol_test_support::Instruction::{self, Plain};
use eshkol_test_support::{Loaded, Object, Outcome, Privilege, Runner, Simulated, asm, require_root};

use crate::helpers::Random;
use crate::unit::kind;

/// Helpers that the simulator has, and some that it has not.
const HELPERS: [i32; 34] = [
    1, 2, 3, 5, 6, 7, 8, 14, 15, 16, 23, 28, 44, 51, 54, 65, 80, 105, 106, 112, 113, 114, 115, 118, 120, 123, 160, 164,
    177, 181, 188, 189, 190, 195,
];

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[usize::try_from(random.below(from.len() as u64)).unwrap()]
}

/// An instruction of a kind that there is, mostly, with operands that may make sense.
fn instruction(random: &mut Random) -> Vec<Instruction> {
    let number = [0, 1, -1, 4, 8, 16, i32::MAX, i32::MIN, 64, 255];
    let (d, s) = (random.below(11).to_le_bytes()[0], random.below(11).to_le_bytes()[0]);
    let offset = pick(random, &[0, 1, -1, 4, -4, 8, -8, -16, 512, i16::MAX, i16::MIN]);
    let immediate = pick(random, &number);
    match random.below(12) {
        0 => vec![Plain(random.next().to_le_bytes()[0], d, s, offset, immediate)],
        1 | 2 => vec![Plain(
            pick(random, &[0x07, 0x0f, 0x04, 0xb7, 0xbf, 0xbc, 0x37, 0x3f, 0xc7, 0x97]),
            d % 10,
            s,
            0,
            immediate,
        )],
        3 => vec![Plain(pick(random, &[0x61, 0x69, 0x71, 0x79, 0x91, 0x81]), d % 10, s, offset, 0)],
        4 => vec![Plain(pick(random, &[0x62, 0x6a, 0x72, 0x7a, 0x63, 0x6b, 0x73, 0x7b]), d, s, offset, immediate)],
        5 => vec![Plain(pick(random, &[0xc3, 0xdb]), d, s, offset, pick(random, &[0, 1, 0x41, 0xe1, 0xf1, 0xa0]))],
        6 => vec![Plain(
            pick(random, &[0x15, 0x1d, 0x26, 0x45, 0xd5, 0xde]),
            d,
            s,
            pick(random, &[0, 1, 2, -1, -3]),
            immediate,
        )],
        7 => vec![asm::address(d % 10, pick(random, &["hash", "array", "cpus", "trie", "out", "data"]))],
        8 => vec![asm::mov_register(1 + d % 5, 10), asm::add(1 + d % 5, pick(random, &[-8, -16, -64]))],
        _ => {
            // Mostly with arguments.
            let mut code: Vec<_> = (2..=5).map(|r| asm::mov(r, pick(random, &number))).collect();
            code.extend([asm::mov_register(2, 10), asm::add(2, -8), asm::mov_register(3, 10), asm::add(3, -16)]);
            code.push(asm::mov_register(1, pick(random, &[6, 10, 7])));
            code.truncate(usize::try_from(random.below(11)).unwrap());
            code.push(asm::call(pick(random, &HELPERS)));
            code
        }
    }
}

/// An object with a program of so many random parts.
fn object(random: &mut Random, parts: u64) -> (&'static [u8], Vec<Instruction>) {
    // The context in R6, a map in R7, and two words on the stack that are written.
    let mut code = vec![asm::mov_register(6, 1), asm::address(7, "hash"), asm::mov(0, 0)];
    code.extend([-8, -16].map(|offset| Plain(0x7b, 10, 0, offset, 0)));
    for _ in 0..random.below(parts) {
        code.extend(instruction(random));
    }
    code.extend([asm::mov(0, 2), asm::exit()]);
    let object = Object::new()
        .map("hash", kind::HASH, 4, 8, 4, 0)
        .map("array", kind::ARRAY, 4, 8, 2, 0)
        .map("cpus", kind::PERCPU_ARRAY, 4, 8, 2, 0)
        .map("trie", kind::LPM_TRIE, 8, 8, 2, 1)
        .map("out", kind::DEVMAP, 4, 4, 4, 0)
        .global(".data.data", "data", &[0; 8])
        .program("xdp", "main", &code)
        .build();
    (object, code)
}

#[test]
fn any_program_ends() {
    let mut random = Random(1);
    let (mut ended, mut stopped, mut refused) = (0, 0, 0);
    for _ in 0..3000 {
        let (object, _) = object(&mut random, 12);
        let Ok(machine) = Machine::load(object) else {
            refused += 1;
            continue;
        };
        machine.set_instruction_limit(10_000);
        for length in [14, 60, 1500] {
            match machine.run_xdp("main", &vec![7; length]) {
                Ok(_) => ended += 1,
                Err(error) => {
                    assert!(error.is_violation(), "{error}");
                    stopped += 1;
                }
            }
        }
    }
    assert!(ended > 1000 && stopped > 1000 && refused > 100, "{ended} ended, {stopped} stopped, {refused} refused");
}

#[test]
fn any_bytes_are_a_program_or_none() {
    let mut random = Random(2);
    for _ in 0..20_000 {
        let code: Vec<u8> =
            (0..random.below(6) * 8 + random.below(9)).map(|_| random.next().to_le_bytes()[0]).collect();
        if let Ok(machine) = Machine::of_code(&code) {
            machine.set_instruction_limit(1000);
            let _ = machine.run_on_memory("code", &code);
        }
    }
}

/// What a run leaves.
#[derive(PartialEq, Eq, Debug)]
struct Left {
    outcome: Outcome,
    /// Keys and values of maps.
    bytes: Vec<Option<Vec<u8>>>,
}

fn left(runner: &dyn Runner) -> Result<Left, String> {
    let outcome = runner.run(&[7; 60])?;
    let mut bytes = Vec::new();
    for key in runner.keys("hash", 4)? {
        bytes.push(Some(key.clone()));
        bytes.push(runner.lookup("hash", &key, 8)?);
    }
    for (map, index) in [("array", 0_u32), ("array", 1), ("cpus", 0), ("cpus", 1)] {
        bytes.push(runner.lookup(map, &index.to_ne_bytes(), 8)?);
    }
    Ok(Left { outcome, bytes })
}

/// What the simulator stops and newer kernels let privileged programs do: read what was never written, and look into maps.
const STRICTER: [&str; 2] = ["has not been written", "which only helpers look into"];

#[test]
fn what_the_kernel_takes_gives_the_same() {
    let Privilege::Granted = require_root() else { return };
    let mut random = Random(3);
    let mut taken = 0;
    let mut wrong = Vec::new();
    for _ in 0..300 {
        let (object, code) = object(&mut random, 6);
        let Ok(real) = Loaded::load(object, "main") else { continue };
        taken += 1;
        let simulated = Simulated::load(object, "main").and_then(|simulated| left(&simulated));
        let real = left(&real);
        if simulated.as_ref().is_err_and(|why| STRICTER.iter().any(|stricter| why.contains(stricter))) {
            continue;
        }
        if simulated != real {
            wrong.push(format!("{code:x?}\n{simulated:?}\n  and not {real:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {taken}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(taken > 30, "only {taken} taken");
}
