//! Codes of declarations and clauses, `ESK03xx`.

super::codes! { ALL_DECLARATION:
    MISSING_LICENSE = 301, "a program has no license", "Every program says under which license it is loaded: what helpers it may call depends on it.\n\n```scheme\n(define-ebpf-program p (program-type :xdp) (define (main ctx) :xdp-pass))\n```\n\nAdd `(license \"GPL\")`.";
    NAME_CLASH = 390, "two names are the same outside Scheme", "Maps, programs, globals, structs, enums and their parts have names in Rust and in the kernel, too, where `-` becomes `_` or a capital letter, `->` becomes `to`, and `!` is dropped. Two names that are different in Scheme can become one. The unit itself is a Rust struct of its name, and `…-loader` is what loads it.\n\n```scheme\n(define-map open-ports :hash (key-type :u16) (value-type :u8) (max-entries 64))\n(define-map open_ports :hash (key-type :u16) (value-type :u8) (max-entries 64))\n```\n\nRename one of them.";
}
