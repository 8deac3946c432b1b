//! The context: its fields are what the input says until the program writes them.

use super::memory::{bytes_to_number, number_to_bytes};
use super::{Machine, Value};
use crate::check::typed::{Expr, Type};
use crate::kernel::program_type::ContextFieldKind;

/// Bytes of a field of which an address has several.
const PART: usize = 4;

impl Machine<'_> {
    pub(super) fn context_field(&self, context: &Expr, offset: u32, bytes: u32) -> Value {
        let word = match self.is_packet_length(context, offset) {
            true => self.memory.bytes(self.packet).len() as u64,
            false => self.context.get(&offset).copied().unwrap_or(0),
        };
        Value::Word(low(word, bytes))
    }

    /// Whether the field at an offset says how long the packet is.
    fn is_packet_length(&self, context: &Expr, offset: u32) -> bool {
        let Type::Context(program) = &context.ty else { return false };
        let mut fields = program.context().fields.iter();
        fields.any(|field| field.kind == ContextFieldKind::PacketLength && field.offset == offset)
    }

    pub(super) fn context_ipv6(&self, offset: u32) -> Value {
        let mut address = [0; 16];
        for (at, part) in (offset..).step_by(PART).zip(address.chunks_mut(PART)) {
            let word = self.context.get(&at).copied().unwrap_or(0);
            part.copy_from_slice(&number_to_bytes(word, PART, self.big));
        }
        Value::Ipv6(address)
    }

    /// Writes a field; `None` where it is no value of one.
    pub(super) fn set_context(&mut self, offset: u32, bytes: u32, value: &Value) -> Option<()> {
        match value {
            Value::Word(word) => {
                self.context.insert(offset, low(*word, bytes));
            }
            Value::Ipv6(address) => {
                for (at, part) in (offset..).step_by(PART).zip(address.chunks(PART)) {
                    self.context.insert(at, bytes_to_number(part, self.big));
                }
            }
            _ => return None,
        }
        Some(())
    }
}

fn low(word: u64, bytes: u32) -> u64 {
    word & (u64::MAX >> 64_u32.saturating_sub(bytes * 8).min(63))
}
