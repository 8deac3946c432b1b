//! Runs a program, instruction by instruction (RFC 9669), with every register and every access checked.
//!
//! As in the kernel, a call leaves R1 to R5 without a value, a function starts with nothing but its arguments, and every call has a stack of its own
//! that is gone when it returns.

use std::collections::BTreeMap;

use super::alu;
use super::context::Context;
use super::environment::Environment;
use super::helper;
use super::instruction::{Atomic, FRAME_POINTER, Immediate, Instruction, Operand, Register, Size};
use super::kernel_function::{self, KernelFunction};
use super::map::Map;
use super::memory::{Fault, Kind, Memory, Region, RegionId};
use super::object::Program;

/// What programs share: memory, maps, and what is around them.
#[derive(Debug)]
pub(super) struct World {
    pub(super) memory: Memory,
    pub(super) maps: Vec<Map>,
    pub(super) environment: Environment,
    /// Functions of the kernel, by the numbers that the unit has for them.
    pub(super) kernel_functions: Vec<KernelFunction>,
}

/// Where a packet is to go that a program redirects.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Redirect {
    /// Out of the interface with this index (`bpf_redirect`).
    Interface(u32),
    /// The same, with the Ethernet addresses of the neighbour that its route says (`bpf_redirect_neigh`).
    Neighbour(u32),
    /// Into the other end of the interface with this index (`bpf_redirect_peer`).
    Peer(u32),
    /// To what a map has under this key (`bpf_redirect_map`).
    Entry {
        /// The map's symbol in the object.
        map: String,
        /// The key.
        key: u32,
    },
    /// To everything in a map (`BPF_F_BROADCAST`).
    All {
        /// The map's symbol in the object.
        map: String,
    },
}

/// A copy of a packet that a program has sent (`bpf_clone_redirect`).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct ClonedPacket {
    /// The index of the interface.
    pub interface: u32,
    /// Whether it goes into the interface, as if it came from there, and not out of it.
    pub into: bool,
    /// The packet as it was then.
    pub packet: Vec<u8>,
}

/// Registers, and which of them have a value.
#[derive(Clone, Debug, Default)]
struct Registers {
    values: [u64; 11],
    known: u16,
}

impl Registers {
    fn get(&self, register: Register) -> Result<u64, Fault> {
        if self.known >> register & 1 == 0 {
            return Err(Fault(format!("reads r{register}, which has no value")));
        }
        Ok(self.values[usize::from(register)])
    }

    fn set(&mut self, register: Register, value: u64) {
        self.values[usize::from(register)] = value;
        self.known |= 1 << register;
    }

    /// Leaves R1 to R5 without a value, as a call does.
    fn forget_arguments(&mut self) {
        self.known &= !0b11_1110;
    }
}

/// A call that has not returned.
#[derive(Debug)]
struct Frame {
    /// The instruction behind the call.
    return_to: usize,
    /// The registers of the caller.
    saved: Registers,
    stack: RegionId,
}

/// Bytes of the stack of a call (`MAX_BPF_STACK`), and calls within calls (`MAX_CALL_FRAMES`).
const STACK: usize = 512;
const MOST_FRAMES: usize = 8;
/// Tail calls in a run (`MAX_TAIL_CALL_CNT` in `include/linux/bpf.h`).
const MOST_TAIL_CALLS: u32 = 33;

/// An event that is being written, where a program has made room for it.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) region: RegionId,
    /// The ring buffer, and the number of the event there.
    pub(super) map: usize,
    pub(super) number: u64,
}

/// A program that is running.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) world: &'a mut World,
    /// Every program that could run.
    programs: &'a [Program],
    /// Which of them does, and its code.
    pub(super) program: usize,
    instructions: &'a [Instruction],
    /// The one to go on with, once the helper that said so has returned.
    next_program: Option<usize>,
    tail_calls: u32,
    registers: Registers,
    frames: Vec<Frame>,
    /// The regions that stand for functions whose address was taken.
    functions: BTreeMap<usize, RegionId>,
    /// The instruction that is being executed.
    pub(super) at: usize,
    pub(super) steps: u64,
    pub(super) context: Context,
    pub(super) context_address: u64,
    pub(super) redirect: Option<Redirect>,
    pub(super) clones: Vec<ClonedPacket>,
    /// What the system call is to give that the program decides about.
    pub(super) call_result: i32,
    /// What is neither sent nor discarded yet.
    pub(super) records: Vec<Record>,
}

impl<'a> Run<'a> {
    /// A run that has not begun.
    pub(super) fn new(
        world: &'a mut World,
        programs: &'a [Program],
        program: usize,
        context: Context,
        context_address: u64,
    ) -> Self {
        Self {
            world,
            programs,
            program,
            instructions: &programs[program].instructions,
            next_program: None,
            tail_calls: 0,
            registers: Registers::default(),
            frames: Vec::new(),
            functions: BTreeMap::new(),
            at: 0,
            steps: 0,
            context,
            context_address,
            redirect: None,
            clones: Vec::new(),
            call_result: 0,
            records: Vec::new(),
        }
    }

    /// Runs the program from its start with these arguments; gives R0.
    pub(super) fn start(&mut self, arguments: &[u64]) -> Result<u64, Fault> {
        let result = self.call(0, arguments)?;
        match self.records.first() {
            None => Ok(result),
            Some(record) => {
                let map = &self.world.maps[record.map].definition.name;
                Err(Fault(format!("ends and has neither sent nor discarded what it reserved in `{map}`")))
            }
        }
    }

    /// Takes what belongs to the run out of memory, wherever it ended; gives what it was called with.
    pub(super) fn end(self) -> Context {
        for record in self.records {
            self.world.memory.remove(record.region, "the run has ended");
            self.world.maps[record.map].settle_event(record.number, None);
        }
        let stacks = self.frames.iter().map(|frame| frame.stack);
        for region in stacks.chain(self.functions.into_values()) {
            self.world.memory.remove(region, "the run has ended");
        }
        self.context
    }

    /// Calls a function of the program and runs it to its end; the registers stay as they are. Gives R0.
    pub(super) fn call(&mut self, target: usize, arguments: &[u64]) -> Result<u64, Fault> {
        let (registers, at) = (self.registers.clone(), self.at);
        let depth = self.frames.len();
        self.registers = Registers::default();
        for (register, argument) in (1..=5).zip(arguments) {
            self.registers.set(register, *argument);
        }
        self.enter(0)?;
        let mut next = target;
        while self.frames.len() > depth {
            self.at = next;
            next = self.step()?;
        }
        let result = self.registers.get(0)?;
        (self.registers, self.at) = (registers, at);
        Ok(result)
    }

    /// Begins a call, whose arguments are in the registers.
    fn enter(&mut self, return_to: usize) -> Result<(), Fault> {
        let depth = self.frames.len();
        if depth >= MOST_FRAMES {
            let deep = depth + 1;
            return Err(Fault(format!(
                "calls functions within functions {deep} deep, of which the kernel allows {MOST_FRAMES}"
            )));
        }
        let stack = self.world.memory.add(Region::uninitialised(Kind::Stack { depth }, STACK));
        let saved = self.registers.clone();
        // Only the arguments are known to the function.
        self.registers.known &= 0b11_1110;
        self.registers.set(FRAME_POINTER, Memory::address(stack, STACK));
        self.frames.push(Frame { return_to, saved, stack });
        Ok(())
    }

    /// Has another program begin in place of the one that runs. After so many of them, nothing happens.
    pub(super) fn go_on_with(&mut self, number: u32) -> Result<(), Fault> {
        if self.frames.len() != 1 {
            return Err(Fault::new("makes a tail call in a function, which the simulator can't"));
        }
        let next = number as usize;
        if next >= self.programs.len() {
            return Err(Fault::new("finds no program in a map of programs"));
        }
        if self.tail_calls < MOST_TAIL_CALLS {
            self.tail_calls += 1;
            self.next_program = Some(next);
        }
        Ok(())
    }

    /// Begins a program on the context of the one before, with a stack of its own.
    fn begin(&mut self, program: usize) -> Result<usize, Fault> {
        let Some(frame) = self.frames.pop() else { return Err(Fault::new("goes on from nowhere")) };
        self.world.memory.remove(frame.stack, "the program that it belonged to made a tail call");
        self.program = program;
        self.instructions = &self.programs[program].instructions;
        self.registers = Registers::default();
        self.registers.set(1, self.context_address);
        self.enter(frame.return_to)?;
        if let Some(entered) = self.frames.last_mut() {
            entered.saved = frame.saved;
        }
        Ok(0)
    }

    /// Ends the innermost call.
    fn leave(&mut self) -> Result<usize, Fault> {
        let result = self.registers.get(0)?;
        let Some(frame) = self.frames.pop() else { return Err(Fault::new("returns from nowhere")) };
        self.world.memory.remove(frame.stack, "the call that it belonged to has returned");
        self.registers = frame.saved;
        self.registers.forget_arguments();
        self.registers.set(0, result);
        Ok(frame.return_to)
    }

    /// Executes the instruction at `at`; gives the next.
    fn step(&mut self) -> Result<usize, Fault> {
        let at = self.at;
        let Some(instruction) = self.instructions.get(at) else {
            return Err(Fault::new("runs past its last instruction"));
        };
        self.steps += 1;
        if self.steps > self.world.environment.step_limit {
            return Err(Fault(format!(
                "has not ended after {} instructions, which is the simulator's limit",
                self.world.environment.step_limit
            )));
        }
        self.world.environment.clock += 1;
        match *instruction {
            Instruction::Alu { operation, wide, destination, source } => {
                let right = self.operand(source)?;
                let left =
                    if operation == super::instruction::Alu::Move { 0 } else { self.registers.get(destination)? };
                self.set(destination, alu::evaluate(operation, wide, left, right))?;
            }
            Instruction::MoveSigned { wide, destination, source, bits } => {
                let extended = alu::sign_extend(self.registers.get(source)?, bits.into());
                self.set(destination, if wide { extended } else { alu::low(extended).into() })?;
            }
            Instruction::Negate { wide, destination } => {
                let negated = self.registers.get(destination)?.wrapping_neg();
                self.set(destination, if wide { negated } else { alu::low(negated).into() })?;
            }
            Instruction::ByteOrder { order, bits, destination } => {
                let number = self.registers.get(destination)?;
                self.set(destination, alu::reorder(order, bits, number))?;
            }
            Instruction::LoadImmediate { destination, value } => {
                let value = self.immediate(value)?;
                self.set(destination, value)?;
                return Ok(at + 2);
            }
            Instruction::Load { destination, base, offset, size, signed } => {
                let address = self.address(base, offset)?;
                let value = self.load(address, size).map_err(|fault| through(fault, base, offset))?;
                let bits = 8 * u32::from(size as u8);
                self.set(destination, if signed { alu::sign_extend(value, bits) } else { value })?;
            }
            Instruction::Store { base, offset, size, source } => {
                let value = self.operand(source)?;
                let address = self.address(base, offset)?;
                let stored = self.store(address, size, value);
                stored.map_err(|fault| through(fault, base, offset))?;
            }
            Instruction::Atomic { operation, base, offset, size, source } => {
                let address = self.address(base, offset)?;
                let checked = self.world.memory.check_atomic(address, size.bytes());
                checked.map_err(|fault| through(fault, base, offset))?;
                self.atomic(operation, address, size, source)?;
            }
            Instruction::Jump { target } => return Ok(target),
            Instruction::JumpIf { condition, wide, left, right, target } => {
                let (left, right) = (self.registers.get(left)?, self.operand(right)?);
                if alu::holds(condition, wide, left, right) {
                    return Ok(target);
                }
            }
            Instruction::CallHelper { number } => {
                self.call_helper(number)?;
                if let Some(next) = self.next_program.take() {
                    return self.begin(next);
                }
            }
            Instruction::CallKernel { number } => self.call_kernel(number)?,
            Instruction::CallFunction { target } => {
                self.enter(at + 1)?;
                return Ok(target);
            }
            Instruction::Exit => return self.leave(),
            Instruction::SecondSlot => return Err(Fault::new("jumps into the middle of an instruction")),
        }
        Ok(at + 1)
    }

    fn operand(&self, operand: Operand) -> Result<u64, Fault> {
        match operand {
            Operand::Register(register) => self.registers.get(register),
            Operand::Immediate(immediate) => Ok(i64::from(immediate).cast_unsigned()),
        }
    }

    fn set(&mut self, register: Register, value: u64) -> Result<(), Fault> {
        if register == FRAME_POINTER {
            return Err(Fault::new("changes r10, which always points to the end of the stack"));
        }
        self.registers.set(register, value);
        Ok(())
    }

    fn address(&self, base: Register, offset: i16) -> Result<u64, Fault> {
        Ok(self.registers.get(base)?.wrapping_add_signed(offset.into()))
    }

    /// Whether an address is in a context of the kernel's.
    fn is_in_context(&self, address: u64) -> bool {
        !matches!(self.context, Context::Given) && Memory::same_region(address, self.context_address)
    }

    fn load(&mut self, address: u64, size: Size) -> Result<u64, Fault> {
        // Reading from the context means more than reading its bytes.
        if self.is_in_context(address) {
            let offset = usize::try_from(address.wrapping_sub(self.context_address)).unwrap_or(usize::MAX);
            return self.context.load(&self.world.environment, offset, size.bytes());
        }
        self.world.memory.read(address, size.bytes())
    }

    fn store(&mut self, address: u64, size: Size, value: u64) -> Result<(), Fault> {
        if self.is_in_context(address) {
            let offset = usize::try_from(address.wrapping_sub(self.context_address)).unwrap_or(usize::MAX);
            return self.context.store(offset, size.bytes(), value);
        }
        self.world.memory.write(address, size.bytes(), value)
    }

    fn atomic(&mut self, operation: Atomic, address: u64, size: Size, source: Register) -> Result<(), Fault> {
        let operand = self.registers.get(source)?;
        let old = self.load(address, size)?;
        let narrow = |number: u64| if size == Size::Word { alu::low(number).into() } else { number };
        let (new, fetch) = match operation {
            Atomic::Add { fetch } => (old.wrapping_add(operand), fetch),
            Atomic::Or { fetch } => (old | operand, fetch),
            Atomic::And { fetch } => (old & operand, fetch),
            Atomic::Xor { fetch } => (old ^ operand, fetch),
            Atomic::Exchange => (operand, true),
            Atomic::CompareExchange => {
                if narrow(self.registers.get(0)?) == old {
                    self.store(address, size, operand)?;
                }
                self.registers.set(0, old);
                return Ok(());
            }
        };
        self.store(address, size, new)?;
        if fetch { self.set(source, old) } else { Ok(()) }
    }

    fn immediate(&mut self, value: Immediate) -> Result<u64, Fault> {
        let world = &mut *self.world;
        match value {
            Immediate::Number(number) => Ok(number),
            Immediate::Map(number) => {
                let map = world.maps.get(number).ok_or_else(|| Fault::new("uses a map that there is not"))?;
                Ok(Memory::address(map.handle, 0))
            }
            Immediate::MapValue { map, offset } => {
                let map = world.maps.get_mut(map).ok_or_else(|| Fault::new("uses data that there is not"))?;
                let value = map.peek(&mut world.memory, &[0; 4], 0);
                let value = value.ok_or_else(|| Fault::new("uses data that there is not"))?;
                Ok(Memory::address(value, offset as usize))
            }
            Immediate::Function(target) => {
                let add = || world.memory.add(Region::new(Kind::Function(target), Vec::new()));
                Ok(Memory::address(*self.functions.entry(target).or_insert_with(add), 0))
            }
        }
    }

    fn call_helper(&mut self, number: u32) -> Result<(), Fault> {
        let helper = helper::find(number)
            .ok_or_else(|| Fault(format!("calls helper {number}, which the simulator does not have")))?;
        let called = |fault: Fault| Fault(format!("calls {}, which {}", helper.name, fault.0));
        let mut arguments = [0; 5];
        for ((register, argument), index) in (1..=5).zip(&mut arguments).zip(0..) {
            match self.registers.get(register) {
                Ok(value) => *argument = value,
                Err(_) if index >= helper.arguments => {}
                Err(fault) => return Err(called(fault)),
            }
        }
        let at = self.at;
        let result = (helper.call)(self, arguments);
        // What happens in a function that the helper calls happens there.
        let result = result.map_err(|fault| if self.at == at { called(fault) } else { fault })?;
        self.registers.forget_arguments();
        self.registers.set(0, result);
        Ok(())
    }

    /// Calls a function of the kernel that the unit declares.
    fn call_kernel(&mut self, number: u32) -> Result<(), Fault> {
        let number = number as usize;
        let count = self.world.kernel_functions.get(number).map_or(0, |function| function.parameters.len());
        let arguments: Vec<u64> =
            (1..=5).take(count).map(|register| self.registers.get(register)).collect::<Result<_, _>>()?;
        let result = kernel_function::call(self, number, &arguments)?;
        self.registers.forget_arguments();
        self.registers.set(0, result);
        Ok(())
    }

    /// The number of the map that a helper is given.
    pub(super) fn map(&self, address: u64) -> Result<usize, Fault> {
        match self.world.memory.find(address) {
            Some((id, Region { kind: Kind::Map(number), .. })) if address == Memory::address(id, 0) => Ok(*number),
            _ => Err(Fault(format!("takes {address:#x} for a map"))),
        }
    }

    /// The key that a helper is given.
    pub(super) fn map_key(&self, map: usize, address: u64) -> Result<Vec<u8>, Fault> {
        Ok(self.world.memory.bytes(address, self.world.maps[map].definition.key_size)?.to_vec())
    }

    /// The function that a helper is to call.
    pub(super) fn function(&self, address: u64) -> Result<usize, Fault> {
        match self.world.memory.find(address) {
            Some((_, Region { kind: Kind::Function(target), .. })) => Ok(*target),
            _ => Err(Fault(format!("takes {address:#x} for a function"))),
        }
    }

    /// Fills a buffer of this length with bytes, and with zeros behind them.
    pub(super) fn write_all(&mut self, address: u64, bytes: &[u8], length: usize) -> Result<(), Fault> {
        self.world.memory.fill_padded(address, bytes, length)
    }
}

/// A fault of an access, with the register it went through.
fn through(fault: Fault, base: Register, offset: i16) -> Fault {
    let sign = if offset < 0 { '-' } else { '+' };
    Fault(format!("{} (through r{base} {sign} {})", fault.0, offset.unsigned_abs()))
}
