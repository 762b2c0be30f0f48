//! What a night of a suite has found, for every reader: people, files and programs.

use crate::collect::Problem;
use crate::compare::Bits;
use crate::history::{Line, Night, Past, Point};
use crate::measured::{CellId, Measured};
use crate::verdict::{self, Verdict};
use frbench_eval::stats::{BySeed, mean, sample_sd, summarize};
use frbench_harness::suite::Resolved;
use serde::Serialize;
use std::collections::BTreeMap;

/// A night of one suite.
#[derive(Clone, Debug, Serialize)]
pub struct Findings {
    pub suite: String,
    pub profile: String,
    /// When it began, UTC.
    pub night: String,
    pub commit: String,
    pub code: String,
    /// The id of the baseline; empty where there is none.
    pub baseline: String,
    pub environment: String,
    /// What the baseline was recorded on.
    pub baseline_environment: String,
    /// Seeds that were screened, in the order in which they were drawn.
    pub seeds: Vec<u64>,
    /// Further seeds, to confirm.
    pub further: Vec<u64>,
    /// Whether an earlier night has measured this code: nothing new was drawn.
    pub repeated: bool,
    /// Jobs that were executed.
    pub executed: usize,
    /// Jobs of equal code with other bits, in the order in which they are made.
    pub bits: Vec<Bits>,
    /// The network of new code that was made twice, such as `fcd seed 1`.
    pub twice: Option<String>,
    /// Networks that other code has given other bits.
    pub changed: Vec<String>,
    /// Sources and crates that differ from the baseline's.
    pub sources: Vec<String>,
    pub problems: Vec<Problem>,
    pub cells: Vec<CellFinding>,
    pub claims: Vec<ClaimFinding>,
    /// What else is to be known.
    pub notes: Vec<String>,
    pub seconds: f64,
    #[serde(skip)]
    pub measured: Measured,
}

/// A cell on a night.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellFinding {
    #[serde(flatten)]
    pub cell: CellId,
    /// The id of the gate that watches it.
    pub gate: Option<String>,
    pub verdict: Verdict,
    pub reason: String,
    /// Tonight's, by seed.
    pub values: BySeed,
    /// Tonight's mean, and the baseline's over its seeds.
    pub mean: Option<f64>,
    pub expected: Option<Expected>,
    /// 95 % interval of the change of the mean, in the unit of the metric; positive is better.
    pub interval: Option<(f64, f64)>,
    /// Of no loss, from the seeds that were screened.
    pub p: Option<f64>,
    /// The same from the further seeds alone.
    pub p_further: Option<f64>,
    #[serde(skip)]
    pub past: Option<Past>,
}

/// What the baseline says of a cell; as text mean and spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Expected {
    pub n: usize,
    pub mean: f64,
    pub sd: Option<f64>,
}

impl std::fmt::Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", percent(self.mean))?;
        match self.sd {
            Some(sd) => write!(f, " ± {}", percent(sd)),
            None => Ok(()),
        }
    }
}

/// A claim on a night.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClaimFinding {
    pub id: String,
    pub text: String,
    pub cell: CellId,
    pub than: String,
    pub verdict: Verdict,
    /// What the baseline and tonight's seeds say of it.
    pub was: String,
    pub is: String,
    pub reason: String,
    pub difference: Option<f64>,
    pub interval: Option<(f64, f64)>,
}

impl Findings {
    /// Of a suite that there is nothing to hold against.
    pub fn without_baseline(suite: &Resolved, night: &str, commit: &str, note: String) -> Findings {
        Findings {
            suite: suite.suite.clone(),
            profile: suite.profile.clone(),
            night: night.to_string(),
            commit: commit.to_string(),
            code: String::new(),
            baseline: String::new(),
            environment: String::new(),
            baseline_environment: String::new(),
            seeds: Vec::new(),
            further: Vec::new(),
            repeated: false,
            executed: 0,
            bits: Vec::new(),
            twice: None,
            changed: Vec::new(),
            sources: Vec::new(),
            problems: Vec::new(),
            cells: Vec::new(),
            claims: Vec::new(),
            notes: vec![note],
            seconds: 0.0,
            measured: Measured::default(),
        }
    }

    /// Every verdict of the night.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> + '_ {
        let cells = self.cells.iter().map(|c| c.verdict);
        cells.chain(self.claims.iter().map(|c| c.verdict))
    }

    /// That jobs have other bits by the same code, if some do.
    pub fn other_bits(&self) -> Option<String> {
        let (first, n) = (self.bits.first()?, self.bits.len());
        Some(format!(
            "the same code and kernels gave other bits in {n} jobs; the first is {first}"
        ))
    }

    /// How many verdicts of each kind there are.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for verdict in self.verdicts() {
            *counts.entry(verdict.name()).or_default() += 1;
        }
        counts
    }

    /// The worst of them; `missing` of none.
    pub fn verdict(&self) -> Verdict {
        if !self.bits.is_empty() || !self.problems.is_empty() {
            return Verdict::Failed;
        }
        let nothing = match self.baseline.is_empty() {
            true => Verdict::Incomparable,
            false => Verdict::Missing,
        };
        self.verdicts().max().unwrap_or(nothing)
    }

    /// The codes that hold, of which [`verdict::exit_code`] is one.
    pub fn codes(&self, strict: bool) -> Vec<u8> {
        let mut codes: Vec<u8> = self.problems.iter().map(|p| p.exit_code).collect();
        if !self.bits.is_empty() {
            codes.push(verdict::code::FAILED);
        }
        if self.cells.is_empty() {
            codes.push(verdict::code_of(self.verdict(), strict));
        }
        // What failed has its own code, which may be that of data.
        let failed = |v: &Verdict| *v != Verdict::Failed || self.problems.is_empty();
        let verdicts = self.verdicts().filter(failed);
        codes.extend(verdicts.map(|v| verdict::code_of(v, strict)));
        codes
    }

    /// Lines of the yearly file.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        self.cells.iter().flat_map(|c| {
            c.values.iter().map(|(seed, value)| Line {
                night: self.night.clone(),
                commit: self.commit.clone(),
                row: c.cell.row.clone(),
                column: c.cell.column.clone(),
                metric: c.cell.metric.clone(),
                seed: *seed,
                value: *value,
                model: self
                    .measured
                    .run(&c.cell.row, *seed)
                    .map_or(String::new(), |r| r.model.clone()),
            })
        })
    }

    /// The night in a line.
    pub fn summary(&self) -> Night {
        let gates = self.cells.iter();
        let gates = gates.filter_map(|c| Some((c.cell.to_string(), c.past?)));
        let point = |c: &CellFinding| {
            let values: Vec<f64> = c.values.values().copied().collect();
            Point {
                cell: c.cell.clone(),
                verdict: c.verdict,
                n: values.len(),
                mean: mean(&values),
                sd: sample_sd(&values).filter(|_| values.len() >= 3),
            }
        };
        let measured = self.cells.iter().filter(|c| !c.values.is_empty());
        Night {
            night: self.night.clone(),
            commit: self.commit.clone(),
            code: self.code.clone(),
            baseline: self.baseline.clone(),
            verdict: self.verdict(),
            seeds: self.seeds.clone(),
            further: self.further.clone(),
            gates: gates.collect(),
            cells: measured.map(point).collect(),
        }
    }
}

/// What a baseline says of a cell.
pub fn expected(values: &BySeed) -> Option<Expected> {
    let values: Vec<f64> = values.values().copied().collect();
    let summary = summarize(&values, 0.95)?;
    Some(Expected {
        n: summary.n,
        mean: summary.mean,
        sd: summary.sd,
    })
}

/// A value as people read it: rates in per cent.
pub fn percent(value: f64) -> String {
    format!("{:.2} %", 100.0 * value)
}
