//! The simulator: an object's programs and maps, and what is around them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::context::{Context, XDP_MD};
use super::environment::{Environment, Signal, Task};
use super::execute::{ClonedPacket, Redirect, Run, World};
use super::kernel_function::KernelArguments;
use super::map::{Map, Value};
use super::map_handle::SimulatedMap;
use super::memory::{Fault, Kind, Memory, Region};
use super::object::{self, Changes, Program, ProgramKind};
use super::packet::{self, Packet};
use super::socket_buffer::{SK_BUFF, SocketBuffer, SocketBufferProgram};
use super::violation::SimulatorError;
use crate::map::cpus;

/// Programs and maps of an object, simulated.
///
/// A clone is another handle on the same ones. Programs run one after the other, on whatever thread; the time, random numbers and all else that they
/// can ask about is the same every time, unless it is set.
#[derive(Clone, Debug)]
pub struct Machine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    programs: Vec<Program>,
    world: Mutex<World>,
}

/// What a run gave.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// What the program returned.
    pub return_value: u64,
    /// The packet as the program left it.
    pub packet: Vec<u8>,
    /// The metadata that it left before the packet.
    pub metadata: Vec<u8>,
    /// Where the packet is to go, if the program called a helper that says so.
    pub redirect: Option<Redirect>,
    /// Copies of it that the program sent while it ran (`bpf-clone-redirect`), in order.
    pub clones: Vec<ClonedPacket>,
    /// What the program has said that the system call is to give (`bpf-set-retval`), or 0.
    pub call_result: i32,
    /// How many instructions were executed.
    pub instructions: u64,
}

impl Machine {
    /// Reads an object, for this machine's byte order, and makes its maps.
    pub fn load(object: &[u8]) -> Result<Self, SimulatorError> {
        Self::load_with(object, &Changes::default())
    }

    pub(super) fn load_with(object: &[u8], changes: &Changes<'_>) -> Result<Self, SimulatorError> {
        /// Where the machine does not say.
        const CPUS: usize = 4;
        let cpus = cpus().unwrap_or(CPUS);
        let contents = object::read(object, changes)?;
        let mut memory = Memory::default();
        let mut maps = Vec::new();
        for (number, contents) in contents.maps.into_iter().enumerate() {
            let definition = contents.definition;
            let (name, kind) = (definition.name.clone(), definition.kind);
            let mut map = Map::new(&mut memory, number, definition, cpus)
                .ok_or_else(|| SimulatorError::object(format!("it has no maps of kind {kind}, which `{name}` is")))?;
            if let Some(data) = contents.data {
                map.update(&mut memory, &[0; 4], Value::OfAll(&data), 0)
                    .map_err(|_| SimulatorError::object(format!("the section `{name}` has no place")))?;
            }
            maps.push(map);
        }
        memory.forget_gone();
        let environment = Environment::new(cpus);
        let world = World { memory, maps, environment, kernel_functions: changes.kernel_functions() };
        Ok(Self(Arc::new(Shared { programs: contents.programs, world: Mutex::new(world) })))
    }

    /// A program of these bytes alone, named `code`: instructions of the machine's byte order.
    pub fn of_code(code: &[u8]) -> Result<Self, SimulatorError> {
        let program = object::of_code(code)?;
        let (memory, environment) = (Memory::default(), Environment::new(1));
        let world = World { memory, maps: Vec::new(), environment, kernel_functions: Vec::new() };
        Ok(Self(Arc::new(Shared { programs: vec![program], world: Mutex::new(world) })))
    }

    /// The programs' symbols in the object.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        self.0.programs.iter().map(|program| program.name.as_str())
    }

    /// The maps' symbols in the object, the sections of globals among them.
    pub fn maps(&self) -> Vec<String> {
        self.world().maps.iter().map(|map| map.definition.name.clone()).collect()
    }

    /// Bytes of the instructions of a program; 0 where it is not there.
    pub(crate) fn program_size(&self, symbol: &str) -> u32 {
        const SLOT: usize = 8;
        let bytes = self.program(symbol).map_or(0, |(_, program)| program.instructions.len() * SLOT);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// What stands for a program in a map of programs.
    pub(crate) fn program_number(&self, symbol: &str) -> u32 {
        self.program(symbol).ok().and_then(|(number, _)| u32::try_from(number).ok()).unwrap_or(u32::MAX)
    }

    /// The map with this symbol: its bytes, as user space has them.
    pub fn map(&self, symbol: &str) -> Option<SimulatedMap> {
        let world = self.world();
        let number = world.maps.iter().position(|map| map.definition.name == symbol)?;
        Some(SimulatedMap::new(self.clone(), number, &world.maps[number]))
    }

    /// Sets the time, in nanoseconds since boot. It starts at one second, and each instruction takes a nanosecond.
    pub fn set_time(&self, nanoseconds: u64) {
        self.world().environment.clock = nanoseconds;
    }

    /// The time, in nanoseconds since boot.
    pub fn time(&self) -> u64 {
        self.world().environment.clock
    }

    /// Begins random numbers anew, from this number; without it they begin at 0.
    pub fn set_seed(&self, seed: u64) {
        self.world().environment.seed(seed);
    }

    /// Sets the CPU that programs run on, which is 0 at first.
    pub fn set_cpu(&self, cpu: usize) -> Result<(), SimulatorError> {
        let environment = &mut self.world().environment;
        if cpu >= environment.cpus {
            let cpus = environment.cpus;
            return Err(SimulatorError::unable(format!("run programs on CPU {cpu}: it has {cpus}, counted from 0")));
        }
        environment.cpu = cpu;
        Ok(())
    }

    /// The place on a stack of a call that begins. No two are the same.
    pub(crate) fn new_frame(&self) -> u64 {
        let environment = &mut self.world().environment;
        environment.frames += 1;
        // Stacks grow down.
        0xffff_c900_0000_0000_u64.wrapping_sub(64 * environment.frames)
    }

    /// How many CPUs there are: as many as the machine can have.
    pub fn cpus(&self) -> usize {
        self.world().environment.cpus
    }

    /// Sets the task that is running when programs are.
    pub fn set_task(&self, task: Task) {
        self.world().environment.task = task;
    }

    /// Puts bytes where programs find the kernel's memory; gives their address, for arguments of programs and for fields that refer to them.
    ///
    /// Structs of the kernel lie there as they are declared: the fields of `define-kernel-struct` one after the other, as in C. So a `#[repr(C)]` struct with the
    /// same fields has the right bytes, with `u64` for `(ref T)`.
    pub fn add_kernel_memory(&self, bytes: &[u8]) -> u64 {
        let region = self.world().memory.add(Region::new(Kind::Kernel, bytes.to_vec()));
        Memory::address(region, 0)
    }

    /// Sets the address that programs get for the current task's `task_struct`, which is 0 at first.
    pub fn set_task_address(&self, address: u64) {
        self.world().environment.task_address = address;
    }

    /// Sets the call stack of the kernel, the innermost address first, which is empty at first: `stack-id` then gives `-14`, as it does in the kernel
    /// for a sample that was not taken there.
    pub fn set_kernel_stack(&self, addresses: &[u64]) {
        self.world().environment.kernel_stack = addresses.to_vec();
    }

    /// Sets that of the process, for `(stack-id ctx stacks :user)`.
    pub fn set_user_stack(&self, addresses: &[u64]) {
        self.world().environment.user_stack = addresses.to_vec();
    }

    /// Has something stand in for a function of the kernel that the unit declares, by its name there: it is given the arguments, as a slice of
    /// numbers and with [the memory](KernelArguments) at those that are addresses, and what it gives is the result. It runs in the middle of a
    /// program, so it can't ask the unit for anything.
    pub fn set_kernel_function(
        &self,
        symbol: &str,
        work: impl FnMut(&mut KernelArguments<'_>) -> u64 + Send + 'static,
    ) -> Result<(), SimulatorError> {
        let mut world = self.world();
        let found = world.kernel_functions.iter_mut().find(|function| function.symbol == symbol);
        let function = found.ok_or_else(|| {
            SimulatorError::unable(format!(
                "have something stand in for `{symbol}`: the unit declares no such function"
            ))
        })?;
        function.stand_in = Some(Box::new(work));
        Ok(())
    }

    /// Sets the interface and the queue that packets come from: 1 and 0 at first.
    pub fn set_ingress(&self, interface: u32, queue: u32) {
        self.world().environment.ingress = (interface, queue);
    }

    /// Sets how long the packets of an interface are at most, without their Ethernet header: 1500 bytes where it was not set.
    pub fn set_mtu(&self, interface: u32, mtu: u32) {
        self.world().environment.set_mtu(interface, mtu);
    }

    /// Sets the address of the function that programs are told they are in (`bpf-get-func-ip`), which is 0 at first.
    pub fn set_function_address(&self, address: u64) {
        self.world().environment.function_address = address;
    }

    /// Sets the number that user space gave with the attachment (`bpf-get-attach-cookie`), which is 0 at first.
    pub fn set_attach_cookie(&self, cookie: u64) {
        self.world().environment.attach_cookie = cookie;
    }

    /// Sets how many instructions a run may take, about sixteen million at first.
    pub fn set_instruction_limit(&self, instructions: u64) {
        self.world().environment.step_limit = instructions;
    }

    /// What programs have written to the trace pipe since it was asked for last.
    pub fn take_trace(&self) -> Vec<String> {
        std::mem::take(&mut self.world().environment.trace)
    }

    /// The signals that programs have sent since they were asked for last, in order. Nobody gets them.
    pub fn take_signals(&self) -> Vec<Signal> {
        std::mem::take(&mut self.world().environment.signals)
    }

    /// Runs an XDP program on a packet.
    pub fn run_xdp(&self, program: &str, packet: &[u8]) -> Result<Outcome, SimulatorError> {
        let (_, found) = self.program(program)?;
        if found.kind != ProgramKind::Xdp {
            return Err(SimulatorError::unable(format!("run `{program}` on a packet: it is no XDP program")));
        }
        self.run_on_packet(program, packet)
    }

    /// Runs a program on a packet, of whatever type it is if such programs get packets: with its Ethernet header for `:xdp` and `:tc`, from the IP
    /// header on for `:cgroup-skb`, and as the socket has it for `:socket-filter`.
    pub fn run_on_packet(&self, program: &str, packet: &[u8]) -> Result<Outcome, SimulatorError> {
        let (number, program) = self.program(program)?;
        let (lengths, what) = match program.kind {
            ProgramKind::Xdp | ProgramKind::SocketBuffer(SocketBufferProgram::TrafficControl) => {
                (packet::LENGTHS, "bytes, an Ethernet header,")
            }
            ProgramKind::SocketBuffer(_) => (packet::BARE_LENGTHS, "byte"),
            ProgramKind::Other => {
                let reason = format!("run `{}` on a packet: programs of its type get none", program.name);
                return Err(SimulatorError::unable(reason));
            }
        };
        if !lengths.contains(&packet.len()) {
            return Err(SimulatorError::unable(format!(
                "run `{}` on a packet of {} bytes: like the kernel, it takes packets of {} {what} up to {}",
                program.name,
                packet.len(),
                lengths.start(),
                lengths.end(),
            )));
        }
        let mut world = self.world();
        let (size, context) = match program.kind {
            ProgramKind::SocketBuffer(kind) => {
                let writable = kind == SocketBufferProgram::TrafficControl;
                let in_memory = Packet::new(&mut world.memory, packet, writable);
                (SK_BUFF, Context::SocketBuffer(SocketBuffer::new(in_memory, kind, packet)))
            }
            ProgramKind::Xdp | ProgramKind::Other => {
                (XDP_MD, Context::Xdp(Packet::new(&mut world.memory, packet, true)))
            }
        };
        let region = world.memory.add(Region::new(Kind::Context, vec![0; size]));
        let address = Memory::address(region, 0);
        let mut run = Run::new(&mut world, &self.0.programs, number, context, address);
        let result = run.start(&[address]);
        let (program, at, instructions, redirect) = (run.program, run.at, run.steps, run.redirect.take());
        let (clones, call_result) = (std::mem::take(&mut run.clones), run.call_result);
        let (mut metadata, mut bytes) = (Vec::new(), Vec::new());
        if let Some(packet) = run.end().packet() {
            (metadata, bytes) = packet.bytes(&world.memory);
            packet.remove(&mut world.memory);
        }
        world.memory.remove(region, OVER);
        world.memory.forget_gone();
        // What the kernel takes of the result is its lower half.
        let return_value =
            result.map_err(|fault| violation(&self.0.programs[program], at, fault))? & u64::from(u32::MAX);
        Ok(Outcome { return_value, packet: bytes, metadata, redirect, clones, call_result, instructions })
    }

    /// Runs a program of any type on memory instead of a context, with its address in R1 and its length in R2, as tests of the instruction set do.
    /// The outcome's packet is the memory.
    pub fn run_on_memory(&self, program: &str, memory: &[u8]) -> Result<Outcome, SimulatorError> {
        let (number, _) = self.program(program)?;
        let mut world = self.world();
        let given = world.memory.add(Region::new(Kind::Given, memory.to_vec()));
        let address = Memory::address(given, 0);
        let mut run = Run::new(&mut world, &self.0.programs, number, Context::Given, address);
        let result = run.start(&[address, memory.len() as u64]);
        let (program, at, instructions, call_result) = (run.program, run.at, run.steps, run.call_result);
        run.end();
        let packet = world.memory.remove(given, OVER).map(|region| region.bytes).unwrap_or_default();
        world.memory.forget_gone();
        let return_value = result.map_err(|fault| violation(&self.0.programs[program], at, fault))?;
        Ok(Outcome {
            return_value,
            packet,
            metadata: Vec::new(),
            redirect: None,
            clones: Vec::new(),
            call_result,
            instructions,
        })
    }

    fn program(&self, name: &str) -> Result<(usize, &Program), SimulatorError> {
        let program = self.0.programs.iter().enumerate().find(|(_, program)| program.name == name);
        program.ok_or_else(|| SimulatorError::unable(format!("run `{name}`: the object has no such program")))
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        // What panicked was no program: those end with an error.
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why what belongs to a run is gone.
const OVER: &str = "the run has ended";

fn violation(program: &Program, at: usize, fault: Fault) -> SimulatorError {
    SimulatorError::violation(&program.name, fault.0, program.lines.find(at), at)
}
