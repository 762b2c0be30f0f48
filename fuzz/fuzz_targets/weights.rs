#![no_main]
use frbench::weights::{WeightsFile, fit};
use libfuzzer_sys::fuzz_target;

// Begin with files of PyTorch: `cargo +nightly fuzz run weights fuzz/corpus/weights
// crates/weights/testdata`.
fuzz_target!(|bytes: &[u8]| {
    if let Ok(file) = WeightsFile::from_bytes(bytes.to_vec(), "fuzz.pt") {
        for (_, tensor) in file.tree.tensors() {
            assert_eq!(tensor.values(file.bytes()).len(), tensor.count());
        }
        let _ = fit(&file);
    }
});
