//! The first paragraphs: the suite's question, answered from the numbers.

use super::derive::{CellState, Derived, Yardstick};
use super::format::{Unit, fixed};
use super::measures;
use super::model::{Claim, Origin, Overlap, ReportInput, Role, Row};
use frbench_eval::stats::{ClaimVerdict, Family, MIN_SEEDS};

/// Sentences in order of importance; each says only what the numbers support.
pub(super) fn answer(input: &ReportInput, derived: &Derived) -> Vec<String> {
    [
        claims(derived),
        named(input, derived, ClaimVerdict::Reproduced, "Reproduced"),
        named(input, derived, ClaimVerdict::Contradicted, "Contradicted"),
        named(input, derived, ClaimVerdict::Equivalent, "Equivalent"),
        gap(input, derived),
        closed(input, derived),
        best(input, derived),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What limits the answer.
pub(super) fn caveats(input: &ReportInput, derived: &Derived) -> Vec<String> {
    [
        holes(input, derived),
        seeds(input, derived),
        generated(input),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn claims(derived: &Derived) -> Option<String> {
    let primary = tally(derived, "primary", |f| f != Family::Exploratory);
    let exploratory = tally(derived, "exploratory", |f| f == Family::Exploratory);
    let parts: Vec<String> = [primary, exploratory].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// `Of 3 primary claims, 1 is reproduced and 2 undecided.`
fn tally(derived: &Derived, kind: &str, of: impl Fn(Family) -> bool) -> Option<String> {
    let claims: Vec<_> = derived.claims.iter().filter(|c| of(c.family)).collect();
    let alone = match (kind, claims.len()) {
        ("exploratory", 2..) => ", each judged by itself",
        _ => "",
    };
    let parts: Vec<String> = ClaimVerdict::ALL
        .into_iter()
        .map(|v| (v, claims.iter().filter(|c| c.verdict == v).count()))
        .filter(|(_, n)| *n > 0)
        .enumerate()
        .map(|(i, (v, n))| match (i, n) {
            (0, 1) => format!("1 is {}", v.name()),
            (0, n) => format!("{n} are {}", v.name()),
            (_, n) => format!("{n} {}", v.name()),
        })
        .collect();
    match claims.as_slice() {
        [] => None,
        [one] => Some(format!(
            "The one {kind} claim{alone} is {}.",
            one.verdict.name()
        )),
        many => Some(format!(
            "Of {} {kind} claims{alone}, {}.",
            many.len(),
            list(&parts)
        )),
    }
}

/// Which claims have this verdict, by their text; at most four.
fn named(
    input: &ReportInput,
    derived: &Derived,
    verdict: ClaimVerdict,
    word: &str,
) -> Option<String> {
    let several = input.conditions().len() > 1;
    // What is claimed under several conditions is said once.
    let mut texts: Vec<(&str, Vec<String>)> = Vec::new();
    for (claim, result) in input.claims.iter().zip(&derived.claims) {
        if result.verdict != verdict {
            continue;
        }
        let text = claim.text.trim().trim_end_matches('.');
        let condition = condition(input, claim).filter(|_| several);
        match texts.iter_mut().find(|t| t.0 == text && several) {
            Some(known) => known.1.extend(condition),
            None => texts.push((text, condition.into_iter().collect())),
        }
    }
    let texts: Vec<String> = texts
        .into_iter()
        .map(|(text, conditions)| match conditions.as_slice() {
            [] => format!("“{text}”"),
            some => format!("“{text}” ({})", list(some)),
        })
        .collect();
    let more = texts.len().saturating_sub(4);
    match (texts.len(), more) {
        (0, _) => None,
        (_, 0) => Some(format!("{word}: {}.", list(&texts))),
        _ => Some(format!(
            "{word}: {} and {more} more.",
            texts[..4].join(", ")
        )),
    }
}

/// The condition that a claim is judged under.
fn condition(input: &ReportInput, claim: &Claim) -> Option<String> {
    let ids = [&claim.better, &claim.than];
    let rows = input.rows.iter().filter(|r| ids.contains(&&r.id));
    rows.map(|r| r.condition.clone()).find(|c| !c.is_empty())
}

/// The columns that the answer is taken from.
fn headlines(input: &ReportInput) -> Vec<usize> {
    measures::main(&input.columns)
}

fn gap(input: &ReportInput, derived: &Derived) -> Option<String> {
    let backbone = |id: &Option<String>| {
        let row = input.row(id.as_ref()?)?;
        Some(input.rows[row].backbone.clone())
    };
    let student = derived.yardsticks.iter().find_map(|y| y.student.clone());
    let (teacher, student) = (backbone(&derived.teacher)?, backbone(&student)?);
    let n = headlines(input).len();
    if derived
        .yardsticks
        .iter()
        .all(|y| clear(input, y).is_empty())
    {
        let under = match input.conditions().len() {
            0 | 1 => "",
            _ => " under any condition",
        };
        return Some(format!(
            "On no measure is the teacher ({teacher}) above the student alone ({student}) by more than chance may explain{under}, so there is no gap that distillation could be said to close."
        ));
    }
    let found = match derived.yardsticks.as_slice() {
        [one] => {
            let clear = clear(input, one);
            let sizes: Vec<String> = clear
                .iter()
                .filter_map(|&i| {
                    let unit = Unit::of(&input.columns[i].unit);
                    let size = unit.value(one.gaps[i].difference?.mean);
                    Some(format!(
                        "{size} {} on {}",
                        unit.difference, input.columns[i].label
                    ))
                })
                .collect();
            format!("{} of {n} measures: {}", clear.len(), list(&sizes))
        }
        several => {
            let counts: Vec<String> = several
                .iter()
                .map(|y| format!("{} under {}", clear(input, y).len(), y.condition))
                .collect();
            format!("{} of {n} measures", list(&counts))
        }
    };
    Some(format!(
        "The teacher ({teacher}) is above the student alone ({student}) by more than chance may explain on {found}.{}",
        fixed_teacher(derived)
    ))
}

/// What the intervals of gaps leave out where one teacher serves all seeds.
fn fixed_teacher(derived: &Derived) -> &'static str {
    let mut gaps = derived.yardsticks.iter().flat_map(|y| &y.gaps);
    match gaps.any(|g| g.teacher_fixed && g.difference.is_some()) {
        true => " This teacher is one network and held fixed: another training of it may differ.",
        false => "",
    }
}

/// The columns that the answer is taken from on which there is a gap.
fn clear(input: &ReportInput, yardstick: &Yardstick) -> Vec<usize> {
    let mut columns = headlines(input);
    columns.retain(|&c| yardstick.gaps[c].clear);
    columns
}

/// The share of the gap per method, on the first column where the gap is clear: shares of
/// different columns are not averaged.
fn closed(input: &ReportInput, derived: &Derived) -> Option<String> {
    let parts: Vec<String> = derived
        .yardsticks
        .iter()
        .filter_map(|y| {
            let c = *clear(input, y).first()?;
            let shares = closed_under(input, derived, y, c)?;
            let under = match y.condition.as_str() {
                condition if derived.yardsticks.len() > 1 => format!("under {condition}, "),
                _ => String::new(),
            };
            Some(format!("{under}on {}, {shares}", input.columns[c].label))
        })
        .collect();
    let text = parts.join("; ");
    (!parts.is_empty()).then(|| format!("Of that gap, the methods close, {text}."))
}

/// `FCD 90 % (82 to 99) and CoupleFace 87 % (80 to 93)`.
fn closed_under(
    input: &ReportInput,
    derived: &Derived,
    yardstick: &Yardstick,
    c: usize,
) -> Option<String> {
    let mut parts = Vec::new();
    for (row, d) in input.rows.iter().zip(&derived.rows) {
        let competes = matches!(row.role, Role::Baseline | Role::Method);
        if !competes || row.condition != yardstick.condition {
            continue;
        }
        let percent = |v: f64| fixed(v * 100.0, 0);
        parts.push(match d.cells[c].gap_closed {
            Some(share) => {
                let (low, high) = share.interval;
                let (value, low, high) = (percent(share.value), percent(low), percent(high));
                format!("{} {value} % ({low} to {high})", row.label)
            }
            None => format!("{} a share that is not defined", row.label),
        });
    }
    (!parts.is_empty()).then(|| list(&parts))
}

/// Which row is best where, for suites without a teacher and a student.
fn best(input: &ReportInput, derived: &Derived) -> Option<String> {
    let distilled = derived.yardsticks.iter().any(|y| y.student.is_some());
    if derived.teacher.is_some() && distilled {
        return None;
    }
    let under = |condition: &str| {
        let here = |(row, _): &(&Row, _)| row.condition == condition;
        let wins: Vec<String> = input
            .rows
            .iter()
            .zip(&derived.rows)
            .filter(here)
            .filter_map(|(row, d)| {
                let wins = d.cells.iter().filter(|c| c.best).count();
                (wins > 0).then(|| format!("{} on {wins}", row.label))
            })
            .collect();
        let place = match condition {
            "" => String::new(),
            condition => format!("under {condition} "),
        };
        (!wins.is_empty()).then(|| place + &list(&wins))
    };
    let parts: Vec<String> = derived
        .yardsticks
        .iter()
        .filter_map(|y| under(&y.condition))
        .collect();
    let n = input.columns.len();
    (!parts.is_empty()).then(|| format!("Of {n} measures, the best mean has {}.", parts.join("; ")))
}

fn holes(input: &ReportInput, derived: &Derived) -> Option<String> {
    let cells = || derived.rows.iter().flat_map(|r| &r.cells);
    let total = input.rows.len() * input.columns.len();
    let count = |state| cells().filter(|c| c.state == state).count();
    let parts: Vec<String> = [
        (CellState::Partial, "lack some seeds"),
        (CellState::Failed, "failed"),
        (CellState::Missing, "have not been run"),
    ]
    .into_iter()
    .filter(|(state, _)| count(*state) > 0)
    .map(|(state, words)| format!("{} {words}", count(state)))
    .collect();
    (!parts.is_empty()).then(|| format!("Of {total} cells, {}; they are marked.", list(&parts)))
}

fn seeds(input: &ReportInput, derived: &Derived) -> Option<String> {
    let from_file = |row: &Row| row.origin == Some(Origin::File);
    if !input.rows.is_empty() && input.rows.iter().all(from_file) {
        return Some(
            "Every row is one network from a file: intervals are over test people, and say nothing of \
             how such networks vary."
                .into(),
        );
    }
    let most = derived
        .rows
        .iter()
        .flat_map(|r| &r.cells)
        .map(|c| c.values.len())
        .max()?;
    (most < MIN_SEEDS).then(|| {
        format!(
            "No row has {MIN_SEEDS} seeds, so no spread is shown and no claim is judged: these numbers may be luck."
        )
    })
}

/// What is said of generated images is said of those that are scored; that networks learned from
/// such is another matter.
fn generated(input: &ReportInput) -> Option<String> {
    let columns = || input.columns.iter();
    let mut sets: Vec<String> = Vec::new();
    for column in columns().filter(|c| c.generated) {
        if !sets.contains(&column.dataset) {
            sets.push(column.dataset.clone());
        }
    }
    let all = columns().all(|c| c.generated);
    match (sets.is_empty(), all) {
        (false, true) => Some(
            "The data are generated: the numbers say how these methods rank here, not what they score on photographs, and are not held against published ones."
                .to_string(),
        ),
        (false, false) => Some(format!(
            "The images of {} are generated: numbers on them say how these methods rank there, not what they score on photographs, and are not held against published ones.",
            list(&sets)
        )),
        (true, _) if columns().any(|c| c.context.synthetic) => Some(
            "Networks were trained on generated images, so that no number is held against published ones."
                .to_string(),
        ),
        (true, _) => None,
    }
}

/// `a, b and c`.
pub(super) fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// What is known of the images of an evaluation set in a training set.
pub(crate) fn overlap(eval: &str, overlap: &Overlap) -> String {
    let train = &overlap.train;
    let Some(found) = &overlap.found else {
        return format!(
            "Whether its images are in {train} is not known; frbench data overlap {train} {eval} looks."
        );
    };
    let faces = match &found.faces {
        Some(by) => format!("faces by {by}"),
        None => "faces were not compared".into(),
    };
    let kinds = found.images.iter().filter(|(_, n)| **n > 0);
    let kinds: Vec<String> = kinds.map(|(how, n)| format!("{n} by {how}")).collect();
    let kinds = match kinds.is_empty() {
        true => String::new(),
        false => format!(": {}", list(&kinds)),
    };
    format!(
        "{} of its {} images are in {train}{kinds} ({faces}).",
        found.any, found.eval.images
    )
}
