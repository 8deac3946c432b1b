//! `:xdp`. Sources: `struct xdp_md` and `enum xdp_action` in `include/uapi/linux/bpf.h`; `xdp_is_valid_access` in
//! `net/core/filter.c`; frags: commit c2f2cdbeffda (5.18).

use super::{ContextField, ContextFieldKind, ContextStruct, PacketAccess, ProgramTypeFacts, ResultName, Results};
use crate::kernel::KernelVersion;

pub(super) static XDP: ProgramTypeFacts = ProgramTypeFacts {
    keyword: "xdp",
    number: 6,
    since: KernelVersion::new(4, 8),
    section: "xdp",
    attach_types: &[],
    frags: Some(("xdp.frags", KernelVersion::new(5, 18))),
    sleepable: false,
    context: ContextStruct {
        name: "xdp_md",
        fields: &[
            field("data", 0, ContextFieldKind::PacketStart),
            field("data-end", 4, ContextFieldKind::PacketEnd),
            field("data-meta", 8, ContextFieldKind::PacketMeta),
            field("ingress-ifindex", 12, ContextFieldKind::Number),
            field("rx-queue-index", 16, ContextFieldKind::Number),
            ContextField {
                unreadable: Some("only a program that is itself an element of a device map has an egress interface"),
                ..field("egress-ifindex", 20, ContextFieldKind::Number)
            },
        ],
        words: &[],
        note: "",
    },
    results: Results::Names(&[
        ResultName { name: "xdp-aborted", value: 0 },
        ResultName { name: "xdp-drop", value: 1 },
        ResultName { name: "xdp-pass", value: 2 },
        ResultName { name: "xdp-tx", value: 3 },
        ResultName { name: "xdp-redirect", value: 4 },
    ]),
    packet: PacketAccess::Direct { writable: true },
    first_headers: &["eth"],
};

/// Every field of `struct xdp_md` is a `__u32`, and a loaded program can write none of them.
const fn field(name: &'static str, offset: u32, kind: ContextFieldKind) -> ContextField {
    ContextField::row(name, offset, 4, kind)
}
