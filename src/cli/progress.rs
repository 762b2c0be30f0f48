//! Progress of a run: bars with an ETA on a terminal, plain lines in a log.

use super::pace::{Pace, Running};
use super::text::duration;
use crate::job::Job;
use crate::plan::Kind;
use crate::run::Observer;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// An observer that shows a run on standard error.
pub struct Progress {
    quiet: bool,
    bars: Option<Bars>,
    state: Mutex<State>,
}

struct Bars {
    all: MultiProgress,
    suite: ProgressBar,
    job: ProgressBar,
}

struct State {
    jobs: usize,
    done: usize,
    pace: Pace,
    /// Kind and cost of the running job, and since when it runs.
    running: Option<(Kind, f64, Instant)>,
    /// Share of it that is finished, and that was when this process began it.
    share: f64,
    share_before: f64,
    job_started: Instant,
    job_from: u64,
    /// What its progress is counted in.
    unit: String,
    last_line: Instant,
}

/// Seconds between two lines about the same job in a log.
const LINE_EVERY: Duration = Duration::from_secs(20);

impl Progress {
    pub fn new(quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && !quiet;
        let bars = terminal.then(|| {
            let all = MultiProgress::new();
            let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
            let (a, b) = if plain {
                ("", "")
            } else {
                (".cyan/blue", ".green/white")
            };
            let style = |text: String| {
                ProgressStyle::with_template(&text).unwrap_or_else(|_| ProgressStyle::default_bar())
            };
            let suite = all.add(ProgressBar::new(0));
            suite.set_style(style(format!(
                "{{prefix:>12}} [{{bar:28{a}}}] {{pos}}/{{len}} jobs  {{msg}}"
            )));
            suite.set_prefix("suite");
            let job = all.add(ProgressBar::new(0));
            job.set_style(style(format!("{{prefix:>12}} [{{bar:28{b}}}] {{msg}}")));
            job.enable_steady_tick(Duration::from_millis(500));
            Bars { all, suite, job }
        });
        let now = Instant::now();
        Progress {
            quiet,
            bars,
            state: Mutex::new(State {
                jobs: 0,
                done: 0,
                pace: Pace::default(),
                running: None,
                share: 0.0,
                share_before: 0.0,
                job_started: now,
                job_from: 0,
                unit: String::new(),
                last_line: now,
            }),
        }
    }

    /// Remove the bars, so that what follows stands on a clean terminal.
    pub fn clear(&self) {
        if let Some(b) = &self.bars {
            b.job.finish_and_clear();
            b.suite.finish_and_clear();
        }
    }

    /// Shows how far the work called `label` is.
    pub fn advance(&self, label: &str, done: u64, total: u64, unit: &str, detail: &str) {
        let mut s = self.state();
        // Another kind of work goes at another pace.
        if s.unit != unit {
            if !s.unit.is_empty() {
                (s.job_started, s.job_from) = (Instant::now(), done);
            }
            s.unit = unit.to_string();
        }
        if s.share == 0.0 {
            s.share_before = s.job_from as f64 / total.max(1) as f64;
        }
        s.share = done as f64 / total.max(1) as f64;
        let spent = s.job_started.elapsed().as_secs_f64();
        let fresh = done.saturating_sub(s.job_from);
        let eta = if fresh > 0 {
            spent * total.saturating_sub(done) as f64 / fresh as f64
        } else {
            0.0
        };
        let text = format!("{done}/{total} {unit} {detail} ETA {}", duration(eta));
        match &self.bars {
            Some(b) => {
                b.job.set_length(total);
                b.job.set_position(done);
                b.job.set_message(format!("{}  {text}", label));
                b.suite.set_message(s.eta());
            }
            None if s.last_line.elapsed() >= LINE_EVERY => {
                s.last_line = Instant::now();
                let suite = s.eta();
                drop(s);
                self.line(&format!("      {}: {text} (suite {suite})", label));
            }
            None => {}
        }
    }

    pub fn line(&self, text: &str) {
        if !self.quiet {
            self.always(text);
        }
    }

    /// A line that is not left out where only results are wanted.
    pub fn always(&self, text: &str) {
        match &self.bars {
            Some(b) => {
                let _ = b.all.println(text);
            }
            // A run goes on when nobody reads of it any more (`| head`).
            None => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
        }
    }

    /// Shows that work on a job begins.
    fn show(&self, job: &Job, what: &'static str) {
        if let Some(b) = &self.bars {
            b.job.reset();
            b.job.set_prefix(what);
            b.job.set_message(job.label.clone());
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl State {
    /// Work on a job begins.
    fn begin(&mut self) {
        self.job_started = Instant::now();
        self.job_from = 0;
        self.unit.clear();
        self.last_line = Instant::now();
    }

    fn eta(&self) -> String {
        let running = self.running.map(|(kind, cost, since)| Running {
            kind,
            cost,
            share: self.share,
            fresh: (self.share - self.share_before).max(0.0),
            seconds: since.elapsed().as_secs_f64(),
        });
        match self.pace.left(running) {
            Some(seconds) => format!("ETA {}", duration(seconds)),
            None => "ETA ?".into(),
        }
    }
}

impl Observer for Progress {
    fn planned(&self, open: &[&Job], done: usize) {
        let mut s = self.state();
        s.jobs = open.len() + done;
        s.done = done;
        let open_jobs = open.iter().map(|j| (Kind::of(&j.spec), j.cost));
        s.pace.plan(open_jobs);
        if let Some(b) = &self.bars {
            b.suite.set_length(s.jobs as u64);
            b.suite.set_position(done as u64);
        }
        let text = format!("{} jobs, {done} already done", s.jobs);
        drop(s);
        if !open.is_empty() {
            self.line(&text);
        }
    }

    fn started(&self, job: &Job) {
        let mut s = self.state();
        s.running = Some((Kind::of(&job.spec), job.cost, Instant::now()));
        (s.share, s.share_before) = (0.0, 0.0);
        s.begin();
        drop(s);
        self.show(job, "job");
    }

    fn verifying(&self, job: &Job) {
        self.state().begin();
        self.show(job, "verify");
    }

    fn resumed(&self, job: &Job, at: u64, unit: &str) {
        self.state().job_from = at;
        self.line(&format!("      {} resumes at {unit} {at}", job.label));
    }

    fn progress(&self, job: &Job, done: u64, total: u64, unit: &str, detail: &str) {
        self.advance(&job.label, done, total, unit, detail);
    }

    fn finished(&self, job: &Job, seconds: f64) {
        let mut s = self.state();
        s.done += 1;
        let fresh = 1.0 - s.share_before;
        s.pace
            .finish(Kind::of(&job.spec), job.cost, (fresh, seconds));
        s.running = None;
        let text = format!(
            "[{}/{}] {} done in {}",
            s.done,
            s.jobs,
            job.label,
            duration(seconds)
        );
        if let Some(b) = &self.bars {
            b.suite.set_position(s.done as u64);
            b.suite.set_message(s.eta());
        }
        drop(s);
        self.line(&text);
    }

    fn failed(&self, job: &Job, error: &str) {
        self.always(&format!("      {} failed: {error}", job.label));
    }

    fn refused(&self, column: &str, reason: &str) {
        self.always(&format!("      {column} cannot be scored: {reason}"));
    }

    fn waiting(&self, jobs: &[&Job]) {
        let mut s = self.state();
        if s.last_line.elapsed() >= LINE_EVERY {
            s.last_line = Instant::now();
            drop(s);
            self.line(&format!(
                "      another process works on: {}",
                jobs.iter()
                    .map(|j| j.label.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
    }

    fn warn(&self, text: &str) {
        self.always(&format!("warning: {text}"));
    }

    fn note(&self, text: &str) {
        self.line(text);
    }
}
