use super::*;

fn map(memory: &mut Memory, kind: u32, key_size: usize, max_entries: u32, cpus: usize) -> Map {
    let (name, flags, constant) = ("m".to_owned(), 0, false);
    let definition = Definition { name, kind, key_size, value_size: 4, max_entries, flags, constant };
    Map::new(memory, 0, definition, cpus).unwrap()
}

fn key(number: u32) -> [u8; 4] {
    number.to_ne_bytes()
}

fn prefix(length: u32, address: [u8; 4]) -> Vec<u8> {
    [length.to_ne_bytes(), address].concat()
}

fn keys(map: &Map) -> Vec<Vec<u8>> {
    std::iter::successors(map.next_key(None), |key| map.next_key(Some(key))).collect()
}

#[test]
fn flags_say_whether_something_may_be_there() {
    let mut memory = Memory::default();
    let mut hash = map(&mut memory, kind::HASH, 4, 2, 1);
    let mut update = |key: [u8; 4], flags| hash.update(&mut memory, &key, Value::OfAll(&[7; 4]), flags);
    assert_eq!(update(key(1), EXIST), Err(Errno(libc::ENOENT)));
    assert_eq!(update(key(1), NOEXIST), Ok(()));
    assert_eq!(update(key(1), NOEXIST), Err(Errno(libc::EEXIST)));
    assert_eq!(update(key(1), EXIST), Ok(()));
    assert_eq!(update(key(1), 8), Err(Errno(libc::EINVAL)));
    assert_eq!(update(key(2), ANY), Ok(()));
    assert_eq!(update(key(3), ANY), Err(Errno(libc::E2BIG)));
}

#[test]
fn an_array_has_every_element_from_the_start() {
    let mut memory = Memory::default();
    let mut array = map(&mut memory, kind::ARRAY, 4, 3, 1);
    assert_eq!(array.read(&mut memory, &key(2)), Some(vec![0; 4]));
    assert_eq!(array.read(&mut memory, &key(3)), None);
    assert_eq!(array.update(&mut memory, &key(3), Value::OfAll(&[1; 4]), ANY), Err(Errno(libc::E2BIG)));
    assert_eq!(array.update(&mut memory, &key(0), Value::OfAll(&[1; 4]), NOEXIST), Err(Errno(libc::EEXIST)));
    assert_eq!(array.delete(&mut memory, &key(0)), Err(Errno(libc::EINVAL)));
    assert_eq!(keys(&array), [key(0), key(1), key(2)]);
}

#[test]
fn each_cpu_has_its_own_value() {
    let mut memory = Memory::default();
    for kind in [kind::PERCPU_ARRAY, kind::PERCPU_HASH] {
        let mut map = map(&mut memory, kind, 4, 3, 2);
        map.update(&mut memory, &key(0), Value::OfCpu(1, &[5; 4]), ANY).unwrap();
        assert_eq!(map.read(&mut memory, &key(0)).unwrap(), [[0; 8], [5, 5, 5, 5, 0, 0, 0, 0]].concat());
        map.update(&mut memory, &key(0), Value::OfCpu(0, &[6; 4]), ANY).unwrap();
        assert_eq!(map.read(&mut memory, &key(0)).unwrap()[..4], [6; 4]);
        assert_eq!(map.read(&mut memory, &key(0)).unwrap()[8..12], [5; 4]);
        map.update(&mut memory, &key(0), Value::OfAll(&[[1; 8], [2; 8]].concat()), ANY).unwrap();
        let region = map.find(&mut memory, &key(0), 1).unwrap();
        assert_eq!(memory.get(region).unwrap().bytes, [2; 4]);
    }
}

#[test]
fn a_full_lru_map_drops_what_was_used_least_recently() {
    let mut memory = Memory::default();
    let mut lru = map(&mut memory, kind::LRU_HASH, 4, 2, 1);
    for number in [1, 2] {
        lru.update(&mut memory, &key(number), Value::OfAll(&[0; 4]), ANY).unwrap();
    }
    assert!(lru.find(&mut memory, &key(1), 0).is_some());
    lru.update(&mut memory, &key(3), Value::OfAll(&[0; 4]), ANY).unwrap();
    assert_eq!(keys(&lru), [key(1), key(3)]);
}

#[test]
fn the_longest_prefix_counts() {
    let mut memory = Memory::default();
    let mut trie = map(&mut memory, kind::LPM_TRIE, 8, 3, 1);
    for (length, value) in [(8, 1), (0, 2), (24, 3)] {
        let key = prefix(length, [10, 1, 2, 200]);
        trie.update(&mut memory, &key, Value::OfAll(&[value; 4]), ANY).unwrap();
    }
    let mut value = |address| trie.read(&mut memory, &prefix(32, address)).map(|bytes| bytes[0]);
    assert_eq!([value([10, 1, 2, 3]), value([10, 9, 9, 9]), value([11, 1, 2, 3])], [Some(3), Some(1), Some(2)]);
    let other = prefix(9, [10, 0, 0, 0]);
    assert_eq!(trie.update(&mut memory, &other, Value::OfAll(&[0; 4]), ANY), Err(Errno(libc::ENOSPC)));
    assert_eq!(trie.delete(&mut memory, &other), Err(Errno(libc::ENOENT)));
    assert_eq!(trie.delete(&mut memory, &prefix(24, [10, 1, 2, 7])), Ok(()));
    assert_eq!(trie.delete(&mut memory, &prefix(33, [0; 4])), Err(Errno(libc::EINVAL)));
    assert_eq!(keys(&trie).len(), 2);
}

#[test]
fn a_pointer_to_a_deleted_value_holds_until_the_run_ends() {
    let mut memory = Memory::default();
    let mut hash = map(&mut memory, kind::HASH, 4, 2, 1);
    hash.update(&mut memory, &key(1), Value::OfAll(&[7; 4]), ANY).unwrap();
    let address = Memory::address(hash.find(&mut memory, &key(1), 0).unwrap(), 0);
    hash.update(&mut memory, &key(1), Value::OfAll(&[8; 4]), ANY).unwrap();
    assert_eq!(memory.bytes(address, 4).unwrap(), [7; 4]);
    hash.delete(&mut memory, &key(1)).unwrap();
    assert_eq!(hash.read(&mut memory, &key(1)), None);
    assert_eq!(memory.bytes(address, 4).unwrap(), [7; 4]);
    memory.forget_gone();
    assert!(memory.bytes(address, 4).is_err());
}
