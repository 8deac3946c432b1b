//! The verifier's first look at a program, as kernels from 5.3 to 6.6 take it: where a loop goes back, it must jump (`check_cfg` and
//! `push_insn` in `kernel/bpf/verifier.c`).

use crate::bpf::Code;
use crate::bpf::instruction::{alu, class, jump};
use crate::kernel::IsaVersion;

#[derive(Copy, Clone, PartialEq, Eq)]
enum State {
    New,
    Open,
    Done,
}

/// The ways on from an instruction, and for each whether it may go back.
fn ways(code: &Code, at: usize) -> Vec<(usize, bool)> {
    let instruction = code.instructions[at];
    let next = at + if instruction.is_wide() { 2 } else { 1 };
    let to = |offset: i64| usize::try_from(next as i64 + offset).unwrap();
    let operation = instruction.opcode & alu::MASK;
    match instruction.opcode & 7 {
        class::JMP | class::JMP32 if operation == jump::EXIT => Vec::new(),
        class::JMP if operation == jump::CALL => vec![(next, false)],
        class::JMP if operation == jump::JA => vec![(to(instruction.offset.into()), true)],
        class::JMP32 if operation == jump::JA => vec![(to(instruction.immediate.into()), true)],
        class::JMP | class::JMP32 => vec![(next, true), (to(instruction.offset.into()), true)],
        _ => vec![(next, false)],
    }
}

/// A way back that falls through, which older kernels refuse.
pub(super) fn falls_back(code: &Code) -> Option<(usize, usize)> {
    let mut states = vec![State::New; code.instructions.len()];
    states[0] = State::Open;
    let mut open = vec![(0, ways(code, 0))];
    while let Some((at, rest)) = open.last_mut() {
        let at = *at;
        if rest.is_empty() {
            states[at] = State::Done;
            open.pop();
            continue;
        }
        let (to, may_go_back) = rest.remove(0);
        match states[to] {
            State::New => {
                states[to] = State::Open;
                open.push((to, ways(code, to)));
            }
            State::Open if !may_go_back => return Some((at, to)),
            State::Open | State::Done => {}
        }
    }
    None
}

#[test]
fn a_loop_that_is_entered_in_two_places_goes_back_by_jumps() {
    // What the last round hands on, one of the ways into the loop hands on, too; written once, it is a second entrance.
    let text = r#"
function "test" {
  slot s0 size 8 align 8
b0(v0: context):
  v1: packet = load.4 v0 + 0
  v2 = const 20
  v3: packet = add v1, v2
  v4: packet-end = load.4 v0 + 4
  branch above v3, v4 -> b2, b1
b2:
  v5 = const 2
  return v5
b1:
  v6 = load.1 v3 - 20
  v7 = load.1 v3 - 12
  v8 = const 0
  v9 = const 4
  v10 = load.1 v3 - 4
  v11 = const 7
  v12 = and v10, v11
  branch bits-set v10, v11 -> b3, b5
b3:
  v13 = const 1
  branch equal v12, v13 -> b5, b4
b4:
  v14 = const 5
  branch equal v12, v14 -> b6, b7(v9, v7)
b6:
  v15 = const 63
  jump b7(v9, v15)
b5:
  v16 = load.2 v3 - 2
  jump b7(v9, v16)
b7(v17, v18):
  branch below-equal v17, v8 -> b8(v18), b9
b9:
  v19 = const 64
  branch above-equal v6, v19 -> b10, b11
b10:
  v20 = load.2 v3 - 4
  jump b8(v20)
b11:
  v21 = const -1
  v22 = add v17, v21
  jump b7(v22, v7)
b8(v23):
  v24: map = map map0
  v25: stack = slot s0
  store.4 v25 + 0, v8
  v26: map-value = helper 1(v24, v25)
  branch not-equal v26, v8 -> b12, b13
b12:
  store.8 v26 + 0, v23
  jump b13
b13:
  v27 = const 1
  return v27
}"#;
    for isa in super::ISAS {
        let code = super::code(isa, crate::Endianness::Little, text);
        assert_eq!(falls_back(&code), None, "{isa:?}\n{}", crate::bpf::disassemble(&code));
        let jumps_to_next = super::lines(&code).contains(&"goto +0".to_owned());
        assert!(jumps_to_next || isa != IsaVersion::V3, "{}", crate::bpf::disassemble(&code));
    }
}
