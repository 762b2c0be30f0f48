//! `head/*`: logits, loss, gradients and state of one step of a margin head.
//!
//! `input.embeddings` `[B, D]`, `input.weight` `[C, D]` (`[C K, D]` with K centres per class),
//! `input.labels` `[B]`. Any other input is state that the head starts from, any other expected
//! tensor state that it is left with. The parameters are those of a suite, where `scale` and
//! `margin` stand for `s` and `m`; `epoch`, `step` and `seed` say when the step is taken.

use super::{Case, Check, Family, Run, size};
use frbench_base::registry::Args;
use frbench_base::{Error, Result};
use frbench_job::HeadSpec;
use frbench_methods::head::{self, HEADS, HeadInput};
use std::collections::BTreeMap;

pub(super) const FAMILY: Family = Family {
    name: "head",
    find: |name| {
        HEADS
            .iter()
            .any(|h| h.info.name == name)
            .then_some(run as Run)
    },
    operations: || HEADS.iter().map(|h| h.info.name).collect(),
};

fn run(case: &Case) -> Result<Vec<Check>> {
    let when = |name: &str, default: usize| {
        let value = Args::new(&case.op, &case.params).usize_or(name, default);
        value.map(|v| v as u64)
    };
    let mut head = head::build(&spec(case))?;
    let (batch, d) = case.shape2("input.embeddings")?;
    let (rows, _) = case.shape2("input.weight")?;
    size::check(
        case,
        &[
            ("logits and their gradients", 24, &[batch, rows]),
            ("embeddings", 8, &[batch, d]),
            ("class weights", 8, &[rows, d]),
        ],
    )?;
    head.seed(when("seed", 0)?);
    start(case, &mut *head)?;
    let (embeddings, weight) = (case.var("input.embeddings")?, case.var("input.weight")?);
    let labels = case.u32("input.labels")?;
    let output = head.forward(&HeadInput {
        embeddings: &embeddings,
        weight: &weight,
        weight_grad: None,
        labels: &labels,
        logits: true,
        epoch: when("epoch", 1)?,
        step: when("step", 0)?,
    })?;
    let grads = output.loss.backward()?;
    let state = head.state();
    let mut checks = Vec::new();
    for name in case.names("expect") {
        let tensor = format!("expect.{name}");
        checks.push(match name {
            "logits" => Check::tensor(case, &tensor, output.logits()?)?,
            "loss" => Check::tensor(case, &tensor, &output.loss)?,
            "aux_loss" => match &output.aux_loss {
                Some(aux) => Check::tensor(case, &tensor, aux)?,
                None => return Err(Error::Compute(format!("`{tensor}`: the head has none"))),
            },
            "rectified_labels" => {
                let taken = output.labels.as_ref().unwrap_or(&labels);
                let taken: Vec<i64> = taken.iter().map(|&l| i64::from(l)).collect();
                Check::exact(case, &tensor, &taken)?
            }
            _ => Check::relative(
                case,
                &tensor,
                state_of(case, &state, "expect", name)?,
                super::check::LOSS,
            )?,
        });
    }
    for name in case.names("grad") {
        let leaf = match name {
            "embeddings" => &embeddings,
            "weight" => &weight,
            _ => return Err(case.wrong(&format!("grad.{name}"), "is no gradient of a head")),
        };
        let gradient = grads
            .get(leaf)
            .ok_or_else(|| Error::Compute(format!("`{name}` gets no gradient")))?;
        checks.push(Check::tensor(case, &format!("grad.{name}"), gradient)?);
    }
    Ok(checks)
}

/// The head as a suite would state it.
fn spec(case: &Case) -> HeadSpec {
    let params = case.params.iter().filter_map(|(name, value)| {
        let name = match name.as_str() {
            "epoch" | "step" | "seed" => return None,
            "scale" => "s",
            "margin" => "m",
            other => other,
        };
        Some((name.to_owned(), value.clone()))
    });
    HeadSpec {
        name: case.operation().to_owned(),
        params: params.collect(),
    }
}

fn start(case: &Case, head: &mut dyn head::Head) -> Result<()> {
    let mut state = head.state();
    let mut stated = false;
    for name in case.names("input") {
        if matches!(name, "embeddings" | "weight" | "labels") {
            continue;
        }
        state_of(case, &state, "input", name)?;
        state.insert(name.to_owned(), case.f64(&format!("input.{name}"))?);
        stated = true;
    }
    if stated { head.restore(&state) } else { Ok(()) }
}

/// The state that `prefix.name` of the case means.
fn state_of<'a>(
    case: &Case,
    state: &'a BTreeMap<String, Vec<f64>>,
    prefix: &str,
    name: &str,
) -> Result<&'a [f64]> {
    let found = state.get(name).map(Vec::as_slice);
    found.ok_or_else(|| {
        let known: Vec<&str> = state.keys().map(String::as_str).collect();
        let known = match known.is_empty() {
            true => "which has none".into(),
            false => format!("which has {}", known.join(", ")),
        };
        case.wrong(
            &format!("{prefix}.{name}"),
            &format!("is no state of the head, {known}"),
        )
    })
}
