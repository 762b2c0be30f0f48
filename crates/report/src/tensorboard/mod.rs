//! Curves and scores of trainings for TensorBoard: an event file for each network, from the log of
//! its job and from the report.

mod event;
mod log;
mod record;

use super::model::{Row, SeedRun};
use super::pictures::Locate;
use super::report::Report;
use event::Event;
use frbench_base::{Error, Result, files};
use log::Log;
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The log of a job, in its folder.
const EVENTS: &str = "events.jsonl";
/// TensorBoard reads all files of a folder whose names hold `tfevents` as one: there is one.
const FILE: &str = "events.out.tfevents.0000000000.frbench";

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub files: Vec<PathBuf>,
    /// Networks of which nothing is there yet.
    pub without: usize,
    /// Of logs, what is no event, a sentence each.
    pub notes: Vec<String>,
}

/// Writes `DIR/ROW/seed-N/events.out.tfevents...` for each network of which there is a log.
pub(super) fn write(report: &Report, locate: Locate, dir: &Path) -> Result<Written> {
    let (mut out, mut names) = (Written::default(), BTreeSet::new());
    for row in &report.input.rows {
        for run in &row.runs {
            let path = locate(&run.train_key, EVENTS);
            let bytes = match std::fs::read(&path) {
                Ok(bytes) => bytes,
                Err(e) if e.kind() == ErrorKind::NotFound => {
                    out.without += 1;
                    continue;
                }
                Err(e) => return Err(Error::io(&path, e)),
            };
            let log = Log::read(&bytes);
            if log.odd > 0 {
                out.notes.push(format!(
                    "{}: {} lines are no events, as a kill can leave them; they are left out",
                    path.display(),
                    log.odd
                ));
            }
            let folder = folder(row, run, &mut names);
            let path = dir.join(folder).join(FILE);
            files::write_atomic(&path, &file(&events(&log, run)))?;
            out.files.push(path);
        }
    }
    Ok(out)
}

/// The events of a network: what its log tells of steps, and its scores at the last of them.
fn events(log: &Log, run: &SeedRun) -> Vec<Event> {
    let mut events = vec![Event::version(log.time)];
    for point in &log.steps {
        let scalars = point.scalars.iter().map(|(tag, v)| (tag.as_str(), *v));
        events.push(Event::scalars(point.time, point.step, scalars));
    }
    let (time, step) = match log.steps.last() {
        Some(last) => (last.time, last.step),
        None => (log.time, 0),
    };
    let scores = run.metrics.iter();
    let scores: Vec<(String, f64)> = scores
        .map(|(column, metric)| (format!("score/{column}"), metric.value))
        .collect();
    if !scores.is_empty() {
        let scores = scores.iter().map(|(tag, v)| (tag.as_str(), *v));
        events.push(Event::scalars(time, step, scores));
    }
    events
}

/// An event file.
fn file(events: &[Event]) -> Vec<u8> {
    let records = events.iter().map(|event| record::record(&event.to_bytes()));
    records.collect::<Vec<_>>().concat()
}

/// The folder of a network, which TensorBoard shows as its name. Ids of rows hold signs that file
/// systems do not have; two that then are one are told apart by a number.
fn folder(row: &Row, run: &SeedRun, names: &mut BTreeSet<PathBuf>) -> PathBuf {
    let safe = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "-_.=,@+".contains(c) => c,
        ':' => '.',
        _ => '_',
    };
    let row: String = row.id.chars().map(safe).collect();
    let row = match row.as_str() {
        "." | ".." | "" => "_".to_string(),
        _ => row,
    };
    let named =
        |more: &str| PathBuf::from(format!("{row}{more}")).join(format!("seed-{}", run.seed));
    let numbered = (2..u32::MAX).map(|n| named(&format!("_{n}")));
    let mut all = std::iter::once(named("")).chain(numbered);
    let free = all.find(|name| !names.contains(name)).unwrap_or_default();
    names.insert(free.clone());
    free
}
