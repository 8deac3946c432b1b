//! Names as they are outside Scheme: in the object (C identifiers) and in Rust.

/// The symbol of a Scheme name in the object: a C identifier, which is what the kernel wants for BTF and what `bpftool` prints.
///
/// `xdp-main` → `xdp_main`, `empty?` → `empty_p`, `count!` → `count`, `a->b` → `a_to_b`; any other character → `_`.
pub fn symbol(name: &str) -> String {
    let name = name.replace("->", "-to-").replace('?', "-p").replace('!', "");
    let mut symbol: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if symbol.is_empty() || symbol.starts_with(|c: char| c.is_ascii_digit()) {
        symbol.insert(0, '_');
    }
    symbol
}

/// The Rust type of a Scheme name: `xdp-firewall` → `XdpFirewall`, `tcp-flags->state` → `TcpFlagsToState`, `HTTP-kind` → `HTTPKind`.
pub fn type_name(name: &str) -> String {
    let name = name.replace("->", "-to-");
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
    let mut type_name = String::new();
    for part in parts {
        let (first, rest) = part.split_at_checked(1).unwrap_or((part, ""));
        type_name.push_str(&first.to_ascii_uppercase());
        type_name.push_str(rest);
    }
    if type_name.is_empty() || type_name.starts_with(|c: char| c.is_ascii_digit()) {
        type_name.insert(0, '_');
    }
    type_name
}

#[cfg(test)]
mod tests {
    use super::{symbol, type_name};

    #[test]
    fn type_names_are_in_camel_case() {
        assert_eq!(type_name("xdp-firewall"), "XdpFirewall");
        assert_eq!(type_name("tcp-flags->state"), "TcpFlagsToState");
        assert_eq!(type_name("HTTP-kind"), "HTTPKind");
        assert_eq!(type_name("4-way!"), "_4Way");
        assert_eq!(type_name("λ"), "_");
    }

    #[test]
    fn symbols_are_c_identifiers() {
        assert_eq!(symbol("xdp-main"), "xdp_main");
        assert_eq!(symbol("tcp-flags->state"), "tcp_flags_to_state");
        assert_eq!(symbol("empty?"), "empty_p");
        assert_eq!(symbol("set-x!"), "set_x");
        assert_eq!(symbol("4-way"), "_4_way");
    }
}
