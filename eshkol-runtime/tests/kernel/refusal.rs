//! The verifier's refusals, and those for want of privilege.

use eshkol_runtime::{Error, Loader, VerifierError};
use eshkol_test_support::{Instruction, Privilege, asm, require_root};

use crate::unit::{Unit, always, kind};

fn refused(unit: Unit) -> VerifierError {
    match Loader::new(unit.spec()).load() {
        Err(Error::Verifier(error)) => *error,
        other => panic!("{other:?}"),
    }
}

fn bad(code: &[Instruction]) -> VerifierError {
    refused(Unit::new().map("m", kind::HASH, 4, 8, 4).xdp("bad", code))
}

/// Looks up key 0 of `m`: six slots.
const LOOKUP: [Instruction; 5] =
    [asm::store32(10, -4, 0), asm::mov_register(2, 10), asm::add(2, -4), asm::address(1, "m"), asm::call(1)];

#[test]
fn a_lookup_that_may_be_absent() {
    let Privilege::Granted = require_root() else { return };
    let error = bad(&[&LOOKUP[..], &[asm::load64(0, 0, 0), asm::exit()]].concat());
    assert!(error.message().starts_with("R0 invalid mem access 'map_value_or_null'"), "{}", error.message());
    let location = error.location().unwrap();
    assert_eq!((location.instruction, location.line, location.column), (6, 16, Some(5)));
    assert_eq!((location.file.as_str(), location.text.as_str()), ("src/firewall.esh", "(even line)"));
    let text = error.to_string();
    let expected = "the kernel's verifier refuses program `bad`: R0 invalid mem access 'map_value_or_null'\n  \
                    --> src/firewall.esh:16:5\n   |\n16 | (even line)\n   |\n  = it means: ";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("= the verifier's log"), "{text}");
    assert!(error.log().contains("(85) call bpf_map_lookup_elem#1"));
}

#[test]
fn a_register_never_set() {
    let Privilege::Granted = require_root() else { return };
    let error = bad(&[asm::mov(1, 0), asm::exit()]);
    assert!(error.message().starts_with("R0 !read_ok"), "{}", error.message());
    assert_eq!(error.location().unwrap().line, 11);
    assert!(error.explanation().is_some());
}

#[test]
fn a_packet_that_may_be_shorter() {
    let Privilege::Granted = require_root() else { return };
    let error = bad(&[asm::load32(1, 1, 0), asm::load64(0, 1, 0), asm::exit()]);
    assert!(error.message().starts_with("invalid access to packet"), "{}", error.message());
    assert_eq!(error.location().unwrap().line, 11);
}

#[test]
fn a_loop_without_end() {
    let Privilege::Granted = require_root() else { return };
    let error = bad(&[asm::mov(0, 0), asm::jump_if_equal(0, 1, 1), asm::jump(-2), asm::exit()]);
    assert!(error.message().contains("infinite loop detected"), "{}", error.message());
    assert!((11..=12).contains(&error.location().unwrap().line), "{error}");
}

#[test]
fn an_instruction_that_nothing_leads_to() {
    let Privilege::Granted = require_root() else { return };
    let error = bad(&[asm::mov(0, 0), asm::exit(), asm::mov(0, 1), asm::exit()]);
    assert!(error.message().starts_with("unreachable insn 2"), "{}", error.message());
    assert_eq!(error.location().unwrap().line, 12);
}

#[test]
fn a_helper_that_there_is_not() {
    let Privilege::Granted = require_root() else { return };
    let error = bad(&[asm::call(9999), asm::exit()]);
    assert!(error.message().contains("func"), "{}", error.message());
    assert_eq!(error.location().unwrap().line, 10);
    assert!(error.explanation().unwrap().contains("does not have that helper"), "{error}");
    assert!(!error.to_string().contains("please report"), "{error}");
}

#[test]
fn the_whole_log_on_demand() {
    let Privilege::Granted = require_root() else { return };
    let mut code = vec![asm::mov(0, 0); 100];
    code.extend([asm::load64(0, 0, 0), asm::exit()]);
    let error = bad(&code);
    assert!(!error.to_string().contains(" 0: (b7) r0 = 0"));
    assert!(format!("{error:#}").contains(" 0: (b7) r0 = 0"));
}

#[test]
fn without_privilege_the_missing_capabilities_are_named() {
    let Privilege::Granted = require_root() else { return };
    // Capabilities are a thread's own.
    let error = std::thread::spawn(|| {
        drop_capabilities();
        Loader::new(Unit::new().map("m", kind::HASH, 4, 4, 4).xdp("pass", &always(2)).spec()).load().unwrap_err()
    });
    let error = error.join().unwrap();
    assert!(matches!(error, Error::Permission { .. }), "{error}");
    assert!(error.to_string().contains("This process lacks CAP_BPF"), "{error}");
}

/// Leaves the calling thread without any effective capability.
fn drop_capabilities() {
    #[repr(C)]
    struct Header {
        version: u32,
        thread: i32,
    }
    /// `_LINUX_CAPABILITY_VERSION_3`
    const VERSION: u32 = 0x2008_0522;
    let header = Header { version: VERSION, thread: 0 };
    let sets = [[0_u32; 3]; 2];
    // SAFETY: addresses of a live header and of the two sets that this version wants.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, &raw const sets) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}
