use super::super::testing::gives;
use super::*;

#[test]
fn an_event_is_made_in_place() {
    // What is needed afterwards and needs nothing of the event is made before it.
    gives(
        run,
        "slot s0 size 600 align 8
         b0(v0, v1: context):
           v2 = helper 14()
           v3: stack = slot s0
           v4 = const 0
           store.8 v3 + 0, v4
           v5 = const 8
           v6: stack = add v3, v5
           v7 = const 592
           v8 = add v0, v5
           v9 = load.8 v1 + 16
           v10 = helper 114(v6, v7, v9)
           v11: map = map map0
           v12 = const 600
           v13 = helper 130(v11, v3, v12, v4)
           branch less v13, v4 -> b1, b2
         b1:
           return v13
         b2:
           return v8",
        "slot s0 size 600 align 8
         b0(v0, v1: context):
           v2 = helper 14()
           v4 = const 0
           v5 = const 8
           v7 = const 592
           v8 = add v0, v5
           v11: map = map map0
           v12 = const 600
           v14 = const 600
           v15 = const 0
           v16 = const -11
           v17: ring-buffer = helper 131(v11, v14, v15)
           branch not-equal v17, v15 -> b3, b4(v16)
         b3:
           store.8 v17 + 0, v4
           v6: ring-buffer = add v17, v5
           v9 = load.8 v1 + 16
           v10 = helper 114(v6, v7, v9)
           v18 = helper 132(v17, v15)
           jump b4(v15)
         b4(v19):
           branch less v19, v4 -> b1, b2
         b1:
           return v19
         b2:
           return v8",
    );
}

#[test]
fn an_event_of_several_blocks() {
    gives(
        run,
        "slot s0 size 600 align 8
         b0(v0):
           v1: stack = slot s0
           v2 = const 0
           v3 = const 600
           v4: map = map map0
           store.8 v1 + 0, v0
           branch equal v0, v2 -> b1, b2
         b1:
           store.8 v1 + 8, v2
           jump b2
         b2:
           v5 = helper 130(v4, v1, v3, v2)
           return v5",
        "slot s0 size 600 align 8
         b0(v0):
           v2 = const 0
           v3 = const 600
           v4: map = map map0
           v6 = const 600
           v7 = const 0
           v8 = const -11
           v9: ring-buffer = helper 131(v4, v6, v7)
           branch not-equal v9, v7 -> b3, b4(v8)
         b3:
           store.8 v9 + 0, v0
           branch equal v0, v2 -> b1, b2
         b1:
           store.8 v9 + 8, v2
           jump b2
         b2:
           v10 = helper 132(v9, v7)
           jump b4(v7)
         b4(v5):
           return v5",
    );
}

/// An event that is made with `inside` between its beginning and where it is sent, and `after` behind that.
fn stays(size: u32, inside: &str, after: &str) {
    let room = size + 8;
    let text = format!(
        "slot s0 size {room} align 8
         slot s1 size 8 align 8
         b0(v0, v1: map-value):
           v2: stack = slot s0
           v3 = const 0
           v4 = const {size}
           v5: map = map map0
           v6: stack = slot s1
           store.8 v2 + 0, v3
           {inside}
           v7 = helper 130(v5, v2, v4, v3)
           {after}"
    );
    gives(run, &text, &text);
}

#[test]
fn what_the_stack_has_room_for_stays() {
    stays(400, "store.8 v2 + 8, v0", "return v7");
}

#[test]
fn what_is_done_meanwhile_must_be_done() {
    stays(600, "store.8 v1 + 0, v0", "return v7");
    stays(600, "v8 = helper 3(v5, v6)", "return v7");
    // Its result is needed, a slot is read afterwards, or the event itself.
    stays(600, "v8 = helper 5()", "return v8");
    stays(600, "store.8 v6 + 0, v0", "v8 = load.8 v6 + 0\n return v8");
    stays(600, "", "v8 = load.8 v2 + 8\n return v8");
    stays(600, "", "v8 = helper 130(v5, v2, v4, v3)\n return v7");
    // A way that ends without the event.
    stays(600, "branch equal v0, v3 -> b1, b2\n b1:\n return v0\n b2:", "return v7");
    // It would be sent again without being made again.
    stays(600, "jump b1\n b1:", "branch less v7, v3 -> b1, b2\n b2:\n return v7");
}

#[test]
fn what_no_record_can_be_given_for_stays() {
    // A key, which older kernels want elsewhere; bytes behind the event; an address that is kept.
    stays(600, "v8: map-value = helper 1(v5, v2)", "return v7");
    stays(600, "store.8 v2 + 600, v0", "return v7");
    stays(600, "store.8 v6 + 0, v2", "return v7");
}
