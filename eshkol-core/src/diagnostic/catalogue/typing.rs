//! Codes of types and values, `ESK04xx`.

super::codes! { ALL_TYPING:
    TYPE_MISMATCH = 401, "a value has the wrong type", "A value of one type stands where another is wanted.";
}
