#![no_main]
use frbench::weights::OnnxNetwork;
use libfuzzer_sys::fuzz_target;

// Begin with models: `cargo +nightly fuzz run onnx fuzz/corpus/onnx crates/weights/testdata`.
fuzz_target!(|bytes: &[u8]| {
    if let Ok(model) = OnnxNetwork::from_bytes(bytes.to_vec(), "fuzz.onnx") {
        assert!(model.network().is_ok());
    }
});
