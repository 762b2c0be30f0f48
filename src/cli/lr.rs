//! `frbench show --lr`: the learning rate over a method's training.

use super::text::table;
use crate::embedded;
use crate::engine::schedule::{lr_at, total_steps};
use crate::job::{DataSource, DataSpec, Decay, Length};
use crate::suite::check::suggest;
use crate::suite::{Resolved, dataset};
use crate::{Error, Result};
use std::collections::BTreeSet;

/// Lines of the table, apart from the steps around a milestone.
const LINES: u64 = 20;

/// Learning rates of the row called `method`, at even distances and on both sides of every milestone.
pub fn curve(suite: &Resolved, method: &str) -> Result<String> {
    let named = |id: &str, entry: &str| id == method || entry == method;
    let row = suite.rows.iter().find(|r| named(&r.id, &r.entry));
    let row = row.ok_or_else(|| {
        let ids = suite.rows.iter().map(|r| r.id.as_str());
        Error::NothingSelected(format!("no method `{method}`; {}", suggest(method, ids)))
    })?;
    let Some(trained) = row.trained() else {
        let what = format!("`{}` is read from a file and not trained", row.id);
        return Err(Error::NothingSelected(what));
    };
    let images = images(&trained.data)?;
    let pass = images.map(|n| trained.pass(n)).transpose()?;
    let per_epoch = match (pass, trained.schedule.length) {
        (Some(pass), _) => pass.steps,
        (None, Length::Steps(_)) => 1,
        (None, Length::Epochs(_)) => {
            return Err(Error::Data(format!(
                "`{}` trains for epochs of `{}`, whose size is known only from its files; its \
                 declaration states no `images`",
                row.id, trained.data.name
            )));
        }
    };
    let total = total_steps(trained.schedule.length, per_epoch);
    let lr = |step: u64| lr_at(&trained.schedule, step, per_epoch, total);
    let mut steps: BTreeSet<u64> = (0..LINES).map(|i| i * total / LINES).collect();
    steps.insert(total.saturating_sub(1));
    if matches!(trained.schedule.decay, Decay::Step { .. }) {
        let jumps = (1..total).filter(|&s| lr(s) < lr(s - 1));
        steps.extend(jumps.flat_map(|s| [s - 1, s]));
    }
    let mut out = vec![
        ["step", "epoch", "learning rate"]
            .map(String::from)
            .to_vec(),
    ];
    for step in steps.into_iter().filter(|s| *s < total) {
        let epoch = step as f64 / per_epoch as f64;
        let epoch = match images {
            Some(_) => format!("{epoch:.2}"),
            None => "-".to_string(),
        };
        out.push(vec![step.to_string(), epoch, format!("{:.6}", lr(step))]);
    }
    Ok(format!(
        "{}: {total} steps of {} images\n{}",
        row.id,
        trained.batch,
        table(&out)
    ))
}

/// Images of a set, by its name or, of a public set, by its declaration.
fn images(data: &DataSpec) -> Result<Option<u64>> {
    if let Some(known) = dataset::images(data) {
        return Ok(Some(known));
    }
    let base = match &data.source {
        DataSource::Noisy(noisy) => &noisy.base,
        _ => data,
    };
    let declared = embedded::declarations(None)?;
    let set = declared.get(&base.name);
    Ok(set.and_then(|s| s.counts.get("images").copied()))
}
