//! Instructions as bytes (RFC 9669, section 3): opcode, two register nibbles, offset, immediate. The order of the nibbles
//! follows the byte order of the target: the destination is the low one on a little-endian machine and the high one on
//! a big-endian machine.

use super::byte_order::Bytes;
use crate::bpf::Instruction;
use crate::compile::Endianness;

/// Bytes of one instruction slot.
pub(super) const SLOT: u32 = 8;

/// `ld_imm64`: takes two slots.
pub(super) const LOAD_IMMEDIATE_64: u8 = 0x18;
/// `call`.
pub(super) const CALL: u8 = 0x85;

/// `BPF_PSEUDO_CALL`: the source register of a call of a function of the object.
pub(super) const PSEUDO_CALL: u8 = 1;

/// Encodes one slot.
pub(super) fn encode(instruction: Instruction, endianness: Endianness, bytes: &mut Bytes) {
    let (destination, source) = (instruction.destination & 0xf, instruction.source & 0xf);
    bytes.u8(instruction.opcode);
    bytes.u8(match endianness {
        Endianness::Little => source << 4 | destination,
        Endianness::Big => destination << 4 | source,
    });
    bytes.u16(instruction.offset.cast_unsigned());
    bytes.u32(instruction.immediate.cast_unsigned());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(endianness: Endianness) -> Vec<u8> {
        let mut bytes = Bytes::new(endianness);
        let instruction = Instruction { opcode: 0x7b, destination: 10, source: 1, offset: -8, immediate: 0x0102_0304 };
        encode(instruction, endianness, &mut bytes);
        bytes.into_vec()
    }

    #[test]
    fn fields_follow_the_byte_order() {
        assert_eq!(bytes(Endianness::Little), [0x7b, 0x1a, 0xf8, 0xff, 4, 3, 2, 1]);
        assert_eq!(bytes(Endianness::Big), [0x7b, 0xa1, 0xff, 0xf8, 1, 2, 3, 4]);
    }
}
