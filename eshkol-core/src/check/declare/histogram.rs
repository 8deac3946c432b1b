//! Histograms: counts of how large numbers are, in a per-CPU array or, for a family of them, in a per-CPU hash.

use std::sync::Arc;

use super::clause::{Clauses, Rule};
use super::declarer::Declarer;
use super::scope::Scope;
use crate::check::typed::{Buckets, Histogram, Map};
use crate::check::types::{DataType, IntType};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue::{MAP_KEY, MAP_SIZE, MAP_VALUE, MISSING_MAP_CLAUSE};
use crate::expand::form::{Clause, Definition};
use crate::kernel::MapKind;
use crate::syntax::DatumKind;

static RULES: &[Rule] = &[
    Rule { name: "key-type", example: "(key-type :u64)", repeats: false },
    Rule { name: "value-type", example: "(value-type :u64)", repeats: false },
    Rule { name: "max-entries", example: "(max-entries 65)", repeats: false },
    Rule { name: "buckets", example: "(buckets :linear 10)", repeats: false },
    Rule { name: "by", example: "(by :u32)", repeats: false },
    Rule { name: "pinning", example: "(pinning :by-name)", repeats: false },
];

/// As many as 64-bit numbers have lengths: 0 to 64 bits.
const LENGTHS: u32 = 65;

impl Declarer<'_, '_> {
    /// The map of a histogram's definition.
    pub(super) fn declare_histogram(&mut self, definition: &Definition, clauses: &[Clause]) -> Option<Map> {
        let clauses = Clauses::new(clauses, RULES, "a histogram", self.diagnostics);
        let name = &definition.name;
        for (clause, code, what) in [("key-type", MAP_KEY, "what it counts"), ("value-type", MAP_VALUE, "its counts")] {
            if let Some((ty, span)) = self.clause_type(definition, &clauses, clause)
                && !matches!(ty, DataType::Int(int) if !int.signed && (clause == "key-type" || int.bits == 64))
            {
                let wanted = if clause == "key-type" { "an unsigned integer" } else { "`:u64`" };
                self.report(
                    Diagnostic::error(code, span, format!("the `{clause}` of a histogram, {what}, is {wanted}"))
                        .with_help(format!("write `({clause} :u64)`, or leave it out")),
                );
            }
        }
        let by = match self.clause_type(definition, &clauses, "by") {
            Some((DataType::Int(int), _)) => Some(int),
            Some((_, span)) => {
                self.report(
                    Diagnostic::error(MAP_KEY, span, "the histograms of a family are told apart by an integer")
                        .with_help("write `(by :u32)`"),
                );
                None
            }
            None => None,
        };
        let buckets = self.buckets(&clauses)?;
        let max_entries = match clauses.get("max-entries") {
            Some(_) => self.max_entries(definition, &clauses)?,
            None if by.is_none() && buckets == Buckets::Log2 => LENGTHS,
            None => {
                let (what, example) =
                    if by.is_some() { ("counts of all its histograms", 10_240) } else { ("buckets", 100) };
                self.report(
                    Diagnostic::error(
                        MISSING_MAP_CLAUSE,
                        name.span,
                        format!("the histogram `{}` has no `max-entries`", name.name),
                    )
                    .with_help(format!("add `(max-entries {example})`: how many {what} there can be")),
                );
                return None;
            }
        };
        let pin_by_name = self.pinning(&clauses);
        let u64 = DataType::Int(IntType::U64);
        Some(Map {
            name: name.name.clone(),
            span: name.span,
            doc: definition.doc.clone(),
            kind: if by.is_some() { MapKind::PerCpuHash } else { MapKind::PerCpuArray },
            // Of a family: whose, and which bucket.
            key: if by.is_some() { DataType::Array(Arc::new(u64.clone()), 2) } else { DataType::Int(IntType::U32) },
            value: u64,
            max_entries,
            flags: 0,
            pin_by_name,
            events: Vec::new(),
            hidden: None,
            histogram: Some(Histogram { buckets, by }),
        })
    }

    /// `(buckets :log2)`, `(buckets :linear step)`
    fn buckets(&mut self, clauses: &Clauses<'_>) -> Option<Buckets> {
        let Some(clause) = clauses.get("buckets") else { return Some(Buckets::Log2) };
        let first = clause.arguments.first().and_then(|argument| argument.as_keyword());
        match (first.map(|name| &**name), clause.arguments.as_slice()) {
            (Some("log2"), [_]) => Some(Buckets::Log2),
            (Some("linear"), [_, step]) => {
                let count = match step.kind {
                    DatumKind::Integer(count) => u64::try_from(count).ok().filter(|count| *count > 0),
                    _ => None,
                };
                if count.is_none() {
                    self.report(
                        Diagnostic::error(
                            MAP_SIZE,
                            step.span,
                            "this is no number of numbers that a bucket could count",
                        )
                        .with_help("write how many each counts, 1 or more, as in `(buckets :linear 10)`"),
                    );
                }
                count.map(Buckets::Linear)
            }
            _ => {
                let message = "`buckets` takes `:log2`, or `:linear` and a step";
                let error = clauses.malformed(clause, message, clause.span);
                self.report(error);
                None
            }
        }
    }
}
