//! Codes of maps, `ESK06xx`.

super::codes! { ALL_MAP:
    UNKNOWN_MAP_KIND = 601, "no such kind of map", "The kind after the name of a map is not one that the kernel has.\n\n```scheme\n(define-map m :hsh\n  (key-type :u32)\n  (value-type :u64)\n  (max-entries 16))\n```\n\nCheck the spelling: `:hash`.";
    MAP_KIND_NOT_AVAILABLE = 602, "a kind of map is not available yet", "The language has this kind of map, but it can't be compiled yet.\n\n```scheme\n(define-map m :stack-trace\n  (max-entries 16))\n```\n\nThe message lists the kinds there are.";
    MISSING_MAP_CLAUSE = 603, "a clause of a map is missing", "A map says of what types its keys and values are, and how many entries it has at most.\n\n```scheme\n(define-map m :hash\n  (key-type :u32)\n  (max-entries 16))\n```\n\nAdd `(value-type :u64)`.";
    MAP_SIZE = 604, "a map can't have so many entries", "The size of a map is from 1 to 4294967295.\n\n```scheme\n(define-map m :hash\n  (key-type :u32)\n  (value-type :u64)\n  (max-entries 0))\n```\n\nGive it at least one entry.";
    MAP_KEY = 605, "a map can't have such keys", "The keys of arrays are of type `:u32`, those of other maps have at most 512 bytes. An `:lpm-trie` compares keys from the first byte in memory, so a number must be in network byte order for its prefixes to make sense.\n\n```scheme\n(define-map routes :lpm-trie\n  (key-type :u32)\n  (value-type :u32)\n  (max-entries 16))\n```\n\nTake `:ipv4-addr` or `:be32`.";
    MAP_VALUE = 606, "a map can't have such values", "Maps for redirection hold numbers: the index of an interface, the length of a queue. A value for each CPU has at most 32768 bytes.\n\n```scheme\n(define-map ports :devmap\n  (key-type :u32)\n  (value-type :u64)\n  (max-entries 16))\n```\n\nWrite `(value-type :u32)`.";
    MAP_FLAG = 607, "a map does not take this flag", "The flags of a map are the kernel's (`BPF_F_…`), and each is for some kinds of maps only.\n\n```scheme\n(define-map m :array\n  (key-type :u32)\n  (value-type :u64)\n  (max-entries 16)\n  (flags :no-prealloc))\n```\n\nLeave it out.";
}
