//! One profile of a suite with every reference followed: rows to train, columns to evaluate,
//! claims to test. What is wrong with a suite beyond its grammar is found here.

mod columns;
mod files;
mod gates;
mod info;
mod limits;
mod links;
mod names;
mod rows;

pub use info::RowInfo;

use super::catalogue::{self, Catalogue};
use super::check::suggest;
use super::dataset;
use super::model::*;
use super::model_file::ModelFile;
use super::source::{At, Source};
use frbench_base::{Result, Size};
use frbench_data::sampler::Pass;
use frbench_job::*;
use frbench_methods::method::Needs;
use names::Names;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A profile, ready to be planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    pub suite: String,
    pub title: String,
    pub analysis: String,
    pub published: Vec<String>,
    pub paper: Option<Paper>,
    pub profile: String,
    pub summary: String,
    /// Labels of the conditions, and what the suite says about them.
    pub conditions: BTreeMap<String, String>,
    pub rows: Vec<Row>,
    pub columns: Vec<Column>,
    pub claims: Vec<ResolvedClaim>,
    pub gates: Vec<ResolvedGate>,
    pub references: Vec<ReferenceRow>,
}

/// One row of the table: a way to train, at its seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub info: RowInfo,
    pub entry: String,
    /// Id of the condition it runs under.
    pub under: Option<String>,
    pub seeds: Vec<u64>,
    /// The seed of the network that others learn from.
    pub first_seed: u64,
    /// False for a row that is there only because another learns from it.
    pub listed: bool,
    /// Index of the teacher's row.
    pub teacher: Option<usize>,
    /// Index of the row whose network it starts from, if not from random weights.
    pub start: Option<usize>,
    /// Which images of the set it is trained on, if not all.
    pub keep: Option<Keep>,
    pub backbone: BackboneSpec,
    pub input: InputSpec,
    pub model: ModelSource,
}

impl std::ops::Deref for Row {
    type Target = RowInfo;

    fn deref(&self) -> &RowInfo {
        &self.info
    }
}

/// Where the weights of a network come from.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelSource {
    /// They are trained here.
    Trained(Box<Trained>),
    /// They lie in a file.
    File(ModelFile),
}

/// How a network is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    pub method: MethodSpec,
    pub head: Option<HeadSpec>,
    pub needs: Needs,
    pub data: DataSpec,
    pub schedule: ScheduleSpec,
    pub optimizer: OptimizerSpec,
    pub batch: usize,
    pub bn_group: usize,
    pub flip: bool,
    pub precision: Precision,
    pub balanced: Option<BalancedSpec>,
    /// What is left of a pass over the images is a smaller batch at its end.
    pub keep_last: bool,
}

impl Row {
    /// How its network is trained, if it is trained here.
    pub fn trained(&self) -> Option<&Trained> {
        match &self.model {
            ModelSource::Trained(trained) => Some(trained),
            ModelSource::File(_) => None,
        }
    }

    /// The same, to be changed.
    pub fn trained_mut(&mut self) -> Option<&mut Trained> {
        match &mut self.model {
            ModelSource::Trained(trained) => Some(trained),
            ModelSource::File(_) => None,
        }
    }
}

impl Trained {
    /// An epoch over `images` images.
    ///
    /// # Errors
    /// See [`Pass::over`].
    pub fn pass(&self, images: u64) -> Result<Pass> {
        let parts = self.keep_last.then_some(self.batch / self.bn_group.max(1));
        Pass::over(images as usize, self.batch, parts)
    }
}

/// The images within `degrees` of their class's dominant centre, by the network that row `by`
/// trains with the same seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Keep {
    pub by: usize,
    pub degrees: f64,
}

/// One column: a data set under a protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub data: DataSpec,
    /// The suite's name for the protocol.
    pub protocol: String,
    pub spec: ProtocolSpec,
    /// Parts of the data set that are embedded, and how.
    pub parts: &'static [&'static str],
    pub views: Views,
    /// The entries that are evaluated here; none means all.
    pub entries: Option<Vec<String>>,
    /// Networks see the images without any loss of resolution of their own.
    pub native: bool,
}

impl Column {
    /// Whether an entry's networks are evaluated here.
    pub fn has(&self, entry: &str) -> bool {
        let ids = self.entries.as_ref();
        ids.is_none_or(|ids| ids.iter().any(|id| id == entry))
    }

    pub fn id(&self) -> String {
        Column::id_of(&self.data.name, &self.protocol)
    }

    /// The id of the column of a data set under a protocol.
    pub fn id_of(data: &str, protocol: &str) -> String {
        format!("{data}/{protocol}")
    }
}

/// A claim, for one column of the profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResolvedClaim {
    pub id: String,
    pub text: String,
    /// Ids of rows.
    pub better: String,
    pub than: String,
    /// Id of the column; none where the profile does not evaluate it.
    pub column: Option<String>,
    pub on: String,
    pub metric: String,
    pub margin: f64,
    /// What the margin follows from.
    pub margin_source: Option<String>,
    /// Why it is judged in this column.
    pub why: Option<String>,
    /// The question of the paper.
    pub question: bool,
    /// Judged together with the others of its kind.
    pub primary: bool,
    /// What had to be reconstructed.
    pub reconstructed: Option<String>,
    pub source: Option<String>,
}

/// A gate, for one row on one column of the profile.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedGate {
    pub id: String,
    /// Id of the row.
    pub row: String,
    /// Id of the column.
    pub column: String,
    pub metric: String,
    pub tolerance: f64,
    pub why: String,
}

/// A published number as the report shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceRow {
    pub entry: String,
    pub data: String,
    pub metric: String,
    /// None: not available to us.
    pub value: Option<f64>,
    pub source: String,
    pub context: String,
}

/// Checks every profile; the first thing wrong is the error.
pub fn validate(suite: &Suite, known: &Catalogue) -> Result<()> {
    Names { suite, known }.check()?;
    let mut watched = BTreeSet::new();
    for profile in &suite.profiles {
        let found = resolve(suite, &profile.id, known)?;
        watched.extend(found.gates.into_iter().map(|g| g.id));
    }
    gates::all_watched(suite, &watched)
}

/// The profile called `profile`.
pub fn resolve(suite: &Suite, profile: &str, known: &Catalogue) -> Result<Resolved> {
    let names = Names { suite, known };
    names.check()?;
    let Some(profile) = suite.profiles.iter().find(|p| p.id.value == profile) else {
        let ids = suite.profiles.iter().map(|p| p.id.as_str());
        return Err(frbench_base::Error::Usage(format!(
            "{}: suite `{}` has no profile `{profile}`; {}",
            suite.source.name,
            suite.name,
            suggest(profile, ids)
        )));
    };
    names.overrides(profile)?;
    let rows = rows::rows(&names, profile)?;
    let columns = columns::columns(&names, profile)?;
    limits::results(&suite.source, &profile.id, &rows, &columns)?;
    Ok(Resolved {
        suite: suite.name.clone(),
        title: suite.title.clone(),
        analysis: suite.analysis.clone(),
        published: suite.published.clone(),
        paper: suite.paper.clone(),
        profile: profile.id.value.clone(),
        summary: profile.summary.clone(),
        conditions: suite
            .conditions
            .iter()
            .filter_map(|c| Some((c.label.clone(), c.note.clone()?)))
            .collect(),
        claims: claims(suite, &rows, &columns)?,
        gates: gates::gates(&names, profile, &rows, &columns)?,
        references: suite
            .references
            .iter()
            .map(|r| ReferenceRow {
                entry: r.entry.value.clone(),
                data: r.data.clone(),
                metric: r.metric.clone(),
                value: r.value,
                source: r.source.clone(),
                context: r.context.clone(),
            })
            .collect(),
        rows,
        columns,
    })
}

fn claims(suite: &Suite, rows: &[Row], columns: &[Column]) -> Result<Vec<ResolvedClaim>> {
    let mut by_entry: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_entry.entry(&row.entry).or_default().push(row);
    }
    let mut by_data: BTreeMap<String, Vec<&Column>> = BTreeMap::new();
    for column in columns {
        let names = BTreeSet::from([column.data.name.clone(), dataset::family(&column.data)]);
        for name in names {
            by_data.entry(name).or_default().push(column);
        }
    }
    let of = |id: &str| by_entry.get(id).map_or(&[][..], Vec::as_slice);
    let mut out = Vec::new();
    for claim in &suite.claims {
        let on: Vec<String> = by_data
            .get(&claim.on.value)
            .into_iter()
            .flatten()
            .filter(|c| c.has(&claim.better) && c.has(&claim.than))
            .map(|c| c.id())
            .collect();
        let pairs = compared(claim, of(&claim.better), of(&claim.than));
        // Counted before they are held: two matrices make as many as their product.
        let left = limits::COMPARISONS - out.len();
        if pairs
            .clone()
            .take(left + 1)
            .count()
            .saturating_mul(on.len().max(1))
            > left
        {
            return Err(suite.source.error(
                &claim.id.span,
                format_args!(
                    "with claim `{}` this profile makes more than {} comparisons of rows on \
                     columns, which is the most that are judged",
                    claim.id.value,
                    limits::COMPARISONS
                ),
            ));
        }
        let mut tests: Vec<(String, String, Option<String>)> = pairs
            .flat_map(|(better, than)| {
                on.iter()
                    .map(move |c| (better.clone(), than.clone(), Some(c.clone())))
            })
            .collect();
        if tests.is_empty() {
            let (better, than) = (claim.better.value.clone(), claim.than.value.clone());
            tests.push((better, than, None));
        }
        out.extend(
            tests
                .into_iter()
                .map(|(better, than, column)| ResolvedClaim {
                    id: claim.id.value.clone(),
                    text: claim.text.clone(),
                    better,
                    than,
                    column,
                    on: claim.on.value.clone(),
                    metric: claim.metric.value.clone(),
                    margin: claim.margin,
                    margin_source: claim.margin_source.clone(),
                    why: claim.why.clone(),
                    question: claim.question,
                    primary: claim.primary,
                    reconstructed: claim.reconstructed.clone(),
                    source: claim.source.clone(),
                }),
        );
    }
    Ok(out)
}

/// The pairs of rows, by id, that a claim compares: within one condition, and with what stands
/// outside of all.
fn compared<'a>(
    claim: &'a Claim,
    better: &'a [&'a Row],
    than: &'a [&'a Row],
) -> impl Iterator<Item = (String, String)> + Clone + 'a {
    let under = claim.under.as_ref();
    let named =
        move |row: &Row| under.is_none_or(|u| row.under.as_ref().is_none_or(|id| *id == u.value));
    better.iter().filter(move |b| named(b)).flat_map(move |b| {
        than.iter()
            .filter(move |t| named(t) && t.shares_condition(b))
            .map(|t| (b.id.clone(), t.id.clone()))
    })
}

impl Row {
    /// Whether two rows may build on or be compared with each other.
    fn shares_condition(&self, other: &Row) -> bool {
        match (&self.under, &other.under) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        }
    }
}
