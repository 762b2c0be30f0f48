//! `frbench eval --threshold-from`: a threshold chosen on one set, judged on the others.

use super::output::{note, print};
use super::table::Table;
use super::text::table;
use crate::plan::Round;
use crate::run::Store;
use crate::run::transfer::{Transferred, transferred};
use crate::{Error, Result, files};
use clap::Args;
use std::path::Path;

/// A threshold that transfers.
#[derive(Args, Debug)]
pub struct TransferArgs {
    /// Choose a threshold on this set of pairs, and read off its error rates on the others
    #[arg(long, value_name = "DATA")]
    threshold_from: Option<String>,
    /// The false match rate that the threshold is chosen at
    #[arg(long, value_name = "RATE", default_value = "1e-3", requires = "threshold_from", value_parser = rate)]
    fmr: f64,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|r| *r > 0.0 && *r < 1.0);
    rate.ok_or_else(|| "want a rate between 0 and 1, such as 1e-3".into())
}

impl TransferArgs {
    /// Whether it can be done, before anything is computed.
    ///
    /// # Errors
    /// A usage error.
    pub fn check(&self, on: &[String], rules: &[String]) -> Result<()> {
        let Some(from) = &self.threshold_from else {
            return Ok(());
        };
        if !on.contains(from) {
            return Err(Error::Usage(format!(
                "`--threshold-from {from}`: state that set in --on, too"
            )));
        }
        match rules.first().map(String::as_str) {
            Some("face-pytorch") => Err(Error::Usage(
                "scores by `face-pytorch` depend on the mean of the set that they are of, so no \
                 threshold transfers; --rule insightface or facex-zoo"
                    .into(),
            )),
            _ => Ok(()),
        }
    }
}

/// Prints what is asked for, and leaves it as `transfer.csv` in the folder of the report.
pub fn write(
    args: &TransferArgs,
    round: &Round,
    store: &Store,
    folder: &Path,
    json: bool,
) -> Result<()> {
    let Some(from) = &args.threshold_from else {
        return Ok(());
    };
    let found = transferred(round, store, from, args.fmr)?;
    let path = folder.join("transfer.csv");
    files::write_atomic(&path, &csv(from, args.fmr, &found)?)?;
    if json {
        note(&format!(
            "{}: error rates of thresholds of {from}",
            path.display()
        ));
        return Ok(());
    }
    print(&format!(
        "\nThresholds at a false match rate of {:e} on {from}, and their error rates\n\n{}\n{}\n",
        args.fmr,
        table(&rows(&found)),
        path.display()
    ))
}

fn rows(found: &[Transferred]) -> Vec<Vec<String>> {
    let head = ["model", "threshold", "on", "FMR", "FNMR"].map(String::from);
    let mut rows = vec![head.to_vec()];
    for one in found {
        let r = &one.rates;
        rows.push(vec![
            one.label.clone(),
            format!("{:.4}", one.rates.threshold),
            one.data.clone(),
            format!(
                "{:.3} % ({} of {})",
                100.0 * r.fmr(),
                r.false_matches,
                r.impostors
            ),
            format!(
                "{:.3} % ({} of {})",
                100.0 * r.fnmr(),
                r.false_non_matches,
                r.genuine
            ),
        ]);
    }
    rows
}

/// All of it as a table.
fn csv(from: &str, fmr: f64, found: &[Transferred]) -> Result<Vec<u8>> {
    let mut table = Table::new(&[
        "model",
        "seed",
        "chosen_on",
        "at_fmr",
        "threshold",
        "data",
        "fmr",
        "false_matches",
        "impostors",
        "fnmr",
        "false_non_matches",
        "genuine",
    ])?;
    for one in found {
        let r = &one.rates;
        table.row(&[
            &one.row,
            &one.seed.to_string(),
            from,
            &format!("{fmr:e}"),
            &r.threshold.to_string(),
            &one.data,
            &r.fmr().to_string(),
            &r.false_matches.to_string(),
            &r.impostors.to_string(),
            &r.fnmr().to_string(),
            &r.false_non_matches.to_string(),
            &r.genuine.to_string(),
        ])?;
    }
    table.finish()
}
