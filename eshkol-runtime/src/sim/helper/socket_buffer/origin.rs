//! Helpers that ask where a packet in a socket buffer comes from (`net/core/filter.c`): from no socket, by no route, in the first network namespace.

use super::super::{Arguments, Fault, Helper, Run};
use super::socket_buffer;

pub(in super::super) static HELPERS: &[Helper] = &[
    Helper { number: 24, name: "bpf_get_route_realm", arguments: 1, call: nothing },
    Helper { number: 46, name: "bpf_get_socket_cookie", arguments: 1, call: nothing },
    Helper { number: 47, name: "bpf_get_socket_uid", arguments: 1, call: no_user },
    Helper { number: 79, name: "bpf_skb_cgroup_id", arguments: 1, call: nothing },
    Helper { number: 83, name: "bpf_skb_ancestor_cgroup_id", arguments: 2, call: nothing },
    Helper { number: 122, name: "bpf_get_netns_cookie", arguments: 1, call: |_, _| Ok(FIRST_NAMESPACE) },
    Helper { number: 151, name: "bpf_skb_cgroup_classid", arguments: 1, call: nothing },
];

/// The first number that a namespace gets (`gen_cookie_next` in `include/linux/cookie.h`).
const FIRST_NAMESPACE: u64 = 1;

/// What stands for a user that there is not (`DEFAULT_OVERFLOWUID` in `include/linux/highuid.h`).
const NO_USER: u64 = 65534;

fn nothing(run: &mut Run<'_>, [context, ..]: Arguments) -> Result<u64, Fault> {
    socket_buffer(run, context)?;
    Ok(0)
}

fn no_user(run: &mut Run<'_>, [context, ..]: Arguments) -> Result<u64, Fault> {
    socket_buffer(run, context)?;
    Ok(NO_USER)
}
