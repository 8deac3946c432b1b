//! Direct packet access, in the form that the kernel's verifier understands: the end of what is wanted is compared with
//! the end of the packet, and where it is not above, the bytes are proven.

use super::function::FunctionLowering;
use super::memory::access_size;
use crate::check::typed::{Expr, Type};
use crate::ir::{ArithmeticOp, Block, Condition, Value, ValueType};
use crate::kernel::program_type::ContextFieldKind;
use crate::source::Span;

/// A header that is there unless its end is above the end of the packet.
#[derive(Copy, Clone, Debug)]
pub(super) struct Parsed {
    /// Where it begins.
    pub(super) pointer: Value,
    /// Where it would end.
    past: Value,
    /// Where the packet ends.
    end: Value,
}

impl FunctionLowering<'_> {
    pub(super) fn packet_start(&mut self, context: &Expr, span: Span) -> Value {
        self.packet_limit(context, ContextFieldKind::PacketStart, ValueType::Packet, span)
    }

    fn packet_end(&mut self, context: &Expr, span: Span) -> Value {
        self.packet_limit(context, ContextFieldKind::PacketEnd, ValueType::PacketEnd, span)
    }

    /// Reads a pointer that the context has. The kernel shows it in the bytes of a field, which may be fewer than eight.
    fn packet_limit(&mut self, context: &Expr, kind: ContextFieldKind, ty: ValueType, span: Span) -> Value {
        let base = self.word(context);
        let field = match &context.ty {
            Type::Context(program) => program.context().fields.iter().find(|field| field.kind == kind),
            _ => None,
        };
        match field {
            Some(field) => {
                let offset = i32::try_from(field.offset).unwrap_or(0);
                self.builder.load_as(ty, access_size(field.bytes, 8), base, offset, span)
            }
            None => self.builder.null(ty, span),
        }
    }

    pub(super) fn packet_length(&mut self, context: &Expr, span: Span) -> Value {
        let end = self.packet_end(context, span);
        let start = self.packet_start(context, span);
        self.builder.binary(ArithmeticOp::Sub, end, start, span)
    }

    /// What has to be known to say whether a header is there.
    pub(super) fn parse(&mut self, context: &Expr, cursor: &Expr, size: u32, span: Span) -> Parsed {
        let pointer = self.word(cursor);
        let past = self.further(pointer, u64::from(size), span);
        let end = self.packet_end(context, span);
        Parsed { pointer, past, end }
    }

    /// Goes to `then` where a header is there.
    pub(super) fn test_parsed(&mut self, parsed: Parsed, then: Block, otherwise: Block, span: Span) {
        self.branch(Condition::Above, parsed.past, parsed.end, otherwise, then, span);
    }

    /// A header as an optional.
    pub(super) fn parsed_or_null(&mut self, parsed: Parsed, span: Span) -> Value {
        let (there, missing, join) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let result = self.builder.append_param(join, ValueType::Packet);
        self.test_parsed(parsed, there, missing, span);
        if self.enter_sealed(there) {
            self.jump(join, &[parsed.pointer], span);
        }
        if self.enter_sealed(missing) {
            let null = self.builder.null(ValueType::Packet, span);
            self.jump(join, &[null], span);
        }
        self.enter_sealed(join);
        result
    }

    /// A place further on in the packet. The verifier wants to see that the distance is bounded; where the instructions
    /// don't show it and a mask does no harm, there is a mask.
    pub(super) fn advance(&mut self, from: &Expr, bytes: &Expr, maximum: u32, span: Span) -> Value {
        let pointer = self.word(from);
        let mut distance = self.word(bytes);
        let maximum = u64::from(maximum);
        if let Some(bytes) = self.number(distance) {
            return self.further(pointer, bytes, span);
        }
        if self.upper_bound(distance) > maximum && maximum.wrapping_add(1).is_power_of_two() {
            distance = self.arithmetic_constant(ArithmeticOp::And, distance, maximum, span);
        }
        // Constants come last, where they become part of offsets.
        let (root, bytes) = self.builder.function().address(pointer, 0);
        let sum = self.arithmetic(ArithmeticOp::Add, root, distance, span);
        self.further(sum, bytes.cast_unsigned(), span)
    }
}
