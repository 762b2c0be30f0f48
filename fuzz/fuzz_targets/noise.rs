#![no_main]
use frbench::data::noise;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

// Noise that is planted: `image,class,label,outlier`. Noise lists of MegaFace are in `lists`.
fuzz_target!(|bytes: &[u8]| {
    let _ = noise::from_csv(bytes, Path::new("noise.csv"));
});
