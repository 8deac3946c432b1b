use super::*;
use crate::compile::{Architecture, check};
use crate::expand::NoIncludes;
use crate::source::Sources;

/// A unit of one XDP program with these definitions, which has nothing wrong.
fn checked(definitions: &str) -> Unit {
    checked_text(&format!(
        "(define-ebpf-program p (license \"GPL\") (program-type :xdp) (min-kernel \"6.12\") (entry main)\n{definitions})"
    ))
}

fn checked_text(text: &str) -> Unit {
    let mut sources = Sources::new();
    let source = sources.add("test.esh", text);
    let checked = check(&mut sources, source, &mut NoIncludes, Architecture::X86_64);
    checked.unit.unwrap_or_else(|| panic!("{:?}", checked.diagnostics))
}

/// What a program of these definitions gives for packets, one after the other, and what is in its first map then.
fn run_on(definitions: &str, packets: &[&[u8]]) -> (Vec<Outcome>, Elements) {
    let unit = checked(definitions);
    let mut world = World::new(&unit, Endianness::Little);
    let outcomes = packets.iter().map(|packet| {
        let input = Input { packet: packet.to_vec(), times: vec![7], ..Input::default() };
        run(&unit, &unit.programs[0], Endianness::Little, &mut world, &input).unwrap()
    });
    (outcomes.collect(), world.maps.into_iter().next().unwrap_or_default())
}

/// The number that an expression gives for a packet that begins with `bytes`, which are there as `(number)`.
fn value(expression: &str, bytes: [u8; 8]) -> u64 {
    let definitions = format!(
        "(define-map out :array (key-type :u32) (value-type :u64) (max-entries 1))
         (define-header input (a :i64))
         (define (main ctx)
           (let ((in (parse-header input ctx)))
             (when in (let ((n (input-a in))) (map-update out 0 {expression})))
             :xdp-pass))"
    );
    let (outcomes, elements) = run_on(&definitions, &[&bytes]);
    assert_eq!(outcomes[0].verdict, 2);
    u64::from_le_bytes(elements[&vec![0; 4]].clone().try_into().unwrap())
}

#[test]
fn arithmetic_is_that_of_64_bits() {
    let minus_seven = (-7_i64).to_le_bytes();
    assert_eq!(value("(quotient n 2)", minus_seven), (-3_i64).cast_unsigned());
    assert_eq!(value("(modulo n 4)", minus_seven), 1);
    assert_eq!(value("(arithmetic-shift n -1)", minus_seven), (-4_i64).cast_unsigned());
    assert_eq!(value("(the u8 n)", minus_seven), 249);
    assert_eq!(value("(byte-swap (the u32 n))", minus_seven), 0xf9ff_ffff);
    assert_eq!(value("(bit-count n)", minus_seven), 62);
    assert_eq!(value("(- n 9223372036854775807)", minus_seven), (-7_i64).wrapping_sub(i64::MAX).cast_unsigned());
}

#[test]
fn loops_end_where_they_say() {
    assert_eq!(value("(let loop ((i 0) (s 0)) (if (< i 5) (loop (+ i 1) (+ s n)) s))", 3_u64.to_le_bytes()), 15);
    assert_eq!(value("(fold + 0 (range 0 (bitwise-and n 7)))", 5_u64.to_le_bytes()), 10);
}

#[test]
fn a_loop_that_never_runs_in_one_of_many_tests() {
    let expression = "
        (let loop ((i 0) (x n))
          (if (>= i 30)
              x
              (let ((y 7))
                (for (j in (range 0 (bitwise-and 4 3))) (set! y (+ y n)))
                (loop (+ i 1)
                      (cond ((> x 40) (- x 11)) ((= x i) (+ x y)) ((> i x) (* x 3)) ((even? x) (+ x 5)) (else (+ x 1)))))))";
    let mut x = 3_i64;
    for i in 0..30 {
        x = match x {
            _ if x > 40 => x - 11,
            _ if x == i => x + 7,
            _ if i > x => x * 3,
            _ if x % 2 == 0 => x + 5,
            _ => x + 1,
        };
    }
    assert_eq!(value(expression, 3_u64.to_le_bytes()), x.cast_unsigned());
}

#[test]
fn what_ends_a_loop_at_once_is_evaluated_inside() {
    let expression = "
        (let ((k (bitwise-and n 8)) (x n))
          (set! k (bitwise-and k 7))
          (do ((i 0 (+ i 1))) ((>= i k)) (set! x (+ x 1)))
          (do ((i 0 (+ i 1))) ((begin (set! x (+ x 2)) (>= i 0))) (set! x (+ x 1)))
          x)";
    assert_eq!(value(expression, 3_u64.to_le_bytes()), 5);
}

#[test]
fn a_hash_map_has_room_for_so_many() {
    let definitions = "
        (define-map m :hash (key-type :u8) (value-type :u16) (max-entries 2))
        (define-header input (key :u8) (flag :u8))
        (define (main ctx)
          (let ((in (parse-header input ctx)))
            (if (not in)
                :xdp-drop
                (let* ((k (input-key in))
                       (r (case (input-flag in)
                            ((0) (map-update m k 0x102))
                            ((1) (map-update m k 1 :noexist))
                            ((2) (map-update m k 5 :exist))
                            (else (map-delete m k)))))
                  (set-input-flag! in (- r))
                  :xdp-pass))))";
    let packets: [&[u8]; 7] = [&[1, 0], &[2, 0], &[3, 0], &[1, 1], &[3, 2], &[1, 3], &[1, 3]];
    let (outcomes, elements) = run_on(definitions, &packets);
    let errors: Vec<u8> = outcomes.iter().map(|outcome| outcome.packet[1]).collect();
    // E2BIG, EEXIST, ENOENT.
    assert_eq!(errors, [0, 0, 7, 17, 2, 0, 2]);
    assert_eq!(elements, Elements::from([(vec![2], vec![2, 1])]));
    assert_eq!(run_on(definitions, &[&[1]]).0[0].verdict, 1);
}

#[test]
fn an_array_has_every_index() {
    let definitions = "
        (define-map m :array (key-type :u32) (value-type :u32) (max-entries 4))
        (define-header input (key :u32))
        (define (main ctx)
          (let ((in (parse-header input ctx)))
            (if in
                (let ((e (map-lookup m (input-key in))))
                  (if e (begin (map-value-set! e (+ e 3)) :xdp-pass) :xdp-aborted))
                :xdp-drop)))";
    let (outcomes, elements) = run_on(definitions, &[&[3, 0, 0, 0], &[3, 0, 0, 0], &[4, 0, 0, 0]]);
    assert_eq!(outcomes.iter().map(|outcome| outcome.verdict).collect::<Vec<_>>(), [2, 2, 0]);
    assert_eq!(elements, Elements::from([(vec![3, 0, 0, 0], vec![6, 0, 0, 0])]));
}

#[test]
fn what_is_read_after_it_was_replaced_is_unspecified() {
    let definitions = |then: &str| {
        format!(
            "(define-map m :hash (key-type :u32) (value-type :u32) (max-entries 4))
             (define (main ctx)
               (map-update m 1 1)
               (let ((e (map-lookup m 1)))
                 (if e (begin {then} (if (= e 1) :xdp-pass :xdp-drop)) :xdp-drop)))"
        )
    };
    let unspecified = |then: &str| run_on(&definitions(then), &[&[]]).0[0].unspecified;
    assert!(!unspecified("(map-delete m 2)"));
    assert!(unspecified("(map-delete m 1)"));
    assert!(unspecified("(map-update m 1 2)"));
}

#[test]
fn the_elements_of_a_map_are_gone_through() {
    let definitions = "
        (define-map m :array (key-type :u32) (value-type :u64) (max-entries 3))
        (define (main ctx)
          (let ((sum 0))
            (map-update m 1 40)
            (let ((entry (map-lookup m 2)))
              (if entry
                  (begin
                    (map-for-each (lambda (key value) (set! sum (+ sum value key entry))) m)
                    (map-update m 0 sum)
                    :xdp-pass)
                  :xdp-drop))))";
    let (_, elements) = run_on(definitions, &[&[]]);
    assert_eq!(elements[&vec![0; 4]], 43_u64.to_le_bytes());
}

#[test]
fn events_are_found_in_the_order_of_their_reservations() {
    let definitions = "
        (define-struct event (n :u32))
        (define-map events :ringbuf (size 4096))
        (define (main ctx)
          (let ((sent (make-event 9)))
            (when-let (e (ringbuf-reserve events event))
              (set-event-n! e 1)
              (ringbuf-submit events sent)
              (when-let (other (ringbuf-reserve events event))
                (set-event-n! other 2)
                (ringbuf-discard events other))
              (ringbuf-submit events e)))
          :xdp-pass)";
    let (outcomes, _) = run_on(definitions, &[&[], &[]]);
    for outcome in outcomes {
        assert_eq!(outcome.events, [vec![vec![1, 0, 0, 0], vec![9, 0, 0, 0]]]);
    }
}

#[test]
fn a_ring_buffer_has_room_for_so_many() {
    let definitions = "
        (define-struct event (n :u64) (rest :u64-array 30))
        (define-map events :ringbuf (size 4096))
        (define-map out :array (key-type :u32) (value-type :i64) (max-entries 1))
        (define (main ctx)
          (for (i in (range 0 20))
            (map-update out 0 (ringbuf-submit events (make-event))))
          :xdp-pass)";
    let unit = checked(definitions);
    let mut world = World::new(&unit, Endianness::Little);
    let outcome = run(&unit, &unit.programs[0], Endianness::Little, &mut world, &Input::default()).unwrap();
    // Each takes 8 bytes more than it has, and one byte stays free.
    assert_eq!(outcome.events[0].len(), 4095 / 256);
    assert_eq!(world.maps[1][&vec![0; 4]], (-11_i64).to_le_bytes());
    assert_eq!(world.globals, [5_u64.to_le_bytes()]);
}

#[test]
fn events_go_through_the_buffer_of_the_cpu() {
    let definitions = "
        (define-struct event (n :u64) (rest :u64-array 62))
        (define-map events :perf-event-array)
        (define (main ctx)
          (for (i in (range 0 (bitwise-and (packet-length ctx) 15)))
            (perf-output ctx events (make-event)))
          :xdp-pass)";
    let (outcomes, _) = run_on(definitions, &[&[0; 7], &[0; 8]]);
    // Each takes 12 bytes more, after it was filled up to 508; a larger buffer would take the eighth.
    let counts: Vec<(usize, bool)> = outcomes.iter().map(|run| (run.events[0].len(), run.unspecified)).collect();
    assert_eq!(counts, [(7, false), (7, true)]);
}

#[test]
fn programs_go_on_with_others_so_often() {
    let unit = checked_text(
        "(define-ebpf-object o (license \"GPL\"))
         (define-map calls :array (key-type :u32) (value-type :u64) (max-entries 2))
         (define-map programs :prog-array (max-entries 2))
         (define-ebpf-program first
           (program-type :xdp)
           (define (begin-here ctx)
             (tail-call ctx programs 1)
             (map-increment! calls 0)
             (tail-call ctx second)
             :xdp-drop))
         (define-ebpf-program second
           (program-type :xdp)
           (define (go-on ctx)
             (map-increment! calls 1)
             (tail-call ctx second)
             :xdp-tx))",
    );
    let calls = |filled: Elements| {
        let mut world = World::new(&unit, Endianness::Little);
        world.maps[1] = filled;
        let outcome = run(&unit, &unit.programs[0], Endianness::Little, &mut world, &Input::default()).unwrap();
        let count = |index: u8| {
            let bytes = world.maps[0].get(&vec![index, 0, 0, 0]).cloned().unwrap_or(vec![0; 8]);
            u64::from_le_bytes(bytes.try_into().unwrap())
        };
        (outcome.verdict, count(0), count(1), outcome.unspecified)
    };
    // Nothing is at the index at first, which older kernels count; then the second program.
    assert_eq!(calls(Elements::new()), (3, 1, 33, true));
    assert_eq!(calls(Elements::from([(vec![1, 0, 0, 0], vec![1, 0, 0, 0])])), (3, 0, 33, false));
}

#[test]
fn packets_in_socket_buffers_are_copied_from_and_to() {
    let unit = checked_text(
        "(define-struct part (bytes :u8-array 4))
         (define-ebpf-program p
           (license \"GPL\")
           (program-type :tc)
           (define (main ctx)
             (let ((part (make-part)))
               (if (< (bpf-skb-load-bytes ctx 2 part 4) 0)
                   :tc-act-shot
                   (begin
                     (set-part-bytes! part 0 (+ (part-bytes part 1) (ctx-mark ctx)))
                     (set-ctx-mark! ctx 5)
                     (bpf-skb-store-bytes ctx (ctx-mark ctx) part 4 0)
                     (if (< (bpf-skb-pull-data ctx 8) 0) :tc-act-ok :tc-act-pipe))))))",
    );
    let run_on = |packet: &[u8]| {
        let mut world = World::new(&unit, Endianness::Little);
        let input = Input { packet: packet.to_vec(), context: BTreeMap::from([(8, 100)]), ..Input::default() };
        let outcome = run(&unit, &unit.programs[0], Endianness::Little, &mut world, &input).unwrap();
        (outcome.verdict, outcome.packet)
    };
    assert_eq!(run_on(&[1, 2, 3, 4, 5, 6, 7, 8, 9]), (3, vec![1, 2, 3, 4, 5, 104, 4, 5, 6]));
    assert_eq!(run_on(&[1, 2, 3, 4, 5, 6, 7]), (0, vec![1, 2, 3, 4, 5, 6, 7]));
    assert_eq!(run_on(&[1, 2, 3, 4, 5]), (2, vec![1, 2, 3, 4, 5]));
}

#[test]
fn globals_and_time_are_given() {
    let definitions = "
        (define-map m :array (key-type :u32) (value-type :u64) (max-entries 1))
        (define-global (counter :mutable) :be16 0x1234)
        (define (main ctx)
          (set! counter (+ counter 1))
          (map-update m 0 (+ (bpf-ktime-get-ns) counter))
          :xdp-pass)";
    let (_, elements) = run_on(definitions, &[&[], &[]]);
    assert_eq!(elements[&vec![0; 4]], (0x1236_u64 + 7).to_le_bytes());
    let unit = checked(definitions);
    assert_eq!(World::new(&unit, Endianness::Little).globals, [[0x12, 0x34]]);
}

#[test]
fn broken_promises_are_found() {
    use crate::check::typed::{ArithmeticOp, ExprKind};
    use crate::check::types::{DataType, IntType};

    let mut unit = checked("(define (main ctx) :xdp-pass)");
    let mut violated = |kind: ExprKind| {
        let body = &mut unit.programs[0].entry.body;
        let (span, ty) = (body.span, crate::check::typed::Type::Scalar(DataType::Int(IntType::U8)));
        *body = crate::check::typed::Expr::new(ty, span, kind);
        let mut world = World::new(&unit, Endianness::Little);
        run(&unit, &unit.programs[0], Endianness::Little, &mut world, &Input::default()).err().map(|v| v.what)
    };
    assert_eq!(violated(ExprKind::Constant(255)), None);
    assert!(violated(ExprKind::Constant(256)).is_some_and(|what| what.contains("not of its type")));
    let word = |number| {
        let span = checked("(define (main ctx) :xdp-pass)").programs[0].entry.span;
        let ty = crate::check::typed::Type::Scalar(DataType::Int(IntType::U64));
        Box::new(crate::check::typed::Expr::new(ty, span, ExprKind::Constant(number)))
    };
    let division = ExprKind::Arithmetic { op: ArithmeticOp::UDiv, lhs: word(1), rhs: word(0) };
    assert_eq!(violated(division).as_deref(), Some("a divisor is zero"));
    let shift = ExprKind::Arithmetic { op: ArithmeticOp::Shl, lhs: word(1), rhs: word(64) };
    assert_eq!(violated(shift).as_deref(), Some("a shift is by 64 bits or more"));
}
