//! Globals, before loading and after.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use eshkol_runtime::{Error, Global, Loader, XdpProgram};
use eshkol_test_support::{Instruction, Privilege, asm, require_root};

use crate::unit::Unit;

/// Returns the global's low half.
fn returns(global: &'static str) -> [Instruction; 3] {
    [asm::address(1, global), asm::load32(0, 1, 0), asm::exit()]
}

#[test]
fn constants_are_set_before_loading() {
    let Privilege::Granted = require_root() else { return };
    let unit = || {
        let unit = Unit::new().global(".rodata", "threshold", &1_u32.to_ne_bytes());
        unit.global(".rodata", "limit", &3_u32.to_ne_bytes()).xdp("threshold_of", &returns("threshold"))
    };
    let verdict = |loader: Loader| {
        let program: XdpProgram = loader.load().unwrap().program("threshold_of").unwrap();
        program.test_run(&[0; 64]).unwrap().return_value
    };
    assert_eq!(verdict(Loader::new(unit().spec())), 1);
    assert_eq!(verdict(Loader::new(unit().spec()).global::<u32>("threshold", 2).global::<u32>("limit", 9)), 2);

    let error = Loader::new(unit().spec()).global::<u64>("threshold", 2).load().unwrap_err();
    assert_eq!(error.to_string(), "global `threshold` takes a value of 4 bytes, and was given one of 8");
    let error = Loader::new(unit().spec()).global::<u32>("treshold", 2).load().unwrap_err();
    assert!(matches!(error, Error::UnknownName { what: "global", .. }), "{error}");
}

#[test]
fn variables_are_live_on_both_sides() {
    let Privilege::Granted = require_root() else { return };
    let zero = 0_u64.to_ne_bytes();
    let unit = Unit::new().global(".data.first", "first", &zero).global(".data.second", "second", &zero);
    // second = first + 1
    let code = [
        asm::address(1, "first"),
        asm::load64(2, 1, 0),
        asm::add(2, 1),
        asm::address(1, "second"),
        Instruction::Plain(0x7b, 1, 2, 0, 0),
        asm::mov(0, 2),
        asm::exit(),
    ];
    let unit = unit.xdp("successor", &code).load();
    let first: Global<u64> = unit.global("first").unwrap();
    let second: Global<u64> = unit.global("second").unwrap();
    first.set(41).unwrap();
    assert_eq!((first.get().unwrap(), second.get().unwrap()), (41, 0));
    unit.program::<XdpProgram>("successor").unwrap().test_run(&[0; 64]).unwrap();
    assert_eq!((first.get().unwrap(), second.get().unwrap()), (41, 42));
    second.set(7).unwrap();
    assert_eq!((first.get().unwrap(), second.get().unwrap()), (41, 7));
    assert!(unit.global::<u32>("first").is_err());
}

/// Adds to a global while Rust sets another: nothing is lost.
#[test]
fn setting_one_leaves_the_others_alone() {
    const RUNS: u64 = 2000;
    let Privilege::Granted = require_root() else { return };
    let zero = 0_u64.to_ne_bytes();
    let unit = Unit::new().global(".data.hits", "hits", &zero).global(".data.limit", "limit", &zero);
    let code = [
        asm::address(1, "hits"),
        asm::load64(2, 1, 0),
        asm::add(2, 1),
        Instruction::Plain(0x7b, 1, 2, 0, 0),
        asm::mov(0, 2),
        asm::exit(),
    ];
    let unit = unit.xdp("count", &code).load();
    let (hits, limit): (Global<u64>, Global<u64>) = (unit.global("hits").unwrap(), unit.global("limit").unwrap());
    let count: XdpProgram = unit.program("count").unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let set = scope.spawn(|| {
            let mut last = 0;
            while !is_done.load(Ordering::Relaxed) {
                last += 1;
                limit.set(last).unwrap();
            }
            last
        });
        for _ in 0..RUNS {
            count.test_run(&[0; 64]).unwrap();
        }
        is_done.store(true, Ordering::Relaxed);
        let last = set.join().unwrap();
        assert_eq!((hits.get().unwrap(), limit.get().unwrap()), (RUNS, last));
        assert!(last > 0);
    });
}
