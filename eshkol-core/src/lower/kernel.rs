//! The kernel's memory: facts that the loader fills in, plain loads where the verifier knows what is there, and the helper that reads
//! it elsewhere.

use super::function::{FunctionLowering, Words};
use super::place::Address;
use crate::check::kernel_types::{Access, FactId};
use crate::check::typed::{BitField, Expr, KernelOp, Type};
use crate::check::types::{DataType, Storage};
use crate::compile::Endianness;
use crate::ir::{ArithmeticOp, Condition, MemorySize, Value, ValueType};
use crate::kernel::{HelperId, KernelVersion};
use crate::source::Span;

/// Bytes of an address.
const WORD: u32 = 8;

impl FunctionLowering<'_> {
    /// The words of something with the kernel's memory.
    pub(super) fn kernel(&mut self, op: &KernelOp, ty: &Type, span: Span) -> Words {
        match op {
            KernelOp::Fact(fact) => vec![self.fact(*fact, span)],
            KernelOp::Pointer(number) => vec![self.word(number)],
            KernelOp::Number(base) => vec![self.address_as_number(base, span)],
            KernelOp::Part { base, offset } => vec![self.kernel_address(base, Some(*offset), span)],
            KernelOp::Element { base, bytes } => {
                let (base, bytes) = (self.word(base), self.word(bytes));
                vec![self.builder.binary(ArithmeticOp::Add, base, bytes, span)]
            }
            KernelOp::Load { base, offset, storage } => match access(&base.ty) {
                Access::Typed => {
                    let base = self.word(base);
                    self.load_directly(base, *offset, *storage, ty, span)
                }
                Access::Context => {
                    let base = self.word(base);
                    // The kernel refuses loads from the context that extend the sign.
                    let words = self.load_directly(base, *offset, Storage { signed: false, ..*storage }, ty, span);
                    match (ty, words.as_slice()) {
                        (Type::Scalar(DataType::Int(int)), [word]) if int.signed => {
                            vec![self.extended(*word, *int, span)]
                        }
                        _ => words,
                    }
                }
                Access::TypedOrNull => self.load_unless_null(base, *offset, *storage, ty, span),
                Access::Untyped => {
                    let address = self.kernel_address(base, *offset, span);
                    let memory = self.scratch(storage.bytes, span);
                    let size = self.constant(u64::from(storage.bytes), span);
                    self.read_kernel(memory, size, address, span);
                    let words = self.load(Address { base: memory, offset: 0, align: 8 }, *storage, span);
                    self.free_spills();
                    words
                }
            },
            KernelOp::Bits { base, facts } => vec![self.bits(base, facts, span)],
            KernelOp::Copy { base, offset, data } => {
                let address = self.kernel_address(base, *offset, span);
                vec![self.copy_from_kernel(address, data, span)]
            }
        }
    }

    /// A number that the loader fills in.
    pub(super) fn fact(&mut self, fact: FactId, span: Span) -> Value {
        let local = self.unit.facts.get(fact).map_or(0, |fact| fact.local);
        self.builder.fact(fact, local, span)
    }

    /// The address behind a base. The verifier lets nothing be added to one that may be 0.
    pub(super) fn kernel_address(&mut self, base: &Expr, offset: Option<FactId>, span: Span) -> Value {
        let word = self.word(base);
        let Some(offset) = offset else { return word };
        if access(&base.ty) != Access::TypedOrNull {
            return self.behind(word, offset, span);
        }
        let join = self.builder.create_block();
        let result = self.builder.append_param(join, ValueType::Kernel);
        let there = self.builder.create_block();
        let null = self.builder.create_block();
        self.branch_on_null(word, null, there, span);
        if self.enter_sealed(there) {
            let address = self.behind(word, offset, span);
            self.jump(join, &[address], span);
        }
        if self.enter_sealed(null) {
            let address = self.builder.null(ValueType::Kernel, span);
            self.jump(join, &[address], span);
        }
        self.enter_sealed(join);
        result
    }

    fn behind(&mut self, base: Value, offset: FactId, span: Span) -> Value {
        let offset = self.fact(offset, span);
        self.builder.binary(ArithmeticOp::Add, base, offset, span)
    }

    fn branch_on_null(&mut self, address: Value, null: crate::ir::Block, there: crate::ir::Block, span: Span) {
        let zero = self.constant(0, span);
        self.branch(Condition::Equal, address, zero, null, there, span);
    }

    fn load_directly(&mut self, base: Value, offset: Option<FactId>, storage: Storage, ty: &Type, span: Span) -> Words {
        let base = offset.map_or(base, |offset| self.behind(base, offset, span));
        match self.word_types(ty).as_slice() {
            [ValueType::Kernel] => vec![self.builder.load_as(ValueType::Kernel, MemorySize::B8, base, 0, span)],
            _ => self.load(Address { base, offset: 0, align: 8 }, storage, span),
        }
    }

    /// Reads where the address is not 0; else the value is 0.
    fn load_unless_null(
        &mut self,
        base: &Expr,
        offset: Option<FactId>,
        storage: Storage,
        ty: &Type,
        span: Span,
    ) -> Words {
        let word = self.word(base);
        let types = self.word_types(ty);
        let join = self.builder.create_block();
        let results: Words = types.iter().map(|ty| self.builder.append_param(join, *ty)).collect();
        let there = self.builder.create_block();
        let null = self.builder.create_block();
        self.branch_on_null(word, null, there, span);
        if self.enter_sealed(there) {
            let words = self.load_directly(word, offset, storage, ty, span);
            self.jump(join, &words, span);
        }
        if self.enter_sealed(null) {
            let zeros: Words = types
                .iter()
                .map(|ty| match ty {
                    ValueType::Int => self.constant(0, span),
                    ty => self.builder.null(*ty, span),
                })
                .collect();
            self.jump(join, &zeros, span);
        }
        self.enter_sealed(join);
        results
    }

    /// The verifier makes a number of an address only where it does not look: a helper copies it from one place to the same.
    fn address_as_number(&mut self, base: &Expr, span: Span) -> Value {
        let word = self.word(base);
        if access(&base.ty) == Access::Untyped {
            return word;
        }
        let memory = self.scratch(WORD, span);
        self.builder.store(MemorySize::B8, memory, 0, word, span);
        let size = self.constant(u64::from(WORD), span);
        self.read_kernel(memory, size, memory, span);
        self.free_spills();
        self.builder.load(MemorySize::B8, memory, 0, span)
    }

    fn bits(&mut self, base: &Expr, facts: &BitField, span: Span) -> Value {
        let address = self.kernel_address(base, Some(facts.offset), span);
        let memory = self.scratch(WORD, span);
        let zero = self.constant(0, span);
        self.builder.store(MemorySize::B8, memory, 0, zero, span);
        let size = self.fact(facts.size, span);
        let to = match self.endianness {
            Endianness::Little => memory,
            Endianness::Big => {
                let word = self.constant(u64::from(WORD), span);
                let distance = self.builder.binary(ArithmeticOp::Sub, word, size, span);
                self.builder.binary(ArithmeticOp::Add, memory, distance, span)
            }
        };
        self.read_kernel(to, size, address, span);
        let number = self.builder.load(MemorySize::B8, memory, 0, span);
        self.free_spills();
        let (left, right) = (self.fact(facts.left, span), self.fact(facts.right, span));
        let top = self.builder.binary(ArithmeticOp::Shl, number, left, span);
        let down = if facts.signed { ArithmeticOp::AShr } else { ArithmeticOp::LShr };
        self.builder.binary(down, top, right, span)
    }

    /// Copies data into fresh stack memory; its address.
    fn copy_from_kernel(&mut self, address: Value, data: &DataType, span: Span) -> Value {
        let (bytes, _) = self.unit.types.layout(data);
        let slot = self.allocation(bytes.next_multiple_of(8));
        let memory = self.builder.slot_address(slot, span);
        self.copy_to(memory, address, bytes, span);
        memory
    }

    /// Copies bytes of the kernel to an address on the stack.
    pub(super) fn copy_to(&mut self, memory: Value, address: Value, bytes: u32, span: Span) {
        let size = self.constant(u64::from(bytes), span);
        self.read_kernel(memory, size, address, span);
    }

    /// Memory for one value, until the next call. Its address.
    fn scratch(&mut self, bytes: u32, span: Span) -> Value {
        let slot = self.spill_slot(bytes);
        self.builder.slot_address(slot, span)
    }

    /// Calls the helper that reads the kernel's memory. Where it can't, it writes zeros.
    fn read_kernel(&mut self, memory: Value, size: Value, address: Value, span: Span) {
        let helper = reader(self.unit.min_kernel);
        self.builder.call_helper(helper, vec![memory, size, address], ValueType::Int, span);
    }
}

fn access(ty: &Type) -> Access {
    match ty {
        Type::Kernel(pointer) => pointer.access,
        _ => Access::Untyped,
    }
}

fn reader(min_kernel: KernelVersion) -> HelperId {
    let name = crate::check::kernel_memory::reader(min_kernel);
    crate::kernel::helper::by_name(name).map_or(HelperId(4), |helper| helper.id)
}
