//! `frbench report`, and the summary that `frbench run` ends with.

use super::context::{self, DeviceArgs, RunsArgs, SuiteArgs};
use super::exit::ExitStatus;
use super::origin::Origin;
use super::output::{self, print};
use super::text::table;
use crate::embedded;
use crate::job::Job;
use crate::plan::layout::Layout;
use crate::report::derive::{Cell, CellState};
use crate::report::{Report, Sources, assemble};
use crate::run::{Failures, Store};
use crate::stats::ClaimVerdict;
use crate::suite::Resolved;
use crate::{Error, Result};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub struct ReportArgs {
    #[command(flatten)]
    pub suite: SuiteArgs,
    #[command(flatten)]
    pub runs: RunsArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Folder that reports are written to
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports: PathBuf,
    /// Print the results as JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Renders what has been run so far; runs nothing.
pub fn report(args: ReportArgs) -> Result<ExitStatus> {
    let suite = context::resolve(&args.suite)?;
    let store = Store::new("data", &args.runs.runs);
    let round = args.device.outlook(&suite, &store)?;
    let command = command(&args.suite);
    let (layout, jobs) = (&round.layout, &round.jobs);
    let report = read(layout, jobs, &store, &Failures::default(), command.clone())?;
    warn(&report);
    if report.standing.finished == 0 && !args.json {
        print(&format!(
            "nothing of this suite has been run in `{}` yet; `{command}` does\n",
            args.runs.runs.display(),
        ))?;
        return Ok(ExitStatus::Incomplete);
    }
    let place = Place::of(&args.suite, &suite, &args.reports)?;
    publish(&report, &suite, &place, args.json)?;
    Ok(if report.standing.finished < report.standing.jobs {
        ExitStatus::Incomplete
    } else {
        ExitStatus::Success
    })
}

/// The report of what has been run of a plan, by whichever process; `failed` is what could not
/// be, `command` is said to make the report again.
pub fn read(
    layout: &Layout,
    jobs: &[Job],
    store: &Store,
    failed: &Failures,
    command: String,
) -> Result<Report> {
    let mut published = Vec::new();
    for source in &layout.published {
        let folder = Path::new(context::PUBLISHED);
        published.extend(embedded::published(source, Some(folder))?);
    }
    Ok(assemble(&Sources {
        layout,
        jobs,
        store,
        failed,
        published,
        command,
    }))
}

/// Says what of the run folders could not be reported.
pub fn warn(report: &Report) {
    for damage in &report.standing.damaged {
        output::warn(damage);
    }
}

/// What makes the whole report: the suite by the name or path it was asked for by.
pub fn command(args: &SuiteArgs) -> String {
    let quoted = |text: &str| match text.contains(char::is_whitespace) {
        true => format!("'{text}'"),
        false => text.to_string(),
    };
    format!(
        "frbench run {} --profile {}",
        quoted(&args.suite),
        quoted(&args.profile)
    )
}

/// The folder of a report, and whose it is.
pub struct Place {
    folder: PathBuf,
    origin: Origin,
}

impl Place {
    /// The place of a suite's report, in the folder `reports`.
    ///
    /// # Errors
    /// As `Origin::folder`.
    pub fn of(args: &SuiteArgs, suite: &Resolved, reports: &Path) -> Result<Place> {
        let origin = Origin::of(&embedded::suite(&args.suite)?, reports)?;
        let name = format!("{}-{}", suite.suite, suite.profile);
        let folder = origin.folder(reports, &name)?;
        Ok(Place { folder, origin })
    }
}

/// Write the report's folder and print its summary.
pub fn publish(report: &Report, suite: &Resolved, place: &Place, json: bool) -> Result<()> {
    if let Some(theirs) = place.origin.other(&place.folder)? {
        return Err(Error::Usage(format!(
            "{} became the report of `{theirs}` meanwhile, another suite of this name; run this \
             one again for its report",
            place.folder.display()
        )));
    }
    let written = report.write(&place.folder)?;
    place.origin.record(&place.folder)?;
    if json {
        let text =
            std::fs::read_to_string(&written.json).map_err(|e| Error::io(&written.json, e))?;
        return print(&text);
    }
    print(&summary(report))?;
    print(&format!("\n{}: {}\n", suite.profile, suite.summary))?;
    print(&format!("\nreport: {}\n", written.html.display()))
}

/// The answer to the paper's question, the headline table and the claims, as plain text.
fn summary(report: &Report) -> String {
    let (input, derived) = (&report.input, &report.derived);
    let answers = derived.claims.iter().filter_map(|c| c.answer.as_ref());
    let answers: String = answers.map(|a| format!("{a}\n")).collect();
    let gap = if answers.is_empty() { "" } else { "\n" };
    let mut heading = vec![String::new()];
    let shown = report.main_columns();
    heading.extend(shown.iter().map(|&c| input.columns[c].label.clone()));
    let mut rows = vec![heading];
    for (row, cells) in input.rows.iter().zip(&derived.rows) {
        let mut line = vec![input.name(row)];
        line.extend(shown.iter().map(|&c| figure(&cells.cells[c])));
        rows.push(line);
    }
    let mut out = format!(
        "\n{}, profile {}\n\n{answers}{gap}{}",
        input.suite.title,
        input.suite.profile,
        table(&rows)
    );
    if !derived.claims.is_empty() {
        out.push('\n');
        for (claim, result) in input.claims.iter().zip(&derived.claims) {
            out += &format!(
                "  {:<13} {} ({})\n{:<16}{}\n",
                result.verdict.name(),
                claim.text.trim_end_matches('.'),
                result.family.words(),
                "",
                result.sentence
            );
        }
    }
    out
}

fn figure(cell: &Cell) -> String {
    match (cell.mean, cell.sd) {
        (Some(mean), Some(sd)) => format!("{:.2} ± {:.2} %", 100.0 * mean, 100.0 * sd),
        (Some(mean), None) => format!("{:.2} %", 100.0 * mean),
        _ => match (cell.state, cell.why()) {
            (CellState::Failed, Some(why)) => format!("failed: {why}"),
            _ => format!("{:?}", cell.state).to_lowercase(),
        },
    }
}

/// What a strict run fails on: claims that are contradicted, else one that the evidence leaves
/// open.
pub fn unproven(report: &Report) -> Option<String> {
    let with = |verdict| {
        let claims = report.derived.claims.iter();
        let ids = claims
            .filter(|c| c.verdict == verdict)
            .map(|c| c.id.as_str());
        let ids: Vec<&str> = ids.collect();
        (!ids.is_empty()).then(|| ids.join(", "))
    };
    let contradicted = with(ClaimVerdict::Contradicted).map(|ids| format!("contradicted: {ids}"));
    contradicted.or_else(|| with(ClaimVerdict::Undecided).map(|ids| format!("undecided: {ids}")))
}
