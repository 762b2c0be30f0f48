#![no_main]
use frbench::data::record::RecReader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(reader) = RecReader::from_bytes(bytes.to_vec(), "fuzz.rec") {
        let _ = reader.classes();
        for i in 0..reader.len() {
            assert!(reader.record(i).is_ok(), "opened, but record {i} is broken");
        }
    }
});
