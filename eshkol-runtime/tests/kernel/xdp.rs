//! XDP programs on interfaces.

use std::net::Ipv4Addr;
use std::time::Duration;

use eshkol_runtime::{Error, Link, XdpAction, XdpMode, XdpProgram};
use eshkol_test_support::{Namespace, Packet, Privilege, Wire, asm, require_root};

use crate::unit::{Unit, always};

/// Long enough for a frame on a veth pair, which takes microseconds.
const SOON: Duration = Duration::from_millis(500);

fn frame() -> Vec<u8> {
    Packet::ethernet().ipv4(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)).udp(1, 2).payload(b"hello").build()
}

/// A namespace with a wire to another, and the wire's ends.
fn wired() -> (Namespace, Namespace, Wire, Wire) {
    let (near, far) = (Namespace::new().unwrap(), Namespace::new().unwrap());
    near.veth("near0", &far, "far0").unwrap();
    let near_end = near.run(|| Wire::open("near0")).unwrap();
    let far_end = far.run(|| Wire::open("far0")).unwrap();
    (near, far, near_end, far_end)
}

#[test]
fn packets_meet_the_program_while_its_link_lives() {
    let Privilege::Granted = require_root() else { return };
    for mode in [XdpMode::Default, XdpMode::Generic, XdpMode::Native] {
        let (near, _far, near_end, far_end) = wired();
        let arrives = || {
            far_end.send(&frame()).unwrap();
            near_end.receive(SOON).unwrap().is_some_and(|received| received == frame())
        };
        let drop_all: XdpProgram = Unit::new().xdp("drop", &always(1)).load().program("drop").unwrap();
        let pass: XdpProgram = Unit::new().xdp("pass", &always(2)).load().program("pass").unwrap();
        assert!(arrives());
        let link = near.run(|| drop_all.attach_with("near0", mode)).unwrap();
        // The link does not need the program's handle.
        drop(drop_all);
        assert!(!arrives(), "{mode}: dropped");
        link.replace(&pass).unwrap();
        assert!(arrives(), "{mode}: passed");
        near.run(|| assert_eq!(link.interface().unwrap().unwrap().to_string(), "near0"));
        drop(link);
        assert!(arrives(), "{mode}: detached");
    }
}

#[test]
fn a_program_can_answer() {
    let Privilege::Granted = require_root() else { return };
    let (near, _far, _near_end, far_end) = wired();
    let echo: XdpProgram = Unit::new().xdp("echo", &always(3)).load().program("echo").unwrap();
    let link = near.run(|| echo.attach_with("near0", XdpMode::Generic)).unwrap();
    far_end.send(&frame()).unwrap();
    assert_eq!(far_end.receive(SOON).unwrap(), Some(frame()));
    link.detach().unwrap();
}

#[test]
fn a_second_program_on_an_interface_is_refused() {
    let Privilege::Granted = require_root() else { return };
    Namespace::new().unwrap().run(|| {
        let program: XdpProgram = Unit::new().xdp("pass", &always(2)).load().program("pass").unwrap();
        let first = program.attach(1).unwrap();
        for mode in [XdpMode::Default, XdpMode::Generic] {
            let error = program.attach_with("lo", mode).unwrap_err();
            assert!(matches!(&error, Error::InterfaceBusy { interface, .. } if interface == "lo"), "{error}");
            assert!(error.to_string().contains("ip link set dev lo xdp off"));
        }
        first.detach().unwrap();
        program.attach("lo").unwrap().detach().unwrap();
    });
}

#[test]
fn interfaces_that_cannot_are_told_apart() {
    let Privilege::Granted = require_root() else { return };
    let here = Namespace::new().unwrap();
    here.veth("uplink0", &here, "uplink1").unwrap();
    here.run(|| {
        let program: XdpProgram = Unit::new().xdp("pass", &always(2)).load().program("pass").unwrap();
        let error = program.attach("uplnk0").unwrap_err();
        let start = "cannot attach program `pass` to interface `uplnk0`: there is no network interface `uplnk0` here. Did you mean `uplink0`?";
        assert!(error.to_string().starts_with(start), "{error}");
        let error = program.attach(4711).unwrap_err();
        assert!(matches!(error, Error::UnknownInterface { .. }), "{error}");
        let error = program.attach_with("lo", XdpMode::Native).unwrap_err();
        assert!(matches!(error, Error::UnsupportedMode { mode: XdpMode::Native, .. }), "{error}");
        let error = program.attach_with("uplink0", XdpMode::Offload).unwrap_err();
        assert!(matches!(error, Error::UnsupportedMode { mode: XdpMode::Offload, .. }), "{error}");
    });
    // A peer's MTU too large for the driver.
    here.ip("link set dev uplink1 mtu 9000").unwrap();
    here.run(|| {
        let program: XdpProgram = Unit::new().xdp("pass", &always(2)).load().program("pass").unwrap();
        match program.attach_with("uplink0", XdpMode::Native) {
            Err(error @ Error::UnsupportedMode { .. }) => assert!(error.to_string().contains("MTU"), "{error}"),
            other => panic!("{other:?}"),
        }
        program.attach_with("uplink0", XdpMode::Generic).unwrap().detach().unwrap();
    });
}

#[test]
fn declared_attach_points_are_taken_all_or_none() {
    let Privilege::Granted = require_root() else { return };
    let here = Namespace::new().unwrap();
    here.veth("a", &here, "b").unwrap();
    here.run(|| {
        let unit = Unit::new().xdp_at("both", &always(2), &["a", "b"]).xdp_at("one", &always(2), &["a", "nowhere"]);
        let unit = unit.xdp("none", &always(2)).load();
        let links: Vec<Link> = unit.program::<XdpProgram>("both").unwrap().attach_declared().unwrap();
        assert_eq!(links.len(), 2);
        drop(links);
        let error = unit.program::<XdpProgram>("one").unwrap().attach_declared().unwrap_err();
        assert!(matches!(&error, Error::UnknownInterface { interface, .. } if interface == "nowhere"), "{error}");
        let none: XdpProgram = unit.program("none").unwrap();
        // `a` is free again.
        let link = none.attach("a").unwrap();
        assert!(matches!(none.attach_declared(), Err(Error::NoAttachPoint { .. })));
        link.detach().unwrap();
    });
}

#[test]
fn a_forgotten_link_stays_for_the_life_of_the_process() {
    let Privilege::Granted = require_root() else { return };
    // With its namespace the interface goes, and with that the program.
    Namespace::new().unwrap().run(|| {
        let program: XdpProgram = Unit::new().xdp("pass", &always(2)).load().program("pass").unwrap();
        program.attach("lo").unwrap().forget();
        assert!(matches!(program.attach("lo"), Err(Error::InterfaceBusy { .. })));
    });
}

#[test]
fn a_link_whose_interface_is_gone_can_still_be_detached() {
    let Privilege::Granted = require_root() else { return };
    let here = Namespace::new().unwrap();
    here.veth("a", &here, "b").unwrap();
    let program: XdpProgram = Unit::new().xdp("pass", &always(2)).load().program("pass").unwrap();
    let link = here.run(|| program.attach("a")).unwrap();
    here.ip("link del dev a").unwrap();
    assert_eq!(link.interface().unwrap(), None);
    assert!(link.replace(&program).unwrap_err().to_string().contains("detached already"));
    link.detach().unwrap();
}

#[test]
fn test_runs_need_no_interface() {
    let Privilege::Granted = require_root() else { return };
    for (number, action) in [XdpAction::Aborted, XdpAction::Drop, XdpAction::Pass, XdpAction::Tx, XdpAction::Redirect]
        .into_iter()
        .enumerate()
    {
        let code = always(i32::try_from(number).unwrap());
        let program: XdpProgram = Unit::new().xdp("p", &code).load().program("p").unwrap();
        let run = program.test_run(&frame()).unwrap();
        assert_eq!((run.action(), run.return_value, run.data), (Some(action), number as u32, frame()));
    }
    let other: XdpProgram = Unit::new().xdp("p", &always(77)).load().program("p").unwrap();
    assert_eq!(other.test_run(&frame()).unwrap().action(), None);
    let error = other.test_run(&[0; 100_000]).unwrap_err();
    assert!(error.to_string().contains("up to about 3500"), "{error}");
}

#[test]
fn a_test_run_gives_the_packet_as_the_program_left_it() {
    let Privilege::Granted = require_root() else { return };
    // bpf_xdp_adjust_head(ctx, -4), then a 7 in the first byte.
    let code = [
        asm::mov_register(6, 1),
        asm::mov(2, -4),
        asm::call(44),
        asm::load32(1, 6, 0),
        asm::load32(2, 6, 4),
        asm::mov_register(3, 1),
        asm::add(3, 1),
        asm::jump_if_greater(3, 2, 1),
        asm::store8(1, 0, 7),
        asm::mov(0, 3),
        asm::exit(),
    ];
    let program: XdpProgram = Unit::new().xdp("push", &code).load().program("push").unwrap();
    let run = program.test_run(&frame()).unwrap();
    assert_eq!((run.action(), run.data.len(), run.data[0]), (Some(XdpAction::Tx), frame().len() + 4, 7));
    assert_eq!(run.data[4..], frame());
}
