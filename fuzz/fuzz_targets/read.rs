#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| eshkol_fuzz::read(text));
