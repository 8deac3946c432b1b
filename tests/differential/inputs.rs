//! What programs are run on: packets and contents of maps, many of their bytes at the edges.

use std::collections::BTreeMap;

use eshkol_core::check::typed::{HiddenMap, Map, Unit};
use eshkol_core::check::types::{DataType, Types};
use eshkol_core::evaluate::{Input, World};
use eshkol_core::kernel::architecture::{Frame, Registers};
use eshkol_core::kernel::{MapKind, ProgramType};

use crate::choices::Random;
use crate::program::{has_packet, machine};

/// Bytes of a map's keys and of its values.
pub(crate) fn sizes(unit: &Unit, map: &Map) -> (usize, usize) {
    let (key, value) = (unit.types.size(&map.key) as usize, unit.types.size(&map.value) as usize);
    (if map.kind == MapKind::LpmTrie { key + 4 } else { key }, value)
}

/// Whether a map holds keys with values that are data.
pub(crate) fn has_elements(map: &Map) -> bool {
    !matches!(map.kind, MapKind::RingBuf | MapKind::PerfEventArray | MapKind::ProgArray)
}

/// Whether a map holds what functions were called with, which programs put there that no text defines.
pub(crate) fn has_arguments(map: &Map) -> bool {
    matches!(map.hidden, Some(HiddenMap::Arguments))
}

/// Puts two elements into each map that has any, of the evaluator's world, and tells of each.
pub(crate) fn fill_maps<E>(
    unit: &Unit,
    random: &mut Random,
    world: &mut World,
    mut tell: impl FnMut(&Map, &[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    for (map, elements) in unit.maps.values().zip(&mut world.maps) {
        if !has_elements(map) || has_arguments(map) {
            continue;
        }
        for index in 0..2_u8 {
            let mut key = vec![0; sizes(unit, map).0];
            key[if map.kind == MapKind::LpmTrie { 7 } else { 0 }] = index;
            if map.kind == MapKind::LpmTrie {
                key[0] = 32;
            }
            let value = match map.kind {
                // Loopback.
                MapKind::DevMap | MapKind::DevMapHash => vec![1, 0, 0, 0],
                _ => content(&unit.types, &map.value, random),
            };
            tell(map, &key, &value)?;
            elements.insert(key, value);
        }
    }
    Ok(())
}

/// Puts programs into the maps that hold them, and tells of each: where the compiler says so, and the second before the first in maps that
/// are user space's business, whose first place stays empty.
pub(crate) fn fill_programs<E>(
    unit: &Unit,
    world: &mut World,
    mut tell: impl FnMut(&Map, u32, &str) -> Result<(), E>,
) -> Result<(), E> {
    let written = unit.programs.iter().filter(|program| program.saves_arguments_of.is_none()).count();
    for (map, elements) in unit.maps.values().zip(&mut world.maps).filter(|(map, _)| map.kind == MapKind::ProgArray) {
        let places: Vec<usize> = match &map.hidden {
            Some(HiddenMap::Programs(programs)) => programs.clone(),
            _ => (0..=written).rev().collect(),
        };
        for (index, number) in (0_u32..).zip(places) {
            let Some(program) = unit.programs.get(number).filter(|_| number < written) else { continue };
            let number = u32::try_from(number).unwrap();
            elements.insert(index.to_le_bytes().to_vec(), number.to_le_bytes().to_vec());
            tell(map, index, &program.entry.name)?;
        }
    }
    Ok(())
}

/// What the kernel calls in a round: one of the unit's programs, with this.
pub(crate) struct Call {
    /// Its place in the unit.
    pub(crate) program: usize,
    pub(crate) input: Input,
}

/// What the kernel calls in a round, at last the first program. Where that runs when a function has returned, what saves the arguments of functions
/// has mostly run when they were called.
pub(crate) fn calls(unit: &Unit, random: &mut Random, round: usize) -> Vec<Call> {
    let program_type = unit.programs[0].program_type;
    let (entered, input) = match (program_type, machine().registers()) {
        (ProgramType::Kretprobe, Some(registers)) => {
            let (entered, returned) = call_of_function(registers, random);
            (Some(entered).filter(|_| random.below(4) > 0), returned)
        }
        _ => (None, input(program_type, random, round)),
    };
    let saving = unit.programs.iter().enumerate().filter(|(_, program)| program.saves_arguments_of.is_some());
    let before = saving.filter_map(|(program, _)| Some(Call { program, input: entered.clone()? }));
    before.chain([Call { program: 0, input }]).collect()
}

/// What the first program is called with in a round: the packet, and what the kernel gives to a program that it runs for a test, loopback and its
/// first queue; or arguments, where there is no packet.
fn input(program_type: ProgramType, random: &mut Random, round: usize) -> Input {
    if !has_packet(program_type) {
        let mut context = words(program_type, random);
        if program_type == ProgramType::CgroupSockAddr {
            // A port has 16 bits.
            *context.entry(USER_PORT).or_default() &= 0xffff;
        }
        return Input { context, ..Input::default() };
    }
    let mut packet = packet(random, round);
    let context = match program_type {
        ProgramType::Xdp => BTreeMap::from([(12, 1), (16, 0)]),
        _ => {
            let protocol = socket_buffer(program_type, &mut packet);
            BTreeMap::from([(PROTOCOL, protocol), (IFINDEX, 1)])
        }
    };
    Input { packet, context, ..Input::default() }
}

/// The registers where a function is entered and where it has returned, in one of a few places on the stack.
fn call_of_function(registers: &Registers, random: &mut Random) -> (Input, Input) {
    let mut image = |frame: u64| {
        let mut context = words(ProgramType::Kretprobe, random);
        if let Some(Frame { register, .. }) = registers.frame {
            context.insert(register, frame);
        }
        Input { context, ..Input::default() }
    };
    let frame = 0xffff_c900_0000_0000 + 64 * image(0).context.values().next().map_or(0, |word| word % 3);
    let returned = registers.frame.as_ref().map_or(0, |frame| frame.returned);
    (image(frame), image(frame + u64::from(returned)))
}

/// Random words, as many as a program can read of its context.
fn words(program_type: ProgramType, random: &mut Random) -> BTreeMap<u32, u64> {
    let word = word_size(program_type);
    let words = (0..context_size(program_type)).step_by(word).map(|offset| {
        let mut bytes = [0; 8];
        fill(&mut bytes[..word], random);
        (offset, u64::from_le_bytes(bytes))
    });
    words.collect()
}

/// Bytes that a program is called with that gets no packet: as many as it can read.
fn context_size(program_type: ProgramType) -> u32 {
    match program_type {
        ProgramType::CgroupSockAddr => SOCK_ADDR,
        ProgramType::PerfEvent => machine().registers().map_or(0, |registers| registers.size) + SAMPLE,
        _ if program_type.is_probe() => machine().registers().map_or(0, |registers| registers.size),
        _ => 12 * 8,
    }
}

/// Bytes of a word there.
fn word_size(program_type: ProgramType) -> usize {
    if program_type == ProgramType::CgroupSockAddr { 4 } else { 8 }
}

// Offsets in `struct __sk_buff`.
const PROTOCOL: u32 = 16;
const IFINDEX: u32 = 40;
/// That in `struct bpf_sock_addr`, and how large what can be read of it is.
const USER_PORT: u32 = 24;
const SOCK_ADDR: u32 = 60;
/// Bytes of `struct bpf_perf_event_data` after the registers.
const SAMPLE: u32 = 16;

/// What a program is called with that gets no packet, as it lies in memory.
pub(crate) fn context_bytes(program_type: ProgramType, context: &BTreeMap<u32, u64>) -> Vec<u8> {
    context.values().flat_map(|word| word.to_le_bytes().into_iter().take(word_size(program_type))).collect()
}

/// Makes a packet one of which it is sure what the kernel takes it for; gives that, as memory has it.
fn socket_buffer(program_type: ProgramType, packet: &mut Vec<u8>) -> u64 {
    const ETHERNET: usize = 14;
    // Lower numbers are lengths.
    packet[12] |= 8;
    let mut protocol = [packet[12], packet[13]];
    match program_type {
        ProgramType::CgroupSkb => {
            packet.drain(..ETHERNET);
            let version = packet[0] >> 4;
            if version != 4 && version != 6 {
                packet[0] = 0x45;
            }
            protocol = if packet[0] >> 4 == 6 { [0x86, 0xdd] } else { [0x08, 0x00] };
        }
        // An IP header would be looked for behind it.
        ProgramType::SocketFilter => packet[0] &= 0x0f,
        _ => {}
    }
    u16::from_le_bytes(protocol).into()
}

/// Bytes that are a value of a type.
fn content(types: &Types, data: &DataType, random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0; types.size(data) as usize];
    match data {
        DataType::Bool => bytes[0] = u8::from(random.below(2) == 1),
        DataType::Enum(_) => {}
        DataType::Struct(id) => {
            for field in &types.structs.at(*id).fields {
                let content = content(types, &field.ty, random);
                bytes[field.offset as usize..field.offset as usize + content.len()].copy_from_slice(&content);
            }
        }
        DataType::Array(element, _) => {
            let size = types.size(element) as usize;
            for chunk in bytes.chunks_mut(size) {
                chunk.copy_from_slice(&content(types, element, random));
            }
        }
        _ => fill(&mut bytes, random),
    }
    bytes
}

/// Random bytes, many of them at the edges.
fn fill(bytes: &mut [u8], random: &mut Random) {
    for byte in bytes {
        *byte = match random.below(5) {
            0 => 0,
            1 => 0xff,
            2 => [1, 2, 0x7f, 0x80][random.below(4)],
            _ => u8::try_from(random.below(256)).unwrap(),
        };
    }
}

/// A packet: noise, or headers that follow each other as they should, with noise in their other fields.
fn packet(random: &mut Random, round: usize) -> Vec<u8> {
    let size = [128, 96, 80, 66][round] + random.below(3);
    let mut packet = vec![0; size];
    fill(&mut packet, random);
    if random.below(3) > 0 {
        // Of IPv6, sometimes with extension headers: hop-by-hop options, a fragment, an authentication header.
        let (kind, protocol, length) = match random.below(7) {
            0 => ([0x08, 0x00], 6, 20),
            1 => ([0x08, 0x00], 17, 24),
            2 => ([0x86, 0xdd], 17, 40),
            3 => ([0x86, 0xdd], 0, 40),
            4 => ([0x86, 0xdd], 44, 40),
            5 => ([0x86, 0xdd], 51, 40),
            _ => ([0x81, 0x00], 6, 20),
        };
        packet[12..14].copy_from_slice(&kind);
        if kind[0] == 0x08 {
            packet[14] = 0x40 + length / 4;
            packet[23] = protocol;
        } else if kind[0] == 0x86 {
            packet[14] = 0x60;
            packet[20] = protocol;
            packet[54] = [0, 17, 60, 44][random.below(4)];
            packet[55] = u8::try_from(random.below(3)).unwrap();
        }
    }
    packet
}
