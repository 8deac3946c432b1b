//! Places: an address in memory, and what is known of its alignment.

use super::function::{FunctionLowering, region};
use super::packet::COPIED_HEADER_ALIGN;
use crate::check::typed::{Expr, ExprKind, Place, RefTarget, RefType, Region, Type};
use crate::ir::{ArithmeticOp, Value};
use crate::source::Span;

/// Beyond this many bytes an offset is added to the base, so that what is left fits an instruction (16 bits) with room
/// for the parts of what is there.
const MAXIMUM_OFFSET: u32 = 0x3fff;

/// An alignment to which no access has to be cut.
const ANY: u32 = 8;

/// An address.
#[derive(Copy, Clone, Debug)]
pub(super) struct Address {
    /// A pointer.
    pub(super) base: Value,
    /// Bytes to add.
    pub(super) offset: u32,
    /// What the whole is to be taken for a multiple of: 8 where the kernel doesn't ask, which it does on the stack only.
    pub(super) align: u32,
}

impl Address {
    /// So many bytes further on.
    pub(super) fn plus(self, bytes: u32) -> Self {
        Self { offset: self.offset.saturating_add(bytes), align: align_at(self.align, bytes), ..self }
    }

    /// The offset, as instructions have it.
    pub(super) fn instruction_offset(self) -> i32 {
        i32::try_from(self.offset).unwrap_or(0)
    }
}

/// What `address + bytes` is a multiple of, where `address` is a multiple of `align`.
pub(super) fn align_at(align: u32, bytes: u32) -> u32 {
    if bytes == 0 { align } else { align.min(1_u32.checked_shl(bytes.trailing_zeros()).unwrap_or(align)) }
}

impl FunctionLowering<'_> {
    /// The address of a place.
    pub(super) fn place(&mut self, place: &Place, span: Span) -> Address {
        let (base, mut offset) = self.base(&place.base);
        offset = offset.saturating_add(place.offset);
        let index = place.index.as_ref().map(|(index, scale)| (self.word(index), *scale));
        let mut address = self.address(base, offset, &place.base.ty, place.align);
        if let Some((index, scale)) = index {
            match self.number(index) {
                Some(number) => {
                    let bytes = number.saturating_mul(u64::from(scale));
                    address.offset = address.offset.saturating_add(u32::try_from(bytes).unwrap_or(0));
                }
                None => {
                    let distance = self.scaled(index, scale, span);
                    address.base = self.builder.binary(ArithmeticOp::Add, address.base, distance, span);
                }
            }
            address.align = if self.is_on_stack(&place.base.ty) { place.align.clamp(1, ANY) } else { ANY };
        }
        self.within_reach(address, span)
    }

    /// The address of what is `offset` bytes behind a reference of a type; `align` is what is known of it otherwise.
    /// Constants that went into the reference become part of the offset.
    fn address(&self, base: Value, offset: u32, ty: &Type, align: u32) -> Address {
        let known = || self.slot_align(base, offset).max(self.header_align(ty, offset)).max(align).clamp(1, ANY);
        let align = if self.is_on_stack(ty) { known() } else { ANY };
        let (root, sum) = self.builder.function().address(base, i64::from(offset));
        match u32::try_from(sum) {
            Ok(sum) if sum <= MAXIMUM_OFFSET => Address { base: root, offset: sum, align },
            _ => Address { base, offset, align },
        }
    }

    /// The address that is the value of a reference.
    pub(super) fn referenced(&mut self, reference: &Expr, align: u32) -> Address {
        let (base, offset) = self.base(reference);
        let address = self.address(base, offset, &reference.ty, align);
        self.within_reach(address, reference.span)
    }

    /// The value of a reference, as a pointer and bytes to add: parts of parts make no instructions.
    fn base(&mut self, reference: &Expr) -> (Value, u32) {
        let reference = self.prefix(reference);
        match &reference.kind {
            ExprKind::Address(Place { base, offset, index: None, .. }) => {
                let (base, outer) = self.base(base);
                (base, outer.saturating_add(*offset))
            }
            _ => (self.word(reference), 0),
        }
    }

    fn within_reach(&mut self, address: Address, span: Span) -> Address {
        if address.offset <= MAXIMUM_OFFSET {
            return address;
        }
        let offset = u64::from(address.offset);
        let base = self.arithmetic_constant(ArithmeticOp::Add, address.base, offset, span);
        Address { base, offset: 0, ..address }
    }

    /// An address as one word.
    pub(super) fn pointer(&mut self, address: Address, span: Span) -> Value {
        self.further(address.base, u64::from(address.offset), span)
    }

    /// A pointer so many bytes further on; constants that were added before are added at once.
    pub(super) fn further(&mut self, pointer: Value, bytes: u64, span: Span) -> Value {
        let (root, sum) = self.builder.function().address(pointer, bytes.cast_signed());
        if bytes == 0 { pointer } else { self.arithmetic_constant(ArithmeticOp::Add, root, sum.cast_unsigned(), span) }
    }

    /// What an address in a slot of this function is a multiple of; 1 where it is no such address.
    fn slot_align(&self, pointer: Value, offset: u32) -> u32 {
        let function = self.builder.function();
        let Some((slot, start)) = function.stack_address(pointer, i32::try_from(offset).unwrap_or(0)) else {
            return 1;
        };
        let start = u32::try_from(start).unwrap_or(1);
        function.slots.get(slot).map_or(1, |slot| align_at(slot.align, start))
    }

    /// What a place in a header is a multiple of, where that is a copy on the stack.
    fn header_align(&self, ty: &Type, offset: u32) -> u32 {
        match ty {
            Type::Ref(RefType { target: RefTarget::Header { .. }, .. }) if self.copies_headers => {
                align_at(COPIED_HEADER_ALIGN, offset)
            }
            _ => 1,
        }
    }

    /// Whether a reference may be into the stack, where the kernel wants aligned accesses.
    fn is_on_stack(&self, ty: &Type) -> bool {
        match region(ty) {
            Some(Region::Stack | Region::Any) => true,
            Some(Region::Packet) => self.copies_headers,
            _ => false,
        }
    }
}
