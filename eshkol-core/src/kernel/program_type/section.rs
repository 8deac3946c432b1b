//! The ELF section of a program. By its name loaders know the program's type, and of a program with one place also that, where the format can say
//! it: libbpf attaches the program there by itself, and can't load one without it that is verified against its place. Source: `SEC_DEF`, `attach_kprobe`,
//! `attach_uprobe`, `attach_tp`, `attach_raw_tp` and `libbpf_find_attach_btf_id` in `tools/lib/bpf/libbpf.c`. aya reads on as far as the first `/`.

use std::borrow::Cow;

use super::ProgramType;

impl ProgramType {
    /// The name of the section of a program with these attach points.
    pub fn section<'p>(
        self,
        frags: bool,
        mut attach_points: impl Iterator<Item = &'p str> + Clone,
    ) -> Cow<'static, str> {
        let hook = self.hook(attach_points.clone());
        let section = match (self.facts().frags, hook.and_then(|hook| hook.section)) {
            (Some((section, _)), _) if frags => section,
            (_, Some(section)) => section,
            _ => self.facts().section,
        };
        // Of several places no section tells.
        let place = match (attach_points.next(), attach_points.next()) {
            (Some(point), None) => self.place_in_section(point),
            _ => None,
        };
        place.map_or(Cow::Borrowed(section), |place| Cow::Owned(format!("{section}/{place}")))
    }

    /// An attach point as the name of a section says it, if it can.
    fn place_in_section(self, point: &str) -> Option<String> {
        match self {
            Self::Tracepoint => {
                let (category, name) = point.split_once(':')?;
                (is_name(category) && is_name(name)).then(|| format!("{category}/{name}"))
            }
            // Known by their names alone, which may stand behind a category.
            Self::RawTracepoint | Self::BtfTracepoint => {
                let name = point.rsplit_once(':').map_or(point, |(_, name)| name);
                is_name(name).then(|| name.to_owned())
            }
            Self::Kprobe | Self::Kretprobe => function(point, self == Self::Kprobe),
            // A path without `/` would be looked for where libraries are. A `:` ends it, and a number is no function.
            Self::Uprobe | Self::Uretprobe => {
                let (path, place) = point.rsplit_once(':')?;
                let is_path = path.contains('/') && !path.contains([':', '\n', '\0']);
                let place = function(place, self == Self::Uprobe).filter(|_| !place.starts_with("0x"))?;
                is_path.then(|| format!("{path}:{place}"))
            }
            _ => None,
        }
    }
}

/// A function, or with `+` a place in it where there can be one: the number as libbpf reads it, to which a leading 0 says that it is octal.
fn function(place: &str, at_an_instruction: bool) -> Option<String> {
    let (name, offset) = place.split_once('+').map_or((place, None), |(name, offset)| (name, Some(offset)));
    let place = match offset {
        None => name.to_owned(),
        Some(_) if !at_an_instruction => return None,
        Some(offset) => {
            let number = match offset.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16),
                None => offset.parse(),
            };
            format!("{name}+{}", number.ok()?)
        }
    };
    is_name(name).then_some(place)
}

/// Whether libbpf reads all of it as a name.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(ty: ProgramType, points: &[&str]) -> String {
        ty.section(false, points.iter().copied()).into_owned()
    }

    #[test]
    fn frags_and_hooks_have_sections_of_their_own() {
        assert_eq!(section(ProgramType::Xdp, &["eth0"]), "xdp");
        assert_eq!(ProgramType::Xdp.section(true, ["eth0"].into_iter()), "xdp.frags");
        assert_eq!(section(ProgramType::CgroupSockAddr, &["sendmsg6:/sys/fs/cgroup/web"]), "cgroup/sendmsg6");
        assert_eq!(section(ProgramType::CgroupSkb, &[]), "cgroup/skb");
        assert_eq!(section(ProgramType::Tc, &["egress:lo"]), "classifier");
    }

    #[test]
    fn one_place_is_in_the_name() {
        for (ty, point, wanted) in [
            (ProgramType::BtfTracepoint, "sched_switch", "tp_btf/sched_switch"),
            (ProgramType::BtfTracepoint, "sched:sched_switch", "tp_btf/sched_switch"),
            (ProgramType::RawTracepoint, "sched:sched_switch", "raw_tp/sched_switch"),
            (ProgramType::Tracepoint, "syscalls:sys_enter_openat", "tracepoint/syscalls/sys_enter_openat"),
            (ProgramType::Kprobe, "tcp_v4_connect.isra.0", "kprobe/tcp_v4_connect.isra.0"),
            (ProgramType::Kprobe, "do_exit+0x10", "kprobe/do_exit+16"),
            (ProgramType::Kprobe, "do_exit+010", "kprobe/do_exit+10"),
            (ProgramType::Kretprobe, "do_exit", "kretprobe/do_exit"),
            (ProgramType::Uprobe, "/lib/libc.so.6:getenv+4", "uprobe//lib/libc.so.6:getenv+4"),
            (ProgramType::Uretprobe, "./tool:main", "uretprobe/./tool:main"),
        ] {
            assert_eq!(section(ty, &[point]), wanted, "{point}");
        }
    }

    #[test]
    fn what_a_name_cannot_say_is_left_out() {
        for (ty, points, wanted) in [
            (ProgramType::Kprobe, &["do_exit", "do_exit+4"][..], "kprobe"),
            (ProgramType::Kprobe, &[], "kprobe"),
            (ProgramType::Kprobe, &["do_exit+much"], "kprobe"),
            (ProgramType::Kretprobe, &["do_exit+4"], "kretprobe"),
            (ProgramType::Tracepoint, &["sys_enter_openat"], "tracepoint"),
            (ProgramType::Tracepoint, &["a:b/c"], "tracepoint"),
            (ProgramType::RawTracepoint, &["a b"], "raw_tp"),
            (ProgramType::Uprobe, &["/bin/tool:0x1139"], "uprobe"),
            (ProgramType::Uprobe, &["tool:main"], "uprobe"),
            (ProgramType::Uprobe, &["/odd:path:main"], "uprobe"),
            (ProgramType::Uprobe, &["/bin/tool:_ZN4core$u20$"], "uprobe"),
            (ProgramType::PerfEvent, &["cpu"], "perf_event"),
        ] {
            assert_eq!(section(ty, points), wanted, "{points:?}");
        }
    }
}
