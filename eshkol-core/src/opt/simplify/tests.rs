use super::super::testing::{differential_on, gives};
use super::super::{control_flow, dead_code};
use super::run;
use crate::compile::Endianness;
use crate::ir::Function;

/// Simplified on a little-endian machine until nothing changes, without what is left over.
fn simplified(function: &mut Function) -> bool {
    let mut changed = false;
    while run(function, Endianness::Little) {
        changed = true;
    }
    dead_code::run(function) | changed
}

/// What `v9`, made by some instructions from the numbers `v0` and `v1`, the packet pointer `v2`, becomes: the instructions that are left.
#[track_caller]
fn becomes(before: &str, after: &str) {
    let text = |insts: &str, result: &str| {
        format!("b0(v0, v1, v2: packet):\n {}\n return {result}", insts.replace("; ", "\n"))
    };
    let result = |insts: &str| if insts.contains("v9 =") { "v9" } else { "v0" };
    gives(simplified, &text(before, "v9"), &text(after, result(after)));
}

#[test]
fn arithmetic_on_constants() {
    becomes("v3 = const 7; v4 = const 0; v9 = udiv v3, v4", "v9 = const 0");
    becomes("v3 = const 7; v4 = const 0; v9 = urem v3, v4", "v9 = const 7");
    becomes("v3 = const -1; v9 = tobig16 v3", "v9 = const 65535");
    becomes("v3 = const 4660; v9 = tobig16 v3", "v9 = const 13330");
    becomes("v3 = const 1; v4 = const 66; v9 = shl v3, v4", "v9 = const 4");
    becomes("v3 = const 1; v4 = const -1; v9 = add.32 v3, v4", "v9 = const 0");
}

#[test]
fn identities() {
    for op in ["add", "sub", "or", "xor", "shl", "lshr", "ashr", "urem", "srem"] {
        becomes(&format!("v3 = const 0; v9 = {op} v0, v3"), "");
    }
    becomes("v3 = const 1; v9 = mul v3, v0", "");
    becomes("v3 = const 0; v9 = add.32 v3, v0", "v9 = zext32 v0");
    becomes("v9 = sub v0, v0", "v9 = const 0");
    becomes("v9 = and v0, v0", "");
    becomes("v3 = const 0; v9 = mul v0, v3", "v9 = const 0");
    becomes("v3 = const -1; v9 = or v0, v3", "v9 = const -1");
    becomes("v3 = neg v0; v9 = neg v3", "");
    becomes("v3 = const 0; v9 = sub v3, v0", "v9 = neg v0");
}

#[test]
fn powers_of_two() {
    becomes("v3 = const 8; v9 = mul v0, v3", "v3 = const 3; v9 = shl v0, v3");
    becomes("v3 = const 8; v9 = udiv v0, v3", "v3 = const 3; v9 = lshr v0, v3");
    becomes("v3 = const 8; v9 = urem v0, v3", "v3 = const 7; v9 = and v0, v3");
    becomes("v3 = const 8; v9 = sdiv v0, v3", "v3 = const 8; v9 = sdiv v0, v3");
    becomes("v4 = load.4 v2 + 0; v3 = const 8; v9 = sdiv v4, v3", "v4 = load.4 v2 + 0; v3 = const 3; v9 = lshr v4, v3");
}

#[test]
fn one_operation_for_two() {
    becomes("v3 = const 3; v4 = add v0, v3; v5 = const -5; v9 = add v4, v5", "v3 = const -2; v9 = add v0, v3");
    becomes("v3 = const 7; v4 = and v0, v3; v5 = const 12; v9 = and v4, v5", "v3 = const 4; v9 = and v0, v3");
    becomes("v3 = const 40; v4 = shl v0, v3; v9 = shl v4, v3", "v9 = const 0");
    becomes("v3 = const 60; v4 = shl v0, v3; v9 = lshr v4, v3", "v3 = const 15; v9 = and v0, v3");
}

#[test]
fn extensions_and_masks_of_what_is_short() {
    becomes("v3 = load.1 v2 + 0; v4 = const 255; v9 = and v3, v4", "v9 = load.1 v2 + 0");
    becomes("v3 = load.2 v2 + 0; v9 = zext16 v3", "v9 = load.2 v2 + 0");
    becomes("v3 = load.2 v2 + 0; v9 = sext32 v3", "v9 = load.2 v2 + 0");
    becomes("v3 = load-signed.2 v2 + 0; v9 = sext16 v3", "v9 = load-signed.2 v2 + 0");
    becomes("v3 = load.2 v2 + 0; v4 = tobig16 v3; v9 = zext16 v4", "v3 = load.2 v2 + 0; v9 = tobig16 v3");
    becomes("v3 = sext8 v0; v9 = sext16 v3", "v9 = sext8 v0");
    becomes("v3 = sext16 v0; v9 = sext8 v3", "v9 = sext8 v0");
    becomes("v3 = sext32 v0; v4 = const 4095; v9 = and v3, v4", "v4 = const 4095; v9 = and v0, v4");
    becomes("v3 = zext32 v0; v9 = add.32 v3, v1", "v9 = add.32 v0, v1");
}

#[test]
fn byte_order() {
    becomes("v3 = tobig32 v0; v9 = tobig32 v3", "v9 = zext32 v0");
    becomes("v3 = tobig64 v0; v9 = swap64 v3", "");
    becomes("v3 = zext32 v0; v9 = swap16 v3", "v9 = tobig16 v0");
    let before = "b0(v0):\n v1 = tobig16 v0\n v2 = tobig64 v1\n v3 = swap32 v2\n return v3";
    let after = "b0(v0):\n v4 = const 65535\n v1 = and v0, v4\n v3 = swap32 v1\n return v3";
    gives(|function| run(function, Endianness::Big) | dead_code::run(function), before, after);
}

#[test]
fn stores_take_the_low_bytes() {
    gives(
        simplified,
        "b0(v0, v1: packet):
           v2 = tobig16 v0
           v3 = zext16 v2
           v4 = tobig16 v3
           store.2 v1 + 0, v4
           v5 = sext32 v0
           store.4 v1 + 4, v5
           store.8 v1 + 8, v5
           return v0",
        "b0(v0, v1: packet):
           store.2 v1 + 0, v0
           v5 = sext32 v0
           store.4 v1 + 4, v0
           store.8 v1 + 8, v5
           return v0",
    );
}

#[test]
fn addresses() {
    gives(
        simplified,
        "b0(v0, v1: packet):
           v2 = const 14
           v3: packet = add v1, v2
           v4 = const 6
           v5: packet = sub v3, v4
           v6 = load.1 v5 + 4
           v7 = const 100000
           v8: packet = add v1, v7
           store.4 v8 + 0, v6
           v9 = sub v3, v3
           return v9",
        "b0(v0, v1: packet):
           v6 = load.1 v1 + 12
           v7 = const 100000
           v8: packet = add v1, v7
           store.4 v8 + 0, v6
           v9 = const 0
           return v9",
    );
}

/// What a branch on some condition becomes.
#[track_caller]
fn branch_becomes(insts: &str, condition: &str, after: &str, condition_after: &str) {
    let text = |insts: &str, branch: &str| {
        format!(
            "b0(v0, v1, v2: packet):\n {}\n branch {branch}\n b1:\n return v0\n b2:\n return v1",
            insts.replace("; ", "\n")
        )
    };
    gives(simplified, &text(insts, &format!("{condition} -> b1, b2")), &text(after, condition_after));
}

#[test]
fn comparisons_without_byte_swaps() {
    branch_becomes(
        "v3 = load.2 v2 + 12; v4 = tobig16 v3; v5 = const 2048",
        "equal v4, v5",
        "v3 = load.2 v2 + 12; v5 = const 8",
        "equal v3, v5 -> b1, b2",
    );
    branch_becomes(
        "v3 = load.4 v2 + 12; v4 = tobig32 v3; v5 = load.4 v2 + 16; v6 = tobig32 v5",
        "not-equal v4, v6",
        "v3 = load.4 v2 + 12; v5 = load.4 v2 + 16",
        "not-equal v3, v5 -> b1, b2",
    );
    branch_becomes(
        "v3 = load.2 v2 + 12; v4 = tobig16 v3; v5 = const 8191; v6 = and v4, v5; v7 = const 0",
        "not-equal v6, v7",
        "v3 = load.2 v2 + 12; v5 = const 65311",
        "bits-set v3, v5 -> b1, b2",
    );
    branch_becomes(
        "v3 = load.2 v2 + 12; v4 = tobig16 v3; v5 = const 61440; v6 = and v4, v5; v7 = const 16384",
        "equal v6, v7",
        "v3 = load.2 v2 + 12; v5 = const 240; v6 = and v3, v5; v7 = const 64",
        "equal v6, v7 -> b1, b2",
    );
    // Numbers that no 16 bits are.
    branch_becomes(
        "v3 = load.2 v2 + 12; v4 = tobig16 v3; v5 = const 196352; v6 = and v4, v5; v7 = const 131072",
        "equal v6, v7",
        "v3 = const 0; v4 = const 1",
        "equal v3, v4 -> b1, b2",
    );
    branch_becomes(
        "v3 = tobig16 v0; v4 = const 65536",
        "equal v3, v4",
        "v3 = const 0; v4 = const 1",
        "equal v3, v4 -> b1, b2",
    );
}

#[test]
fn changes_in_the_other_byte_order() {
    becomes(
        "v3 = load.2 v2 + 14; v4 = tobig16 v3; v5 = const 61440; v6 = and v4, v5; v7 = const 200; v8 = or v6, v7; v9 = tobig16 v8",
        "v3 = load.2 v2 + 14; v5 = const 240; v6 = and v3, v5; v7 = const 51200; v9 = or v6, v7",
    );
    becomes(
        "v3 = tobig32 v0; v4 = const -1; v5 = xor v3, v4; v9 = tobig32 v5",
        "v3 = zext32 v0; v4 = const 4294967295; v9 = xor v3, v4",
    );
    // What is in between is needed itself.
    let both = "v3 = tobig16 v0; v4 = const 255; v5 = and v3, v4; v6 = tobig16 v5; v9 = add v5, v6";
    becomes(both, both);
}

#[test]
fn numbers_of_two_parts() {
    let parts = "v3 = load.4 v2 + 0; v4 = load.2 v2 + 4; v5 = const 32; v6 = shl v4, v5; v7 = or v3, v6";
    becomes(
        &format!("{parts}; v8 = lshr v7, v5; store.2 v2 + 10, v8; v9 = const 0"),
        "v3 = load.2 v2 + 4; store.2 v2 + 10, v3; v9 = const 0",
    );
    becomes(
        &format!("{parts}; store.4 v2 + 6, v7; v9 = const 0"),
        "v3 = load.4 v2 + 0; store.4 v2 + 6, v3; v9 = const 0",
    );
    // The lower part reaches into the upper one.
    let overlapping = "v3 = load.8 v2 + 0; v4 = shl v1, v0; v5 = or v3, v4; v6 = const 32; v9 = lshr v5, v6";
    becomes(overlapping, overlapping);
}

#[test]
fn comparisons_before_a_shift() {
    branch_becomes(
        "v3 = load.1 v2 + 13; v4 = const 4; v5 = lshr v3, v4; v6 = const 1",
        "bits-set v5, v6",
        "v3 = load.1 v2 + 13; v4 = const 16",
        "bits-set v3, v4 -> b1, b2",
    );
    branch_becomes(
        "v3 = load.1 v2 + 13; v4 = const 2; v5 = lshr v3, v4; v6 = const 15; v7 = and v5, v6; v8 = const 5",
        "equal v7, v8",
        "v3 = load.1 v2 + 13; v4 = const 60; v5 = and v3, v4; v6 = const 20",
        "equal v5, v6 -> b1, b2",
    );
    // Bits that no instruction holds.
    let high = "v3 = const 40; v4 = lshr v0, v3; v5 = const 1";
    branch_becomes(high, "bits-set v4, v5", high, "bits-set v4, v5 -> b1, b2");
}

#[test]
fn comparisons_of_32_bits() {
    branch_becomes("v3 = sext32 v0; v4 = const -5", "less v3, v4", "v4 = const -5", "less.32 v0, v4 -> b1, b2");
    branch_becomes("v3 = sext32 v0; v4 = const 0", "equal v3, v4", "v4 = const 0", "equal.32 v0, v4 -> b1, b2");
    branch_becomes("v3 = sext32 v0; v4 = const -5", "above v3, v4", "v4 = const -5", "above.32 v0, v4 -> b1, b2");
    branch_becomes("v3 = sext32 v0; v4 = sext32 v1", "above-equal v3, v4", "", "above-equal.32 v0, v1 -> b1, b2");
    branch_becomes(
        "v3 = load.4 v2 + 0; v4 = sext32 v3; v5 = const 7",
        "not-equal v4, v5",
        "v3 = load.4 v2 + 0; v5 = const 7",
        "not-equal v3, v5 -> b1, b2",
    );
    // A number that no 32 bits are, bits above them, a side that is not extended, and an extension that is made anyway.
    let kept =
        |insts: &str, condition: &str| branch_becomes(insts, condition, insts, &format!("{condition} -> b1, b2"));
    kept("v3 = sext32 v0; v4 = const 2147483648", "below v3, v4");
    kept("v3 = sext32 v0; v4 = const -2", "bits-set v3, v4");
    kept("v3 = sext32 v0", "less v3, v1");
    kept("v3 = sext32 v0; store.8 v2 + 0, v3; v4 = const 5", "less v3, v4");
}

#[test]
fn simpler_comparisons() {
    branch_becomes("v3 = const 5", "above v3, v0", "v3 = const 5", "below v0, v3 -> b1, b2");
    branch_becomes("v3 = const 1", "below v0, v3", "v3 = const 0", "equal v0, v3 -> b1, b2");
    branch_becomes("v3 = const 0", "above v0, v3", "v3 = const 0", "not-equal v0, v3 -> b1, b2");
    branch_becomes(
        "v3 = const 4; v4 = and v0, v3; v5 = const 0",
        "equal v4, v5",
        "v3 = const 4",
        "bits-set v0, v3 -> b2, b1",
    );
    branch_becomes("v3 = const 4; v4 = and v0, v3", "equal v4, v3", "v3 = const 4", "bits-set v0, v3 -> b1, b2");
    branch_becomes(
        "v3 = const 4; v4 = lshr v0, v3; v5 = const 1; v6 = and v4, v5; v7 = const 0",
        "not-equal v6, v7",
        "v5 = const 16",
        "bits-set v0, v5 -> b1, b2",
    );
    // The mask would not fit an instruction.
    branch_becomes(
        "v3 = const 31; v4 = lshr v0, v3; v5 = const 1",
        "bits-set v4, v5",
        "v3 = const 31; v4 = lshr v0, v3; v5 = const 1",
        "bits-set v4, v5 -> b1, b2",
    );
    branch_becomes("v3 = sub v0, v1; v4 = const 0", "equal v3, v4", "", "equal v0, v1 -> b1, b2");
    // The difference is needed, too.
    let difference = "v3 = sub v0, v1; store.8 v2 + 0, v3; v4 = const 0";
    branch_becomes(difference, "equal v3, v4", difference, "equal v3, v4 -> b1, b2");
    branch_becomes(
        "v3 = const 3; v4 = add v0, v3; v5 = const 10",
        "equal v4, v5",
        "v3 = const 7",
        "equal v0, v3 -> b1, b2",
    );
    branch_becomes(
        "v3 = load.4 v2 + 0; v4 = const -1",
        "below.32 v3, v4",
        "v3 = load.4 v2 + 0; v4 = const 4294967295",
        "below v3, v4 -> b1, b2",
    );
}

#[test]
fn what_the_verifier_needs_stays() {
    // The mask after the swap, because the verifier does not know what a swap gives; and the comparison of what is added to the
    // pointer.
    let text = "b0(v0: packet, v1: map-value):
           v2 = load.2 v0 + 12
           v3 = tobig16 v2
           v4 = const 65535
           v5 = and v3, v4
           v6: map-value = add v1, v5
           v7 = load.1 v6 + 0
           v8 = load.2 v0 + 14
           v9 = tobig16 v8
           v10 = const 2048
           branch equal v9, v10 -> b1, b2
         b1:
           v11: map-value = add v1, v9
           v12 = load.1 v11 + 0
           return v12
         b2:
           return v7";
    gives(simplified, text, text);
    // What was compared is what is used.
    let text = "b0(v0, v1: map-value):
           v2 = const 15
           v3 = and v0, v2
           v4 = const 10
           branch below v3, v4 -> b1, b2
         b1:
           v5 = const 7
           v6 = add v3, v5
           v7 = const 30
           v8 = and v6, v7
           v9: map-value = add v1, v8
           v10 = load.1 v9 + 0
           return v10
         b2:
           return v0";
    gives(simplified, text, text);
    // The verifier knows what a short load gives.
    gives(
        simplified,
        "b0(v0: packet, v1: map-value):
           v2 = load.1 v0 + 9
           v3 = const 255
           v4 = and v2, v3
           v5: map-value = add v1, v4
           v6 = load.1 v5 + 0
           return v6",
        "b0(v0: packet, v1: map-value):
           v2 = load.1 v0 + 9
           v5: map-value = add v1, v2
           v6 = load.1 v5 + 0
           return v6",
    );
}

#[test]
fn what_is_hidden_already() {
    let text = |hidden: &str| {
        format!(
            "slot s0 size 8 align 8
             b0(v0: packet, v1):
               v2 = hidden-zero s0
               v3 = load.1 v0 + 9
               v4 = hide {hidden}, v2
               v5 = hide v1, v2
               v6 = add v4, v5
               v7 = add v6, {hidden}
               return v7"
        )
    };
    // What is used elsewhere may have been compared there.
    gives(simplified, &text("v3"), &text("v3"));
    gives(
        simplified,
        &text("v3").replace("v7 = add v6, v3", "").replace("return v7", "return v6"),
        "slot s0 size 8 align 8
         b0(v0: packet, v1):
           v2 = hidden-zero s0
           v3 = load.1 v0 + 9
           v5 = hide v1, v2
           v6 = add v3, v5
           return v6",
    );
}

#[test]
fn parts_of_words() {
    let text = "b0(v0: packet, v1):
           v2 = load.4 v0 + 8
           v3 = const 15
           v4 = and v2, v3
           v5 = const 64
           v6 = or v4, v5
           v7 = const 240
           v8 = and v6, v7
           v9 = add v1, v3
           v10 = load.8 v0 + 0
           v11 = add v9, v10
           v12 = add v11, v8
           return v12";
    let after = "b0(v0: packet, v1):
           v10 = load.8 v0 + 0
           v13 = add v1, v10
           v14 = const 79
           v15 = add v13, v14
           return v15";
    gives(simplified, text, after);
    let text = "b0(v0: packet):
           v1 = load.4 v0 + 8
           v2 = const 4080
           v3 = and v1, v2
           return v3";
    let narrow = |endianness| move |function: &mut Function| run(function, endianness) | dead_code::run(function);
    gives(narrow(Endianness::Little), text, &text.replace("load.4", "load.2"));
    gives(narrow(Endianness::Big), text, &text.replace("load.4 v0 + 8", "load.2 v0 + 10"));
}

#[test]
fn loads_of_what_is_needed_elsewhere() {
    let narrowed = |function: &mut Function| run(function, Endianness::Little) | dead_code::run(function);
    // The mask is put on the load itself, which then has two uses.
    gives(
        narrowed,
        "b0(v0: packet, v1: map-value):
           v2 = load.8 v0 + 0
           v3 = zext32 v2
           store.8 v1 + 0, v3
           v4 = const 63
           v5 = and v3, v4
           return v5",
        "b0(v0: packet, v1: map-value):
           v2 = load.8 v0 + 0
           v3 = zext32 v2
           store.8 v1 + 0, v3
           v6 = const 63
           v5 = and v2, v6
           return v5",
    );
}

#[test]
fn nothing_else_changes() {
    differential_on(0..300, run);
    differential_on(300..500, |function, endianness| {
        let mut changed = false;
        for _ in 0..4 {
            changed |= run(function, endianness) | control_flow::run(function) | dead_code::run(function);
        }
        changed
    });
}
