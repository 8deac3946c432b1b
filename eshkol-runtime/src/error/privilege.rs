//! Why the kernel says "operation not permitted": which capabilities something needs, which of them this process lacks, and what else forbids bpf.

use std::fs;

/// What an operation needs to be allowed.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// Maps and objects: `CAP_BPF`.
    Maps,
    /// Programs on network packets: `CAP_BPF` and `CAP_NET_ADMIN`.
    Networking,
    /// Programs on events of kernel and processes: `CAP_BPF` and `CAP_PERFMON`.
    Tracing,
}

/// Capabilities, by their number in include/uapi/linux/capability.h.
#[derive(Copy, Clone, PartialEq, Eq)]
struct Capability {
    number: u32,
    name: &'static str,
}

const NET_ADMIN: Capability = Capability { number: 12, name: "CAP_NET_ADMIN" };
const SYS_ADMIN: Capability = Capability { number: 21, name: "CAP_SYS_ADMIN" };
const PERFMON: Capability = Capability { number: 38, name: "CAP_PERFMON" };
const BPF: Capability = Capability { number: 39, name: "CAP_BPF" };

impl Need {
    fn capabilities(self) -> &'static [Capability] {
        match self {
            Self::Maps => &[BPF],
            Self::Networking => &[BPF, NET_ADMIN],
            Self::Tracing => &[BPF, PERFMON],
        }
    }
}

/// What this process could do about a refusal.
pub(crate) fn missing(need: Need) -> String {
    explain(need, &Situation::read())
}

/// What decides about privilege.
struct Situation {
    /// Effective capabilities, a bit each.
    effective: Option<u64>,
    /// Whether the kernel has `CAP_BPF` and `CAP_PERFMON` at all (5.8).
    fine_capabilities: bool,
    /// In a user namespace other than the first, where capabilities do not count for bpf(2).
    user_namespace: bool,
    /// Under a seccomp filter.
    seccomp: bool,
    /// `/sys/kernel/security/lockdown`: `none [integrity] confidentiality`.
    lockdown: Option<String>,
}

impl Situation {
    fn read() -> Self {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let last_capability = fs::read_to_string("/proc/sys/kernel/cap_last_cap").ok();
        let uid_map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").ok();
        Self {
            effective: field("CapEff:").and_then(|set| u64::from_str_radix(set, 16).ok()),
            fine_capabilities: last_capability
                .and_then(|n| n.trim().parse::<u32>().ok())
                .is_none_or(|last| last >= BPF.number),
            user_namespace: !uid_map.split_whitespace().eq(["0", "0", "4294967295"]),
            seccomp: field("Seccomp:") == Some("2"),
            lockdown: lockdown
                .and_then(|modes| Some(modes.split_once('[')?.1.split_once(']')?.0.to_owned()))
                .filter(|mode| mode != "none"),
        }
    }

    fn has(&self, capability: Capability) -> bool {
        self.effective.is_some_and(|set| set >> capability.number & 1 == 1)
    }
}

fn explain(need: Need, situation: &Situation) -> String {
    if situation.user_namespace {
        return "This process is in a user namespace, whose capabilities do not count for eBPF: run it outside of it"
            .to_owned();
    }
    let wanted = if situation.fine_capabilities { need.capabilities() } else { &[SYS_ADMIN] };
    let missing: Vec<&str> = if situation.has(SYS_ADMIN) {
        // It stands for the finer ones, except for administering the network.
        wanted.iter().filter(|c| **c == NET_ADMIN && !situation.has(**c)).map(|c| c.name).collect()
    } else {
        wanted.iter().filter(|c| !situation.has(**c)).map(|c| c.name).collect()
    };
    if !missing.is_empty() {
        let names = missing.join(" and ");
        let lower = missing.join(",").to_lowercase();
        return format!(
            "This process lacks {names}: run it as root, or give the capabilities to its file (`sudo setcap {lower}+ep FILE`) or its \
             service (`AmbientCapabilities={}`)",
            missing.join(" "),
        );
    }
    match (&situation.lockdown, situation.seccomp) {
        (Some(mode), _) => format!(
            "This process has the capabilities, but the kernel is locked down ({mode}), which forbids programs to read kernel memory"
        ),
        (None, true) => "This process has the capabilities, but runs under a seccomp filter, as in a container: one that forbids \
                         bpf(2) must allow it"
            .to_owned(),
        (None, false) => {
            "This process has the capabilities: a security module (`dmesg`, the audit log), a limit on locked memory before Linux 5.11 \
             (`ulimit -l unlimited`), or a kernel built without this feature may forbid it"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation(capabilities: &[Capability]) -> Situation {
        Situation {
            effective: Some(capabilities.iter().fold(0, |set, c| set | 1 << c.number)),
            fine_capabilities: true,
            user_namespace: false,
            seccomp: false,
            lockdown: None,
        }
    }

    #[test]
    fn names_exactly_what_is_missing() {
        let text = explain(Need::Networking, &situation(&[]));
        assert!(text.starts_with("This process lacks CAP_BPF and CAP_NET_ADMIN: run it as root"), "{text}");
        assert!(text.contains("setcap cap_bpf,cap_net_admin+ep"), "{text}");
        let text = explain(Need::Networking, &situation(&[BPF]));
        assert!(text.starts_with("This process lacks CAP_NET_ADMIN:"), "{text}");
        let text = explain(Need::Tracing, &situation(&[BPF, NET_ADMIN]));
        assert!(text.starts_with("This process lacks CAP_PERFMON:"), "{text}");
        let text = explain(Need::Networking, &situation(&[SYS_ADMIN]));
        assert!(text.starts_with("This process lacks CAP_NET_ADMIN:"), "{text}");
    }

    #[test]
    fn kernels_without_the_fine_capabilities_want_the_big_one() {
        let old = Situation { fine_capabilities: false, ..situation(&[]) };
        assert!(explain(Need::Networking, &old).starts_with("This process lacks CAP_SYS_ADMIN:"));
    }

    #[test]
    fn with_every_capability_something_else_forbids_it() {
        let all = [BPF, NET_ADMIN, PERFMON, SYS_ADMIN];
        let locked = Situation { lockdown: Some("integrity".into()), ..situation(&all) };
        assert!(explain(Need::Tracing, &locked).contains("locked down (integrity)"));
        let contained = Situation { seccomp: true, ..situation(&all) };
        assert!(explain(Need::Tracing, &contained).contains("seccomp"));
        let nested = Situation { user_namespace: true, ..situation(&all) };
        assert!(explain(Need::Tracing, &nested).contains("user namespace"));
        assert!(explain(Need::Tracing, &situation(&all)).contains("security module"));
    }
}
