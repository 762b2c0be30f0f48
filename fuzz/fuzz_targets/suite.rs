#![no_main]
use frbench::suite::source::Source;
use frbench::suite::{self, Catalogue};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

static KNOWN: OnceLock<Catalogue> = OnceLock::new();

// Begin with a suite: `cargo +nightly fuzz run suite fuzz/corpus/suite tests/suites suites`.
fuzz_target!(|text: &str| {
    let source = Source::new("fuzz.toml".to_string(), text.to_string());
    if let Ok(suite) = suite::parse(source) {
        let known = KNOWN.get_or_init(|| frbench::embedded::catalogue(None).expect("embedded"));
        let _ = suite::validate(&suite, known);
    }
});
