#![no_main]
use frbench::data::decode::{decode, orientation};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(image) = decode(bytes) {
        assert_eq!(image.pixels.len(), 3 * image.width * image.height);
    }
    let _ = orientation(bytes);
});
