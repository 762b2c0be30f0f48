#![no_main]
use frbench::data::bin::BinReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(pack) = BinReader::from_bytes(bytes.to_vec(), "fuzz.bin") {
        assert_eq!(pack.len(), 2 * pack.same().len());
        for i in 0..pack.len() {
            assert!(pack.encoded(i).is_some());
        }
    }
});
