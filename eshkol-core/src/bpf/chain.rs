//! The stack of a whole chain of calls: the kernel gives a program 512 bytes together with all that it calls, and 8 frames
//! (`check_max_stack_depth` in `kernel/bpf/verifier.c`). A function that a helper calls is as deep as one that is called here.

use super::Error;
use super::code::{Code, RelocationTarget};
use super::frame::STACK_LIMIT;
use crate::arena::Id as _;
use crate::source::Span;

/// Frames of a chain at most (`MAX_CALL_FRAMES`).
const FRAME_LIMIT: usize = 8;
/// Each frame takes a multiple of this many bytes, and never none.
const FRAME_UNIT: u32 = 32;

/// A frame of a chain of calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainFrame {
    /// The function.
    pub name: String,
    /// Where it is defined.
    pub span: Span,
    /// The bytes it takes, as the kernel counts them.
    pub bytes: u32,
}

/// Whether a program and all that it calls fit. `functions` are those of the unit, by number.
pub fn check(program: &Code, functions: &[Code]) -> Result<(), Error> {
    let mut depths = vec![None; functions.len()];
    let callees = deepest(program, functions, &mut depths, 1);
    let bytes = frame_bytes(program).saturating_add(callees.bytes);
    // By itself, every function fits: that was looked at when it was made.
    if callees.functions.is_empty() || (bytes <= STACK_LIMIT && callees.functions.len() < FRAME_LIMIT) {
        return Ok(());
    }
    let called = callees.functions.iter().rev().filter_map(|index| functions.get(*index));
    let frames = std::iter::once(program).chain(called).map(|code| ChainFrame {
        name: code.name.clone(),
        span: code.span,
        bytes: frame_bytes(code),
    });
    Err(Error::ChainTooDeep { span: program.span, bytes, frames: frames.collect() })
}

/// The deepest chain of calls below a function.
#[derive(Clone, Default)]
struct Chain {
    bytes: u32,
    /// Numbers of the functions, the last of them called first.
    functions: Vec<usize>,
}

fn frame_bytes(code: &Code) -> u32 {
    code.stack.max(1).checked_next_multiple_of(FRAME_UNIT).unwrap_or(u32::MAX)
}

/// The deepest chain below a function: one of more frames than there may be, or else the one that takes the most bytes.
fn deepest(code: &Code, functions: &[Code], depths: &mut [Option<Chain>], frames: usize) -> Chain {
    let mut deepest_yet = Chain::default();
    // No function calls itself; where one did all the same, this ends.
    if frames > functions.len() {
        return deepest_yet;
    }
    for relocation in &code.relocations {
        let RelocationTarget::Function(id) = relocation.target else { continue };
        let Some(callee) = functions.get(id.index()) else { continue };
        let chain = match depths.get(id.index()).cloned().flatten() {
            Some(known) => known,
            None => {
                let mut chain = deepest(callee, functions, depths, frames.saturating_add(1));
                chain.bytes = chain.bytes.saturating_add(frame_bytes(callee));
                chain.functions.push(id.index());
                if let Some(depth) = depths.get_mut(id.index()) {
                    *depth = Some(chain.clone());
                }
                chain
            }
        };
        let rank = |chain: &Chain| (chain.functions.len().max(FRAME_LIMIT - 1), chain.bytes);
        if rank(&chain) > rank(&deepest_yet) {
            deepest_yet = chain;
        }
    }
    deepest_yet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::code::Relocation;
    use crate::ir::FunctionId;
    use crate::source::SourceId;

    fn span() -> Span {
        Span::new(SourceId::new(0), 0, 0)
    }

    fn code(name: &str, stack: u32, calls: &[usize]) -> Code {
        let relocation = |(at, call): (u32, &usize)| Relocation {
            instruction: at,
            target: RelocationTarget::Function(FunctionId::new(*call)),
        };
        Code {
            name: name.to_owned(),
            span: span(),
            parameters: 0,
            instructions: Vec::new(),
            relocations: (0..).zip(calls).map(relocation).collect(),
            lines: Vec::new(),
            stack,
        }
    }

    fn names(result: Result<(), Error>) -> Option<(u32, Vec<String>)> {
        match result {
            Ok(()) => None,
            Err(Error::ChainTooDeep { bytes, frames, .. }) => {
                Some((bytes, frames.into_iter().map(|frame| frame.name).collect()))
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn frames_are_rounded_up_and_added() {
        let functions = [code("a", 225, &[]), code("b", 1, &[0]), code("c", 250, &[])];
        // 256 + 256, and 224 + 32 + 256.
        assert_eq!(names(check(&code("main", 256, &[0, 2]), &functions)), None);
        assert_eq!(names(check(&code("main", 224, &[0, 1]), &functions)), None);
        let (bytes, frames) = names(check(&code("main", 225, &[2, 1, 0]), &functions)).unwrap();
        assert_eq!((bytes, frames.join(" ")), (544, "main b a".to_owned()));
    }

    #[test]
    fn alone_a_program_has_all() {
        assert_eq!(names(check(&code("main", 512, &[]), &[])), None);
        assert_eq!(names(check(&code("main", 488, &[0]), &[code("a", 0, &[])])).unwrap().0, 544);
    }

    #[test]
    fn eight_frames_at_most() {
        let chain: Vec<Code> =
            (0..9).map(|at| code("f", 8, if at == 0 { &[] } else { std::slice::from_ref(&NUMBERS[at - 1]) })).collect();
        assert_eq!(names(check(&code("main", 8, &[6]), &chain)), None);
        assert_eq!(names(check(&code("main", 8, &[7]), &chain)).unwrap().1.len(), 9);
        assert_eq!(names(check(&code("main", 8, &[0, 8]), &chain)).unwrap().1.len(), 10);
    }

    const NUMBERS: [usize; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

    #[test]
    fn calls_in_a_circle_end() {
        let functions = [code("a", 8, &[1]), code("b", 8, &[0])];
        let _ = check(&code("main", 8, &[0]), &functions);
    }
}
