//! Handles on maps.

use std::net::{Ipv4Addr, UdpSocket};

use eshkol_runtime::{
    Array, Be16, CpuMap, DevMap, Error, HashMap, InvalidValue, LpmTrie, Map, PerCpu, PerCpuArray, PerCpuHashMap, Plain,
    XdpProgram, XskMap, possible_cpus,
};
use eshkol_test_support::{Namespace, Privilege, asm, require_root};

use crate::unit::{Unit, kind};

/// What the macro generates for a struct with padding: `(define-struct entry (kind :u8) (count :u32) (fresh :bool))`.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
struct Entry {
    kind: u8,
    count: u32,
    fresh: bool,
}

impl Plain for Entry {
    const SIZE: usize = 12;

    fn encode(&self, bytes: &mut [u8]) {
        use eshkol_runtime::__private::put;
        put(&self.kind, bytes, 0);
        put(&self.count, bytes, 4);
        put(&self.fresh, bytes, 8);
    }

    fn decode(bytes: &[u8]) -> Result<Self, InvalidValue> {
        use eshkol_runtime::__private::take;
        Ok(Self { kind: take(bytes, 0)?, count: take(bytes, 4)?, fresh: take(bytes, 8)? })
    }
}

#[test]
fn a_hash_map_holds_what_is_put_in() {
    let Privilege::Granted = require_root() else { return };
    let unit = Unit::new().map("m", kind::HASH, 4, 12, 8).load();
    let map: HashMap<Ipv4Addr, Entry> = unit.map("m").unwrap();
    let (a, b) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let one = Entry { kind: 1, count: 100, fresh: true };
    let two = Entry { kind: 2, count: 200, fresh: false };

    assert_eq!(map.get(a).unwrap(), None);
    assert!(!map.replace(a, one).unwrap());
    assert!(map.insert_new(a, one).unwrap());
    assert!(!map.insert_new(a, two).unwrap());
    assert_eq!(map.get(a).unwrap(), Some(one));
    assert!(map.replace(a, two).unwrap());
    map.insert(b, one).unwrap();
    assert_eq!(map.get(a).unwrap(), Some(two));
    assert!(map.contains_key(b).unwrap());

    let mut all: Vec<_> = map.iter().collect::<Result<_, _>>().unwrap();
    all.sort_by_key(|(address, _)| *address);
    assert_eq!(all, [(a, two), (b, one)]);
    let mut keys: Vec<_> = map.keys().collect::<Result<_, _>>().unwrap();
    keys.sort();
    assert_eq!(keys, [a, b]);

    assert!(map.remove(a).unwrap());
    assert!(!map.remove(a).unwrap());
    assert_eq!(map.get(a).unwrap(), None);
    assert_eq!((map.capacity(), map.name()), (8, "m"));
}

#[test]
fn removing_while_walking_visits_every_element_once() {
    let Privilege::Granted = require_root() else { return };
    let unit = Unit::new().map("m", kind::HASH, 4, 4, 1000).load();
    let map: HashMap<u32, u32> = unit.map("m").unwrap();
    for i in 0..500 {
        map.insert(i, i * 2).unwrap();
    }
    let mut seen = vec![];
    for element in map.iter() {
        let (key, value) = element.unwrap();
        assert_eq!(value, key * 2);
        assert!(map.remove(key).unwrap());
        seen.push(key);
    }
    seen.sort();
    assert_eq!(seen, (0..500).collect::<Vec<_>>());
    assert_eq!(map.keys().count(), 0);

    map.insert(1, 1).unwrap();
    map.insert(2, 2).unwrap();
    map.clear().unwrap();
    assert_eq!(map.keys().count(), 0);
}

#[test]
fn an_address_stands_for_a_number_key() {
    let Privilege::Granted = require_root() else { return };
    let unit = Unit::new().map("m", kind::HASH, 4, 1, 8).load();
    let map: HashMap<u32, u8> = unit.map("m").unwrap();
    map.insert(Ipv4Addr::new(10, 0, 0, 1), 1).unwrap();
    assert_eq!(map.get(0x0a00_0001).unwrap(), Some(1));
    assert_eq!(map.keys().collect::<Result<Vec<_>, _>>().unwrap(), [0x0a00_0001]);
}

#[test]
fn a_full_map_says_so() {
    let Privilege::Granted = require_root() else { return };
    let unit = Unit::new().map("hash", kind::HASH, 4, 4, 2).map_with_flags("trie", kind::LPM_TRIE, 8, 4, 2, 1).load();
    let hash: HashMap<u32, u32> = unit.map("hash").unwrap();
    let trie: LpmTrie<Ipv4Addr, u32> = unit.map("trie").unwrap();
    for i in 0..2 {
        hash.insert(i, i).unwrap();
        trie.insert(Ipv4Addr::from_bits(i << 24), 8, i).unwrap();
    }
    let error = hash.insert(2, 2).unwrap_err();
    assert!(matches!(&error, Error::MapFull { map, max_entries: 2 } if map == "hash"), "{error}");
    let error = trie.insert(Ipv4Addr::new(9, 0, 0, 0), 8, 2).unwrap_err();
    assert!(matches!(&error, Error::MapFull { map, .. } if map == "trie"), "{error}");
    hash.insert(1, 3).unwrap();
}

#[test]
fn an_lru_map_makes_room() {
    let Privilege::Granted = require_root() else { return };
    let unit = Unit::new().map("m", kind::LRU_HASH, 4, 4, 64).load();
    let map: HashMap<u32, u32> = unit.map("m").unwrap();
    for i in 0..10_000 {
        map.insert(i, i).unwrap();
    }
    assert!((1..=64).contains(&map.keys().count()));
    assert_eq!(map.get(9999).unwrap(), Some(9999));
}

#[test]
fn an_array_has_its_elements_from_the_start() {
    let Privilege::Granted = require_root() else { return };
    let unit = Unit::new().map("m", kind::ARRAY, 4, 8, 4).load();
    let array: Array<u64> = unit.map("m").unwrap();
    assert_eq!(array.get(3).unwrap(), 0);
    array.set(3, 7).unwrap();
    array.set(0, u64::MAX).unwrap();
    assert_eq!(array.iter().collect::<Result<Vec<_>, _>>().unwrap(), [u64::MAX, 0, 0, 7]);
    assert_eq!(array.len(), 4);
    for error in [array.get(4).unwrap_err(), array.set(4, 1).unwrap_err()] {
        assert_eq!(error.to_string(), "map `m` has no element 4: it has 4, counted from 0");
    }
}

#[test]
fn bytes_that_are_no_value_are_an_error() {
    let Privilege::Granted = require_root() else { return };
    let unit = Unit::new().map("m", kind::ARRAY, 4, 1, 2).load();
    let numbers: Array<u8> = unit.map("m").unwrap();
    let flags: Array<bool> = unit.map("m").unwrap();
    flags.set(0, true).unwrap();
    assert!(flags.get(0).unwrap());
    assert!(!flags.get(1).unwrap());
    numbers.set(1, 2).unwrap();
    let error = flags.get(1).unwrap_err();
    assert!(matches!(&error, Error::InvalidValue { source, .. } if source.found == 2), "{error}");
    assert!(error.to_string().starts_with("map `m` holds what is no value of its type: 2 is no value of `bool`"));
}

#[test]
fn every_cpu_has_its_own_value() {
    let Privilege::Granted = require_root() else { return };
    let unit = Unit::new().map("array", kind::PERCPU_ARRAY, 4, 8, 2).map("hash", kind::PERCPU_HASH, 2, 3, 8).load();
    let cpus = possible_cpus().unwrap();
    let array: PerCpuArray<u64> = unit.map("array").unwrap();
    let values: Vec<u64> = (0..cpus as u64).map(|cpu| 100 + cpu).collect();
    array.set(1, &values).unwrap();
    assert_eq!(*array.get(1).unwrap(), values[..]);
    assert_eq!(array.get(1).unwrap().sum(), values.iter().sum());
    assert_eq!(array.get(0).unwrap(), PerCpu::all(0).unwrap());
    assert!(matches!(array.get(2), Err(Error::IndexOutOfRange { index: 2, len: 2, .. })));

    // A value that is not a multiple of 8 bytes, which is what the kernel keeps between CPUs.
    let hash: PerCpuHashMap<Be16, [u8; 3]> = unit.map("hash").unwrap();
    assert_eq!(hash.get(Be16::new(80)).unwrap(), None);
    let values: Vec<[u8; 3]> = (0..cpus).map(|cpu| [cpu as u8, 1, 2]).collect();
    hash.insert(Be16::new(80), &values).unwrap();
    assert_eq!(hash.iter().collect::<Result<Vec<_>, _>>().unwrap(), [(Be16::new(80), values.into())]);
    let error = hash.insert(Be16::new(80), vec![[0; 3]; cpus + 1]).unwrap_err();
    assert!(matches!(error, Error::CpuCount { given, possible, .. } if given == cpus + 1 && possible == cpus));
    assert!(hash.remove(Be16::new(80)).unwrap());
}

#[test]
fn the_longest_prefix_wins() {
    let Privilege::Granted = require_root() else { return };
    let unit = Unit::new().map_with_flags("m", kind::LPM_TRIE, 8, 4, 16, 1).load();
    let trie: LpmTrie<Ipv4Addr, u32> = unit.map("m").unwrap();
    let address = Ipv4Addr::new;
    trie.insert(address(10, 0, 0, 0), 8, 8).unwrap();
    trie.insert(address(10, 1, 2, 3), 16, 16).unwrap();
    trie.insert(address(10, 1, 0, 1), 32, 32).unwrap();
    assert_eq!(trie.get(address(10, 1, 0, 1)).unwrap(), Some(32));
    assert_eq!(trie.get(address(10, 1, 0, 2)).unwrap(), Some(16));
    assert_eq!(trie.get(address(10, 2, 0, 2)).unwrap(), Some(8));
    assert_eq!(trie.get(address(11, 0, 0, 1)).unwrap(), None);

    let mut all: Vec<_> = trie.iter().collect::<Result<_, _>>().unwrap();
    all.sort_by_key(|(_, prefix_len, _)| *prefix_len);
    let expected = [(address(10, 0, 0, 0), 8, 8), (address(10, 1, 0, 0), 16, 16), (address(10, 1, 0, 1), 32, 32)];
    assert_eq!(all, expected, "bits after the prefix are stored as zero");

    assert!(trie.remove(address(10, 1, 255, 255), 16).unwrap());
    assert!(!trie.remove(address(10, 1, 0, 0), 16).unwrap());
    assert_eq!(trie.get(address(10, 1, 0, 2)).unwrap(), Some(8));
    trie.insert(address(1, 2, 3, 4), 0, 0).unwrap();
    assert_eq!(trie.get(address(11, 0, 0, 1)).unwrap(), Some(0));
    let error = trie.insert(address(10, 0, 0, 0), 33, 1).unwrap_err();
    assert_eq!(error.to_string(), "map `m` has no prefixes of 33 bits: its keys have 32");
}

#[test]
fn handles_are_checked_against_the_kernel_and_live_on_their_own() {
    let Privilege::Granted = require_root() else { return };
    let unit = Unit::new().map("m", kind::HASH, 4, 4, 8).map("q", kind::QUEUE, 0, 4, 8).load();
    let error = unit.map::<HashMap<u64, u32>>("m").unwrap_err();
    assert!(error.to_string().ends_with("its keys have 4 bytes, not 8"), "{error}");
    let error = unit.map::<Array<u16>>("m").unwrap_err();
    assert!(error.to_string().ends_with("it is of kind 1, not [2], its values have 4 bytes, not 2"), "{error}");
    let error = unit.map::<Array<u16>>("n").unwrap_err();
    assert_eq!(error.to_string(), "unit `test-unit` has no map `n`");
    let queue: Map = unit.map("q").unwrap();
    assert_eq!((queue.kind(), queue.key_size(), queue.value_size(), queue.max_entries()), (kind::QUEUE, 0, 4, 8));

    let map: HashMap<u32, u32> = unit.map("m").unwrap();
    let clone = map.try_clone().unwrap();
    drop(unit);
    std::thread::spawn(move || map.insert(1, 2).unwrap()).join().unwrap();
    assert_eq!(clone.get(1).unwrap(), Some(2));
}

#[test]
fn packets_can_be_sent_on_to_interfaces() {
    let Privilege::Granted = require_root() else { return };
    let here = Namespace::new().unwrap();
    here.veth("a", &here, "b").unwrap();
    here.run(|| {
        let unit = Unit::new().map("array", kind::DEVMAP, 4, 4, 4).map("hash", kind::DEVMAP_HASH, 4, 8, 4);
        let unit = unit.load();
        let array: DevMap = unit.map("array").unwrap();
        array.set(1, "a").unwrap();
        array.set(2, 1).unwrap();
        assert_eq!(array.get(2).unwrap(), Some(1));
        assert!(array.get(1).unwrap().is_some_and(|index| index > 1));
        assert_eq!(array.get(0).unwrap(), None);
        array.remove(1).unwrap();
        assert_eq!(array.get(1).unwrap(), None);
        assert!(matches!(array.set(4, "a"), Err(Error::IndexOutOfRange { .. })));
        assert!(matches!(array.set(0, "nobody"), Err(Error::UnknownInterface { .. })));
        let hash: DevMap = unit.map("hash").unwrap();
        hash.set(70_000, "b").unwrap();
        assert!(hash.get(70_000).unwrap().is_some());
        assert!(hash.remove(70_000).unwrap());
        assert!(!hash.remove(70_000).unwrap());
    });
}

#[test]
fn packets_can_be_sent_on_to_cpus_and_sockets() {
    let Privilege::Granted = require_root() else { return };
    let unit = Unit::new().map("cpus", kind::CPUMAP, 4, 4, 1).map("sockets", kind::XSKMAP, 4, 4, 2).load();
    let cpus: CpuMap = unit.map("cpus").unwrap();
    cpus.set(0, 192).unwrap();
    assert_eq!(cpus.get(0).unwrap(), Some(192));
    cpus.remove(0).unwrap();
    assert!(matches!(cpus.set(1, 192), Err(Error::IndexOutOfRange { .. })));

    let sockets: XskMap = unit.map("sockets").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = sockets.set(0, &socket).unwrap_err();
    assert!(matches!(error, Error::System { .. }), "only AF_XDP sockets go in: {error}");
    sockets.remove(0).unwrap();
}

#[test]
fn a_program_and_rust_see_the_same_map() {
    let Privilege::Granted = require_root() else { return };
    // Counts packets in element 0.
    let code = [
        asm::store32(10, -4, 0),
        asm::mov_register(2, 10),
        asm::add(2, -4),
        asm::address(1, "hits"),
        asm::call(1),
        asm::jump_if_equal(0, 0, 2),
        asm::mov(1, 1),
        asm::atomic_add64(0, 0, 1),
        asm::mov(0, 2),
        asm::exit(),
    ];
    let unit = Unit::new().map("hits", kind::ARRAY, 4, 8, 1).xdp("count", &code).load();
    let hits: Array<u64> = unit.map("hits").unwrap();
    let program: XdpProgram = unit.program("count").unwrap();
    hits.set(0, 40).unwrap();
    program.test_run_repeat(&[0; 64], 2).unwrap();
    assert_eq!(hits.get(0).unwrap(), 42);
}
