#![no_main]
use frbench::data::declarations::Declarations;
use libfuzzer_sys::fuzz_target;

// Begin with those there are: `cargo +nightly fuzz run declaration fuzz/corpus/declaration
// suites/datasets`.
fuzz_target!(|text: &str| {
    if let Ok(known) = Declarations::load(&[("fuzz", text)], None) {
        assert_eq!(known.iter().count(), 1);
    }
});
