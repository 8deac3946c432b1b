//! What programs are run on: packets and contents of maps, many of their bytes at the edges.

use std::collections::BTreeMap;

use eshkol_core::check::typed::{Map, Unit};
use eshkol_core::check::types::{DataType, Types};
use eshkol_core::evaluate::{Input, World};
use eshkol_core::kernel::MapKind;

use crate::choices::Random;

/// Bytes of a map's keys and of its values.
pub(crate) fn sizes(unit: &Unit, map: &Map) -> (usize, usize) {
    let (key, value) = (unit.types.size(&map.key) as usize, unit.types.size(&map.value) as usize);
    (if map.kind == MapKind::LpmTrie { key + 4 } else { key }, value)
}

/// Whether a map holds keys with values.
pub(crate) fn has_elements(map: &Map) -> bool {
    map.kind != MapKind::RingBuf
}

/// Puts two elements into each map that has any, of the evaluator's world, and tells of each.
pub(crate) fn fill_maps<E>(
    unit: &Unit,
    random: &mut Random,
    world: &mut World,
    mut tell: impl FnMut(&Map, &[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    for (map, elements) in unit.maps.values().zip(&mut world.maps) {
        if !has_elements(map) {
            continue;
        }
        for index in 0..2_u8 {
            let mut key = vec![0; sizes(unit, map).0];
            key[if map.kind == MapKind::LpmTrie { 7 } else { 0 }] = index;
            if map.kind == MapKind::LpmTrie {
                key[0] = 32;
            }
            let value = content(&unit.types, &map.value, random);
            tell(map, &key, &value)?;
            elements.insert(key, value);
        }
    }
    Ok(())
}

/// What a round gives the evaluator: the packet, and what the kernel gives to a program that it runs for a test, loopback and its
/// first queue.
pub(crate) fn input(random: &mut Random, round: usize) -> Input {
    Input { packet: packet(random, round), context: BTreeMap::from([(12, 1), (16, 0)]), ..Input::default() }
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
