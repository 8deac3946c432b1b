//! Events that the stack of a program has no room for, as Rust reads them.

use eshkol::{XdpAction, eshkol};
use eshkol_test_support::{Packet, Privilege, require_root};

eshkol! {
    (define-ebpf-program sampler
      (license "GPL")
      (program-type :xdp)
      (min-kernel "5.8")

      (define-struct profile (length :u32) (samples :u64-array 100) (label :char-array 64) (last :u16))
      (define-struct note (length :u32))

      (define-map profiles :ringbuf (size 8192))

      (define (sample ctx)
        (let ((length (packet-length ctx)))
          (ringbuf-submit profiles (make-note length))
          (let ((profile (make-profile)))
            (set-profile-length! profile length)
            (for (i in (range 0 100))
              (set-profile-samples! profile i (* length i)))
            (set-profile-label! profile 0 101)
            (set-profile-label! profile 1 98)
            (set-profile-last! profile 0xbeef)
            (if (< (ringbuf-submit profiles profile) 0) :xdp-aborted :xdp-pass)))))
}

fn check(unit: &Sampler) {
    let packet = Packet::ethernet().payload(&[0; 50]).build();
    let length = u32::try_from(packet.len()).unwrap();
    for _ in 0..3 {
        assert_eq!(unit.sample.test_run(&packet).unwrap().action(), Some(XdpAction::Pass));
        let note = unit.profiles.try_next().unwrap().unwrap();
        assert!(matches!(&note, ProfilesEvent::Note(note) if note.length == length), "{note:?}");
        let event = unit.profiles.try_next().unwrap().unwrap();
        let ProfilesEvent::Profile(profile) = event else { panic!("{event:?}") };
        assert_eq!((profile.length, profile.last), (length, 0xbeef));
        let samples: Vec<u64> = (0..100).map(|i| u64::from(length) * i).collect();
        assert_eq!(profile.samples.as_slice(), samples);
        assert_eq!(profile.label_str(), "eb");
    }
    assert!(unit.profiles.try_next().unwrap().is_none());
    assert_eq!(unit.profiles.lost().unwrap(), 0);
}

#[test]
fn large_events_are_what_was_set_in_the_simulator() {
    check(&Sampler::test().unwrap());
}

#[test]
fn large_events_are_what_was_set_in_the_kernel() {
    let Privilege::Granted = require_root() else { return };
    check(&Sampler::load().unwrap());
}
