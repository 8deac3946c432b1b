//! Structs with C's layout, and enums.

use super::declarer::Declarer;
use super::scope::Scope;
use crate::check::constant;
use crate::check::type_syntax::{self, MAXIMUM_BYTES};
use crate::check::types::{Enum, EnumId, Field, Struct, StructId};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::catalogue::{DUPLICATE_MEMBER, EMPTY_TYPE, ENUM_VALUE, TYPE_TOO_LARGE};
use crate::expand::form::{DefId, Definition, Expr, FieldSyntax, Ident};

impl Declarer<'_, '_> {
    pub(super) fn declare_struct(&mut self, definition: &Definition, fields: &[FieldSyntax]) -> Option<StructId> {
        let name = &definition.name;
        if fields.is_empty() {
            self.report(
                Diagnostic::error(EMPTY_TYPE, name.span, format!("the struct `{}` has no fields", name.name))
                    .with_help(format!("give it one: `(define-struct {} (count :u64))`", name.name)),
            );
            return None;
        }
        let mut whole = self.check_members(fields.iter().map(|field| &field.name), "field");
        let mut end: u32 = 0;
        let mut align: u32 = 1;
        let mut laid = Vec::new();
        for field in fields {
            let Some(ty) = type_syntax::data_type(self, definition.program, &field.ty, field.name.span) else {
                whole = false;
                continue;
            };
            let (size, field_align) = self.types.layout(&ty);
            let offset = end.next_multiple_of(field_align.max(1));
            end = offset.saturating_add(size);
            align = align.max(field_align);
            if end > MAXIMUM_BYTES {
                self.report(
                    Diagnostic::error(
                        TYPE_TOO_LARGE,
                        field.name.span,
                        format!("the struct `{}` is too large", name.name),
                    )
                    .with_label(format!("with this field it has more than {MAXIMUM_BYTES} bytes"))
                    .with_help("keep more in the elements of an `:array` map"),
                );
                return None;
            }
            let (field_name, span) = (field.name.name.clone(), (!definition.prelude).then_some(field.name.span));
            laid.push(Field { name: field_name, span, doc: field.doc.clone(), ty, offset });
        }
        whole.then(|| {
            self.types.structs.push(Struct {
                name: name.name.clone(),
                span: (!definition.prelude).then_some(name.span),
                doc: definition.doc.clone(),
                fields: laid,
                size: end.next_multiple_of(align),
                align,
            })
        })
    }

    pub(super) fn declare_enum(
        &mut self,
        id: DefId,
        definition: &Definition,
        variants: &[(Ident, Option<Expr>)],
    ) -> Option<EnumId> {
        let name = &definition.name;
        if variants.is_empty() {
            self.report(
                Diagnostic::error(EMPTY_TYPE, name.span, format!("the enum `{}` has no variants", name.name))
                    .with_help(format!("give it one: `(define-enum {} first second)`", name.name)),
            );
            return None;
        }
        let whole = self.check_members(variants.iter().map(|(name, _)| name), "variant");
        self.open_enums.insert(id, Vec::new());
        let values = self.enum_values(id, definition, variants);
        self.open_enums.remove(&id);
        let values = values.filter(|_| whole)?;
        let variants = variants.iter().map(|(variant, _)| variant.name.clone()).zip(values).collect();
        Some(self.types.enums.push(Enum {
            name: name.name.clone(),
            span: name.span,
            doc: definition.doc.clone(),
            variants,
        }))
    }

    /// The values, each one more than the one before where it is not given.
    fn enum_values(
        &mut self,
        id: DefId,
        definition: &Definition,
        variants: &[(Ident, Option<Expr>)],
    ) -> Option<Vec<u32>> {
        let mut values: Vec<u32> = Vec::new();
        let mut next: i128 = 0;
        for (variant, given) in variants {
            let place = given.as_ref().map_or(variant.span, |expr| expr.span);
            if let Some(given) = given {
                next = constant::of_expression(self, definition.program, given)?;
            }
            let Ok(value) = u32::try_from(next) else {
                self.report(
                    Diagnostic::error(ENUM_VALUE, place, format!("{next} is not a value for `{}`", variant.name))
                        .with_help("the values of an enum are from 0 to 4294967295"),
                );
                return None;
            };
            if let Some((earlier, _)) = variants.iter().zip(&values).find(|(_, known)| **known == value) {
                let (earlier, _) = earlier;
                self.report(
                    Diagnostic::error(
                        ENUM_VALUE,
                        place,
                        format!("`{}` has the same value as `{}`: {value}", variant.name, earlier.name),
                    )
                    .with_note(earlier.span, "first used here")
                    .with_help("give each variant a value of its own"),
                );
                return None;
            }
            values.push(value);
            if let Some(open) = self.open_enums.get_mut(&id) {
                open.push(value);
            }
            next = i128::from(value) + 1;
        }
        Some(values)
    }

    /// Whether no name stands twice; says where one does.
    pub(super) fn check_members<'a>(&mut self, names: impl Iterator<Item = &'a Ident>, what: &str) -> bool {
        let mut seen: Vec<&Ident> = Vec::new();
        let mut unique = true;
        for name in names {
            if let Some(first) = seen.iter().find(|known| known.name == name.name) {
                unique = false;
                self.report(
                    Diagnostic::error(DUPLICATE_MEMBER, name.span, format!("the {what} `{}` stands twice", name.name))
                        .with_note(first.span, "first here")
                        .with_help("rename one of them"),
                );
            }
            seen.push(name);
        }
        unique
    }
}
