//! The report as text in its final form: what the HTML and Markdown writers lay out.

use super::derive::{Cell, CellState, Derived, Share};
use super::format::{Unit, count, duration, fixed};
use super::model::*;
use super::{claims, labels, pictures, plots, prose, references, words};
use crate::result::PictureKind;
use crate::stats::Difference;
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(super) struct View {
    pub name: String,
    pub title: String,
    pub profile: String,
    pub paper: Paper,
    pub links: Vec<Link>,
    /// What the paper asks, answered.
    pub questions: Vec<ClaimView>,
    pub answer: Vec<String>,
    pub caveats: Vec<String>,
    pub claims: Vec<ClaimView>,
    pub columns: Vec<ColumnView>,
    pub rows: Vec<RowView>,
    pub protocols: Vec<ProtocolView>,
    pub ablations: Vec<AblationView>,
    pub training: Vec<Plot>,
    pub roc: Vec<Plot>,
    pub labels: Option<labels::LabelsView>,
    pub corrected: Vec<pictures::Shown>,
    pub attention: Vec<pictures::Shown>,
    pub looks: Vec<pictures::Looks>,
    pub compared: Vec<references::Compared>,
    pub sources: Vec<references::Source>,
    pub analysis: Vec<prose::Block>,
    pub data: Vec<DataView>,
    pub runs: Vec<RunView>,
    pub seeds: String,
    pub environment: Vec<(String, String)>,
    pub command: String,
    pub started: String,
    pub finished: String,
    pub notes: Vec<String>,
    pub generated: bool,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Link {
    pub text: String,
    pub url: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ClaimView {
    /// For addresses within the page.
    pub anchor: String,
    /// The address of the protocol that it is judged by; empty where there is none.
    pub column: String,
    pub text: String,
    pub verdict: &'static str,
    pub sentence: String,
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
    pub role: &'static str,
    pub note: String,
    pub backbone: String,
    pub parameters: String,
    pub macs: String,
    pub cells: Vec<CellView>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct CellView {
    /// The mean, or `failed`, or `missing`.
    pub text: String,
    /// `± 0.21`, or empty.
    pub spread: String,
    /// `2 of 3 seeds`, or empty.
    pub seeds: String,
    /// Why values are missing.
    pub reason: String,
    pub state: CellState,
    pub best: bool,
}

/// One column in detail.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ProtocolView {
    /// For addresses within the page.
    pub anchor: String,
    pub column: ColumnView,
    pub protocol: String,
    pub facts: String,
    pub plot: String,
    pub rows: Vec<DetailView>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct DetailView {
    pub label: String,
    pub role: &'static str,
    pub cell: CellView,
    pub interval: String,
    pub over_student: Two,
    pub gap: Two,
}

/// A value and its interval, either of which may be empty.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Two {
    pub value: String,
    pub interval: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct AblationView {
    pub group: String,
    pub reference: String,
    pub rows: Vec<AblationRow>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct AblationRow {
    pub label: String,
    pub note: String,
    pub reference: bool,
    pub cells: Vec<(CellView, Two)>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Plot {
    pub title: String,
    pub caption: String,
    pub svg: String,
    pub legend: Vec<(String, usize)>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct DataView {
    pub name: String,
    pub size: String,
    pub pinned: bool,
    pub notes: Vec<String>,
    pub pixels: String,
    pub decoder: String,
    pub files: Vec<(String, String, String)>,
}

/// One training run with its raw values.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RunView {
    pub row: String,
    pub seed: u64,
    pub status: &'static str,
    pub reason: String,
    pub values: Vec<String>,
    pub time: String,
    pub speed: String,
    pub key: String,
    pub checkpoint: String,
}

const NONE: &str = "–";

impl View {
    pub(super) fn new(input: &ReportInput, derived: &Derived) -> Self {
        let columns: Vec<ColumnView> = input.columns.iter().map(column).collect();
        let rows = input
            .rows
            .iter()
            .zip(&derived.rows)
            .filter(|(r, _)| r.role != Role::Ablation)
            .map(|(r, d)| RowView {
                label: r.label.clone(),
                role: r.role.name(),
                note: r.note.clone(),
                backbone: r.backbone.clone(),
                parameters: count(r.parameters),
                macs: count(r.macs),
                cells: input.columns.iter().zip(&d.cells).map(cell).collect(),
            })
            .collect();
        let (compared, sources) = references::view(input, derived);
        View {
            name: input.suite.name.clone(),
            title: input.suite.title.clone(),
            profile: input.suite.profile.clone(),
            links: links(&input.suite.paper),
            paper: input.suite.paper.clone(),
            questions: claims(input, derived)
                .into_iter()
                .zip(&input.claims)
                .filter(|(_, claim)| claim.question)
                .map(|(view, _)| view)
                .collect(),
            answer: words::answer(input, derived),
            caveats: words::caveats(input, derived),
            claims: claims(input, derived),
            protocols: (0..columns.len())
                .map(|c| protocol(input, derived, &columns[c], c))
                .collect(),
            columns,
            rows,
            ablations: ablations(input, derived),
            training: plots::training(input),
            roc: plots::roc(input),
            labels: labels::view(input),
            corrected: pictures::of_kind(input, PictureKind::Corrections),
            attention: pictures::of_kind(input, PictureKind::Attention),
            looks: pictures::looks(input),
            compared,
            sources,
            analysis: prose::blocks(&input.suite.analysis),
            data: input.data.iter().map(data).collect(),
            runs: runs(input),
            seeds: words::list(&input.seeds.iter().map(u64::to_string).collect::<Vec<_>>()),
            environment: input
                .environment
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            command: input.command.clone(),
            started: input.started.clone(),
            finished: input.finished.clone(),
            notes: input.notes.clone(),
            generated: input.columns.iter().any(|c| c.context.synthetic),
        }
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
    input
        .claims
        .iter()
        .zip(&derived.claims)
        .enumerate()
        .map(|(i, (claim, result))| ClaimView {
            anchor: format!("c{}", i + 1),
            column: input
                .columns
                .iter()
                .position(|c| c.id == claim.on)
                .map_or(String::new(), |c| format!("m{}", c + 1)),
            text: claim.text.clone(),
            verdict: claims::name(result.verdict),
            sentence: result.sentence.clone(),
        })
        .collect()
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

fn cell((column, cell): (&Column, &Cell)) -> CellView {
    let unit = Unit::of(&column.unit);
    CellView {
        text: match (cell.mean, cell.state) {
            (Some(mean), _) => unit.value(mean),
            (None, CellState::Failed) => "failed".into(),
            (None, _) => "missing".into(),
        },
        spread: cell
            .sd
            .map_or(String::new(), |sd| format!("± {}", unit.value(sd))),
        seeds: match cell.values.len() {
            0 => String::new(),
            1 if cell.expected == 1 => "1 seed".into(),
            n if n < cell.expected => format!("{n} of {} seeds", cell.expected),
            2 => "2 seeds".into(),
            _ => String::new(),
        },
        reason: cell.reasons.join("; "),
        state: cell.state,
        best: cell.best,
    }
}

fn advantage(unit: &Unit, a: Option<Difference>) -> Two {
    let Some(a) = a else {
        return Two::default();
    };
    Two {
        value: unit.signed(a.mean),
        interval: a.interval.map_or(String::new(), |i| unit.range(i)),
    }
}

fn share(share: Option<Share>) -> Two {
    let Some(share) = share else {
        return Two::default();
    };
    let percent = |v: f64| fixed(v * 100.0, 0);
    Two {
        value: format!("{} %", percent(share.mean)),
        interval: share.interval.map_or(String::new(), |(low, high)| {
            format!("{} to {} %", percent(low), percent(high))
        }),
    }
}

fn protocol(input: &ReportInput, derived: &Derived, view: &ColumnView, c: usize) -> ProtocolView {
    let column = &input.columns[c];
    let unit = Unit::of(&column.unit);
    let rows = input
        .rows
        .iter()
        .zip(&derived.rows)
        .filter(|(r, _)| r.role != Role::Ablation)
        .map(|(r, d)| {
            let values = &d.cells[c];
            DetailView {
                label: r.label.clone(),
                role: r.role.name(),
                cell: cell((column, values)),
                interval: values.interval.map_or(NONE.into(), |(low, high)| {
                    format!("{} to {}", unit.value(low), unit.value(high))
                }),
                over_student: advantage(&unit, values.over_student),
                gap: share(values.gap_closed),
            }
        })
        .collect();
    ProtocolView {
        anchor: format!("m{}", c + 1),
        column: view.clone(),
        protocol: column.protocol.clone(),
        facts: facts(column, derived, c),
        plot: plots::dot_plot(input, derived, c),
        rows,
    }
}

fn facts(column: &Column, derived: &Derived, c: usize) -> String {
    let unit = Unit::of(&column.unit);
    let mut parts = Vec::new();
    if let Some(chance) = column.chance {
        parts.push(format!("A blind guess scores {}.", unit.with_name(chance)));
    }
    let gap = &derived.gaps[c];
    if let Some(d) = gap.difference {
        let size = unit.signed(d.mean);
        let range = d
            .interval
            .map_or(String::new(), |i| format!(" [{}]", unit.range(i)));
        let rest = match (gap.clear, d.interval) {
            (true, _) => "",
            (false, Some(_)) => ", which may be chance, so no share of it is stated",
            (false, None) => ", with too few seeds for an interval, so no share of it is stated",
        };
        parts.push(format!(
            "Teacher over student: {size} {}{range}{rest}.",
            unit.difference
        ));
    }
    if !column.context.checkpoint.is_empty() {
        parts.push(format!("Checkpoint scored: {}.", column.context.checkpoint));
    }
    parts.join(" ")
}

fn ablations(input: &ReportInput, derived: &Derived) -> Vec<AblationView> {
    let default = input.rows.iter().position(|r| r.role == Role::Method);
    let reference = |row: &Row| match &row.of {
        Some(of) => input.rows.iter().position(|r| r.id == *of),
        None => default,
    };
    let mut groups: Vec<(String, Option<usize>, Vec<usize>)> = Vec::new();
    for (i, row) in input.rows.iter().enumerate() {
        if row.role != Role::Ablation {
            continue;
        }
        let of = reference(row);
        match groups.iter_mut().find(|g| g.0 == row.group && g.1 == of) {
            Some(group) => group.2.push(i),
            None => groups.push((row.group.clone(), of, vec![i])),
        }
    }
    let line = |i: usize, is_reference: bool| AblationRow {
        label: input.rows[i].label.clone(),
        note: input.rows[i].note.clone(),
        reference: is_reference,
        cells: input
            .columns
            .iter()
            .zip(&derived.rows[i].cells)
            .map(|(c, values)| {
                let over = values.over_reference.filter(|_| !is_reference);
                (cell((c, values)), advantage(&Unit::of(&c.unit), over))
            })
            .collect(),
    };
    groups
        .into_iter()
        .map(|(group, of, rows)| AblationView {
            group: if group.is_empty() {
                "Ablations".into()
            } else {
                group
            },
            reference: of.map_or(String::new(), |i| input.rows[i].label.clone()),
            rows: of
                .map(|i| line(i, true))
                .into_iter()
                .chain(rows.into_iter().map(|i| line(i, false)))
                .collect(),
        })
        .collect()
}

fn data(set: &DataSet) -> DataView {
    let r = &set.result;
    let mut size = vec![format!("{} images", r.images)];
    if r.identities > 0 {
        size.push(format!("{} identities", r.identities));
    }
    let counts = r.counts.iter().filter(|(_, n)| **n > 0);
    size.extend(counts.map(|(name, n)| format!("{n} {}", name.replace('_', " "))));
    DataView {
        name: r.name.clone(),
        size: size.join(", "),
        pinned: set.pinned,
        notes: r.notes.clone(),
        pixels: r.pixels_sha256.clone(),
        decoder: r.decoder.clone(),
        files: r
            .files
            .iter()
            .map(|f| (f.path.clone(), f.bytes.to_string(), f.sha256.clone()))
            .collect(),
    }
}

fn runs(input: &ReportInput) -> Vec<RunView> {
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    let mut runs = Vec::new();
    for row in &input.rows {
        for run in &row.runs {
            let value = |c: &Column| match run.metrics.get(&c.id) {
                Some(m) if m.value.is_finite() => Unit::of(&c.unit).value(m.value),
                Some(_) => "not a number".into(),
                None => NONE.into(),
            };
            let (status, reason) = match &run.status {
                RunStatus::Done => ("done", String::new()),
                RunStatus::Failed(reason) => ("failed", reason.clone()),
                RunStatus::Missing => ("missing", String::new()),
            };
            runs.push(RunView {
                row: row.label.clone(),
                seed: run.seed,
                status,
                reason,
                values: input.columns.iter().map(value).collect(),
                time: run.train_seconds.map_or(NONE.into(), duration),
                speed: run.images_per_second.map_or(NONE.into(), |s| fixed(s, 0)),
                key: short(&run.train_key),
                checkpoint: short(&run.checkpoint_sha256),
            });
        }
    }
    runs
}
