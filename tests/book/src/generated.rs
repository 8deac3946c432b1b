//! The pages that are made from the compiler's tables.

use std::fmt::Write;

use eshkol_core::diagnostic::{Code, catalogue};
use eshkol_core::kernel::constant;

use crate::{helper_page, map_page, packet_page, program_page};

/// A page: its path under `docs/src`, and its text.
pub type Page = (String, String);

/// Stands at the head of every such page.
const NOTICE: &str = "<!-- Made from the compiler's tables by `ESHKOL_WRITE_DOCS=1 cargo test -p eshkol-book`. -->\n\n";

/// Families of messages: the first two digits of their numbers, a file, a title.
const FAMILIES: &[(u16, &str, &str)] = &[
    (1, "reading", "Reading"),
    (2, "names", "Names, macros and special forms"),
    (3, "declarations", "Declarations and clauses"),
    (4, "types", "Types and values"),
    (5, "procedures", "Procedures and loops"),
    (6, "maps", "Maps"),
    (7, "memory", "Packets and memory"),
    (8, "kernel", "Rules of the kernel"),
    (9, "internal", "The compiler itself"),
];

/// Every generated page.
pub fn pages() -> Vec<Page> {
    let language = |name: &str, text: String| (format!("language/{name}.md"), format!("{NOTICE}{text}"));
    let mut pages = vec![
        language("map-kinds", map_page::text()),
        language("program-types", program_page::text()),
        language("helpers", helper_page::text()),
        language("headers", packet_page::text()),
        language("constants", constants()),
        ("errors/README.md".to_owned(), format!("{NOTICE}{}", error_index())),
    ];
    for (family, file, title) in FAMILIES {
        pages.push((format!("errors/{file}.md"), format!("{NOTICE}{}", error_page(*family, title))));
    }
    pages
}

fn codes(family: u16) -> impl Iterator<Item = Code> {
    catalogue::all().into_iter().filter(move |code| code.number() / 100 == family)
}

fn error_index() -> String {
    let mut text = String::from(
        "# Error index\n\nEvery message of the compiler has a code. `eshkol explain ESK0701` prints the same pages.\n",
    );
    for (family, file, title) in FAMILIES {
        let _ = write!(text, "\n## {title}\n\n| code | |\n|---|---|\n");
        for code in codes(*family) {
            let anchor = code.to_string().to_lowercase();
            let _ = writeln!(text, "| [{code}]({file}.md#{anchor}) | {} |", code.title());
        }
    }
    text
}

fn error_page(family: u16, title: &str) -> String {
    let mut text = format!("# {title}\n");
    for code in codes(family) {
        let anchor = code.to_string().to_lowercase();
        let _ =
            write!(text, "\n<a id=\"{anchor}\"></a>\n\n## {code}: {}\n\n{}\n", code.title(), code.explanation().trim());
    }
    text
}

fn constants() -> String {
    let mut text = String::from(
        "# Constants\n\nKeywords that name numbers of the kernel's headers: the C name in lower case, with `-` for `_`. What a program may \
         return (`:xdp-drop`) is with its [program type](program-types.md).\n",
    );
    let mut source = "";
    for constant in constant::all() {
        if constant.source != source {
            source = constant.source;
            let _ = write!(text, "\n## From {source}\n\n| keyword | value | type |\n|---|---|---|\n");
        }
        let value = match constant.ty.bits {
            16 => format!("{:#06x}", constant.value),
            _ => constant.value.to_string(),
        };
        let _ = writeln!(text, "| `:{}` | {value} | `:{}` |", constant.name, constant.ty);
    }
    text
}
