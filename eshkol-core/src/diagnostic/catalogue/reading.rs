//! Codes of the reader, `ESK01xx`.

super::codes! { ALL_READING:
    UNCLOSED_LIST = 101, "a list is not closed", "A parenthesis was opened and the text ended before it was closed.\n\n```scheme\n(define x (+ 1 2)\n```\n\nAdd the missing `)`.";
}
