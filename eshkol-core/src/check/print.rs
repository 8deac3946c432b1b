//! The text form of a checked unit: one expression in parentheses, in the manner of the language, with what the checker found out.
//!
//! ```text
//! (program xdp-firewall :xdp
//!   (define (xdp-main ctx.0) : (verdict :xdp)
//!     (let ((ip.1 : (optional ipv4/20 packet) (parse ctx.0 (packet-start ctx.0) 20)))
//!       (if (present? ip.1) 1 2))))
//! ```
//!
//! A local is written with its number, since names can repeat. A place in memory is `(at base offset)`, with `index * bytes`
//! where an element is chosen at run time; what is read or written there is `u32`, `be16`, or with the bits of a bit field, `u8[4..8]`.

mod expression;
mod tree;
mod types;

use std::fmt;

use super::typed::{Function, Global, GlobalInit, Map, Program, Unit};
use super::types::{Enum, Struct};
use tree::{Tree, list};

/// A unit that can be written, with what its expressions refer to.
#[derive(Copy, Clone)]
struct Printer<'a> {
    unit: &'a Unit,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printer = Printer { unit: self };
        let mut tree = vec![Tree::atom("unit"), Tree::atom(&self.name)];
        tree.push(list![Tree::atom("license"), Tree::text(&self.license)]);
        tree.push(list![Tree::atom("min-kernel"), Tree::atom(self.min_kernel)]);
        tree.extend(self.types.enums.values().map(|data| printer.enumeration(data)));
        tree.extend(self.types.structs.values().map(|data| printer.structure(data)));
        tree.extend(self.maps.values().map(|map| printer.map(map)));
        tree.extend(self.globals.values().map(|global| printer.global(global)));
        tree.extend(self.functions.values().map(|function| printer.function(function)));
        tree.extend(self.programs.iter().map(|program| printer.program(program)));
        writeln!(f, "{}", Tree::List(tree))
    }
}

impl Printer<'_> {
    fn enumeration(self, data: &Enum) -> Tree {
        let mut tree = vec![Tree::atom("enum"), Tree::atom(&data.name)];
        tree.extend(data.variants.iter().map(|(name, value)| list![Tree::atom(name), Tree::atom(value)]));
        Tree::List(tree)
    }

    fn structure(self, data: &Struct) -> Tree {
        let mut tree = vec![Tree::atom("struct"), Tree::atom(&data.name)];
        tree.push(list![Tree::atom("size"), Tree::atom(data.size)]);
        tree.push(list![Tree::atom("align"), Tree::atom(data.align)]);
        tree.extend(
            data.fields
                .iter()
                .map(|field| list![Tree::atom(field.offset), Tree::atom(&field.name), self.data_type(&field.ty)]),
        );
        Tree::List(tree)
    }

    fn map(self, map: &Map) -> Tree {
        let mut tree =
            vec![Tree::atom("map"), Tree::atom(&map.name), Tree::atom(format_args!(":{}", map.kind.keyword()))];
        if map.kind.has_submit() {
            tree.push(list![Tree::atom("size"), Tree::atom(map.max_entries)]);
        } else {
            tree.push(list![Tree::atom("key"), self.data_type(&map.key)]);
            tree.push(list![Tree::atom("value"), self.data_type(&map.value)]);
            tree.push(list![Tree::atom("max-entries"), Tree::atom(map.max_entries)]);
        }
        if map.flags != 0 {
            tree.push(list![Tree::atom("flags"), Tree::atom(format_args!("{:#x}", map.flags))]);
        }
        if map.pin_by_name {
            tree.push(list![Tree::atom("pinning"), Tree::atom(":by-name")]);
        }
        Tree::List(tree)
    }

    fn global(self, global: &Global) -> Tree {
        let kind = if global.mutable { "mutable" } else { "constant" };
        let init = match &global.init {
            GlobalInit::Zero => Tree::atom(0),
            GlobalInit::Scalar(value) => Tree::atom(value),
            GlobalInit::Bytes(bytes) => Tree::bytes(bytes),
        };
        list![Tree::atom("global"), Tree::atom(&global.name), self.data_type(&global.ty), Tree::atom(kind), init]
    }

    fn program(self, program: &Program) -> Tree {
        let keyword = program.program_type.keyword();
        let mut tree = vec![Tree::atom("program"), Tree::atom(&program.name), Tree::atom(format_args!(":{keyword}"))];
        for (point, _) in &program.attach_points {
            tree.push(list![Tree::atom("attach-point"), Tree::text(point)]);
        }
        if program.sleepable {
            tree.push(list![Tree::atom("sleepable")]);
        }
        if program.frags {
            tree.push(list![Tree::atom("frags")]);
        }
        tree.push(self.function(&program.entry));
        Tree::List(tree)
    }

    fn function(self, function: &Function) -> Tree {
        let body = expression::Body { printer: self, function };
        let mut head = vec![Tree::atom(&function.name)];
        head.extend(function.parameters.iter().map(|local| body.local(*local)));
        list![
            Tree::atom("define"),
            Tree::List(head),
            Tree::atom(":"),
            self.ty(&function.body.ty),
            body.tree(&function.body)
        ]
    }
}

#[cfg(test)]
mod tests;
