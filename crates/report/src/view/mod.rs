//! The report as text in its final form: what the HTML and Markdown writers lay out.

mod ablations;
mod attention;
mod cells;
mod labels;
mod protocols;
mod records;

pub(super) use ablations::AblationView;
pub(super) use attention::AttentionView;
pub(super) use cells::{CellView, Measured, Two};
pub(super) use labels::{LabelBlock, precision, recall, to_label, to_truth};
pub(super) use protocols::ProtocolView;

use super::derive::Derived;
use super::format::count;
use super::model::*;
use super::pictures::Pictures;
use super::{claims, plots, prose, references, words};
use records::{DataView, RecipeView, RunView};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Serialize)]
pub(super) struct View {
    pub name: String,
    pub title: String,
    pub profile: String,
    pub paper: Paper,
    pub links: Vec<Link>,
    /// The paper's questions, answered.
    pub questions: Vec<Question>,
    pub answer: Vec<String>,
    pub caveats: Vec<String>,
    pub claims: Vec<ClaimView>,
    pub columns: Vec<ColumnView>,
    pub blocks: Vec<Block<RowView>>,
    /// Rows have conditions.
    pub conditional: bool,
    pub protocols: Vec<ProtocolView>,
    /// Whether there is a student alone that rows are held against.
    pub against_student: bool,
    /// Whose difference to the student is not one of methods alone; empty if nobody's.
    pub foreign: String,
    pub ablations: Vec<AblationView>,
    pub labels: Vec<LabelBlock>,
    pub attention: Option<AttentionView>,
    pub training: Vec<Block<Plot>>,
    pub roc: Vec<Plot>,
    pub compared: Vec<references::Compared>,
    pub sources: Vec<references::Source>,
    pub analysis: Vec<prose::Block>,
    pub data: Vec<DataView>,
    pub recipes: Vec<RecipeView>,
    pub runs: Vec<RunView>,
    pub seeds: String,
    pub environment: Vec<(String, String)>,
    pub command: String,
    pub started: String,
    pub finished: String,
    pub notes: Vec<String>,
}

/// What belongs to one condition.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Block<T> {
    /// Empty for rows of no condition.
    pub condition: String,
    /// What is to be said about all of it.
    pub note: String,
    pub rows: Vec<T>,
}

impl<T> Block<Vec<T>> {
    fn flatten(self) -> Block<T> {
        Block {
            condition: self.condition,
            note: self.note,
            rows: self.rows.into_iter().flatten().collect(),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Link {
    pub text: String,
    pub url: String,
}

/// A question of the paper and where its evidence stands.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Question {
    pub answer: String,
    pub claim: String,
    pub anchor: String,
    pub verdict: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ClaimView {
    /// For addresses within the page, such as `claim-relations-help-1`.
    pub anchor: String,
    pub text: String,
    pub verdict: &'static str,
    pub sentence: String,
    pub question: bool,
    /// Name and address of the column it is judged on, if there is one.
    pub column: String,
    pub column_anchor: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ColumnView {
    pub label: String,
    pub dataset: String,
    pub metric: String,
    pub unit: String,
    /// `higher is better`.
    pub direction: &'static str,
    pub arrow: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct RowView {
    pub label: String,
    /// With its condition, where there are several.
    pub name: String,
    pub role: &'static str,
    pub note: String,
    pub backbone: String,
    pub parameters: String,
    pub macs: String,
    pub cells: Vec<CellView>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Plot {
    pub title: String,
    pub caption: String,
    pub svg: String,
    /// Names of lines and their classes in the style sheet.
    pub legend: Vec<(String, String)>,
}

const NONE: &str = "–";

impl View {
    pub(super) fn new(input: &ReportInput, derived: &Derived, pictures: &Pictures) -> Self {
        let columns: Vec<ColumnView> = input.columns.iter().map(column).collect();
        let (compared, sources) = references::view(input, derived);
        let claims = claims(input, derived);
        View {
            name: input.suite.name.clone(),
            title: input.suite.title.clone(),
            profile: input.suite.profile.clone(),
            links: links(&input.suite.paper),
            paper: input.suite.paper.clone(),
            questions: questions(&claims, derived),
            answer: words::answer(input, derived),
            caveats: words::caveats(input, derived),
            protocols: (0..columns.len())
                .map(|c| protocols::view(input, derived, &columns[c], c))
                .collect(),
            columns,
            blocks: blocks(
                input,
                |r| r.role != Role::Ablation,
                |i| row(input, derived, i),
            ),
            against_student: derived
                .rows
                .iter()
                .flat_map(|r| &r.cells)
                .any(|c| c.over_student.is_some() || c.gap_closed.is_some()),
            conditional: !input.conditions().is_empty(),
            foreign: protocols::foreign(input, derived),
            ablations: ablations::view(input, derived),
            labels: labels::view(input, pictures),
            attention: attention::view(input, pictures),
            training: blocks(
                input,
                |r| r.runs.iter().any(|run| !run.curve.is_empty()),
                |i| plots::training(&input.rows[i]),
            ),
            roc: plots::roc(input),
            claims,
            compared,
            sources,
            analysis: prose::blocks(&input.suite.analysis),
            data: input.data.iter().map(records::data).collect(),
            recipes: records::recipes(input),
            runs: records::runs(input),
            seeds: words::list(&input.seeds.iter().map(u64::to_string).collect::<Vec<_>>()),
            environment: input
                .environment
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            command: input.command.clone(),
            started: input.started.clone(),
            finished: input.finished.clone(),
            notes: input
                .notes
                .iter()
                .chain(pictures.notes())
                .cloned()
                .collect(),
        }
    }
}

/// The rows that `chosen` picks, condition by condition; notes are those of the conditions.
fn blocks<T>(
    input: &ReportInput,
    chosen: impl Fn(&Row) -> bool,
    view: impl Fn(usize) -> T,
) -> Vec<Block<T>> {
    input
        .blocks(chosen)
        .into_iter()
        .map(|(condition, rows)| Block {
            condition: condition.to_string(),
            note: input.conditions.get(condition).cloned().unwrap_or_default(),
            rows: rows.into_iter().map(&view).collect(),
        })
        .collect()
}

fn row(input: &ReportInput, derived: &Derived, i: usize) -> RowView {
    let row = &input.rows[i];
    let cells = input.columns.iter().zip(&derived.rows[i].cells);
    RowView {
        label: row.label.clone(),
        name: input.name(row),
        role: row.role.name(),
        note: row.note.clone(),
        backbone: row.backbone.clone(),
        parameters: count(row.parameters),
        macs: count(row.macs),
        cells: cells.map(cells::view).collect(),
    }
}

fn links(paper: &Paper) -> Vec<Link> {
    let link = |what: &str, base: &str, id: &Option<String>| {
        let id = id.as_ref().filter(|id| !id.is_empty())?;
        Some(Link {
            text: format!("{what}:{id}"),
            url: format!("{base}{}", references::percent(id)),
        })
    };
    [
        link("arXiv", "https://arxiv.org/abs/", &paper.arxiv),
        link("doi", "https://doi.org/", &paper.doi),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn claims(input: &ReportInput, derived: &Derived) -> Vec<ClaimView> {
    let mut views: Vec<ClaimView> = Vec::new();
    let (mut taken, mut numbers) = (BTreeSet::new(), BTreeMap::new());
    for (claim, result) in input.claims.iter().zip(&derived.claims) {
        let stem = format!("claim-{}", in_address(&claim.id));
        // A claim under several conditions, or on several columns, is judged in each.
        let last: &mut usize = numbers.entry(stem.clone()).or_default();
        let anchor = loop {
            *last += 1;
            let anchor = format!("{stem}-{last}");
            if taken.insert(anchor.clone()) {
                break anchor;
            }
        };
        let c = input.columns.iter().position(|c| c.id == claim.on);
        views.push(ClaimView {
            anchor,
            text: claim.text.clone(),
            verdict: claims::name(result.verdict),
            sentence: result.sentence.clone(),
            question: claim.question,
            column: c.map_or(String::new(), |c| input.columns[c].label.clone()),
            column_anchor: c.map_or(String::new(), self::anchor),
        });
    }
    views
}

fn questions(claims: &[ClaimView], derived: &Derived) -> Vec<Question> {
    let results = claims.iter().zip(&derived.claims);
    results
        .filter_map(|(claim, result)| {
            Some(Question {
                answer: result.answer.clone()?,
                claim: claim.text.clone(),
                anchor: claim.anchor.clone(),
                verdict: claim.verdict,
            })
        })
        .collect()
}

/// The address of a column's section within the page.
fn anchor(c: usize) -> String {
    format!("m{}", c + 1)
}

/// An id as a part of an address.
fn in_address(id: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    id.chars().map(|c| if safe(c) { c } else { '-' }).collect()
}

fn column(c: &Column) -> ColumnView {
    ColumnView {
        label: c.label.clone(),
        dataset: c.dataset.clone(),
        metric: c.metric.clone(),
        unit: c.unit.clone(),
        direction: if c.higher_is_better {
            "higher is better"
        } else {
            "lower is better"
        },
        arrow: if c.higher_is_better { "↑" } else { "↓" },
    }
}
