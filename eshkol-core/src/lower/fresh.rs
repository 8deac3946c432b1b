//! Fresh memory: structs and arrays that the program makes on the stack.
//!
//! What is known while compiling (zeros, constants, padding) is written first, in as few stores as it takes; these may
//! write over parts that get their value later. Then come the other parts, in order.

use super::function::{FunctionLowering, Words};
use super::memory::{access_size, native_bytes, native_number};
use super::place::Address;
use crate::check::typed::{Expr, ExprKind, KernelOp, Part, PartValue, RefTarget, RefType, Type};
use crate::check::types::{DataType, Storage};
use crate::compile::Endianness;
use crate::ir::{MemorySize, Value};
use crate::source::Span;

/// Up to so many bytes, what lies behind the data may be written with it.
const ALONE: u32 = 64;

/// A byte of fresh memory, before the dynamic parts are put there.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
enum Byte {
    Known(u8),
    /// A later store writes it, or none.
    Later,
    /// Behind the data: anything will do.
    Any,
}

/// A part whose value is only known when the program runs.
struct DynamicPart<'e> {
    part: &'e Part,
    /// For a scalar that is zero-extended and followed by zeros: the bytes of a store that writes them, too.
    wide: Option<MemorySize>,
}

/// The value of a part, ready to be put in its place.
enum ReadyPart {
    Scalar(Storage, Words),
    Copy(Address, u32),
    /// What is at an address in the kernel, read into its place.
    FromKernel(Value, u32),
    /// It is there already.
    Nothing,
}

impl FunctionLowering<'_> {
    /// Makes a struct or array. Its address.
    pub(super) fn allocate(&mut self, data: &DataType, parts: &[Part], span: Span) -> Value {
        let (size, _) = self.unit.types.layout(data);
        // Room to write whole words, at their alignment.
        let room = if size > 4 { size.next_multiple_of(8) } else { size.max(1).next_power_of_two() };
        let slot = self.allocation(room);
        let (image, dynamic) = self.image(size, room, parts);
        let address = |base| Address { base, offset: 0, align: room.min(8) };
        // What is copied is what is there when all parts are known: a later one may change it. And in a loop a part may be read from what this
        // memory held in the last round.
        let copies = dynamic
            .split_last()
            .is_some_and(|(_, before)| before.iter().any(|dynamic| matches!(dynamic.part.value, PartValue::Copy(..))));
        if copies || self.loops.values().any(Option::is_some) {
            let ready: Vec<_> = dynamic.iter().map(|dynamic| self.ready(dynamic.part)).collect();
            let base = self.builder.slot_address(slot, span);
            self.store_image(address(base), &image, span);
            for (dynamic, ready) in dynamic.iter().zip(ready) {
                self.put(address(base), dynamic, ready, span);
            }
            base
        } else {
            let base = self.builder.slot_address(slot, span);
            self.store_image(address(base), &image, span);
            for dynamic in &dynamic {
                let ready = self.ready(dynamic.part);
                self.put(address(base), dynamic, ready, span);
            }
            base
        }
    }

    /// What fresh memory holds as far as it is known now, and the other parts.
    fn image<'e>(&self, size: u32, room: u32, parts: &'e [Part]) -> (Vec<Byte>, Vec<DynamicPart<'e>>) {
        // What may come to lie in a record of its own length has nothing behind it.
        let behind = if size > ALONE { Byte::Later } else { Byte::Any };
        let byte = |offset| if offset < size { Byte::Known(0) } else { behind };
        let mut image: Vec<Byte> = (0..room).map(byte).collect();
        let mut dynamic = Vec::new();
        for part in parts {
            let known = match &part.value {
                PartValue::Bytes(bytes) => Some(bytes.to_vec()),
                PartValue::Scalar(storage, value) => self.constant_bytes(*storage, value),
                PartValue::Copy(..) => None,
            };
            let later = match &part.value {
                PartValue::Copy(_, bytes) => *bytes,
                // The bits beside a bit field stay zero.
                PartValue::Scalar(storage, _) if storage.bits.is_none() => storage.bytes,
                _ => 0,
            };
            match known {
                Some(known) => overwrite(&mut image, part.offset, known.into_iter().map(Byte::Known)),
                None => {
                    overwrite(&mut image, part.offset, (0..later).map(|_| Byte::Later));
                    dynamic.push(DynamicPart { part, wide: None });
                }
            }
        }
        for DynamicPart { part, wide } in &mut dynamic {
            if let PartValue::Scalar(storage, value) = &part.value
                && let Some(size) = self.wide_store(part.offset, *storage, &value.ty, &image)
            {
                *wide = Some(size);
                overwrite(&mut image, part.offset, (0..size.bytes()).map(|_| Byte::Later));
            }
        }
        (image, dynamic)
    }

    /// A constant as it lies in memory.
    fn constant_bytes(&self, storage: Storage, value: &Expr) -> Option<Vec<u8>> {
        match &value.kind {
            ExprKind::Constant(number) if storage.bits.is_none() && storage.bytes <= 8 => {
                Some(native_bytes(self.stored_number(*number, storage), storage.bytes, self.endianness))
            }
            ExprKind::Ipv6Constant(bytes) => Some(bytes.to_vec()),
            ExprKind::MacConstant(bytes) => Some(bytes.to_vec()),
            _ => None,
        }
    }

    /// The largest store that writes a zero-extended scalar and only zeros behind it.
    fn wide_store(&self, offset: u32, storage: Storage, ty: &Type, image: &[Byte]) -> Option<MemorySize> {
        let is_zero_extended = (storage.big_endian && storage.bytes > 1) || is_narrow(ty, storage.bytes);
        if self.endianness == Endianness::Big || storage.bits.is_some() || !is_zero_extended {
            return None;
        }
        [8, 4, 2].into_iter().filter(|bytes| *bytes > storage.bytes && offset.is_multiple_of(*bytes)).find_map(
            |bytes| {
                let behind = image.get((offset + storage.bytes) as usize..(offset + bytes) as usize)?;
                let are_zeros = behind.iter().all(|byte| matches!(byte, Byte::Known(0) | Byte::Any));
                (are_zeros && behind.contains(&Byte::Known(0))).then(|| access_size(bytes, 8))
            },
        )
    }

    fn store_image(&mut self, address: Address, image: &[Byte], span: Span) {
        for (at, word) in (0..).step_by(8).zip(image.chunks(8)) {
            self.store_known(address.plus(at), word, span);
        }
    }

    /// Writes 1, 2, 4 or 8 aligned bytes, as few and small stores as it takes.
    fn store_known(&mut self, address: Address, bytes: &[Byte], span: Span) {
        let size = match bytes.len() {
            1 => MemorySize::B1,
            2 => MemorySize::B2,
            4 => MemorySize::B4,
            8 => MemorySize::B8,
            _ => return,
        };
        let is_free = |bytes: &[Byte]| !bytes.iter().any(|byte| matches!(byte, Byte::Known(_)));
        if is_free(bytes) {
            return;
        }
        let (low, high) = bytes.split_at(bytes.len() / 2);
        let number: Vec<u8> = bytes.iter().map(|byte| if let Byte::Known(byte) = byte { *byte } else { 0 }).collect();
        let number = native_number(&number, self.endianness);
        // An instruction stores a constant of 32 bits, sign-extended.
        let is_immediate = size != MemorySize::B8 || i32::try_from(number.cast_signed()).is_ok();
        if size == MemorySize::B1 || (is_immediate && !is_free(low) && !is_free(high)) {
            let number = self.constant(number, span);
            self.builder.store(size, address.base, address.instruction_offset(), number, span);
        } else {
            self.store_known(address, low, span);
            self.store_known(address.plus(size.bytes() / 2), high, span);
        }
    }

    fn ready(&mut self, part: &Part) -> ReadyPart {
        match &part.value {
            PartValue::Scalar(storage, value) => ReadyPart::Scalar(*storage, self.words(value)),
            PartValue::Bytes(_) => ReadyPart::Nothing,
            PartValue::Copy(reference, bytes) => {
                if let ExprKind::Kernel(KernelOp::Copy { base, offset, .. }) = &reference.kind {
                    return ReadyPart::FromKernel(self.kernel_address(base, *offset, reference.span), *bytes);
                }
                let align = match &reference.ty {
                    Type::Ref(RefType { target: RefTarget::Data(data), .. }) => self.unit.types.layout(data).1,
                    _ => 1,
                };
                ReadyPart::Copy(self.referenced(reference, align), *bytes)
            }
        }
    }

    fn put(&mut self, start: Address, dynamic: &DynamicPart<'_>, ready: ReadyPart, span: Span) {
        let address = start.plus(dynamic.part.offset);
        match (ready, dynamic.wide) {
            (ReadyPart::Nothing, _) => {}
            (ReadyPart::FromKernel(from, bytes), _) => {
                let to = self.pointer(address, span);
                self.copy_to(to, from, bytes, span);
            }
            (ReadyPart::Copy(from, bytes), _) => self.copy(address, from, bytes, span),
            (ReadyPart::Scalar(storage, words), None) => self.store(address, storage, &words, span),
            (ReadyPart::Scalar(storage, words), Some(size)) => {
                if let [word] = words.as_slice() {
                    let number = self.network_order(*word, storage, span);
                    self.builder.store(size, address.base, address.instruction_offset(), number, span);
                }
            }
        }
    }
}

fn overwrite(image: &mut [Byte], offset: u32, bytes: impl Iterator<Item = Byte>) {
    for (place, byte) in image.iter_mut().skip(offset as usize).zip(bytes) {
        *place = byte;
    }
}

/// Whether a value of a type has no bits above so many bytes.
fn is_narrow(ty: &Type, bytes: u32) -> bool {
    match ty {
        Type::Scalar(DataType::Int(int)) => !int.signed && int.bytes() <= bytes,
        Type::Scalar(DataType::Bool) => true,
        Type::Scalar(DataType::Enum(_) | DataType::Ipv4) => bytes >= 4,
        _ => false,
    }
}
