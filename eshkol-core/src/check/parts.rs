//! Walking over typed expressions.

use super::typed::{Argument, Expr, ExprKind, Part, PartValue, Place};

/// A function that calls `visit` with each direct part of an expression, in order of evaluation.
macro_rules! direct_parts {
    ($(#[$doc:meta])* $name:ident, $place:ident, $kernel:ident, $($mutable:tt)?) => {
        $(#[$doc])*
        pub(super) fn $name(expr: &$($mutable)? Expr, visit: &mut dyn FnMut(&$($mutable)? Expr)) {
            match &$($mutable)? expr.kind {
                ExprKind::Unit
                | ExprKind::Constant(_)
                | ExprKind::Ipv6Constant(_)
                | ExprKind::MacConstant(_)
                | ExprKind::Local(_)
                | ExprKind::Absent
                | ExprKind::Global(_) => {}
                ExprKind::Let { value, body, .. } | ExprKind::LetValues { value, body, .. } => {
                    visit(value);
                    visit(body);
                }
                ExprKind::Set { value, .. }
                | ExprKind::Cast(value)
                | ExprKind::ByteSwap { value, .. }
                | ExprKind::NetworkOrder { value, .. }
                | ExprKind::BitCount(value)
                | ExprKind::Hidden(value)
                | ExprKind::Apart(value)
                | ExprKind::Not(value)
                | ExprKind::IsPresent(value)
                | ExprKind::Present(value)
                | ExprKind::Some(value)
                | ExprKind::ContextLoad { context: value, .. }
                | ExprKind::PacketStart(value)
                | ExprKind::PacketLength(value) => visit(value),
                ExprKind::Values(items)
                | ExprKind::Seq(items)
                | ExprKind::Continue { arguments: items, .. }
                | ExprKind::Call { arguments: items, .. } => {
                    for item in items {
                        visit(item);
                    }
                }
                ExprKind::If { test, then, otherwise } => {
                    visit(test);
                    visit(then);
                    visit(otherwise);
                }
                ExprKind::Loop { variables, body, .. } => {
                    for (_, value) in variables {
                        visit(value);
                    }
                    visit(body);
                }
                ExprKind::Arithmetic { lhs, rhs, .. } | ExprKind::Compare { lhs, rhs, .. } => {
                    visit(lhs);
                    visit(rhs);
                }
                ExprKind::Load { place, .. } | ExprKind::Address(place) => $place(place, visit),
                ExprKind::Store { place, value, .. } | ExprKind::Atomic { place, value, .. } => {
                    $place(place, visit);
                    visit(value);
                }
                ExprKind::Copy { to, from, .. } => {
                    $place(to, visit);
                    $place(from, visit);
                }
                ExprKind::Allocate { parts, .. } => {
                    for Part { value, .. } in parts {
                        match value {
                            PartValue::Scalar(_, value) | PartValue::Copy(value, _) => visit(value),
                            PartValue::Bytes(_) => {}
                        }
                    }
                }
                ExprKind::CompareExchange { place, expected, value, .. } => {
                    $place(place, visit);
                    visit(expected);
                    visit(value);
                }
                ExprKind::ContextStore { context, value, .. } => {
                    visit(context);
                    visit(value);
                }
                ExprKind::Kernel(op) => op.$kernel().for_each(visit),
                ExprKind::PacketDistance { context, cursor } | ExprKind::Parse { context, cursor, .. } => {
                    visit(context);
                    visit(cursor);
                }
                ExprKind::Advance { from, bytes, .. } => {
                    visit(from);
                    visit(bytes);
                }
                ExprKind::Helper { arguments, .. } => {
                    for argument in arguments {
                        match argument {
                            Argument::Value(value) | Argument::Spilled(_, value) => visit(value),
                            Argument::Map(_) | Argument::Callback(_) => {}
                        }
                    }
                }
            }
        }

        fn $place(place: &$($mutable)? Place, visit: &mut dyn FnMut(&$($mutable)? Expr)) {
            visit(&$($mutable)? place.base);
            if let Some((index, _)) = &$($mutable)? place.index {
                visit(index);
            }
        }
    };
}

direct_parts! {
    /// Calls `visit` with each direct part of an expression, in order of evaluation.
    parts, place_parts, parts,
}
direct_parts! {
    /// The same, to change them.
    parts_mut, place_parts_mut, parts_mut, mut
}
