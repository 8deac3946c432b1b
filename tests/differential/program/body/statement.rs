//! Statements: what is done for its effect.

use super::super::definition::Content;
use super::{Kind, Level, Writer};

impl Writer<'_> {
    pub(super) fn statement(&mut self, depth: usize) -> String {
        let (part, way) = self.composite(depth, 30);
        let depth = depth.saturating_sub(1);
        let text = match way {
            0 => "(void)".to_owned(),
            1..6 => self.set(depth),
            6 => {
                let (test, body) = (self.bool(depth), self.statement(depth));
                let form = ["when", "unless"][self.choices.below(2)];
                format!("({form} {test} {body} {})", self.statement(depth))
            }
            7 => {
                let (test, then, otherwise) = (self.bool(depth), self.statement(depth), self.statement(depth));
                format!("(if {test} {then} {otherwise})")
            }
            8..10 => self.set_input(depth),
            10 => self.set_header_field(depth),
            11..14 => self.map_result(depth),
            14 => self.increment(depth),
            15 => self.looped(depth),
            16 => self.swap(),
            17 => match self.pick(|kind| matches!(kind, Kind::Struct(_))) {
                Some((name, Kind::Struct(index))) => self.set_field(&name, index, depth),
                _ => self.set_global(depth),
            },
            18 => self.set_entry(depth),
            19 => self.checksum(depth),
            20 => self.for_each_element(depth),
            21 => self.change_field(depth),
            22 | 23 => self.at_some_round(depth),
            24 => self.sent(depth),
            28 => self.set_context(depth),
            25 => self.reserved(depth),
            26 | 27 => match self.counted(depth) {
                Some(statement) => statement,
                None => self.sent(depth),
            },
            _ => self.set_global(depth),
        };
        self.choices.end(part);
        text
    }

    fn set(&mut self, depth: usize) -> String {
        match self.pick(|kind| *kind == Kind::Variable) {
            Some((name, _)) => match self.choices.below(2) {
                0 => format!("(set! {name} {})", self.int(depth)),
                _ => format!("(set! {name} (+ {name} {}))", self.int(depth)),
            },
            None => self.set_input(depth),
        }
    }

    fn swap(&mut self) -> String {
        let names: Vec<String> =
            self.scope.iter().filter(|(_, kind)| *kind == Kind::Variable).map(|(name, _)| name.clone()).collect();
        match names.as_slice() {
            [first, .., last] => format!("(swap! {first} {last})"),
            _ => "(void)".to_owned(),
        }
    }

    fn set_global(&mut self, depth: usize) -> String {
        let globals: Vec<_> = self.definitions.globals.iter().filter(|global| global.mutable).collect();
        if globals.is_empty() {
            return self.set(depth);
        }
        let global = globals[self.choices.below(globals.len())];
        if ["u64", "i64", "u32", "i32"].contains(&global.ty) && self.choices.below(3) == 2 {
            return self.atomic(&global.name, depth);
        }
        format!("(set! {} (the {} {}))", global.name, Content::integer(global.ty), self.int(depth))
    }

    /// A change in one step; where the kernel has it, with the old value.
    fn atomic(&mut self, place: &str, depth: usize) -> String {
        let value = self.int(depth);
        if self.level < Level::V6_1 {
            return format!("(atomic-add! {place} {value})");
        }
        let change = match self.choices.below(6) {
            0 => format!("(atomic-add! {place} {value})"),
            1 => format!("(atomic-and! {place} {value})"),
            2 => format!("(atomic-or! {place} {value})"),
            3 => format!("(atomic-xor! {place} {value})"),
            4 => format!("(atomic-exchange! {place} {value})"),
            _ => format!("(atomic-compare-exchange! {place} {} {value})", self.int(depth)),
        };
        match self.pick(|kind| *kind == Kind::Variable) {
            Some((name, _)) if self.choices.below(2) == 0 => format!("(set! {name} {change})"),
            _ => change,
        }
    }

    /// A field of a struct, changed in one step.
    fn change_field(&mut self, depth: usize) -> String {
        let Some((name, Kind::Struct(index))) = self.pick(|kind| matches!(kind, Kind::Struct(_))) else {
            return self.set_global(depth);
        };
        let fields = &self.definitions.structs[index].fields;
        let wide = |field: &Content| matches!(field, Content::Number("u64" | "i64" | "u32" | "i32"));
        match fields.iter().position(wide) {
            Some(field) => self.atomic(&format!("(s{index}-f{field} {name})"), depth),
            None => self.set_global(depth),
        }
    }

    /// Something done with each element of an array: those of other maps come in no order that is the same everywhere, and what is changed meanwhile may
    /// come or not. The procedure can't get at the packet.
    fn for_each_element(&mut self, depth: usize) -> String {
        let map = self.map();
        if self.level < Level::V6_1 || !map.is_array() {
            return self.map_result(depth);
        }
        let (key, value) = (self.name("k"), self.name("e"));
        let kind = match &map.value {
            Content::Number(ty) => Kind::Entry(ty),
            Content::Struct(index) => Kind::Struct(*index),
            _ => return self.map_result(depth),
        };
        let mut names = vec![(value.clone(), kind)];
        if matches!(map.key, Content::Number(_)) {
            names.push((key.clone(), Kind::Number));
        }
        let (in_entry, has_context) = (self.in_entry, self.has_context);
        (self.in_entry, self.has_context) = (false, false);
        let headers = std::mem::take(&mut self.headers);
        self.loops += 1;
        let body = self.within(names, |this| this.statement(depth));
        self.loops -= 1;
        self.headers = headers;
        (self.in_entry, self.has_context) = (in_entry, has_context);
        format!("(map-for-each (lambda ({key} {value}) {body}) {})", map.name)
    }

    fn set_entry(&mut self, depth: usize) -> String {
        match self.pick(|kind| matches!(kind, Kind::Entry(_))) {
            Some((name, Kind::Entry(ty))) => {
                if ["u64", "i64", "u32", "i32"].contains(&ty) && self.choices.below(2) == 1 {
                    return self.atomic(&name, depth);
                }
                format!("(map-value-set! {name} (the {} {}))", Content::integer(ty), self.int(depth))
            }
            _ => self.map_result(depth),
        }
    }

    fn increment(&mut self, depth: usize) -> String {
        let map = self.map();
        if !matches!(map.value, Content::Number("u64" | "i64" | "u32" | "i32")) {
            return self.map_result(depth);
        }
        let key = self.key(&map, depth);
        match self.choices.below(2) {
            0 => format!("(map-increment! {} {key})", map.name),
            _ => {
                format!("(map-increment! {} {key} {})", map.name, self.value_of(&map.value, depth).unwrap_or_default())
            }
        }
    }

    pub(super) fn looped(&mut self, depth: usize) -> String {
        let trips = if self.level == Level::V4_18 || self.loops > 0 { 2 } else { 1 + self.choices.below(10) };
        let index = self.name("i");
        self.loops += 1;
        let body = self.within(vec![(index.clone(), Kind::Counter)], |this| this.statement(depth));
        self.loops -= 1;
        format!("(for ({index} in (range 0 {trips})) {body})")
    }
}
