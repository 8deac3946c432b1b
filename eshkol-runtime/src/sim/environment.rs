//! What programs can ask about: the time, random numbers, the CPU, the current task, interfaces. All of it is the same in every run, unless a test sets
//! it.

use std::collections::BTreeMap;

/// What is around the program.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    pub(super) cpus: usize,
    /// The one that programs run on.
    pub(super) cpu: usize,
    /// Nanoseconds since boot. Each instruction takes one.
    pub(super) clock: u64,
    random: u64,
    pub(super) task: Task,
    /// The address of its `task_struct`.
    pub(super) task_address: u64,
    /// The call stacks of the kernel and of the process, the innermost address first.
    pub(super) kernel_stack: Vec<u64>,
    pub(super) user_stack: Vec<u64>,
    /// `ingress_ifindex` and `rx_queue_index` of packets.
    pub(super) ingress: (u32, u32),
    /// How long the packets of interfaces are at most, where that was set.
    mtus: BTreeMap<u32, u32>,
    /// The function that a probe is in, and the number that user space gave with its attachment.
    pub(super) function_address: u64,
    pub(super) attach_cookie: u64,
    /// Signals that programs sent.
    pub(super) signals: Vec<Signal>,
    /// Calls of functions that a test has begun.
    pub(super) frames: u64,
    /// Instructions that a run may take.
    pub(super) step_limit: u64,
    /// What programs wrote to the trace pipe.
    pub(super) trace: Vec<String>,
}

/// The task that is running when a program is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Task {
    /// The process, which the kernel calls thread group.
    pub process: u32,
    /// The thread.
    pub thread: u32,
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// The name: the first 15 bytes count.
    pub name: String,
    /// The number of its cgroup.
    pub cgroup: u64,
}

/// A signal that a program has sent to the current task.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Signal {
    /// The signal: `SIGKILL` is 9.
    pub number: u32,
    /// Whether it is for the thread alone (`bpf-send-signal-thread`), and not for any thread of the process.
    pub thread: bool,
}

impl Default for Task {
    fn default() -> Self {
        Self { process: 1000, thread: 1000, user: 1000, group: 1000, name: "simulated".to_owned(), cgroup: 1 }
    }
}

impl Environment {
    pub(super) fn new(cpus: usize) -> Self {
        Self {
            cpus,
            cpu: 0,
            clock: 1_000_000_000,
            random: 0,
            task: Task::default(),
            task_address: 0,
            kernel_stack: Vec::new(),
            user_stack: Vec::new(),
            ingress: (1, 0),
            mtus: BTreeMap::new(),
            function_address: 0,
            attach_cookie: 0,
            signals: Vec::new(),
            frames: 0,
            step_limit: 16 << 20,
            trace: Vec::new(),
        }
    }

    /// Whether there is an interface with this index: there is one with every index that can be (`dev_new_index` in `net/core/dev.c`).
    pub(super) fn is_interface(&self, index: u32) -> bool {
        (1..=i32::MAX.cast_unsigned()).contains(&index)
    }

    /// Sets how long the packets of an interface are at most, without their Ethernet header.
    pub(super) fn set_mtu(&mut self, interface: u32, mtu: u32) {
        self.mtus.insert(interface, mtu);
    }

    /// The same, where there is such an interface; 0 stands for the one that packets come from.
    pub(super) fn mtu(&self, interface: u32) -> Option<u32> {
        /// `ETH_DATA_LEN`
        const ETHERNET: u32 = 1500;
        let interface = if interface == 0 { self.ingress.0 } else { interface };
        self.is_interface(interface).then(|| self.mtus.get(&interface).copied().unwrap_or(ETHERNET))
    }

    /// Random numbers begin anew.
    pub(super) fn seed(&mut self, seed: u64) {
        self.random = seed;
    }

    /// The next random number (SplitMix64, Steele, Lea and Flood 2014).
    pub(super) fn random_u32(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) >> 32
    }
}
