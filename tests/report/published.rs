//! The published results that the program carries along.

use frbench::embedded::{PUBLISHED, published};
use frbench::report::model::Status;

#[test]
fn every_embedded_file_is_read() {
    let tables = PUBLISHED
        .iter()
        .map(|(name, _)| published(name, None).unwrap());
    let rows: Vec<_> = tables.flatten().collect();
    let count = |status| rows.iter().filter(|r| r.status == status).count();
    assert_eq!(count(Status::Verified), 1074);
    assert_eq!(count(Status::Secondary), 30);
    assert_eq!(count(Status::Unavailable), 25);
    let file = |(name, _): &(&str, &str)| format!("{name}.csv");
    assert!(PUBLISHED.is_sorted_by_key(file));
}

#[test]
fn known_numbers() {
    let ekd = published("ekd", None).unwrap();
    let at = |method: &str, dataset: &str, metric: &str| {
        ekd.iter()
            .find(|r| r.method == method && r.dataset == dataset && r.metric == metric)
            .unwrap()
            .value
    };
    assert_eq!(at("teacher", "LFW", "accuracy"), Some(99.80));
    assert_eq!(at("RKD", "IJB-C", "tar@far=1e-5"), Some(83.21));
    assert_eq!(at("EKD", "MegaFace", "rank-1"), Some(75.54));
    let own = published("coupleface", None).unwrap();
    assert!(
        own.iter()
            .all(|r| r.value.is_none() && r.status == Status::Unavailable)
    );
}

#[test]
fn a_folder_is_over_what_is_embedded_and_unknown_names_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, text) = PUBLISHED.iter().find(|(name, _)| *name == "ekd").unwrap();
    let head: Vec<&str> = text.lines().take(2).collect();
    std::fs::write(folder.path().join("ekd.csv"), head.join("\n")).unwrap();
    assert_eq!(published("ekd", Some(folder.path())).unwrap().len(), 1);
    assert_eq!(published("cfsm", Some(folder.path())).unwrap().len(), 76);
    let message = published("nobody", None).unwrap_err().to_string();
    assert!(message.contains("`nobody`") && message.contains("coupleface"));
}
