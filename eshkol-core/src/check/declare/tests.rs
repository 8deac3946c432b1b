mod forms;

use super::*;
use crate::check::typed::GlobalInit;
use crate::check::types::IntType;
use crate::diagnostic::Diagnostic;
use crate::kernel::MapKind;
use crate::source::Sources;
use crate::syntax;

struct Outcome {
    sources: Sources,
    unit: Unit,
    declarations: Declarations,
    diagnostics: Vec<Diagnostic>,
}

impl Outcome {
    /// Code and place of each diagnostic: `ESK0301 at name`.
    fn complaints(&self) -> Vec<String> {
        let at = |diagnostic: &Diagnostic| format!("{} at {}", diagnostic.code, self.sources.text(diagnostic.span));
        self.diagnostics.iter().map(at).collect()
    }

    fn map(&self, name: &str) -> &Map {
        self.declarations.maps.values().find(|map| *map.name == *name).expect("a map")
    }

    fn structure(&self, name: &str) -> &crate::check::types::Struct {
        self.declarations.types.structs.values().find(|data| *data.name == *name).expect("a struct")
    }

    fn global(&self, name: &str) -> &Global {
        self.declarations.globals.values().find(|global| *global.name == *name).expect("a global")
    }

    /// Names and offsets of a header's fields, with bytes and bits where they are scalars.
    fn header(&self, name: &str) -> (u32, Vec<(String, u32, Option<Storage>)>) {
        let header = self.declarations.headers.values().find(|header| *header.name == *name).expect("a header");
        let fields = header.fields.iter().map(|field| (field.name.to_string(), field.offset, field.storage));
        (header.size, fields.collect())
    }
}

/// Declares a text as it stands.
fn declare_unit(text: &str) -> Outcome {
    let mut sources = Sources::new();
    let source = sources.add("test.esh", text);
    let mut diagnostics = Diagnostics::new();
    let data = syntax::read(&sources, source, &mut diagnostics);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let unit = forms::unit(&data);
    let declarations = declare(&unit, &mut diagnostics);
    Outcome { sources, unit, declarations, diagnostics: diagnostics.into_sorted() }
}

/// Declares definitions in a program.
fn declare_in_program(definitions: &str) -> Outcome {
    declare_unit(&format!(
        "(define-ebpf-program p (license \"GPL\") (program-type :xdp)\n{definitions}\n(define (main ctx)))"
    ))
}

/// Definitions in a program with nothing wrong.
fn sound(definitions: &str) -> Outcome {
    let outcome = declare_in_program(definitions);
    assert_eq!(outcome.complaints(), [""; 0], "{definitions}");
    outcome
}

/// Checks what is said of definitions in a program.
fn refused(definitions: &str, complaints: &[&str]) {
    let outcome = declare_in_program(definitions);
    assert_eq!(outcome.complaints(), complaints, "{definitions}");
}

/// Checks what is said of a unit.
fn unit_refused(text: &str, complaints: &[&str]) {
    assert_eq!(declare_unit(text).complaints(), complaints, "{text}");
}

#[test]
fn the_firewall_of_the_guide() {
    let outcome = declare_unit(
        "(define-ebpf-program xdp-firewall
           (license \"GPL\")
           (program-type :xdp)
           ;;; Who may not come in.
           (define-map blocklist :hash
             (key-type :u32)
             (value-type :u8)
             (max-entries 1024))
           (define (xdp-main ctx)))",
    );
    assert_eq!(outcome.complaints(), [""; 0]);
    let declarations = &outcome.declarations;
    assert_eq!(&*declarations.name.name, "xdp-firewall");
    assert_eq!(&*declarations.license, "GPL");
    assert_eq!(declarations.min_kernel, KernelVersion::new(5, 10));
    let map = outcome.map("blocklist");
    assert_eq!((map.kind, map.max_entries, map.flags, map.pin_by_name), (MapKind::Hash, 1024, 0, false));
    assert_eq!((&map.key, &map.value), (&DataType::Int(IntType::U32), &DataType::Int(IntType::U8)));
    assert_eq!(map.doc.as_deref().map(str::trim), Some("Who may not come in."));
    let [program] = declarations.programs.as_slice() else { panic!() };
    assert_eq!(program.program_type, ProgramType::Xdp);
    assert!(!program.frags && !program.sleepable && program.entry.is_none());
    let kinds: Vec<_> = declarations.by_definition.values().collect();
    assert!(matches!(kinds.as_slice(), [Declared::Map(_), Declared::Value]));
}

#[test]
fn structs_are_laid_out_as_in_c() {
    let outcome = sound(
        "(define-map m :array (key-type :u32) (value-type :outer) (max-entries 1))
         (define-struct outer (flag :u8) (inner inner) (tail :u16))
         (define-struct inner (small :u8) (big :u64) (half :be16))
         (define-struct bytes (mac :mac-addr) (address :ipv6-addr) (comm :char-array 5) (state :state) (v4 :ipv4-addr))
         (define-enum state idle busy)
         (define-type port u16)
         (define-struct ports (list (array port 3)) (more :u64-array 2) (pair (array (array u8 2) 3)) (b bool))",
    );
    let layout = |name: &str| {
        let data = outcome.structure(name);
        (data.fields.iter().map(|field| field.offset).collect::<Vec<_>>(), data.size, data.align)
    };
    assert_eq!(layout("inner"), (vec![0, 8, 16], 24, 8));
    assert_eq!(layout("outer"), (vec![0, 8, 32], 40, 8));
    assert_eq!(layout("bytes"), (vec![0, 6, 22, 28, 32], 36, 4));
    assert_eq!(layout("ports"), (vec![0, 8, 24, 30], 32, 8));
    let port = DataType::Int(IntType::U16);
    assert_eq!(outcome.structure("ports").fields[0].ty, DataType::Array(Arc::new(port), 3));
    assert_eq!(outcome.structure("bytes").fields[2].ty, DataType::CharArray(5));
}

#[test]
fn names_of_types() {
    refused("(define-struct s (a :u23))", &["ESK0316 at :u23"]);
    refused("(define-struct s (a :f64))", &["ESK0318 at :f64"]);
    refused("(define-struct s (a :uint32_t))", &["ESK0316 at :uint32_t"]);
    refused("(define-struct s (a :char-array))", &["ESK0317 at :char-array"]);
    refused("(define-struct s (a))", &["ESK0317 at a"]);
    refused("(define-struct s (a :u32 :u32 :u32))", &["ESK0317 at :u32 :u32 :u32"]);
    refused("(define-struct s (a (array u8)))", &["ESK0317 at (array u8)"]);
    refused("(define-struct s (a 4))", &["ESK0317 at 4"]);
    refused("(define-struct s (a (bits 4)))", &["ESK0317 at (bits 4)"]);
    refused("(define-struct s (a (ref s)))", &["ESK0317 at (ref s)"]);
    refused("(define-struct s (a :char-array 0))", &["ESK0319 at 0"]);
    refused("(define-struct s (a :char-array -1))", &["ESK0319 at -1"]);
    refused("(define-struct s (a :u64-array 1000000))", &["ESK0321 at 1000000"]);
    refused("(define-struct s (a :char-array 4000000) (b :char-array 4000000))", &["ESK0321 at b"]);
    refused("(define-header h (id :be16)) (define-struct s (a :h))", &["ESK0331 at :h"]);
    let help = |text: &str| declare_in_program(text).diagnostics[0].help.join("; ");
    assert!(help("(define-struct s (a :uint32_t))").contains("`u32`"));
    assert!(help("(define-struct s (a :connectoin)) (define-struct connection (b :u8))").contains("`connection`"));
}

#[test]
fn types_that_hold_themselves() {
    refused("(define-struct node (value :u32) (next :node))", &["ESK0320 at :node"]);
    refused("(define-struct a (b :b)) (define-struct b (c (array c 2))) (define-struct c (a :a))", &["ESK0320 at :a"]);
    refused("(define-type t (array t 2))", &["ESK0320 at t"]);
    refused("(define-struct s (bytes :u8-array n)) (define n (sizeof s))", &["ESK0320 at s"]);
    let chain: String = (0..500).map(|i| format!("(define-struct s{i} (next :s{}))", i + 1)).collect();
    let outcome = declare_in_program(&format!("{chain} (define-struct s500 (end :u8))"));
    assert_eq!(outcome.complaints()[0], "ESK0317 at :s64");
}

#[test]
fn members_are_there_and_unique() {
    refused("(define-struct nothing)", &["ESK0322 at nothing"]);
    refused("(define-enum nothing)", &["ESK0322 at nothing"]);
    refused("(define-header nothing)", &["ESK0322 at nothing"]);
    refused("(define-struct s (a :u8) (b :u8) (a :u16))", &["ESK0323 at a"]);
    refused("(define-enum e x y x)", &["ESK0323 at x"]);
}

#[test]
fn enums_count_on() {
    let outcome = sound("(define base 10) (define-enum e a (b (* base 2)) c (d (+ b 5)) (last 0xffff_ffff))");
    let values: Vec<_> = outcome.declarations.types.enums.values().flat_map(|data| data.variants.clone()).collect();
    let values: Vec<_> = values.iter().map(|(name, value)| (&**name, *value)).collect();
    assert_eq!(values, [("a", 0), ("b", 20), ("c", 21), ("d", 25), ("last", u32::MAX)]);
    refused("(define-enum e (a 1) (b 1))", &["ESK0325 at 1"]);
    refused("(define-enum e (a 0xffff_ffff) b)", &["ESK0325 at b"]);
    refused("(define-enum e (a -1))", &["ESK0325 at -1"]);
    refused("(define-enum e (a b) (b 1))", &["ESK0327 at b"]);
}

#[test]
fn constants() {
    let value = |text: &str| {
        let outcome = sound(&format!("(define-global g :i64 {text})"));
        match outcome.global("g").init {
            GlobalInit::Scalar(word) => word.cast_signed(),
            _ => panic!("{text}"),
        }
    };
    assert_eq!(value("(* 1024 1024)"), 1 << 20);
    assert_eq!(value("(- 5)"), -5);
    assert_eq!(value("(- 10 2 3)"), 5);
    assert_eq!(value("(+)"), 0);
    assert_eq!(value("(quotient -7 2)"), -3);
    assert_eq!(value("(remainder -7 2)"), -1);
    assert_eq!(value("(modulo -7 2)"), 1);
    assert_eq!(value("(modulo 7 -2)"), -1);
    assert_eq!(value("(arithmetic-shift 1 20)"), 1 << 20);
    assert_eq!(value("(arithmetic-shift -256 -4)"), -16);
    assert_eq!(value("(arithmetic-shift 256 -1000)"), 0);
    assert_eq!(value("(bitwise-and 12 10)"), 8);
    assert_eq!(value("(bitwise-ior 12 10)"), 14);
    assert_eq!(value("(bitwise-xor 12 10)"), 6);
    assert_eq!(value("(bitwise-not 0)"), -1);
    assert_eq!(value("(min 3 1 2)"), 1);
    assert_eq!(value("(max 3 1 2)"), 3);
    assert_eq!(value("(abs -3)"), 3);
    assert_eq!(value("(square 9)"), 81);
    assert_eq!(value(":eth-p-ip"), 0x800);
    assert_eq!(value("(sizeof (array u16 3))"), 6);
    assert_eq!(value("(the i8 255)"), -1);
    assert_eq!(value("(the u8 257)"), 1);
    let outcome = sound("(define-global g :u64 (the u64 -1))");
    assert!(matches!(outcome.global("g").init, GlobalInit::Scalar(u64::MAX)));
}

#[test]
fn what_is_not_constant() {
    let global = |value: &str, complaints: &[&str]| refused(&format!("(define-global g :u64 {value})"), complaints);
    global("(quotient 1 0)", &["ESK0328 at (quotient 1 0)"]);
    global("(modulo 1 0)", &["ESK0328 at (modulo 1 0)"]);
    global("(quotient 1)", &["ESK0328 at (quotient 1)"]);
    global("(arithmetic-shift 1 1000000000000)", &["ESK0328 at (arithmetic-shift 1 1000000000000)"]);
    global(
        "(square (square (square (square (square (square (square 1000)))))))",
        &["ESK0328 at (square (square (square (square 1000))))"],
    );
    global("(bpf-ktime-get-ns)", &["ESK0326 at (bpf-ktime-get-ns)"]);
    global("1.5", &["ESK0326 at 1.5"]);
    global("\"x\"", &["ESK0326 at \"x\""]);
    global(":eth-p-ipp", &["ESK0326 at :eth-p-ipp"]);
    global("main", &["ESK0326 at main"]);
    refused("(define-global a :u64 1) (define-global b :u64 a)", &["ESK0326 at a"]);
    refused("(define a (+ b 1)) (define b (- a 1)) (define-global g :u64 a)", &["ESK0327 at a"]);
    // A value that would take ages to find anew at each use.
    let doubling: String = (0..100).map(|i| format!("(define c{} (- (+ c{i} c{i}) c{i}))", i + 1)).collect();
    assert_eq!(
        declare_in_program(&format!("(define c0 1) {doubling} (define-global g :u64 c100)")).complaints().len(),
        0
    );
    let chain: String = (0..500).map(|i| format!("(define c{i} c{})", i + 1)).collect();
    refused(&format!("{chain} (define c500 1) (define-global g :u64 c0)"), &["ESK0326 at c128"]);
}

#[test]
fn globals_start_with_values_of_their_type() {
    let outcome = sound(
        "(define-global threshold :u64 100)
         (define-global (hits :mutable) :u64 0)
         (define-global least :i8 -128)
         (define-global on :bool #t)
         (define-global gateway :ipv4-addr (ipv4 \"10.0.0.1\"))
         (define-global number :u32 (ipv4 \"10.0.0.1\"))
         (define-global six :ipv6-addr (ipv6 \"::1\"))
         (define-global hardware :mac-addr (mac \"02:00:00:00:00:01\"))
         (define-global name (char-array 4) \"hé\")
         (define-global port :be16 443)
         (define-enum state idle (busy 7))
         (define-global now :state busy)
         (define-struct config (a :u64) (b :u8))
         (define-global config :config (make-config))
         (define-global table (array u32 4))",
    );
    let scalar = |name: &str| match outcome.global(name).init {
        GlobalInit::Scalar(word) => word,
        _ => panic!("{name}"),
    };
    let bytes = |name: &str| match &outcome.global(name).init {
        GlobalInit::Bytes(bytes) => bytes.clone(),
        _ => panic!("{name}"),
    };
    assert_eq!(scalar("threshold"), 100);
    assert!(!outcome.global("threshold").mutable && outcome.global("hits").mutable);
    assert_eq!(scalar("least").cast_signed(), -128);
    assert_eq!(scalar("on"), 1);
    assert_eq!(scalar("number"), 0x0a00_0001);
    assert_eq!(scalar("port"), 443);
    assert_eq!(scalar("now"), 7);
    assert_eq!(bytes("gateway"), [10, 0, 0, 1]);
    assert_eq!(bytes("six")[15], 1);
    assert_eq!(bytes("hardware"), [2, 0, 0, 0, 0, 1]);
    assert_eq!(bytes("name"), [b'h', 0xc3, 0xa9, 0]);
    assert!(matches!(outcome.global("config").init, GlobalInit::Zero));
    assert!(matches!(outcome.global("table").init, GlobalInit::Zero));
}

#[test]
fn globals_that_start_with_something_else() {
    refused("(define-global g :u8 300)", &["ESK0329 at 300"]);
    refused("(define-global g :u8 -1)", &["ESK0329 at -1"]);
    refused("(define-global g :u64 (square 0x1_0000_0000))", &["ESK0329 at (square 0x1_0000_0000)"]);
    refused("(define-global g :bool 1)", &["ESK0329 at 1"]);
    refused("(define-global g :ipv4-addr \"10.0.0.1\")", &["ESK0329 at \"10.0.0.1\""]);
    refused("(define-global g :ipv4-addr (ipv4 \"10.0.0\"))", &["ESK0329 at \"10.0.0\""]);
    refused("(define-global g :ipv4-addr (ipv6 \"::1\"))", &["ESK0329 at (ipv6 \"::1\")"]);
    refused("(define-global g :char-array 4)", &["ESK0317 at :char-array"]);
    refused("(define-global g (char-array 4) \"hello\")", &["ESK0329 at \"hello\""]);
    refused("(define-global g (array u8 2) 0)", &["ESK0329 at 0"]);
    refused("(define-enum a x) (define-enum b y) (define-global g :a y)", &["ESK0329 at y"]);
    refused("(define-struct s (a :u8)) (define-global g :s (make-s 1))", &["ESK0329 at (make-s 1)"]);
}

#[test]
fn maps_with_all_clauses() {
    let outcome = sound(
        "(define count 100)
         (define-map m :hash (key-type :u64) (value-type :char-array 16) (max-entries (+ count 28))
           (flags :no-prealloc :rdonly-prog) (pinning :by-name))
         (define-map routes :lpm-trie (key-type :ipv4-addr) (value-type :u32) (max-entries 1))
         (define-map ports :devmap (key-type :u32) (value-type :u32) (max-entries 8))
         (define-struct target (ifindex :u32) (program :u32))
         (define-map targets :devmap-hash (key-type :u32) (value-type :target) (max-entries 8))",
    );
    let map = outcome.map("m");
    assert_eq!((map.max_entries, map.flags, map.pin_by_name), (128, 0x81, true));
    assert_eq!(map.value, DataType::CharArray(16));
    assert_eq!(outcome.map("routes").flags, 1);
    assert_eq!(outcome.map("routes").key, DataType::Ipv4);
}

#[test]
fn maps_that_the_kernel_does_not_make() {
    let map = |rest: &str, complaints: &[&str]| refused(&format!("(define-map m {rest})"), complaints);
    let usual = "(key-type :u32) (value-type :u64) (max-entries 4)";
    map(&format!(":hsh {usual}"), &["ESK0601 at :hsh"]);
    map(":bloom-filter (max-entries 4)", &["ESK0602 at :bloom-filter"]);
    map(":ringbuf (size 4097)", &["ESK0604 at 4097"]);
    map(":ringbuf", &["ESK0603 at m"]);
    map(":hash", &["ESK0603 at m"]);
    map(":hash (key-type :u32) (max-entries 4)", &["ESK0603 at m"]);
    map(":hash (key-type :u32) (value-type :u64) (max-entries 0)", &["ESK0604 at 0"]);
    map(":hash (key-type :u32) (value-type :u64) (max-entries 0x1_0000_0000)", &["ESK0604 at 0x1_0000_0000"]);
    map(":hash (key-type :u32) (value-type :u64) (max-entries)", &["ESK0304 at (max-entries)"]);
    map(":array (key-type :u64) (value-type :u64) (max-entries 4)", &["ESK0605 at :u64"]);
    map(":hash (key-type :char-array 513) (value-type :u64) (max-entries 4)", &["ESK0605 at :char-array 513"]);
    map(":lpm-trie (key-type :u32) (value-type :u64) (max-entries 4)", &["ESK0605 at :u32"]);
    map(":lpm-trie (key-type :be64) (value-type :u64) (max-entries 4)", &["ESK0605 at :be64"]);
    map(":devmap (key-type :u32) (value-type :u64) (max-entries 4)", &["ESK0606 at :u64"]);
    map(
        ":percpu-array (key-type :u32) (value-type :char-array 32769) (max-entries 4)",
        &["ESK0606 at :char-array 32769"],
    );
    map(&format!(":hash {usual} (max-entries 8)"), &["ESK0303 at max-entries"]);
    map(&format!(":hash {usual} (max-entris 8)"), &["ESK0302 at max-entris"]);
    map(&format!(":array {usual} (flags :no-prealloc)"), &["ESK0607 at :no-prealloc"]);
    map(&format!(":hash {usual} (flags :no-preallok)"), &["ESK0607 at :no-preallok"]);
    map(&format!(":hash {usual} (flags 1)"), &["ESK0304 at 1"]);
    map(&format!(":hash {usual} (flags)"), &["ESK0304 at (flags)"]);
    map(&format!(":hash {usual} (flags :rdonly :wronly)"), &["ESK0607 at :wronly"]);
    map(&format!(":hash {usual} (pinning :by-path)"), &["ESK0304 at :by-path"]);
    // Each error is said, not only the first.
    map(
        ":array (key-type :u46) (value-type :u23) (max-entries 0)",
        &["ESK0316 at :u46", "ESK0316 at :u23", "ESK0604 at 0"],
    );
}

#[test]
fn headers_are_laid_out_in_network_order() {
    let outcome = sound(
        "(define-header dns
           (id :be16)
           (response? (bits 1)) (opcode (bits 4)) (authoritative (bits 1)) (truncated (bits 1)) (recursion (bits 1))
           (rest (bits 8))
           (questions :be16) (label (bits 20)) (fill (bits 4)) (raw :u32) (name :char-array 3))",
    );
    let (size, fields) = outcome.header("dns");
    assert_eq!(size, 16);
    let bits = |bytes, part| Storage { bytes, big_endian: bytes > 1, signed: false, bits: part };
    let expected = [
        ("id", 0, Some(Storage::network(2))),
        ("response?", 2, Some(bits(1, Some((7, 1))))),
        ("opcode", 2, Some(bits(1, Some((3, 4))))),
        ("authoritative", 2, Some(bits(1, Some((2, 1))))),
        ("truncated", 2, Some(bits(1, Some((1, 1))))),
        ("recursion", 2, Some(bits(1, Some((0, 1))))),
        ("rest", 3, Some(bits(1, None))),
        ("questions", 4, Some(Storage::network(2))),
        ("label", 6, Some(bits(4, Some((12, 20))))),
        ("fill", 8, Some(bits(1, Some((0, 4))))),
        ("raw", 9, Some(Storage::native(IntType::U32))),
        ("name", 13, None),
    ];
    let expected = expected.map(|(name, offset, storage)| (name.to_owned(), offset, storage));
    assert_eq!(fields, expected);
    let header = outcome.declarations.headers.values().next().unwrap();
    assert_eq!(header.fields[1].ty, DataType::Bool);
    assert_eq!(header.fields[3].ty, DataType::Int(IntType::U8));
    assert_eq!(header.fields[8].ty, DataType::Int(IntType::U32));
}

#[test]
fn headers_that_can_not_be() {
    refused("(define-header h (a (bits 1)) (b :be16))", &["ESK0324 at b"]);
    refused("(define-header h (a :be16) (b (bits 7)))", &["ESK0324 at h"]);
    refused("(define-header h (a (bits 0)))", &["ESK0324 at 0"]);
    refused("(define-header h (a (bits 65)))", &["ESK0324 at 65"]);
    refused("(define-header h (a (bits 24)))", &["ESK0324 at a"]);
    refused("(define-header h (a :bool))", &["ESK0324 at :bool"]);
    refused(
        "(define-enum e x) (define-struct s (e :e)) (define-header h (a (array s 2)))",
        &["ESK0324 at (array s 2)"],
    );
    refused("(define-header h (a :char-array 65536))", &["ESK0321 at a"]);
}

#[test]
fn clauses_of_programs() {
    let program = |clauses: &str, complaints: &[&str]| {
        unit_refused(&format!("(define-ebpf-program p {clauses} (define (main ctx)))"), complaints);
    };
    let gpl = "(license \"GPL\")";
    let xdp = "(program-type :xdp)";
    program(xdp, &["ESK0301 at p"]);
    program(gpl, &["ESK0305 at p"]);
    program("", &["ESK0301 at p", "ESK0305 at p"]);
    program(&format!("{gpl} (program-type :xpd)"), &["ESK0306 at :xpd"]);
    program(&format!("{gpl} (program-type :netfilter)"), &["ESK0307 at :netfilter"]);
    program(&format!("{gpl} (program-type \"xdp\")"), &["ESK0304 at \"xdp\""]);
    program(&format!("(license GPL) {xdp}"), &["ESK0304 at GPL"]);
    program(&format!("(license) {xdp}"), &["ESK0304 at (license)"]);
    program(&format!("(license \"GPL\" \"MIT\") {xdp}"), &["ESK0304 at \"MIT\""]);
    program(&format!("(license \"GPL-2.0\") {xdp}"), &["ESK0309 at \"GPL-2.0\""]);
    program(&format!("(license \"MIT\") {xdp}"), &[]);
    program(&format!("{gpl} {xdp} (licence \"GPL\")"), &["ESK0302 at licence"]);
    program(&format!("{gpl} {xdp} (program-type :xdp)"), &["ESK0303 at program-type"]);
    program(&format!("{gpl} {xdp} (attach-point \"eth0\") (attach-point \"eth1\" \"eth2\")"), &[]);
    program(&format!("{gpl} {xdp} (attach-point eth0)"), &["ESK0304 at eth0"]);
    program(&format!("{gpl} {xdp} (min-kernel 5.10)"), &["ESK0312 at 5.10"]);
    program(&format!("{gpl} {xdp} (min-kernel \"5.10.1\")"), &["ESK0312 at \"5.10.1\""]);
    program(&format!("{gpl} {xdp} (min-kernel \"4.9\")"), &["ESK0313 at \"4.9\""]);
    program(&format!("{gpl} {xdp} (sleepable)"), &["ESK0330 at (sleepable)"]);
    program(&format!("{gpl} {xdp} (frags)"), &["ESK0802 at (frags)"]);
    program(&format!("{gpl} {xdp} (frags) (min-kernel \"5.18\")"), &[]);
    program(&format!("{gpl} {xdp} (frags yes) (min-kernel \"5.18\")"), &["ESK0304 at yes"]);
    program(&format!("{gpl} {xdp} (entry main)"), &[]);
    program(&format!("{gpl} {xdp} (entry mian)"), &["ESK0314 at mian"]);
    program(&format!("{gpl} {xdp} (entry \"main\")"), &["ESK0304 at \"main\""]);
}

#[test]
fn programs_in_programs_and_beside_each_other() {
    let outcome = declare_unit(
        "(define-ebpf-object pair (license \"GPL\") (min-kernel \"5.15\"))
         (define-ebpf-program one (program-type :xdp) (attach-point \"eth0\")
           (define (first ctx))
           (define-ebpf-program inner (min-kernel \"6.1\") (frags) (entry first) (define (other ctx))))
         (define-ebpf-program two (program-type :xdp) (define (second ctx)))",
    );
    assert_eq!(outcome.complaints(), [""; 0]);
    let declarations = &outcome.declarations;
    assert_eq!(&*declarations.name.name, "pair");
    assert_eq!(declarations.min_kernel, KernelVersion::new(6, 1));
    let programs: Vec<_> = declarations
        .programs
        .iter()
        .map(|program| (&*program.name.name, program.min_kernel.minor, program.attach_points.len(), program.frags))
        .collect();
    assert_eq!(programs, [("one", 15, 1, false), ("inner", 1, 0, true), ("two", 15, 0, false)]);
    let (entry, _) = declarations.programs[1].entry.as_ref().unwrap();
    assert_eq!(&*outcome.unit.definitions.at(*entry).name.name, "first");
}

#[test]
fn units_without_a_name_or_with_two_licenses() {
    unit_refused("", &["ESK0310 at "]);
    unit_refused("(define x 1)", &["ESK0310 at x"]);
    let program = |name: &str, license: &str| {
        format!("(define-ebpf-program {name} (license \"{license}\") (program-type :xdp) (define (main-{name} ctx)))")
    };
    unit_refused(&format!("{} {}", program("one", "GPL"), program("two", "GPL")), &["ESK0311 at two"]);
    let object = "(define-ebpf-object both (license \"GPL\"))";
    unit_refused(&format!("{object} {} {}", program("one", "GPL"), program("two", "MIT")), &["ESK0308 at \"MIT\""]);
    unit_refused(&format!("(define-ebpf-object o (frags)) {}", program("one", "GPL")), &["ESK0302 at frags"]);
}

#[test]
fn what_is_newer_than_the_oldest_kernel() {
    let on = |version: &str, definitions: &str, complaints: &[&str]| {
        unit_refused(
            &format!(
                "(define-ebpf-program p (license \"GPL\") (program-type :xdp) (min-kernel \"{version}\")
                   {definitions} (define (main ctx)))"
            ),
            complaints,
        );
    };
    let global = "(define-global g :u64 1)";
    on("5.1", global, &["ESK0802 at g"]);
    on("5.2", global, &[]);
    let devmap = "(define-map m :devmap-hash (key-type :u32) (value-type :u32) (max-entries 4))";
    on("5.3", devmap, &["ESK0802 at :devmap-hash"]);
    on("5.4", devmap, &[]);
    let mapped = "(define-map m :array (key-type :u32) (value-type :u32) (max-entries 4) (flags :mmapable))";
    on("5.4", mapped, &["ESK0802 at :mmapable"]);
    on("5.5", mapped, &[]);
    let target = "(define-struct t (a :u32) (b :u32))
                  (define-map m :cpumap (key-type :u32) (value-type :t) (max-entries 4))";
    on("5.8", target, &["ESK0802 at :t"]);
    on("5.9", target, &[]);
}

#[test]
fn names_are_found_from_the_inside_out() {
    let outcome = declare_unit(
        "(define-struct event (a :u8))
         (define-ebpf-program p (license \"GPL\") (program-type :xdp)
           (define-struct event (a :u64))
           (define-map m :array (key-type :u32) (value-type :event) (max-entries 1))
           (define (main ctx)))
         (define-map n :array (key-type :u32) (value-type :event) (max-entries 1))",
    );
    assert_eq!(outcome.complaints(), [""; 0]);
    let size = |name: &str| outcome.declarations.types.size(&outcome.map(name).value);
    assert_eq!((size("m"), size("n")), (8, 1));
}

#[test]
fn types_and_constants_are_read_after_declaring() {
    let outcome = sound("(define-struct s (a :u32) (b :u64)) (define n 6) (define-global g :u64 (* n 2))");
    let mut diagnostics = Diagnostics::new();
    let mut sources = Sources::new();
    let source = sources.add("types.esh", "(array s n) :w (sizeof s)");
    let data = syntax::read(&sources, source, &mut diagnostics);
    let program = Some(outcome.declarations.programs[0].id);
    let mut read = |datum: &Datum| {
        let data = std::slice::from_ref(datum);
        outcome.declarations.data_type(&outcome.unit, program, data, datum.span, &mut diagnostics)
    };
    let array = read(&data[0]).unwrap();
    assert_eq!(outcome.declarations.types.size(&array), 96);
    assert_eq!(read(&data[1]), None);
    let size =
        Expr { span: data[2].span, kind: crate::expand::form::ExprKind::SizeOf(data[2].as_list().unwrap()[1].clone()) };
    assert_eq!(outcome.declarations.constant(&outcome.unit, program, &size, &mut diagnostics), Some(16));
    let codes: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.code.number()).collect();
    assert_eq!(codes, [316]);
}
