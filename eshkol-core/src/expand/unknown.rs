//! Names that nothing defines: what was probably meant.

use std::collections::BTreeSet;

use super::environment::Identifier;
use super::expander::Expander;
use super::special::Special;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue as codes;
use crate::diagnostic::suggestion::closest;
use crate::syntax::{Datum, Name};

/// Names of other languages, and what to write here.
const OTHER_SPELLINGS: &[(&[&str], &str)] = &[
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
    (&["true", "True", "TRUE", "t"], "truth is written `#t`"),
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
        &[
            "hash-table-ref",
            "hash-table-ref/default",
            "gethash",
            "hash-ref",
            "map-get",
            "map-ref",
            "bpf-map-lookup-elem",
        ],
        "write `(map-lookup map key)`",
    ),
    (
        &["hash-table-set!", "puthash", "hash-set!", "map-set!", "map-put!", "map-insert!", "bpf-map-update-elem"],
        "write `(map-update map key value)`",
    ),
    (
        &["hash-table-delete!", "remhash", "map-remove!", "map-delete!", "bpf-map-delete-elem"],
        "write `(map-delete map key)`",
    ),
    (&["let/cc", "let-optionals", "let1", "flet", "labels", "where"], "bind with `let`, `let*` or `letrec`"),
    (
        &["printf", "printk", "bpf-printk", "trace-printk"],
        "write `(bpf-trace-printk \"…\" x)`, or `(log-info \"… {}\" x)`",
    ),
    (&["..."], "`...` stands only in the patterns and templates of `syntax-rules`"),
    (&["else", "=>"], "it stands only in a clause of `cond` or `case`"),
    (&["in"], "it stands only in `(for (x in sequence) body …)`"),
    (&["_"], "`_` stands only in the patterns of `syntax-rules`"),
    (&["->"], "`->` stands only in types: `(: f (-> u32 u64))`"),
    (&["unquote", "unquote-splicing"], "it stands only in a quasiquotation"),
];

/// What Scheme has and the kernel can't, and what to do about it.
const NOT_IN_EBPF: &[(&[&str], &str)] = &[
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
        "there is no output in the kernel: `(log-info \"… {}\" x)` sends a line to Rust's log, `(bpf-trace-printk \"…\" x)` writes to the trace pipe",
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
    (&["eval", "load", "environment", "interaction-environment"], "nothing can be evaluated at run time: use a macro"),
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
            "log",
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

fn find(table: &[(&[&str], &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(names, _)| names.contains(&name)).map(|(_, help)| *help)
}

/// So many different unknown names get a suggestion; it is a search through all names.
const MAX_SUGGESTIONS: usize = 100;

impl Expander<'_> {
    /// Reports a name that nothing defines.
    pub(super) fn unknown(&mut self, datum: &Datum) {
        let Some(Identifier { name, .. }) = Identifier::of(datum) else { return };
        if self.import_missing || self.is_missing(&name) {
            // Something that was reported would have defined it, or might have.
            return;
        }
        let span = datum.span;
        if let Some(help) = find(NOT_IN_EBPF, &name) {
            return self.error(codes::NOT_IN_EBPF, span, format!("`{name}` does not exist in eBPF"), help);
        }
        if let Some(declaration) = self.environment.find_type(&name) {
            let sort = self.declarations.at(declaration).sort.text();
            let note = self.declarations.at(declaration).name.span;
            let message = format!("`{name}` is {sort}, not a value");
            let diagnostic = Diagnostic::error(codes::SYNTAX_AS_VALUE, span, message);
            let help = format!("a struct is made by `(make-{name} …)`; a type stands in annotations and declarations");
            return self.report(diagnostic.with_note(note, "defined here").with_help(help));
        }
        let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, span, format!("nothing is called `{name}`"));
        let help = self.help_for(&name);
        self.report(diagnostic.with_help(help));
    }

    /// Whether the head of a form outside procedures is meant to be a definition, and no clause; reported.
    pub(super) fn is_unknown_definition(&mut self, form: &Datum) -> bool {
        let head = form.as_list().and_then(<[_]>::first);
        let Some((head, name)) = head.and_then(|head| Some((head, head.as_symbol()?.clone()))) else { return false };
        let is_definition = find(OTHER_SPELLINGS, &name).is_some()
            || find(NOT_IN_EBPF, &name).is_some()
            || self.suggestion(&name).is_some_and(|name| Special::named(&name).is_some_and(Special::is_definition));
        if is_definition {
            self.unknown(head);
        }
        is_definition
    }

    /// Whether something refused or not available would have defined a name.
    fn is_missing(&self, name: &str) -> bool {
        self.missing.iter().any(|missing| {
            let accessor = name.strip_prefix("set-").or_else(|| name.strip_prefix("make-")).unwrap_or(name);
            name == &**missing
                || accessor == &**missing
                || accessor.strip_prefix(&**missing).is_some_and(|rest| rest.starts_with('-'))
        })
    }

    fn help_for(&mut self, name: &Name) -> String {
        if let Some(help) = find(OTHER_SPELLINGS, name) {
            return help.to_owned();
        }
        if self.environment.is_hidden_definition(name) {
            return format!(
                "a macro defines a `{name}` of its own; give the macro the name as an argument to share it"
            );
        }
        match self.suggestion(name) {
            Some(suggestion) => format!("did you mean `{suggestion}`?"),
            None => format!("define it: `(define {name} …)`"),
        }
    }

    /// The known name that is spelled most like a name.
    fn suggestion(&mut self, name: &Name) -> Option<Name> {
        // What is known depends on the place, but the names are mostly the same.
        if let Some(known) = self.suggestions.get(name) {
            return known.clone();
        }
        if self.suggestions.len() >= MAX_SUGGESTIONS {
            return None;
        }
        let found = nearest(name, &self.environment.names().collect());
        self.suggestions.insert(name.clone(), found.clone());
        found
    }
}

/// The candidate that is spelled most like a name, of those in the order of the alphabet. One that differs only in case or in
/// `_` for `-` comes first.
fn nearest(name: &str, candidates: &BTreeSet<Name>) -> Option<Name> {
    // A name of one letter is like every other.
    name.chars().nth(1)?;
    let folded = fold(name);
    let same = candidates.iter().find(|candidate| ***candidate != *name && fold(candidate) == folded);
    same.cloned().or_else(|| closest(&folded, candidates.iter().map(|name| &**name)).map(Name::from))
}

fn fold(name: &str) -> String {
    name.replace('_', "-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found() {
        let names = ["map-lookup", "map-update", "+", "bpf-ktime-get-ns"].into_iter().map(Name::from).collect();
        let near = |name: &str| nearest(name, &names).map(|name| name.to_string());
        assert_eq!(near("map-lokup").as_deref(), Some("map-lookup"));
        assert_eq!(near("bpf_ktime_get_ns").as_deref(), Some("bpf-ktime-get-ns"));
        assert_eq!(near("MAP-UPDATE").as_deref(), Some("map-update"));
        assert_eq!(near("b"), None);
        assert_eq!(near("something-else"), None);
    }
}
