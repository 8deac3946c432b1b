//! What runs a compiled program: the kernel, or the simulator.

/// A loaded XDP program with its maps.
pub(crate) trait Runner {
    /// Runs it on a packet.
    fn run(&self, packet: &[u8]) -> Result<Outcome, String>;
    /// The first bytes of an entry of a map, as many as are asked for.
    fn lookup(&self, map: &str, key: &[u8], size: usize) -> Result<Option<Vec<u8>>, String>;
    /// Puts an entry into a map.
    fn update(&self, map: &str, key: &[u8], value: &[u8]) -> Result<(), String>;
}

/// What a run gives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) verdict: u32,
    pub(crate) packet: Vec<u8>,
}
