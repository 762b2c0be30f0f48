//! How a run tells its caller what happens. The library itself never prints.

use frbench_job::Job;

/// Watches a run. All methods have empty defaults.
pub trait Observer: Sync {
    /// A round of planning is known: its open jobs, and how many are already finished.
    fn planned(&self, _open: &[&Job], _done: usize) {}
    /// A job starts, at `step` > 0 if it is resumed.
    fn started(&self, _job: &Job) {}
    /// The files of a finished data job are held against what was recorded.
    fn verifying(&self, _job: &Job) {}
    /// Work done inside the running job, in its own unit.
    fn progress(&self, _job: &Job, _done: u64, _total: u64, _unit: &str, _detail: &str) {}
    fn resumed(&self, _job: &Job, _at: u64, _unit: &str) {}
    fn finished(&self, _job: &Job, _seconds: f64) {}
    fn failed(&self, _job: &Job, _error: &str) {}
    /// The data of a column cannot be scored under its protocol.
    fn refused(&self, _column: &str, _reason: &str) {}
    /// Another process works on these jobs.
    fn waiting(&self, _jobs: &[&Job]) {}
    /// Something was not as it should be, and what is done about it. Never to be left out.
    fn warn(&self, _text: &str) {}
    /// Anything else worth a line.
    fn note(&self, _text: &str) {}
}

/// An observer that watches nothing.
pub struct Silent;

impl Observer for Silent {}
