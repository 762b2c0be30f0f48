//! Evaluation protocols: pure functions from embeddings and a description of the data to a
//! [`ScoreResult`]. Scores are f64 from f32 embeddings; results
//! do not depend on the number of threads or on the device.

/// The names of a table, as the choices of a parameter: a new line is a new choice.
macro_rules! choice {
    ($table:expr) => {{
        const NAMES: [&str; $table.len()] = {
            let mut names = [""; $table.len()];
            let mut i = 0;
            while i < names.len() {
                names[i] = $table[i].name;
                i += 1;
            }
            names
        };
        frbench_base::registry::Kind::Choice(&NAMES)
    }};
}

mod bootstrap;
mod check;
pub mod embeddings;
mod evidence;
mod gallery;
mod groups;
mod histogram;
mod identification;
mod input;
mod mates;
mod open_set;
pub mod operating;
mod pairs;
pub mod rates;
mod scores;
mod search;
mod template;
mod template_search;
mod templates;
pub mod trials;
mod verification;
pub mod watchlist;

pub use embeddings::{EmbeddingWriter, Embeddings};
pub use input::{Part, ScoreInput};

use frbench_base::entries;
use frbench_base::registry::{Args, Info, Kind, Param, named};
use frbench_base::{Error, Result};
use frbench_job::result::ScoreResult;
use frbench_job::{DataFormat, Description, Pixels, ProtocolSpec, Views};

/// What a protocol makes of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// `evidence` is empty: the caller hashes what it writes.
    pub result: ScoreResult,
    /// Files to keep: name and content.
    pub evidence: Vec<(String, Vec<u8>)>,
}

/// A line of the table of protocols.
pub struct ProtocolEntry {
    pub info: Info,
    /// Parts of the data set whose embeddings it needs.
    pub parts: &'static [&'static str],
    /// How those embeddings should be made.
    pub views: Views,
    /// The kind of data set it runs on.
    pub format: DataFormat,
    /// Ids of the metrics it yields with these parameters; an error where they are wrong.
    pub metrics: fn(&ProtocolSpec) -> Result<Vec<String>>,
    /// Refuses a data set that it cannot score whatever the embeddings are, as far as its
    /// description tells.
    pub check: fn(&ProtocolSpec, &Description) -> Result<()>,
    pub score: fn(&ProtocolSpec, &ScoreInput) -> Result<Scored>,
}

entries! {
    /// Every protocol a suite may name.
    pub static PROTOCOLS: ProtocolEntry, ORIGINS = [
        verification::ENTRY,
        template::ENTRY,
        identification::ENTRY,
        gallery::ENTRY,
        open_set::ENTRY,
        template_search::ENTRY,
        groups::ENTRY,
    ]
}

/// The table line of a protocol.
pub fn find(name: &str) -> Result<&'static ProtocolEntry> {
    named(PROTOCOLS, |p| p.info.name, "protocol", name)
}

/// What the protocol of `spec` does to pictures before a network sees them.
pub fn pixels(spec: &ProtocolSpec) -> Pixels {
    match spec.name == verification::ENTRY.info.name {
        true => verification::pixels(spec),
        false => Pixels::Plain,
    }
}

/// Refuses a data set that the protocol of `spec` cannot score, before any network is trained.
///
/// # Errors
/// [`Error::Data`] with what is wrong with it.
pub fn check(spec: &ProtocolSpec, data: &Description) -> Result<()> {
    let entry = find(&spec.name)?;
    match data.beyond_use() {
        Some(why) => Err(Error::Data(format!(
            "nothing can be scored without the images that are missing or damaged: {why}"
        ))),
        None => (entry.check)(spec, data),
    }
}

/// Scores embeddings under the protocol that `spec` names.
pub fn score(spec: &ProtocolSpec, input: &ScoreInput) -> Result<Scored> {
    let entry = find(&spec.name)?;
    let scored = (entry.score)(spec, input)?;
    let found: Vec<&str> = scored
        .result
        .metrics
        .iter()
        .map(|m| m.id.as_str())
        .collect();
    if found != (entry.metrics)(spec)? {
        let message = format!("`{}` announces other metrics than {found:?}", spec.name);
        return Err(Error::Bug(message));
    }
    Ok(scored)
}

/// Arithmetic mean; NaN of nothing.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// A parameter that is a list of numbers, none of them missing.
fn floats(args: &Args, name: &str, default: &[f64]) -> Result<Vec<f64>> {
    let wrong = || {
        Error::Usage(format!(
            "`{}`: parameter `{name}` must be a list of numbers",
            args.of
        ))
    };
    match args.params.get(name) {
        None => Ok(default.to_vec()),
        Some(value) => value
            .as_array()
            .ok_or_else(wrong)?
            .iter()
            .map(|v| v.as_f64().ok_or_else(wrong))
            .collect(),
    }
}

/// The parameter `name`: rates in (0, 1) of the kind that `what` says.
fn rates_between(args: &Args, name: &str, what: &str, default: &[f64]) -> Result<Vec<f64>> {
    let rates = floats(args, name, default)?;
    match rates.iter().find(|r| !(**r > 0.0 && **r < 1.0)) {
        Some(bad) => Err(Error::Usage(format!(
            "`{}`: {what} {bad} in `{name}`, want rates between 0 and 1",
            args.of
        ))),
        None => Ok(rates),
    }
}

/// The parameter `fars`: false accept rates in (0, 1).
fn fars(args: &Args, default: &[f64]) -> Result<Vec<f64>> {
    rates_between(args, "fars", "false accept rate", default)
}

/// Whether a metric is a rate of errors or made of such: less is better.
pub fn is_error(metric: &str) -> bool {
    ["fmr", "fnmr", "eer"].iter().any(|e| metric.starts_with(e))
}

/// `tar@far=1e-3`, of `tar@far`.
fn rate_id(name: &str, rate: f64) -> String {
    format!("{name}={rate:e}")
}

fn rank_id(rank: usize) -> String {
    format!("rank-{rank}")
}

/// The ranks that are reported unless a suite states others.
const FIRST_RANKS: [f64; 3] = [1.0, 5.0, 10.0];

/// How a suite states them.
const RANKS: Param = Param {
    name: "ranks",
    kind: Kind::Floats,
    required: false,
    doc: "ranks to report (default 1, 5, 10)",
};

/// The parameter `ranks`: whole numbers from 1.
///
/// # Errors
/// [`Error::Usage`] for anything else.
pub fn ranks(args: &Args, default: &[f64]) -> Result<Vec<usize>> {
    let ranks = floats(args, "ranks", default)?;
    match ranks
        .iter()
        .find(|r| !(**r >= 1.0 && r.fract() == 0.0 && **r <= 1e9))
    {
        Some(bad) => Err(Error::Usage(format!(
            "`{}`: rank {bad} in `ranks`, want whole numbers from 1",
            args.of
        ))),
        None => Ok(ranks.into_iter().map(|r| r as usize).collect()),
    }
}
