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

#[cfg(test)]
mod tests {
    use super::symbol;

    #[test]
    fn symbols_are_c_identifiers() {
        assert_eq!(symbol("xdp-main"), "xdp_main");
        assert_eq!(symbol("tcp-flags->state"), "tcp_flags_to_state");
        assert_eq!(symbol("empty?"), "empty_p");
        assert_eq!(symbol("set-x!"), "set_x");
        assert_eq!(symbol("4-way"), "_4_way");
    }
}
