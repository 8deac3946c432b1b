//! Codes of names, macros and special forms, `ESK02xx`.

super::codes! { ALL_EXPANSION:
    UNKNOWN_NAME = 201, "a name is not known", "A name is used that nothing defines.\n\n```scheme\n(map-lokup blocklist key)\n```\n\nCheck the spelling, or define it.";
}
