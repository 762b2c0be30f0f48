#![no_main]
use frbench::parity::{self, Case};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

// Begin with the golden cases: `cargo +nightly fuzz run parity fuzz/corpus/parity tests/parity`.
fuzz_target!(|bytes: &[u8]| {
    if let Ok(case) = Case::parse(bytes, Path::new("fuzz.safetensors")) {
        let _ = parity::run(&case);
    }
});
