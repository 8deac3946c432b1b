//! What programs can ask about: the time, random numbers, the CPU, the current task. All of it is the same in every run, unless a test sets it.

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
            frames: 0,
            step_limit: 16 << 20,
            trace: Vec::new(),
        }
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
