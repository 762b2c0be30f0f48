//! A report that a user of the library assembles from run folders.

use crate::common::runs;
use frbench::job::JobSpec;
use frbench::plan::{self, DeviceKind, Next, Round};
use frbench::report::{Report, Sources, assemble};
use frbench::run::wrong_pairs::wrong_pairs;
use frbench::run::{Failures, Store};
use frbench::suite::{parse, resolve};
use frbench::{build, embedded};
use std::fs;
use std::path::Path;

fn planned(dir: &Path) -> (Round, Store) {
    let source = embedded::source(
        "assembled.toml",
        runs::one_training("assembled", "synth-train-16x4-v1", &[1, 2]),
    );
    let catalogue = embedded::catalogue(None).unwrap();
    let suite = resolve(&parse(source).unwrap(), "demo", &catalogue).unwrap();
    let store = Store::new(dir.join("data"), dir.join("runs"));
    let code = build::code(DeviceKind::Cpu);
    // What is known of the data makes the keys of what is built on it.
    let plan = plan::rounds(&suite, &code, plan::outlook, |round, _| {
        let data = round.jobs.iter();
        let data = data.filter(|j| matches!(j.spec, JobSpec::Data(_)));
        Ok(Next::Known(store.finished(data).finished, round))
    });
    (plan.unwrap(), store)
}

fn assembled(dir: &Path) -> Report {
    let (plan, store) = planned(dir);
    assemble(&Sources {
        layout: &plan.layout,
        jobs: &plan.jobs,
        store: &store,
        failed: &Failures::default(),
        published: Vec::new(),
        command: "frbench run assembled.toml --profile demo".into(),
    })
}

#[test]
fn the_program_writes_the_report_that_the_library_assembles() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(
        dir.join("assembled.toml"),
        runs::one_training("assembled", "synth-train-16x4-v1", &[1, 2]),
    )
    .unwrap();
    let nothing = assembled(dir);
    assert_eq!(nothing.standing.finished, 0);
    runs::told(runs::command(dir, "assembled.toml").args(["--device", "cpu"]));
    let report = assembled(dir);
    assert_eq!(report.standing.finished, report.standing.jobs);
    assert!(report.standing.damaged.is_empty());
    let ours = report.write(&dir.join("ours")).unwrap();
    let theirs = dir.join("reports/assembled-demo");
    for file in [ours.html, ours.markdown, ours.csv, ours.json] {
        let name = file.file_name().unwrap();
        let (a, b) = (
            fs::read(&file).unwrap(),
            fs::read(theirs.join(name)).unwrap(),
        );
        assert!(a == b, "{name:?}");
    }
    // Scores are read where they are what their job has left.
    let (plan, store) = planned(dir);
    let columns = wrong_pairs(&plan, &store).unwrap();
    assert_eq!(columns[0].models.len(), 1);
    let (_, scored) = runs::jobs(&dir.join("runs"))
        .into_iter()
        .find(|(label, _)| label.starts_with("score m seed 1"))
        .unwrap();
    let path = scored.join("pair_similarity.npy");
    let whole = fs::read(&path).unwrap();
    let mut other = whole.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&path, other).unwrap();
    let (plan, store) = planned(dir);
    let error = wrong_pairs(&plan, &store).err().unwrap().to_string();
    assert!(
        error.contains("pair_similarity.npy: it is not what was written there"),
        "{error}"
    );
    fs::write(&path, whole).unwrap();
    // A folder whose facts are not those that were written is said to be so.
    let (_, training) = runs::jobs(&dir.join("runs"))
        .into_iter()
        .find(|(label, _)| label.starts_with("train m seed 2"))
        .unwrap();
    fs::write(training.join("env.json"), "{}").unwrap();
    let damaged = assembled(dir).standing.damaged;
    assert!(
        damaged.len() == 1 && damaged[0].contains("env.json"),
        "{damaged:?}"
    );
}
