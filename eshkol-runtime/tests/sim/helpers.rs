//! Helpers give in the simulator what they give in the kernel, for whatever they are given.

use eshkol_runtime::{Array, Loader, XdpProgram};
use eshkol_test_support::Instruction::{self, Plain};
use eshkol_test_support::asm;

use crate::unit::{Unit, kind};

/// What a program is given, and what it leaves.
pub(crate) type Words = [u64; 16];

/// Numbers as they come (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// Between the two, both of which may come.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> u64 {
        let span = high.abs_diff(low) + 1;
        low.wrapping_add_unsigned(self.below(span)).cast_unsigned()
    }
}

/// `rD = *(u64 *)(rS + OFFSET)` of the words given, which R6 points to.
pub(crate) fn given(d: u8, word: i16) -> Instruction {
    asm::load64(d, 6, word * 8)
}

/// Keeps R0 as a word of the result, which R7 points to.
pub(crate) fn keep(word: i16) -> Instruction {
    Plain(0x7b, 7, 0, word * 8, 0)
}

/// A program with the context in R8, what is given at R6, and the place for what it leaves at R7.
pub(crate) fn program(body: &[Instruction]) -> Vec<Instruction> {
    let find = |map, into| {
        [
            asm::store32(10, -4, 0),
            asm::mov_register(2, 10),
            asm::add(2, -4),
            asm::address(1, map),
            asm::call(1),
            asm::jump_if_equal(0, 0, 2),
            asm::mov_register(into, 0),
            asm::jump(2),
            asm::mov(0, 0),
            asm::exit(),
        ]
    };
    let mut code = vec![asm::mov_register(8, 1)];
    code.extend(find("given", 6));
    code.extend(find("result", 7));
    code.extend(body);
    code
}

const PASS: [Instruction; 2] = [asm::mov(0, 2), asm::exit()];

/// Runs a program on the same words and packets in the simulator and in the kernel.
fn agree(body: &[&[Instruction]], rounds: u64, mut words: impl FnMut(&mut Random) -> Words) {
    if !crate::kernel_compares() {
        return;
    }
    let unit = Unit::new()
        .map("given", kind::ARRAY, 4, 128, 1)
        .map("result", kind::ARRAY, 4, 128, 1)
        .map("hash", kind::HASH, 4, 8, 3)
        .map("out", kind::DEVMAP, 4, 4, 4);
    let spec = unit.xdp("main", &program(&body.concat())).spec();
    let mut random = Random(rounds);
    let units = [Loader::new(spec).test().unwrap(), Loader::new(spec).load().unwrap()];
    // That of the loopback interface.
    units[0].simulator().unwrap().set_mtu(1, 65536);
    let handles = units.each_ref().map(|unit| {
        let out: eshkol_runtime::DevMap = unit.map("out").unwrap();
        out.set(1, 1).unwrap();
        let maps: [Array<Words>; 2] = [unit.map("given").unwrap(), unit.map("result").unwrap()];
        (maps, unit.program::<XdpProgram>("main").unwrap())
    });
    for round in 0..rounds {
        let words = words(&mut random);
        let packet: Vec<u8> = (0..14 + random.below(200)).map(|at| at.to_le_bytes()[0]).collect();
        let [simulated, real] = handles.each_ref().map(|([given, result], program)| {
            given.set(0, words).unwrap();
            result.set(0, [0xdead; 16]).unwrap();
            let run = program.test_run(&packet).unwrap();
            (run.return_value, run.data, result.get(0).unwrap())
        });
        assert_eq!(simulated, real, "round {round}, given {words:x?}, on {} bytes", packet.len());
    }
}

#[test]
fn ends_of_the_packet_move_as_far() {
    // Each in turn, and then a byte is written where the packet begins.
    let adjust = |helper, word| [asm::mov_register(1, 8), given(2, word), asm::call(helper), keep(word)];
    let write = [
        asm::load32(1, 8, 0),
        asm::load32(2, 8, 4),
        asm::mov_register(3, 1),
        asm::add(3, 1),
        asm::jump_if_greater(3, 2, 1),
        asm::store8(1, 0, 0x55),
    ];
    let body = [&adjust(54, 0)[..], &adjust(44, 1), &adjust(65, 2), &adjust(54, 3), &adjust(44, 4), &write, &PASS];
    agree(&body, 3000, |random| {
        let mut words = [0; 16];
        for word in &mut words {
            *word = match random.below(4) {
                0 => random.between(-300, 300),
                1 => random.between(-20, 20).wrapping_mul(4),
                2 => random.between(-20, 20),
                _ => [0, 217, -216, -217, 3520, -32, -256, -252].map(i64::cast_unsigned)[random.below(8) as usize],
            };
        }
        words
    });
}

#[test]
fn checksums_change_alike() {
    let body = [
        asm::mov_register(1, 6),
        asm::add(1, 64),
        given(2, 0),
        Plain(0x57, 2, 0, 0, 0x1f),
        asm::mov_register(3, 6),
        asm::add(3, 96),
        given(4, 1),
        Plain(0x57, 4, 0, 0, 0x1f),
        given(5, 2),
        asm::call(28),
        keep(0),
    ];
    agree(&[&body, &PASS], 2000, |random| {
        let mut words = [0; 16].map(|_: u64| random.next());
        // Often one of the two alone, and often the same or nothing but zeros.
        for size in &mut words[..2] {
            *size = if random.below(4) == 0 { 0 } else { *size };
        }
        match random.below(4) {
            0 => words.copy_within(8..12, 12),
            1 => words[2..].fill(0),
            _ => {}
        }
        words
    });
}

#[test]
fn text_is_read_as_the_same_numbers() {
    let parse = |helper, word| {
        [
            asm::mov_register(1, 6),
            asm::add(1, 64),
            asm::mov(2, 24),
            given(3, 0),
            asm::mov_register(4, 10),
            asm::add(4, -16),
            asm::call(helper),
            keep(word),
            // What it leaves in memory where it fails is its own business.
            Plain(0xc5, 0, 0, 2, 0),
            asm::load64(0, 10, -16),
            keep(word + 1),
        ]
    };
    let zero = [asm::mov(0, 0), Plain(0x7b, 10, 0, -16, 0)];
    agree(&[&zero, &parse(105, 0), &zero, &parse(106, 2), &PASS], 3000, |random| {
        let texts: [&[u8]; 10] = [
            b"0x",
            b"-",
            b"18446744073709551615",
            b"9223372036854775807",
            b"-9223372036854775808",
            b"0",
            b" \t",
            b"+",
            b"abc",
            b"077",
        ];
        let mut text = Vec::new();
        while text.len() < 24 {
            match random.below(3) {
                0 => text.extend(texts[random.below(10) as usize]),
                1 => text.push(b"0123456789abcdefxX- \n\0"[random.below(22) as usize]),
                _ => text.push(b'0' + random.below(10).to_le_bytes()[0]),
            }
            if random.below(6) == 0 {
                text.push(0);
            }
        }
        let mut words = [0; 16];
        words[0] = [0, 8, 10, 16, 2, 11][random.below(6) as usize];
        for (word, bytes) in words[8..11].iter_mut().zip(text.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().unwrap());
        }
        words
    });
}

#[test]
fn packets_are_read_and_written_at_offsets() {
    let body = [
        asm::mov_register(1, 8),
        given(2, 0),
        asm::mov_register(3, 7),
        asm::add(3, 64),
        asm::mov(4, 8),
        asm::call(189),
        keep(0),
        asm::mov_register(1, 8),
        given(2, 1),
        asm::mov_register(3, 6),
        asm::mov(4, 5),
        asm::call(190),
        keep(1),
        asm::mov_register(1, 8),
        asm::call(188),
        keep(2),
    ];
    agree(&[&body, &PASS], 1000, |random| {
        let mut words = [0; 16];
        for word in &mut words {
            *word = match random.below(8) {
                0 => random.next(),
                1 => 0xffff,
                _ => random.below(230),
            };
        }
        words
    });
}

#[test]
fn redirections_are_decided_alike() {
    let by_map = [asm::address(1, "out"), given(2, 0), given(3, 1), asm::call(51), keep(0)];
    let by_index = [asm::mov(1, 1), given(2, 2), asm::call(23), keep(1)];
    let last = [given(3, 1), asm::address(1, "out"), given(2, 0), asm::call(51), asm::exit()];
    agree(&[&by_map, &by_index, &last], 500, |random| {
        let mut words = [0; 16];
        words[0] = random.below(6);
        words[1] = [0, 1, 2, 3, 4, 8, 9, 16, 32][random.below(9) as usize];
        words[2] = random.below(3);
        words
    });
}

#[test]
fn packets_fit_interfaces_alike() {
    let body = [
        given(3, 1),
        Plain(0x63, 10, 3, -8, 0),
        asm::mov_register(1, 8),
        given(2, 0),
        asm::mov_register(3, 10),
        asm::add(3, -8),
        given(4, 2),
        given(5, 3),
        asm::call(163),
        keep(0),
        asm::load32(0, 10, -8),
        keep(1),
    ];
    agree(&[&body, &PASS], 1000, |random| {
        let mut any = |values: &[u64]| values[random.below(values.len() as u64) as usize];
        let mut words = [0; 16];
        words[0] = any(&[0, 1, 1, 1 << 31, u64::MAX, 1 << 32]);
        words[1] = any(&[0, 0, 1, 65536, 65537, u64::MAX, 0x7fff_fff2, 0x7fff_fff1]);
        words[2] = any(&[0, 0, 1, u64::MAX, 65536, 65500, 65450, 0x7fff_ffff, 1 << 31]);
        words[3] = any(&[0, 0, 0, 0, 1, 2, 1 << 32]);
        words
    });
}

#[test]
fn maps_change_alike_under_a_program() {
    let key = |word| {
        [given(1, word), Plain(0x63, 10, 1, -8, 0), asm::mov_register(2, 10), asm::add(2, -8), asm::address(1, "hash")]
    };
    let update =
        |word: i16| [&key(word)[..], &[asm::mov_register(3, 6), given(4, word + 1), asm::call(2), keep(word)]].concat();
    let look_up = |word: i16| {
        let read = [asm::call(1), asm::jump_if_equal(0, 0, 1), asm::load64(0, 0, 0), keep(word)];
        [&key(word)[..], &read].concat()
    };
    let delete = |word: i16| [&key(word)[..], &[asm::call(3), keep(word)]].concat();
    let body = [update(0), look_up(2), update(4), delete(6), look_up(8), update(10), look_up(12)].concat();
    agree(&[&body, &PASS], 2000, |random| {
        let mut words = [0; 16].map(|_: u64| random.below(5));
        for flags in [1, 5, 11] {
            words[flags] = [0, 0, 0, 1, 2, 3, 4][random.below(6) as usize];
        }
        words
    });
}
