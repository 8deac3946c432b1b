//! Maps and links that outlive what made them.

use std::time::Duration;

use eshkol_runtime::{Error, HashMap, Loader, XdpLink, XdpProgram};
use eshkol_test_support::{Namespace, Privilege, asm, require_root};

use crate::unit::{PinDirectory, Unit, always, kind};

#[test]
fn a_map_pinned_by_name_is_taken_up_again() {
    let Privilege::Granted = require_root() else { return };
    let pins = PinDirectory::new();
    let directory = pins.0.join("deeper");
    let spec = || Unit::new().map("shared", kind::HASH, 4, 4, 8).pinned().map("own", kind::HASH, 4, 4, 8).spec();
    let first = Loader::new(spec()).pin(&directory).load().unwrap();
    first.map::<HashMap<u32, u32>>("shared").unwrap().insert(1, 10).unwrap();
    first.map::<HashMap<u32, u32>>("own").unwrap().insert(1, 10).unwrap();
    drop(first);

    let second = Loader::new(spec()).pin(&directory).load().unwrap();
    assert_eq!(second.map::<HashMap<u32, u32>>("shared").unwrap().get(1).unwrap(), Some(10));
    assert_eq!(second.map::<HashMap<u32, u32>>("own").unwrap().get(1).unwrap(), None);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
}

#[test]
fn maps_whose_declaration_the_kernel_completes_are_taken_up_again() {
    let Privilege::Granted = require_root() else { return };
    let pins = PinDirectory::new();
    let kinds = [kind::DEVMAP, kind::DEVMAP_HASH, kind::CPUMAP, kind::XSKMAP, kind::PERCPU_ARRAY];
    // The last has an element for each CPU that there can be.
    for (kind, entries) in kinds.map(|kind| (kind, 1)).into_iter().chain([(kind::PERF_EVENT_ARRAY, 0)]) {
        let spec = || Unit::new().map("m", kind, 4, 4, entries).pinned().spec();
        drop(Loader::new(spec()).pin(&pins.0).load().unwrap());
        drop(Loader::new(spec()).pin(&pins.0).load().unwrap());
        std::fs::remove_file(pins.0.join("m")).unwrap();
    }
}

#[test]
fn a_pinned_map_that_differs_is_refused() {
    let Privilege::Granted = require_root() else { return };
    let pins = PinDirectory::new();
    let load = |key: u32, value: u32, entries: u32| {
        let spec = Unit::new().map("m", kind::HASH, key, value, 8).pinned().spec();
        Loader::new(spec).pin(&pins.0).max_entries("m", entries).load()
    };
    drop(load(4, 64, 8).unwrap());
    // The case that makes aya alone write past the value: the pinned one is bigger.
    for (key, value, entries, difference) in [
        (4, 8, 8, "bytes of a value (64 there, 8 here)"),
        (8, 64, 8, "bytes of a key (4 there, 8 here)"),
        (4, 64, 16, "max-entries (8 there, 16 here)"),
    ] {
        let error = load(key, value, entries).unwrap_err();
        let Error::IncompatiblePin { map, path, differences } = &error else { panic!("{error}") };
        assert_eq!(
            (map.as_str(), path, differences.as_slice()),
            ("m", &pins.0.join("m"), &[difference.to_owned()][..])
        );
    }
    drop(load(4, 64, 8).unwrap());

    std::fs::remove_file(pins.0.join("m")).unwrap();
    drop(load(4, 8, 8).unwrap());
}

#[test]
fn pins_made_on_the_way_to_a_failure_do_not_stay() {
    let Privilege::Granted = require_root() else { return };
    let pins = PinDirectory::new();
    let unit = || Unit::new().map("old", kind::HASH, 4, 4, 8).pinned();
    drop(Loader::new(unit().spec()).pin(&pins.0).load().unwrap());
    let bad = unit().map("new", kind::HASH, 4, 4, 8).pinned().xdp("bad", &[asm::exit()]).spec();
    let error = Loader::new(bad).pin(&pins.0).load().unwrap_err();
    assert!(matches!(error, Error::Verifier(_)), "{error}");
    assert!(pins.0.join("old").exists());
    assert!(!pins.0.join("new").exists());
}

#[test]
fn pinning_elsewhere_says_where_it_can_be() {
    let Privilege::Granted = require_root() else { return };
    let spec = Unit::new().map("m", kind::HASH, 4, 4, 8).pinned().spec();
    let error = Loader::new(spec).pin(std::env::temp_dir()).load().unwrap_err();
    assert!(error.to_string().contains("mount -t bpf bpf /sys/fs/bpf"), "{error}");
}

#[test]
fn a_pinned_link_outlives_its_handle() {
    let Privilege::Granted = require_root() else { return };
    let pins = PinDirectory::new();
    let path = pins.0.join("links/drop");
    let here = Namespace::new().unwrap();
    here.run(|| {
        let unit = Unit::new().map("m", kind::HASH, 4, 4, 8).pinned().xdp("drop", &always(1)).xdp("pass", &always(2));
        let unit = Loader::new(unit.spec()).pin(&pins.0).load().unwrap();
        let drop_all: XdpProgram = unit.program("drop").unwrap();
        let pass: XdpProgram = unit.program("pass").unwrap();
        let mut link = drop_all.attach("lo").unwrap();
        link.pin(&path).unwrap();
        drop((link, unit));

        let error = pass.attach("lo").unwrap_err();
        assert!(matches!(error, Error::InterfaceBusy { .. }), "{error}");
        let link = XdpLink::from_pin(&path).unwrap();
        assert_eq!(link.program_id().unwrap(), drop_all.id());
        link.replace(&pass).unwrap();
        assert_eq!(link.program_id().unwrap(), pass.id());
        let error = link.try_pin_again(&path);
        assert!(error.to_string().contains("Something is pinned there already"), "{error}");
        drop(link);
        assert_eq!(XdpLink::from_pin(&path).unwrap().program_id().unwrap(), pass.id());

        XdpLink::from_pin(&path).unwrap().detach().unwrap();
        assert!(!path.exists());
        let error = XdpLink::from_pin(&path).unwrap_err();
        assert!(error.to_string().contains("Nothing is pinned there"), "{error}");
        let error = XdpLink::from_pin(pins.0.join("m")).unwrap_err();
        assert!(error.to_string().contains("not the link of an XDP program"), "{error}");
        let mut link = drop_all.attach("lo").unwrap();
        link.pin(&path).unwrap();
        link.unpin().unwrap();
        assert!(!path.exists());
        drop(link);
        // Older kernels let go of what a removed file held a moment later.
        let free = (0..100).any(|_| match pass.attach("lo") {
            Ok(link) => link.detach().is_ok(),
            Err(_) => {
                std::thread::sleep(Duration::from_millis(10));
                false
            }
        });
        assert!(free);
    });
}

trait PinAgain {
    fn try_pin_again(&self, path: &std::path::Path) -> Error;
}

impl PinAgain for XdpLink {
    fn try_pin_again(&self, path: &std::path::Path) -> Error {
        let mut other = Self::from_pin(path).unwrap();
        other.pin(path).unwrap_err()
    }
}
