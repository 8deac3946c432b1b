//! Expressions whose value is wanted where they stand.

use super::function::{Destination, FunctionLowering, Words};
use super::memory::{access_size, native_number};
use crate::check::typed::{AtomicOp, Expr, ExprKind, GlobalId, Place, Type};
use crate::check::types::{DataType, IntType, Storage};
use crate::compile::Endianness;
use crate::ir::{ArithmeticOp, GlobalSection, MemorySize, UnaryOp, Value, ValueType};
use crate::source::Span;

impl FunctionLowering<'_> {
    /// The value of an expression that is one word.
    pub(super) fn word(&mut self, expression: &Expr) -> Value {
        match self.words(expression).first() {
            Some(word) => *word,
            None => self.constant(0, expression.span),
        }
    }

    /// The value of an IPv6 address.
    pub(super) fn two_words(&mut self, expression: &Expr) -> (Value, Value) {
        match self.words(expression).as_slice() {
            [first, second, ..] => (*first, *second),
            _ => {
                let zero = self.constant(0, expression.span);
                (zero, zero)
            }
        }
    }

    /// The value of an expression.
    pub(super) fn words(&mut self, expression: &Expr) -> Words {
        let expression = self.prefix(expression);
        let span = expression.span;
        match &expression.kind {
            // `prefix` has taken these, but for a `Seq` of nothing.
            ExprKind::Unit | ExprKind::Let { .. } | ExprKind::LetValues { .. } | ExprKind::Seq(_) => Words::new(),
            ExprKind::Constant(number) => vec![self.constant(*number, span)],
            ExprKind::Ipv6Constant(bytes) => {
                let (first, second) = bytes.split_at(8);
                [first, second].map(|half| self.constant(native_number(half, self.endianness), span)).to_vec()
            }
            ExprKind::MacConstant(bytes) => vec![self.constant(native_number(bytes, self.endianness), span)],
            ExprKind::Local(local) => self.read_local(*local, span),
            ExprKind::Values(parts) => {
                let parts: Vec<Words> = parts.iter().map(|part| self.words(part)).collect();
                parts.into_iter().flatten().collect()
            }
            ExprKind::Set { local, value } => {
                let words = self.words(value);
                self.set_local(*local, words);
                Words::new()
            }
            ExprKind::If { .. } | ExprKind::Loop { .. } => self.joined(expression),
            ExprKind::Continue { id, arguments } => {
                self.next_round(*id, arguments, span);
                Words::new()
            }

            ExprKind::Arithmetic { op, lhs, rhs } => {
                let (lhs, rhs) = (self.word(lhs), self.word(rhs));
                vec![self.arithmetic(*op, lhs, rhs, span)]
            }
            ExprKind::Cast(value) => {
                let word = self.word(value);
                vec![match &expression.ty {
                    Type::Scalar(data) => self.extended_to(word, data, span),
                    _ => word,
                }]
            }
            ExprKind::ByteSwap { bytes, value } => {
                let word = self.word(value);
                vec![self.byte_swapped(word, *bytes, span)]
            }
            ExprKind::NetworkOrder { bytes, value } => {
                let word = self.word(value);
                vec![self.network_order(
                    word,
                    Storage { bytes: *bytes, big_endian: true, signed: false, bits: None },
                    span,
                )]
            }
            ExprKind::Hidden(value) => {
                let word = self.word(value);
                let zero = match self.hidden_zero {
                    Some(zero) => zero,
                    None => {
                        let slot = self.hidden_zero_slot();
                        self.builder.hidden_zero(slot, span)
                    }
                };
                vec![self.builder.hide(word, zero, span)]
            }
            ExprKind::Apart(value) => {
                let word = self.word(value);
                vec![self.unary(UnaryOp::Apart, word, span)]
            }
            ExprKind::BitCount(value) => {
                let word = self.word(value);
                let is_32_bit = self.upper_bound(word) <= u64::from(u32::MAX) || fits_32_bits(&value.ty);
                vec![self.bit_count(word, is_32_bit, span)]
            }
            ExprKind::Not(value) if is_word(value) => {
                let word = self.word(value);
                vec![self.arithmetic_constant(ArithmeticOp::Xor, word, 1, span)]
            }
            ExprKind::Compare { .. } | ExprKind::Not(_) | ExprKind::IsPresent(_) => vec![self.boolean(expression)],

            ExprKind::Present(optional) => self.present(optional),
            ExprKind::Some(reference) => self.words(reference),
            ExprKind::Absent => {
                let types = self.word_types(&expression.ty);
                types.into_iter().map(|ty| self.builder.null(ty, span)).collect()
            }

            ExprKind::Load { place, storage } => {
                let address = self.place(place, span);
                match self.word_types(&expression.ty).as_slice() {
                    [ty] if *ty != ValueType::Int => {
                        vec![self.builder.load_as(
                            *ty,
                            MemorySize::B8,
                            address.base,
                            address.instruction_offset(),
                            span,
                        )]
                    }
                    _ => self.load(address, *storage, span),
                }
            }
            ExprKind::Store { place, storage, value } => {
                let address = self.place(place, span);
                let words = self.words(value);
                self.store(address, *storage, &words, span);
                Words::new()
            }
            ExprKind::Copy { to, from, bytes } => {
                let (to, from) = (self.place(to, span), self.place(from, span));
                self.copy(to, from, *bytes, span);
                Words::new()
            }
            ExprKind::Address(place) => {
                let address = self.place(place, span);
                vec![self.pointer(address, span)]
            }
            ExprKind::Allocate { data, parts } => vec![self.allocate(data, parts, span)],
            ExprKind::Atomic { op, place, storage, value, fetch } => {
                self.atomic(*op, place, *storage, value, *fetch, span)
            }
            ExprKind::CompareExchange { place, storage, expected, value } => {
                let address = self.place(place, span);
                let (expected, value) = (self.word(expected), self.word(value));
                let expected = self.network_order(expected, *storage, span);
                let value = self.network_order(value, *storage, span);
                let size = access_size(storage.bytes, 8);
                let offset = address.instruction_offset();
                let old = self.builder.compare_exchange(size, address.base, offset, expected, value, span);
                vec![self.fetched(old, *storage, span)]
            }
            ExprKind::Global(global) => vec![self.global(*global, span)],

            ExprKind::ContextLoad { context, offset, .. } if expression.ty == Type::Ipv6 => {
                self.context_ipv6(context, *offset, span)
            }
            ExprKind::ContextStore { context, offset, value, .. } if value.ty == Type::Ipv6 => {
                self.set_context_ipv6(context, *offset, value, span);
                Words::new()
            }
            ExprKind::ContextLoad { context, offset, bytes } => {
                vec![self.context_load(context, *offset, *bytes, &expression.ty, span)]
            }
            ExprKind::ContextStore { context, offset, bytes, value } => {
                let (base, value) = (self.word(context), self.word(value));
                let offset = i32::try_from(*offset).unwrap_or(0);
                self.builder.store(access_size(*bytes, 8), base, offset, value, span);
                Words::new()
            }
            ExprKind::PacketStart(context) => vec![self.packet_start(context, span)],
            ExprKind::PacketLength(context) => vec![self.packet_length(context, span)],
            ExprKind::PacketDistance { context, cursor } => vec![self.packet_distance(context, cursor, span)],
            ExprKind::Parse { context, cursor, size } => {
                let parsed = self.parse(context, cursor, *size, span);
                self.parsed_or_null(parsed, span)
            }
            ExprKind::Advance { from, bytes, maximum } => vec![self.advance(from, bytes, *maximum, span)],

            ExprKind::Helper { helper, arguments } => self.helper(*helper, arguments, &expression.ty, span),
            ExprKind::Kernel(op) => self.kernel(op, &expression.ty, span),
            ExprKind::Call { function, arguments } => self.call(*function, arguments, &expression.ty, span),
        }
    }

    /// The value of a choice or a loop: what comes to the block where its ways meet.
    fn joined(&mut self, expression: &Expr) -> Words {
        let join = self.builder.create_block();
        let types = self.word_types(&expression.ty);
        let params = types.into_iter().map(|ty| self.builder.append_param(join, ty)).collect();
        self.deliver(expression, Destination::Join(join));
        self.enter_sealed(join);
        params
    }

    /// A test as 0 or 1.
    fn boolean(&mut self, test: &Expr) -> Value {
        let (then, otherwise, join) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let result = self.builder.append_param(join, ValueType::Int);
        self.test(test, then, otherwise);
        for (block, number) in [(then, 1), (otherwise, 0)] {
            if self.enter_sealed(block) {
                let number = self.constant(number, test.span);
                self.jump(join, &[number], test.span);
            }
        }
        self.enter_sealed(join);
        result
    }

    /// An optional that is there, as a reference.
    fn present(&mut self, optional: &Expr) -> Words {
        let optional = self.prefix(optional);
        match &optional.kind {
            ExprKind::Local(local) => match self.parsed_local(*local) {
                Some(parsed) => parsed.words(),
                None => self.words(optional),
            },
            ExprKind::Parse { context, cursor, size } => self.parse(context, cursor, *size, optional.span).words(),
            _ => self.words(optional),
        }
    }

    fn atomic(
        &mut self,
        op: AtomicOp,
        place: &Place,
        storage: Storage,
        value: &Expr,
        fetch: bool,
        span: Span,
    ) -> Words {
        let address = self.place(place, span);
        let value = self.word(value);
        let value = self.network_order(value, storage, span);
        let size = access_size(storage.bytes, 8);
        let offset = address.instruction_offset();
        if fetch {
            let old = self.builder.atomic_fetch(op, size, address.base, offset, value, span);
            vec![self.fetched(old, storage, span)]
        } else {
            self.builder.atomic(op, size, address.base, offset, value, span);
            Words::new()
        }
    }

    /// What memory held, from the zero-extended word that an atomic instruction gives.
    fn fetched(&mut self, old: Value, storage: Storage, span: Span) -> Value {
        let old = self.network_order(old, storage, span);
        if storage.signed && storage.bytes < 8 {
            self.extended(old, IntType { bits: 32, signed: true }, span)
        } else {
            old
        }
    }

    fn global(&mut self, global: GlobalId, span: Span) -> Value {
        let (section, offset) = self.globals.places.get(global).copied().unwrap_or((GlobalSection::Data(global), 0));
        self.builder.global_address(section, offset, span)
    }

    /// Reads an IPv6 address of the context, of which the kernel gives four bytes at a time wherever it lies.
    fn context_ipv6(&mut self, context: &Expr, offset: u32, span: Span) -> Words {
        let base = self.word(context);
        let half = |lowering: &mut Self, at: u32| {
            let [first, second] = [at, at.saturating_add(4)].map(|at| {
                let at = i32::try_from(at).unwrap_or(0);
                lowering.builder.load(MemorySize::B4, base, at, span)
            });
            let (low, high) = match lowering.endianness {
                Endianness::Little => (first, second),
                Endianness::Big => (second, first),
            };
            let high = lowering.arithmetic_constant(ArithmeticOp::Shl, high, 32, span);
            lowering.arithmetic(ArithmeticOp::Or, high, low, span)
        };
        vec![half(self, offset), half(self, offset.saturating_add(8))]
    }

    /// Writes one, in the same way.
    fn set_context_ipv6(&mut self, context: &Expr, offset: u32, value: &Expr, span: Span) {
        let base = self.word(context);
        let (first, second) = self.two_words(value);
        for (at, half) in [(offset, first), (offset.saturating_add(8), second)] {
            let upper = self.arithmetic_constant(ArithmeticOp::LShr, half, 32, span);
            let (before, after) = match self.endianness {
                Endianness::Little => (half, upper),
                Endianness::Big => (upper, half),
            };
            for (at, part) in [(at, before), (at.saturating_add(4), after)] {
                self.builder.store(MemorySize::B4, base, i32::try_from(at).unwrap_or(0), part, span);
            }
        }
    }

    /// The kernel rewrites loads from the context, and refuses those that extend the sign.
    fn context_load(&mut self, context: &Expr, offset: u32, bytes: u32, ty: &Type, span: Span) -> Value {
        let base = self.word(context);
        let offset = i32::try_from(offset).unwrap_or(0);
        let size: MemorySize = access_size(bytes, 8);
        let result_type = self.word_types(ty).first().copied().unwrap_or(ValueType::Int);
        let word = self.builder.load_as(result_type, size, base, offset, span);
        match ty {
            Type::Scalar(DataType::Int(int)) if int.signed => self.extended(word, *int, span),
            _ => word,
        }
    }
}

/// Whether a `Bool` is a word by itself, and no test that has to be turned into one.
fn is_word(expression: &Expr) -> bool {
    matches!(
        expression.kind,
        ExprKind::Local(_) | ExprKind::Load { .. } | ExprKind::Helper { .. } | ExprKind::Call { .. }
    )
}

/// Whether a value of this type has no bits above the lowest 32.
fn fits_32_bits(ty: &Type) -> bool {
    match ty {
        Type::Scalar(DataType::Int(int) | DataType::BigEndian(int)) => !int.signed && int.bits <= 32,
        Type::Scalar(DataType::Bool | DataType::Ipv4 | DataType::Enum(_)) => true,
        _ => false,
    }
}
