//! Going through the elements of a map.

use super::super::checker::Checker;
use super::super::typed::{self, Part, PartValue};
use super::super::typed::{Argument, ExprKind as Typed, LocalId, Place, RefTarget, RefType, Region, Type};
use super::super::types::{DataType, IntType};
use super::super::value::{self, Run, Value};
use super::helper::allowed;
use super::map::{Use, map_argument};
use super::{Builtin, Call};
use crate::kernel::helper;
use crate::source::Span;

pub(super) static TABLE: &[Builtin] = &[Builtin { name: "map-for-each", arity: (2, 2), check: map_for_each }];

/// `(map-for-each f m)`: calls `(f key value)` for each element; how many there were.
fn map_for_each(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [procedure, map] = call.arguments();
    let Some(id) = map_argument(checker, &map, Use::ForEach) else { return Value::Error(span) };
    let Some(helper) = helper::by_name("bpf-for-each-map-elem") else { return Value::Error(span) };
    if !allowed(checker, helper, span) {
        return Value::Error(span);
    }
    let declared = checker.declarations.maps.at(id).clone();
    let reference = |data: &DataType, region| Type::Ref(RefType { target: RefTarget::Data(data.clone()), region });
    let parameters = [
        ("map", Type::Scalar(DataType::Int(IntType::U64))),
        // Memory of the map, or the stack of the kernel.
        ("key", reference(&declared.key, Region::Any)),
        ("value", reference(&declared.value, Region::MapValue)),
    ];
    let name = format!("for-each-{}", declared.name);
    let arguments = |checker: &mut Checker<'_>, locals: &[LocalId]| match locals {
        [_, key, value] => {
            let key = checker.read_local(*key, span);
            vec![own_key(checker, key, &declared.key, span), Value::Run(checker.read_local(*value, span))]
        }
        _ => Vec::new(),
    };
    let Some(callback) = checker.callback(&procedure, &name, &parameters, arguments, span) else {
        return Value::Error(span);
    };
    let flags = Argument::Value(value::constant(0, IntType::U64, span));
    let arguments = vec![Argument::Map(id), callback.function.clone(), callback.context.clone(), flags];
    let ty = Type::Scalar(DataType::Int(IntType::I64));
    let count = Run::new(typed::Expr::new(ty, span, Typed::Helper { helper: helper.id, arguments }));
    let count = checker.stable_run(count, "count");
    checker.after_callback(callback, span);
    Value::Run(count)
}

/// The key as the procedure gets it: a scalar by its value, anything else as a copy, since the map's own must not change.
fn own_key(checker: &Checker<'_>, key: Run, data: &DataType, span: Span) -> Value {
    let (size, align) = checker.declarations.types.layout(data);
    if let Some(storage) = data.storage() {
        let place = Place { base: Box::new(key.expr), offset: 0, index: None, align };
        return Value::Run(checker.load(place, storage, data, span));
    }
    let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Stack });
    let parts = vec![Part { offset: 0, value: PartValue::Copy(key.expr, size) }];
    Value::run(ty, span, Typed::Allocate { data: data.clone(), parts })
}
