//! Codes of declarations and clauses, `ESK03xx`.

super::codes! { ALL_DECLARATION:
    MISSING_LICENSE = 301, "a program has no license", "Every program says under which license it is loaded: what helpers it may call depends on it.\n\n```scheme\n(define-ebpf-program p (program-type :xdp) (define (main ctx) :xdp-pass))\n```\n\nAdd `(license \"GPL\")`.";
}
