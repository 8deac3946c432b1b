//! The verifier's first look at a program, as kernels from 5.3 to 6.6 take it: where a loop goes back, it must jump (`check_cfg` and
//! `push_insn` in `kernel/bpf/verifier.c`).

use crate::bpf::Code;
use crate::bpf::instruction::{alu, class, jump};

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
