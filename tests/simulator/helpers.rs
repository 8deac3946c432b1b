//! Which helpers the simulator has.

use eshkol::sim::Machine;
use eshkol_core::kernel::helper;

/// A program that calls a helper, whatever that wants: `call HELPER`, `exit`.
fn calls(number: u32) -> Vec<u8> {
    let instruction = |opcode: u8, immediate: u32| [&[opcode, 0, 0, 0][..], &immediate.to_ne_bytes()].concat();
    [instruction(0x85, number), instruction(0x95, 0)].concat()
}

#[test]
fn the_book_names_those_that_are_not_there() {
    let missing: Vec<_> = helper::all()
        .filter(|helper| {
            let run = Machine::of_code(&calls(helper.id.0)).unwrap().run_on_memory("code", &[]);
            run.is_err_and(|error| error.to_string().contains("which the simulator does not have"))
        })
        .map(|helper| helper.name)
        .collect();
    assert!(missing.contains(&"bpf-fib-lookup") && missing.len() < helper::all().count() / 2, "{missing:?}");
    let page = include_str!("../../docs/src/how-to/test.md");
    let item = page.split("\n- ").find(|item| item.contains("stop the program that calls them")).unwrap();
    let named: Vec<_> = item.split('`').filter(|word| word.starts_with("bpf-")).collect();
    let sorted = |mut names: Vec<&'static str>| {
        names.sort_unstable();
        names
    };
    assert_eq!(sorted(missing), sorted(named));
}
