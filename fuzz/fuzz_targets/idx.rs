#![no_main]
use frbench::data::record::parse_index;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entries) = parse_index(bytes, Path::new("fuzz.idx")) {
        assert!(entries.windows(2).all(|w| w[0].0 < w[1].0));
    }
});
