//! Two namespaces and a cable, to see which frames come through.

use std::time::Duration;

use eshkol_test_support::{Namespace, Wire};

/// Long enough for a frame on a veth pair, which takes microseconds.
const SOON: Duration = Duration::from_millis(300);

/// A namespace with a program under test on its interface, and another that sends to it.
pub(crate) struct Wired {
    pub(crate) near: Namespace,
    _far: Namespace,
    near_end: Wire,
    far_end: Wire,
}

impl Wired {
    /// The interface under test.
    pub(crate) const NEAR: &str = "near0";

    pub(crate) fn new() -> Self {
        let (near, far) = (Namespace::new().unwrap(), Namespace::new().unwrap());
        near.veth(Self::NEAR, &far, "far0").unwrap();
        let near_end = near.run(|| Wire::open(Self::NEAR)).unwrap();
        let far_end = far.run(|| Wire::open("far0")).unwrap();
        Self { near, _far: far, near_end, far_end }
    }

    /// Sends a frame, and says whether it comes in unchanged.
    pub(crate) fn passes(&self, frame: &[u8]) -> bool {
        self.near_end.drain().unwrap();
        self.far_end.send(frame).unwrap();
        match self.near_end.receive(SOON).unwrap() {
            Some(received) => received == frame,
            None => false,
        }
    }
}
