//! Codes of procedures and loops, `ESK05xx`.

super::codes! { ALL_PROCEDURE:
    RECURSION = 501, "a procedure calls itself without a bound", "eBPF has no unbounded recursion. Write a loop: `(for (i in (range 0 n)) …)`.";
}
