//! What a report is made from: raw values per training seed, and what they are to be held
//! against. Nothing here is derived; means, intervals and verdicts are computed in
//! [`super::derive()`].

use frbench_data::overlap::kept::Kept;
use frbench_eval::stats::{Family, People};
use frbench_harness::plan::recipe::Recipe;
pub use frbench_harness::suite::model::{Paper, Role};
pub use frbench_harness::suite::resolve::RowInfo;
use frbench_job::result::{CurvePoint, DataResult, LabelEpoch, Metric, Picture, StageAttention};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One suite under one profile, as far as its jobs have been run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportInput {
    pub suite: SuiteInfo,
    /// In the order of the suite: teacher, student, baselines, methods, ablations.
    pub rows: Vec<Row>,
    /// One per data set, protocol and metric, in the order of the suite.
    pub columns: Vec<Column>,
    /// What is said about the conditions of rows, by their labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, String>,
    #[serde(default)]
    pub claims: Vec<Claim>,
    #[serde(default)]
    pub published: Vec<PublishedRow>,
    #[serde(default)]
    pub data: Vec<DataSet>,
    /// The training seeds the suite asks for.
    pub seeds: Vec<u64>,
    /// Name and value, such as `cpu`, `kernels`, `frbench`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The command line that makes this report again.
    pub command: String,
    /// Times as text; the report adds none of its own, so that its bytes are stable.
    pub started: String,
    pub finished: String,
    /// Things a reader must know: ties at a threshold, few false accepts, ...
    #[serde(default)]
    pub notes: Vec<String>,
}

impl ReportInput {
    /// The number of the row with this id.
    pub fn row(&self, id: &str) -> Option<usize> {
        self.rows.iter().position(|r| r.id == id)
    }

    /// The number of the column with this id.
    pub fn column(&self, id: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.id == id)
    }

    /// Labels of the conditions, in the order in which rows have them; rows of none aside.
    pub fn conditions(&self) -> Vec<&str> {
        let mut labels: Vec<&str> = Vec::new();
        for row in self.rows.iter().filter(|r| !r.condition.is_empty()) {
            if !labels.contains(&row.condition.as_str()) {
                labels.push(&row.condition);
            }
        }
        labels
    }

    /// What a row is called outside of a table of its condition: `ArcFace`, or where there are
    /// several conditions `ArcFace under C30`.
    pub fn name(&self, row: &Row) -> String {
        match row.condition.as_str() {
            condition if !condition.is_empty() && self.conditions().len() > 1 => {
                format!("{} under {condition}", row.label)
            }
            _ => row.label.clone(),
        }
    }

    /// Rows that `chosen` picks, by number: first those of no condition, then condition by
    /// condition, each with its label. No group is empty.
    pub fn groups(&self, chosen: impl Fn(&Row) -> bool) -> Vec<(&str, Vec<usize>)> {
        let labels = std::iter::once("").chain(self.conditions());
        let of = |label: &str| {
            let here = |(_, row): &(usize, &Row)| row.condition == label && chosen(row);
            let rows = self.rows.iter().enumerate().filter(here);
            rows.map(|(i, _)| i).collect::<Vec<_>>()
        };
        labels
            .map(|label| (label, of(label)))
            .filter(|(_, rows)| !rows.is_empty())
            .collect()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteInfo {
    pub name: String,
    pub title: String,
    pub profile: String,
    #[serde(with = "super::citation")]
    pub paper: Paper,
    /// Prose: paragraphs are separated by blank lines, list items begin with `- `, and
    /// `` `code` `` is set as code. Nothing else is markup.
    #[serde(default)]
    pub analysis: String,
}

/// One model of the comparison, trained once per seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    #[serde(flatten)]
    pub info: RowInfo,
    /// Where its network comes from; none where no run of it is planned, or its job is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Such as `MobileNetV2 0.5x`.
    pub backbone: String,
    /// Trainable parameters of the backbone (without the head); 0 is unknown.
    #[serde(default)]
    pub parameters: u64,
    /// Multiply-accumulates of one forward pass of one image; 0 is unknown.
    #[serde(default)]
    pub macs: u64,
    /// What it minimises, and how; empty is unknown.
    #[serde(default)]
    pub recipe: Recipe,
    /// One per seed this row is to be trained with, those not done included.
    pub runs: Vec<SeedRun>,
}

/// Where a network comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Read from a file, which says nothing of its training.
    File,
    /// Trained here on this set, such as `casia-webface, 20 % closed` where labels were made wrong.
    Trained(String),
}

impl std::ops::Deref for Row {
    type Target = RowInfo;

    fn deref(&self) -> &RowInfo {
        &self.info
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    Done,
    /// With the reason, for people.
    Failed(String),
    Missing,
}

/// One training run and its scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedRun {
    pub seed: u64,
    pub status: RunStatus,
    /// By the id of the column.
    #[serde(default)]
    pub metrics: BTreeMap<String, Metric>,
    /// Why it has no metric, by the id of the column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<String, String>,
    #[serde(default)]
    pub curve: Vec<CurvePoint>,
    /// By the id of the column: what each of its trials adds to the value. Too many for
    /// `results.json`; the files of the scores have them.
    #[serde(skip)]
    pub adds: BTreeMap<String, Vec<f32>>,
    /// By the id of the column: (false accept rate, true accept rate).
    #[serde(default)]
    pub roc: BTreeMap<String, Vec<(f64, f64)>>,
    /// The same: (rank, share of probes that are found).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cmc: BTreeMap<String, Vec<(f64, f64)>>,
    /// The same: (false positive identification rate, true positive identification rate).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dir: BTreeMap<String, Vec<(f64, f64)>>,
    /// The same: (left edge of a bin, number of genuine scores in it); the last point is the right edge
    /// of the last bin.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub genuine: BTreeMap<String, Vec<(f64, f64)>>,
    /// The same of impostor scores, in the same bins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub impostor: BTreeMap<String, Vec<(f64, f64)>>,
    #[serde(default)]
    pub train_seconds: Option<f64>,
    /// Images that the training took in a second.
    #[serde(default)]
    pub images_per_second: Option<f64>,
    /// Images that a network from a file embedded in a second, mirrors included, on the machine of the
    /// run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded_per_second: Option<f64>,
    /// Cache key of the training job.
    #[serde(default)]
    pub train_key: String,
    /// Of the last checkpoint of the training whose network is scored.
    #[serde(default)]
    pub checkpoint_sha256: String,
    /// Of that network alone, as the scores state it.
    #[serde(default)]
    pub model_sha256: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelEpoch>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<StageAttention>,
    /// In the folder of the training job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Picture>,
}

/// One measured quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub id: String,
    /// Such as `synth-lfw`.
    pub dataset: String,
    /// Such as `verification/insightface`.
    pub protocol: String,
    /// Such as `tar@far=1e-3`.
    pub metric: String,
    /// Such as `synth-lfw accuracy`.
    pub label: String,
    /// The one metric that speaks for its protocol on this data set; the answer is taken from
    /// these.
    #[serde(default = "yes")]
    pub headline: bool,
    /// A primary claim is judged here: it stands first, and others fold away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
    /// Who is on its trials, if the scores say so.
    #[serde(skip)]
    pub trials: Option<Trials>,
    /// `%` shows rates times 100; anything else is shown as it is.
    pub unit: String,
    pub higher_is_better: bool,
    #[serde(default)]
    pub chance: Option<f64>,
    /// The images that are scored are generated, whatever the networks were trained on.
    #[serde(default)]
    pub generated: bool,
    pub context: Context,
}

impl Column {
    /// Whether values are rates, from 0 to 1.
    pub fn is_rate(&self) -> bool {
        self.unit == "%"
    }
}

fn yes() -> bool {
    true
}

/// The trials of a column: the same for all rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Trials {
    pub people: Arc<People>,
    /// People are known; else each trial counts as one by itself.
    pub known: bool,
}

/// What has to agree before a measured value may be held against a published one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Context {
    pub protocol: String,
    /// Which checkpoint is scored, such as `last`.
    pub checkpoint: String,
    /// Generated data, for training or for the protocol: never held against published numbers.
    pub synthetic: bool,
    /// What is known of its images in the sets that networks are trained on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlaps: Vec<Overlap>,
}

/// A set that networks are trained on, beside one that they are evaluated on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overlap {
    /// Name of the set to train on.
    pub train: String,
    /// What `frbench data overlap` has found; none where it was not run on the two.
    pub found: Option<Kept>,
}

/// `better` scores better than `than` on the column `on`, by at least `margin`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    pub id: String,
    pub text: String,
    /// Id of a row.
    pub better: String,
    /// Id of a row.
    pub than: String,
    /// Id of a column.
    pub on: String,
    /// The smallest difference that matters, in the unit of the raw values; 0: any does.
    #[serde(default)]
    pub margin: f64,
    /// What the margin follows from; empty text is not stated.
    #[serde(default)]
    pub margin_source: String,
    /// Why it is judged in this column.
    #[serde(default)]
    pub why: String,
    /// The question of the paper: the report's first paragraph answers it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub question: bool,
    /// Judged together with the other primary claims; others are exploratory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub primary: bool,
    /// What had to be reconstructed, of which the verdict is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reconstructed: String,
    /// Where the paper says so.
    #[serde(default)]
    pub source: String,
}

impl Claim {
    /// Which claims it is corrected with.
    pub fn family(&self) -> Family {
        Family::of(self.question, self.primary)
    }
}

/// Whether a published number could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Read in the named source.
    Verified,
    /// Read in somebody else's account of the source, not checked against it.
    Secondary,
    /// Declared, but nobody has read it yet: the value stays empty.
    Unavailable,
}

/// A number somebody else published, with its source and context. Empty text is not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedRow {
    pub paper: String,
    pub table: String,
    pub method: String,
    pub dataset: String,
    pub protocol: String,
    pub metric: String,
    /// As printed, in `unit`.
    pub value: Option<f64>,
    pub unit: String,
    pub training_data: String,
    pub backbone: String,
    pub checkpoint: String,
    /// `single`, `mean of 3`, ...
    pub runs: String,
    /// An address, or in words where it was read.
    pub source: String,
    pub status: Status,
}

/// A data set that was used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataSet {
    pub result: DataResult,
    /// The suite or the registry states its hash, and it agrees.
    pub pinned: bool,
}
