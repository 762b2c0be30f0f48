//! What is evaluated: data sets under protocols.

use super::names::Names;
use super::*;

pub(super) fn columns(names: &Names, profile: &Profile) -> Result<Vec<Column>> {
    let (source, known) = (names.source(), names.known);
    let mut columns: Vec<Column> = Vec::new();
    let mut ids = BTreeSet::new();
    for item in &profile.evaluate {
        let (data, protocol) = (&item.data, &item.protocol);
        for id in item.entries.iter().flatten() {
            names.entry("entry", id)?;
        }
        let (line, spec) = names.protocol(protocol)?;
        let set = known.dataset(source, data)?;
        if set.format != line.format {
            return Err(source.error(
                &data.span,
                format_args!(
                    "`{}` holds {}; protocol `{}` (`{}`) needs {}",
                    data.value,
                    holds(set.format),
                    protocol.value,
                    spec.name,
                    holds(line.format)
                ),
            ));
        }
        let column = Column {
            data: set,
            protocol: protocol.value.clone(),
            spec,
            parts: line.parts,
            views: line.views,
            entries: item
                .entries
                .as_ref()
                .map(|ids| ids.iter().map(|id| id.value.clone()).collect()),
            native: item.native,
        };
        limits::folds(source, data, &column)?;
        if !ids.insert(column.id()) {
            return Err(source.error(
                &data.span,
                format_args!(
                    "`{}` is evaluated twice under `{}`",
                    data.value, protocol.value
                ),
            ));
        }
        columns.push(column);
    }
    Ok(columns)
}

/// What a data set of this format is, for messages.
pub(super) fn holds(format: DataFormat) -> &'static str {
    match format {
        DataFormat::Train => "a training set",
        DataFormat::Pairs => "pairs",
        DataFormat::Identification => "probes and distractors",
        DataFormat::Templates => "templates",
        DataFormat::Gallery => "probes, a gallery and distractors",
    }
}
