//! `define-kernel-struct` and `define-kernel-enum`: types of the kernel, of which a unit names the parts that it reads.

use std::sync::Arc;

use super::Declared;
use super::declarer::Declarer;
use super::scope::{self, Scope};
use crate::check::kernel_types::{KernelEnum, KernelField, KernelStruct, KernelStructId, KernelType, kernel_symbol};
use crate::check::type_syntax;
use crate::check::types::{DataType, IntType};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue::{EMPTY_TYPE, MALFORMED_TYPE, NOT_A_KERNEL_TYPE, RECURSIVE_TYPE};
use crate::expand::form::{DefId, Definition, DefinitionKind, FieldSyntax, Ident, ProgramId};
use crate::source::Span;
use crate::syntax::{Datum, DatumKind};

/// References to references, arrays in arrays at most.
const MAXIMUM_DEPTH: u32 = 16;

impl Declarer<'_, '_> {
    /// Declares the structs and enums of the kernel. Structs may refer to each other and to themselves, so all have a number before
    /// any has fields.
    pub(super) fn declare_kernel_types(&mut self) {
        let unit = self.unit;
        let mut structs = Vec::new();
        for (id, definition) in unit.definitions.iter() {
            match &definition.kind {
                DefinitionKind::KernelEnum { variants } => self.declare_kernel_enum(id, definition, variants),
                DefinitionKind::KernelStruct { fields } => {
                    let name = &definition.name;
                    let (name, span) = (name.name.clone(), name.span);
                    let empty = KernelStruct { name, span, fields: Vec::new(), size: 0, align: 1 };
                    let number = self.types.kernel_structs.push(empty);
                    self.by_definition.insert(id, Declared::KernelStruct(number));
                    structs.push((number, definition, fields));
                }
                _ => {}
            }
        }
        for (number, definition, fields) in &structs {
            self.kernel_fields(*number, definition, fields);
        }
        for (number, ..) in &structs {
            self.lay_out(*number, &mut Vec::new());
        }
    }

    fn declare_kernel_enum(&mut self, id: DefId, definition: &Definition, variants: &[Ident]) {
        let name = &definition.name;
        if variants.is_empty() {
            self.report(
                Diagnostic::error(EMPTY_TYPE, name.span, format!("the enum `{}` has no variants", name.name))
                    .with_help("name those that the program reads or compares with, as the kernel does"),
            );
        }
        self.check_members(variants.iter(), "variant");
        self.check_kernel_names(variants.iter().chain([name]));
        let number = self.types.kernel_enums.push(KernelEnum {
            name: name.name.clone(),
            span: name.span,
            variants: variants.iter().map(|variant| variant.name.clone()).collect(),
        });
        self.by_definition.insert(id, Declared::KernelEnum(number));
    }

    fn kernel_fields(&mut self, number: KernelStructId, definition: &Definition, fields: &[FieldSyntax]) {
        let name = &definition.name;
        if fields.is_empty() {
            self.report(
                Diagnostic::error(EMPTY_TYPE, name.span, format!("the struct `{}` has no fields", name.name))
                    .with_help(format!(
                        "name those that the program reads: `(define-kernel-struct {} (pid :i32))`",
                        name.name
                    )),
            );
        }
        self.check_members(fields.iter().map(|field| &field.name), "field");
        self.check_kernel_names(fields.iter().map(|field| &field.name).chain([name]));
        let mut read = Vec::new();
        for field in fields {
            // A field with an error stays, so that its accessor keeps its place.
            let ty = kernel_type(self, definition.program, &field.ty, field.name.span);
            let ty = ty.unwrap_or(KernelType::Data(DataType::Int(IntType::U64)));
            read.push(KernelField { name: field.name.name.clone(), span: field.name.span, ty, offset: 0 });
        }
        self.types.kernel_structs.at_mut(number).fields = read;
    }

    /// Says which names can't be the kernel's.
    fn check_kernel_names<'a>(&mut self, names: impl Iterator<Item = &'a Ident>) {
        for name in names.filter(|name| kernel_symbol(&name.name).is_none()) {
            let message = format!("the kernel can't call anything `{}`", name.name);
            self.report(
                Diagnostic::error(NOT_A_KERNEL_TYPE, name.span, message)
                    .with_help("its names have letters, digits and `_`, for which `-` stands, too"),
            );
        }
    }

    /// Gives the fields of a struct their places, after those of the structs that it holds.
    fn lay_out(&mut self, number: KernelStructId, open: &mut Vec<KernelStructId>) {
        let data = self.types.kernel_structs.at(number);
        if data.size > 0 {
            return;
        }
        let (name, span, mut fields) = (data.name.clone(), data.span, data.fields.clone());
        if open.contains(&number) {
            self.report(
                Diagnostic::error(RECURSIVE_TYPE, span, format!("`{name}` would hold itself"))
                    .with_help(format!("refer to it: `(ref {name})`")),
            );
            return;
        }
        open.push(number);
        let (mut end, mut align): (u32, u32) = (0, 1);
        for field in &mut fields {
            let mut held = &field.ty;
            while let KernelType::Array(element, _) = held {
                held = element;
            }
            if let KernelType::Struct(inner) = held {
                self.lay_out(*inner, open);
            }
            let (bytes, field_align) = self.types.kernel_layout(&field.ty);
            field.offset = end.next_multiple_of(field_align.max(1));
            end = field.offset.saturating_add(bytes);
            align = align.max(field_align);
        }
        open.pop();
        let data = self.types.kernel_structs.at_mut(number);
        data.fields = fields;
        data.size = end.next_multiple_of(align);
        data.align = align;
    }
}

/// Reads a type of the kernel: one datum, or an array type and its length. `None`, with a diagnostic, where there is none.
pub(super) fn kernel_type<'u>(
    scope: &mut dyn Scope<'u>,
    program: Option<ProgramId>,
    data: &[Datum],
    place: Span,
) -> Option<KernelType> {
    read(scope, program, data, place, 0)
}

fn read<'u>(
    scope: &mut dyn Scope<'u>,
    program: Option<ProgramId>,
    data: &[Datum],
    place: Span,
    depth: u32,
) -> Option<KernelType> {
    if depth > MAXIMUM_DEPTH {
        scope.report(Diagnostic::error(MALFORMED_TYPE, place, "types are nested too deeply"));
        return None;
    }
    if let [datum] = data {
        if let Some(declared) = declared(scope, program, datum) {
            return Some(declared);
        }
        if let DatumKind::List(items, None) = &datum.kind
            && let Some((head, rest)) = items.split_first()
        {
            match (head.as_symbol().map(|name| &**name), rest) {
                (Some("ref"), [target]) => {
                    let target = read(scope, program, std::slice::from_ref(target), target.span, depth + 1)?;
                    return Some(KernelType::Pointer(Arc::new(target)));
                }
                (Some("bits"), [int]) => return bits(scope, program, int),
                (Some("array"), [element, length]) if is_kernels(scope, program, element) => {
                    let element = read(scope, program, std::slice::from_ref(element), element.span, depth + 1)?;
                    let bytes = scope.types().kernel_layout(&element).0;
                    let count = type_syntax::array_length(scope, program, length, bytes)?;
                    return Some(KernelType::Array(Arc::new(element), count));
                }
                _ => {}
            }
        }
    }
    let ty = type_syntax::data_type(scope, program, data, place)?;
    if holds_own(&ty) {
        let name = scope.types().name(&ty);
        scope.report(
            Diagnostic::error(NOT_A_KERNEL_TYPE, place, format!("`{name}` is this program's, not the kernel's"))
                .with_help("declare the kernel's with `define-kernel-struct` or `define-kernel-enum`"),
        );
        return None;
    }
    Some(KernelType::Data(ty))
}

/// Whether a type is, or has elements that are, structs or enums of the unit.
fn holds_own(ty: &DataType) -> bool {
    match ty {
        DataType::Struct(_) | DataType::Enum(_) => true,
        DataType::Array(element, _) => holds_own(element),
        _ => false,
    }
}

fn declared<'u>(scope: &mut dyn Scope<'u>, program: Option<ProgramId>, datum: &Datum) -> Option<KernelType> {
    let name = datum.as_symbol().or_else(|| datum.as_keyword())?;
    let definition = scope::find_type(scope.unit(), program, name)?;
    match scope.unit().definitions.get(definition)?.kind {
        DefinitionKind::KernelStruct { .. } | DefinitionKind::KernelEnum { .. } => {}
        _ => return None,
    }
    match scope.declared(definition, datum.span)? {
        Declared::KernelStruct(id) => Some(KernelType::Struct(id)),
        Declared::KernelEnum(id) => Some(KernelType::Enum(id)),
        _ => None,
    }
}

/// Whether elements of an array are no data.
fn is_kernels<'u>(scope: &mut dyn Scope<'u>, program: Option<ProgramId>, datum: &Datum) -> bool {
    let form = datum.as_list().and_then(|items| items.first()).and_then(Datum::as_symbol);
    form.is_some_and(|name| matches!(&**name, "ref" | "array")) || declared(scope, program, datum).is_some()
}

/// `(bits T)`
fn bits<'u>(scope: &mut dyn Scope<'u>, program: Option<ProgramId>, datum: &Datum) -> Option<KernelType> {
    match type_syntax::data_type(scope, program, std::slice::from_ref(datum), datum.span)? {
        DataType::Int(int) => Some(KernelType::Bits(int)),
        _ => {
            scope.report(
                Diagnostic::error(NOT_A_KERNEL_TYPE, datum.span, "a bit field is read as a number")
                    .with_help("write an integer type, as in `(bits :u32)`"),
            );
            None
        }
    }
}
