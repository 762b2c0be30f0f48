//! Each column by itself: every seed, intervals, and what was gained over the student alone.

use super::super::Report;
use super::super::block::{Block, Cell, Group, Head, Pair, Part, Place, Row, Table, Text};
use super::super::derive::{Gap, Yardstick};
use super::super::format::Unit;
use super::super::measures::{self, direction};
use super::super::model::{self, Column, Role};
use super::super::{cells, plots, words};

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let columns = &r.input.columns;
    if columns.is_empty() {
        return Vec::new();
    }
    let main = measures::main(columns);
    let mut blocks: Vec<Block> = main.iter().map(|&c| part(r, c)).collect();
    for group in measures::secondary(columns) {
        let metrics = group.iter().map(|&c| columns[c].metric.as_str());
        let metrics: Vec<&str> = metrics.collect();
        let summary = Text::from(format!("More of {}", columns[group[0]].dataset))
            .soft(format!(" {}, not corrected", metrics.join(", ")));
        let parts = group.iter().map(|&c| part(r, c)).collect();
        blocks.push(Block::details(summary, parts));
    }
    blocks.push(Block::fine(rule(r)));
    blocks
}

fn rule(r: &Report) -> String {
    let mut rule =
        "Small dots are seeds, large dots means, bars 95 % intervals over seeds and test people (over seeds alone where that is said), not corrected for their number".to_string();
    if against_student(r) {
        rule += "; the vertical lines are teacher and student. “Over student” is the improvement on the student alone, paired by seed. “Gap closed” is that improvement as a share of the distance from student to teacher: 0 % is the student alone, 100 % the teacher. Its interval is Fieller’s. Where that has no end, the share is not defined";
    }
    format!("{rule}. {}", foreign(r)).trim_end().to_string()
}

/// Whether there is a student alone that rows are held against.
fn against_student(r: &Report) -> bool {
    let mut cells = r.derived.rows.iter().flat_map(|row| &row.cells);
    cells.any(|c| c.over_student.is_some() || c.gap_closed.is_some())
}

fn part(r: &Report, c: usize) -> Block {
    let column = &r.input.columns[c];
    let mut facts = Text::from("Data set ")
        .code(&column.dataset)
        .plain(", protocol ")
        .code(&column.protocol)
        .plain(", metric ")
        .code(&column.metric)
        .plain(format!(", {}.", direction(column)));
    for fact in self::facts(r, c) {
        facts = facts.plain(format!(" {fact}"));
    }
    Block::Part(Part {
        place: Some(Place::of_column(c)),
        quiet: false,
        blocks: vec![
            Block::heading(3, column.label.as_str(), ""),
            Block::fine(facts),
            Block::Pair(Pair {
                figure: plots::dots_of(&r.input, &r.derived, c),
                table: table(r, c),
            }),
        ],
    })
}

fn facts(r: &Report, c: usize) -> Vec<String> {
    let column = &r.input.columns[c];
    let mut facts = Vec::new();
    if let Some(chance) = column.chance {
        let unit = Unit::of(&column.unit);
        facts.push(format!("A blind guess scores {}.", unit.with_name(chance)));
    }
    if r.input.conditions().is_empty() {
        let gap = r.derived.yardstick("").map(|y| &y.gaps[c]);
        facts.extend(gap.and_then(|gap| distance(column, gap)));
    }
    facts.extend(held(r, c).map(String::from));
    if !column.context.checkpoint.is_empty() {
        facts.push(format!("Checkpoint scored: {}.", column.context.checkpoint));
    }
    facts.extend(
        column
            .context
            .overlaps
            .iter()
            .map(|o| words::overlap(&column.dataset, o)),
    );
    facts
}

/// What intervals over seeds say nothing about, or less than they seem to.
fn held(r: &Report, c: usize) -> Option<&'static str> {
    let mut cells = r.derived.rows.iter().map(|row| &row.cells[c]);
    if !cells.any(|c| c.interval.is_some() && !c.from_file) {
        return None;
    }
    match &r.input.columns[c].trials {
        None => Some("Intervals are over seeds alone: what each trial adds is not known."),
        Some(trials) if !trials.known => Some(
            "Who is on the trials is not known: they count as independent, and intervals may be too \
             short.",
        ),
        Some(_) => None,
    }
}

fn table(r: &Report, c: usize) -> Table {
    let column = &r.input.columns[c];
    let heads = ["Mean", "95 % interval", "Over student", "Gap closed"];
    let shown = if against_student(r) { 4 } else { 2 };
    let mut head = vec![Head::left("Row")];
    head.extend(heads[..shown].iter().map(|h| Head::right(*h)));
    let rows = |i: usize| {
        let row = &r.input.rows[i];
        let cell = &r.derived.rows[i].cells[c];
        let mut line = vec![Cell::name(&row.label), cells::mean(column, cell)];
        line.push(cells::interval(column, cell));
        let (value, mut interval) = cells::advantage(column, cell.over_student);
        if !value.is_empty() && student_elsewhere(r, row).is_some() {
            interval = format!("{interval} †").trim_start().to_string();
        }
        line.push(Cell::of(value).beside(interval));
        line.push(cells::share(cell.gap_closed, cell.over_student.is_some()));
        line.truncate(shown + 1);
        Row::new(row.role.name(), line)
    };
    // With the distance of teacher and student, where there are conditions.
    let mut groups: Vec<Group> = r.groups(|row| row.role != Role::Ablation, rows);
    for group in &mut groups {
        let yardstick = r.derived.yardstick(&group.title);
        let gap = |y: &Yardstick| distance(column, &y.gaps[c]);
        group.note = yardstick.and_then(gap).unwrap_or_default();
    }
    Table {
        label: column.label.clone(),
        head,
        groups,
        ..Table::default()
    }
}

/// How far the teacher is above the student alone.
fn distance(column: &Column, gap: &Gap) -> Option<String> {
    let d = gap.difference?;
    let unit = Unit::of(&column.unit);
    let range = d
        .interval
        .map_or(String::new(), |i| format!(" [{}]", unit.range(i)));
    let rest = match (gap.clear, d.interval) {
        (true, _) => "",
        (false, Some(_)) => ", which may be chance, so no share of it is stated",
        (false, None) => ", with too few seeds for an interval, so no share of it is stated",
    };
    let size = unit.signed(d.mean);
    let fixed = if gap.teacher_fixed {
        " (one teacher, held fixed)"
    } else {
        ""
    };
    Some(format!(
        "Teacher over student{fixed}: {size} {}{range}{rest}.",
        unit.difference
    ))
}

/// The student that a row is held against, if it has another network.
fn student_elsewhere<'a>(r: &'a Report, row: &model::Row) -> Option<&'a model::Row> {
    let id = r.derived.yardstick(&row.condition)?.student.as_ref()?;
    let student = &r.input.rows[r.input.row(id)?];
    let known = !row.backbone.is_empty() && !student.backbone.is_empty();
    (known && row.backbone != student.backbone).then_some(student)
}

/// Which rows have another network than their student, in a sentence.
fn foreign(r: &Report) -> String {
    let mut networks: Vec<String> = Vec::new();
    for row in &r.input.rows {
        if matches!(row.role, Role::Baseline | Role::Method)
            && let Some(student) = student_elsewhere(r, row)
        {
            let said = format!("{} against {}", row.backbone, student.backbone);
            if !networks.contains(&said) {
                networks.push(said);
            }
        }
    }
    if networks.is_empty() {
        return String::new();
    }
    format!(
        "† Another network than the student's ({}): the difference is not one of methods alone.",
        words::list(&networks)
    )
}
