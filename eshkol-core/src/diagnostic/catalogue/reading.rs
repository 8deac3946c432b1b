//! Codes of the reader, `ESK01xx`.

super::codes! { ALL_READING:
    UNCLOSED_LIST = 101, "a list is not closed", "A parenthesis was opened and the text ended before it was closed.\n\n```scheme\n(define x (+ 1 2)\n```\n\nAdd the missing `)`. The place given is a guess from the indentation: the first list under which the next line is not indented.";
    STRAY_CLOSER = 102, "a parenthesis closes nothing", "There is a `)` more than there are `(`.\n\n```scheme\n(define x 1))\n```\n\nRemove it; or a list above it ends too early.";
    WRONG_CLOSER = 103, "a list is closed by the wrong bracket", "Round and square brackets mean the same, but each closes its own kind.\n\n```scheme\n(let ([x 1)] x)\n```\n\nClose `(` with `)` and `[` with `]`.";
    UNTERMINATED_STRING = 104, "a string has no end", "The text ended before the closing `\"` of a string, or the closing `|` of a symbol.\n\n```scheme\n(define name \"eth0)\n```\n\nAdd the missing quote. Within a string, a quote is written `\\\"`.";
    UNTERMINATED_COMMENT = 105, "a comment has no end", "A `#|` or `/*` comment was not closed. These comments nest: each opener needs its own closer.\n\n```scheme\n#| old code #| older code |#\n```\n\nAdd the missing `|#` or `*/`.";
    BAD_NUMBER = 106, "a number is not well formed", "A word begins like a number and is none.\n\n```scheme\n(define address 10.0.0.1)\n```\n\nIntegers are written `42`, `-7`, `1_000_000`, `#xFF` or `0xFF`, `#b101` or `0b101`, `#o17` or `0o17`. Addresses are written `(ipv4 \"10.0.0.1\")`. A name can't begin with a digit.";
    NUMBER_TOO_LARGE = 107, "a number does not fit in 64 bits", "eBPF has 64-bit registers: integers reach from -9223372036854775808 to 18446744073709551615.\n\n```scheme\n(define big 18446744073709551616)\n```\n\nUse a smaller number.";
    BAD_ESCAPE = 108, "an escape is not known", "A backslash in a string is followed by something that is no escape of R7RS.\n\n```scheme\n\"C:\\dir\"\n```\n\nThe escapes are `\\a \\b \\t \\n \\r \\\" \\\\ \\|`, `\\x41;` for a character by its number, and a backslash at the end of a line.";
    BAD_CHARACTER = 109, "a character is not known", "`#\\` is followed by a name that no character has.\n\n```scheme\n#\\spce\n```\n\nWrite the character itself (`#\\a`), its name (`#\\space`, `#\\newline`, `#\\tab`, `#\\null` …) or its number (`#\\x41`).";
    BAD_DOT = 110, "a dot is misplaced", "A lone dot separates the last element of a list from its tail, and stands nowhere else.\n\n```scheme\n(define (f . a b) a)\n```\n\nWrite `(define (f a . rest) …)`.";
    UNKNOWN_HASH_SYNTAX = 111, "a `#` is followed by something unknown", "`#` begins `#t`, `#f`, `#true`, `#false`, numbers like `#xFF`, characters like `#\\a`, vectors like `#(1 2)`, and the comments `#;` and `#| |#`.\n\n```scheme\n(f #:name 1)\n```\n\nA keyword is written `:name`.";
    UNEXPECTED_CHARACTER = 112, "a character means nothing here", "The text holds a character that begins no datum, like a brace.\n\n```scheme\n(define (f) { 1 })\n```\n\nLists are written with `( )` or `[ ]`.";
    NESTED_TOO_DEEPLY = 113, "lists are nested too deeply", "Lists can be nested 1,000 deep. What lies deeper is skipped.\n\nGive the inner parts names of their own with `define`.";
    NOTHING_FOLLOWS = 114, "a quote or `#;` has nothing after it", "`'`, `` ` ``, `,`, `,@` and `#;` stand before a datum, and here the list or the text ends instead.\n\n```scheme\n(list 1 ')\n```\n\nWrite the datum, or remove the mark.";
}
