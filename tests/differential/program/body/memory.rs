//! Numbers in memory: structs, maps, globals, packets.

use super::super::definition::{Content, Map};
use super::{Kind, Level, Writer};

impl Writer<'_> {
    /// A number that is in memory already.
    pub(super) fn stored(&mut self) -> String {
        match self.choices.below(4) {
            0 => self.global(),
            1 => match self.pick(|kind| matches!(kind, Kind::Entry(_))) {
                Some((name, _)) => name,
                None => self.field(),
            },
            2 => self.header_field(),
            _ => match self.pick(|kind| matches!(kind, Kind::Struct(_))) {
                Some((name, Kind::Struct(index))) => self.struct_field(&name, index, 3),
                _ => self.field(),
            },
        }
    }

    fn global(&mut self) -> String {
        let globals = &self.definitions.globals;
        if globals.is_empty() {
            return self.field();
        }
        globals[self.choices.below(globals.len())].name.clone()
    }

    /// A number that a struct holds, or a struct that it holds.
    pub(super) fn struct_field(&mut self, name: &str, index: usize, depth: usize) -> String {
        let fields = &self.definitions.structs[index].fields;
        let field = self.choices.below(fields.len());
        match &fields[field] {
            Content::Number(_) => format!("(s{index}-f{field} {name})"),
            Content::Bool => format!("(if (s{index}-f{field} {name}) 1 0)"),
            named @ (Content::Enum | Content::Ipv4 | Content::Ipv6 | Content::Mac) => {
                let named = named.clone();
                self.number_of(&named, &format!("(s{index}-f{field} {name})"))
            }
            Content::Array(_, count) => {
                let element = self.index(*count);
                format!("(s{index}-f{field} {name} {element})")
            }
            Content::Struct(inner) if depth > 0 => {
                let inner_name = format!("(s{index}-f{field} {name})");
                self.struct_field(&inner_name, *inner, depth - 1)
            }
            Content::Struct(_) => self.literal(),
        }
    }

    /// An index that is below the count of elements. On the stack, older kernels want a constant.
    pub(super) fn index(&mut self, count: usize) -> String {
        if self.level < Level::V6_1 || self.choices.below(2) == 0 {
            return self.choices.below(count).to_string();
        }
        match count.is_power_of_two() {
            true => format!("(bitwise-and {} {})", self.number(), count - 1),
            false => format!("(modulo (the u32 {}) {count})", self.number()),
        }
    }

    /// A value for a field or an element.
    pub(super) fn value_of(&mut self, content: &Content, depth: usize) -> Option<String> {
        Some(match content {
            Content::Number(ty) => {
                let ty = Content::integer(ty);
                // A field of the input is no constant, which might be seen not to fit.
                match self.choices.below(3) {
                    0 => self.field_or_cast(&ty),
                    _ => format!("(the {ty} {})", self.int(depth)),
                }
            }
            Content::Bool => self.bool(depth),
            named @ (Content::Enum | Content::Ipv4 | Content::Ipv6 | Content::Mac) => self.named(named, depth),
            Content::Struct(index) => match self.pick(|kind| *kind == Kind::Struct(*index)) {
                Some((name, _)) if self.choices.below(2) == 0 => name,
                _ => self.made(*index, depth),
            },
            Content::Array(..) => return None,
        })
    }

    fn field_or_cast(&mut self, ty: &str) -> String {
        if self.in_entry { self.field() } else { format!("(the {ty} {})", self.number()) }
    }

    /// A new struct.
    pub(super) fn made(&mut self, index: usize, depth: usize) -> String {
        self.allocations += 1;
        let fields = self.definitions.structs[index].fields.clone();
        if self.allocations < 6 && self.choices.below(3) > 0 {
            let values: Option<Vec<String>> = fields.iter().map(|field| self.value_of(field, depth.min(1))).collect();
            if let Some(values) = values {
                return format!("(make-s{index} {})", values.join(" "));
            }
        }
        format!("(make-s{index})")
    }

    /// A struct on the stack, and a number from what is done with it.
    pub(super) fn with_struct(&mut self, depth: usize) -> String {
        if self.allocations >= 5 {
            return self.number();
        }
        let index = self.choices.below(self.definitions.structs.len());
        let name = self.name("s");
        let mut value = self.made(index, depth);
        if self.choices.below(4) == 3 {
            let other = match self.lasting_struct(index) {
                Some(name) => name,
                None => self.made(index, depth),
            };
            value = format!("(if {} {value} {other})", self.bool(depth));
        }
        let mut body = String::new();
        let names = vec![(name.clone(), Kind::Struct(index))];
        for _ in 0..self.choices.below(3) {
            let statement = self.within(names.clone(), |this| match this.choices.below(2) {
                0 => this.set_field(&name, index, depth),
                _ => this.statement(depth),
            });
            body.push_str(&statement);
            body.push(' ');
        }
        let field = self.struct_field(&name, index, 3);
        let rest = self.within(names, |this| this.int(depth));
        format!("(let (({name} {value})) {body}(+ {field} {rest}))")
    }

    /// Writes a field.
    pub(super) fn set_field(&mut self, name: &str, index: usize, depth: usize) -> String {
        let fields = self.definitions.structs[index].fields.clone();
        let field = self.choices.below(fields.len());
        match &fields[field] {
            Content::Array(ty, count) => {
                let element = self.index(*count);
                let value = self.int(depth);
                format!("(set-s{index}-f{field}! {name} {element} (the {} {value}))", Content::integer(ty))
            }
            Content::Struct(inner) if self.choices.below(2) == 0 => {
                self.set_field(&format!("(s{index}-f{field} {name})"), *inner, depth)
            }
            content => match self.value_of(content, depth) {
                Some(value) => format!("(set-s{index}-f{field}! {name} {value})"),
                None => "(void)".to_owned(),
            },
        }
    }

    pub(super) fn map(&mut self) -> Map {
        let maps = &self.definitions.maps;
        maps[self.choices.below(maps.len())].clone()
    }

    /// A key, one of a few.
    pub(super) fn key(&mut self, map: &Map, depth: usize) -> String {
        let mask = [7, 3, 15][self.choices.below(3)];
        match &map.key {
            Content::Number(_) => match self.choices.below(2) {
                0 => self.choices.below(map.entries.min(4)).to_string(),
                // A constant could be seen to be past the end of an array.
                _ if map.is_array() && !self.in_entry => format!("(modulo {} {})", self.number(), map.entries),
                _ if map.is_array() => format!("(bitwise-and {} {mask})", self.field()),
                _ => format!("(bitwise-and {} {mask})", self.int(depth)),
            },
            key => self.value_of(key, depth).unwrap_or_default(),
        }
    }

    /// What a map has under a key.
    pub(super) fn looked_up(&mut self, depth: usize) -> String {
        let map = self.map();
        let lookup = format!("(map-lookup {} {})", map.name, self.key(&map, depth));
        let name = self.name("e");
        let other = self.int(depth);
        match &map.value {
            Content::Number(_) if self.choices.below(3) == 0 => format!("(or {lookup} {other})"),
            Content::Number(ty) => {
                let names = vec![(name.clone(), Kind::Entry(ty))];
                let body = self.within(names, |this| this.body(depth));
                self.found(&name, &lookup, &format!("(+ {name} (let () {body}))"), &other)
            }
            Content::Struct(index) => {
                let names = vec![(name.clone(), Kind::Struct(*index))];
                let body = self.within(names, |this| this.body(depth));
                let field = self.struct_field(&name, *index, 3);
                self.found(&name, &lookup, &format!("(let () (map-update results 7 {field}) {body})"), &other)
            }
            named @ (Content::Enum | Content::Ipv4 | Content::Ipv6 | Content::Mac) => {
                let number = self.number_of(named, &name);
                self.found(&name, &lookup, &number, &other)
            }
            Content::Bool | Content::Array(..) => other,
        }
    }

    pub(super) fn found(&mut self, name: &str, lookup: &str, then: &str, otherwise: &str) -> String {
        match self.choices.below(3) {
            0 => format!("(let (({name} {lookup})) (if {name} {then} {otherwise}))"),
            1 => format!("(cond ({lookup} => (lambda ({name}) {then})) (else {otherwise}))"),
            _ => format!("(if-let ({name} {lookup}) {then} {otherwise})"),
        }
    }

    /// The number that an operation on a map gives.
    pub(super) fn map_result(&mut self, depth: usize) -> String {
        let map = self.map();
        let key = self.key(&map, depth);
        if map.is_array() || self.choices.below(2) == 0 {
            let value = self.value_of(&map.value, depth).unwrap_or_default();
            let flags = match (self.choices.below(3), map.is_array()) {
                (0, _) => "",
                (1, false) => " :noexist",
                _ => " :exist",
            };
            return format!("(map-update {} {key} {value}{flags})", map.name);
        }
        format!("(map-delete {} {key})", map.name)
    }
}
