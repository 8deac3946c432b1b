//! Codes of references, packets and the stack, `ESK07xx`.

super::codes! { ALL_MEMORY:
    MAYBE_ABSENT = 701, "a value may be absent", "What `map-lookup` and `parse-…-header` give may be absent. Test it first: `(if x … …)`.";
}
