//! From a planned suite to its report, before anything has been run.

use frbench::plan::{DeviceKind, Known, outlook};
use frbench::report::model::{RunStatus, Status};
use frbench::report::{Sources, assemble};
use frbench::run::{Failures, Store};
use frbench::suite::source::Source;
use frbench::suite::{parse, resolve};
use frbench::{build, embedded};

const REFERENCES: &str = r#"
[[reference]]
entry = "fcd"
data = "LFW"
metric = "accuracy"
value = 99.1
source = "A paper, table 2"
context = "MS1MV2, last checkpoint"

[[reference]]
entry = "fcd"
data = "CFP-FP"
metric = "accuracy"
value = "unavailable"
source = "A paper, table 3"
context = "MS1MV2, last checkpoint"
"#;

#[test]
fn references_stated_in_a_suite_are_shown_and_what_has_not_run_is_missing() {
    let text = format!("{}{REFERENCES}", include_str!("../suites/tiny.toml"));
    let suite = parse(Source::new("tiny.toml", text)).unwrap();
    let suite = resolve(&suite, "demo", &embedded::catalogue(None).unwrap()).unwrap();
    let round = outlook(&suite, &Known::default(), &build::code(DeviceKind::Cpu));
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path().join("data"), folder.path().join("runs"));
    let report = assemble(&Sources {
        layout: &round.layout,
        jobs: &round.jobs,
        store: &store,
        failed: &Failures::default(),
        published: Vec::new(),
        command: String::new(),
    });
    assert_eq!(report.standing.finished, 0);
    assert_eq!(report.standing.jobs, round.jobs.len());
    assert!(report.standing.damaged.is_empty());
    let input = report.input;
    let fcd = input.rows.iter().find(|r| r.id == "fcd").unwrap();
    // The suite states one of its own before them.
    let [_, first, second] = &input.published[..] else {
        panic!("{:?}", input.published);
    };
    assert_eq!(first.method, fcd.label);
    assert_eq!((first.value, first.status), (Some(99.1), Status::Verified));
    assert_eq!(first.source, "A paper, table 2");
    assert_eq!((second.value, second.status), (None, Status::Unavailable));
    let runs = input.rows.iter().flat_map(|r| &r.runs);
    assert!(runs.clone().count() > 0);
    assert!(runs.clone().all(|r| r.status == RunStatus::Missing));
}
