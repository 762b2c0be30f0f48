//! `frbench parity`

use super::exit::ExitStatus;
use super::output::{bold, print, print_json};
use super::text;
use crate::Result;
use crate::parity::{self, Outcome, Verdict};
use clap::Args;
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

/// How to make a case, as `--help` shows it.
pub const EXPORT: &str = "\
A case is a .safetensors file with an operation, its parameters, inputs and what they led to.
To prove that a head here computes what your PyTorch code does:

    import json, torch
    from safetensors.torch import save_file

    x = torch.randn(24, 512, requires_grad=True)    # embeddings, not normalised
    w = torch.randn(1000, 512, requires_grad=True)  # one row per class, not normalised
    labels = torch.randint(1000, (24,))
    logits = my_head(x, w, labels)                  # after margin and scale
    loss = torch.nn.functional.cross_entropy(logits, labels)
    loss.backward()
    save_file(
        {
            'input.embeddings': x.detach(), 'input.weight': w.detach(),
            'input.labels': labels,
            'expect.logits': logits.detach(), 'expect.loss': loss.detach().reshape(1),
            'grad.embeddings': x.grad, 'grad.weight': w.grad,
        },
        'my-arcface.safetensors',
        metadata={
            'frbench.parity': '1', 'op': 'head/arcface', 'source': 'my repository, my file',
            'params': json.dumps({'s': 64.0, 'm': 0.5}),
        },
    )

Compute in float64 and store float32, or the differences found are those of your own rounding.
Parameters are those of a suite (`frbench list heads`); `epoch`, `step` and `seed` say when the
step is taken. Any other input is state of the head before the step (`input.t` of
curricularface), any other expected tensor its state afterwards.

Other operations, by the same scheme:

  distill/LOSS    `input.student` and `input.teacher` (embeddings, maps or logits; taps as
                  `input.student.NAME`), `expect.loss`, `grad.student`; `input.labels` where the
                  loss wants them (`frbench list losses`)
  eval/PROTOCOL   verification: `input.embeddings` of pairs, two rows each, `input.issame`,
                  `expect.accuracy_mean`, `expect.accuracy_std`, `expect.fold_accuracy`;
                  identification: `input.probe`, `input.probe_id`, `input.distractor`,
                  `expect.rank`, `expect.tar`; template-verification: `input.features`,
                  `input.template`, `input.media`, `input.pair_a`, `input.pair_b`,
                  `input.label`, `expect.scores`, `expect.tar`
  backbone/NAME   `expect.embedding`; weights and input are made from their names

A tensor that is missing is named.

Tolerances, as L2 norm of the difference over L2 norm of the expected values: 2e-5 for losses,
logits, gradients and state, 1e-4 for the embedding of a network; protocols agree to 1e-9.";

pub fn parity(args: ParityArgs) -> Result<ExitStatus> {
    let files = parity::files(&args.paths)?;
    let outcomes = files.iter().map(|file| parity::run_file(file));
    let outcomes = outcomes.collect::<Result<Vec<_>>>()?;
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
