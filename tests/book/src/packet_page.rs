//! The page of the packet headers.

use std::fmt::Write;

use eshkol_core::kernel::packet_header::{FieldType, HEADERS, Header, HeaderField, HeaderLength};

/// The whole page.
pub(crate) fn text() -> String {
    let mut text = String::from(
        "# Headers and their fields\n\nFor each header `H` and field `f`: `(parse-H-header place)`, `(H-f h)`, `(set-H-f! h v)`, \
         `(init-H-f! h v)`, `(H-payload h)`. How they work is in [Packets](packets.md).\n",
    );
    for header in HEADERS {
        let _ =
            write!(text, "\n## {}\n\n{}\n\n| read with | type | at |\n|---|---|---|\n", header.name, length(header));
        for field in header.fields {
            let ty = kind(field.ty);
            let _ = writeln!(text, "| `({}-{} h)` | `:{ty}` | {} |", header.name, field.name, place(field));
        }
    }
    text
}

fn length(header: &Header) -> String {
    let Header { name, size, source, .. } = header;
    let bytes = match header.length {
        HeaderLength::Fixed => format!("{size} bytes"),
        HeaderLength::Words { field, maximum } => {
            format!(
                "{size} bytes, and options: `{name}-payload` goes on after as many words as `{name}-{field}` says, {maximum} bytes at most"
            )
        }
    };
    let checksum = if header.checksum().is_some() { " Its setters keep its checksum right." } else { "" };
    format!("{bytes}. {source}.{checksum}")
}

fn kind(ty: FieldType) -> String {
    match ty {
        FieldType::Int(int) => int.to_string(),
        FieldType::Bool => "bool".to_owned(),
        FieldType::Ipv4 => "ipv4-addr".to_owned(),
        FieldType::Ipv6 => "ipv6-addr".to_owned(),
        FieldType::Mac => "mac-addr".to_owned(),
    }
}

/// Where a field is: its bytes, and which of their bits, counted as RFCs do, from the highest.
fn place(field: &HeaderField) -> String {
    let (first, bytes) = (field.offset, field.storage.bytes);
    let Some((shift, count)) = field.storage.bits else {
        return match bytes {
            1 => format!("byte {first}"),
            _ => format!("bytes {first}–{}", first + bytes - 1),
        };
    };
    let from = bytes * 8 - u32::from(shift) - u32::from(count);
    let to = from + u32::from(count) - 1;
    let bits = if from == to { format!("bit {from}") } else { format!("bits {from}–{to}") };
    format!("{bits} from byte {first}")
}
