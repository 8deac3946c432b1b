//! Where a unit can stand, and what can stand around it without getting in its way.
#![allow(dead_code)]

mod eshkol_free {
    // Names that generated code must not pick up.
    pub struct Result;
    pub struct Vec;
    pub struct Option;
    pub mod core {}
    pub mod std {}

    eshkol::eshkol!(
        (define-ebpf-program in-module (license "GPL") (program-type :xdp) (attach-point "lo")
          (define-struct type (self :u8) (ok :u8) (name :char-array 4))
          (define-enum state (self 0) (some 1))
          (define (main ctx) :xdp-pass))
    );
}

// In a macro, the tokens have come from two places.
macro_rules! limited {
    ($name:ident, $limit:literal, $($rest:tt)*) => {
        eshkol::eshkol! {
            (define-ebpf-program $name (license "GPL") (program-type :xdp)
              (define-map hits-by-key :array (key-type :u32) (value-type :u64) (max-entries $limit))
              $($rest)*)
        }
    };
}

limited! { limits, 17, (define (entry-point ctx) (map-increment! hits-by-key 0 (- 3 1)) :xdp-pass) }

/// Text that Rust's lexer takes apart or drops.
mod odd_text {
    eshkol::eshkol! /* not ( this */ { // nor (this
        #| a comment |# ; another one
        (define-ebpf-program odd?-text! (license "GPL") (program-type :xdp) /// neither
          #;(ignored datum)
          (define-map λ->é :array (key-type :u32) (value-type :u64) (max-entries 0x10))
          (define (a->b? x) (>= x 1_000)) /* "🦀" */ (define <=>!2 #xFF)
        	(define (main ctx) (if (a->b? <=>!2) :xdp-drop :xdp-pass)))
    }
}

fn main() {
    eshkol::eshkol! {
        (define-ebpf-program in-function (license "GPL") (program-type :xdp) (define (main ctx) :xdp-pass))
    }
    assert_eq!(InFunction::spec().name, "in-function");
    assert_eq!(eshkol_free::InModule::spec().programs.len(), 1);
    assert_eq!(eshkol_free::Type { self_: 1, ok: 2, name: *b"abcd" }.name_str(), "abcd");
    assert_eq!(eshkol_free::State::Self_ as u32, 0);
    assert_eq!(Limits::spec().maps[0].max_entries, 17);
    assert_eq!((Limits::spec().maps[0].symbol, Limits::spec().programs[0].symbol), ("hits_by_key", "entry_point"));
    assert_eq!((odd_text::OddText::spec().name, odd_text::OddText::spec().maps[0].symbol), ("odd?-text!", "__to__"));
}
