#![no_main]
use frbench::engine::checkpoint::Checkpoint;
use libfuzzer_sys::fuzz_target;

// Networks and training states. What is read is written again as the same tensors.
fuzz_target!(|bytes: &[u8]| {
    if let Ok(read) = Checkpoint::from_bytes(bytes) {
        let again = Checkpoint::from_bytes(&read.to_bytes()).expect("what was written is read");
        let bits = |c: &Checkpoint| -> Vec<(String, Vec<usize>, Vec<u32>)> {
            let tensors = c.tensors.iter();
            tensors
                .map(|(name, (shape, values))| {
                    let values = values.iter().map(|v| v.to_bits()).collect();
                    (name.clone(), shape.clone(), values)
                })
                .collect()
        };
        assert_eq!(bits(&read), bits(&again));
    }
});
