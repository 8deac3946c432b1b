//! The instruction set (RFC 9669), by vectors: code, memory, and what R0 is at the end. They are beside the project, not in it.

use std::collections::BTreeMap;

use eshkol_runtime::sim::Machine;
use eshkol_test_support::{Privilege, require_root};

use crate::in_kernel;

struct Vector {
    name: String,
    expected: u64,
    memory: Vec<u8>,
    code: Vec<u8>,
}

/// The vectors, where they are; it is said where they are not.
fn vectors() -> Option<Vec<Vector>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/conformance/rfc9669.tsv");
    let Ok(table) = std::fs::read_to_string(path) else {
        eprintln!("SKIPPED: the conformance vectors are not beside the project");
        return None;
    };
    if cfg!(target_endian = "big") {
        eprintln!("SKIPPED: the conformance vectors are for little-endian machines");
        return None;
    }
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let vectors = lines.map(|line| {
        let [name, expected, memory, code] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let expected = u64::from_str_radix(expected.trim_start_matches("0x"), 16).unwrap();
        Vector { name: name.to_owned(), expected, memory: bytes(memory), code: bytes(code) }
    });
    Some(vectors.collect())
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn simulated(vector: &Vector) -> Result<u64, String> {
    let machine = Machine::of_code(&vector.code).map_err(|error| error.message().to_owned())?;
    let outcome = machine.run_on_memory("code", &vector.memory).map_err(|error| error.message().to_owned())?;
    Ok(outcome.return_value)
}

/// Vectors that the simulator stops, and at what. The kernel loads none of them.
const STOPPED: &[(&str, &str)] = &[
    // A call of the address in a register, which RFC 9669 leaves to a group of its own.
    ("callx", "opcode 0x8d is not known"),
];

#[test]
fn every_vector_gives_what_it_says() {
    let Some(vectors) = vectors() else { return };
    let mut wrong = Vec::new();
    for vector in &vectors {
        let stopped = STOPPED.iter().find(|(name, _)| *name == vector.name);
        match (simulated(vector), stopped) {
            (Ok(given), None) if given == vector.expected => {}
            (Err(message), Some((_, expected))) if message.contains(expected) => {}
            (given, _) => wrong.push(format!("{}: {given:x?}, and not {:x}", vector.name, vector.expected)),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), vectors.len(), wrong.join("\n"));
    assert!(vectors.len() > 300, "only {} vectors", vectors.len());
}

#[test]
fn the_kernel_gives_the_same() {
    let Some(vectors) = vectors() else { return };
    let Privilege::Granted = require_root() else { return };
    let mut wrong = Vec::new();
    let mut refused = BTreeMap::new();
    for vector in &vectors {
        match in_kernel::run(&vector.code, &vector.memory) {
            Ok(given) if simulated(vector) == Ok(given) => {}
            Ok(given) => wrong.push(format!("{}: {:x?}, and the kernel {given:x}", vector.name, simulated(vector))),
            Err(reason) => drop(refused.insert(vector.name.as_str(), reason)),
        }
    }
    for (name, reason) in &refused {
        println!("the kernel does not load {name}: {reason}");
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), vectors.len(), wrong.join("\n"));
    // Those it refuses shift by as many bits as there are, or more, or are meant to be refused.
    assert!(refused.len() < 20, "{refused:#?}");
    for (name, _) in STOPPED {
        assert!(refused.contains_key(name), "the kernel loads {name}");
    }
}
