//! What is refused before anything is in the kernel.

use eshkol_runtime::{Error, HashMap, KernelVersion, Loader, Program, XdpProgram};
use eshkol_test_support::{Privilege, asm, require_root};

use crate::unit::{Unit, always, kind};

#[test]
fn programs_say_what_the_kernel_knows_of_them() {
    let Privilege::Granted = require_root() else { return };
    let mut unit = Unit::new().xdp("pass", &always(2)).xdp("drop", &always(1)).load();
    let pass: XdpProgram = unit.program("pass").unwrap();
    let drop: Program = unit.program("drop").unwrap();
    assert_eq!((pass.name(), drop.name()), ("pass", "drop"));
    assert_ne!(pass.id(), drop.id());
    // 2, and since 5.18 or so what the verifier puts in front.
    assert!((2..8).contains(&pass.instructions()), "{}", pass.instructions());
    if KernelVersion::running().unwrap() >= KernelVersion::new(5, 16) {
        assert_eq!(pass.verified_instructions(), 2);
    }
    assert_eq!(unit.ebpf_mut().programs().count(), 2);
    assert!(matches!(unit.program::<Program>("other"), Err(Error::UnknownName { what: "program", .. })));
}

#[test]
fn max_entries_can_be_set() {
    let Privilege::Granted = require_root() else { return };
    let spec = Unit::new().map("m", kind::HASH, 4, 4, 2).spec();
    let unit = Loader::new(spec).max_entries("m", 3).load().unwrap();
    assert_eq!(unit.map::<HashMap<u32, u32>>("m").unwrap().capacity(), 3);
    let error = Loader::new(spec).max_entries("n", 3).load().unwrap_err();
    assert_eq!(error.to_string(), "unit `test-unit` has no map `n`");
}

#[test]
fn an_older_kernel_is_refused() {
    let spec = Unit::new().xdp("pass", &always(2)).min_kernel(99, 1).spec();
    let error = Loader::new(spec).load().unwrap_err();
    assert!(matches!(error, Error::KernelTooOld { needed, .. } if needed == KernelVersion::new(99, 1)));
    let running = KernelVersion::running().unwrap();
    let start = format!("cannot load `test-unit`: that needs Linux 99.1 or newer, and this is {running}.");
    assert!(error.to_string().starts_with(&start), "{error}");
}

#[test]
fn an_object_cut_short_is_refused() {
    let Privilege::Granted = require_root() else { return };
    let whole = Unit::new().xdp("pass", &always(2)).spec().object;
    for len in 0..whole.len() {
        let spec = Unit::new().xdp("pass", &always(2)).spec_with(&whole[..len]);
        let error = Loader::new(spec).load().unwrap_err();
        assert!(matches!(error, Error::Object { .. }), "{len}: {error}");
    }
}

#[test]
fn a_program_of_the_unit_that_is_refused_keeps_all_from_loading() {
    let Privilege::Granted = require_root() else { return };
    let spec = Unit::new().xdp("good", &always(2)).xdp("bad", &[asm::exit()]).spec();
    let error = Loader::new(spec).load().unwrap_err();
    assert!(matches!(&error, Error::Verifier(refusal) if refusal.program() == "bad"), "{error}");
}
