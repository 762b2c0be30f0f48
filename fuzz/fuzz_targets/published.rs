#![no_main]
use frbench::report::published;
use libfuzzer_sys::fuzz_target;

// Begin with those there are: `cargo +nightly fuzz run published fuzz/corpus/published
// reference_results/published`.
fuzz_target!(|text: &str| {
    let _ = published::parse("fuzz.csv", text);
});
