//! What a program's body has at hand: the input header, structs, maps, globals, macros.

use std::fmt::Write as _;

use eshkol_core::kernel::{MapKind, ProgramType};

use super::{Level, Size};
use crate::choices::Choices;

/// Integer types.
pub(super) const INTEGERS: [&str; 8] = ["u64", "u32", "u16", "u8", "i64", "i32", "i16", "i8"];
/// Types of fields that are one number in memory.
const NUMBERS: [&str; 11] = ["u64", "u32", "u16", "u8", "i64", "i32", "i16", "i8", "be16", "be32", "be64"];

/// What a field, element or global holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Content {
    Number(&'static str),
    Bool,
    /// A variant of the enum.
    Enum,
    Ipv4,
    Ipv6,
    Mac,
    Array(&'static str, usize),
    Struct(usize),
}

impl Content {
    fn text(&self) -> String {
        match self {
            Self::Number(ty) => format!(":{ty}"),
            Self::Bool => ":bool".to_owned(),
            Self::Enum => ":color".to_owned(),
            Self::Ipv4 => ":ipv4-addr".to_owned(),
            Self::Ipv6 => ":ipv6-addr".to_owned(),
            Self::Mac => ":mac-addr".to_owned(),
            Self::Array(ty, count) => format!("(array {ty} {count})"),
            Self::Struct(index) => format!("s{index}"),
        }
    }

    /// The integer type that has the values of a number.
    pub(super) fn integer(ty: &str) -> String {
        ty.replace("be", "u")
    }
}

/// A struct: its fields `f0`, `f1`, ….
#[derive(Clone, Debug)]
pub(super) struct Struct {
    pub(super) fields: Vec<Content>,
}

/// A map.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) key: Content,
    pub(super) value: Content,
    pub(super) entries: usize,
}

impl Map {
    pub(super) fn is_array(&self) -> bool {
        self.kind.ends_with("array")
    }
}

/// A ring buffer or the buffers of the CPUs, and the structs that are sent through them, no two of one size.
#[derive(Clone, Debug)]
pub(super) struct Buffer {
    pub(super) name: String,
    pub(super) kind: MapKind,
    pub(super) events: Vec<usize>,
    size: usize,
}

/// A histogram, or a family of them.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    pub(super) name: String,
    /// What tells those of a family apart.
    pub(super) by: Option<&'static str>,
    /// How many numbers go into a bucket, where it is not by powers of two.
    step: Option<usize>,
    entries: usize,
}

/// A global.
#[derive(Clone, Debug)]
pub(super) struct Global {
    pub(super) name: String,
    pub(super) ty: &'static str,
    pub(super) mutable: bool,
    init: u32,
}

/// Everything that is defined beside the procedures.
#[derive(Clone, Debug)]
pub(super) struct Definitions {
    pub(super) structs: Vec<Struct>,
    pub(super) maps: Vec<Map>,
    pub(super) buffers: Vec<Buffer>,
    pub(super) histograms: Vec<Histogram>,
    pub(super) globals: Vec<Global>,
    /// The kind of a map `ports` of interfaces to redirect to, where there is one.
    pub(super) ports: Option<MapKind>,
    /// Whether there is a global `gs` that is the first struct.
    pub(super) struct_global: bool,
}

/// The header at the start of every packet: its fields, and how many bits those have that are no whole number.
pub(super) const INPUT: [(&str, &str, Option<u32>); 20] = [
    ("a", "u64", None),
    ("b", "u32", None),
    ("c", "u16", None),
    ("d", "u8", None),
    ("e", "i8", None),
    ("f", "i16", None),
    ("g", "i32", None),
    ("h", "i64", None),
    ("i", "be64", None),
    ("j", "be32", None),
    ("k", "be16", None),
    ("l", "u8", Some(3)),
    ("m", "u16", Some(13)),
    ("n", "u32", Some(20)),
    ("o", "u16", Some(12)),
    ("p", "u64", Some(40)),
    ("q", "u8", Some(1)),
    ("r", "u8", Some(7)),
    ("t", "i64", None),
    ("w", "i32", None),
];

/// A header that can stand anywhere: its fields, likewise.
pub(super) const EXTRA: [(&str, &str, Option<u32>); 4] =
    [("a", "be16", None), ("b", "u8", Some(4)), ("c", "u16", Some(12)), ("d", "i32", None)];

/// The enum's variants.
pub(super) const COLORS: [&str; 3] = ["red", "green", "blue"];

/// An enum and macros that every program has.
const FIXED: &str = "
  (define-enum color red (green 7) blue)
  (define-syntax swap! (syntax-rules () ((_ a b) (let ((tmp a)) (set! a b) (set! b tmp)))))
  (define-syntax sum-of (syntax-rules () ((_) 0) ((_ x rest ...) (+ x (sum-of rest ...)))))
  (define-syntax my-if (syntax-rules (then else) ((_ c then a else b) (cond (c a) (else b)))))
  (define (twice f x) (f (f x)))
  (define (total first . rest) (fold + first rest))
";

impl Definitions {
    pub(super) fn generate(choices: &mut Choices, program_type: ProgramType, level: Level, size: Size) -> Self {
        let mut this = Self {
            structs: vec![],
            maps: vec![],
            buffers: vec![],
            histograms: vec![],
            globals: vec![],
            ports: None,
            struct_global: false,
        };
        let more = if size == Size::Large { 2 } else { 0 };
        for index in 0..1 + choices.below(2 + more) {
            let part = choices.begin();
            let count = 1 + choices.below(5);
            let fields = (0..count).map(|_| this.field(choices, index)).collect();
            choices.end(part);
            this.structs.push(Struct { fields });
        }
        for index in 0..1 + choices.below(3 + more) {
            let part = choices.begin();
            let kinds = [
                "array",
                "hash",
                "percpu-array",
                "lru-hash",
                "percpu-hash",
                "hash",
                "lpm-trie",
                "array",
                "lru-percpu-hash",
            ];
            let kind = kinds[choices.below(kinds.len())];
            let entries = [8, 4, 5, 16][choices.below(4)];
            let key = match kind {
                "array" | "percpu-array" => Content::Number("u32"),
                "lpm-trie" => [Content::Number("be32"), Content::Ipv4][choices.below(2)].clone(),
                _ => this.datum(choices),
            };
            let value = this.datum(choices);
            // A small one throws elements out as it likes.
            let entries = if kind.starts_with("lru") { 1024 } else { entries };
            this.maps.push(Map { name: format!("m{index}"), kind, key, value, entries });
            choices.end(part);
        }
        for index in 0..choices.below(4).saturating_sub(1) {
            let part = choices.begin();
            let by = [None, None, Some(INTEGERS[choices.below(INTEGERS.len())])][choices.below(3)];
            let step = [None, Some(1), Some(10), Some(1000)][choices.below(4)];
            let entries = [16, 65, 3][choices.below(3)];
            this.histograms.push(Histogram { name: format!("h{index}"), by, step, entries });
            choices.end(part);
        }
        if program_type == ProgramType::Xdp && choices.below(4) == 3 {
            let newer = if level >= Level::V5_10 { MapKind::DevMapHash } else { MapKind::DevMap };
            this.ports = Some([MapKind::DevMap, newer][choices.below(2)]);
        }
        // Programs of every type have them all since 5.8.
        let kinds = match (level, program_type) {
            (Level::V4_18, ProgramType::SocketFilter | ProgramType::CgroupSockAddr) => &[][..],
            (Level::V4_18, _) => &[MapKind::PerfEventArray],
            _ => &[MapKind::RingBuf, MapKind::RingBuf, MapKind::PerfEventArray],
        };
        for index in 0..choices.below(4).saturating_sub(1) {
            let part = choices.begin();
            if !kinds.is_empty() {
                let kind = kinds[choices.below(kinds.len())];
                let events = this.structs_by_size(kind, choices.below(this.structs.len()));
                let size = [4096, 8192][choices.below(2)];
                this.buffers.push(Buffer { name: format!("buffer{index}"), kind, events, size });
            }
            choices.end(part);
        }
        if level >= Level::V5_10 {
            this.struct_global = choices.below(3) == 2;
            for index in 0..choices.below(4) {
                let ty = NUMBERS[choices.below(NUMBERS.len())];
                let mutable = choices.below(4) != 3;
                let init = u32::try_from(choices.below(3) * choices.below(50)).unwrap();
                this.globals.push(Global { name: format!("g{index}"), ty, mutable, init });
            }
        }
        this
    }

    /// Bytes of a struct, laid out as in C.
    pub(super) fn size(&self, index: usize) -> usize {
        self.layout(&Content::Struct(index)).0
    }

    /// Structs of which no two have one size where user space gets them, this one among them.
    fn structs_by_size(&self, kind: MapKind, first: usize) -> Vec<usize> {
        let size = |index| kind.event_size(u32::try_from(self.size(index)).unwrap());
        let mut events = vec![first];
        for index in 0..self.structs.len() {
            if events.iter().all(|event| size(*event) != size(index)) {
                events.push(index);
            }
        }
        events
    }

    /// Bytes and alignment.
    fn layout(&self, content: &Content) -> (usize, usize) {
        match content {
            Content::Number(ty) => {
                let bits: usize = ty.trim_start_matches(|c: char| c.is_alphabetic()).parse().unwrap();
                (bits / 8, bits / 8)
            }
            Content::Bool => (1, 1),
            Content::Enum | Content::Ipv4 => (4, 4),
            Content::Ipv6 => (16, 1),
            Content::Mac => (6, 1),
            Content::Array(ty, count) => {
                let (size, align) = self.layout(&Content::Number(ty));
                (size * count, align)
            }
            Content::Struct(index) => {
                let (mut end, mut most) = (0_usize, 1);
                for field in &self.structs[*index].fields {
                    let (size, align) = self.layout(field);
                    end = end.next_multiple_of(align) + size;
                    most = most.max(align);
                }
                (end.next_multiple_of(most), most)
            }
        }
    }

    fn field(&self, choices: &mut Choices, before: usize) -> Content {
        match choices.below(11) {
            0..5 => Content::Number(NUMBERS[choices.below(NUMBERS.len())]),
            5 => Content::Bool,
            6 if before > 0 => Content::Struct(choices.below(before)),
            6..9 => Content::Array(NUMBERS[choices.below(NUMBERS.len())], [4, 2, 8, 3][choices.below(4)]),
            _ => Self::named(choices),
        }
    }

    /// An enum or an address.
    fn named(choices: &mut Choices) -> Content {
        [Content::Enum, Content::Ipv4, Content::Ipv6, Content::Mac][choices.below(4)].clone()
    }

    /// What a map's key or value can be.
    fn datum(&self, choices: &mut Choices) -> Content {
        match choices.below(6) {
            0..4 => Content::Number(NUMBERS[choices.below(NUMBERS.len())]),
            4 => Content::Struct(choices.below(self.structs.len())),
            _ => Self::named(choices),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (header, fields) in [("input", &INPUT[..]), ("extra", &EXTRA[..])] {
            let _ = write!(text, "  (define-header {header}");
            for (name, ty, bits) in fields {
                let ty = bits.map_or_else(|| format!(":{ty}"), |bits| format!("(bits {bits})"));
                let _ = write!(text, " ({name} {ty})");
            }
            text.push_str(")\n");
        }
        for (index, data) in self.structs.iter().enumerate() {
            let _ = write!(text, "  (define-struct s{index}");
            for (field, content) in data.fields.iter().enumerate() {
                let _ = write!(text, " (f{field} {})", content.text());
            }
            text.push_str(")\n");
        }
        text.push_str("  (define-map results :array (key-type :u32) (value-type :u64) (max-entries 16))\n");
        text.push_str("  (define-map programs :prog-array (max-entries 4))\n");
        for map in &self.maps {
            let Map { name, kind, key, value, entries } = map;
            let (key, value) = (key.text(), value.text());
            let flags = if *kind == "lpm-trie" { " (flags :no-prealloc)" } else { "" };
            let _ = writeln!(
                text,
                "  (define-map {name} :{kind} (key-type {key}) (value-type {value}) (max-entries {entries}){flags})"
            );
        }
        if let Some(kind) = self.ports {
            let keyword = kind.keyword();
            let _ = writeln!(text, "  (define-map ports :{keyword} (key-type :u32) (value-type :u32) (max-entries 4))");
        }
        for Buffer { name, kind, size, .. } in &self.buffers {
            let size = if *kind == MapKind::RingBuf { format!(" (size {size})") } else { String::new() };
            let _ = writeln!(text, "  (define-map {name} :{}{size})", kind.keyword());
        }
        for Histogram { name, by, step, entries } in &self.histograms {
            let by = by.map_or_else(String::new, |by| format!(" (by :{by})"));
            let buckets = step.map_or_else(String::new, |step| format!(" (buckets :linear {step})"));
            let _ = writeln!(text, "  (define-map {name} :histogram{by}{buckets} (max-entries {entries}))");
        }
        if self.struct_global {
            text.push_str("  (define-global (gs :mutable) s0)\n");
        }
        for Global { name, ty, mutable, init } in &self.globals {
            let name = if *mutable { format!("({name} :mutable)") } else { name.clone() };
            let _ = writeln!(text, "  (define-global {name} :{ty} {init})");
        }
        text.push_str(FIXED);
        text
    }
}
