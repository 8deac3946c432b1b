//! Helpers, by table: a row says the number, the name, how many arguments there are, and what it does.
//!
//! A helper gives a number, an `errno` negated where the kernel would; a [`Fault`] is for what the kernel's verifier would have refused.

mod control;
mod information;
mod map;
mod memory;
mod network;
mod redirect;
mod socket_buffer;
mod stack;
mod text;
mod tracing;

use std::sync::OnceLock;

use super::execute::Run;
use super::map::Errno;
use super::memory::Fault;

/// R1 to R5. Those that the helper has no use for are 0.
pub(super) type Arguments = [u64; 5];

/// A helper.
pub(super) struct Helper {
    pub(super) number: u32,
    pub(super) name: &'static str,
    /// How many arguments it takes at least.
    pub(super) arguments: usize,
    pub(super) call: fn(&mut Run<'_>, Arguments) -> Result<u64, Fault>,
}

/// Every table.
static TABLES: &[&[Helper]] = &[
    map::HELPERS,
    information::HELPERS,
    memory::HELPERS,
    network::HELPERS,
    redirect::HELPERS,
    socket_buffer::HELPERS,
    socket_buffer::checksum::HELPERS,
    socket_buffer::flow::HELPERS,
    socket_buffer::origin::HELPERS,
    socket_buffer::room::HELPERS,
    socket_buffer::tunnel::HELPERS,
    socket_buffer::vlan::HELPERS,
    stack::HELPERS,
    tracing::HELPERS,
    control::HELPERS,
];

/// The helper of a number.
pub(super) fn find(number: u32) -> Option<&'static Helper> {
    static BY_NUMBER: OnceLock<Vec<Option<&'static Helper>>> = OnceLock::new();
    let by_number = BY_NUMBER.get_or_init(|| {
        let mut by_number = Vec::new();
        for helper in TABLES.iter().copied().flatten() {
            let index = helper.number as usize;
            if by_number.len() <= index {
                by_number.resize(index + 1, None);
            }
            by_number[index] = Some(helper);
        }
        by_number
    });
    by_number.get(number as usize).copied().flatten()
}

/// `ENOTSUPP` of include/linux/errno.h, which user space has no name for.
const ENOTSUPP: Errno = Errno(524);

/// What a helper gives that has 0 for success.
fn outcome(result: Result<(), Errno>) -> u64 {
    match result {
        Ok(()) => 0,
        Err(errno) => negated(errno),
    }
}

fn negated(Errno(errno): Errno) -> u64 {
    i64::from(-errno).cast_unsigned()
}

/// A size that a program gives; one that is too large to be is caught where the memory is looked at.
fn size(argument: u64) -> usize {
    usize::try_from(argument).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_there_twice() {
        let mut numbers: Vec<u32> = TABLES.iter().copied().flatten().map(|helper| helper.number).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
        assert_eq!(find(1).map(|helper| helper.name), Some("bpf_map_lookup_elem"));
        assert!(find(0).is_none());
    }
}
