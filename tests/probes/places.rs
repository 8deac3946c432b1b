//! Where programs can be attached, and what is said where they can't.

use eshkol::eshkol;
use eshkol_test_support::{Privilege, probes_are_there, require_probes, require_root};

eshkol! {
    (define-ebpf-object places
      (license "GPL"))

    (define-global (entries :mutable) :u64 0)
    (define-global (returns :mutable) :u64 0)

    (define-ebpf-program on-entry
      (program-type :kprobe)
      (attach-point "ksys_read" "vfs_read")
      (define (entered ctx)
        (atomic-add! entries 1)
        0))

    (define-ebpf-program on-return
      (program-type :kretprobe)
      (attach-point "ksys_read")
      (attach-point "vfs_read")
      (define (returned ctx)
        ;; The second argument is the same buffer in both.
        (when (= (get-kprobe-arg ctx 1) 0)
          (atomic-add! returns 1))
        0))
}

/// Reads nothing into no buffer.
fn read_nothing() {
    use std::os::fd::AsRawFd;
    let null = std::fs::File::open("/dev/null").unwrap();
    // SAFETY: no byte is to be written.
    assert_eq!(unsafe { libc::read(null.as_raw_fd(), std::ptr::null_mut(), 0) }, 0);
}

/// What the kernel lists of its probes.
fn probes() -> Vec<String> {
    let list = std::fs::read_to_string("/sys/kernel/debug/kprobes/list").unwrap_or_default();
    list.lines().filter(|line| line.contains("_read+")).map(str::to_owned).collect()
}

#[test]
fn a_program_can_be_at_several_functions_or_at_an_instruction() {
    let Privilege::Granted = require_probes() else { return };
    let unit = Places::load().unwrap();
    let links = unit.attach_all().unwrap();
    read_nothing();
    drop(links);
    // Others read meanwhile; but nobody else into no buffer, at its function and at the one that this calls.
    assert!(unit.entries.get().unwrap() >= 2);
    assert_eq!(unit.returns.get().unwrap(), 2);
    let link = unit.entered.attach_to("ksys_read+0x0").unwrap();
    let before = unit.entries.get().unwrap();
    read_nothing();
    link.detach();
    assert!(unit.entries.get().unwrap() > before);
    assert_eq!(probes(), [""; 0]);
}

#[test]
fn what_can_not_be_probed_is_an_error_that_says_why_and_leaves_nothing() {
    let Privilege::Granted = require_probes() else { return };
    let unit = Places::load().unwrap();
    let said = |place: &str| {
        let entry = unit.entered.attach_to(place).unwrap_err().to_string();
        assert!(entry.contains(&format!("attach program `entered` to function `{place}`")), "{entry}");
        entry
    };
    let unknown = said("ksys_raed");
    assert!(unknown.contains("Did you mean") && unknown.contains("`ksys_read`"), "{unknown}");
    let blacklist = std::fs::read_to_string("/sys/kernel/debug/kprobes/blacklist").unwrap_or_default();
    if let Some(name) = blacklist.lines().filter_map(|line| line.split_whitespace().nth(1)).next_back() {
        let forbidden = said(name);
        assert!(forbidden.contains("can't be probed"), "{forbidden}");
    }
    assert!(said("ksys_read+").contains("`function+0x10`"));
    let inside = unit.returned.attach_to("ksys_read+0x4").unwrap_err().to_string();
    assert!(inside.contains("the return of function `ksys_read+0x4`"), "{inside}");
    let unknown = unit.returned.attach_to("ksys_raed").unwrap_err().to_string();
    assert!(unknown.contains("`ksys_read`"), "{unknown}");
    assert_eq!(probes(), [""; 0]);
    read_nothing();
    assert_eq!(unit.entries.get().unwrap() + unit.returns.get().unwrap(), 0);
}

#[test]
fn a_kernel_without_probes_is_told() {
    let Privilege::Granted = require_root() else { return };
    if probes_are_there() {
        return;
    }
    let unit = Places::load().unwrap();
    for error in [unit.attach_all().map(drop).unwrap_err(), unit.returned.attach().map(drop).unwrap_err()] {
        let text = error.to_string();
        assert!(text.contains("CONFIG_KPROBE_EVENTS") && text.contains("`ksys_read`"), "{text}");
    }
}
