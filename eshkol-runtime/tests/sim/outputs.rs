//! Events that are output to the buffers of the CPUs find room in the simulator where they do in the kernel, and are refused with the same errors.

use eshkol_test_support::Instruction::Plain;
use eshkol_test_support::{Loaded, Object, Privilege, Runner, Simulated, asm, require_root, stay_on_first_processor};

use crate::helpers::{Random, given, program};
use crate::unit::kind;

/// `BPF_F_CURRENT_CPU`
const THIS_CPU: u64 = 0xffff_ffff;
/// Bytes of an event at most.
const LARGEST: u64 = 120;

/// Outputs as many bytes of what is given as its second word says, with the first as flags.
fn object() -> &'static [u8] {
    let body = [
        asm::mov_register(1, 8),
        asm::address(2, "output"),
        given(3, 0),
        asm::mov_register(4, 6),
        given(5, 1),
        // R5 &= 127, the size being from 0 on.
        Plain(0x57, 5, 0, 0, 0x7f),
        asm::call(25),
        asm::exit(),
    ];
    Object::new()
        .map("given", kind::ARRAY, 4, 128, 1, 0)
        .map("result", kind::ARRAY, 4, 128, 1, 0)
        // More than there are CPUs, which loaders cut.
        .map("output", kind::PERF_EVENT_ARRAY, 4, 4, 4096, 0)
        .program("xdp", "main", &program(&body))
        .build()
}

#[test]
fn outputs_agree() {
    let Privilege::Granted = require_root() else { return };
    stay_on_first_processor().unwrap();
    let object = object();
    let simulated = Simulated::load(object, "main").unwrap();
    let real = Loaded::load(object, "main").unwrap();
    let runners: [&dyn Runner; 2] = [&simulated, &real];
    let mut random = Random(25);
    let (mut refused, mut full) = (0, 0);
    let mut sizes = Vec::new();
    for round in 0..20_000 {
        // Another CPU's buffer, an index that there is not, flags that there are not.
        let flags = match random.below(40) {
            0 => 1,
            1 => 4095,
            2 => 1 << 60,
            3 => 0,
            _ => THIS_CPU,
        };
        let mut words = [random.next(); 16];
        words[0] = flags;
        words[1] = random.below(LARGEST + 1);
        let size = usize::try_from(words[1]).unwrap();
        let words: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let [ours, theirs] = runners.map(|runner| {
            runner.update("given", &[0; 4], &words).unwrap();
            runner.run(&[0; 64]).unwrap().verdict.cast_signed()
        });
        assert_eq!(ours, theirs, "round {round}: flags {flags:#x}, {size} bytes");
        if ours == 0 {
            sizes.push(size);
        }
        refused += usize::from(ours < 0 && ours != -libc::ENOSPC);
        full += usize::from(ours == -libc::ENOSPC);
        if random.below(50) == 0 {
            let [ours, theirs] = runners.map(|runner| runner.events("output").unwrap());
            assert_eq!((ours.len(), theirs.len()), (sizes.len(), sizes.len()), "round {round}");
            for ((ours, theirs), size) in ours.iter().zip(&theirs).zip(sizes.drain(..)) {
                // What fills an event up is not the event's.
                assert_eq!((ours.len(), &ours[..size]), (theirs.len(), &theirs[..size]), "round {round}");
            }
        }
    }
    assert!(refused > 500 && full > 500, "{refused} refused, {full} found no room");
}
