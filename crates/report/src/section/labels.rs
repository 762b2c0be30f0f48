//! Wrong labels: what was learned of them and what heads made of them, where it is known which
//! labels are wrong.

use super::super::Report;
use super::super::block::{
    Block, Cell, Figure, Gallery, Head, Part, Place, Plots, Row, Table, Text,
};
use super::super::cells::measured;
use super::super::labels::{corrected, precision, recall, share, to_label, to_truth};
use super::super::model::{self, Role};
use super::super::{pictures, plots};
use frbench_job::result::{LabelEpoch, PictureKind};

const RULE: &str = "Plots are means over seeds, of every row but the ablations; images are counted as they pass in training, each once in an epoch. Precision has no value in epochs in which nothing was corrected. Pictures are of the first seed of each row.";

const HEADS: [&str; 9] = [
    "Right",
    "Wrong",
    "At the person",
    "Outliers",
    "Corrected",
    "Precision",
    "Recall",
    "Right class",
    "Damaged",
];

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let kind = PictureKind::Corrections;
    let groups = r.input.groups(|row| known(row) || pictures::any(row, kind));
    if groups.is_empty() {
        return Vec::new();
    }
    let mut blocks = legend(r);
    for (condition, _) in groups {
        blocks.push(part(r, condition));
    }
    blocks.push(Block::fine(RULE));
    blocks
}

/// What the numbers of the tables are.
fn legend(r: &Report) -> Vec<Block> {
    let mut text = Text::from("It is known which labels of the training set are wrong");
    if !r.input.data.is_empty() {
        text = text
            .plain(" (the rates asked for and reached stand with the ")
            .here("data sets", Place::named("data"))
            .plain(")");
    }
    let text = text.plain(". In the last epoch of training, mean over seeds:");
    let nearest = Text::new()
        .strong("Right")
        .plain(", ")
        .strong("Wrong")
        .plain(", ")
        .strong("Outliers")
        .plain(": share of the images with a right label, with the label of another class, and of nobody in the set, that lie nearest to the class of their label. Wrong and Outliers are high where wrong labels are learned by heart.");
    let person = Text::new().strong("At the person").plain(": share of the images with the label of another class that lie nearest to the class of the person they show, whatever the label says.");
    let corrected = Text::new()
        .strong("Corrected")
        .plain(": labels that the head rewrote; ")
        .strong("Precision")
        .plain(": share of these that were wrong; ")
        .strong("Recall")
        .plain(": share of the labels of another class that were rewritten; ")
        .strong("Right class")
        .plain(": share of those that were given the class of the person; ")
        .strong("Damaged")
        .plain(": right labels that were rewritten.");
    vec![
        Block::fine(text),
        Block::List(vec![nearest, person, corrected]),
    ]
}

/// The rows of one condition.
fn part(r: &Report, condition: &str) -> Block {
    let rows = || r.input.rows.iter().filter(|row| row.condition == condition);
    let mut blocks = Vec::new();
    if !condition.is_empty() {
        blocks.push(Block::heading(3, condition, r.note(condition)));
    }
    let lines: Vec<Row> = rows().filter(|row| known(row)).map(line).collect();
    if !lines.is_empty() {
        let mut head = vec![Head::left("Row")];
        head.extend(HEADS.map(Head::right));
        let mut table = Table::new(format!("Wrong labels {condition}"), head, lines);
        table.over = vec![("Nearest class".into(), 4), ("Corrected labels".into(), 5)];
        blocks.push(Block::Table(table));
    }
    // Ablations stand in the table; their curves would hide the others'.
    let main = || rows().filter(|row| row.role != Role::Ablation);
    let mut plots = |title: &str, figures: Vec<Figure>| {
        if !figures.is_empty() {
            blocks.push(Block::heading(4, title, ""));
            blocks.push(Block::Plots(Plots {
                wide: false,
                figures,
            }));
        }
    };
    plots(
        "What was learned of labels, over epochs",
        main().filter_map(plots::fits).collect(),
    );
    plots(
        "Corrections, over epochs",
        main().filter_map(plots::corrections).collect(),
    );
    let of = |row| r.pictures.of(row, PictureKind::Corrections);
    let pictures: Vec<_> = rows().flat_map(of).collect();
    if !pictures.is_empty() {
        blocks.push(Block::heading(4, "Corrected images", ""));
        blocks.push(Block::Gallery(Gallery {
            wide: true,
            pictures,
        }));
    }
    Block::Part(Part {
        place: None,
        quiet: false,
        blocks,
    })
}

fn known(row: &model::Row) -> bool {
    row.runs.iter().any(|run| !run.labels.is_empty())
}

/// The last epoch of a row, mean over seeds.
fn line(row: &model::Row) -> Row {
    let over = |value: &dyn Fn(&LabelEpoch) -> Option<f64>, factor, digits, unit| {
        let last = row.runs.iter().filter_map(|run| run.labels.last());
        let values: Vec<f64> = last.filter_map(value).collect();
        measured(&values, factor, digits, unit)
    };
    let percent = |value: &dyn Fn(&LabelEpoch) -> Option<f64>| over(value, 100.0, 1, "%");
    let count = |n: u64| Some(n as f64);
    let mut damaged = over(&|e| count(e.corrections.as_ref()?.clean), 1.0, 0, "");
    let of_right = over(
        &|e| share(e.corrections.as_ref()?.clean, e.clean.images),
        100.0,
        2,
        "%",
    );
    if !of_right.text.is_empty() {
        damaged = damaged.below(format!("{} of right", of_right.text.words()));
    }
    let landed = |e: &LabelEpoch| {
        let c = e.corrections.as_ref()?;
        share(c.to_truth, c.flipped)
    };
    Row::new(
        row.role.name(),
        vec![
            Cell::name(&row.label),
            percent(&|e| to_label(&e.clean)),
            percent(&|e| to_label(&e.flipped)),
            percent(&|e| to_truth(&e.flipped)),
            percent(&|e| to_label(&e.outliers)),
            over(&|e| count(corrected(e.corrections.as_ref()?)), 1.0, 0, ""),
            percent(&precision),
            percent(&recall),
            percent(&landed),
            damaged,
        ],
    )
}
