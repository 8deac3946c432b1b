//! Units with parts in files: `eshkol_file!`, with all of Scheme's syntax, and `(include …)` in both macros.

use eshkol::{eshkol, eshkol_file};

eshkol_file!("tests/file/counter.esh");

eshkol! {
    (define-ebpf-program inline-counter (license "GPL") (program-type :xdp)
      (include "parts/map.esh")
      (define (count ctx) (map-increment! per-kind 0) :xdp-pass))
}

#[test]
fn a_part_is_found_beside_the_rust_file() {
    assert_eq!(InlineCounter::spec().maps[0].name, "per-kind");
}

#[test]
fn the_file_is_a_unit() {
    let spec = PacketCounter::spec();
    assert_eq!((spec.name, spec.maps.len(), spec.programs.len()), ("packet-counter", 1, 1));
    assert_eq!((spec.maps[0].name, spec.maps[0].max_entries), ("per-kind", 97));
    assert_eq!(Sample::default(), Sample { tag: 0, weights: [0; 3] });
}

#[test]
fn the_lines_are_those_of_the_file() {
    let program = &PacketCounter::spec().programs[0];
    assert!(program.file.ends_with("tests/file/counter.esh"), "{}", program.file);
    let text = include_str!("counter.esh");
    assert!(!program.lines.is_empty());
    for line in program.lines {
        assert_eq!(text.lines().nth(line.line as usize - 1).map(str::trim), Some(line.text));
    }
}
