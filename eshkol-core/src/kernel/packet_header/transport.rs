//! Headers of the transport layer.

use super::{Header, HeaderLength, bits, flag, number};

pub(super) const TCP: Header = Header {
    name: "tcp",
    size: 20,
    length: HeaderLength::Words { field: "data-offset", maximum: 60 },
    fields: &[
        number("src-port", 0, 16),
        number("dst-port", 2, 16),
        number("seq", 4, 32),
        number("ack", 8, 32),
        bits("data-offset", 12, 1, 4, 4),
        bits("reserved", 12, 1, 0, 4),
        number("flags", 13, 8),
        flag("cwr?", 13, 7),
        flag("ece?", 13, 6),
        flag("urg?", 13, 5),
        flag("ack?", 13, 4),
        flag("psh?", 13, 3),
        flag("rst?", 13, 2),
        flag("syn?", 13, 1),
        flag("fin?", 13, 0),
        number("window", 14, 16),
        number("checksum", 16, 16),
        number("urgent-pointer", 18, 16),
    ],
    source: "RFC 9293",
};

pub(super) const UDP: Header = Header {
    name: "udp",
    size: 8,
    length: HeaderLength::Fixed,
    fields: &[number("src-port", 0, 16), number("dst-port", 2, 16), number("length", 4, 16), number("checksum", 6, 16)],
    source: "RFC 768",
};
