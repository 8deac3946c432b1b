//! What to say of names that people bring from elsewhere.

/// Names of other languages, and what to write here.
pub(super) const OTHER_SPELLINGS: &[(&[&str], &str)] = &[
    (&["logand", "bitand", "bit-and", "&", "band"], "the name is `bitwise-and`"),
    (&["logior", "logor", "bitor", "bit-or", "bior"], "the name is `bitwise-ior`"),
    (&["logxor", "bitxor", "bit-xor", "^", "bxor"], "the name is `bitwise-xor`"),
    (&["lognot", "bitnot", "bit-not", "~", "bnot"], "the name is `bitwise-not`"),
    (
        &["<<", "shl", "ash", "lsh", "shift-left", "arithmetic-shift-left"],
        "shift left by n with `(arithmetic-shift x n)`",
    ),
    (
        &[">>", "shr", "rsh", "shift-right", "arithmetic-shift-right"],
        "shift right by n with `(arithmetic-shift x (- n))`",
    ),
    (&["%", "rem"], "the remainder is `(remainder a b)`; `(modulo a b)` has the sign of b"),
    (&["mod"], "the name is `modulo`"),
    (&["/", "div", "floor/", "truncate/"], "there are only integers: `(quotient a b)` divides"),
    (&["==", "===", "eq?", "eqv?", "equal?", "eq", "equal"], "numbers, addresses and keywords are compared with `=`"),
    (&["!=", "/=", "<>", "=/="], "write `(not (= a b))`"),
    (&["&&"], "the name is `and`"),
    (&["", "||"], "the name is `or`"),
    (&["!"], "the name is `not`"),
    (
        &["null", "nil", "NULL", "None", "nullptr", "undefined"],
        "absence is tested with `(not x)` or `if-let`; the false value is `#f`",
    ),
    (&["true", "True", "TRUE"], "truth is written `#t`"),
    (&["false", "False", "FALSE"], "falsehood is written `#f`"),
    (&["return"], "a body gives the value of its last expression: choose it with `if` or `cond`"),
    (&["break", "continue"], "end a loop by its test, or by not calling the name of a named `let` again"),
    (&["elif", "elsif", "elseif", "else-if", "switch"], "write `(cond (test e …) … (else e …))` or `case`"),
    (&["progn", "do-begin", "block"], "the name is `begin`"),
    (&["setq", "setf", ":=", "set"], "the name is `set!`"),
    (
        &["defun", "def", "defn", "fn", "func", "function", "fun"],
        "write `(define (name x) body …)`, or `(lambda (x) body …)`",
    ),
    (
        &["defvar", "defparameter", "defconstant", "defconst", "const", "var"],
        "write `(define name value)`, or `define-global` for what changes",
    ),
    (
        &["defmacro", "define-macro", "define-syntax-rule"],
        "write `(define-syntax name (syntax-rules () ((_ x) template)))`",
    ),
    (&["defstruct", "define-record-type", "struct", "define-record"], "write `(define-struct name (field type) …)`"),
    (
        &["defmap", "define-bpf-map"],
        "write `(define-map name :hash (key-type type) (value-type type) (max-entries n))`",
    ),
    (
        &["++", "+=", "incf", "inc!", "inc", "1+", "add1"],
        "write `(set! x (+ x 1))`; `map-increment!` and `atomic-add!` count in maps",
    ),
    (&["--", "-=", "decf", "dec!", "dec", "1-", "sub1"], "write `(set! x (- x 1))`"),
    (
        &["dotimes", "for-loop", "foreach", "doseq", "loop"],
        "write `(for (i in (range 0 n)) body …)`, `do`, or a named `let`",
    ),
    (
        &["hash-table-ref", "hash-table-ref/default", "gethash", "hash-ref", "map-get", "map-ref"],
        "write `(map-lookup map key)`",
    ),
    (
        &["hash-table-set!", "puthash", "hash-set!", "map-set!", "map-put!", "map-insert!"],
        "write `(map-update map key value)`",
    ),
    (&["hash-table-delete!", "remhash", "map-remove!", "map-delete!"], "write `(map-delete map key)`"),
    (&["ip-saddr", "ip-src", "ipv4-saddr", "ip-source", "iphdr-saddr", "saddr"], "the name is `ipv4-src`"),
    (&["ip-daddr", "ip-dst", "ipv4-daddr", "ip-dest", "iphdr-daddr", "daddr"], "the name is `ipv4-dst`"),
    (&["ip-protocol", "ip-proto", "ipv4-proto", "iphdr-protocol"], "the name is `ipv4-protocol`"),
    (&["eth-proto", "eth-protocol", "eth-h-proto", "eth-h_proto", "h-proto", "h_proto"], "the name is `eth-type`"),
    (&["tcp-sport", "tcp-source", "tcp-src"], "the name is `tcp-src-port`"),
    (&["tcp-dport", "tcp-dest", "tcp-dst"], "the name is `tcp-dst-port`"),
    (&["udp-sport", "udp-source", "udp-src"], "the name is `udp-src-port`"),
    (&["udp-dport", "udp-dest", "udp-dst"], "the name is `udp-dst-port`"),
    (&["let/cc", "let-optionals", "let1", "flet", "labels", "where"], "bind with `let`, `let*` or `letrec`"),
    (
        &["printf", "printk", "bpf-printk", "trace-printk"],
        "the kernel's own is `(bpf-trace-printk \"… %d\" x)`; or keep what you want to see in a map, and let Rust print it",
    ),
    (&["..."], "`...` stands only in the patterns and templates of `syntax-rules`"),
    (&["else", "=>"], "it stands only in a clause of `cond` or `case`"),
    (&["in"], "it stands only in `(for (x in sequence) body …)`"),
    (&["_"], "`_` stands only in the patterns of `syntax-rules`"),
    (&["->"], "`->` stands only in types: `(: f (-> u32 u64))`"),
    (
        &["match", "ecase", "typecase", "selectq"],
        "write `case` for constants, `cond` for tests, `if-let` for what may be absent",
    ),
    (
        &["case-lambda", "lambda*", "define*"],
        "give procedures of different parameters different names, or take a rest parameter",
    ),
    (&["receive", "multiple-value-bind", "call-with-multiple-values"], "write `(let-values (((a b) e)) body …)`"),
    (
        &["define-library", "export", "require", "provide", "use-modules", "module", "cond-expand"],
        "a unit is one file or block; `(include \"file.esh\")` puts another file into it",
    ),
    (&["unquote", "unquote-splicing"], "it stands only in a quasiquotation"),
];

/// What Scheme has and the kernel can't, and what to do about it.
pub(super) const NOT_IN_EBPF: &[(&[&str], &str)] = &[
    (
        &[
            "display",
            "write",
            "newline",
            "print",
            "println",
            "write-string",
            "write-char",
            "format",
            "write-line",
            "displayln",
        ],
        "there is no output in the kernel: keep what you want to see in a map, and let Rust print it; `(bpf-trace-printk \"… %d\" x)` writes to the trace pipe",
    ),
    (
        &["read", "read-line", "read-char", "open-input-file", "open-output-file", "call-with-port"],
        "there are no files in the kernel: Rust gives data to a program in maps and globals",
    ),
    (
        &["call/cc", "call-with-current-continuation", "dynamic-wind", "call-with-escape-continuation"],
        "there are no continuations: choose with `if` and `cond`",
    ),
    (
        &["raise", "error", "guard", "with-exception-handler", "raise-continuable", "assert", "throw", "try", "catch"],
        "there are no exceptions: return a value that says so",
    ),
    (&["eval", "load", "interaction-environment"], "nothing can be evaluated at run time: use a macro"),
    (&["delay", "force", "make-promise", "delay-force", "stream-cons"], "there are no promises: use a procedure"),
    (&["parameterize", "make-parameter"], "there are no parameters: use an argument, or `define-global`"),
    (
        &[
            "string-append",
            "string-length",
            "substring",
            "string-ref",
            "string->symbol",
            "symbol->string",
            "string-copy",
            "number->string",
            "string->number",
            "string=?",
            "make-string",
            "string-upcase",
        ],
        "text is a fixed array of characters here: `(field char-array n)`, filled by a helper; work with it in Rust",
    ),
    (
        &[
            "set-car!",
            "set-cdr!",
            "make-list",
            "list-set!",
            "make-vector",
            "vector-fill!",
            "vector-grow!",
            "malloc",
            "kmalloc",
            "make-hash-table",
            "make-bytevector",
            "bytevector",
        ],
        "there is no heap: keep data in a struct, an array or a map",
    ),
    (
        &[
            "sqrt",
            "exp",
            "sin",
            "cos",
            "tan",
            "atan",
            "expt",
            "inexact",
            "exact->inexact",
            "float",
            "round",
            "floor",
            "ceiling",
            "exact",
        ],
        "there are no floats in eBPF: compute in integers (say, in thousandths), and divide in Rust",
    ),
    (&["sleep", "thread", "make-thread", "mutex", "spawn"], "a program can't wait: keep state in a map, and come back"),
];

/// What the language will have, but has not yet.
pub(super) const NOT_AVAILABLE_YET: &[&str] = &["map-push", "map-pop", "map-peek", "with-spin-lock"];

/// What a table says of a name.
pub(super) fn find(table: &[(&[&str], &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(names, _)| names.contains(&name)).map(|(_, help)| *help)
}
