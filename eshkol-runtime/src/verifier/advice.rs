//! What the verifier's messages mean, and what to do.
//!
//! The messages are those of `kernel/bpf/verifier.c` and its kin from 4.18 on; where their wording changed, each wording has a row.

/// A message and its meaning.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Advice {
    /// Parts of the message, in this order.
    parts: &'static [&'static str],
    /// What it means.
    pub(super) meaning: &'static str,
    /// What to do.
    pub(super) remedy: &'static str,
    /// Whether the compiler ought to have found it, so that it is ours to mend.
    pub(super) for_the_compiler: bool,
}

/// The first row that fits, from the most particular to the most general.
pub(super) fn find(message: &str) -> Option<&'static Advice> {
    TABLE.iter().find(|advice| {
        let mut rest = message;
        advice.parts.iter().all(|part| match rest.split_once(part) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    })
}

/// Something that the compiler promises never happens.
const fn promised(parts: &'static [&'static str], meaning: &'static str, remedy: &'static str) -> Advice {
    Advice { parts, meaning, remedy, for_the_compiler: true }
}

/// Something that depends on the kernel or on how big the program is, which the compiler cannot know in full.
const fn limit(parts: &'static [&'static str], meaning: &'static str, remedy: &'static str) -> Advice {
    Advice { parts, meaning, remedy, for_the_compiler: false }
}

static TABLE: &[Advice] = &[
    promised(
        &["invalid mem access '", "_or_null'"],
        "what a lookup gave is used where it may be absent",
        "test it first: `(when-let ((value (map-lookup m key))) …)`",
    ),
    promised(
        &["pointer arithmetic on", "_or_null prohibited"],
        "what a lookup gave is used where it may be absent",
        "test it first: `(when-let ((value (map-lookup m key))) …)`",
    ),
    promised(
        &["offset is outside of the packet"],
        "the packet may end before the bytes that are read",
        "read through a header that was parsed there (`parse-ipv4-header`, …), inside the branch where it is present",
    ),
    promised(
        &["invalid access to packet"],
        "the packet may end before the bytes that are read",
        "read through a header that was parsed there (`parse-ipv4-header`, …), inside the branch where it is present",
    ),
    promised(
        &["value is outside of the allowed memory range"],
        "an index or offset may lie past the end of what it indexes",
        "bound it first: `(when (< i n) …)`, or `(modulo i n)`",
    ),
    promised(
        &["invalid access to map value"],
        "an index or offset may lie past the end of the map's value",
        "bound it first: `(when (< i n) …)`, or `(modulo i n)`",
    ),
    promised(
        &["unbounded memory access"],
        "a number of which no upper bound is known is used as an index or a size",
        "bound it first: `(when (< i n) …)`, or `(min i n)`",
    ),
    promised(
        &["min value is negative"],
        "a number that may be negative is used as an index or a size",
        "make it unsigned, or test that it is not negative",
    ),
    promised(
        &["with unbounded min value"],
        "a number of which no bounds are known is added to a reference",
        "bound it first: `(when (< i n) …)`",
    ),
    promised(
        &["value", "out of range"],
        "a number may be larger than the kernel allows there",
        "bound it first with `min`",
    ),
    promised(
        &["invalid indirect read from stack"],
        "bytes that were never written, padding perhaps, are handed to the kernel",
        "make the struct with its `make-…`, which writes every byte",
    ),
    promised(
        &["invalid read from stack"],
        "bytes that were never written, padding perhaps, are read",
        "make the struct with its `make-…`, which writes every byte",
    ),
    promised(
        &["!read_ok"],
        "a value is used that not every way to this place has set",
        "give the variable a value on every branch",
    ),
    limit(
        &["combined stack size"],
        "the procedures of the longest chain of calls need more than 512 bytes of stack together",
        "keep large structs in a `:percpu-array` of one element",
    ),
    limit(&["call stack", "too deep"], "procedures call each other more than 8 deep", "merge some of them"),
    limit(
        &["BPF program is too large"],
        "the verifier gave up after a million steps: it follows every branch through every turn of a loop",
        "make loops shorter, or take branches out of them: what is chosen in every round multiplies",
    ),
    limit(
        &["too complex"],
        "there are more branches pending than the verifier keeps",
        "split the program with `tail-call`, or make it shorter",
    ),
    promised(
        &["infinite loop detected"],
        "the verifier cannot see that this loop ends",
        "count it with a bound: `(do ((i 0 (+ i 1))) ((>= i 64)) …)`",
    ),
    limit(
        &["back-edge from insn"],
        "this kernel takes no loops, which came with Linux 5.3",
        "compile for it, with `(min-kernel \"4.18\")`: loops are unrolled then",
    ),
    promised(&["unreachable insn"], "there is code that nothing leads to", "remove it"),
    promised(&["jump out of range"], "the program is damaged: a jump leads out of it", "compile it again"),
    limit(
        &["cannot call GPL"],
        "this helper is for programs under the GPL only",
        "`(license \"GPL\")`, where that is what you want, or do without the helper",
    ),
    limit(
        &["unknown#195896080"],
        "a field or type of the kernel that the program reads does not exist in the running kernel",
        "ask first: `(if (field-exists? task-struct state) … …)`; or declare the field as this kernel has it (`bpftool btf dump` shows how)",
    ),
    limit(
        &["calling kernel function", "is not allowed"],
        "this type of program may not call that function of the kernel (kfunc) in this kernel",
        "see which types may: the documentation of the function, or `register_btf_kfunc_id_set` in the kernel's source",
    ),
    limit(
        &["JIT does not support calling kernel function"],
        "functions of the kernel (kfuncs) are called by compiled programs only, and the kernel does not compile them here",
        "turn its compiler on (`sysctl net.core.bpf_jit_enable=1`), where this machine has one",
    ),
    limit(
        &["unknown func"],
        "this kernel, or this type of program in it, does not have that helper",
        "set `(min-kernel …)` to the oldest kernel you run on: the compiler then says which helpers it lacks",
    ),
    limit(
        &["invalid func"],
        "this kernel does not have that helper",
        "set `(min-kernel …)` to the oldest kernel you run on: the compiler then says which helpers it lacks",
    ),
    limit(
        &["cannot use helper"],
        "this type of program may not call that helper in this kernel",
        "set `(min-kernel …)` to the oldest kernel you run on: the compiler then says which helpers it lacks",
    ),
    promised(
        &["invalid bpf_context access"],
        "that field of the context cannot be read or written here, or not in this size",
        "use the accessor of the field: `(ctx-FIELD ctx)`",
    ),
    promised(
        &["dereference of modified ctx"],
        "a field of the context is reached through a computed address",
        "use the accessor of the field: `(ctx-FIELD ctx)`",
    ),
    promised(
        &["At program exit the register R0"],
        "the program returns a number that its type does not allow",
        "return one of the type's names, such as `:xdp-pass`",
    ),
    promised(
        &["At subprogram exit the register R0"],
        "the procedure returns a number that is not allowed here",
        "return 0 or 1",
    ),
    promised(
        &["Unreleased reference"],
        "what was reserved or taken is not given back on every branch",
        "`ringbuf-submit` or `ringbuf-discard` it wherever the procedure can end",
    ),
    promised(
        &["BPF_EXIT instruction", "would lead to reference leak"],
        "what was reserved or taken is not given back on every branch",
        "`ringbuf-submit` or `ringbuf-discard` it wherever the procedure can end",
    ),
    promised(&["expected=map_ptr"], "a helper was given something else than a map", "name the map itself"),
    promised(
        &[" type=", "expected="],
        "a helper was given another kind of thing than it takes",
        "see the helper's signature in the language reference",
    ),
    promised(
        &["cannot pass map_type"],
        "that helper does not work on this kind of map",
        "see the helper's signature in the language reference",
    ),
    promised(&["write into", "forbidden"], "that memory is read-only", "copy what you want to change"),
    promised(&["cannot write into"], "that memory is read-only here", "copy what you want to change"),
    promised(&["only read from"], "that memory is read-only here", "copy what you want to change"),
    promised(
        &["misaligned"],
        "a number is read or written at an address that it does not divide",
        "let the fields of the struct lie where C would have them",
    ),
    promised(&["div by zero"], "a division by the constant 0", "divide by something else"),
    promised(&["invalid shift"], "a shift by the width of the number or more", "shift by less"),
    promised(
        &["leaks addr"],
        "an address of the kernel would become visible to user space",
        "store the value that it refers to",
    ),
    promised(&["pointer comparison prohibited"], "two addresses are compared", "compare the values that they refer to"),
    promised(
        &["pointer arithmetic"],
        "an address is computed in a way that the verifier cannot follow",
        "use accessors and indices",
    ),
    promised(
        &["bpf_spin_lock"],
        "a spin lock is not used as the kernel wants",
        "do nothing but plain reads and writes in `with-spin-lock`, and leave it on every way",
    ),
    limit(
        &["attach_btf_id"],
        "the kernel has no such function or hook to attach to",
        "see which there are: `bpftool btf dump file /sys/kernel/btf/vmlinux | grep FUNC`",
    ),
    promised(
        &["invalid mem access"],
        "a number is used as if it were a reference",
        "read through references that a lookup, a parser or a helper gave",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_reached() {
        for advice in TABLE {
            let message = advice.parts.join(" … ");
            let found = find(&message).unwrap();
            assert_eq!(found, advice, "{message} is caught by {:?}", found.parts);
        }
    }

    #[test]
    fn messages_of_kernels() {
        let meaning = |message| find(message).map(|a| a.meaning).unwrap_or_default();
        assert!(meaning("R0 invalid mem access 'map_value_or_null'").contains("may be absent"));
        assert!(meaning("R1 invalid mem access 'inv'").contains("as if it were a reference"));
        assert!(meaning("R1 invalid mem access 'scalar'").contains("as if it were a reference"));
        assert!(meaning("R1 type=scalar expected=fp, pkt, pkt_meta").contains("another kind of thing"));
        assert!(meaning("R1 offset is outside of the packet").contains("packet may end"));
        assert!(meaning("invalid indirect read from stack R2 off -8+4 size 8").contains("never written"));
        assert_eq!(find("quite another thing"), None);
    }
}
