//! The gates of a profile: those whose entry and data it has.

use super::*;

/// A gate without a condition is one of each condition that the profile runs its entry under.
pub(super) fn gates(suite: &Suite, rows: &[Row], columns: &[Column]) -> Vec<ResolvedGate> {
    let mut out = Vec::new();
    for gate in &suite.gates {
        let stated = gate.under.as_ref().map(|under| &under.value);
        let under = |row: &&Row| stated.is_none() || row.under.as_ref() == stated;
        let on = |c: &&Column| {
            let named = c.data.name == gate.on.value || dataset::family(&c.data) == gate.on.value;
            named && c.has(&gate.entry)
        };
        let listed = rows
            .iter()
            .filter(|r| r.listed && r.entry == gate.entry.value);
        for row in listed.filter(under) {
            out.extend(columns.iter().filter(on).map(|column| ResolvedGate {
                id: gate.id.value.clone(),
                row: row.id.clone(),
                column: column.id(),
                metric: gate.metric.value.clone(),
                tolerance: gate.tolerance,
                why: gate.why.clone(),
            }));
        }
    }
    out
}
