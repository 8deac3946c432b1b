//! What is selected for small functions, on each ISA version.

use super::control_flow::falls_back;
use super::{code, lines};
use crate::compile::Endianness;
use crate::kernel::IsaVersion::{self, V1, V2, V3, V4};

fn selected(isa: IsaVersion, text: &str) -> Vec<String> {
    lines(&code(isa, Endianness::Little, text))
}

/// The instructions for `operations` on the parameters v0 and v1, that return v9.
fn computed(isa: IsaVersion, operations: &str) -> Vec<String> {
    selected(isa, &format!("b0(v0, v1):\n{operations}\n return v9"))
}

#[test]
fn what_is_hidden_shares_nothing_with_what_hides_it() {
    let text = "
        slot s0 size 8 align 8
        b0(v0):
          v1 = hidden-zero s0
          v2 = hide v0, v1
          v3 = const 0
          v4 = hide v3, v1
          v5 = add v2, v4
          return v5";
    // A zero to be hidden is not a copy of the hidden zero: what the verifier learns of one copy it believes of the other.
    let expected = [
        "*(u16 *)(r10 - 6) = 1",
        "r3 = *(u8 *)(r10 - 5)",
        "r3 = -r3",
        "r1 ^= r3",
        "r3 ^= 0",
        "r0 = r1",
        "r0 += r3",
        "exit",
    ];
    assert_eq!(selected(V3, text), expected);
    let big = lines(&code(V3, Endianness::Big, text));
    assert_eq!(big.get(1).map(String::as_str), Some("r3 = *(u8 *)(r10 - 6)"));
}

#[test]
fn a_counter() {
    let text = "
        slot s0 size 4 align 4
        b0(v0: context):
          v1: stack = slot s0
          v2 = const 0
          store.4 v1 + 0, v2
          v3: map = map map0
          v4: map-value = helper 1(v3, v1)
          v9: map-value = const 0
          v8 = const 2
          branch equal v4, v9 -> b1, b2
        b1:
          return v8
        b2:
          v5 = const 1
          atomic-add.8 v4 + 0, v5
          return v8";
    let expected = [
        "*(u32 *)(r10 - 4) = 0",
        "r1 = map[fd:0] ll",
        "r2 = r10",
        "r2 += -4",
        "call 1",
        "if r0 == 0 goto +2",
        "r1 = 1",
        "lock *(u64 *)(r0 + 0) += r1",
        "r0 = 2",
        "exit",
    ];
    assert_eq!(selected(V3, text), expected);
}

#[test]
fn numbers_take_the_shortest_form() {
    let number = |isa, number: i64| computed(isa, &format!("v9 = const {number}"));
    assert_eq!(number(V2, -1), ["r0 = -1", "exit"]);
    assert_eq!(number(V3, 0xffff_ffff), ["w0 = -1", "exit"]);
    assert_eq!(number(V2, 0xffff_ffff), ["r0 = 4294967295 ll", "exit"]);
    assert_eq!(number(V3, 1 << 40), ["r0 = 0x10000000000 ll", "exit"]);
}

#[test]
fn immediates_where_they_fit() {
    assert_eq!(computed(V3, "v2 = const 5\n v9 = sub v0, v2"), ["r0 = r1", "r0 += -5", "exit"]);
    assert_eq!(computed(V3, "v2 = const 5\n v9 = sub v2, v0"), ["r0 = 5", "r0 -= r1", "exit"]);
    assert_eq!(computed(V3, "v2 = const 5\n v9 = mul v2, v0"), ["r0 = r1", "r0 *= 5", "exit"]);
    assert_eq!(computed(V3, "v2 = const 4294967295\n v9 = and v0, v2"), ["w0 = w1", "exit"]);
    assert_eq!(computed(V3, "v2 = const 4294967288\n v9 = and v0, v2"), ["r0 = r1", "w0 &= -8", "exit"]);
    let wide = ["r2 = 4294967288 ll", "r0 = r1", "r0 &= r2", "exit"];
    assert_eq!(computed(V2, "v2 = const 4294967288\n v9 = and v0, v2"), wide);
    // The verifier refuses a division by the immediate 0.
    assert_eq!(computed(V3, "v2 = const 0\n v9 = udiv v0, v2"), ["r2 = 0", "r0 = r1", "r0 /= r2", "exit"]);
}

#[test]
fn a_wide_constant_is_loaded_once() {
    let text = "v2 = const 1099511628211
        v3 = xor v0, v1
        v4 = mul v3, v2
        v5 = xor v4, v1
        v9 = mul v5, v2";
    let found = computed(V3, text);
    assert_eq!(found.iter().filter(|line| line.ends_with(" ll")).count(), 1, "{found:#?}");
    let across_a_call = "b0(v0):
        v1 = const 1099511628211
        v2 = mul v0, v1
        v3 = helper 1000(v2)
        v4 = mul v3, v1
        return v4";
    let found = selected(V3, across_a_call);
    assert_eq!(found.iter().filter(|line| line.ends_with(" ll")).count(), 2, "{found:#?}");
    assert!(!found.iter().any(|line| line.contains("r6")), "{found:#?}");
}

#[test]
fn thirty_two_bits() {
    assert_eq!(computed(V3, "v9 = add.32 v0, v1"), ["r0 = r1", "w0 += w2", "exit"]);
    assert_eq!(computed(V2, "v9 = add.32 v0, v1"), ["r1 += r2", "r1 <<= 32", "r0 = r1", "r0 >>= 32", "exit"]);
    assert_eq!(computed(V4, "v9 = sdiv.32 v0, v1"), ["r0 = r1", "w0 s/= w2", "exit"]);
    // What is zero-extended already is not again, and only low bits count where only those are read.
    let extended = "v2 = add.32 v0, v1\n v3 = zext32 v2\n v4 = zext32 v1\n v9 = mul.32 v3, v4";
    assert_eq!(computed(V3, extended), ["w1 += w2", "r0 = r1", "w0 *= w2", "exit"]);
}

#[test]
fn extensions_and_byte_orders() {
    assert_eq!(computed(V3, "v9 = zext8 v0"), ["r0 = r1", "r0 &= 255", "exit"]);
    assert_eq!(computed(V4, "v9 = sext16 v0"), ["r0 = (s16)r1", "exit"]);
    assert_eq!(computed(V3, "v9 = sext16 v0"), ["r1 <<= 48", "r0 = r1", "r0 s>>= 48", "exit"]);
    assert_eq!(computed(V3, "v9 = tobig16 v0"), ["r0 = r1", "r0 = be16 r0", "exit"]);
    assert_eq!(computed(V4, "v9 = swap32 v0"), ["r0 = r1", "r0 = bswap32 r0", "exit"]);
    assert_eq!(computed(V3, "v9 = swap32 v0"), ["r0 = r1", "r0 = be32 r0", "exit"]);
    let on_big = |operations: &str| lines(&code(V3, Endianness::Big, &format!("b0(v0):\n{operations}\n return v9")));
    assert_eq!(on_big("v9 = tobig64 v0"), ["r0 = r1", "exit"]);
    assert_eq!(on_big("v9 = swap32 v0"), ["r0 = r1", "r0 = le32 r0", "exit"]);
}

#[test]
fn signed_loads() {
    let text = "b0(v0: context):\n v1 = load-signed.4 v0 + 8\n return v1";
    assert_eq!(selected(V4, text), ["r0 = *(s32 *)(r1 + 8)", "exit"]);
    assert_eq!(selected(V3, text), ["r0 = *(u32 *)(r1 + 8)", "r0 <<= 32", "r0 s>>= 32", "exit"]);
}

#[test]
fn comparisons() {
    let test = |isa, condition: &str, right: &str| {
        let text = format!(
            "b0(v0, v1):
               v2 = const 7
               branch {condition} v0, {right} -> b1, b2
             b1:
               v3 = helper 1000(v0)
               v4 = helper 1000(v3)
               return v4
             b2:
               v5 = helper 1000()
               return v5"
        );
        let mut found = selected(isa, &text).swap_remove(0);
        found.truncate(found.find(" goto").unwrap());
        found
    };
    assert_eq!(test(V3, "below", "v2"), "if r1 >= 7");
    assert_eq!(test(V3, "below.32", "v1"), "if w1 >= w2");
    // ISA v1 has no `<` to turn `>=` into, but operands may change places.
    assert_eq!(test(V1, "below", "v2"), "if r1 >= 7");
    assert_eq!(test(V1, "below", "v1"), "if r1 >= r2");
    assert_eq!(test(V1, "above-equal", "v1"), "if r2 > r1");
    assert_eq!(test(V2, "above-equal", "v1"), "if r1 < r2");
    assert_eq!(test(V3, "bits-set", "v2"), "if r1 & 7");
}

#[test]
fn results_before_branches() {
    let text = "
        b0(v0, v1):
          v2 = const 1
          v3 = const 2
          branch below v0, v1 -> b1, b2
        b1:
          return v2
        b2:
          return v3";
    assert_eq!(selected(V3, text), ["r0 = 1", "if r1 < r2 goto +1", "r0 = 2", "exit"]);
    // What is compared makes way.
    let text = text
        .replace("branch below v0, v1", "v4 = load.8 v1 + 0\n branch equal v4, v3")
        .replace("b0(v0, v1)", "b0(v0, v1: map-value)");
    assert_eq!(selected(V3, &text), ["r3 = *(u64 *)(r2 + 0)", "r0 = 1", "if r3 == 2 goto +1", "r0 = 2", "exit"]);
    // The result of a call stays where it is.
    let text = text.replace("load.8 v1 + 0", "helper 1000(v0)");
    assert_eq!(selected(V3, &text), ["call 1000", "if r0 == 2 goto +2", "r0 = 2", "exit", "r0 = 1", "exit"]);
}

#[test]
fn addresses_fold_into_accesses() {
    let text = "
        slot s0 size 16 align 8
        b0(v0: context):
          v1: packet = load.4 v0 + 0
          v2 = const 14
          v3: packet = add v1, v2
          v4 = load.1 v3 + 9
          v5: stack = slot s0
          v6 = const 8
          v7: stack = add v5, v6
          store.4 v7 + 4, v4
          v8 = helper 1000(v7)
          v9 = const 100000
          v10: packet = add v1, v9
          v11 = load.1 v10 + 0
          return v11";
    let expected = [
        "r6 = *(u32 *)(r1 + 0)",
        "r1 = *(u8 *)(r6 + 23)",
        "*(u32 *)(r10 - 4) = w1",
        "r1 = r10",
        "r1 += -8",
        "call 1000",
        "r6 += 100000",
        "r0 = *(u8 *)(r6 + 0)",
        "exit",
    ];
    assert_eq!(selected(V3, text), expected);
}

#[test]
fn constants_are_stored_without_a_register_but_not_to_a_context() {
    let text = "
        slot s0 size 8 align 8
        b0(v0: context):
          v1: stack = slot s0
          v2 = const 4294967295
          store.4 v1 + 0, v2
          store.8 v1 + 0, v2
          store.4 v0 + 8, v2
          return v2";
    let expected =
        ["*(u32 *)(r10 - 8) = -1", "w0 = -1", "*(u64 *)(r10 - 8) = r0", "*(u32 *)(r1 + 8) = w0", "w0 = -1", "exit"];
    let found = selected(V3, text);
    assert_eq!(found[0], expected[0]);
    assert!(found.iter().filter(|line| line.starts_with("*(u32 *)(r1 + 8) = w")).count() == 1, "{found:#?}");
}

#[test]
fn the_context_moves_only_for_a_call() {
    let quiet = "b0(v0: context):\n v1 = load.4 v0 + 0\n v2 = load.4 v0 + 4\n v3 = sub v2, v1\n return v3";
    let found = selected(V3, quiet);
    assert_eq!(found.len(), 4, "{found:#?}");
    let kept = "b0(v0: context):
        v1 = helper 1000()
        v2 = load.4 v0 + 0
        v3 = helper 1000()
        v4 = load.4 v0 + 4
        v5 = add v2, v4
        return v5";
    let found = selected(V3, kept);
    assert_eq!(found.iter().filter(|line| line.ends_with("= r1")).count(), 1, "{found:#?}");
    assert_eq!(found.len(), 7, "{found:#?}");
}

#[test]
fn a_choice_keeps_one_way_empty() {
    let text = "b0(v0: context, v1, v2):
          v3 = const 1
          v4 = const 0
          branch below v1, v2 -> b1(v3), b1(v4)
        b1(v5):
          store.8 v0 + 0, v5
          return v1";
    let expected = ["r0 = r2", "r2 = 1", "if r0 < r3 goto +1", "r2 = 0", "*(u64 *)(r1 + 0) = r2", "exit"];
    assert_eq!(selected(V3, text), expected);
}

#[test]
fn returns_of_the_same_value_are_shared() {
    let text = "b0(v0, v1):
          v2 = const 1
          branch below v0, v1 -> b1, b2
        b1:
          return v2
        b2:
          v3 = helper 1000()
          branch equal v3, v1 -> b3, b4
        b3:
          return v2
        b4:
          return v3";
    let found = selected(V3, text);
    assert_eq!(found.iter().filter(|line| *line == "r0 = 1").count(), 1, "{found:#?}");
}

#[test]
fn a_loop_steps_where_it_goes_back() {
    let text = "b0(v0):
          v1 = const 0
          jump b1(v1)
        b1(v2):
          branch below v2, v0 -> b2, b3
        b2:
          v3 = const 1
          v4 = add v2, v3
          v5 = helper 1000(v2)
          jump b1(v4)
        b3:
          return v2";
    let expected =
        ["r6 = r1", "r7 = 0", "if r6 <= r7 goto +4", "r1 = r7", "call 1000", "r7 += 1", "goto -5", "r0 = r7", "exit"];
    assert_eq!(falls_back(&code(V3, Endianness::Little, text)), None);
    assert_eq!(selected(V3, text), expected);
}

#[test]
fn a_call_of_a_function_is_relocated() {
    let text = "b0(v0: context):\n v1 = call fn3(v0)\n return v1";
    let code = code(V3, Endianness::Little, text);
    assert_eq!(lines(&code), ["call pc-1", "exit"]);
    assert_eq!(code.relocations.len(), 1);
    assert_eq!(code.relocations[0].instruction, 0);
}
