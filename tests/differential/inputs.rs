//! What programs are run on: packets and contents of maps, many of their bytes at the edges.

use eshkol_core::check::types::{DataType, Types};

use crate::choices::Random;

/// Bytes that are a value of a type.
pub(crate) fn content(types: &Types, data: &DataType, random: &mut Random) -> Vec<u8> {
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
pub(crate) fn packet(random: &mut Random, round: usize) -> Vec<u8> {
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
