use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[test]
fn names_and_numbers_are_the_kernels() {
    for helper in all() {
        let known = names::by_name(helper.name).unwrap_or_else(|| panic!("{} is no helper", helper.name));
        assert_eq!(known.id, helper.id, "{}", helper.name);
        assert!(!known.not_available_yet, "{} is available", helper.name);
        assert_eq!(by_id(helper.id).unwrap().name, helper.name);
    }
    assert_eq!(by_name("bpf-xdp-adjust-tail").unwrap().id, HelperId(65));
    assert_eq!(names::by_name("bpf-cgrp-storage-delete").unwrap().id, HelperId(211));
    assert_eq!(names::by_name("bpf-map-lookup-elem").unwrap().id, HelperId(1));
    assert!(names::by_name("bpf-unspec").is_none());
    assert!(names::by_name("bpf_map_lookup_elem").is_none());
    assert!(names::by_name("bpf-sk-lookup-tcp").unwrap().not_available_yet);
    assert!(!names::by_name("bpf-skb-pull-data").unwrap().not_available_yet);
}

#[test]
fn a_size_follows_each_memory_argument() {
    for helper in all() {
        assert!(helper.arguments.len() <= 5, "{}", helper.name);
        for (index, argument) in helper.arguments.iter().enumerate() {
            let next = helper.arguments.get(index + 1);
            let sized = matches!(next, Some(ArgumentKind::Size | ArgumentKind::SizeOrZero));
            let memory = matches!(
                argument,
                ArgumentKind::Memory | ArgumentKind::MemoryOrNull | ArgumentKind::MemoryOut | ArgumentKind::MemoryInOut
            );
            assert_eq!(memory, sized, "{} argument {index}", helper.name);
        }
    }
}

#[test]
fn a_program_type_has_a_helper_no_earlier_than_the_kernel() {
    for helper in all() {
        for (programs, since) in helper.programs {
            assert!(*since >= helper.since, "{} in {programs:?}", helper.name);
        }
        for program in ProgramType::ALL {
            assert!(helper.since_in(*program).is_none_or(|since| since >= program.since()), "{}", helper.name);
        }
    }
}

#[test]
fn map_helpers_take_the_kinds_that_have_the_operation() {
    for kind in MapKind::all() {
        let takes = |name: &str| {
            let arguments = by_name(name).unwrap().arguments;
            matches!(arguments[0], ArgumentKind::Map(kinds) if kinds.contains(&kind))
        };
        assert_eq!(takes("bpf-map-lookup-elem"), kind.has_lookup(), "{kind:?}");
        assert_eq!(takes("bpf-map-update-elem"), kind.has_update(), "{kind:?}");
        assert_eq!(takes("bpf-map-delete-elem"), kind.has_delete(), "{kind:?}");
        assert_eq!(takes("bpf-redirect-map"), kind.has_redirect(), "{kind:?}");
        assert_eq!(takes("bpf-for-each-map-elem"), kind.has_for_each(), "{kind:?}");
    }
}

#[test]
fn licences_are_the_kernels() {
    let old = KernelVersion::new(5, 4);
    let new = KernelVersion::new(5, 8);
    let time = by_name("bpf-ktime-get-ns").unwrap();
    assert!(time.is_gpl_only(old));
    assert!(!time.is_gpl_only(new));
    assert!(by_name("bpf-trace-printk").unwrap().is_gpl_only(new));
    assert!(is_gpl_compatible("Dual MIT/GPL"));
    assert!(!is_gpl_compatible("gpl"));
    assert!(!is_gpl_compatible("MIT"));
}

/// What real kernels answer, where the probes are there.
#[test]
fn availability_is_what_kernels_answer() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find_map(|parent| {
        let directory = parent.join("shared/kernels");
        directory.is_dir().then_some(directory)
    });
    let Some(directory) = directory else {
        eprintln!("skipped: no shared/kernels beside the project");
        return;
    };
    let mut probes = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let Some(version) = path.file_name().unwrap().to_str().unwrap().strip_prefix("features-") else { continue };
        let mut numbers = version.split('.').map(|part| part.parse::<u16>().unwrap_or(0));
        let version = KernelVersion::new(numbers.next().unwrap(), numbers.next().unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        probes += 1;
        for program in ProgramType::ALL {
            // The probe has no list for programs that are verified against what they are attached to.
            if program.is_given_typed_arguments() || version < program.since() {
                continue;
            }
            let probe = match program {
                ProgramType::Tc | ProgramType::Tcx => "sched_cls".to_owned(),
                other if other.is_probe() => "kprobe".to_owned(),
                other => other.keyword().replace('-', "_"),
            };
            let (_, list) = text.split_once(&format!("\"{probe}_available_helpers\":[")).unwrap();
            let list = list.split_once(']').unwrap().0;
            let available: BTreeSet<&str> = list.split(',').map(|name| name.trim().trim_matches('"')).collect();
            for helper in all() {
                let name = helper.name.replace('-', "_");
                // The probe leaves out what would write to the kernel's log; and the verifier refuses this one to some after all, with words
                // that the probe does not know (`check_get_func_ip`).
                if name.starts_with("bpf_trace_") || name == "bpf_get_func_ip" {
                    continue;
                }
                let claimed = helper.since_in(*program).is_some_and(|since| since <= version);
                assert_eq!(claimed, available.contains(name.as_str()), "{name} in {program:?} on {version}");
            }
            for name in available {
                let known = names::by_name(&name.replace('_', "-")).unwrap_or_else(|| panic!("{name} is not known"));
                let sleeps = name.starts_with("bpf_copy_from_user");
                assert!(known.not_available_yet || sleeps || by_id(known.id).is_some(), "{name} is told apart");
            }
        }
    }
    assert!(probes > 0);
}
