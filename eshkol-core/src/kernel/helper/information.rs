//! Helpers that tell something: time, random numbers, where the program runs. Source: `kernel/bpf/helpers.c`
//! (`bpf_base_func_proto`), `kernel/trace/bpf_trace.c` (`bpf_tracing_func_proto`), `net/core/filter.c`.

use super::ArgumentKind::{Int, Memory, MemoryOrNull, MemoryOut, Size, SizeOrZero};
use super::Programs::{Any, One, SocketFilter, Tracing, TrafficControl};
use super::{Helper, Licence, Programs, ResultKind};
use crate::check::types::IntType;
use crate::kernel::{KernelVersion, ProgramType};

const U32: ResultKind = ResultKind::Int(IntType::U32);
const U64: ResultKind = ResultKind::Int(IntType::U64);

const fn version(major: u16, minor: u16) -> KernelVersion {
    KernelVersion::new(major, minor)
}

/// Those of cgroups that deal with addresses run in the process that calls. What they have since when is what the oldest kernel asked has.
const SOCK_ADDR: Programs = One(ProgramType::CgroupSockAddr);
const SOCK_ADDR_5_10: (Programs, KernelVersion) = (SOCK_ADDR, version(5, 10));

/// When programs of other types than those for tracing got a helper: commit c501bf55c88b.
const ANY_6_4: (Programs, KernelVersion) = (Any, version(6, 4));
/// Commit eb166e522c77.
const ANY_6_10: (Programs, KernelVersion) = (Any, version(6, 10));
/// Commit ee971630f20f.
const ANY_6_16: (Programs, KernelVersion) = (Any, version(6, 16));

pub(super) static HELPERS: &[Helper] = &[
    Helper {
        // Commit 082b57e3eb09.
        licence: Licence::GplBefore(version(5, 8)),
        ..Helper::row(
            5,
            "bpf-ktime-get-ns",
            version(4, 1),
            U64,
            &[(Any, version(4, 1))],
            "nanoseconds since boot, without suspension",
        )
    },
    Helper {
        licence: Licence::Gpl,
        arguments: &[Memory, Size],
        variadic: true,
        ..Helper::row(
            6,
            "bpf-trace-printk",
            version(4, 1),
            ResultKind::Int(IntType::I64),
            &[(Any, version(4, 1))],
            "writes a line to the kernel's trace pipe",
        )
    },
    Helper::row(7, "bpf-get-prandom-u32", version(4, 1), U32, &[(Any, version(4, 1))], "a pseudo-random number"),
    Helper::row(8, "bpf-get-smp-processor-id", version(4, 1), U32, &[(Any, version(4, 1))], "the number of this CPU"),
    Helper::row(
        14,
        "bpf-get-current-pid-tgid",
        version(4, 2),
        U64,
        &[(Tracing, version(4, 2)), SOCK_ADDR_5_10, ANY_6_10],
        "process id in the upper, thread id in the lower 32 bits",
    ),
    Helper::row(
        15,
        "bpf-get-current-uid-gid",
        version(4, 2),
        U64,
        &[(Tracing, version(4, 2)), (SOCK_ADDR, version(4, 17)), ANY_6_16],
        "group id in the upper, user id in the lower 32 bits",
    ),
    Helper {
        arguments: &[MemoryOut, Size],
        ..Helper::row(
            16,
            "bpf-get-current-comm",
            version(4, 2),
            ResultKind::Errno,
            &[(Tracing, version(4, 2)), SOCK_ADDR_5_10, ANY_6_16],
            "fills a buffer with the current task's name",
        )
    },
    Helper {
        licence: Licence::Gpl,
        ..Helper::row(
            35,
            "bpf-get-current-task",
            version(4, 8),
            U64,
            &[(Tracing, version(4, 8)), (Any, version(5, 8))],
            "the address of the current task's task_struct",
        )
    },
    Helper {
        licence: Licence::Gpl,
        ..Helper::row(
            158,
            "bpf-get-current-task-btf",
            version(5, 11),
            ResultKind::KernelStruct("task_struct"),
            // Commit 3ca1032ab7ab. Others got it between 5.11 and 6.1.
            &[(Tracing, version(5, 11)), (Any, version(6, 1))],
            "the current task",
        )
    },
    Helper::row(
        42,
        "bpf-get-numa-node-id",
        version(4, 10),
        ResultKind::Int(IntType::I64),
        &[(Any, version(4, 10))],
        "the number of this CPU's NUMA node",
    ),
    Helper::row(
        80,
        "bpf-get-current-cgroup-id",
        version(4, 18),
        U64,
        &[(Tracing, version(4, 18)), SOCK_ADDR_5_10, ANY_6_4],
        "the current task's cgroup",
    ),
    Helper {
        arguments: &[Int(IntType::U32)],
        ..Helper::row(
            109,
            "bpf-send-signal",
            version(5, 3),
            ResultKind::Errno,
            &[(Tracing, version(5, 3)), ANY_6_16],
            "sends a signal to the current process",
        )
    },
    Helper {
        arguments: &[Int(IntType::U32)],
        ..Helper::row(
            117,
            "bpf-send-signal-thread",
            version(5, 6),
            ResultKind::Errno,
            &[(Tracing, version(5, 6)), ANY_6_16],
            "sends a signal to the current thread",
        )
    },
    Helper::row(118, "bpf-jiffies64", version(5, 6), U64, &[(Any, version(5, 6))], "timer interrupts since boot"),
    Helper {
        arguments: &[Int(IntType::U64), Int(IntType::U64), MemoryOut, Size],
        ..Helper::row(
            120,
            "bpf-get-ns-current-pid-tgid",
            version(5, 7),
            ResultKind::Errno,
            &[(Tracing, version(5, 7)), ANY_6_10],
            "fills 8 bytes with the thread id and process id as a pid namespace (device, inode) sees them",
        )
    },
    Helper {
        arguments: &[Int(IntType::I32)],
        ..Helper::row(
            123,
            "bpf-get-current-ancestor-cgroup-id",
            version(5, 7),
            U64,
            &[(Tracing, version(6, 1)), SOCK_ADDR_5_10, ANY_6_4],
            "the current task's cgroup, so many levels below the root",
        )
    },
    Helper::row(
        125,
        "bpf-ktime-get-boot-ns",
        version(5, 8),
        U64,
        &[(Any, version(5, 8))],
        "nanoseconds since boot, with suspension",
    ),
    Helper::row(
        160,
        "bpf-ktime-get-coarse-ns",
        version(5, 11),
        U64,
        &[
            (One(ProgramType::Xdp), version(5, 11)),
            (SocketFilter, version(5, 11)),
            (TrafficControl, version(5, 11)),
            (SOCK_ADDR, version(5, 11)),
        ],
        "nanoseconds since boot as of the last tick: less exact, cheaper",
    ),
    Helper {
        licence: Licence::Gpl,
        arguments: &[MemoryOut, SizeOrZero, Int(IntType::U64)],
        ..Helper::row(
            176,
            "bpf-get-branch-snapshot",
            version(5, 16),
            ResultKind::Int(IntType::I64),
            &[(Tracing, version(5, 16)), ANY_6_16],
            "fills a buffer with the CPU's last branches; gives the bytes written",
        )
    },
    Helper {
        licence: Licence::Gpl,
        arguments: &[Memory, Size, MemoryOrNull, SizeOrZero],
        ..Helper::row(
            177,
            "bpf-trace-vprintk",
            version(5, 16),
            ResultKind::Int(IntType::I64),
            &[(Any, version(5, 16))],
            "writes a line to the kernel's trace pipe, with its arguments in an array of :u64",
        )
    },
    Helper::row(
        208,
        "bpf-ktime-get-tai-ns",
        version(6, 1),
        U64,
        &[(Any, version(6, 1))],
        "nanoseconds of international atomic time",
    ),
];
