#![no_main]
use frbench::data::seen::Seen;
use frbench::data::stamps::Stamps;
use frbench::key::Key;
use frbench::protocol::embeddings::{EmbeddingWriter, Embeddings};
use frbench::run::seal;
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;

// What jobs leave and read again by name: embeddings, whole and on their way, results, stamps.
fuzz_target!(|bytes: &[u8]| {
    let path: PathBuf = std::env::temp_dir().join(format!("frbench-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("room for a small file");
    if let Ok(found) = Embeddings::open(&path) {
        (0..found.rows()).for_each(|i| assert_eq!(found.row(i).len(), found.dim()));
    }
    let _ = seal::read::<serde_json::Value>(&path, &Key("k".into()));
    let _ = seal::read::<Seen>(&path, &Key("k".into()));
    let stamps = Stamps::read(&path);
    for file in stamps.files() {
        assert!(stamps.get(&file.path).is_some());
    }
    let part = EmbeddingWriter::part(&path);
    std::fs::rename(&path, &part).expect("it is there");
    let _ = EmbeddingWriter::resume(&path, 4, &Key("k".into()), "plain");
    let _ = std::fs::remove_file(part);
});
