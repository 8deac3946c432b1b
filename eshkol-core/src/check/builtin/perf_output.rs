//! Events through the buffers of the CPUs.

use super::super::checker::Checker;
use super::super::typed::Argument;
use super::super::value::Value;
use super::event::{event_argument, is_allowed, number};
use super::map::{Use, map_argument};
use super::{Builtin, Call};
use crate::diagnostic::catalogue;
use crate::kernel::helper::PERF_EVENT_OUTPUT;

pub(super) static TABLE: &[Builtin] = &[Builtin { name: "perf-output", arity: (3, 3), check: output }];

/// `BPF_F_CURRENT_CPU`
const THIS_CPU: u32 = u32::MAX;

/// Bytes of an event at most: with what is around it, it is a record whose length has 16 bits (`bpf_perf_event_output` in
/// `include/uapi/linux/bpf.h`).
const LARGEST: u32 = (64 << 10) - 24;

/// `(perf-output ctx m event)`: sends a struct through the buffer of the CPU. Gives 0, or a negative errno where there is no room or nobody
/// reads; such events are counted.
fn output(checker: &mut Checker<'_>, call: Call<'_>) -> Value {
    let span = call.span;
    let [context, map, event] = call.arguments();
    let context = checker.context_argument(context);
    let map = map_argument(checker, &map, Use::Output);
    let event = event_argument(checker, event);
    let (Some(context), Some(id), Some((event, ty))) = (context, map, event) else { return Value::Error(span) };
    if !is_allowed(checker, PERF_EVENT_OUTPUT, span) || !checker.sends(id, ty, event.span) {
        return Value::Error(span);
    }
    let data = checker.declarations.types.structs.at(ty);
    let (name, size) = (&data.name, data.size);
    if size > LARGEST {
        let message = format!("an event has at most {LARGEST} bytes here, and `{name}` has {size}");
        return checker.error(catalogue::MAP_OPERATION, event.span, message);
    }
    let arguments = vec![
        Argument::Value(context),
        Argument::Map(id),
        number(THIS_CPU, span),
        Argument::Value(event),
        number(size, span),
    ];
    checker.send_by(PERF_EVENT_OUTPUT, arguments, id, span)
}
