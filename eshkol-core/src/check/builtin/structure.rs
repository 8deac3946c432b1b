//! Structs and headers that the user defines, and writing to places.

use super::super::call::are_given;
use super::super::checker::Checker;
use super::super::declare::{Declared, HeaderId};
use super::super::typed::{self, ExprKind as Typed, Part, PartValue, Place, RefTarget, RefType, Region, Type};
use super::super::types::{DataType, Field, StructId};
use super::super::value::{Run, Value};
use super::packet::packet_is_writable;
use super::{Builtin, Call};
use crate::diagnostic::{Diagnostic, catalogue};
use crate::expand::form::{DefId, StructProcedure};
use crate::source::Span;

/// Struct procedures come from definitions, not from this table.
pub(super) static TABLE: &[Builtin] = &[Builtin { name: "void", arity: (0, 0), check: void }];

fn void(_: &mut Checker<'_>, call: Call<'_>) -> Value {
    Value::unspecified(call.span)
}

impl Checker<'_> {
    /// Applies `make-s`, `s-f`, `set-s-f!`.
    pub(in super::super) fn apply_struct(
        &mut self,
        definition: DefId,
        procedure: &StructProcedure,
        values: Vec<Value>,
        span: Span,
    ) -> Value {
        match self.declarations.by_definition.get(&definition) {
            Some(Declared::Struct(id)) => {
                let id = *id;
                match procedure {
                    StructProcedure::Make => self.make_struct(id, values, span),
                    StructProcedure::Get(field) => self.get_field(id, *field, values, span),
                    StructProcedure::Set(field) => self.set_field(id, *field, values, span),
                    StructProcedure::Payload => Value::Error(span),
                }
            }
            Some(Declared::KernelStruct(id)) => {
                let id = *id;
                match procedure {
                    StructProcedure::Get(field) => self.kernel_field(id, *field, values, span),
                    StructProcedure::Make | StructProcedure::Set(_) | StructProcedure::Payload => Value::Error(span),
                }
            }
            Some(Declared::Header(id)) => {
                let id = *id;
                self.defined_header_procedure(id, procedure, values, span)
            }
            _ => Value::Error(span),
        }
    }

    fn make_struct(&mut self, id: StructId, values: Vec<Value>, span: Span) -> Value {
        let information = self.declarations.types.structs.at(id).clone();
        if !values.is_empty() && values.len() != information.fields.len() {
            let names: Vec<&str> = information.fields.iter().map(|field| &*field.name).collect();
            let message = format!(
                "`make-{}` takes a value for each of its {} fields, or none at all; {}",
                information.name,
                names.len(),
                are_given(values.len())
            );
            let mut diagnostic = Diagnostic::error(catalogue::WRONG_ARITY, span, message)
                .with_help(format!("in order: {}", names.join(", ")));
            if let Some(place) = information.span {
                diagnostic = diagnostic.with_note(place, "the struct is defined here");
            }
            return self.report(diagnostic);
        }
        let mut parts = Vec::new();
        for (field, value) in information.fields.iter().zip(values) {
            let Some(value) = self.part_value(&field.ty, value) else { return Value::Error(span) };
            parts.push(Part { offset: field.offset, value });
        }
        let data = DataType::Struct(id);
        Value::run(Type::struct_ref(id, Region::Stack), span, Typed::Allocate { data, parts })
    }

    /// What is put into a part of fresh memory.
    fn part_value(&mut self, data: &DataType, value: Value) -> Option<PartValue> {
        if let Some(storage) = data.storage() {
            return Some(PartValue::Scalar(storage, self.store_as(value, data)?));
        }
        let size = self.declarations.types.size(data);
        if let (DataType::CharArray(_), Value::Static(super::super::value::Static::String(text), place)) =
            (data, &value)
        {
            let bytes = text.as_bytes();
            if u32::try_from(bytes.len()).is_ok_and(|length| length < size) {
                let mut padded = bytes.to_vec();
                padded.resize(size as usize, 0);
                return Some(PartValue::Bytes(padded.into()));
            }
            let message = format!(
                "this text has {} bytes, and there is room for {} and a NUL",
                bytes.len(),
                size.saturating_sub(1)
            );
            self.error(catalogue::NUMBER_DOES_NOT_FIT, *place, message);
            return None;
        }
        let span = value.span();
        match self.cast(value, data, span) {
            Value::Run(run) => Some(PartValue::Copy(run.expr, size)),
            Value::Static(..) | Value::Error(_) => None,
        }
    }

    /// The struct that a procedure of its fields is given.
    fn struct_argument(&mut self, id: StructId, value: Value) -> Option<Run> {
        let run = self.run(value)?;
        let data = DataType::Struct(id);
        match &run.expr.ty {
            Type::Ref(RefType { target: RefTarget::Data(target), .. }) if *target == data => Some(run),
            Type::Optional(RefType { target: RefTarget::Data(target), .. }) if *target == data => {
                self.maybe_absent(&run);
                None
            }
            Type::Never => None,
            _ => {
                let (wanted, what) = (self.type_name(&data), self.describe(&Value::Run(run.clone())));
                let message = format!("a `{wanted}` is wanted here, and this is {what}");
                self.error(catalogue::TYPE_MISMATCH, run.expr.span, message);
                None
            }
        }
    }

    fn field_of(&self, id: StructId, index: usize) -> Option<(Field, u32)> {
        let information = self.declarations.types.structs.at(id);
        let field = information.fields.get(index)?.clone();
        // What the struct's own alignment says of the field's address.
        let align = if field.offset == 0 {
            information.align
        } else {
            information.align.min(1 << field.offset.trailing_zeros().min(3))
        };
        Some((field, align))
    }

    fn get_field(&mut self, id: StructId, index: usize, values: Vec<Value>, span: Span) -> Value {
        let mut values = values.into_iter();
        let Some((field, align)) = self.field_of(id, index) else { return Value::Error(span) };
        let (Some(base), element, None) = (values.next(), values.next(), values.next()) else {
            let message = format!("`{}` takes the struct, and an index where the field is an array", field.name);
            return self.error(catalogue::WRONG_ARITY, span, message);
        };
        let Some(base) = self.struct_argument(id, base) else { return Value::Error(span) };
        let whole = self.field_value(base, &field, align, span);
        match (element, whole) {
            (None, whole) => whole,
            (Some(index), Value::Run(whole)) => self.array_element(whole, index, span),
            _ => Value::Error(span),
        }
    }

    /// A field's value, or a reference to it where it is a struct or array.
    fn field_value(&mut self, base: Run, field: &Field, align: u32, span: Span) -> Value {
        let Type::Ref(reference) = &base.expr.ty else { return Value::Error(span) };
        let region = reference.region;
        let place = Place { base: Box::new(base.expr), offset: field.offset, index: None, align };
        match field.ty.storage() {
            Some(storage) => Value::Run(self.load(place, storage, &field.ty, span)),
            None => {
                let ty = Type::Ref(RefType { target: RefTarget::Data(field.ty.clone()), region });
                Value::run(ty, span, Typed::Address(place))
            }
        }
    }

    fn set_field(&mut self, id: StructId, index: usize, values: Vec<Value>, span: Span) -> Value {
        let Some((field, align)) = self.field_of(id, index) else { return Value::Error(span) };
        let count = values.len();
        let mut values = values.into_iter();
        match (values.next(), values.next(), values.next(), count) {
            (Some(base), Some(value), None, 2) => {
                let Some(base) = self.struct_argument(id, base) else { return Value::Error(span) };
                let place = Place { base: Box::new(base.expr), offset: field.offset, index: None, align };
                self.store(place, &field.ty, value, span)
            }
            (Some(base), Some(index), Some(value), 3) => {
                let Some(base) = self.struct_argument(id, base) else { return Value::Error(span) };
                let Value::Run(array) = self.field_value(base, &field, align, span) else { return Value::Error(span) };
                let element = match &field.ty {
                    DataType::Array(element, _) => (**element).clone(),
                    DataType::CharArray(_) => DataType::Int(super::super::types::IntType::U8),
                    _ => {
                        let message = format!("`{}` is no array, so it has no element to set", field.name);
                        return self.error(catalogue::WRONG_ARITY, span, message);
                    }
                };
                let Some(place) = self.element_place(array, index) else { return Value::Error(span) };
                self.store(place, &element, value, span)
            }
            _ => {
                let message = format!(
                    "`set-…-{}!` takes the struct, an index where the field is an array, and a value",
                    field.name
                );
                self.error(catalogue::WRONG_ARITY, span, message)
            }
        }
    }

    /// Writes a value to a place: a scalar, or a copy of a whole struct or array.
    pub(in super::super) fn store(&mut self, place: Place, data: &DataType, value: Value, span: Span) -> Value {
        if let Some(storage) = data.storage() {
            let Some(value) = self.store_as(value, data) else { return Value::Error(span) };
            let value = Box::new(self.kept_secret(&place, value));
            return Value::run(Type::Unit, span, Typed::Store { place, storage, value });
        }
        let (bytes, align) = self.declarations.types.layout(data);
        let from = match self.part_value(data, value) {
            Some(PartValue::Copy(from, _)) => from,
            Some(value @ PartValue::Bytes(_)) => {
                let ty = Type::Ref(RefType { target: RefTarget::Data(data.clone()), region: Region::Stack });
                let parts = vec![Part { offset: 0, value }];
                typed::Expr::new(ty, span, Typed::Allocate { data: data.clone(), parts })
            }
            _ => return Value::Error(span),
        };
        let from = Place { base: Box::new(from), offset: 0, index: None, align };
        Value::run(Type::Unit, span, Typed::Copy { to: place, from, bytes })
    }

    /// A value, of which the verifier learns nothing where a loop stores it into memory of the stack: it would follow the rounds to come apart for
    /// each number that a test finds there.
    fn kept_secret(&self, place: &Place, value: typed::Expr) -> typed::Expr {
        let is_on_stack = matches!(place.base.ty, Type::Ref(RefType { region: Region::Stack, .. }));
        match is_on_stack && self.tests_teach_nothing() {
            true => typed::Expr::new(value.ty.clone(), value.span, Typed::Hidden(Box::new(value))),
            false => value,
        }
    }

    /// Applies a procedure of a header of `define-header`.
    fn defined_header_procedure(
        &mut self,
        id: HeaderId,
        procedure: &StructProcedure,
        values: Vec<Value>,
        span: Span,
    ) -> Value {
        let information = self.declarations.headers.at(id).clone();
        let count = values.len();
        let mut values = values.into_iter();
        let Some(first) = values.next() else {
            return self.error(catalogue::WRONG_ARITY, span, "the header is missing");
        };
        let Some(header) = self.header_argument(&information.name, first) else { return Value::Error(span) };
        let place = |field: &super::super::declare::HeaderField, header: &Run| Place {
            base: Box::new(header.expr.clone()),
            offset: field.offset,
            index: None,
            align: 1,
        };
        match (procedure, count) {
            (StructProcedure::Payload, 1) => self.advance_by(header, information.size, span),
            (StructProcedure::Get(index), 1 | 2) => {
                let Some(field) = information.fields.get(*index) else { return Value::Error(span) };
                let place = place(field, &header);
                match (field.storage, values.next()) {
                    (Some(storage), None) => Value::Run(self.load(place, storage, &field.ty, span)),
                    (None, element) => {
                        let ty =
                            Type::Ref(RefType { target: RefTarget::Data(field.ty.clone()), region: Region::Packet });
                        let run = Run::new(typed::Expr::new(ty, span, Typed::Address(place)));
                        let run = Run { epoch: header.epoch, ..run };
                        match element {
                            Some(index) => self.array_element(run, index, span),
                            None => Value::Run(run),
                        }
                    }
                    (Some(_), Some(_)) => {
                        self.error(catalogue::WRONG_ARITY, span, "this field is no array: it takes no index")
                    }
                }
            }
            (StructProcedure::Set(index), 2) => {
                let Some(field) = information.fields.get(*index) else { return Value::Error(span) };
                if !packet_is_writable(self, span) {
                    return Value::Error(span);
                }
                let place = place(field, &header);
                let Some(value) = values.next() else { return Value::Error(span) };
                match field.storage {
                    Some(storage) => {
                        let Some(value) = self.store_as(value, &field.ty) else { return Value::Error(span) };
                        Value::run(Type::Unit, span, Typed::Store { place, storage, value: Box::new(value) })
                    }
                    None => self.store(place, &field.ty, value, span),
                }
            }
            (StructProcedure::Make, _) => self.error(
                catalogue::TYPE_MISMATCH,
                span,
                "a header is part of a packet: it is parsed with `parse-header`, not made",
            ),
            _ => self.error(catalogue::WRONG_ARITY, span, "this takes the header, and for a setter a value"),
        }
    }
}
