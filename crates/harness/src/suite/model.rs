//! A suite as it was written: every value with its place, nothing resolved yet.

use super::source::{At, Source, Span};
use super::tree::Node;
use serde::{Deserialize, Serialize};

/// A parsed suite file whose keys and types are right.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    pub source: Source,
    pub name: String,
    pub title: String,
    pub analysis: String,
    /// Tables of published numbers, by file name without `.csv`.
    pub published: Vec<String>,
    pub paper: Option<Paper>,
    /// Teacher, student, baselines, methods, ablations: in this order.
    pub entries: Vec<Entry>,
    pub conditions: Vec<Condition>,
    pub models: Vec<Model>,
    pub protocols: Vec<Protocol>,
    pub profiles: Vec<Profile>,
    pub claims: Vec<Claim>,
    pub gates: Vec<Gate>,
    pub references: Vec<Reference>,
}

/// The publication a suite is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Paper {
    pub title: String,
    #[serde(default)]
    pub authors: Vec<String>,
    pub venue: Option<String>,
    pub year: Option<i64>,
    pub url: Option<String>,
    pub doi: Option<String>,
    pub arxiv: Option<String>,
    pub code: Option<String>,
}

/// What an entry is to the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The network that others learn from.
    Teacher,
    /// The small network without a teacher.
    Student,
    /// A method the paper compares with.
    Baseline,
    /// What the paper proposes.
    Method,
    /// A proposed method with one thing changed.
    Ablation,
}

impl Role {
    /// The word for it in suites and reports.
    pub fn name(self) -> &'static str {
        match self {
            Role::Teacher => "teacher",
            Role::Student => "student",
            Role::Baseline => "baseline",
            Role::Method => "method",
            Role::Ablation => "ablation",
        }
    }
}

/// A way to train a network, or a variant of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub role: Role,
    pub id: At<String>,
    pub label: String,
    pub note: Option<String>,
    /// What tables of published numbers call it, where that is not the label.
    pub published: Vec<String>,
    /// The entry that an ablation varies.
    pub of: Option<At<String>>,
    pub teacher: Option<At<String>>,
    /// The conditions it runs under, if not all of the profile.
    pub under: Option<At<Vec<String>>>,
    pub settings: Settings,
}

/// What an entry, an ablation or a profile's override states about training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub method: Option<Named>,
    pub head: Option<Named>,
    pub model: Option<At<String>>,
    pub network: Option<At<String>>,
    pub training: Option<At<String>>,
    /// The entry whose network it starts from.
    pub start: Option<At<String>>,
    pub keep: Option<Keep>,
    pub seeds: Option<At<Vec<u64>>>,
    pub matrix: Option<Vec<(At<String>, Vec<Node>)>>,
}

/// The images of the training set to train on: those within `degrees` of their class's
/// dominant centre, by the network of the entry `by`.
#[derive(Clone, Debug, PartialEq)]
pub struct Keep {
    pub by: At<String>,
    pub degrees: f64,
}

/// A registered thing and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    pub span: Span,
    pub name: Option<At<String>>,
    pub params: Vec<(At<String>, Node)>,
}

/// What is done to the data that entries are trained on and evaluated with.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub id: At<String>,
    pub label: String,
    pub note: Option<String>,
    pub noise: Option<Noise>,
    pub degrade: Option<At<Degrade>>,
}

/// Shares of each class's images, and the seed of the draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    pub closed: f64,
    pub open: f64,
    pub seed: u64,
}

/// A loss of resolution, whose size depends on the input it is applied to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Degrade {
    pub kind: frbench_job::DegradeKind,
    pub to: Reduced,
}

/// How far an input is reduced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reduced {
    /// So many times.
    Factor(f64),
    /// To this side in pixels.
    Side(usize),
}

/// A network that was trained elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub id: At<String>,
    /// From the folder of the suite on.
    pub file: At<String>,
    pub preset: Option<At<String>>,
    /// Colour order, mean and standard deviation, where they are stated.
    pub input: Option<At<(frbench_job::Color, f64, f64)>>,
    pub backbone: Option<Named>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    pub id: At<String>,
    pub kind: Named,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    pub id: At<String>,
    pub summary: String,
    /// None in a profile that trains nothing.
    pub train_data: Option<At<String>>,
    /// None in a profile that trains nothing.
    pub seeds: Option<At<Vec<u64>>>,
    pub entries: Vec<At<String>>,
    pub conditions: Vec<At<String>>,
    pub outliers: Option<At<String>>,
    pub evaluate: Vec<Evaluate>,
    pub networks: Vec<Network>,
    pub trainings: Vec<Training>,
    pub overrides: Vec<(At<String>, Settings)>,
}

/// A column: a data set under a protocol, for all entries or for some.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluate {
    pub data: At<String>,
    pub protocol: At<String>,
    pub entries: Option<Vec<At<String>>>,
    pub native: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    pub id: At<String>,
    pub backbone: Named,
    pub embedding: usize,
    /// Without its loss of resolution, which is `degrade`.
    pub input: frbench_job::InputSpec,
    pub degrade: Option<At<Degrade>>,
    pub conv: frbench_job::ConvMode,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    pub id: At<String>,
    pub data: Option<At<String>>,
    pub schedule: frbench_job::ScheduleSpec,
    pub optimizer: frbench_job::OptimizerSpec,
    pub batch: usize,
    pub bn_group: usize,
    pub flip: bool,
    pub precision: frbench_job::Precision,
    pub balanced: Option<frbench_job::BalancedSpec>,
    pub keep_last: bool,
}

/// "`better` beats `than` on `on` in `metric`".
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    pub id: At<String>,
    pub text: String,
    pub better: At<String>,
    pub than: At<String>,
    pub on: At<String>,
    pub metric: At<String>,
    pub margin: f64,
    pub margin_source: Option<String>,
    pub why: Option<String>,
    pub under: Option<At<String>>,
    pub question: bool,
    pub primary: bool,
    pub reconstructed: Option<String>,
    pub source: Option<String>,
}

/// "`entry` must not lose more than `tolerance` on `on` in `metric`".
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    pub id: At<String>,
    pub entry: At<String>,
    pub on: At<String>,
    pub metric: At<String>,
    pub under: Option<At<String>>,
    pub tolerance: f64,
    pub why: String,
}

/// A published number, or the statement that there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    pub entry: At<String>,
    pub data: String,
    pub metric: String,
    pub value: Option<f64>,
    pub source: String,
    pub context: String,
}
