//! What cannot be trained or scored whatever the data hold, said before anything is done.

use super::*;
use crate::suite::tree::Node;
use frbench_engine::schedule::total_steps;
use frbench_job::{Decay, Length};

/// Combinations that a matrix may have.
const COMBINATIONS: usize = 10_000;

/// Results that a profile may ask for: each network that is trained, on each column. A plan has
/// up to three jobs for each, and is held in memory.
const RESULTS: usize = 50_000;

/// Comparisons that the claims of a profile may come to.
pub(super) const COMPARISONS: usize = 100_000;

/// Refuses a matrix with too many combinations, before they are made.
pub(super) fn matrix(source: &Source, entry: &str, keys: &[(At<String>, Vec<Node>)]) -> Result<()> {
    let sizes = || keys.iter().map(|(_, values)| values.len());
    let count = sizes().try_fold(1usize, |all, n| all.checked_mul(n));
    if count.is_some_and(|n| n <= COMBINATIONS) {
        return Ok(());
    }
    let span = keys.first().map_or(0..0, |(key, _)| key.span.clone());
    let product: Vec<String> = sizes().map(|n| n.to_string()).collect();
    let count = match (product.len(), count) {
        (1, _) => String::new(),
        (_, Some(count)) => format!(" = {count}"),
        (_, None) => String::from(", more than a number can say,"),
    };
    Err(source.error(
        &span,
        format_args!(
            "the matrix of `{entry}` has {}{count} combinations; at most {COMBINATIONS} can be run",
            product.join(" x ")
        ),
    ))
}

/// Refuses a profile that asks for too many results.
pub(super) fn results(
    source: &Source,
    profile: &At<String>,
    rows: &[Row],
    columns: &[Column],
) -> Result<()> {
    let mut per_entry: BTreeMap<&str, usize> = BTreeMap::new();
    let mut count = 0usize;
    for row in rows {
        let of_entry = || columns.iter().filter(|c| c.has(&row.entry)).count();
        let scored = *per_entry.entry(&row.entry).or_insert_with(of_entry);
        // One that is scored nowhere is trained all the same.
        count = count.saturating_add(row.seeds.len().saturating_mul(scored.max(1)));
    }
    if count <= RESULTS {
        return Ok(());
    }
    let seeds = rows.iter().map(|r| r.seeds.len()).max().unwrap_or(0);
    Err(source.error(
        &profile.span,
        format_args!(
            "profile `{}` asks for {count} results: {} rows with up to {seeds} seeds, on {} \
             columns; at most {RESULTS} can be planned at once",
            profile.value,
            rows.len(),
            columns.len()
        ),
    ))
}

/// The same while rows are made: no profile can have more of them than results.
pub(super) fn rows(source: &Source, profile: &At<String>, rows: usize) -> Result<()> {
    if rows <= RESULTS {
        return Ok(());
    }
    Err(source.error(
        &profile.span,
        format_args!(
            "profile `{}` has more than {RESULTS} rows; at most {RESULTS} results can be planned \
             at once",
            profile.value
        ),
    ))
}

/// Refuses a training without a step, a batch that is larger than the set, and a learning rate
/// that falls before it has risen.
pub(super) fn training(
    source: &Source,
    at: &At<String>,
    row: &str,
    trained: &Trained,
) -> Result<()> {
    let wrong = |what: String| {
        let what = format!("training `{}` of `{}`: {what}", at.value, row);
        Err(source.error(&at.span, what))
    };
    let unit = match trained.schedule.length {
        Length::Epochs(_) => "epochs",
        Length::Steps(_) => "steps",
    };
    if let Decay::Step { milestones, .. } = &trained.schedule.decay
        && let Some(first) = milestones.iter().copied().reduce(f64::min)
        && first < trained.schedule.warmup
    {
        return wrong(format!(
            "the rate falls after {first} {unit}, within the {} {unit} of warm-up, so that it \
             never reaches its peak; put the first milestone behind the warm-up",
            trained.schedule.warmup
        ));
    }
    let Some(images) = dataset::images(&trained.data) else {
        return Ok(());
    };
    let per_epoch = match trained.pass(images) {
        Ok(pass) => pass.steps,
        Err(e) if images >= trained.batch as u64 => return wrong(e.to_string()),
        Err(_) => 0,
    };
    if per_epoch == 0 {
        return wrong(format!(
            "a batch of {} is larger than `{}`, which has {images} images",
            trained.batch, trained.data.name
        ));
    }
    if let Length::Epochs(epochs) = trained.schedule.length
        && total_steps(trained.schedule.length, per_epoch) == 0
    {
        return wrong(format!(
            "{epochs} epochs of {per_epoch} steps are no step at all; one step is {:.3} epochs",
            1.0 / per_epoch as f64
        ));
    }
    Ok(())
}

/// Refuses more neighbours of an identity than there are others.
pub(super) fn neighbours(
    source: &Source,
    at: &At<String>,
    row: &str,
    trained: &Trained,
) -> Result<()> {
    let people = match &trained.data.source {
        DataSource::Noisy(noisy) => identities(&noisy.base),
        _ => identities(&trained.data),
    };
    for need in &trained.needs.derive {
        let k = need.params.get("k").and_then(serde_json::Value::as_f64);
        if let (Some(k), Some(people)) = (k, people)
            && need.derivation.ends_with("neighbors")
            && k >= people as f64
        {
            return Err(source.error(
                &at.span,
                format_args!(
                    "`{}`: {k} neighbours of each identity, but `{}` has {people} identities; take \
                     at most {}",
                    row,
                    trained.data.name,
                    people - 1
                ),
            ));
        }
    }
    Ok(())
}

fn identities(data: &DataSpec) -> Option<u64> {
    match &data.source {
        DataSource::Synth(synth) => synth.size.get("identities").copied(),
        DataSource::Files { .. } | DataSource::Noisy(_) => None,
    }
}

/// Refuses an input that the backbone cannot have.
pub(super) fn network(source: &Source, at: &At<String>, row: &Row) -> Result<()> {
    let built = frbench_methods::backbone::build(&row.backbone, row.input.size);
    built
        .map(|_| ())
        .map_err(|e| source.error(&at.span, format_args!("network `{}`: {e}", at.value)))
}

/// Refuses more folds than a set of pairs has pairs.
pub(super) fn folds(source: &Source, at: &At<String>, column: &Column) -> Result<()> {
    let folds = column
        .spec
        .params
        .get("folds")
        .and_then(serde_json::Value::as_f64);
    let pairs = dataset::images(&column.data).map(|n| n / 2);
    match (folds, pairs) {
        (Some(folds), Some(pairs))
            if column.data.format == DataFormat::Pairs && folds > pairs as f64 =>
        {
            Err(source.error(
                &at.span,
                format_args!(
                    "`{}` has {pairs} pairs, too few for {folds} folds",
                    at.value
                ),
            ))
        }
        _ => Ok(()),
    }
}
