//! Which difference each claim of a profile can see, before or after it was run.

use super::text::table;
use crate::job::result::JobResult;
use crate::job::{DataSource, DataSpec};
use crate::plan::Round;
use crate::report::Report;
use crate::run::store::Standing;
use crate::stats::{MIN_SEEDS, POWER, Variances, detectable};
use crate::suite::Resolved;
use crate::suite::dataset;
use crate::suite::resolve::{Column, ResolvedClaim};
use std::collections::BTreeSet;

/// Variances of differences as earlier runs showed them, by family of sets, metric and entries.
const STORED: &str = include_str!("../../reference_results/variances.csv");

/// The table, or nothing where no claim has a column in this profile.
pub fn power(
    suite: &Resolved,
    round: &Round,
    standing: &Standing,
    measured: Option<&Report>,
) -> String {
    let mut out = vec![
        [
            "claim",
            "on",
            "margin",
            "seeds",
            "people",
            "sees",
            "by seeds",
            "by people",
            "as in",
        ]
        .map(String::from)
        .to_vec(),
    ];
    for claim in &suite.claims {
        let column = suite.columns.iter().find(|c| Some(c.id()) == claim.column);
        if let Some(column) = column {
            out.push(line(suite, claim, column, round, standing, measured));
        }
    }
    match out.len() {
        1 => String::new(),
        _ => format!(
            "{}\n  A claim sees, with a chance of {:.0} %, a difference of this size, in points; by seeds \
             and by people stand their standard errors.\n\n",
            table(&out),
            100.0 * POWER
        ),
    }
}

fn line(
    suite: &Resolved,
    claim: &ResolvedClaim,
    column: &Column,
    round: &Round,
    standing: &Standing,
    measured: Option<&Report>,
) -> Vec<String> {
    let points = |v: f64| format!("{:.2}", 100.0 * v);
    let seeds = common(suite, claim);
    let found = measured
        .and_then(|report| of_runs(report, claim, column))
        .map(|(variances, people)| (variances, Some(people), "these runs".to_string()))
        .or_else(|| {
            let stored = stored(suite, claim, column)?;
            let people = people(column, round, standing).or_else(|| stored.scaled(column));
            Some((stored.variances, people, stored.source))
        });
    let better = suite.rows.iter().find(|row| row.id == claim.better);
    let condition = better.map_or("", |row| &row.condition);
    let mut out = vec![
        match condition {
            "" => claim.id.clone(),
            label => format!("{} under {label}", claim.id),
        },
        format!("{} {}", claim.on, claim.metric),
        match claim.margin > 0.0 {
            true => points(claim.margin),
            false => "none".into(),
        },
        seeds.to_string(),
    ];
    let unknown = |text: &str| ["?", text, "", "", ""].map(String::from);
    match found {
        _ if seeds < MIN_SEEDS => out.extend(unknown("nothing")),
        Some((variances, Some(people), source)) => {
            let error = variances.sampling(seeds, people);
            let seen = detectable(&error, level(suite, claim), POWER);
            out.extend([
                people.to_string(),
                points(seen),
                points(error.seeds.sqrt()),
                points(error.people.sqrt()),
                source,
            ]);
        }
        _ => out.extend(unknown("not known")),
    }
    out
}

/// Seeds that both rows are trained with.
fn common(suite: &Resolved, claim: &ResolvedClaim) -> usize {
    let seeds = |id: &str| -> BTreeSet<u64> {
        let row = suite.rows.iter().find(|r| r.id == id);
        row.map(|r| r.seeds.iter().copied().collect())
            .unwrap_or_default()
    };
    seeds(&claim.better)
        .intersection(&seeds(&claim.than))
        .count()
}

/// That at which the first claim of its family is tested.
fn level(suite: &Resolved, claim: &ResolvedClaim) -> f64 {
    let family = |c: &ResolvedClaim| (c.question, c.primary);
    let together = suite
        .claims
        .iter()
        .filter(|c| c.column.is_some() && family(c) == family(claim));
    match claim.primary {
        true => 1.0 - 0.05 / together.count().max(1) as f64,
        false => 0.95,
    }
}

/// As the runs of this profile show them.
fn of_runs(report: &Report, claim: &ResolvedClaim, column: &Column) -> Option<(Variances, usize)> {
    let id = format!("{}/{}", column.id(), claim.metric);
    let claims = report.input.claims.iter();
    let at = |c: &crate::report::model::Claim| {
        c.id == claim.id && c.better == claim.better && c.than == claim.than && c.on == id
    };
    let place = claims.into_iter().position(at)?;
    let difference = report.derived.claims.get(place)?.difference?;
    difference.people?;
    Variances::of(&difference.estimate())
}

struct Stored {
    variances: Variances,
    people: usize,
    images: u64,
    source: String,
}

impl Stored {
    /// People of a set of another size, where that has as many images for each.
    fn scaled(&self, column: &Column) -> Option<usize> {
        let images = dataset::images(&column.data)?;
        Some((self.people as u64 * images / self.images.max(1)) as usize)
    }
}

/// Of the same two entries, else of two that are distilled alike.
fn stored(suite: &Resolved, claim: &ResolvedClaim, column: &Column) -> Option<Stored> {
    let entry = |id: &str| {
        let row = suite.rows.iter().find(|r| r.id == id);
        row.map_or(id.to_string(), |r| r.entry.clone())
    };
    let pair = (entry(&claim.better), entry(&claim.than));
    let family = dataset::family(&column.data);
    let lines: Vec<Vec<&str>> = STORED
        .lines()
        .skip(1)
        .map(|l| l.split(',').collect())
        .filter(|l: &Vec<&str>| l.len() == 11 && l[0] == family && l[1] == claim.metric)
        .collect();
    let of = |better: &str, than: &str| lines.iter().find(|l| l[2] == better && l[3] == than);
    let line = of(&pair.0, &pair.1).or_else(|| of("coupleface", "fcd"))?;
    let number = |i: usize| line[i].parse::<f64>().ok();
    Some(Stored {
        variances: Variances {
            seed: number(7)?,
            person: number(8)?,
            both: number(9)?,
        },
        people: number(4)? as usize,
        images: number(5)? as u64,
        source: format!("{}, {} over {}", line[10], line[2], line[3]),
    })
}

/// The people of a column's set: as its data job counted them, or as its name says.
fn people(column: &Column, round: &Round, standing: &Standing) -> Option<usize> {
    let data = round
        .layout
        .data
        .iter()
        .find(|d| d.name == column.data.name);
    if let Some(JobResult::Data(result)) = data.and_then(|d| standing.finished.get(&d.job))
        && result.identities > 0
    {
        return Some(result.identities as usize);
    }
    let DataSpec { source, .. } = &column.data;
    match source {
        DataSource::Synth(spec) => spec.size.get("probes").map(|n| *n as usize),
        _ => None,
    }
}
