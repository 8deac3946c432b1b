//! Maps take and give in the simulator what they take and give in the kernel, with the same errors.

use std::collections::BTreeSet;
use std::io;

use eshkol_runtime::sim::{Machine, SimulatedMap};
use eshkol_test_support::Object;

use crate::helpers::Random;
use crate::in_kernel::RealMap;
use crate::unit::kind;

/// One operation's result, comparable: `Err` has the number of `errno`.
fn errno<T>(result: io::Result<T>) -> Result<T, Option<i32>> {
    result.map_err(|error| error.raw_os_error())
}

struct Kind {
    name: &'static str,
    number: u32,
    key_size: usize,
    value_size: usize,
    entries: u32,
    flags: u32,
}

/// Does the same to two maps of a kind, as often; keys and values come from these.
fn agree(
    kind: &Kind,
    mut key: impl FnMut(&mut Random) -> Vec<u8>,
    mut value: impl FnMut(&mut Random, usize) -> Vec<u8>,
) {
    if !crate::kernel_compares() {
        return;
    }
    let size = |bytes| u32::try_from(bytes).unwrap();
    let Kind { name, number, key_size, value_size, entries, flags } = *kind;
    let object = Object::new().map("m", number, size(key_size), size(value_size), entries, flags).build();
    let simulated: SimulatedMap = Machine::load(object).unwrap().map("m").unwrap();
    let real = RealMap::new(number, key_size, value_size, entries, flags, simulated.lookup_size());
    let mut random = Random(number.into());
    let per_cpu = [kind::PERCPU_ARRAY, kind::PERCPU_HASH].contains(&number);
    for round in 0..4000 {
        let key = key(&mut random);
        let (ours, theirs, what) = match random.below(5) {
            0 | 1 => {
                let value = value(&mut random, simulated.lookup_size());
                // Newer kernels take two flags at once where each CPU has a value of its own.
                let both = if per_cpu { 0 } else { 3 };
                let flags = [0, 0, 0, 1, 2, both][random.below(6) as usize];
                let ours = errno(simulated.update(&key, &value, flags)).map(|()| None);
                (ours, errno(real.update(&key, &value, flags)).map(|()| None), format!("update, flags {flags}"))
            }
            2 | 3 => (errno(simulated.lookup(&key)), errno(real.lookup(&key)), "lookup".to_owned()),
            _ => {
                let found = |deleted| Some(vec![u8::from(deleted)]);
                (errno(simulated.delete(&key).map(found)), errno(real.delete(&key).map(found)), "delete".to_owned())
            }
        };
        assert_eq!(ours, theirs, "{name}, round {round}: {what} {key:x?}");
    }
    let ours = keys(|key| simulated.next_key(key).unwrap());
    assert_eq!(ours, keys(|key| real.next_key(key).unwrap()), "{name}");
    assert!(!ours.is_empty(), "{name}: nothing was left");
}

/// All keys of a map.
fn keys(next: impl Fn(Option<&[u8]>) -> Option<Vec<u8>>) -> BTreeSet<Vec<u8>> {
    std::iter::successors(next(None), |key| next(Some(key))).collect()
}

fn number_below(limit: u64) -> impl FnMut(&mut Random) -> Vec<u8> {
    move |random| u32::try_from(random.below(limit)).unwrap().to_ne_bytes().to_vec()
}

fn any_bytes(random: &mut Random, size: usize) -> Vec<u8> {
    (0..size).map(|_| random.next().to_le_bytes()[0]).collect()
}

/// Values of which every CPU has its own, with zeros between them.
fn of_cpus(value_size: usize) -> impl FnMut(&mut Random, usize) -> Vec<u8> {
    move |random, size| {
        let mut bytes = any_bytes(random, size);
        for value in bytes.chunks_exact_mut(value_size.next_multiple_of(8)) {
            value[value_size..].fill(0);
        }
        bytes
    }
}

#[test]
fn hash_maps_agree() {
    let hash = Kind { name: "hash", number: kind::HASH, key_size: 4, value_size: 12, entries: 10, flags: 0 };
    agree(&hash, number_below(15), any_bytes);
    let small = Kind { name: "hash without preallocation", flags: 1, value_size: 1, ..hash };
    agree(&small, number_below(15), any_bytes);
    let per_cpu = Kind { name: "per-CPU hash", number: kind::PERCPU_HASH, ..hash };
    agree(&per_cpu, number_below(15), of_cpus(12));
    // Full, the kernel's choice of what to drop is its own.
    let lru = Kind { name: "LRU hash", number: kind::LRU_HASH, entries: 4096, ..hash };
    agree(&lru, number_below(15), any_bytes);
}

#[test]
fn arrays_agree() {
    let array = Kind { name: "array", number: kind::ARRAY, key_size: 4, value_size: 8, entries: 5, flags: 0 };
    agree(&array, number_below(7), any_bytes);
    let per_cpu = Kind { name: "per-CPU array", number: kind::PERCPU_ARRAY, value_size: 6, ..array };
    agree(&per_cpu, number_below(7), of_cpus(6));
}

#[test]
fn tries_agree() {
    let trie = Kind { name: "trie", number: kind::LPM_TRIE, key_size: 7, value_size: 4, entries: 20, flags: 1 };
    let key = |random: &mut Random| {
        let length = u32::try_from(random.below(27)).unwrap();
        // Few different bits, so that prefixes meet.
        let bits = [random.below(4) << 6, random.below(2), random.below(2) << 7].map(|bits| bits.to_le_bytes()[0]);
        [&length.to_ne_bytes()[..], &bits].concat()
    };
    agree(&trie, key, any_bytes);
}

#[test]
fn maps_of_interfaces_agree() {
    // The loopback interface, which is there, and no program.
    let loopback = |_: &mut Random, size: usize| {
        let mut value = 1_u32.to_ne_bytes().to_vec();
        value.resize(size, 0);
        value
    };
    let array = Kind { name: "devmap", number: kind::DEVMAP, key_size: 4, value_size: 8, entries: 5, flags: 0 };
    agree(&array, number_below(7), loopback);
    let hash = Kind { name: "devmap-hash", number: kind::DEVMAP_HASH, ..array };
    agree(&hash, number_below(9), loopback);
}
