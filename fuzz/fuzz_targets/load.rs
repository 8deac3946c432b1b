#![no_main]

use eshkol_test_support::Simulated;

libfuzzer_sys::fuzz_target!(|object: &[u8]| {
    if let Err(reason) = Simulated::load(object, "main") {
        assert!(!reason.is_empty());
    }
});
