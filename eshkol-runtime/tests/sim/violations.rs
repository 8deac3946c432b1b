//! What programs must not do, each as a program that does it: written by hand, since the compiler lets none of them through.

use eshkol_runtime::sim::Machine;
use eshkol_test_support::Instruction::{self, Plain};
use eshkol_test_support::{Object, asm};

/// Kinds of maps (`enum bpf_map_type`).
const HASH: u32 = 1;
const ARRAY: u32 = 2;

const PACKET: [u8; 64] = [7; 64];

/// `rD = *(SIZE *)(rS + OFFSET)`, of 8, 16 and 32 bits.
const fn load8(d: u8, s: u8, offset: i16) -> Instruction {
    Plain(0x71, d, s, offset, 0)
}

/// `*(u64 *)(rD + OFFSET) = rS`
const fn store64_register(d: u8, offset: i16, s: u8) -> Instruction {
    Plain(0x7b, d, s, offset, 0)
}

/// `call FUNCTION`, so many slots ahead.
const fn call_function(distance: i32) -> Instruction {
    Plain(0x85, 0, 1, 0, distance)
}

/// Instructions without maps, as a program of their own: an object would want a symbol for each function.
fn run_code(code: &[Instruction]) -> Result<u64, (usize, String)> {
    let slots = code.iter().map(|instruction| match *instruction {
        Plain(code, d, s, offset, immediate) => {
            let registers = if cfg!(target_endian = "little") { s << 4 | d } else { d << 4 | s };
            [&[code, registers][..], &offset.to_ne_bytes(), &immediate.to_ne_bytes()].concat()
        }
        Instruction::Address(..) => panic!("there are no maps"),
    });
    let machine = Machine::of_code(&slots.collect::<Vec<_>>().concat()).unwrap();
    let outcome = machine.run_on_memory("code", &PACKET);
    outcome
        .map(|outcome| outcome.return_value)
        .map_err(|error| (error.instruction().unwrap(), error.message().to_owned()))
}

const RETURN_PASS: [Instruction; 2] = [asm::mov(0, 2), asm::exit()];

fn object(code: &[Instruction]) -> &'static [u8] {
    Object::new()
        .map("hash", HASH, 4, 8, 4, 0)
        .map("array", ARRAY, 4, 8, 2, 0)
        .global(".rodata", "constant", &[1, 2, 3, 4, 5, 6, 7, 8])
        .global(".data.counter", "counter", &[0; 8])
        .program("xdp", "main", code)
        .build()
}

/// What the simulator says of a program, and of which instruction.
fn message(code: &[&[Instruction]]) -> (usize, String) {
    let machine = Machine::load(object(&code.concat())).unwrap();
    let error = machine.run_xdp("main", &PACKET).unwrap_err();
    assert!(error.is_violation(), "{error}");
    // Whatever stops a program leaves the machine as it was.
    assert_eq!(machine.run_xdp("main", &PACKET).unwrap_err(), error);
    (error.instruction().unwrap(), error.message().to_owned())
}

fn returned(code: &[&[Instruction]]) -> u64 {
    Machine::load(object(&code.concat())).unwrap().run_xdp("main", &PACKET).unwrap().return_value
}

/// `r0 = map_lookup_elem(MAP, &KEY)`
fn lookup(map: &'static str, key: i32) -> Vec<Instruction> {
    vec![asm::store32(10, -4, key), asm::mov_register(2, 10), asm::add(2, -4), asm::address(1, map), asm::call(1)]
}

#[test]
fn a_stack_slot_that_was_never_written() {
    let (at, message) = message(&[&[asm::load64(0, 10, -8), asm::exit()]]);
    assert_eq!(at, 0);
    assert_eq!(
        message,
        "reads 8 bytes at offset -8 of the stack, of which the byte at -8 has not been written (through r10 - 8)"
    );
}

#[test]
fn a_stack_slot_that_was_written_in_part() {
    let code = [asm::store32(10, -8, 1), asm::load64(0, 10, -8), asm::exit()];
    assert!(message(&[&code]).1.contains("of which the byte at -4 has not been written"));
}

#[test]
fn a_key_that_was_never_written() {
    let code = [asm::mov_register(2, 10), asm::add(2, -4), asm::address(1, "hash"), asm::call(1)];
    let (_, message) = message(&[&code, &RETURN_PASS]);
    assert!(
        message.starts_with("calls bpf_map_lookup_elem, which reads 4 bytes at offset -4 of the stack"),
        "{message}"
    );
}

#[test]
fn past_the_stack() {
    assert!(message(&[&[asm::store8(10, 0, 1)], &RETURN_PASS]).1.contains("1 byte past its end: it has 512 bytes"));
    assert!(message(&[&[asm::store8(10, -513, 1)], &RETURN_PASS]).1.contains("before its start"));
    assert_eq!(returned(&[&[asm::store8(10, -512, 1)], &RETURN_PASS]), 2);
}

#[test]
fn a_misaligned_stack_slot() {
    let (_, message) = message(&[&[asm::store32(10, -6, 1)], &RETURN_PASS]);
    assert_eq!(message, "writes 4 bytes at offset -6 of the stack, which is no multiple of 4 (through r10 - 6)");
}

#[test]
fn a_lookup_that_finds_nothing() {
    let (at, message) = message(&[&lookup("hash", 1), &[asm::load64(0, 0, 0), asm::exit()]]);
    assert_eq!(at, 6);
    assert_eq!(
        message,
        "reads 8 bytes at address 0x0, which is a null pointer, as a lookup gives that finds nothing (through r0 + 0)"
    );
}

#[test]
fn one_byte_past_a_value() {
    let tested = [asm::jump_if_equal(0, 0, 1), load8(1, 0, 8)];
    let (_, message) = message(&[&lookup("array", 1), &tested, &RETURN_PASS]);
    assert_eq!(
        message,
        "reads 1 byte at offset 8 of a value of map `array`, 1 byte past its end: it has 8 bytes (through r0 + 8)"
    );
    let tested = [asm::jump_if_equal(0, 0, 1), load8(1, 0, 7)];
    assert_eq!(returned(&[&lookup("array", 1), &tested, &RETURN_PASS]), 2);
}

#[test]
fn a_misaligned_atomic_operation() {
    let add = |offset| [asm::mov(1, 1), asm::atomic_add64(0, offset, 1)];
    assert!(message(&[&lookup("array", 0), &add(4), &RETURN_PASS]).1.contains("past its end"));
    let data = |offset| [asm::address(0, "counter"), asm::mov(1, 1), Plain(0xc3, 0, 1, offset, 0)];
    assert!(message(&[&data(2), &RETURN_PASS]).1.contains("which is no multiple of 4"));
    assert_eq!(returned(&[&data(4), &RETURN_PASS]), 2);
}

#[test]
fn an_atomic_operation_on_the_packet() {
    let code = [asm::load32(1, 1, 0), asm::mov(2, 1), Plain(0xc3, 1, 2, 0, 0)];
    assert!(message(&[&code, &RETURN_PASS]).1.contains("which the kernel allows in maps and on the stack only"));
}

#[test]
fn constants_stay_what_they_are() {
    let (_, message) = message(&[&[asm::address(1, "constant"), asm::store8(1, 0, 9)], &RETURN_PASS]);
    assert_eq!(
        message,
        "writes 1 byte at offset 0 of the constants in `.rodata`, which programs can't change (through r1 + 0)"
    );
    assert_eq!(returned(&[&[asm::address(1, "constant"), load8(0, 1, 3), asm::exit()]]), 4);
}

#[test]
fn the_packet_from_its_start_to_its_end() {
    let read = |offset| [asm::load32(1, 1, 0), load8(0, 1, offset), asm::exit()];
    assert_eq!(returned(&[&read(63)]), 7);
    assert!(message(&[&read(64)]).1.contains("offset 64 of the packet, 1 byte past its end: it has 64 bytes"));
    assert!(message(&[&read(-1)]).1.contains("offset -1 of the packet, which is before its start"));
}

#[test]
fn a_pointer_from_before_the_packet_moved() {
    let code = |reload: &[Instruction]| {
        [
            &[asm::mov_register(6, 1), asm::load32(7, 1, 0), asm::mov(2, 4), asm::call(44)],
            reload,
            &[load8(0, 7, 0), asm::exit()],
        ]
        .concat()
    };
    let (_, message) = message(&[&code(&[])]);
    assert_eq!(
        message,
        "reads 1 byte in the packet, which is no longer there: bpf_xdp_adjust_head has moved the packet (through r7 + 0)"
    );
    assert_eq!(returned(&[&code(&[asm::load32(7, 6, 0)])]), 7);
}

#[test]
fn the_context_by_its_fields() {
    let (_, wrong_size) = message(&[&[load8(0, 1, 0), asm::exit()]]);
    assert!(
        wrong_size.starts_with("reads 1 byte at offset 0 of the context, where no field of that size is"),
        "{wrong_size}"
    );
    assert!(message(&[&[asm::store32(1, 12, 1)], &RETURN_PASS]).1.contains("writes to the context"));
    let as_key = [asm::mov_register(2, 1), asm::address(1, "hash"), asm::call(1)];
    assert!(message(&[&as_key, &RETURN_PASS]).1.contains("of which there are only fields to load"));
    let atomic = [asm::mov(2, 1), Plain(0xc3, 1, 2, 12, 0)];
    assert!(message(&[&atomic, &RETURN_PASS]).1.contains("of which there are only fields to load"));
}

#[test]
fn registers_without_a_value() {
    assert_eq!(message(&[&[asm::exit()]]), (0, "reads r0, which has no value".to_owned()));
    let after_call = [asm::mov(1, 1), asm::call(7), asm::mov_register(0, 1), asm::exit()];
    assert_eq!(message(&[&after_call]), (2, "reads r1, which has no value".to_owned()));
    assert_eq!(
        message(&[&[asm::call(1), asm::exit()]]).1.replace("r1, ", ""),
        "calls bpf_map_lookup_elem, which reads r2, which has no value"
    );
}

#[test]
fn functions_know_nothing_but_their_arguments() {
    let code = [asm::mov(6, 1), asm::mov(1, 40), call_function(1), asm::exit(), asm::mov_register(0, 6), asm::exit()];
    assert_eq!(run_code(&code), Err((4, "reads r6, which has no value".to_owned())));
    // What the caller keeps stays; what the function returns comes back.
    let code = [
        asm::mov(6, 2),
        asm::mov(1, 40),
        call_function(2),
        Plain(0x0f, 0, 6, 0, 0),
        asm::exit(),
        asm::mov_register(0, 1),
        asm::exit(),
    ];
    assert_eq!(run_code(&code), Ok(42));
}

#[test]
fn the_stack_of_a_function_that_has_returned() {
    let code = [
        call_function(2),
        asm::load64(0, 0, -8),
        asm::exit(),
        asm::mov(1, 5),
        store64_register(10, -8, 1),
        asm::mov_register(0, 10),
        asm::exit(),
    ];
    let (at, message) = run_code(&code).unwrap_err();
    assert_eq!(at, 1);
    assert!(message.contains("the call that it belonged to has returned"), "{message}");
}

#[test]
fn a_null_pointer_without_a_context() {
    let (_, message) = run_code(&[asm::mov(1, 0), asm::load64(0, 1, 0), asm::exit()]).unwrap_err();
    assert!(message.contains("which is a null pointer"), "{message}");
}

#[test]
fn calls_without_end() {
    let (_, message) = run_code(&[call_function(-1), asm::exit()]).unwrap_err();
    assert_eq!(message, "calls functions within functions 9 deep, of which the kernel allows 8");
}

#[test]
fn a_program_without_end() {
    let machine = Machine::load(object(&[asm::jump(-1), asm::exit()])).unwrap();
    machine.set_instruction_limit(1000);
    let error = machine.run_xdp("main", &PACKET).unwrap_err();
    assert_eq!(error.message(), "has not ended after 1000 instructions, which is the simulator's limit");
}

#[test]
fn helpers_that_there_are_not() {
    let (_, message) = message(&[&[asm::call(9999)], &RETURN_PASS]);
    assert_eq!(message, "calls helper 9999, which the simulator does not have");
}

#[test]
fn what_is_no_instruction_is_refused_before_it_runs() {
    let error = Machine::load(object(&[Plain(0xff, 0, 0, 0, 0), asm::exit()])).unwrap_err();
    assert_eq!(error.message(), "is no program: at instruction 0, opcode 0xff with offset 0 is not known");
    let error = Machine::load(object(&[asm::jump(7), asm::exit()])).unwrap_err();
    assert!(error.message().contains("goes to a slot where no instruction starts"), "{error}");
    let error = Machine::load(b"no object").unwrap_err();
    assert!(!error.is_violation());
    assert!(
        error.to_string().starts_with("the simulator cannot load the object: it is not a 64-bit ELF file"),
        "{error}"
    );
}

/// The address of a function of the same program.
const fn function(d: u8, distance: i32) -> [Instruction; 2] {
    [Plain(0x18, d, 4, 0, distance), Plain(0, 0, 0, 0, 0)]
}

/// Calls a function `rounds` times that adds its argument to what R2 points to and gives whether the argument is `last`.
fn repeat(rounds: i32, last: i32, flags: i32) -> Vec<Instruction> {
    let mut code = vec![asm::mov(6, 0), store64_register(10, -8, 6), asm::mov(1, rounds)];
    code.extend(function(2, 8));
    code.extend([asm::mov_register(3, 10), asm::add(3, -8), asm::mov(4, flags), asm::call(181)]);
    code.extend([asm::load64(1, 10, -8), Plain(0x0f, 0, 1, 0, 0), asm::exit()]);
    code.extend([asm::load64(3, 2, 0), Plain(0x0f, 3, 1, 0, 0), store64_register(2, 0, 3), asm::mov(0, 0)]);
    code.extend([Plain(0x55, 1, 0, 1, last), asm::mov(0, 1), asm::exit()]);
    code
}

#[test]
fn a_function_is_called_as_often_as_asked() {
    // How often, and the sum of the rounds' numbers.
    assert_eq!(run_code(&repeat(5, -1, 0)), Ok(5 + 10));
    assert_eq!(run_code(&repeat(5, 2, 0)), Ok(3 + 3));
    assert_eq!(run_code(&repeat(0, -1, 0)), Ok(0));
    assert_eq!(run_code(&repeat(5, -1, 1)), Ok((-22_i64).cast_unsigned()));
    assert_eq!(run_code(&repeat(8 << 20 | 1, -1, 0)), Ok((-7_i64).cast_unsigned()));
}

#[test]
fn what_goes_wrong_in_a_function_is_told_there() {
    let mut code = repeat(5, -1, 0);
    let inside = code.len() - 7;
    code[inside] = asm::load64(3, 2, 8);
    let (at, message) = run_code(&code).unwrap_err();
    assert_eq!(at, inside);
    assert_eq!(
        message,
        "reads 8 bytes at offset 0 of the stack, 8 bytes past its end: it has 512 bytes (through r2 + 8)"
    );
}
