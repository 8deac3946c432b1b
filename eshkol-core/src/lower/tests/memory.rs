//! Scalars in memory, against a model of memory as bytes.

use super::tree::*;
use super::{BOTH, lowered, result};
use crate::check::typed::{ArithmeticOp, AtomicOp, Expr, ExprKind, Function, Place, Region, Type};
use crate::check::types::{DataType, IntType, Storage};
use crate::compile::Endianness;
use crate::ir::interpret::{MAP_VALUE, mix};

const BYTES: [u8; 24] = [
    0x81, 0x72, 0xe3, 0x54, 0xc5, 0x36, 0xa7, 0x98, 0x19, 0xfa, 0x2b, 0xdc, 0x4d, 0xbe, 0x6f, 0x80, 0x01, 0xf2, 0x23,
    0xd4, 0x45, 0xb6, 0x67, 0x98,
];

/// The unsigned number of some bytes.
fn number_of(bytes: &[u8], big: bool) -> u64 {
    let push = |number, byte: &u8| number << 8 | u64::from(*byte);
    if big { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) }
}

fn is_big(storage: Storage, endianness: Endianness) -> bool {
    storage.big_endian || endianness == Endianness::Big
}

fn expected_load(storage: Storage, offset: usize, endianness: Endianness) -> u64 {
    let bytes = storage.bytes as usize;
    let number = number_of(&BYTES[offset..offset + bytes], is_big(storage, endianness));
    let (shift, width) = storage.bits.unwrap_or((0, (bytes * 8) as u8));
    let field = number >> shift << (64 - width);
    if storage.signed { (field as i64 >> (64 - width)) as u64 } else { field >> (64 - width) }
}

fn expected_store(storage: Storage, offset: usize, value: u64, endianness: Endianness) -> Vec<u8> {
    let bytes = storage.bytes as usize;
    let old = number_of(&BYTES[offset..offset + bytes], is_big(storage, endianness));
    let (shift, width) = storage.bits.unwrap_or((0, (bytes * 8) as u8));
    let mask = u64::MAX >> (64 - width) << shift;
    let new = (old & !mask) | (value << shift & mask);
    let mut memory = BYTES.to_vec();
    for (at, place) in memory[offset..offset + bytes].iter_mut().enumerate() {
        let up = if is_big(storage, endianness) { bytes - 1 - at } else { at };
        *place = (new >> (8 * up)) as u8;
    }
    memory
}

/// Every way in which a scalar of one word lies in memory.
fn storages() -> Vec<Storage> {
    let mut storages = vec![MAC];
    for bytes in [1, 2, 4, 8] {
        for big_endian in [false, true] {
            for signed in [false, true] {
                storages.push(Storage { bytes, big_endian, signed, bits: None });
                for (shift, width) in [
                    (0, 1),
                    (3, 2),
                    (4, 4),
                    (0, 8),
                    (7, 1),
                    (6, 3),
                    (8, 8),
                    (0, 13),
                    (13, 3),
                    (16, 16),
                    (12, 20),
                    (0, 24),
                    (24, 40),
                    (63, 1),
                ] {
                    if u32::from(shift + width) <= bytes * 8 && u32::from(width) < bytes * 8 {
                        storages.push(Storage { bytes, big_endian, signed, bits: Some((shift, width)) });
                    }
                }
            }
        }
    }
    storages
}

/// Memory that holds `BYTES`, in one of several regions; what `body` makes of a reference to it.
fn with_memory(memory: Memory, body: impl FnOnce(&mut Scope, Expr, Expr) -> Expr) -> Function {
    let mut scope = Scope::default();
    let data = DataType::CharArray(24);
    let map_value = scope.parameter(Type::Ref(reference(data.clone(), Region::MapValue)));
    let value = scope.parameter(u64_type());
    let (map_value, value) = (scope.read(map_value), scope.read(value));
    let allocated = || {
        let kind = ExprKind::Allocate { data: data.clone(), parts: Vec::new() };
        expr(Type::Ref(reference(data.clone(), Region::Stack)), kind)
    };
    let base = match memory {
        Memory::MapValue => map_value,
        Memory::Slot => allocated(),
        // Which of the two it is, is not known.
        Memory::Stack => choice(equal(value.clone(), number(1)), allocated(), allocated()),
    };
    let body = scope.bind(base, |scope, base| {
        let write = |at: usize| {
            let place = place(base.clone(), at as u32, 1);
            store(place, NATIVE_U8, number(BYTES[at].into()))
        };
        let mut expressions: Vec<Expr> = (0..24).map(write).collect();
        expressions.push(body(scope, base, value));
        sequence(expressions)
    });
    scope.function(body)
}

#[derive(Copy, Clone, PartialEq, Debug)]
enum Memory {
    MapValue,
    Slot,
    Stack,
}

const MEMORIES: [Memory; 3] = [Memory::MapValue, Memory::Slot, Memory::Stack];

/// What a place at an offset of memory that may be unaligned is known to be aligned to.
fn align_of(offset: usize) -> u32 {
    if offset == 0 { 8 } else { 1 << offset.trailing_zeros().min(3) }
}

#[test]
fn loads_read_what_is_there() {
    for storage in storages() {
        for (offset, memory, endianness) in cases() {
            let entry = with_memory(memory, |_, base, _| load(place(base, offset as u32, align_of(offset)), storage));
            let loaded = result(&entry, &[MAP_VALUE, 0], endianness);
            let expected = expected_load(storage, offset, endianness);
            assert_eq!(loaded, expected, "{storage:?} at {offset} of {memory:?} on {endianness:?}: {loaded:#x}");
        }
    }
}

#[test]
fn stores_change_what_they_should() {
    for (number_of_storage, storage) in (0..).zip(storages()) {
        for (offset, memory, endianness) in cases() {
            let value = mix(number_of_storage);
            let expected = expected_store(storage, offset, value, endianness);
            for word in 0..3 {
                let entry = with_memory(memory, |_, base, value| {
                    let stored = place(base.clone(), offset as u32, align_of(offset));
                    let back = load(place(base, word * 8, 8), NATIVE_U64);
                    sequence(vec![store(stored, storage, value), back])
                });
                let loaded = result(&entry, &[MAP_VALUE, value], endianness);
                let start = word as usize * 8;
                let expected = number_of(&expected[start..start + 8], endianness == Endianness::Big);
                assert_eq!(loaded, expected, "{storage:?} at {offset} of {memory:?} on {endianness:?}: {loaded:#x}");
            }
        }
    }
}

fn cases() -> Vec<(usize, Memory, Endianness)> {
    let mut cases = Vec::new();
    for offset in [0, 4, 7] {
        for memory in MEMORIES {
            cases.extend(BOTH.map(|endianness| (offset, memory, endianness)));
        }
    }
    cases
}

#[test]
fn constants_are_stored_as_variables_are() {
    for storage in storages() {
        for endianness in BOTH {
            let value = 0x1234_5678_9abc_def1;
            let write = |is_constant: bool| {
                with_memory(Memory::MapValue, |_, base, variable| {
                    let value = if is_constant { number(value) } else { variable };
                    let back = load(place(base.clone(), 0, 8), NATIVE_U64);
                    sequence(vec![store(place(base, 0, 8), storage, value), back])
                })
            };
            let [constant, variable] = [true, false].map(|is| result(&write(is), &[MAP_VALUE, value], endianness));
            assert_eq!(constant, variable, "{storage:?}");
        }
    }
}

#[test]
fn the_stack_is_accessed_aligned() {
    for (align, most) in [(1, 1), (2, 2), (4, 4), (8, 8), (16, 8)] {
        for storage in [NATIVE_U64, IPV6, MAC] {
            let entry = with_memory(Memory::Stack, |_, base, _| {
                let value = load(place(base.clone(), 0, align), storage);
                sequence(vec![store(place(base, 0, align), storage, value), number(0)])
            });
            let text = lowered(&entry, Endianness::Little).to_string();
            let sizes = text
                .lines()
                .filter(|line| line.contains("= load."))
                .map(|line| line.split("load.").nth(1).unwrap().split(' ').next().unwrap().parse::<u32>().unwrap());
            assert_eq!(sizes.max(), Some(most.min(if storage == MAC { 4 } else { 8 })), "{text}");
        }
    }
}

#[test]
fn a_slot_s_alignment_is_known() {
    // The place promises nothing, but the slot is aligned.
    let entry = with_memory(Memory::Slot, |_, base, _| load(place(base, 8, 1), NATIVE_U64));
    let text = lowered(&entry, Endianness::Little).to_string();
    assert!(text.contains("load.8"), "{text}");
    let entry = with_memory(Memory::Slot, |_, base, _| load(place(base, 12, 1), NATIVE_U64));
    let text = lowered(&entry, Endianness::Little).to_string();
    assert_eq!(text.matches("load.4").count(), 2, "{text}");
}

#[test]
fn addresses_of_hosts_go_through_memory() {
    for endianness in BOTH {
        for memory in MEMORIES {
            for (offset, same) in [(0, true), (3, true), (5, false)] {
                let (mac, ipv6) = (&BYTES[offset..offset + 6], &BYTES[offset..offset + 16]);
                let mac = expr(Type::Scalar(DataType::Mac), ExprKind::MacConstant(mac.try_into().unwrap()));
                let ipv6 = expr(Type::Ipv6, ExprKind::Ipv6Constant(ipv6.try_into().unwrap()));
                let entry = with_memory(memory, |_, base, _| {
                    // Compares what is at 0 or 3, as a value and through memory.
                    let at = if same { offset as u32 } else { 4 };
                    let loaded = |storage| load(place(base.clone(), at, 1), storage);
                    let stored = |storage, value| {
                        let write = store(place(base.clone(), 1, 1), storage, value);
                        sequence(vec![write, load(place(base.clone(), 1, 1), storage)])
                    };
                    let before = and(equal(loaded(MAC), mac.clone()), equal(loaded(IPV6), ipv6.clone()));
                    let after = and(
                        equal(stored(MAC, mac.clone()), mac.clone()),
                        equal(stored(IPV6, ipv6.clone()), ipv6.clone()),
                    );
                    add(choice(before, number(1), number(0)), choice(after, number(10), number(0)))
                });
                let expected = if same { 11 } else { 10 };
                assert_eq!(result(&entry, &[MAP_VALUE, 0], endianness), expected, "{offset} {memory:?} {endianness:?}");
            }
        }
    }
}

#[test]
fn a_dynamic_element_is_reached() {
    for memory in MEMORIES {
        for (scale, storage) in [(1, NATIVE_U8), (4, NATIVE_U32), (3, NATIVE_U8)] {
            let entry = with_memory(memory, |_, base, value| {
                let index = arithmetic(ArithmeticOp::And, value, number(3));
                load(
                    Place { base: boxed(base), offset: 4, index: Some((boxed(index), scale)), align: storage.bytes },
                    storage,
                )
            });
            for index in 0..4 {
                let loaded = result(&entry, &[MAP_VALUE, index], Endianness::Little);
                let expected = expected_load(storage, 4 + index as usize * scale as usize, Endianness::Little);
                assert_eq!(loaded, expected);
            }
        }
    }
}

#[test]
fn parts_of_parts_are_one_offset() {
    let entry = with_memory(Memory::MapValue, |_, base, _| {
        let inner = |base, offset| {
            let ty = Type::Ref(reference(DataType::CharArray(4), Region::MapValue));
            expr(ty, ExprKind::Address(place(base, offset, 1)))
        };
        load(place(inner(inner(base, 4), 8), 2, 1), NATIVE_U8)
    });
    let text = lowered(&entry, Endianness::Little).to_string();
    assert!(text.contains("load.1 v0 + 14"), "{text}");
    assert_eq!(result(&entry, &[MAP_VALUE, 0], Endianness::Little), BYTES[14].into());
}

#[test]
fn an_address_is_a_value_too() {
    let entry = with_memory(Memory::MapValue, |scope, base, _| {
        let ty = Type::Ref(reference(DataType::CharArray(4), Region::MapValue));
        let address = expr(ty, ExprKind::Address(place(base, 20, 1)));
        scope.bind(address, |_, address| load(place(address, 1, 1), NATIVE_U8))
    });
    assert_eq!(result(&entry, &[MAP_VALUE, 0], Endianness::Little), BYTES[21].into());
}

#[test]
fn far_offsets_are_added_first() {
    let entry = with_memory(Memory::MapValue, |_, base, _| {
        let value = store(place(base.clone(), 40_000, 8), NATIVE_U64, number(77));
        sequence(vec![value, load(place(base, 40_000, 8), NATIVE_U64)])
    });
    let text = lowered(&entry, Endianness::Little).to_string();
    assert!(!text.contains("+ 40000"), "{text}");
    assert_eq!(result(&entry, &[MAP_VALUE, 0], Endianness::Little), 77);
}

#[test]
fn copies_copy() {
    for (bytes, offset) in [(1, 0), (3, 1), (8, 0), (13, 2), (16, 8)] {
        for memory in MEMORIES {
            let entry = with_memory(memory, |scope, base, _| {
                let kind = ExprKind::Allocate { data: DataType::CharArray(16), parts: Vec::new() };
                let fresh = expr(Type::Ref(reference(DataType::CharArray(16), Region::Stack)), kind);
                scope.bind(fresh, |_, to| {
                    let from = place(base, offset as u32, 1);
                    let copy = ExprKind::Copy { to: place(to.clone(), 0, 1), from, bytes: bytes as u32 };
                    let bytes = (0..16).map(|at| load(place(to.clone(), at, 1), NATIVE_U8));
                    sequence(vec![expr(Type::Unit, copy), bytes.reduce(add).unwrap()])
                })
            });
            let expected: u64 = BYTES[offset..offset + bytes].iter().map(|byte| u64::from(*byte)).sum();
            assert_eq!(result(&entry, &[MAP_VALUE, 0], Endianness::Little), expected, "{bytes} {offset} {memory:?}");
        }
    }
}

#[test]
fn atomics_change_memory_in_one_step() {
    for op in [AtomicOp::Add, AtomicOp::And, AtomicOp::Or, AtomicOp::Xor, AtomicOp::Exchange] {
        for storage in [NATIVE_U32, NATIVE_U64, Storage::native(IntType::I32)] {
            for (fetch, endianness) in
                [(false, Endianness::Little), (true, Endianness::Little), (true, Endianness::Big)]
            {
                let operand = 0x8f0f_0f0f_8f0f_0f0f;
                let entry = with_memory(Memory::MapValue, |_, base, _| {
                    let place = || place(base.clone(), 8, 8);
                    let value = boxed(number(operand));
                    let ty = if fetch { int(IntType::I32) } else { Type::Unit };
                    let change = expr(ty, ExprKind::Atomic { op, place: place(), storage, value, fetch });
                    let after = load(place(), storage);
                    if fetch { arithmetic(ArithmeticOp::Xor, change, after) } else { sequence(vec![change, after]) }
                });
                let old = expected_load(storage, 8, endianness);
                let new = match op {
                    AtomicOp::Add => old.wrapping_add(operand),
                    AtomicOp::And => old & operand,
                    AtomicOp::Or => old | operand,
                    AtomicOp::Xor => old ^ operand,
                    AtomicOp::Exchange => operand,
                };
                let new = match (storage.bytes, storage.signed) {
                    (8, _) => new,
                    (_, true) => new as i32 as u64,
                    (_, false) => new as u32 as u64,
                };
                let expected = if fetch { old ^ new } else { new };
                assert_eq!(result(&entry, &[MAP_VALUE, 0], endianness), expected, "{op:?} {storage:?} {fetch}");
            }
        }
    }
}

#[test]
fn compare_exchange_gives_the_old_value() {
    for endianness in BOTH {
        let old = expected_load(NATIVE_U32, 4, endianness);
        for (expected, after) in [(old, 5), (old ^ 1, old)] {
            let entry = with_memory(Memory::MapValue, |scope, base, _| {
                let place = || place(base.clone(), 4, 4);
                let (expected, value) = (boxed(number(expected)), boxed(number(5)));
                let kind = ExprKind::CompareExchange { place: place(), storage: NATIVE_U32, expected, value };
                scope.bind(expr(int(IntType::U32), kind), |_, was| {
                    let is_old = choice(equal(was, number(old)), number(1 << 32), number(0));
                    add(is_old, load(place(), NATIVE_U32))
                })
            });
            assert_eq!(result(&entry, &[MAP_VALUE, 0], endianness), (1 << 32) + after);
        }
    }
}

#[test]
fn bit_fields_within_a_byte_read_one_byte() {
    // The data offset of a TCP header, as the top four bits of 16.
    let storage = Storage { bytes: 2, big_endian: true, signed: false, bits: Some((12, 4)) };
    let entry = with_memory(Memory::MapValue, |_, base, _| load(place(base, 12, 1), storage));
    let text = lowered(&entry, Endianness::Little).to_string();
    assert!(text.contains("load.1 v0 + 12") && !text.contains("big") && !text.contains("and "), "{text}");
    assert_eq!(result(&entry, &[MAP_VALUE, 0], Endianness::Little), u64::from(BYTES[12] >> 4));
}
