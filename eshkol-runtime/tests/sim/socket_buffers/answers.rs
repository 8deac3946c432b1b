//! Helpers that give data, and that say where a packet is to go.

use eshkol_runtime::sim::{Machine, Redirect};
use eshkol_runtime::{Array, Loader, TcProgram};
use eshkol_test_support::Instruction::{self, Plain};
use eshkol_test_support::{Object, Packet, asm};

use super::{END, agree, agree_in_cgroup, call, field, packet};
use crate::helpers::{Random, Words, given, keep, program};
use crate::unit::{Unit, kind};

// `enum bpf_func_id`.
const CLONE_REDIRECT: i32 = 13;
const GET_TUNNEL_KEY: i32 = 20;
const SET_TUNNEL_KEY: i32 = 21;
const GET_ROUTE_REALM: i32 = 24;
const GET_TUNNEL_OPT: i32 = 29;
const SET_TUNNEL_OPT: i32 = 30;
const GET_HASH_RECALC: i32 = 34;
const SET_HASH_INVALID: i32 = 41;
const GET_SOCKET_COOKIE: i32 = 46;
const GET_SOCKET_UID: i32 = 47;
const SET_HASH: i32 = 48;
const GET_XFRM_STATE: i32 = 66;
const LOAD_BYTES_RELATIVE: i32 = 68;
const CGROUP_ID: i32 = 79;
const ANCESTOR_CGROUP_ID: i32 = 83;
const ECN_SET_CE: i32 = 97;
const GET_NETNS_COOKIE: i32 = 122;
const CGROUP_CLASSID: i32 = 151;
const REDIRECT_NEIGH: i32 = 152;
const REDIRECT_PEER: i32 = 155;
const CHECK_MTU: i32 = 163;

/// `rD &= 63; rD += 1`, which the verifier takes for a size.
fn size(d: u8) -> [Instruction; 2] {
    [Plain(0x57, d, 0, 0, 63), asm::add(d, 1)]
}

/// Calls a helper with the context, 64 bytes of what is given (R6) or of the result (R7) of which it takes so many, and a word behind them.
fn with_buffer(helper: i32, buffer: u8, bytes: i16, behind: i16, result: i16) -> Vec<Instruction> {
    let mut code = vec![asm::mov_register(1, 8), asm::mov_register(2, buffer), asm::add(2, 64), given(3, bytes)];
    code.extend(size(3));
    code.extend([given(4, behind), asm::call(helper), keep(result)]);
    code
}

const SIZES: [u64; 12] = [44, 44, 44, 28, 24, 22, 8, 43, 45, 64, 1, 4];

#[test]
fn keys_of_tunnels_are_what_was_said() {
    let body = [
        with_buffer(GET_TUNNEL_KEY, 7, 0, 1, 0),
        with_buffer(SET_TUNNEL_KEY, 6, 2, 3, 1),
        with_buffer(GET_TUNNEL_KEY, 7, 4, 5, 2),
    ];
    let mut random = Random(20);
    let cases = (0..5000).map(|_| {
        let mut words = Words::default();
        for word in [0, 2, 4] {
            words[word] = SIZES[random.below(12) as usize] - 1;
        }
        let is_ipv6 = random.below(2);
        words[1] = [0, 1, 2, 16][random.below(4) as usize];
        words[3] = is_ipv6 | random.below(16) << 1 | [0, 0, 0, 0, 0, 32, 1 << 40][random.below(7) as usize];
        words[5] = [is_ipv6, is_ipv6, is_ipv6, 1 - is_ipv6, 2][random.below(5) as usize] | random.below(2) << 4;
        for word in &mut words[8..] {
            *word = random.next();
        }
        // Bytes 22 to 23 are to be zero, and of IPv4 those up to 27.
        if random.below(5) > 0 {
            words[10] &= 0xffff_ffff_ffff;
            words[11] &= if is_ipv6 == 1 { u64::MAX } else { !0xffff_ffff };
        }
        (words, packet(&mut random, 60))
    });
    agree(&body, cases);
}

#[test]
fn options_of_tunnels_are_what_was_said() {
    let set_key = [
        vec![asm::mov_register(1, 8), asm::mov_register(2, 6), asm::add(2, 64), asm::mov(3, 4)],
        [Plain(0x0f, 3, 9, 0, 0), asm::mov(4, 0), asm::call(SET_TUNNEL_KEY), keep(0)].to_vec(),
    ];
    // With 24 bytes of nothing, or with four, which is no key.
    let bytes = [given(9, 0), Plain(0x57, 9, 0, 0, 20)];
    let body = [
        bytes.to_vec(),
        set_key.concat(),
        with_buffer(SET_TUNNEL_OPT, 6, 1, 5, 1),
        with_buffer(GET_TUNNEL_OPT, 7, 2, 5, 2),
        // The flags tell of options.
        [vec![asm::mov_register(1, 8), asm::mov_register(2, 10), asm::add(2, -48), asm::mov(3, 44), asm::mov(4, 16)]]
            .concat(),
        vec![asm::call(GET_TUNNEL_KEY), keep(3), Plain(0x69, 0, 10, -48 + 22, 0), keep(4)],
    ];
    let mut random = Random(29);
    let cases = (0..2000).map(|_| {
        let mut words = Words::default();
        words[0] = [20, 20, 20, 0][random.below(4) as usize];
        words[1] = [3, 7, 63, 11, 0, 5][random.below(6) as usize];
        words[2] = [3, 7, 63, 11, 0, 62][random.below(6) as usize];
        for word in &mut words[11..] {
            *word = random.next();
        }
        (words, packet(&mut random, 60))
    });
    agree(&body, cases);
}

/// Calls that load bytes from an offset behind a header.
fn relative(first: i16, result: i16) -> Vec<Instruction> {
    let mut code = vec![asm::mov_register(1, 8), given(2, first), asm::mov_register(3, 7), asm::add(3, 64)];
    code.push(given(4, first + 1));
    code.extend(size(4));
    code.extend([given(5, first + 2), asm::call(LOAD_BYTES_RELATIVE), keep(result)]);
    code
}

fn offsets(random: &mut Random, length: usize, headers: &[u64]) -> Words {
    let mut words = Words::default();
    words[0] = match random.below(8) {
        0 => [0xffff, 0x1_0000, u64::MAX, 1 << 32][random.below(4) as usize],
        1 => length as u64 - random.below(20),
        _ => random.below(length as u64),
    };
    words[1] = random.below(64);
    words[2] = headers[random.below(headers.len() as u64) as usize];
    words
}

#[test]
fn bytes_behind_headers_are_the_same() {
    let mut random = Random(68);
    let cases = (0..3000).map(|_| {
        let packet = packet(&mut random, 60);
        (offsets(&mut random, packet.len(), &[0, 0, 1, 1, 2, u64::MAX, 1 << 32]), packet)
    });
    agree(&[relative(0, 0)], cases);
}

#[test]
fn a_cgroup_has_the_same_helpers() {
    let mark = [asm::mov_register(1, 8), asm::call(ECN_SET_CE), keep(1)];
    let mut random = Random(69);
    let cases = (0..3000).map(|_| {
        let mut packet: Vec<u8> = (0..40 + random.below(100)).map(|_| random.next().to_le_bytes()[0]).collect();
        packet[0] = if random.below(2) == 0 { 0x45 } else { 0x60 | packet[0] & 0xf };
        (offsets(&mut random, packet.len(), &[1, 1, 2, 1 << 32 | 1]), packet)
    });
    agree_in_cgroup(&[relative(0, 0), mark.to_vec()], cases);
}

#[test]
fn what_no_packet_of_a_test_has_is_missing_alike() {
    let state = [
        vec![asm::mov_register(1, 8), given(2, 0), asm::mov_register(3, 7), asm::add(3, 64), given(4, 1)],
        size(4).to_vec(),
        vec![given(5, 2), asm::call(GET_XFRM_STATE), keep(0)],
    ];
    let body = [state.concat(), call(GET_ROUTE_REALM, &[], 1), call(CGROUP_CLASSID, &[], 2)];
    let mut random = Random(66);
    let cases = (0..200).map(|_| {
        let mut words = Words::default();
        words[0] = random.below(3);
        words[1] = [27, 0, 63][random.below(3) as usize];
        words[2] = random.below(2);
        (words, packet(&mut random, 60))
    });
    agree(&body, cases);
}

#[test]
fn packets_are_redirected_and_copied_alike() {
    let neighbour = [
        vec![given(1, 0), asm::mov_register(2, 6), asm::add(2, 64), given(3, 1), Plain(0x57, 3, 0, 0, 31)],
        vec![given(4, 2), asm::call(REDIRECT_NEIGH), keep(0)],
    ];
    let peer = [given(1, 0), given(2, 2), asm::call(REDIRECT_PEER), keep(1)];
    let fits = |first: i16, result: i16| {
        vec![
            given(3, first + 1),
            Plain(0x63, 10, 3, -8, 0),
            asm::mov_register(1, 8),
            given(2, first),
            asm::mov_register(3, 10),
            asm::add(3, -8),
            given(4, first + 2),
            given(5, first + 3),
            asm::call(CHECK_MTU),
            keep(result),
            asm::load32(0, 10, -8),
            keep(result + 1),
        ]
    };
    let body = [neighbour.concat(), peer.to_vec(), call(CLONE_REDIRECT, &[3, 4], 2), fits(8, 3)];
    let mut random = Random(13);
    let cases = (0..3000).map(|_| {
        let mut words = Words::default();
        let mut any = |values: &[u64]| values[random.below(values.len() as u64) as usize];
        words[0] = any(&[0, 1, u64::MAX]);
        words[1] = any(&[0, 0, 19, 20, 21, 31, 1]);
        words[2] = any(&[0, 0, 0, 1, 1 << 33]);
        words[3] = any(&[1, 1, 0, 1 << 31, 1 << 32 | 1, u64::MAX]);
        words[4] = any(&[0, 1, 0, 1, 2, 3, 1 << 63]);
        words[8] = any(&[0, 1, 1, 1 << 31, u64::MAX, 1 << 32]);
        words[9] = any(&[0, 0, 1, 1500, 65536, 65537, u64::MAX, 0x7fff_fff2, 0x7fff_fff1]);
        words[10] = any(&[0, 0, 1, u64::MAX, 65536, 65000, 0x7fff_ffff, 1 << 31, 65550 - 100]);
        words[11] = any(&[0, 0, 0, 1, 1, 2, 1 << 32]);
        (words, packet(&mut random, 100))
    });
    agree(&body, cases);
}

#[test]
fn the_hash_of_a_flow_is_kept_until_it_is_dropped() {
    let hash = [asm::mov_register(1, 8), asm::call(GET_HASH_RECALC)];
    // What it is differs with every boot: whether it is the same as in R9 counts.
    let same = |result| [&hash[..], &[Plain(0x1f, 0, 9, 0, 0), keep(result)]].concat();
    let body = [
        [&[field(0, 68, 4), keep(0)][..], &hash, &[asm::mov_register(9, 0)]].concat(),
        same(1),
        vec![field(0, 68, 4), Plain(0x1f, 0, 9, 0, 0), keep(2)],
        call(SET_HASH, &[0], 3),
        [&hash[..], &[keep(4), field(0, 68, 4), keep(5)]].concat(),
        call(SET_HASH_INVALID, &[], 6),
        vec![field(0, 68, 4), keep(7)],
        same(8),
        // Nor is there a flow whose hash is 0.
        vec![asm::mov(0, 0), asm::jump_if_equal(9, 0, 1), asm::mov(0, 1), keep(9)],
    ];
    let mut random = Random(34);
    let cases = (0..2000).map(|_| {
        let mut words = Words::default();
        words[0] = [0, 1, random.next()][random.below(3) as usize];
        (words, packet(&mut random, 100))
    });
    agree(&body, cases);
}

#[test]
fn both_directions_of_a_flow_have_one_hash_and_other_flows_others() {
    if !crate::kernel_compares() {
        return;
    }
    let code = program(&[&call(GET_HASH_RECALC, &[], 0)[..], &END].concat());
    let unit = Unit::new().map("given", kind::ARRAY, 4, 128, 1).map("result", kind::ARRAY, 4, 128, 1);
    let spec = unit.program("tc", "classifier", "main", &code, &[]).spec();
    let [near, far, other] = [1, 2, 3].map(|last| std::net::Ipv4Addr::new(10, 0, 0, last));
    let datagram = |from, to, ports: (u16, u16)| Packet::ethernet().ipv4(from, to).udp(ports.0, ports.1).build();
    for unit in [Loader::new(spec).test().unwrap(), Loader::new(spec).load().unwrap()] {
        let result: Array<Words> = unit.map("result").unwrap();
        let main = unit.program::<TcProgram>("main").unwrap();
        let hash = |packet: Vec<u8>| {
            main.test_run(&packet).unwrap();
            result.get(0).unwrap()[0]
        };
        let one = hash(datagram(near, far, (1, 2)));
        assert_eq!(hash(datagram(far, near, (2, 1))), one);
        assert_ne!(hash(datagram(near, other, (1, 2))), one);
        assert_ne!(hash(datagram(near, far, (1, 3))), one);
        let tcp = Packet::ethernet().ipv4(near, far).tcp(1, 2, 0).build();
        assert_ne!(hash(tcp), one);
    }
}

/// What a `:tc` program gives that does this, in the simulator.
fn simulate(code: &[Instruction]) -> (Machine, eshkol_runtime::sim::Outcome) {
    let code = [&[asm::mov_register(8, 1)], code, &[asm::exit()]].concat();
    let machine = Machine::load(Object::new().program("classifier", "main", &code).build()).unwrap();
    let outcome = machine.run_on_packet("main", &[7; 64]).unwrap();
    (machine, outcome)
}

#[test]
fn a_packet_is_of_no_socket() {
    // The kernel's test runs have a socket for each packet, so that there is nothing to compare. Where there is none: `__bpf_sk_cgroup_id`,
    // `__bpf_sk_ancestor_cgroup_id`, `bpf_get_socket_cookie`, `bpf_get_socket_uid` and `__bpf_get_netns_cookie` in `net/core/filter.c`.
    let answers = [
        (CGROUP_ID, 0),
        (ANCESTOR_CGROUP_ID, 0),
        (GET_SOCKET_COOKIE, 0),
        (GET_SOCKET_UID, 65534),
        (GET_NETNS_COOKIE, 1),
    ];
    for (helper, answer) in answers {
        let (_, outcome) = simulate(&[asm::mov(2, 1), asm::call(helper)]);
        assert_eq!(outcome.return_value, answer, "helper {helper}");
    }
}

#[test]
fn where_packets_go_is_told() {
    let interface_5 = [asm::mov(1, 5), asm::mov(2, 0), asm::mov(3, 0), asm::mov(4, 0)];
    let redirect = |helper| simulate(&[&interface_5[..], &[asm::call(helper)]].concat()).1.redirect;
    assert_eq!(redirect(REDIRECT_NEIGH), Some(Redirect::Neighbour(5)));
    assert_eq!(redirect(REDIRECT_PEER), Some(Redirect::Peer(5)));
    // Two copies, and the second of a packet that begins with four bytes less.
    let copy = |flags| [asm::mov_register(1, 8), asm::mov(2, 5), asm::mov(3, flags), asm::call(CLONE_REDIRECT)];
    let longer = [asm::mov_register(1, 8), asm::mov(2, 4), asm::mov(3, 0), asm::call(43)];
    let (_, outcome) = simulate(&[copy(0), longer, copy(1)].concat());
    let clones: Vec<_> = outcome.clones.iter().map(|clone| (clone.interface, clone.into, &clone.packet[..])).collect();
    assert_eq!(clones, [(5, false, &[7; 64][..]), (5, true, &[&[0; 4][..], &[7; 64]].concat())]);
}

#[test]
fn whom_a_packet_is_for_is_in_its_address() {
    let code = [asm::load32(0, 1, 4), asm::exit()];
    for (section, types) in [("classifier", [0, 1, 2]), ("socket", [0, 1, 2]), ("cgroup_skb/egress", [0; 3])] {
        let machine = Machine::load(Object::new().program(section, "main", &code).build()).unwrap();
        let addresses = [[2; 6], [0xff; 6], [1, 0, 0x5e, 0, 0, 1]];
        let given = addresses
            .map(|address| machine.run_on_packet("main", &[&address[..], &[0; 54]].concat()).unwrap().return_value);
        assert_eq!(given, types, "{section}");
    }
}

#[test]
fn an_interface_takes_packets_up_to_its_mtu() {
    // 64 bytes, of which 50 are behind the Ethernet header.
    let ask = |mtu: Option<u32>| {
        let code = [
            asm::store32(10, -8, 0),
            asm::mov_register(3, 10),
            asm::add(3, -8),
            asm::mov(2, 7),
            asm::mov(4, 0),
            asm::mov(5, 0),
            asm::call(CHECK_MTU),
            // The MTU that it gives, and in the upper bits what it returns.
            Plain(0x67, 0, 0, 0, 20),
            asm::load32(1, 10, -8),
            Plain(0x0f, 0, 1, 0, 0),
            asm::exit(),
        ];
        let machine = Machine::load(Object::new().program("classifier", "main", &code).build()).unwrap();
        if let Some(mtu) = mtu {
            machine.set_mtu(7, mtu);
        }
        machine.run_on_packet("main", &[7; 64]).unwrap().return_value
    };
    assert_eq!([None, Some(50), Some(49)].map(ask), [1500, 50, 1 << 20 | 49]);
}
