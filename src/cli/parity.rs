//! `frbench parity`

use super::exit::ExitStatus;
use super::output::{bold, print, print_json};
use super::text;
use clap::Args;
use frbench::Result;
use frbench::parity::{self, Outcome, Verdict};
use serde_json::json;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct ParityArgs {
    /// Golden cases: `.safetensors` files, or folders of them
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

pub fn parity(args: ParityArgs) -> Result<ExitStatus> {
    let cases = parity::load(&args.paths)?;
    let outcomes = cases.iter().map(parity::run).collect::<Result<Vec<_>>>()?;
    let passed = outcomes
        .iter()
        .filter(|o| o.verdict == Verdict::Pass)
        .count();
    if args.json {
        print_json(&json!({ "passed": passed, "cases": outcomes }))?;
    } else {
        print(&table(&outcomes))?;
        print(&format!("\n{passed} of {} cases pass\n", outcomes.len()))?;
    }
    Ok(if passed == outcomes.len() {
        ExitStatus::Success
    } else {
        ExitStatus::Missed
    })
}

/// A line per checked tensor; the reason below a case that has none.
fn table(outcomes: &[Outcome]) -> String {
    let head = [
        "case",
        "operation",
        "tensor",
        "error",
        "tolerance",
        "verdict",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    for outcome in outcomes {
        let mut name = [outcome.case.clone(), outcome.op.clone()];
        for check in &outcome.checks {
            let [case, op] = std::mem::take(&mut name);
            rows.push(vec![
                case,
                op,
                check.tensor.clone(),
                format!("{:.1e}", check.error),
                format!("{:.0e}", check.tolerance),
                if check.met { "pass" } else { "MISS" }.into(),
            ]);
        }
        if outcome.checks.is_empty() {
            let [case, op] = name;
            let dash = String::from("-");
            rows.push(vec![
                case,
                op,
                dash.clone(),
                dash.clone(),
                dash,
                word(outcome).into(),
            ]);
        }
    }
    let mut out = text::table(&rows);
    for outcome in outcomes {
        if let Some(reason) = &outcome.reason {
            out += &format!("\n{} {}: {reason}\n", bold(&outcome.case), word(outcome));
        }
    }
    out
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome.verdict {
        Verdict::Pass => "pass",
        Verdict::Miss => "MISS",
        Verdict::Failed => "FAILED",
        Verdict::Unknown => "UNKNOWN",
    }
}
