#![no_main]
use frbench::weights::npy::Npy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(array) = Npy::from_bytes(bytes.to_vec(), "fuzz.npy") {
        assert_eq!(array.values().len(), array.shape().iter().product::<usize>());
    }
});
