//! Helpers of programs that look on, which give what they give in a raw tracepoint's program in the kernel.

use eshkol_runtime::sim::{Machine, Task};
use eshkol_test_support::Instruction::{self, Plain};
use eshkol_test_support::{Object, asm};

use crate::in_kernel::{self, ProgramType};

// `enum bpf_func_id`.
const PROBE_READ: i32 = 4;
const PROBE_READ_STR: i32 = 45;
const SEND_SIGNAL: i32 = 109;
const PROBE_READ_USER: i32 = 112;
const PROBE_READ_KERNEL: i32 = 113;
const PROBE_READ_USER_STR: i32 = 114;
const PROBE_READ_KERNEL_STR: i32 = 115;
const SEND_SIGNAL_THREAD: i32 = 117;
const GET_FUNC_IP: i32 = 173;
const GET_ATTACH_COOKIE: i32 = 174;
const GET_BRANCH_SNAPSHOT: i32 = 176;

fn bytes(code: &[Instruction]) -> Vec<u8> {
    let slot = |instruction: &Instruction| match *instruction {
        Plain(opcode, destination, source, offset, immediate) => {
            let registers =
                if cfg!(target_endian = "little") { source << 4 | destination } else { destination << 4 | source };
            [&[opcode, registers][..], &offset.to_ne_bytes(), &immediate.to_ne_bytes()].concat()
        }
        Instruction::Address(..) => panic!("there are no maps"),
    };
    code.iter().flat_map(slot).collect()
}

fn agree(code: &[Instruction], memory: &[u8]) -> u64 {
    let code = bytes(code);
    let outcome = Machine::of_code(&code).unwrap().run_on_memory("code", memory).unwrap();
    if crate::kernel_compares() {
        let real = in_kernel::run_as(ProgramType::RawTracepoint, &code, memory);
        assert_eq!(real, Ok(outcome.return_value), "{code:02x?} on {memory:02x?}");
    }
    outcome.return_value
}

/// Reads from the memory that is given, or from an address, to a buffer of 16 bytes that has something in it; gives what the helper gives, or what is in
/// the buffer then: its first or its second half.
fn read(helper: i32, size: i32, from: Result<i32, i32>, result: i16) -> Vec<Instruction> {
    let mut code = vec![asm::mov_register(3, 1), asm::mov(0, 0x5555)];
    code.extend([Plain(0x7b, 10, 0, -8, 0), Plain(0x7b, 10, 0, -16, 0), Plain(0x7b, 10, 0, -24, 0)]);
    code.push(match from {
        Ok(offset) => asm::add(3, offset),
        Err(address) => asm::mov(3, address),
    });
    code.extend([asm::mov_register(1, 10), asm::add(1, -16), asm::mov(2, size), asm::call(helper)]);
    // What is no error fits into 32 bits.
    code.push(Plain(0x7b, 10, 0, -24, 0));
    code.extend([asm::load64(0, 10, result), asm::exit()]);
    code
}

#[test]
fn memory_is_read_or_is_not_there() {
    let memory = [&b"a name\0behind it and more"[..], &[0; 7]].concat();
    let [all, text, user] = [
        [PROBE_READ, PROBE_READ_KERNEL].as_slice(),
        &[PROBE_READ_STR, PROBE_READ_KERNEL_STR],
        &[PROBE_READ_USER, PROBE_READ_USER_STR],
    ];
    // Of the halves of the buffer, those that are written.
    for size in [0, 1, 6, 7, 8, 16] {
        for offset in [0, 3, 6, 7, 16] {
            for helper in all.iter().chain(text) {
                for result in [-24, -16, -8] {
                    agree(&read(*helper, size, Ok(offset), result), &memory);
                }
            }
        }
        // Nothing is at these addresses of a process, nor at those that only the kernel could have.
        for address in [0, 8, 4096] {
            for helper in all.iter().chain(text).chain(user) {
                for result in [-24, -16, -8] {
                    agree(&read(*helper, size, Err(address), result), &memory);
                }
            }
        }
    }
    assert_eq!(agree(&read(PROBE_READ_STR, 16, Ok(0), -24), &memory), 7);
    assert_eq!(agree(&read(PROBE_READ, 8, Err(0), -24), &memory).cast_signed(), -14);
    assert_eq!(agree(&read(PROBE_READ, 8, Err(0), -16), &memory), 0);
}

#[test]
fn signals_are_refused_alike() {
    // 0 is none, and what is below 0 or above 64 can't be.
    for helper in [SEND_SIGNAL, SEND_SIGNAL_THREAD] {
        let results = [0, 65, -1, i32::MIN]
            .map(|signal| agree(&[asm::mov(1, signal), asm::call(helper), asm::exit()], &[]).cast_signed());
        assert_eq!(results, [0, -22, -22, -22]);
    }
}

#[test]
fn where_nothing_is_known_nothing_is_told() {
    let branches = |flags| {
        let code = [asm::mov_register(1, 10), asm::add(1, -24), asm::mov(2, 24), asm::mov(3, flags)];
        agree(&[&code[..], &[asm::call(GET_BRANCH_SNAPSHOT), asm::exit()]].concat(), &[]).cast_signed()
    };
    assert_eq!([branches(0), branches(1)], [-2, -22]);
}

/// Programs that give what a helper gives that has the context alone.
fn ask(helper: i32) -> Machine {
    let code = [asm::call(helper), asm::exit()];
    Machine::load(Object::new().program("kprobe/f", "main", &code).build()).unwrap()
}

#[test]
fn a_test_says_which_function_it_is_and_with_which_number() {
    // `bpf_get_func_ip_kprobe` and `bpf_get_attach_cookie_trace` in `kernel/trace/bpf_trace.c`.
    let machine = ask(GET_FUNC_IP);
    let run = |machine: &Machine| machine.run_on_memory("main", &[0; 8]).unwrap().return_value;
    assert_eq!(run(&machine), 0);
    machine.set_function_address(0xffff_ffff_8100_0000);
    assert_eq!(run(&machine), 0xffff_ffff_8100_0000);
    let machine = ask(GET_ATTACH_COOKIE);
    assert_eq!(run(&machine), 0);
    machine.set_attach_cookie(7);
    assert_eq!(run(&machine), 7);
}

#[test]
fn signals_come_to_the_test() {
    let code = [SEND_SIGNAL, SEND_SIGNAL_THREAD].map(|helper| [asm::mov(1, 9), asm::call(helper)]).concat();
    let code = [&code[..], &[asm::exit()]].concat();
    let machine = Machine::load(Object::new().program("kprobe/f", "main", &code).build()).unwrap();
    let run = || machine.run_on_memory("main", &[0; 8]).unwrap().return_value.cast_signed();
    assert_eq!(run(), 0);
    let signals: Vec<_> = machine.take_signals().iter().map(|signal| (signal.number, signal.thread)).collect();
    assert_eq!(signals, [(9, false), (9, true)]);
    // The first process gets none (`bpf_send_signal_common`).
    let mut task = Task::default();
    task.process = 1;
    machine.set_task(task);
    assert_eq!((run(), machine.take_signals()), (-1, vec![]));
}
