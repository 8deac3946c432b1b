//! Helpers in any order, one after the other.

use eshkol_test_support::Instruction::{self, Plain};
use eshkol_test_support::asm;

use super::{agree, call, field, keep_fields, packet};
use crate::helpers::{Random, Words, given, keep};

// `enum bpf_func_id`.
const VLAN_PUSH: i32 = 18;
const VLAN_POP: i32 = 19;
const CHANGE_PROTO: i32 = 31;
const CHANGE_TYPE: i32 = 32;
const CHANGE_TAIL: i32 = 38;
const PULL_DATA: i32 = 39;
const CSUM_UPDATE: i32 = 40;
const CHANGE_HEAD: i32 = 43;
const ADJUST_ROOM: i32 = 50;
const ECN_SET_CE: i32 = 97;
const CSUM_LEVEL: i32 = 135;
const SET_TSTAMP: i32 = 192;

/// Each with how many arguments it has behind the context.
const HELPERS: [(i32, usize); 12] = [
    (CHANGE_TAIL, 2),
    (CHANGE_HEAD, 2),
    (CHANGE_PROTO, 2),
    (ADJUST_ROOM, 3),
    (VLAN_PUSH, 2),
    (VLAN_POP, 0),
    (CHANGE_TYPE, 1),
    (ECN_SET_CE, 0),
    (CSUM_LEVEL, 1),
    (CSUM_UPDATE, 1),
    (SET_TSTAMP, 2),
    (PULL_DATA, 1),
];

/// Helpers that run one after the other.
const STEPS: usize = 4;

/// Calls the helper whose number the first of four words is, with the three behind it.
fn step(number: i16) -> Vec<Instruction> {
    let first = 4 * number;
    let choices = HELPERS.iter().flat_map(|(helper, arguments)| {
        let words: Vec<i16> = (first + 1..).take(*arguments).collect();
        let code = call(*helper, &words, number);
        let skip = i16::try_from(code.len()).unwrap();
        // `if r9 != HELPER goto`
        [vec![Plain(0x55, 9, 0, skip, *helper)], code].concat()
    });
    [given(9, first)].into_iter().chain(choices).collect()
}

const PROTOCOLS: [u64; 6] = [0x0008, 0xdd86, 0x0081, 0xa888, 0x0608, 0xffff_0008];

fn arguments(helper: i32, random: &mut Random) -> [u64; 3] {
    let mut any = |values: &[u64]| values[random.below(values.len() as u64) as usize];
    let flags = any(&[0, 0, 0, 0, 0, 0, 1, 1 << 63]);
    match helper {
        // None so short that the kernel takes what was there before for zeros.
        CHANGE_TAIL => [any(&[100, 101, 164, 300, 70, 13, 0, 16065, u64::MAX, 1 << 32 | 90]), flags, 0],
        CHANGE_HEAD => [any(&[0, 1, 4, 14, 20, 65, 200, 16064, 1 << 31, u64::MAX, 1 << 32 | 2]), flags, 0],
        CHANGE_PROTO => [any(&PROTOCOLS), flags, 0],
        ADJUST_ROOM => {
            let by = any(&[0, 1, 4, 8, 20, 28, 40, 50, 60, 64, 65, 200, 0x1000, 1 << 31]);
            let by = if any(&[0, 1]) == 0 { by } else { by.wrapping_neg() };
            let mode = any(&[0, 0, 0, 1, 1, 1, 2, 1 << 32]);
            let inner = any(&[0, 0, 0, 14, 18, 1, 255]);
            // 1 << 9 and some above it are flags of kernels after 6.18, which the simulator does not know; 1 << 55 is one of none.
            let mut flags = any(&[0, 0, 1, 2, 2, 4, 4, 6, 8, 0x20, 0x40, 0x80, 0x100, 0x180, 1 << 55, 1 << 55]);
            flags |= any(&[0, 0, 0, 8, 0x10, 0x18, 0x20, 0x40]) | inner << 56;
            [by, mode, flags]
        }
        VLAN_PUSH => [any(&PROTOCOLS), any(&[0, 1, 0xfff, 0x6007, 0xffff, 0x1_2345]), 0],
        CHANGE_TYPE => [any(&[0, 1, 2, 3, 4, 7, 8, 1 << 32]), 0, 0],
        CSUM_LEVEL => [any(&[0, 1, 1, 1, 2, 2, 3, 4, 1 << 32]), 0, 0],
        SET_TSTAMP => [any(&[0, 1, u64::MAX]), any(&[0, 1, 2, 3, 1 << 32]), 0],
        _ => [any(&[0, 1, 14, 60, 300, u64::MAX]), 0, 0],
    }
}

/// Has packets that got longer at their start end behind all headers. In the kernel's test runs nothing says where the transport header is, which
/// `skb_headers_offset_update` in `net/core/skbuff.c` takes for a place, and moves with the others when it makes room: then they can end before.
fn keep_headers(words: &mut Words) {
    const ROOM: u64 = 64;
    let mut added = 0;
    for step in words.chunks_exact_mut(STEPS) {
        let helper = i32::try_from(step[0]).unwrap();
        if helper == CHANGE_TAIL && added > ROOM && step[1] & u64::from(u32::MAX) < 1000 {
            step[1] = 1000;
        }
        added += match helper {
            CHANGE_HEAD | ADJUST_ROOM if step[1] < 1 << 31 => step[1],
            CHANGE_HEAD | ADJUST_ROOM | CHANGE_PROTO | VLAN_PUSH => 20,
            _ => 0,
        };
    }
}

#[test]
fn helpers_one_after_the_other_change_the_same() {
    // `tstamp` and `tstamp_type`.
    let time = [field(0, 152, 8), keep(12), field(0, 180, 1), keep(13)];
    let mut body: Vec<_> = (0..).take(STEPS).map(step).collect();
    body.extend([keep_fields(4), time.to_vec()]);
    let mut random = Random(97);
    let cases = (0..20_000).map(|_| {
        let mut words = Words::default();
        // Levels of checksums take several steps to build up.
        let only = [None, None, None, Some(CSUM_LEVEL), Some(ADJUST_ROOM), Some(VLAN_PUSH)][random.below(6) as usize];
        for step in words.chunks_exact_mut(STEPS) {
            let (helper, _) = HELPERS[random.below(HELPERS.len() as u64) as usize];
            let helper = only.filter(|_| random.below(2) == 0).unwrap_or(helper);
            step[0] = helper.unsigned_abs().into();
            step[1..].copy_from_slice(&arguments(helper, &mut random));
        }
        keep_headers(&mut words);
        (words, packet(&mut random, 100))
    });
    agree(&body, cases);
}

#[test]
fn short_packets_change_the_same() {
    let body = [step(0), keep_fields(4)];
    let mut random = Random(98);
    let cases = (0..5000).map(|_| {
        let (helper, _) = HELPERS[random.below(HELPERS.len() as u64) as usize];
        let mut arguments = arguments(helper, &mut random);
        if helper == ADJUST_ROOM && arguments[0] > 64 && arguments[0] < 0x1000 {
            // The kernel takes the room from what lies before the packet, and no new memory with something in it.
            arguments[0] = 64;
        }
        let mut words = Words::default();
        words[0] = helper.unsigned_abs().into();
        words[1..4].copy_from_slice(&arguments);
        let mut packet = packet(&mut random, 14);
        // A whole IP header is the least that the kernel's test runs take of such packets.
        let shortest = match packet[12..14] {
            [0x08, 0x00] => 34,
            [0x86, 0xdd] => 54,
            _ => 14,
        };
        packet.truncate(shortest + random.below(40) as usize);
        packet.resize(packet.len().max(shortest), 0);
        (words, packet)
    });
    agree(&body, cases);
}

/// Runs sequences of helpers, each with what it is given, on this packet.
fn agree_on(packet: &[u8], sequences: &[[[u64; 4]; STEPS]]) {
    let body: Vec<_> = (0..).take(STEPS).map(step).chain([keep_fields(4)]).collect();
    let cases = sequences.iter().map(|steps| (steps.as_flattened().try_into().unwrap(), packet.to_vec()));
    agree(&body, cases.collect::<Vec<_>>());
}

fn tail(length: u64) -> [u64; 4] {
    [CHANGE_TAIL.unsigned_abs().into(), length, 0, 0]
}

fn head(room: u64) -> [u64; 4] {
    [CHANGE_HEAD.unsigned_abs().into(), room, 0, 0]
}

/// Behind the Ethernet header.
fn room(by: i64, flags: u64) -> [u64; 4] {
    [ADJUST_ROOM.unsigned_abs().into(), by.cast_unsigned(), 1, flags]
}

fn to_ipv4() -> [u64; 4] {
    [CHANGE_PROTO.unsigned_abs().into(), PROTOCOLS[0], 0, 0]
}

const NOTHING: [u64; 4] = [0; 4];

/// A packet of this type and length.
fn of_type(ether_type: [u8; 2], length: usize) -> Vec<u8> {
    let mut packet: Vec<u8> = (0_u8..).take(length).collect();
    packet[..6].fill(0);
    packet[12..14].copy_from_slice(&ether_type);
    packet
}

const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];

#[test]
fn as_much_room_is_made_and_no_more() {
    // What is left of them is short enough to be looked at.
    let sequences = [
        [tail(16064), tail(16065), tail(200), tail(14)],
        [tail(13), tail(14), tail(15), tail(0)],
        [tail(16064), head(1), tail(200), tail(14)],
        [tail(16000), head(64), head(1), tail(1000)],
        [head(16065 - 150), tail(16000), room(64, 0), tail(200)],
        [tail(16000), room(65, 0), tail(15000), tail(300)],
        [tail(12000), room(0xfff, 0), tail(12100), tail(300)],
    ];
    for ether_type in [IPV4, IPV6, [0x08, 0x06], [0x81, 0x00]] {
        agree_on(&of_type(ether_type, 150), &sequences);
    }
}

#[test]
fn no_more_is_taken_than_there_is() {
    const TAKE_IPV4: u64 = 0x80;
    let behind_ip = |by: i64| [ADJUST_ROOM.unsigned_abs().into(), by.cast_unsigned(), 0, TAKE_IPV4];
    for length in [33, 34, 35, 54, 55, 58, 59] {
        let cut = [tail(length), to_ipv4(), tail(40), NOTHING];
        agree_on(&of_type(IPV6, 80), &[cut, [tail(length), behind_ip(-5), NOTHING, NOTHING]]);
    }
}

#[test]
fn headers_that_were_added_are_kept_whole() {
    const IN_IPV4: u64 = 1 << 1;
    const IN_IPV6: u64 = 1 << 2;
    const IN_GRE: u64 = 1 << 3;
    const IN_UDP: u64 = 1 << 4;
    for shortest in [14, 34, 38, 42, 46, 54, 62, 74] {
        let tag = [VLAN_PUSH.unsigned_abs().into(), 0x0081, 5, 0];
        // One byte less is an error of its own.
        let ends = [tail(shortest - 1), tail(shortest)];
        let then = |first: [u64; 4], second: [u64; 4]| [first, second, ends[0], ends[1]];
        let sequences = [
            then(room(28, IN_IPV4), NOTHING),
            then(room(28, IN_IPV4 | IN_UDP), NOTHING),
            then(room(48, IN_IPV6 | IN_GRE), NOTHING),
            then(room(28, IN_IPV4 | IN_UDP), head(4)),
            then(room(28, IN_IPV4 | IN_UDP), room(8, 0)),
            then(room(48, IN_IPV6 | IN_UDP), room(-40, 0)),
            then(room(28, IN_IPV4 | IN_UDP), tag),
            // The second tag puts the first one into the packet.
            [tag, room(28, IN_IPV4 | IN_UDP), tag, ends[0]],
            [tag, room(28, IN_IPV4 | IN_UDP), tag, ends[1]],
            // The transport header is where the network header is, and stays there.
            [room(28, IN_IPV4 | IN_UDP), room(-20, 0), room(8, 0), tail(shortest - 1)],
            [room(28, IN_IPV4 | IN_UDP), room(-20, 0), room(8, 0), tail(shortest)],
        ];
        agree_on(&of_type(IPV4, 150), &sequences);
    }
}

#[test]
fn levels_of_checksums_have_an_end() {
    let body: Vec<_> = (0..8).map(|step| call(CSUM_LEVEL, &[step], step)).chain([keep_fields(8)]).collect();
    let cases = (0..9).map(|more| {
        let mut words = [2; 16];
        words[..more].fill(1);
        (words, of_type(IPV4, 60))
    });
    agree(&body, cases);
}

#[test]
fn pointers_into_the_packet_end_where_it_may_have_moved() {
    use eshkol_runtime::sim::Machine;
    use eshkol_test_support::Object;

    let moving = [CHANGE_TAIL, CHANGE_HEAD, CHANGE_PROTO, ADJUST_ROOM, VLAN_PUSH, VLAN_POP, 13];
    for (helper, moves) in
        moving.map(|helper| (helper, true)).into_iter().chain([CHANGE_TYPE, ECN_SET_CE].map(|helper| (helper, false)))
    {
        // Also where the helper refuses what it is asked for.
        for argument in [0, -1] {
            let mut code = vec![asm::mov_register(8, 1), asm::load32(6, 8, 76)];
            code.push(asm::mov_register(1, 8));
            code.extend((2..6).map(|register| asm::mov(register, argument)));
            code.extend([asm::call(helper), Plain(0x71, 0, 6, 0, 0), asm::exit()]);
            let machine = Machine::load(Object::new().program("classifier", "main", &code).build()).unwrap();
            let outcome = machine.run_on_packet("main", &[7; 64]);
            match outcome {
                Ok(outcome) => assert!(!moves && outcome.return_value == 7, "helper {helper} leaves pointers"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(
                        moves && text.contains("in the packet, which is no longer there"),
                        "helper {helper}: {text}"
                    );
                }
            }
        }
    }
}
