//! What calls do to memory. What the tables of helpers do not say is taken to change everything.

use crate::ir::{Function, Op, Value, ValueType};
use crate::kernel::HelperId;
use crate::kernel::helper::{self, ArgumentKind, Helper, ResultKind};

fn known(op: &Op) -> Option<&'static Helper> {
    match op {
        Op::CallHelper { helper, .. } => helper::by_id(*helper),
        _ => None,
    }
}

/// The arguments of a call.
pub(super) fn arguments(op: &Op) -> &[Value] {
    match op {
        Op::CallHelper { arguments, .. } | Op::CallFunction { arguments, .. } => arguments,
        _ => &[],
    }
}

/// Whether a call may write to the stack memory that its argument at a position points to.
pub(super) fn writes_argument(op: &Op, position: usize) -> bool {
    let Some(helper) = known(op) else { return true };
    !matches!(
        helper.arguments.get(position),
        Some(
            ArgumentKind::Memory
                | ArgumentKind::MemoryOrNull
                | ArgumentKind::FixedMemory(_)
                | ArgumentKind::MapKey
                | ArgumentKind::MapValue
        )
    )
}

/// The memory that a call writes every byte of without reading it, and how many these are.
pub(super) fn filled_argument(function: &Function, op: &Op) -> Option<(Value, u32)> {
    // `bpf_get_current_comm` fills what is left with zeros, also where it fails (`kernel/bpf/helpers.c`), and takes memory without a
    // value (`ARG_PTR_TO_UNINIT_MEM`).
    const GET_CURRENT_COMM: u32 = 16;
    match op {
        Op::CallHelper { helper, arguments } if helper.0 == GET_CURRENT_COMM => {
            let [pointer, size] = *arguments.as_slice() else { return None };
            Some((pointer, u32::try_from(function.constant(size)?).ok()?))
        }
        _ => None,
    }
}

/// Whether a call may change memory that is not on the stack and not behind one of its arguments: map values, globals.
pub(super) fn changes_shared_memory(op: &Op) -> bool {
    let Some(helper) = known(op) else { return true };
    let takes_map = helper.arguments.iter().any(|kind| matches!(kind, ArgumentKind::Map(_)));
    takes_map && helper.result != ResultKind::OptionalMapValue
}

/// Whether a call may change what is in the packet, other than behind its arguments.
pub(super) fn changes_packet(op: &Op) -> bool {
    known(op).is_none_or(|helper| {
        // `bpf_xdp_store_bytes` writes there, and leaves it where it is.
        let takes_context = helper.arguments.contains(&ArgumentKind::Context);
        helper.changes_packet_data || takes_context && !only_reads(helper)
    })
}

/// Whether an instruction may change what loads of the context give: where the packet is, above all.
pub(super) fn changes_context(function: &Function, op: &Op) -> bool {
    let is_context = |value: &Value| function.value_type(*value) == ValueType::Context;
    match op {
        Op::Store { base, .. } => {
            matches!(function.value_type(*base), ValueType::Context | ValueType::Memory)
        }
        Op::CallHelper { arguments, .. } | Op::CallFunction { arguments, .. } => match known(op) {
            Some(helper) => helper.changes_packet_data || arguments.iter().any(is_context) && !only_reads(helper),
            None => true,
        },
        _ => false,
    }
}

/// Whether a helper does nothing but give a result, or write what it has read to memory that it is given: without a use of that, nobody can tell
/// whether it was called.
pub(super) fn only_looks(helper: HelperId) -> bool {
    // `bpf_probe_read`, `bpf_ktime_get_ns`, `bpf_get_prandom_u32`, `bpf_get_smp_processor_id`, `bpf_get_current_pid_tgid`,
    // `bpf_get_current_uid_gid`, `bpf_get_current_comm`, `bpf_skb_load_bytes`, `bpf_get_current_task`, `bpf_get_numa_node_id`,
    // `bpf_probe_read_str`, `bpf_get_socket_cookie`, `bpf_get_socket_uid`, `bpf_get_stack`, `bpf_skb_load_bytes_relative`,
    // `bpf_get_current_cgroup_id`, `bpf_probe_read_user`, `bpf_probe_read_kernel`, `bpf_probe_read_user_str`,
    // `bpf_probe_read_kernel_str`, `bpf_get_current_ancestor_cgroup_id`, `bpf_ktime_get_boot_ns`, `bpf_ktime_get_coarse_ns`,
    // `bpf_get_func_ip`, `bpf_xdp_get_buff_len`, `bpf_xdp_load_bytes`.
    [4, 5, 7, 8, 14, 15, 16, 26, 35, 42, 45, 46, 47, 67, 68, 80, 112, 113, 114, 115, 123, 125, 160, 173, 188, 189]
        .contains(&helper.0)
}

/// Whether a helper that takes the context leaves it as it is.
fn only_reads(helper: &Helper) -> bool {
    // `bpf_tail_call`, `bpf_perf_event_output`, `bpf_skb_load_bytes`, `bpf_get_stackid`, `bpf_get_socket_cookie`,
    // `bpf_get_socket_uid`, `bpf_fib_lookup`, `bpf_sk_lookup_tcp`, `bpf_sk_lookup_udp`, `bpf_skc_lookup_tcp`, `bpf_check_mtu`,
    // `bpf_xdp_get_buff_len`, `bpf_xdp_load_bytes` (`net/core/filter.c`).
    [12, 25, 26, 27, 46, 47, 69, 84, 85, 99, 163, 188, 189].contains(&helper.id.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Id as _;
    use crate::check::typed::KfuncId;
    use crate::ir::FunctionId;

    fn call(id: u32) -> Op {
        Op::CallHelper { helper: HelperId(id), arguments: Vec::new() }
    }

    #[test]
    fn what_is_not_known_changes_everything() {
        let declared = Op::CallHelper { helper: HelperId::declared(KfuncId::new(0)), arguments: Vec::new() };
        for op in [call(99_999), declared, Op::CallFunction { function: FunctionId::new(0), arguments: Vec::new() }] {
            assert!(writes_argument(&op, 0) && changes_shared_memory(&op) && changes_packet(&op));
        }
    }

    #[test]
    fn what_is_known() {
        // bpf_map_lookup_elem, bpf_map_update_elem, bpf_xdp_adjust_head, bpf_probe_read_kernel
        let shared = [1, 2, 44, 113].map(|id| changes_shared_memory(&call(id)));
        assert_eq!(shared, [false, true, false, false]);
        // …, bpf_xdp_load_bytes, bpf_xdp_store_bytes
        let packet = [1, 2, 44, 113, 189, 190].map(|id| changes_packet(&call(id)));
        assert_eq!(packet, [false, false, true, false, false, true]);
        assert!(!writes_argument(&call(1), 1) && !writes_argument(&call(2), 2) && writes_argument(&call(113), 0));
    }
}
