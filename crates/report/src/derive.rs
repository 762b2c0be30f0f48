//! Everything a report says that was not measured directly: means, intervals, differences
//! paired by seed, the gap closed, verdicts. Computed from raw values per seed, and from what each
//! trial adds to them.

pub use super::compare::Difference;
use super::compare::{self, Series};
use super::model::*;
use super::{claims, held};
use frbench_eval::stats::{BySeed, Estimate, Ratio, summarize};
use serde::Serialize;

/// Of intervals, but for those of claims that are judged together.
pub(super) const CONFIDENCE: f64 = 0.95;

/// The computed half of a report, in the order of the input's rows and columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Derived {
    /// Id of the row that is the teacher.
    pub teacher: Option<String>,
    /// One per condition, in the order of the input; a single one without conditions.
    pub yardsticks: Vec<Yardstick>,
    pub rows: Vec<DerivedRow>,
    pub claims: Vec<claims::ClaimResult>,
    pub published: Vec<held::Comparison>,
}

impl Derived {
    /// What rows of this condition are held against; nothing of a condition that has none.
    pub fn yardstick(&self, condition: &str) -> Option<&Yardstick> {
        self.yardsticks.iter().find(|y| y.condition == condition)
    }
}

/// What the rows of one condition are held against.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Yardstick {
    /// Empty in a suite without conditions.
    pub condition: String,
    /// Id of the row that is the student alone under this condition.
    pub student: Option<String>,
    /// One per column.
    pub gaps: Vec<Gap>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DerivedRow {
    pub id: String,
    pub cells: Vec<Cell>,
}

/// Whether a cell has all the values it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellState {
    Complete,
    /// Some seeds have a value, some do not.
    Partial,
    /// No value, and at least one seed failed.
    Failed,
    /// No value yet.
    Missing,
}

/// One row on one column. Values are raw: rates in `[0, 1]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    pub column: String,
    pub state: CellState,
    pub values: BySeed,
    /// Seeds that should have a value.
    pub expected: usize,
    /// Why seeds have none, such as `seed 2: loss is NaN at step 310`.
    pub reasons: Vec<String>,
    pub mean: Option<f64>,
    /// Sample standard deviation over seeds.
    pub sd: Option<f64>,
    /// 95 % interval of the mean over seeds and people; of a network from a file over people alone.
    pub interval: Option<(f64, f64)>,
    /// It is of one network from a file, of which there are no seeds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_file: bool,
    /// Best mean of the rows of its condition with all their seeds, teacher and ablations aside.
    pub best: bool,
    /// Improvement on the student alone, paired by seed; positive is better whatever the
    /// direction of the metric.
    pub over_student: Option<Difference>,
    /// The same against the row this one is an ablation of.
    pub over_reference: Option<Difference>,
    /// Share of the distance from student to teacher (Fieller); none where it is not defined. The
    /// student is that of the row's condition.
    pub gap_closed: Option<Ratio>,
}

impl Cell {
    /// Why there is no value, in a few words: a table has no room for more.
    pub fn why(&self) -> Option<String> {
        const LETTERS: usize = 48;
        let reason = self.reasons.first()?;
        let reason = reason
            .split_once(": ")
            .map_or(reason.as_str(), |(_seed, why)| why);
        let line = reason.lines().next().unwrap_or_default();
        let long = line.chars().count() > LETTERS;
        let cut: String = line.chars().take(LETTERS - 1).collect();
        Some(if long {
            cut.trim_end().to_string() + "…"
        } else {
            line.to_string()
        })
    }
}

/// Distance of teacher and student on one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gap {
    pub column: String,
    /// Positive where the teacher is better; none where either has no value. Paired by seed where
    /// enough seeds are common.
    pub difference: Option<Difference>,
    /// One teacher serves all seeds: its networks are held fixed, and the interval says nothing
    /// about teachers trained anew.
    pub teacher_fixed: bool,
    /// The whole interval of the difference is above 0.
    pub clear: bool,
}

/// Computes everything a report shows from what was measured. Rows of different conditions
/// are never compared; a teacher serves all of them.
pub fn derive(input: &ReportInput) -> Derived {
    let mut rows: Vec<DerivedRow> = input
        .rows
        .iter()
        .map(|row| DerivedRow {
            id: row.id.clone(),
            cells: input.columns.iter().map(|c| cell(row, c)).collect(),
        })
        .collect();
    let teacher = input.rows.iter().position(|r| r.role == Role::Teacher);
    let mut groups = input.groups(|r| r.role != Role::Teacher);
    if groups.is_empty() {
        groups.push(("", Vec::new()));
    }
    let yardsticks = groups
        .into_iter()
        .map(|(condition, members)| {
            let is_student = |i: &usize| input.rows[*i].role == Role::Student;
            let student = members.iter().copied().find(is_student);
            let mut gaps = Vec::new();
            for (c, column) in input.columns.iter().enumerate() {
                mark_best(input, &mut rows, &members, c);
                let gap = gap(input, column, teacher, student);
                compare(input, &mut rows, &members, c, (student, teacher), &gap);
                gaps.push(gap);
            }
            Yardstick {
                condition: condition.to_string(),
                student: student.map(|i| input.rows[i].id.clone()),
                gaps,
            }
        })
        .collect();
    Derived {
        teacher: teacher.map(|i| input.rows[i].id.clone()),
        yardsticks,
        claims: claims::judge_all(input, &rows),
        published: input
            .published
            .iter()
            .map(|p| held::compare(p, input, &rows))
            .collect(),
        rows,
    }
}

/// What the protocol says of the one network of a row.
fn over_people(row: &Row, column: &Column) -> Option<(f64, f64)> {
    row.runs.first()?.metrics.get(&column.id)?.interval
}

fn cell(row: &Row, column: &Column) -> Cell {
    let mut values = BySeed::new();
    let mut reasons = Vec::new();
    let mut failed = false;
    for run in &row.runs {
        let reason = match (&run.status, run.metrics.get(&column.id)) {
            (RunStatus::Done, Some(metric)) if metric.value.is_finite() => {
                values.insert(run.seed, metric.value);
                continue;
            }
            (RunStatus::Done, Some(_)) => {
                failed = true;
                "the value is not a number".to_string()
            }
            (status, _) => match (run.failed.get(&column.id), status) {
                (Some(reason), _) | (None, RunStatus::Failed(reason)) => {
                    failed = true;
                    reason.clone()
                }
                (None, RunStatus::Done) => "not scored".to_string(),
                (None, RunStatus::Missing) => "not run".to_string(),
            },
        };
        reasons.push(format!("seed {}: {reason}", run.seed));
    }
    let summary = summarize(&values.values().copied().collect::<Vec<_>>(), CONFIDENCE);
    let people = column.trials.as_ref().map(|t| &*t.people);
    let estimate = Estimate::of(&Series::of(row, column).all(), people);
    let over_seeds = || {
        estimate.and_then(|e| match column.is_rate() {
            true => e.rate_interval(CONFIDENCE),
            false => e.interval(CONFIDENCE),
        })
    };
    let from_file = row.origin == Some(Origin::File);
    let interval = match from_file {
        true => over_people(row, column),
        false => over_seeds(),
    };
    Cell {
        column: column.id.clone(),
        state: match (values.is_empty(), reasons.is_empty()) {
            (false, true) => CellState::Complete,
            (false, false) => CellState::Partial,
            (true, _) if failed => CellState::Failed,
            (true, _) => CellState::Missing,
        },
        expected: row.runs.len(),
        reasons,
        mean: summary.map(|s| s.mean),
        sd: summary.and_then(|s| s.sd),
        interval,
        from_file,
        values,
        best: false,
        over_student: None,
        over_reference: None,
        gap_closed: None,
    }
}

/// Marks the best of the `members`; nothing is best where all are the same.
fn mark_best(input: &ReportInput, rows: &mut [DerivedRow], members: &[usize], c: usize) {
    let competes = |i: &&usize| !matches!(input.rows[**i].role, Role::Teacher | Role::Ablation);
    let means: Vec<(usize, f64)> = members
        .iter()
        .filter(competes)
        .filter_map(|&i| {
            let cell = Some(&rows[i].cells[c]).filter(|c| c.state == CellState::Complete)?;
            Some((i, direction(&input.columns[c]) * cell.mean?))
        })
        .collect();
    let best = means.iter().fold(f64::NEG_INFINITY, |m, v| m.max(v.1));
    // Means of the same values in another order differ in their last bits.
    let is_best = |mean: f64| best - mean <= 1e-12 * best.abs();
    if means.iter().all(|(_, mean)| is_best(*mean)) {
        return;
    }
    for (i, _) in means.into_iter().filter(|(_, mean)| is_best(*mean)) {
        rows[i].cells[c].best = true;
    }
}

fn gap(
    input: &ReportInput,
    column: &Column,
    teacher: Option<usize>,
    student: Option<usize>,
) -> Gap {
    let found = teacher.zip(student).and_then(|(teacher, student)| {
        let series = |i: usize| Series::of(&input.rows[i], column);
        compare::gap(&series(teacher), &series(student), column)
    });
    let difference = found.map(|f| f.0);
    Gap {
        column: column.id.clone(),
        clear: difference
            .and_then(|d| d.interval)
            .is_some_and(|(low, _)| low > 0.0),
        difference,
        teacher_fixed: found.is_some_and(|f| f.1),
    }
}

/// The row that an ablation is held against: the one it names, else the first method of its
/// condition.
pub(super) fn reference(input: &ReportInput, row: &Row) -> Option<usize> {
    let is_default = |r: &Row| r.role == Role::Method && r.condition == row.condition;
    match (&row.of, row.role) {
        (Some(of), _) => input.row(of),
        (None, Role::Ablation) => input.rows.iter().position(is_default),
        _ => None,
    }
}

/// Fills in what needs two rows.
fn compare(
    input: &ReportInput,
    rows: &mut [DerivedRow],
    members: &[usize],
    c: usize,
    (student, teacher): (Option<usize>, Option<usize>),
    gap: &Gap,
) {
    let column = &input.columns[c];
    let series = |i: usize| Series::of(&input.rows[i], column);
    for &i in members {
        let row = &input.rows[i];
        let over = |other: Option<usize>| {
            let other = other.filter(|&o| o != i)?;
            compare::difference(&series(i), &series(other), column)
        };
        let over_student = match row.role {
            Role::Student | Role::Teacher => None,
            _ => over(student),
        };
        let over_reference = over(reference(input, row));
        let share = over_student.filter(|_| gap.clear).and_then(|_| {
            let (student, teacher) = (series(student?), series(teacher?));
            compare::share(&series(i), &student, &teacher, column)
        });
        let cell = &mut rows[i].cells[c];
        cell.over_student = over_student;
        cell.over_reference = over_reference;
        cell.gap_closed = share;
    }
}

/// 1 where higher is better, else -1.
fn direction(column: &Column) -> f64 {
    if column.higher_is_better { 1.0 } else { -1.0 }
}
