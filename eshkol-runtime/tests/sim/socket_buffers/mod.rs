//! Helpers on packets in socket buffers do in the simulator what they do in the kernel: to the packet, to what is known of it, and in what they give.

mod answers;
mod changes;

use eshkol_runtime::{Array, CgroupSkbProgram, Loaded, Loader, TcProgram};
use eshkol_test_support::Instruction::{self, Plain};
use eshkol_test_support::{Namespace, asm};

use crate::helpers::{Random, Words, given, keep, program};
use crate::unit::{Unit, kind};

// `enum bpf_func_id`.
const CSUM_LEVEL: i32 = 135;

/// `rD = *(u64 *)(ctx + OFFSET)` or of fewer bytes.
fn field(d: u8, offset: i16, bytes: u8) -> Instruction {
    let size = match bytes {
        1 => 0x10,
        4 => 0x00,
        _ => 0x18,
    };
    Plain(0x61 | size, d, 8, offset, 0)
}

/// Calls a helper with the context and words that are given, and keeps what it gives.
fn call(helper: i32, words: &[i16], result: i16) -> Vec<Instruction> {
    let arguments = (2..).zip(words).map(|(register, word)| given(register, *word));
    [asm::mov_register(1, 8)].into_iter().chain(arguments).chain([asm::call(helper), keep(result)]).collect()
}

/// Keeps the fields of the context that helpers change, from a word of the result on: seven words.
fn keep_fields(first: i16) -> Vec<Instruction> {
    // `len`, `pkt_type`, `protocol`, `vlan_present`, `vlan_tci`, `vlan_proto`.
    let fields = (first..).zip([0, 4, 16, 20, 24, 28]).flat_map(|(word, offset)| [field(0, offset, 4), keep(word)]);
    let level = [asm::mov_register(1, 8), asm::mov(2, 0), asm::call(CSUM_LEVEL), keep(first + 6)];
    fields.chain(level).collect()
}

const END: [Instruction; 2] = [asm::mov(0, 0), asm::exit()];

/// Runs a `:tc` program on the same words and packets in the simulator and in the kernel.
fn agree(body: &[Vec<Instruction>], cases: impl IntoIterator<Item = (Words, Vec<u8>)> + Send) {
    if crate::kernel_compares() {
        compare("tc", "classifier", body, cases, |unit| {
            let program = unit.program::<TcProgram>("main").unwrap();
            move |packet| program.test_run(packet).map(|run| (run.return_value, run.data)).unwrap()
        });
    }
}

/// The same of a `:cgroup-skb` program.
fn agree_in_cgroup(body: &[Vec<Instruction>], cases: impl IntoIterator<Item = (Words, Vec<u8>)> + Send) {
    if crate::kernel_compares() {
        compare("cgroup-skb", "cgroup_skb/egress", body, cases, |unit| {
            let program = unit.program::<CgroupSkbProgram>("main").unwrap();
            move |packet| program.test_run(packet).map(|run| (run.return_value, run.data)).unwrap()
        });
    }
}

fn compare<R: Fn(&[u8]) -> (u32, Vec<u8>)>(
    program_type: &'static str,
    section: &'static str,
    body: &[Vec<Instruction>],
    cases: impl IntoIterator<Item = (Words, Vec<u8>)> + Send,
    runner: impl Fn(&Loaded) -> R + Sync,
) {
    let code = program(&[&body.concat()[..], &END].concat());
    let unit = Unit::new().map("given", kind::ARRAY, 4, 128, 1).map("result", kind::ARRAY, 4, 128, 1);
    let spec = unit.program(program_type, section, "main", &code, &[]).spec();
    // What a program sends goes nowhere from there.
    Namespace::new().unwrap().run(|| {
        let units = [Loader::new(spec).test().unwrap(), Loader::new(spec).load().unwrap()];
        // That of the loopback interface.
        units[0].simulator().unwrap().set_mtu(1, 65536);
        let handles = units.each_ref().map(|unit| {
            let maps: [Array<Words>; 2] = [unit.map("given").unwrap(), unit.map("result").unwrap()];
            (maps, runner(unit))
        });
        for (words, packet) in cases {
            let [simulated, real] = handles.each_ref().map(|([given, result], run)| {
                given.set(0, words).unwrap();
                result.set(0, [0xdead; 16]).unwrap();
                let (verdict, packet) = run(&packet);
                (result.get(0).unwrap(), verdict, packet)
            });
            assert_eq!(simulated, real, "given {words:x?}, on {packet:02x?}");
        }
    });
}

/// A packet of at least `shortest` bytes: of IP, with VLAN tags or without, and of other things.
fn packet(random: &mut Random, shortest: usize) -> Vec<u8> {
    // To a group, or to the address that the loopback interface has.
    let mut packet = if random.below(4) == 0 { vec![1, 0, 0x5e, 0, 0, 1] } else { vec![0; 6] };
    packet.extend([2; 6]);
    for _ in 0..[0, 0, 0, 1, 1, 2, 3][random.below(7) as usize] {
        packet.extend(if random.below(2) == 0 { [0x81, 0] } else { [0x88, 0xa8] });
        packet.extend(&random.next().to_ne_bytes()[..2]);
    }
    let service = random.next().to_ne_bytes()[0];
    match random.below(8) {
        0 => packet.extend([0x08, 0x06]),
        // A length, and what may be behind it.
        1 => packet.extend([0x00, 0x2e, 0xff, 0xff]),
        2 => packet.extend([0x05, 0xff, 0xaa, 0xaa]),
        3..6 => packet.extend([0x08, 0x00, 0x45, service]),
        _ => packet.extend([0x86, 0xdd, 0x60 | service >> 4, service << 4]),
    }
    let length = shortest + random.below(200) as usize;
    while packet.len() < length {
        packet.push(random.next().to_ne_bytes()[0]);
    }
    packet
}
