//! Access to the packet.
//!
//! Where programs have pointers into it, in the form that the kernel's verifier understands: the end of what is wanted is compared
//! with the end of the packet, and where it is not above, the bytes are proven.
//!
//! Where they have none, a header is copied to the stack by `bpf_skb_load_bytes`, which says whether the packet holds so much. A place
//! in the packet is then its distance from the start, and a header two words: where the copy is, and that distance.

use super::function::{FunctionLowering, Words};
use super::memory::access_size;
use crate::check::typed::{Expr, Function, Type};
use crate::ir::{ArithmeticOp, Block, Condition, Value, ValueType};
use crate::kernel::helper::SKB_LOAD_BYTES;
use crate::kernel::program_type::{ContextFieldKind, PacketAccess};
use crate::source::Span;

/// Copies of headers begin at a multiple of this.
pub(super) const COPIED_HEADER_ALIGN: u32 = 8;

/// What is known of a header before it is asked whether it is there.
#[derive(Copy, Clone, Debug)]
pub(super) enum Parsed {
    /// It is in the packet unless it would end after the packet does.
    InPlace { pointer: Value, past: Value, packet_end: Value },
    /// It is a copy of what is so far from the packet's start, unless copying gave an error.
    Copied { copy: Value, distance: Value, error: Value },
}

impl Parsed {
    /// A reference to it.
    pub(super) fn words(self) -> Words {
        match self {
            Self::InPlace { pointer, .. } => vec![pointer],
            Self::Copied { copy, distance, .. } => vec![copy, distance],
        }
    }
}

/// Whether a function is given a packet that it has no pointers into.
pub(super) fn copies_headers(function: &Function) -> bool {
    function.parameters.iter().any(|parameter| {
        let ty = function.locals.get(*parameter).map(|local| &local.ty);
        matches!(ty, Some(Type::Context(program)) if program.facts().packet == PacketAccess::Copied)
    })
}

impl FunctionLowering<'_> {
    pub(super) fn packet_start(&mut self, context: &Expr, span: Span) -> Value {
        if self.copies_headers {
            return self.constant(0, span);
        }
        self.packet_limit(context, ContextFieldKind::PacketStart, ValueType::Packet, span)
    }

    fn packet_end(&mut self, context: &Expr, span: Span) -> Value {
        self.packet_limit(context, ContextFieldKind::PacketEnd, ValueType::PacketEnd, span)
    }

    /// The types of the words of a header.
    pub(super) fn header_types(&self) -> Vec<ValueType> {
        if self.copies_headers { vec![ValueType::Stack, ValueType::Int] } else { vec![ValueType::Packet] }
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

    pub(super) fn packet_distance(&mut self, context: &Expr, cursor: &Expr, span: Span) -> Value {
        let place = self.word(cursor);
        let start = self.packet_start(context, span);
        self.builder.binary(ArithmeticOp::Sub, place, start, span)
    }

    /// What has to be known to say whether a header is there.
    pub(super) fn parse(&mut self, context: &Expr, cursor: &Expr, size: u32, span: Span) -> Parsed {
        let place = self.word(cursor);
        if self.copies_headers {
            return self.copy_header(context, place, size, span);
        }
        let past = self.further(place, u64::from(size), span);
        let packet_end = self.packet_end(context, span);
        Parsed::InPlace { pointer: place, past, packet_end }
    }

    fn copy_header(&mut self, context: &Expr, distance: Value, size: u32, span: Span) -> Parsed {
        let context = self.word(context);
        let slot = self.allocation(size.next_multiple_of(COPIED_HEADER_ALIGN));
        let copy = self.builder.slot_address(slot, span);
        let bytes = self.constant(u64::from(size), span);
        let arguments = vec![context, distance, copy, bytes];
        let error = self.builder.call_helper(SKB_LOAD_BYTES, arguments, ValueType::Int, span);
        Parsed::Copied { copy, distance, error }
    }

    /// Goes to `then` where a header is there.
    pub(super) fn test_parsed(&mut self, parsed: Parsed, then: Block, otherwise: Block, span: Span) {
        match parsed {
            Parsed::InPlace { past, packet_end, .. } => {
                self.branch(Condition::Above, past, packet_end, otherwise, then, span);
            }
            Parsed::Copied { error, .. } => {
                let zero = self.constant(0, span);
                self.branch(Condition::NotEqual, error, zero, otherwise, then, span);
            }
        }
    }

    /// A header as an optional.
    pub(super) fn parsed_or_null(&mut self, parsed: Parsed, span: Span) -> Words {
        let (there, missing, join) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let types = self.header_types();
        let result = types.iter().map(|ty| self.builder.append_param(join, *ty)).collect();
        self.test_parsed(parsed, there, missing, span);
        if self.enter_sealed(there) {
            self.jump(join, &parsed.words(), span);
        }
        if self.enter_sealed(missing) {
            let nulls: Words = types.iter().map(|ty| self.builder.null(*ty, span)).collect();
            self.jump(join, &nulls, span);
        }
        self.enter_sealed(join);
        result
    }

    /// A place further on in the packet. The verifier wants to see that the distance is bounded; where the instructions
    /// don't show it and a mask does no harm, there is a mask.
    pub(super) fn advance(&mut self, from: &Expr, bytes: &Expr, maximum: u32, span: Span) -> Value {
        // Of a copied header, the distance from the start is the last word; all else has one.
        let pointer = match self.words(from).last() {
            Some(word) => *word,
            None => self.constant(0, span),
        };
        let mut distance = self.word(bytes);
        if self.copies_headers {
            // A sum wraps nowhere that a packet reaches: the helper asks for no bound.
            return self.arithmetic(ArithmeticOp::Add, pointer, distance, span);
        }
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
