//! Codes of maps, `ESK06xx`.

super::codes! { ALL_MAP:
    UNKNOWN_MAP_KIND = 601, "no such kind of map", "The kind after the name of a map is not one that the kernel has.\n\n```scheme\n(define-map m :hsh (key-type :u32))\n```";
}
