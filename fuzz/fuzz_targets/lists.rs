#![no_main]
use frbench::data::list;
use frbench::data::watch::UNWATCHED;
use libfuzzer_sys::fuzz_target;
use std::path::Path;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzz.txt");
    for pair in list::parse_pair_list(bytes, path).unwrap_or_default().pairs {
        assert!(list::safe_path(&pair.first).is_ok() && list::safe_path(&pair.second).is_ok());
    }
    for pair in list::parse_pair_table(bytes, path).unwrap_or_default().pairs {
        assert!(list::safe_path(&pair.first).is_ok() && list::safe_path(&pair.second).is_ok());
    }
    for name in list::parse_image_names(bytes, path).unwrap_or_default() {
        assert!(list::safe_path(&name).is_ok());
    }
    for (file, _) in list::parse_marked(bytes, path).unwrap_or_default() {
        assert!(list::safe_path(&file).is_ok());
    }
    let _ = list::parse_landmarks(bytes, path);
    let _ = list::parse_numbered(bytes, path);
    let _ = list::parse_number_pairs(bytes, path);
    let _ = list::parse_members(bytes, path);
    let _ = list::parse_pairs(bytes, path);
    let _ = list::parse_detections(bytes, path);
    let _ = list::parse_templates(bytes, path);
    for (file, _) in list::parse_labels(bytes, path).unwrap_or_default() {
        assert!(!file.starts_with('/') && !file.split('/').any(|c| c == ".."));
    }
    let names = list::parse_names(bytes, path).unwrap_or_default();
    if let Ok(noise) = list::Noise::parse(bytes, path) {
        let hits = noise.hits(&names.paths, UNWATCHED).unwrap();
        assert!(hits.paths.len() <= names.paths.len());
    }
});
