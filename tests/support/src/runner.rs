//! What runs a compiled program: the kernel, or the simulator.

/// A loaded program with its maps. Errors are what is said against what was asked for.
pub trait Runner {
    /// Runs it on a packet, which came by the first queue of loopback.
    fn run(&self, packet: &[u8]) -> Result<Outcome, String>;
    /// Runs a program of the object, of a type that gets no packet, with its context as it lies in memory. In the place of a packet comes out what
    /// the context is then.
    fn run_on_context(&self, program: &str, context: &[u8]) -> Result<Outcome, String>;
    /// The bytes of an entry of a map whose values have this size; of values for each CPU, the first one's.
    fn lookup(&self, map: &str, key: &[u8], size: usize) -> Result<Option<Vec<u8>>, String>;
    /// Puts an entry into a map; of values for each CPU, the first one's, with zeros for the others.
    fn update(&self, map: &str, key: &[u8], value: &[u8]) -> Result<(), String>;
    /// Puts a program of the object into a map of programs.
    fn set_program(&self, map: &str, index: u32, program: &str) -> Result<(), String>;
    /// Takes what was sent through a ring buffer out of it, in order; or what was output to buffers of the CPUs, of one page each and filled up as
    /// the kernel does.
    fn events(&self, map: &str) -> Result<Vec<Vec<u8>>, String>;
    /// Every key of a map whose keys have this size.
    fn keys(&self, map: &str, size: usize) -> Result<Vec<Vec<u8>>, String>;
}

/// What a run gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// What the program returns.
    pub verdict: u32,
    /// The packet as the program left it.
    pub packet: Vec<u8>,
}
