//! Direct packet access, in the form that the kernel's verifier understands: the end of what is wanted is compared with
//! the end of the packet, and where it is not above, the bytes are proven.

use super::arithmetic::ones;
use super::function::FunctionLowering;
use crate::check::typed::{Expr, Type};
use crate::ir::{ArithmeticOp, Block, Condition, MemorySize, Value, ValueType};
use crate::kernel::ProgramType;
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

/// Where the context has the packet's limits: offsets of two pointers, of that many bytes as the kernel shows them.
struct PacketFields {
    start: i32,
    end: i32,
    size: MemorySize,
}

fn packet_fields(program_type: ProgramType) -> PacketFields {
    match program_type {
        // `struct xdp_md`
        ProgramType::Xdp => PacketFields { start: 0, end: 4, size: MemorySize::B4 },
    }
}

fn fields_of(context: &Expr) -> PacketFields {
    match &context.ty {
        Type::Context(program_type) => packet_fields(*program_type),
        _ => packet_fields(ProgramType::Xdp),
    }
}

impl FunctionLowering<'_> {
    pub(super) fn packet_start(&mut self, context: &Expr, span: Span) -> Value {
        let fields = fields_of(context);
        let base = self.word(context);
        self.builder.load_as(ValueType::Packet, fields.size, base, fields.start, span)
    }

    fn packet_end(&mut self, context: &Expr, span: Span) -> Value {
        let fields = fields_of(context);
        let base = self.word(context);
        self.builder.load_as(ValueType::PacketEnd, fields.size, base, fields.end, span)
    }

    pub(super) fn packet_length(&mut self, context: &Expr, span: Span) -> Value {
        let end = self.packet_end(context, span);
        let start = self.packet_start(context, span);
        self.builder.binary(ArithmeticOp::Sub, end, start, span)
    }

    /// What has to be known to say whether a header is there.
    pub(super) fn parse(&mut self, context: &Expr, cursor: &Expr, size: u32, span: Span) -> Parsed {
        let pointer = self.word(cursor);
        let past = self.arithmetic_constant(ArithmeticOp::Add, pointer, u64::from(size), span);
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
        if self.number(distance).is_none()
            && self.upper_bound(distance) > maximum.max(ones(16))
            && maximum.wrapping_add(1).is_power_of_two()
        {
            distance = self.arithmetic_constant(ArithmeticOp::And, distance, maximum, span);
        }
        self.arithmetic(ArithmeticOp::Add, pointer, distance, span)
    }
}
