//! The gates of a profile: those whose entry and data it has.

use super::names::Names;
use super::*;

/// A gate without a condition is one of each condition that the profile runs its entry under. It
/// watches the columns of its data whose protocol yields its metric.
///
/// # Errors
/// A gate whose metric no column has that the profile evaluates its entry on, and one that watches
/// what another does.
pub(super) fn gates(
    names: &Names,
    profile: &Profile,
    rows: &[Row],
    columns: &[Column],
) -> Result<Vec<ResolvedGate>> {
    let (suite, source) = (names.suite, names.source());
    let mut out: Vec<ResolvedGate> = Vec::new();
    for gate in &suite.gates {
        let stated = gate.under.as_ref().map(|under| &under.value);
        let under = |row: &&Row| stated.is_none() || row.under.as_ref() == stated;
        let listed = rows
            .iter()
            .filter(|r| r.listed && r.entry == gate.entry.value);
        let rows: Vec<&Row> = listed.filter(under).collect();
        let on = |c: &&Column| {
            let named = c.data.name == gate.on.value || dataset::family(&c.data) == gate.on.value;
            named && c.has(&gate.entry)
        };
        let columns: Vec<&Column> = columns.iter().filter(on).collect();
        if rows.is_empty() || columns.is_empty() {
            continue;
        }
        let (mut yielding, mut yielded) = (Vec::new(), BTreeSet::new());
        for column in columns {
            let metrics = names.metrics(&column.spec)?;
            if metrics.contains(&gate.metric.value) {
                yielding.push(column);
            }
            yielded.extend(metrics);
        }
        if yielding.is_empty() {
            let known = yielded.iter().map(String::as_str);
            return Err(source.error(
                &gate.metric.span,
                format_args!(
                    "profile `{}` evaluates `{}` on `{}`, but not with the metric `{}`; {}",
                    profile.id.value,
                    gate.entry.value,
                    gate.on.value,
                    gate.metric.value,
                    suggest(&gate.metric, known)
                ),
            ));
        }
        for (row, column) in rows
            .iter()
            .flat_map(|row| yielding.iter().map(move |column| (row, column)))
        {
            let found = ResolvedGate {
                id: gate.id.value.clone(),
                row: row.id.clone(),
                column: column.id(),
                metric: gate.metric.value.clone(),
                tolerance: gate.tolerance,
                why: gate.why.clone(),
            };
            if let Some(other) = out.iter().find(|g| g.watches_the_same(&found)) {
                return Err(source.error(
                    &gate.id.span,
                    format_args!(
                        "gates `{}` and `{}` both watch `{}` of `{}` on `{}` in profile `{}`; one \
                         tolerance holds for a value",
                        other.id, found.id, found.metric, found.row, found.column, profile.id.value
                    ),
                ));
            }
            out.push(found);
        }
    }
    Ok(out)
}

/// Refuses a gate that no profile watches.
///
/// # Errors
/// The first of them, at its entry.
pub(super) fn all_watched(suite: &Suite, watched: &BTreeSet<String>) -> Result<()> {
    let unwatched = suite.gates.iter().find(|g| !watched.contains(&g.id.value));
    let Some(gate) = unwatched else {
        return Ok(());
    };
    let under = match &gate.under {
        Some(under) => format!(" under `{}`", under.value),
        None => String::new(),
    };
    Err(suite.source.error(
        &gate.entry.span,
        format_args!(
            "gate `{}` watches nothing: no profile evaluates `{}`{under} on `{}`",
            gate.id.value, gate.entry.value, gate.on.value
        ),
    ))
}

impl ResolvedGate {
    fn watches_the_same(&self, other: &ResolvedGate) -> bool {
        (&self.row, &self.column, &self.metric) == (&other.row, &other.column, &other.metric)
    }
}
